//! Where a client span's call goes, as far as its attributes tell.

use opentelemetry::{KeyValue, Value};

/// Attributes that hold a host, and those that hold an URL; the stable names first.
const HOSTS: [&str; 2] = ["server.address", "net.peer.name"];
const URLS: [&str; 2] = ["url.full", "http.url"];

/// The host that is called; none where the span does not say.
pub(crate) fn host(attributes: &[KeyValue]) -> Option<String> {
    let text = |name: &&str| {
        let found = attributes.iter().find(|one| one.key.as_str() == *name)?;
        match &found.value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        }
    };
    let named = HOSTS.iter().find_map(text);
    named
        .or_else(|| URLS.iter().find_map(text).and_then(authority))
        .map(str::to_owned)
}

/// The part of an URL between its scheme and its path, without user and password.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(authority.rsplit('@').next().unwrap_or(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_where_the_conventions_have_it() {
        for (key, value, expected) in [
            ("server.address", "stock.internal", Some("stock.internal")),
            ("net.peer.name", "10.0.0.7", Some("10.0.0.7")),
            (
                "url.full",
                "https://user:word@api.example.com:8443/a?b",
                Some("api.example.com:8443"),
            ),
            ("http.url", "http://[::1]:80?x", Some("[::1]:80")),
            ("url.full", "stock/items", None),
            ("db.system.name", "postgresql", None),
        ] {
            let attributes = [KeyValue::new(key, value)];
            assert_eq!(host(&attributes).as_deref(), expected, "{attributes:?}");
        }
    }

    #[test]
    fn a_host_goes_before_an_url() {
        let attributes = [
            KeyValue::new("url.full", "http://proxy.example.com/"),
            KeyValue::new("server.address", "stock"),
        ];
        assert_eq!(host(&attributes).as_deref(), Some("stock"));
    }

    #[test]
    fn an_attribute_that_is_no_text_names_no_host() {
        assert_eq!(host(&[KeyValue::new("server.address", 7)]), None);
    }
}
