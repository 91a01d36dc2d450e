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
    const ALL: [Self; 3] = [Self::Traceparent, Self::Tracestate, Self::RacewayClock];

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
            let name = name.as_ref();
            let field = Field::ALL
                .into_iter()
                .find(|field| name.eq_ignore_ascii_case(field.name()))?;
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
    #[inline]
    fn of(name: &http::HeaderName) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|field| *name == field.header_name())
    }

    /// The header's name; made when compiled, for making one reads its bytes.
    const fn header_name(self) -> http::HeaderName {
        match self {
            Self::Traceparent => HTTP_TRACEPARENT,
            Self::Tracestate => HTTP_TRACESTATE,
            Self::RacewayClock => HTTP_RACEWAY_CLOCK,
        }
    }
}

#[cfg(feature = "http")]
pub(crate) const HTTP_TRACEPARENT: http::HeaderName = http::HeaderName::from_static(TRACEPARENT);
#[cfg(feature = "http")]
pub(crate) const HTTP_TRACESTATE: http::HeaderName = http::HeaderName::from_static(TRACESTATE);
#[cfg(feature = "http")]
pub(crate) const HTTP_RACEWAY_CLOCK: http::HeaderName =
    http::HeaderName::from_static(RACEWAY_CLOCK);
