//! The ids and flags of a trace: read once at the edge, plain bytes after that.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::BitOr;

use crate::hex;

/// The id of a trace: 16 bytes, never all zero (W3C Trace Context, "trace-id").
///
/// ```
/// use towline_core::TraceId;
///
/// let id = TraceId::parse(b"0af7651916cd43dd8448eb211c80319c").expect("32 lower-case hex digits");
/// assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
/// assert_eq!(id.low32(), 0x1c80_319c);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId {
    // Two words and not 16 bytes, which are put at odd places: moving those costs a request 15 ns.
    high: u64,
    low: u64,
}

impl TraceId {
    /// A new id, all of its bytes random: the flag [`TraceFlags::RANDOM`] is true of it.
    ///
    /// ```
    /// # use towline_core::TraceId;
    /// assert_ne!(TraceId::random(), TraceId::random());
    /// ```
    #[must_use]
    pub fn random() -> Self {
        Self {
            high: fastrand::u64(..),
            low: fastrand::u64(1..),
        }
    }

    /// The id in exactly 32 lower-case hex digits; none for anything else, and for 32 zeros.
    ///
    /// ```
    /// # use towline_core::TraceId;
    /// assert!(TraceId::parse(b"0AF7651916CD43DD8448EB211C80319C").is_none());
    /// assert!(TraceId::parse(b"00000000000000000000000000000000").is_none());
    /// ```
    #[must_use]
    pub fn parse(hex: &[u8]) -> Option<Self> {
        Self::from_number(hex::read32(hex.try_into().ok()?)?)
    }

    /// The id of these bytes, the first one written first; none if all are zero.
    ///
    /// ```
    /// # use towline_core::TraceId;
    /// assert!(TraceId::from_bytes([0; 16]).is_none());
    /// ```
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        Self::from_number(u128::from_be_bytes(bytes))
    }

    /// The id that is this number in hex; none for zero.
    #[inline]
    pub(crate) const fn from_number(number: u128) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, low @ ..] = number.to_be_bytes();
        if number == 0 {
            return None;
        }
        Some(Self {
            high: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            low: u64::from_be_bytes(low),
        })
    }

    const fn number(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    /// The 16 bytes, the first one written first.
    ///
    /// ```
    /// # use towline_core::TraceId;
    /// let id = TraceId::random();
    /// assert_eq!(TraceId::from_bytes(id.to_bytes()), Some(id));
    /// ```
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.number().to_be_bytes()
    }

    /// The last 8 hex digits as a number: what a strand clock says of its trace (`t=`).
    /// They may be zero.
    #[must_use]
    pub const fn low32(self) -> u32 {
        let [.., a, b, c, d] = self.low.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.number())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of a span: 8 bytes, never all zero (W3C Trace Context, "parent-id").
///
/// ```
/// use towline_core::SpanId;
///
/// let id = SpanId::parse(b"b7ad6b7169203331").expect("16 lower-case hex digits");
/// assert_eq!(id.to_string(), "b7ad6b7169203331");
/// assert_eq!(id.low32(), 0x6920_3331);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// A new id, all of its bytes random.
    ///
    /// ```
    /// # use towline_core::SpanId;
    /// assert_ne!(SpanId::random(), SpanId::random());
    /// ```
    #[must_use]
    pub fn random() -> Self {
        Self(NonZeroU64::new(fastrand::u64(..)).unwrap_or(NonZeroU64::MAX))
    }

    /// The id in exactly 16 lower-case hex digits; none for anything else, and for 16 zeros.
    ///
    /// ```
    /// # use towline_core::SpanId;
    /// assert!(SpanId::parse(b"b7ad6b716920333").is_none());
    /// assert!(SpanId::parse(b"0000000000000000").is_none());
    /// ```
    #[must_use]
    pub fn parse(hex: &[u8]) -> Option<Self> {
        Self::from_bytes(hex::read16(hex.try_into().ok()?)?.to_be_bytes())
    }

    /// The id of these bytes, the first one written first; none if all are zero.
    ///
    /// ```
    /// # use towline_core::SpanId;
    /// assert!(SpanId::from_bytes([0; 8]).is_none());
    /// ```
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        match NonZeroU64::new(u64::from_be_bytes(bytes)) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The 8 bytes, the first one written first.
    ///
    /// ```
    /// # use towline_core::SpanId;
    /// let id = SpanId::random();
    /// assert_eq!(SpanId::from_bytes(id.to_bytes()), Some(id));
    /// ```
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }

    /// The last 8 hex digits as a number: the nonce of the span's strand (strand-clocks.md,
    /// "Wire form"). They may be zero.
    #[must_use]
    pub const fn low32(self) -> u32 {
        let [.., a, b, c, d] = self.to_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The flags of a trace: sampled and random, and no others (W3C Trace Context Level 2,
/// "trace-flags"). Other bits are read without error and written as zero.
///
/// ```
/// use towline_core::TraceFlags;
///
/// let flags = TraceFlags::from_bits_truncate(0xff);
/// assert_eq!(flags, TraceFlags::SAMPLED | TraceFlags::RANDOM);
/// assert_eq!(flags.to_string(), "03");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceFlags(u8);

impl TraceFlags {
    /// 01: whoever began the trace may have recorded it.
    pub const SAMPLED: Self = Self(0x01);
    /// 02: at least the last 7 bytes of the trace id are random.
    pub const RANDOM: Self = Self(0x02);

    /// The flags among these bits that have a meaning.
    #[must_use]
    pub const fn from_bits_truncate(bits: u8) -> Self {
        Self(bits & (Self::SAMPLED.0 | Self::RANDOM.0))
    }

    /// The byte that is written: 0 to 3.
    ///
    /// ```
    /// # use towline_core::TraceFlags;
    /// assert_eq!(TraceFlags::from_bits_truncate(0x82).bits(), 0x02);
    /// ```
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Is [`Self::SAMPLED`] among them?
    ///
    /// ```
    /// # use towline_core::TraceFlags;
    /// assert!(TraceFlags::SAMPLED.sampled() && !TraceFlags::RANDOM.sampled());
    /// ```
    #[must_use]
    pub const fn sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// Is [`Self::RANDOM`] among them?
    ///
    /// ```
    /// # use towline_core::TraceFlags;
    /// assert!(TraceFlags::RANDOM.random() && !TraceFlags::SAMPLED.random());
    /// ```
    #[must_use]
    pub const fn random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
    }
}

impl BitOr for TraceFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for TraceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

impl fmt::Debug for TraceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn debug_is_the_text_of_the_id() {
        let id = SpanId::from_bytes([0, 0, 0, 0, 0, 0, 0, 1]).unwrap();
        assert_eq!(format!("{id:?}"), "0000000000000001");
    }

    #[test]
    fn low_halves_may_be_zero() {
        let id = TraceId::parse(b"10000000000000000000000000000000").unwrap();
        assert_eq!(id.low32(), 0);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed(trace in 1..=u128::MAX, span in 1..=u64::MAX) {
            let (trace, span) = (TraceId::from_number(trace).unwrap(), SpanId(NonZeroU64::new(span).unwrap()));
            prop_assert_eq!(TraceId::parse(trace.to_string().as_bytes()), Some(trace));
            prop_assert_eq!(SpanId::parse(span.to_string().as_bytes()), Some(span));
        }

        #[test]
        fn what_is_parsed_prints_as_it_came(text in "[0-9a-fA-Fg]{31,33}") {
            if let Some(id) = TraceId::parse(text.as_bytes()) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
