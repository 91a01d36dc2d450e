//! Strand clocks: stamps that tell how two events of one trace stand to each other.
//!
//! The rules are in `spec/strand-clocks.md`, the reference model in `spec/strand_clock.py`, the
//! cases in `spec/vectors/clock-*.json`. Each file here is one part of them: [`read`] and [`write`]
//! the text, [`known`] and [`ranges`] what a clock says, [`tree`] a clock as data, [`order`] the
//! comparison, [`cut`] the shortening, [`short`] the `tracestate` form.

mod cut;
mod error;
mod known;
mod label;
mod order;
mod ranges;
pub(crate) mod read;
pub(crate) mod short;
pub(crate) mod tree;
pub(crate) mod write;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

pub use self::error::{ClockError, CutError, StrandError};
pub use self::known::{Forks, Known};
pub use self::order::Order;
pub use self::ranges::Range;
use self::read::{KnownHead, Reader};
pub use self::tree::Hop;
use self::tree::Tree;
use crate::Limits;

/// The stamp of one event: which strand it belongs to, and all that it knows.
///
/// A clock is its canonical text, checked: reading one builds no tree, and sending it on copies it.
/// The text is ASCII, at most 4,096 bytes by default, and about 26 bytes a level of call depth.
///
/// ```
/// use towline_core::Clock;
///
/// let clock = Clock::parse(r#"v2;t=1c80319c, ts#ts-1/a3f9c21b:2, py#py-1/77b0e190:4;x="4""#)?;
/// let hops = clock.hops();
/// assert_eq!(hops[1].to_string(), "py#py-1");
/// assert_eq!(hops[1].known.tick, 4);
/// assert_eq!(hops[1].known.forks.in_flight().count(), 1);
/// # Ok::<_, towline_core::ClockError>(())
/// ```
#[derive(Clone)]
pub struct Clock {
    text: Box<str>,
    pub(crate) facts: Facts,
}

/// What reading a header tells beside its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The last 8 hex digits of the trace id.
    pub(crate) trace: u32,
    pub(crate) first_nonce: u32,
    pub(crate) hops: usize,
    /// How many forks its ranges name.
    pub(crate) forks: u32,
    /// Where the last member begins.
    pub(crate) last_at: usize,
    /// Where its fork list begins, if it is [known to be](read::Member::lone_call) the call alone.
    pub(crate) lone_call: Option<usize>,
    /// Whether its levels and forks are known to be within every receiver's limits.
    pub(crate) within_limits: bool,
}

/// A header that was read: its canonical text, borrowed where it came so.
pub(crate) struct Scan<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) facts: Facts,
}

impl<'a> Scan<'a> {
    /// Checks a header as it came; `trace`: the last 8 digits of the trace id beside it.
    pub(crate) fn read(
        header: &'a [u8],
        limits: Limits,
        trace: Option<u32>,
    ) -> Result<Self, ClockError> {
        if header.len() > limits.header_bytes_max {
            return Err(ClockError::TooLong {
                limit: limits.header_bytes_max,
            });
        }
        let text = trim_blanks(header);
        let mut reader = Reader::new(text, limits)?;
        if trace.is_some_and(|trace| trace != reader.trace()) {
            return Err(ClockError::OtherTrace);
        }
        let (mut first_nonce, mut last_at) = (0, 0);
        let mut lone_call = None;
        while let Some(member) = reader.next::<()>()? {
            if reader.hops() == 1 {
                first_nonce = member.nonce;
            }
            last_at = member.at;
            lone_call = member.lone_call;
        }
        if !reader.is_canonical() {
            let Clock { text, facts } = Tree::read(&mut Reader::new(text, limits)?)?.to_clock();
            return Ok(Self {
                text: Cow::Owned(text.into_string()),
                facts,
            });
        }
        let facts = Facts {
            trace: reader.trace(),
            first_nonce,
            hops: reader.hops(),
            forks: reader.forks(),
            last_at,
            lone_call,
            within_limits: limits.levels_max <= Limits::DEFAULT.levels_max
                && limits.forks_max <= Limits::DEFAULT.forks_max,
        };
        let text = std::str::from_utf8(text).map_err(|_| ClockError::Malformed { at: 0 })?;
        Ok(Self {
            text: Cow::Borrowed(text),
            facts,
        })
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::of_canonical(&self.text, self.facts.trace)
    }

