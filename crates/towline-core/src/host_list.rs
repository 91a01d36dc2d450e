//! Which hosts may be told something.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A list of hosts: names with all that is below them, addresses and blocks of them, or all.
///
/// One list says where clocks go, another where `traceparent` goes (spec/api.md, "Settings").
/// Case, a trailing dot and a port do not matter.
///
/// ```
/// use towline_core::HostList;
///
/// let (list, bad) = HostList::parse("example.com, 10.0.0.0/8");
/// assert!(bad.is_empty());
/// assert!(list.allows("example.com") && list.allows("API.example.com.:8443"));
/// assert!(!list.allows("badexample.com"));
/// assert!(list.allows("10.1.2.3") && list.allows("[::ffff:10.1.2.3]:80"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostList {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Any,
    Local,
    /// As it was written, without a trailing dot.
    Suffix(Box<str>),
    /// A block of IPv4-mapped addresses is kept as one of IPv4.
    Block(IpAddr, u8),
}

impl HostList {
    /// The list of all hosts.
    ///
    /// ```
    /// # use towline_core::HostList;
    /// assert!(HostList::any().allows("example.com"));
    /// ```
    #[must_use]
    pub fn any() -> Self {
        Self {
            rules: vec![Rule::Any],
        }
    }

    /// The hosts that clocks go to without being asked: loopback, private and link-local
    /// addresses, names of one label, and names below `.local`, `.internal`, `.svc` and
    /// `.cluster.local`.
    ///
    /// ```
    /// # use towline_core::HostList;
    /// let local = HostList::local();
    /// assert!(local.allows("localhost:8080") && local.allows("192.168.1.1") && local.allows("cart.shop.svc"));
    /// assert!(!local.allows("example.com") && !local.allows("8.8.8.8"));
    /// ```
    #[must_use]
    pub fn local() -> Self {
        Self {
            rules: vec![Rule::Local],
        }
    }

    /// Reads a comma-separated list, and tells which entries are not understood; they are left
    /// out. Blanks around entries and empty entries do not matter.
    ///
    /// An entry is a host name in ASCII (it fits itself and all names below), an address, a CIDR
    /// block, or `*` for all hosts.
    ///
    /// ```
    /// # use towline_core::HostList;
    /// let (list, bad) = HostList::parse("example.com, 10.0.0.0/33");
    /// assert!(list.allows("example.com"));
    /// assert_eq!(
    ///     bad[0].to_string(),
    ///     "`10.0.0.0/33` is not a host name, an address, a CIDR block or `*`",
    /// );
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<HostListError>) {
        let mut list = Self::default();
        let bad = list.add(text);
        (list, bad)
    }

    /// Adds the entries of a comma-separated list, as [`parse`](Self::parse) reads it, and tells
    /// which of them are not understood.
    ///
    /// ```
    /// # use towline_core::HostList;
    /// let mut list = HostList::local();
    /// assert!(list.add("example.com").is_empty());
    /// assert!(list.allows("localhost") && list.allows("www.example.com"));
    /// ```
    #[must_use = "entries that are not understood should be told to whoever wrote them"]
    pub fn add(&mut self, text: &str) -> Vec<HostListError> {
        let mut bad = Vec::new();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            match Rule::parse(entry) {
                Some(rule) => self.rules.push(rule),
                None => bad.push(HostListError {
                    entry: entry.to_owned(),
                }),
            }
        }
        bad
    }

    /// Is this host on the list? `host`: a name or an address as it stands in a URL, with or
    /// without a port, IPv6 in brackets or bare. What is not a host is only on the list of all.
    ///
    /// Allocates nothing, and looks up nothing: a name is judged as a name.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        if self.rules.contains(&Rule::Any) {
            return true;
        }
        let host = Host::parse(host);
        self.rules.iter().any(|rule| rule.fits(host))
    }
}

impl fmt::Display for HostList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return f.write_str("none");
        }
        for (nth, rule) in self.rules.iter().enumerate() {
            f.write_str(if nth == 0 { "" } else { ", " })?;
            match rule {
                Rule::Any => f.write_str("*"),
                Rule::Local => f.write_str("local"),
                Rule::Suffix(suffix) => f.write_str(suffix),
                Rule::Block(address, prefix) => write!(f, "{address}/{prefix}"),
            }?;
        }
        Ok(())
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::Any);
        }
        if let Some((address, prefix)) = entry.split_once('/') {
            return Self::block(address.parse().ok()?, prefix);
        }
        match Host::parse(entry)? {
            Host::Address(address) => Some(Self::Block(address, address_bits(address))),
            Host::Name(name) => Some(Self::Suffix(name.into())),
        }
    }

    fn block(address: IpAddr, prefix: &str) -> Option<Self> {
        if !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|&prefix| prefix <= address_bits(address))?;
        let unmapped = address.to_canonical();
        // Addresses are compared unmapped, and so must be a block of mapped ones.
        match prefix.checked_sub(address_bits(address) - address_bits(unmapped)) {
            Some(prefix) => Some(Self::Block(unmapped, prefix)),
            None => Some(Self::Block(address, prefix)),
        }
    }

    fn fits(&self, host: Option<Host<'_>>) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Local, Some(Host::Address(address))) => is_local_address(address),
            (Self::Local, Some(Host::Name(name))) => is_local_name(name),
            (Self::Suffix(suffix), Some(Host::Name(name))) => is_or_is_below(name, suffix),
            (Self::Block(network, prefix), Some(Host::Address(address))) => {
                is_within(address, *network, *prefix)
            }
            (Self::Suffix(_), Some(Host::Address(_)))
            | (Self::Block(..), Some(Host::Name(_)))
            | (Self::Local | Self::Suffix(_) | Self::Block(..), None) => false,
        }
    }
}

