//! Why a clock cannot be used.

use std::error::Error;
use std::fmt;

/// Why a header is not a clock that can be used. The whole clock is dropped, never the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockError {
    /// More bytes than the limit, counted before blanks are trimmed.
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// It does not begin with `v2;t=` and eight hex digits.
    Version,
    /// Its `t` is not that of the `traceparent` beside it.
    OtherTrace,
    /// It breaks the grammar, or says what cannot be.
    Malformed {
        /// Byte offset of what could not be read, in the header without the blanks around it.
        at: usize,
    },
    /// More than 64 levels: hop number plus nesting.
    TooDeep {
        /// The limit in levels.
        limit: usize,
    },
    /// The ranges name more forks than the limit.
    TooManyForks {
        /// The limit in forks.
        limit: u32,
    },
    /// A tick above 2³¹−1.
    TickTooHigh,
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => write!(f, "clock is longer than {limit} bytes"),
            Self::Version => f.write_str("clock does not begin with v2 and a trace"),
            Self::OtherTrace => f.write_str("clock is of another trace than traceparent"),
            Self::Malformed { at } => write!(f, "clock is malformed at byte {at}"),
            Self::TooDeep { limit } => write!(f, "clock has more than {limit} levels"),
            Self::TooManyForks { limit } => {
                write!(f, "clock names more than {limit} forks in flight")
            }
            Self::TickTooHigh => f.write_str("clock has a tick above 2147483647"),
        }
    }
}

impl Error for ClockError {}

/// Why a strand cannot do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrandError {
    /// It has ended: work that goes on is a strand of its own.
    Ended,
    /// The clock is of another trace, or of another first strand of the same trace.
    NotOfThisTrace,
    /// The clock claims events of this strand that have not happened.
    FromTheFuture,
    /// The answer is not of the strand that the call started.
    OtherStrand,
}

impl fmt::Display for StrandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the strand has ended",
            Self::NotOfThisTrace => "clock is not of this trace's first strand",
            Self::FromTheFuture => "clock claims events of this strand that have not happened",
            Self::OtherStrand => "answer is of another strand than the call's",
        })
    }
}

impl Error for StrandError {}

/// Why no clock can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutError {
    /// Longer than the budget even when all lists that may be are covered.
    TooLong,
    /// More levels, forks or ticks than a receiver takes.
    OverLimits,
}

impl fmt::Display for CutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "clock is too long even when cut",
            Self::OverLimits => "clock is over a receiver's limits",
        })
    }
}

impl Error for CutError {}
