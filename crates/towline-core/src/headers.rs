//! The headers that carry a context, and where they are read from.

/// The header of trace id, parent id and flags.
pub const TRACEPARENT: &str = "traceparent";
/// The header of other systems' members, and of our own.
pub const TRACESTATE: &str = "tracestate";
/// The header of the strand clock, on requests and on responses.
pub const RACEWAY_CLOCK: &str = "raceway-clock";

/// The header of what an application carries along.
pub const BAGGAGE: &str = "baggage";
/// The header of the milliseconds that are left for a request.
pub const TOWLINE_TIMEOUT: &str = "towline-timeout";
/// The header by which a request asks what each service on its way saw of it.
pub const TOWLINE_PROBE: &str = "towline-probe";
/// The header of an answer to a request that asked what was seen.
pub const TOWLINE_HOPS: &str = "towline-hops";

/// Writes the headers that are read, once.
macro_rules! fields {
    ($($(#[$doc:meta])+ $variant:ident = $name:expr;)+) => {
        /// One of the headers that are read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Field {
            $($(#[$doc])+ $variant,)+
        }

        impl Field {
            const ALL: &[Self] = &[$(Self::$variant),+];

            /// The header's name, in lower case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The header's name; made when compiled, for making one reads its bytes.
            #[cfg(feature = "http")]
            pub(crate) const fn header_name(self) -> http::HeaderName {
                match self {
                    $(Self::$variant => const { http::HeaderName::from_static($name) },)+
                }
            }
        }
    };
}

fields! {
    /// [`TRACEPARENT`]
    Traceparent = TRACEPARENT;
    /// [`TRACESTATE`]
    Tracestate = TRACESTATE;
    /// [`RACEWAY_CLOCK`]
    RacewayClock = RACEWAY_CLOCK;
    /// [`BAGGAGE`]
    Baggage = BAGGAGE;
    /// [`TOWLINE_PROBE`]
    Probe = TOWLINE_PROBE;
    /// [`TOWLINE_TIMEOUT`]
    Timeout = TOWLINE_TIMEOUT;
    /// `grpc-timeout`
    GrpcTimeout = "grpc-timeout";
    /// `b3`
    B3 = "b3";
    /// `x-b3-traceid`
    B3TraceId = "x-b3-traceid";
    /// `x-b3-spanid`
    B3SpanId = "x-b3-spanid";
    /// `x-b3-sampled`
    B3Sampled = "x-b3-sampled";
    /// `x-b3-flags`
    B3Flags = "x-b3-flags";
    /// [`TOWLINE_HOPS`], on answers
    Hops = TOWLINE_HOPS;
}

impl Field {
    /// The field of that name, in any case.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|field| name.eq_ignore_ascii_case(field.name()))
    }

    /// Whether it says in which trace a request is, and where: what others than these three say is
    /// read apart, for few requests have it.
    pub(crate) const fn is_beside(self) -> bool {
        !matches!(
            self,
            Self::Traceparent | Self::Tracestate | Self::RacewayClock | Self::Hops
        )
    }
}

/// Header fields as they were received.
pub trait Headers {
    /// The fields that are read, among all others; those of one name in their order.
    ///
    /// One walk over a request's ten or twenty fields costs less than one look-up by name.
    fn read(&self) -> impl Iterator<Item = (Field, &[u8])>;

    /// The values of all fields of that name, in order.
    fn fields(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.read()
            .filter(move |(other, _)| *other == field)
            .map(|(_, value)| value)
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn read(&self) -> impl Iterator<Item = (Field, &[u8])> {
        self.iter().filter_map(|(name, value)| {
            let field = Field::of_name(name.as_ref())?;
            Some((field, value.as_ref()))
        })
    }
}

/// The fields of one name, of which there may be one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Single<'a> {
    #[default]
    Absent,
    One(&'a [u8]),
    Several,
}

impl<'a> Single<'a> {
    pub(crate) fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::One(value),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    pub(crate) fn is_absent(self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<'a> FromIterator<&'a [u8]> for Single<'a> {
    fn from_iter<T: IntoIterator<Item = &'a [u8]>>(values: T) -> Self {
        let mut single = Self::Absent;
        values.into_iter().for_each(|value| single.add(value));
        single
    }
}

#[cfg(feature = "http")]
impl Headers for http::HeaderMap {
    #[inline]
    fn read(&self) -> impl Iterator<Item = (Field, &[u8])> {
        self.iter()
            .filter_map(|(name, value)| Some((Field::of(name)?, value.as_bytes())))
    }

    fn fields(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.get_all(field.header_name())
            .iter()
            .map(http::HeaderValue::as_bytes)
    }
}

#[cfg(feature = "http")]
impl Field {
    /// The field of that name. Most names of a request are of the standard, and none of these: to
    /// tell that costs nothing, where to read their text would.
    #[inline]
    fn of(name: &http::HeaderName) -> Option<Self> {
        macro_rules! first_of {
            ($($field:ident),+) => {
                $(if *name == Self::$field.header_name() {
                    return Some(Self::$field);
                })+
            };
        }
        first_of!(
            Traceparent,
            Tracestate,
            RacewayClock,
            Baggage,
            Probe,
            Timeout,
            GrpcTimeout
        );
        first_of!(B3, B3TraceId, B3SpanId, B3Sampled, B3Flags, Hops);
        None
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for field in Field::ALL {
            assert_eq!(Field::of(&field.header_name()), Some(*field));
        }
        for other in [
            "b4",
            "hostname",
            "x-b3-span-id",
            "tracestatf",
            "accept-encoding",
        ] {
            assert_eq!(Field::of(&http::HeaderName::from_static(other)), None);
        }
    }
}