#[derive(Clone, Copy)]
enum Host<'a> {
    /// Not IPv4-mapped.
    Address(IpAddr),
    /// ASCII labels of letters, digits, `-` and `_`, without a trailing dot.
    Name(&'a str),
}

impl<'a> Host<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        // Nearly all calls go to a name without a port: that is looked at once.
        if is_name(text) {
            return Some(Self::Name(text));
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            let (address, port) = bracketed.split_once(']')?;
            return Self::ipv6(address)
                .filter(|_| port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
        }
        let host = match text.split_once(':') {
            Some((host, port)) if is_port(port) => host,
            Some(_) => return Self::ipv6(text),
            None => text,
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        if is_name(host) {
            return Some(Self::Name(host));
        }
        host.parse()
            .ok()
            .map(|address| Self::Address(IpAddr::V4(address)))
    }

    fn ipv6(text: &str) -> Option<Self> {
        let (address, _zone) = text.split_once('%').unwrap_or((text, ""));
        let address: Ipv6Addr = address.parse().ok()?;
        Some(Self::Address(address.to_canonical()))
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// One pass over the name: it is judged with every call.
fn is_name(text: &str) -> bool {
    let mut label_bytes = 0;
    for byte in text.bytes() {
        label_bytes = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => label_bytes + 1,
            b'.' if label_bytes > 0 => 0,
            _ => return false,
        };
    }
    let last = text.get(text.len() - label_bytes..).unwrap_or_default();
    label_bytes > 0 && !is_number(last)
}

/// Resolvers take a name whose last label is a number for an IPv4 address in one of its old forms
/// (`134744072`, `0x8.8.2056`): it must not pass for a local name of one label.
fn is_number(label: &str) -> bool {
    let hex = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_local_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// One label, or below `.local` (as `.cluster.local` is), `.internal` or `.svc`.
fn is_local_name(name: &str) -> bool {
    name.rsplit_once('.').is_none_or(|(_, last)| {
        ["local", "internal", "svc"]
            .iter()
            .any(|local| last.eq_ignore_ascii_case(local))
    })
}

fn is_or_is_below(name: &str, suffix: &str) -> bool {
    let above = name
        .len()
        .checked_sub(suffix.len())
        .and_then(|at| name.split_at_checked(at));
    above.is_some_and(|(above, tail)| {
        tail.eq_ignore_ascii_case(suffix) && (above.is_empty() || above.ends_with('.'))
    })
}

fn is_within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let differing_bits_end = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    differing_bits_end >= u32::from(prefix)
}

const fn address_bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// An entry of a list of hosts that is not understood.
///
/// See [`HostList::parse`] for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostListError {
    entry: String,
}

impl HostListError {
    /// The entry as it was written.
    ///
    /// ```
    /// # use towline_core::HostList;
    /// let (_, bad) = HostList::parse("good.example, *.bad.example");
    /// assert_eq!(bad[0].entry(), "*.bad.example");
    /// ```
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.entry
    }
}

impl fmt::Display for HostListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a host name, an address, a CIDR block or `*`",
            self.entry
        )
    }
}

