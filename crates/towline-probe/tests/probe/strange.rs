//! Answers of strangers: never a panic, never a control character, always bounded.

use proptest::prelude::*;
use serde_json::{Value, json};
use towline_core::{SpanId, TraceFlags, TraceId};
use towline_probe::{Answer, Cause, Charset, Ids, Outcome, Probe, Report, Topology};

use crate::healthy::linear;

fn finish(topology: &Topology, clock: Option<&str>, body: &[u8]) -> Report {
    let answer = Answer {
        status: 200,
        clock: clock.map(str::to_owned),
        body: body.to_vec(),
    };
    let ids = Ids {
        trace: TraceId::parse(b"4bf92f3577b34da6a3ce929d0e0e4736").unwrap(),
        span: SpanId::parse(b"00f067aa0ba902b7").unwrap(),
        call: SpanId::parse(b"0000000000000009").unwrap(),
    };
    Probe::new(topology, ids, TraceFlags::SAMPLED).finish(&answer)
}

fn hop() -> Value {
    json!({
        "service": "typescript", "instance": "ts-1", "payload": "p",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "77b0e19012345678",
        "parent_id": "0000000000000009", "flags": "03",
        "receivedHeaders": {}, "clock": null, "calls": [], "downstream": null,
    })
}

#[test]
fn an_answer_that_is_no_report_is_said_to_be_none() {
    for body in [
        "",
        "<html>",
        "null",
        "[]",
        "{}",
        "\"\\ud800\"",
        "{\"service\": \"\\u001b[2J\"}",
    ] {
        let report = finish(&linear(), None, body.as_bytes());
        assert_eq!(report.outcome(), Outcome::Unreachable, "{body}");
        assert_eq!(report.findings()[0].cause, Cause::NoReport);
    }
    assert_eq!(
        finish(&linear(), None, b"\xff\xfe").outcome(),
        Outcome::Unreachable
    );
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert_eq!(
        finish(&linear(), None, deep.as_bytes()).outcome(),
        Outcome::Unreachable
    );
}

#[test]
fn text_of_services_cannot_move_the_cursor() {
    let mut body = hop();
    for field in ["service", "instance", "payload"] {
        body[field] = json!(format!("\x1b[2J\u{202e}\r\n{}", "x".repeat(100_000)));
    }
    body["receivedHeaders"] = json!({"traceparent": "\x1b]0;title\x07", "tracestate": "\x1b[1m", "raceway-clock": "\x1b"});
    body["calls"] = json!([{"url": "\x1b[3J", "span_id": null, "sentHeaders": {"traceparent": "\x1b[5m"},
        "status": null, "answerHeaders": {}, "answer": null, "error": "\x1b[6n"}]);
    let report = finish(&linear(), Some("\x1b"), body.to_string().as_bytes());
    for charset in [Charset::Unicode, Charset::Ascii] {
        let text = report.text(charset);
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(!text.contains('\u{202e}'));
        assert!(text.len() < 20_000);
        assert!(charset == Charset::Unicode || text.is_ascii(), "{text}");
    }
    assert!(!report.json().to_string().contains('\x1b'));
}

#[test]
fn an_answer_with_more_hops_than_asked_for_is_not_followed() {
    let one = Topology::chain("a:1", [""; 0]).unwrap();
    let mut nested = hop();
    for _ in 0..30 {
        let mut outer = hop();
        outer["calls"] = json!([{"url": "u", "span_id": null, "sentHeaders": {}, "status": 200,
            "answerHeaders": {}, "answer": nested, "error": null}]);
        nested = outer;
    }
    let report = finish(&one, None, nested.to_string().as_bytes());
    assert_eq!(report.rows().len(), 2);
    assert!(
        report
            .findings()
            .iter()
            .any(|finding| finding.cause == Cause::CallsDiffer)
    );
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        "[0-9a-f]{16}".prop_map(Value::from),
        "[0-9a-f]{32}".prop_map(Value::from),
        "v2;t=0e0e4736, [a-z]{1,3}#[a-z]{0,2}/[0-9a-f]{8}:[1-9](;x=\"[1-9]\")?"
            .prop_map(Value::from),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-0[0-9]".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(Value::from)
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200), clock in "\\PC{0,60}") {
        let report = finish(&linear(), Some(&clock), &body);
        prop_assert_eq!(report.outcome(), Outcome::Unreachable);
    }

    #[test]
    fn no_field_panics(
        fields in prop::collection::vec((0..11usize, json_value()), 0..4),
        call in prop::collection::vec((0..7usize, json_value()), 0..3),
        headers in prop::collection::vec((0..3usize, json_value()), 0..3),
        clock in prop::option::of("[ -~]{0,60}"),
    ) {
        const FIELDS: [&str; 11] = ["service", "instance", "payload", "trace_id", "span_id", "parent_id",
            "flags", "receivedHeaders", "clock", "calls", "downstream"];
        const CALL: [&str; 7] = ["url", "span_id", "sentHeaders", "status", "answerHeaders", "answer", "error"];
        const HEADERS: [&str; 3] = ["traceparent", "tracestate", "raceway-clock"];
        let mut body = hop();
        let mut made = json!({"url": "http://python:1/process", "span_id": "0000000000000010",
            "sentHeaders": {}, "status": 200, "answerHeaders": {}, "answer": hop(), "error": null});
        for (n, value) in headers {
            made["sentHeaders"][HEADERS[n]] = value.clone();
            body["receivedHeaders"][HEADERS[n]] = value;
        }
        for (n, value) in call {
            made[CALL[n]] = value;
        }
        body["calls"] = json!([made]);
        for (n, value) in fields {
            body[FIELDS[n]] = value;
        }
        let report = finish(&linear(), clock.as_deref(), body.to_string().as_bytes());
        prop_assert_ne!(report.outcome(), Outcome::Kept);
        prop_assert!(!report.text(Charset::Ascii).is_empty());
    }
}
