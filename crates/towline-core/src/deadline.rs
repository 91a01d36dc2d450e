//! How long a caller still waits (spec/edge.md, "Deadlines").

use std::error::Error;
use std::fmt;
use std::str;
use std::time::{Duration, Instant};

use crate::headers::{Field, Headers, Single};
use crate::trace_context::trim_blanks;
use crate::{Context, Reason, Towline};

/// Milliseconds of `towline-timeout`, else of `grpc-timeout`; none where there is no limit. Where
/// the first is there at all, the other is not looked at.
///
/// ```
/// assert_eq!(towline_core::read_timeout([("towline-timeout", "1500")].as_slice()), Ok(Some(1500)));
/// assert_eq!(towline_core::read_timeout([("grpc-timeout", "2S")].as_slice()), Ok(Some(2000)));
/// assert!(towline_core::read_timeout([("towline-timeout", "0")].as_slice()).is_err());
/// ```
///
/// # Errors
///
/// Where the field is there more than once, or is not one to eight digits and the unit.
pub fn read_timeout<H: Headers + ?Sized>(headers: &H) -> Result<Option<u64>, TimeoutError> {
    match headers.fields(Field::Timeout).collect() {
        Single::One(value) => match number(trim_blanks(value)) {
            Some(milliseconds @ 1..) => Ok(Some(milliseconds)),
            _ => Err(TimeoutError),
        },
        Single::Several => Err(TimeoutError),
        Single::Absent => match headers.fields(Field::GrpcTimeout).collect() {
            Single::One(value) => grpc(trim_blanks(value)).map(Some).ok_or(TimeoutError),
            Single::Several => Err(TimeoutError),
            Single::Absent => Ok(None),
        },
    }
}

/// A header is not a time that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutError;

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time that is left is not one field of one to eight digits")
    }
}

impl Error for TimeoutError {}

fn number(digits: &[u8]) -> Option<u64> {
    let is_number = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok()
}

fn grpc(text: &[u8]) -> Option<u64> {
    let (unit, digits) = text.split_last()?;
    let number = number(digits)?;
    Some(match unit {
        b'H' => number * 3_600_000,
        b'M' => number * 60_000,
        b'S' => number * 1000,
        b'm' => number,
        b'u' => number / 1000,
        b'n' => number / 1_000_000,
        _ => return None,
    })
}

/// The moment at which so many milliseconds from now are over.
pub(crate) fn after(milliseconds: u64) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(milliseconds))
}

/// The caller waits no longer: the call was not made.
///
/// ```
/// use towline_core::{Config, Peer, Reason, Towline};
///
/// let towline = Towline::new(Config::new().deadlines(true));
/// let headers = [("grpc-timeout", "0S")];
/// let context = towline.accept(headers.as_slice(), &Peer::default());
/// let refused = context.scope(|| towline.time_left()).expect_err("nothing is left");
/// assert_eq!(refused.to_string(), "the deadline of the request is over: the call was not made");
/// assert_eq!(towline.counters().get(Reason::TimeoutExpired), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline of the request is over: the call was not made")
    }
}

impl Error for Expired {}

impl Towline {
    /// For client middleware, before each attempt: how long the current context may still wait;
    /// none where there is no deadline, or deadlines are off.
    ///
    /// # Errors
    ///
    /// With less than a millisecond left, which is counted: no call is to be made.
    pub fn time_left(&self) -> Result<Option<Duration>, Expired> {
        if !self.settings().deadlines {
            return Ok(None);
        }
        let left = Context::current().and_then(|context| context.time_left());
        if left.is_some_and(|left| left < Duration::from_millis(1)) {
            self.dropped(Reason::TimeoutExpired);
            return Err(Expired);
        }
        Ok(left)
    }
}

impl Context {
    /// Milliseconds that are left for this work, rounded down; none where there is no deadline.
    ///
    /// ```
    /// use towline_core::{Config, Peer, Towline};
    ///
    /// let towline = Towline::new(Config::new().deadlines(true));
    /// let headers = [("towline-timeout", "60000")];
    /// let context = towline.accept(headers.as_slice(), &Peer::default());
    /// assert!(context.remaining().is_some_and(|left| left <= 60_000));
    /// context.with_timeout(2_000);
    /// context.with_timeout(9_000);
    /// assert!(context.remaining().is_some_and(|left| left <= 2_000));
    /// ```
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        let left = self.time_left()?.as_millis();
        Some(u64::try_from(left).unwrap_or(u64::MAX))
    }

    /// Lowers the deadline of this work to so many milliseconds from now, if it is not lower; it
    /// never raises it. Forks that begin afterwards have it too. Where deadlines are off, nothing
    /// changes.
    pub fn with_timeout(&self, milliseconds: u64) {
        if self.towline().settings().deadlines {
            self.lower_deadline(after(milliseconds));
        }
    }

    pub(crate) fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline()?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }
}
