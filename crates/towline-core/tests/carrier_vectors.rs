//! Deadlines, B3 and baggage as `spec/vectors/carriers.json` has them.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod vectors;

use serde_json::{Value, json};
use towline_core::{
    B3, Baggage, BaggageError, Config, Peer, Reason, TimeoutError, Towline, read_timeout,
};
use vectors::{array, load, text};

/// The fields of one name.
fn fields(name: &str, values: &Value) -> Vec<(String, String)> {
    let values = values.as_array().into_iter().flatten();
    values
        .map(|value| (name.to_owned(), text(value).to_owned()))
        .collect()
}

#[test]
fn every_time_that_is_left_is_read_as_the_model_reads_it() {
    let file = load("carriers");
    for case in array(&file["timeout"]) {
        let mut headers = fields("Towline-Timeout", &case["towline-timeout"]);
        headers.extend(fields("Grpc-Timeout", &case["grpc-timeout"]));
        let read = match read_timeout(headers.as_slice()) {
            Ok(left) => json!(left),
            Err(TimeoutError) => json!({"dropped": "malformed"}),
        };
        assert_eq!(read, case["milliseconds"], "{case}");

        let towline = Towline::new(Config::new().deadlines(true));
        let remaining = towline.accept(&headers, &Peer::default()).remaining();
        let refused = towline.counters().get(Reason::TimeoutMalformed);
        assert_eq!(refused, u64::from(read.is_object()), "{case}");
        assert_eq!(remaining.is_some(), read.is_u64(), "{case}");
        assert!(remaining.is_none_or(|left| Some(left) <= read.as_u64()));
    }
}

#[test]
fn every_b3_is_read_as_the_model_reads_it() {
    let file = load("carriers");
    for case in array(&file["b3"]) {
        let mut headers = fields("b3", &case["b3"]);
        for (name, values) in case["multi"].as_object().unwrap() {
            headers.extend(fields(&name.to_uppercase(), values));
        }
        let read = match B3::read(headers.as_slice()) {
            Ok(None) => Value::Null,
            Ok(Some(b3)) => json!({
                "trace_id": b3.ids.map(|(trace_id, _)| trace_id.to_string()),
                "span_id": b3.ids.map(|(_, span_id)| span_id.to_string()),
                "sampled": b3.sampled,
            }),
            Err(_) => json!({"dropped": "b3_malformed"}),
        };
        assert_eq!(read, case["read"], "{case}");

        // So it goes on, if it is asked for, and begins anew if it cannot be read.
        let towline = Towline::new(Config::new().propagators("b3"));
        let context = towline.accept(&headers, &Peer::default());
        let malformed = towline.counters().get(Reason::TraceparentB3Malformed);
        assert_eq!(malformed, u64::from(!read["dropped"].is_null()), "{case}");
        let goes_on = read["trace_id"].is_string();
        assert_eq!(context.parent_id().is_some(), goes_on, "{case}");
        if goes_on {
            assert_eq!(context.trace_id().to_string(), text(&read["trace_id"]));
        }
        let sampled = read["sampled"].as_bool().unwrap_or(true);
        assert_eq!(context.flags().sampled(), sampled, "{case}");
        let unasked = Towline::new(Config::new()).accept(&headers, &Peer::default());
        assert_eq!(unasked.parent_id(), None, "{case}");
    }
}

#[test]
fn all_baggage_is_read_as_the_model_reads_it() {
    let file = load("carriers");
    for case in array(&file["baggage"]) {
        let list = array_or_empty(&case["baggage"]);
        let read = match Baggage::read(list.iter().map(|field| text(field).as_bytes())) {
            Ok(baggage) => json!({
                "text": baggage.as_ref().map(Baggage::as_str).unwrap_or_default(),
                "members": baggage.iter().flat_map(Baggage::members).collect::<Vec<_>>(),
            }),
            Err(error) => json!({"dropped": match error {
                BaggageError::TooLong => "too_long",
                BaggageError::TooManyMembers => "too_many_members",
                BaggageError::Malformed => "malformed",
            }}),
        };
        assert_eq!(read, case["read"], "{case}");
    }
}

fn array_or_empty(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
