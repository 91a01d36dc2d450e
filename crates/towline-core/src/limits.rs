//! How much a stranger's clock may ask for.

/// The limits of a clock that is read or written.
///
/// They can be set lower, and the bytes also higher; what others are sent is held to the defaults.
/// (`spec/strand-clocks.md`, "Wire form")
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the header, before blanks are trimmed.
    pub header_bytes_max: usize,
    /// Hop number plus nesting of fork lists.
    pub levels_max: usize,
    /// Forks that all ranges of one header name.
    pub forks_max: u32,
}

impl Limits {
    /// 4,096 bytes, 64 levels, 65,536 forks.
    pub const DEFAULT: Self = Self {
        header_bytes_max: 4096,
        levels_max: 64,
        forks_max: 65_536,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
