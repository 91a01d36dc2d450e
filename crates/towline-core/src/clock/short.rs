//! The clock without version and labels, for our `tracestate` member.

use super::error::ClockError;
use super::{Clock, Scan};
use crate::Limits;

/// The most characters that the member's value may have.
pub(crate) const MEMBER_BYTES_MAX: usize = 256;

/// Appends the member's value; whether it is at most 256 characters long.
pub(crate) fn shorten(out: &mut Vec<u8>, header: &str) -> bool {
    let members = header.split_once(", ").map_or("", |(_, members)| members);
    let start = out.len();
    let mut end = start;
    out.resize(start + members.len(), 0);
    let mut bytes = members.bytes();
    // A label ends with a slash, its member with a comma.
    while bytes.by_ref().any(|byte| byte == b'/') {
        for byte in bytes.by_ref() {
            if let Some(place) = out.get_mut(end) {
                *place = byte;
            }
            if byte == b',' {
                break;
            }
            // Written, and overwritten by the next if it is no part of the value: a third of the
            // time that a branch takes, which is foreseen badly.
            end += usize::from(!matches!(byte, b';' | b'=' | b'"'));
        }
        if let Some(place) = out.get_mut(end) {
            *place = b'/';
        }
        end += 1;
    }
    out.truncate(end.saturating_sub(1).max(start));
    out.len() - start <= MEMBER_BYTES_MAX
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
