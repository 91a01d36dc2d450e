//! Our `tracestate` member of any text.

use towline_core::{Clock, Component, Limits, Order, Strand};

use crate::written::{reads_again, sends, survives_tracestate};

const TRACE: u32 = 0x1c80_319c;

/// Checks one input.
pub fn check(data: &[u8]) {
    let value = String::from_utf8_lossy(data);
    let read = Clock::from_tracestate(&value, TRACE, Limits::DEFAULT);
    let whole = lengthened(&value).filter(|_| value.len() <= 256);
    assert_eq!(read.is_ok(), whole.is_some(), "{read:?} {value}");
    let (Ok(clock), Some(whole)) = (read, whole) else {
        return;
    };
    assert_eq!(clock, whole, "{value}");
    assert_eq!(clock.trace(), TRACE);
    assert_eq!(clock.hops().len(), value.split('/').count(), "{value}");
    assert!(clock.hops().iter().all(|hop| hop.to_string() == "_#"));
    reads_again(&clock);
    // The canonical form is never longer than what came.
    let again = survives_tracestate(&clock).expect("it fits as it did");
    assert_eq!(again, clock, "{value}");

    let strand = Strand::start(&clock, &Component::new("fuzz", "1"), 7, true);
    let stamp = strand.clock();
    reads_again(&stamp);
    assert!(stamp.hops().last().is_some_and(|hop| hop.gap), "{stamp}");
    assert_eq!(clock.compare(&stamp), Order::Before, "{stamp}");
    sends(&strand, Limits::DEFAULT.header_bytes_max);
}

/// The clock of the header that the member is short for.
fn lengthened(value: &str) -> Option<Clock> {
    let mut header = format!("v2;t={TRACE:08x}");
    for member in value.split('/') {
        let (head, list) = member.split_once('x').unwrap_or((member, ""));
        // The nonce may have an `f`, an `e` or a `d` too.
        let (nonce, rest) = head.split_at_checked(8)?;
        header.push_str(", _#/");
        header.push_str(nonce);
        for mark in rest.chars() {
            match mark {
                'f' => header.push_str(";f="),
                'd' | 'g' | 'e' | 'l' => header.extend([';', mark]),
                ':' | '0'..='9' => header.push(mark),
                _ => return None,
            }
        }
        if member.contains('x') {
            let grammar = list
                .chars()
                .all(|c| c.is_ascii_digit() || " .!~()+-".contains(c));
            header.push_str(&format!(";x=\"{}\"", Some(list).filter(|_| grammar)?));
        }
    }
    Clock::read(header.as_bytes(), Limits::DEFAULT, None).ok()
}