    pub(crate) fn into_clock(self) -> Clock {
        Clock {
            text: self.text.into_owned().into_boxed_str(),
            facts: self.facts,
        }
    }
}

pub(crate) fn trim_blanks(header: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = header
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(header.len());
    let end = header
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    header.get(start..end).unwrap_or_default()
}

impl Clock {
    /// Reads a header by the default limits.
    ///
    /// # Errors
    ///
    /// [`ClockError`] where any rule of the wire form is broken; nothing of such a clock is used.
    pub fn parse(header: &str) -> Result<Self, ClockError> {
        Self::read(header.as_bytes(), Limits::DEFAULT, None)
    }

    /// Reads a header as it came; `trace`: the last 8 hex digits of the trace id in the
    /// `traceparent` beside it, as a number.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and [`ClockError::OtherTrace`] where the traces differ.
    pub fn read(header: &[u8], limits: Limits, trace: Option<u32>) -> Result<Self, ClockError> {
        Scan::read(header, limits, trace).map(Scan::into_clock)
    }

    /// The canonical text, as it goes into `raceway-clock`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The last 8 hex digits of the trace id, as a number.
    #[must_use]
    pub fn trace(&self) -> u32 {
        self.facts.trace
    }

    /// The strands on the way from the first one to the one that this is a stamp of. Never empty.
    #[must_use]
    pub fn hops(&self) -> Vec<Hop> {
        self.tree().hops
    }

    /// The event's tick in its strand.
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.last().map_or(0, |last| last.tick)
    }

    /// Whether this is the stamp of a strand's end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.last().is_some_and(|last| last.ended)
    }

    fn last(&self) -> Option<KnownHead> {
        let (text, facts) = (self.text.as_bytes(), self.facts);
        let member = Reader::resume(text, facts.last_at, facts.hops - 1).member::<()>();
        member.ok().map(|member| member.known)
    }

    /// How this event stands to another of the same trace.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Order {
        order::compare(&self.tree(), &other.tree())
    }

    /// This strand's clock if it knew all that `other` knows too: the least upper bound of both.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let (mut tree, own) = (self.tree(), self.tree().into_root());
        tree.adopt(Known::merge(own, other.tree().into_root()));
        tree.to_clock()
    }

    /// The header to send: at most `budget` bytes, and nothing that a receiver's default limits
    /// refuse.
    ///
    /// What is too long is covered by ranges that say that they cannot tell: a cut clock never
    /// claims more than it did.
    ///
    /// # Errors
    ///
    /// [`CutError`] where no cut is enough: no clock is sent then.
    pub fn cut(&self, budget: usize) -> Result<Self, CutError> {
        cut::cut(self.tree(), budget)
    }

    /// The value of the `tracestate` member `towline`: the same clock without version and labels.
    /// None where it is longer than 256 characters.
    #[must_use]
    pub fn to_tracestate(&self) -> Option<String> {
        let mut value = Vec::new();
        let fits = short::shorten(&mut value, &self.text);
        String::from_utf8(value).ok().filter(|_| fits)
    }

    /// Reads the value of the `tracestate` member. The labels of its hops are the unknown one, `_#`.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_tracestate(value: &str, trace: u32, limits: Limits) -> Result<Self, ClockError> {
        short::lengthen(value, trace, limits)
    }

    /// The canonical text, for a header that owns it.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text.into_string()
    }

    pub(crate) fn scan(&self) -> Scan<'_> {
        Scan {
            text: Cow::Borrowed(&self.text),
            facts: self.facts,
        }
    }

    pub(crate) fn from_parts(text: String, facts: Facts) -> Self {
        Self {
            text: text.into_boxed_str(),
            facts,
        }
    }

    pub(crate) fn tree(&self) -> Tree {
        self.scan().tree()
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.text).finish()
    }
}

impl FromStr for Clock {
    type Err = ClockError;

    fn from_str(header: &str) -> Result<Self, ClockError> {
        Self::parse(header)
    }
}

impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Clock {}