impl Error for HostListError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn list(text: &str) -> HostList {
        let (list, bad) = HostList::parse(text);
        assert_eq!(bad, [], "{text}");
        list
    }

    #[test]
    fn local_is_loopback_private_link_local_one_label_and_the_four_suffixes() {
        let local = HostList::local();
        for host in [
            "localhost",
            "LOCALHOST.",
            "localhost:80",
            "127.0.0.1",
            "127.255.255.254:6001",
            "127.0.0.1.",
            "::1",
            "[::1]",
            "[::1]:6001",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "fc00::1",
            "fdff::1",
            "169.254.1.1",
            "fe80::1",
            "febf::1",
            "fe80::1%eth0",
            "[fe80::1%25eth0]:80",
            "::ffff:10.0.0.1",
            "[::ffff:127.0.0.1]",
            "web",
            "my_service-1",
            "printer.local",
            "db.internal",
            "cart.shop.svc",
            "cart.shop.svc.cluster.local",
            "CART.SVC.:80",
        ] {
            assert!(local.allows(host), "{host}");
        }
        for host in [
            "example.com",
            "notlocal.com",
            "a.mylocal",
            "local.com",
            "foo.localhost",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "192.169.0.1",
            "126.0.0.1",
            "fec0::1",
            "2001:db8::1",
            "::",
            "0.0.0.0",
            "::ffff:8.8.8.8",
            "169.253.1.1",
        ] {
            assert!(!local.allows(host), "{host}");
        }
    }

    #[test]
    fn what_only_looks_local_is_not() {
        let local = HostList::local();
        for host in [
            "134744072",
            "0x08080808",
            "0x",
            "8.8.2056",
            "evil.com/.local",
            "a.local@evil.com",
            "localhost:80@evil.com",
            "evil\u{3002}com",
            "",
            ".",
            "..",
            ".local",
            "a..local",
            ":80",
            "[localhost]",
            "[::1",
            "[::1]x",
            "[127.0.0.1]",
            "local host",
            "localhost..",
            "1:2:3",
            "%",
            "[]",
        ] {
            assert!(!local.allows(host), "{host:?}");
            assert!(HostList::any().allows(host), "{host:?}");
        }
    }

    #[test]
    fn an_entry_fits_itself_and_what_is_below() {
        let list = list(
            "Example.com., 203.0.113.7, 2001:db8::/32, ::ffff:198.51.100.0/120, 100.64.1.1/10, [2001:db9::1]",
        );
        for host in [
            "example.com",
            "EXAMPLE.COM.",
            "a.b.example.com:1",
            "203.0.113.7",
            "::ffff:203.0.113.7",
            "2001:db8:ffff::1",
            "198.51.100.200",
            "100.127.0.1",
            "[2001:db9::1]:443",
        ] {
            assert!(list.allows(host), "{host}");
        }
        for host in [
            "badexample.com",
            "example.com.evil.org",
            "com",
            "203.0.113.8",
            "2001:db9::2",
            "198.51.101.0",
            "100.128.0.1",
            "localhost",
        ] {
            assert!(!list.allows(host), "{host}");
        }
    }

    #[test]
    fn a_block_of_no_bits_is_one_family() {
        assert!(list("0.0.0.0/0").allows("8.8.8.8"));
        assert!(!list("0.0.0.0/0").allows("2001:db8::1"));
        assert!(list("::/0").allows("2001:db8::1"));
        assert!(!list("::/0").allows("8.8.8.8"));
    }

    #[test]
    fn entries_that_are_not_understood_are_told_and_left_out() {
        for entry in [
            "*.example.com",
            ".example.com",
            "10/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "::/129",
            "a b",
            "ex ample.com",
            "http://example.com",
            "b\u{fc}cher.example",
            "10.0.0",
            "[::1",
            "1.2.3.4/8/9",
            "**",
        ] {
            let (list, bad) = HostList::parse(entry);
            assert_eq!(list, HostList::default(), "{entry}");
            assert_eq!(
                bad.iter().map(HostListError::entry).collect::<Vec<_>>(),
                [entry]
            );
        }
        let (list, bad) = HostList::parse(" , a.example,, ? ,b.example ,");
        assert_eq!(
            (list.to_string().as_str(), bad.len()),
            ("a.example, b.example", 1)
        );
    }

    #[test]
    fn a_list_prints_as_it_can_be_written() {
        assert_eq!(
            list("*, example.com, 10.1.2.3, 10.0.0.0/8, ::1").to_string(),
            "*, example.com, 10.1.2.3/32, 10.0.0.0/8, ::1/128"
        );
        assert_eq!(HostList::local().to_string(), "local");
        assert_eq!(HostList::default().to_string(), "none");
    }

    proptest! {
        #[test]
        fn no_input_panics(entries in ".{0,60}|[0-9a-f:./%\\[\\],*]{0,40}", host in ".{0,60}|[0-9a-f:./%\\[\\]]{0,40}") {
            let mut list = HostList::local();
            let bad = list.add(&entries);
            prop_assert!(bad.len() <= entries.len());
            prop_assert!(!HostList::default().allows(&host));
            prop_assert!(!HostList::local().allows(&host) || list.allows(&host));
        }

        #[test]
        fn case_a_dot_and_a_port_do_not_matter(host in "([a-zA-Z0-9-]{1,8}\\.){0,3}(com|local|example)", port in any::<u16>()) {
            let list = list("example, x.com");
            let plain = host.to_ascii_lowercase();
            let suffix = ["example", "x.com"].iter().any(|s| plain == **s || plain.ends_with(&format!(".{s}")));
            for form in [host.clone(), host.to_ascii_uppercase(), format!("{host}."), format!("{host}:{port}"), format!("{host}.:{port}")] {
                prop_assert_eq!(list.allows(&form), suffix, "{}", form);
            }
        }

        #[test]
        fn blocks_agree_with_masks(network in any::<u32>(), near in any::<u32>(), shift in 0..32_u32, prefix in 0..=32_u32) {
            let address = network ^ (near >> shift);
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            let list = list(&format!("{}/{prefix}", Ipv4Addr::from_bits(network)));
            let address_text = Ipv4Addr::from_bits(address);
            prop_assert_eq!(list.allows(&address_text.to_string()), address & mask == network & mask);
            prop_assert_eq!(list.allows(&format!("[::ffff:{address_text}]:80")), address & mask == network & mask);
        }
    }
}
