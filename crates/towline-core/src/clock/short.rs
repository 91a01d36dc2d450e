//! The clock without version and labels, for our `tracestate` member.

use super::error::ClockError;
use super::{Clock, Scan};
use crate::Limits;

/// The most characters that the member's value may have.
pub(crate) const MEMBER_BYTES_MAX: usize = 256;

/// The member's value; none where it is longer than 256.
pub(crate) fn shorten(header: &str) -> Option<String> {
    let mut out = String::with_capacity(header.len().min(MEMBER_BYTES_MAX + 1));
    for member in header.split(", ").skip(1) {
        let (_, tail) = member.split_once('/')?;
        if !out.is_empty() {
            out.push('/');
        }
        for piece in tail.split([';', '=', '"']) {
            out.push_str(piece);
        }
        if out.len() > MEMBER_BYTES_MAX {
            return None;
        }
    }
    Some(out)
}

/// The clock that a member's value stands for. Its labels are the unknown one, `_#`.
pub(crate) fn lengthen(value: &str, trace: u32, limits: Limits) -> Result<Clock, ClockError> {
    if value.len() > MEMBER_BYTES_MAX {
        return Err(ClockError::TooLong {
            limit: MEMBER_BYTES_MAX,
        });
    }
    let mut header = String::with_capacity(16 + value.len() * 2);
    super::tree::head(&mut header, trace);
    let mut at = 0;
    for member in value.split('/') {
        lengthen_member(&mut header, member).ok_or(ClockError::Malformed { at })?;
        at += member.len() + 1;
    }
    let limits = Limits {
        header_bytes_max: usize::MAX,
        ..limits
    };
    Scan::read(header.as_bytes(), limits, None).map(|scan| scan.into_clock())
}

/// `nonce:tick`, then `f` with a number, the marks and the list, in the header's order.
fn lengthen_member(out: &mut String, member: &str) -> Option<()> {
    let digits = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let (nonce, rest) = member.split_at_checked(8)?;
    let rest = rest.strip_prefix(':')?;
    let (tick, mut rest) = rest.split_at_checked(digits(rest))?;
    if !nonce.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for part in [", _#/", nonce, ":", tick] {
        out.push_str(part);
    }
    if let Some(fork) = rest.strip_prefix('f') {
        let (fork, tail) = fork.split_at_checked(digits(fork))?;
        out.push_str(";f=");
        out.push_str(fork);
        rest = tail;
    }
    for mark in ['d', 'g', 'e', 'l'] {
        if let Some(tail) = rest.strip_prefix(mark) {
            out.push(';');
            out.push(mark);
            rest = tail;
        }
    }
    if let Some(list) = rest.strip_prefix('x') {
        if list.bytes().any(|byte| byte == b'"') {
            return None;
        }
        out.push_str(";x=\"");
        out.push_str(list);
        out.push('"');
        rest = "";
    }
    rest.is_empty().then_some(())
}
