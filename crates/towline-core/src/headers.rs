//! The headers that carry a context, and where they are read from.

/// The header of trace id, parent id and flags.
pub const TRACEPARENT: &str = "traceparent";
/// The header of other systems' members, and of our own.
pub const TRACESTATE: &str = "tracestate";
/// The header of the strand clock, on requests and on responses.
pub const RACEWAY_CLOCK: &str = "raceway-clock";

/// Header fields as they were received, by lower-case name: all of one name, in order.
pub trait Headers {
    /// The values of all fields of that name.
    fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]>;
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.iter()
            .filter(move |(n, _)| n.as_ref().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }
}

#[cfg(feature = "http")]
impl Headers for http::HeaderMap {
    fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).iter().map(http::HeaderValue::as_bytes)
    }
}
