//! Calls that are given up at the deadline of the request that makes them.

use std::error::Error as StdError;
use std::fmt;

use reqwest_middleware::Error;

/// The deadline is over: the call was not made, or was given up. [`is_timeout`] tells it, and those
/// of reqwest itself, from other errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operation timed out: the deadline of the request is over")
    }
}

impl StdError for TimedOut {}

/// Whether a call failed for want of time: by a timeout of reqwest, or by the deadline of the
/// request that made it.
///
/// ```
/// use reqwest_middleware::Error;
/// use towline_reqwest::{TimedOut, is_timeout};
///
/// assert!(is_timeout(&Error::middleware(TimedOut)));
/// assert!(!is_timeout(&Error::middleware(std::fmt::Error)));
/// ```
#[must_use]
pub fn is_timeout(error: &Error) -> bool {
    match error {
        Error::Reqwest(error) => error.is_timeout(),
        Error::Middleware(error) => error.is::<TimedOut>(),
    }
}
