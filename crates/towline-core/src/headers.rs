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
    /// The header's name; made when compiled, for making one reads its bytes.
    pub(crate) fn header_name(self) -> &'static http::HeaderName {
        static NAMES: [http::HeaderName; 3] = [
            http::HeaderName::from_static(TRACEPARENT),
            http::HeaderName::from_static(TRACESTATE),
            http::HeaderName::from_static(RACEWAY_CLOCK),
        ];
        let [traceparent, tracestate, clock] = &NAMES;
        match self {
            Self::Traceparent => traceparent,
            Self::Tracestate => tracestate,
            Self::RacewayClock => clock,
        }
    }
}
