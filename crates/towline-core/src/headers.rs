//! The headers that carry a context, and where they are read from.

/// The header of trace id, parent id and flags.
pub const TRACEPARENT: &str = "traceparent";
/// The header of other systems' members, and of our own.
pub const TRACESTATE: &str = "tracestate";
/// The header of the strand clock, on requests and on responses.
pub const RACEWAY_CLOCK: &str = "raceway-clock";

/// One of the headers that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// [`TRACEPARENT`]
    Traceparent,
    /// [`TRACESTATE`]
    Tracestate,
    /// [`RACEWAY_CLOCK`]
    RacewayClock,
}

impl Field {
    /// The header's name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traceparent => TRACEPARENT,
            Self::Tracestate => TRACESTATE,
            Self::RacewayClock => RACEWAY_CLOCK,
        }
    }
}

/// Header fields as they were received.
pub trait Headers {
    /// The values of all fields of that name, in order.
    fn fields(&self, field: Field) -> impl Iterator<Item = &[u8]>;
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn fields(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.iter()
            .filter(move |(name, _)| name.as_ref().eq_ignore_ascii_case(field.name()))
            .map(|(_, value)| value.as_ref())
    }
}

#[cfg(feature = "http")]
impl Headers for http::HeaderMap {
    fn fields(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.get_all(field.header_name())
            .iter()
            .map(http::HeaderValue::as_bytes)
    }
}

#[cfg(feature = "http")]
impl Field {
    /// The header's name, which has not to be parsed at each look.
    pub(crate) const fn header_name(self) -> http::HeaderName {
        http::HeaderName::from_static(self.name())
    }
}
