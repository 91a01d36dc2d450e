//! Where a hop listens: an entry of a chain, made into a URL.

use std::error::Error;
use std::fmt;

use http::Uri;

/// The longest entry that is read, in bytes.
pub const ENTRY_BYTES_MAX: usize = 2048;

/// The URL that an entry of a chain means.
///
/// An entry is an `http` URL or `host:port`. Without a path it means `/process` there
/// (`spec/services.md`, "`POST /process`").
///
/// ```
/// use towline_probe::target;
///
/// assert_eq!(target("127.0.0.1:6001").unwrap(), "http://127.0.0.1:6001/process");
/// assert_eq!(target("http://[::1]:80").unwrap(), "http://[::1]:80/process");
/// assert_eq!(target("http://gate/v2/process?x=1").unwrap(), "http://gate/v2/process?x=1");
/// ```
///
/// # Errors
///
/// When the entry is not such a URL: empty, longer than [`ENTRY_BYTES_MAX`], of another
/// scheme, with a user name, without a host, or `host` alone.
pub fn target(entry: &str) -> Result<String, TargetError> {
    let (url, has_path) = checked(entry)?;
    Ok(if has_path {
        url
    } else {
        format!("{url}/process")
    })
}

/// The URL that an entry means where any service is asked: without a path it means `/`.
///
/// ```
/// assert_eq!(towline_probe::page("127.0.0.1:80").unwrap(), "http://127.0.0.1:80/");
/// assert_eq!(towline_probe::page("http://gate/orders?x=1").unwrap(), "http://gate/orders?x=1");
/// ```
///
/// # Errors
///
/// As [`target`].
pub fn page(entry: &str) -> Result<String, TargetError> {
    let (url, has_path) = checked(entry)?;
    Ok(if has_path { url } else { format!("{url}/") })
}

/// Where the service at an entry has its status (`spec/edge.md`, "Status"): below the entry's path,
/// unless that is it already.
///
/// ```
/// use towline_probe::status_url;
///
/// assert_eq!(status_url("127.0.0.1:80").unwrap(), "http://127.0.0.1:80/.well-known/towline");
/// assert_eq!(status_url("http://gate/cart/?x=1").unwrap(), "http://gate/cart/.well-known/towline");
/// ```
///
/// # Errors
///
/// As [`target`].
pub fn status_url(entry: &str) -> Result<String, TargetError> {
    const PATH: &str = "/.well-known/towline";
    let (url, _) = checked(entry)?;
    let url = url.split(['?', '#']).next().unwrap_or(&url);
    let url = url.strip_suffix(PATH).unwrap_or(url);
    Ok(format!("{}{PATH}", url.trim_end_matches('/')))
}

/// The whole URL, and whether there is something behind its host.
fn checked(entry: &str) -> Result<(String, bool), TargetError> {
    let fail = |reason| {
        Err(TargetError {
            entry: entry.chars().take(80).collect(),
            reason,
        })
    };
    if entry.is_empty() {
        return fail("is empty");
    }
    if entry.len() > ENTRY_BYTES_MAX {
        return fail("is longer than 2048 bytes");
    }
    let (whole, rest) = match entry.split_once("://") {
        Some(("http", rest)) => (entry.to_owned(), rest),
        Some(("https", _)) => return fail("is https: give the plain port behind it"),
        Some(_) => return fail("is not an http URL"),
        None if entry.contains(':') => (format!("http://{entry}"), entry),
        None => {
            return fail("is neither a URL, nor host:port, nor a service that is known by name");
        }
    };
    let Ok(uri) = whole.parse::<Uri>() else {
        return fail("is not a URL");
    };
    let Some(authority) = uri.authority() else {
        return fail("has no host");
    };
    if authority.as_str().contains('@') {
        return fail("has a user name, which would be sent to every hop");
    }
    if authority.host().is_empty() || authority.as_str().ends_with(':') {
        return fail("has no host or no port");
    }
    if !authority.as_str().ends_with(authority.host()) && authority.port_u16().is_none() {
        return fail("has a port above 65535");
    }
    let has_path = rest.contains(['/', '?', '#']);
    Ok((whole, has_path))
}

/// An entry of a chain that is not a place to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError {
    entry: String,
    reason: &'static str,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.entry.escape_debug(), self.reason)
    }
}

impl Error for TargetError {}

/// The host and port of a URL made by [`target`]: what a person recognises it by.
pub(crate) fn place(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_no_place_is_refused_with_its_reason() {
        for (entry, reason) in [
            ("", "is empty"),
            (
                "ruby",
                "is neither a URL, nor host:port, nor a service that is known by name",
            ),
            ("https://a/", "is https: give the plain port behind it"),
            ("ftp://a/", "is not an http URL"),
            ("http://", "is not a URL"),
            ("http:///process", "is not a URL"),
            ("http://a b/", "is not a URL"),
            (
                "a:b@c:1",
                "has a user name, which would be sent to every hop",
            ),
            ("a:", "has no host or no port"),
            ("a:70000", "has a port above 65535"),
            ("a:1\r\nx: y", "is not a URL"),
        ] {
            assert_eq!(target(entry).unwrap_err().reason, reason, "{entry}");
        }
        assert!(target(&format!("a:1/{}", "x".repeat(ENTRY_BYTES_MAX))).is_err());
    }

    #[test]
    fn an_error_shows_control_characters_escaped() {
        let error = target("a\x1b[2J").unwrap_err().to_string();
        assert!(error.starts_with("`a\\u{1b}[2J` "), "{error}");
    }

    #[test]
    fn a_place_is_host_and_port() {
        assert_eq!(place("http://127.0.0.1:6004/process"), "127.0.0.1:6004");
        assert_eq!(place("http://gate?x"), "gate");
    }
}
