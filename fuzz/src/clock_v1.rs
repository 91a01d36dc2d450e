//! A clock of version 1: the header itself, or the JSON in it, of any bytes.
//!
//! It is read beside the trace id that it names itself. What reads is within the limits, and the
//! same when it is written and read again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use towline_core::{ClockV1, ClockV1Error, Order, SpanId, TraceId};

const TICK_MAX: u32 = i32::MAX as u32;

/// Checks one input.
pub fn check(data: &[u8]) {
    if data.starts_with(b"v1;") {
        header(data);
    } else {
        let mut text = "v1;".to_owned();
        URL_SAFE_NO_PAD.encode_string(data, &mut text);
        header(text.as_bytes());
    }
}

fn header(text: &[u8]) {
    let other = TraceId::from_bytes([0xee; 16]).expect("not zero");
    let trace_id = trace_id(text).unwrap_or(other);
    let Ok(clock) = ClockV1::read(text, trace_id, 4096) else {
        return;
    };
    assert!(text.len() <= 4096);
    assert_eq!(
        ClockV1::read(text, trace_id, text.len() - 1),
        Err(ClockV1Error::TooLong {
            bytes: text.len(),
            bytes_max: text.len() - 1
        })
    );
    if trace_id != other {
        let refused = ClockV1::read(text, other, 4096);
        assert_eq!(refused, Err(ClockV1Error::OtherTrace));
    }
    reads_again(&clock, trace_id);
    is_within_limits(&clock);
    counts_a_call(&clock, trace_id);
}

/// The trace id that the payload names.
fn trace_id(text: &[u8]) -> Option<TraceId> {
    let payload = URL_SAFE_NO_PAD.decode(text.strip_prefix(b"v1;")?).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    let uuid = payload.get("trace_id")?.as_str()?;
    TraceId::parse(uuid.replace('-', "").as_bytes())
}

fn reads_again(clock: &ClockV1, trace_id: TraceId) {
    let span_id = SpanId::from_bytes([7; 8]).expect("not zero");
    let text = clock.write(trace_id, span_id, span_id, "fuzz \"\u{7}\u{e9}", "1");
    let again = ClockV1::read(text.as_bytes(), trace_id, usize::MAX);
    assert_eq!(again.as_ref(), Ok(clock), "{text}");
    assert_eq!(clock.compare(clock), Order::Equal);
}

fn is_within_limits(clock: &ClockV1) {
    let mut names: Vec<&str> = clock.iter().map(|(name, _)| name).collect();
    assert!(clock.iter().all(|(_, count)| count <= TICK_MAX));
    assert!(
        names
            .iter()
            .all(|name| !name.is_empty() && !name.contains(char::is_control))
    );
    let count = names.len();
    assert!(count <= 256, "{count} components");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a component is there twice");
}

/// Only the caller's own count goes up, or nothing changes and nothing is sent.
fn counts_a_call(clock: &ClockV1, trace_id: TraceId) {
    let own = clock.iter().last().map_or("fuzz#1", |(name, _)| name);
    for own in [own, "fuzz#2", "\u{0}"] {
        let mut after = clock.clone();
        if after.send(own).is_err() {
            assert_eq!(after, *clock);
            continue;
        }
        let changed = after
            .iter()
            .filter(|new| !clock.iter().any(|old| old == *new));
        assert_eq!(changed.count(), 1);
        assert_eq!(clock.compare(&after), Order::Before);
        assert_eq!(after.compare(clock), Order::After);
        is_within_limits(&after);
        reads_again(&after, trace_id);
    }
}
