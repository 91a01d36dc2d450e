//! Clocks of version 1 as `spec/vectors/clock-v1.json` has them.

mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use towline_core::{ClockV1, ClockV1Error, Limits, Order, SpanId, TraceId};
use vectors::{array, load, number, text};

const BYTES_MAX: usize = Limits::DEFAULT.header_bytes_max;

fn trace_id(file: &Value) -> TraceId {
    TraceId::parse(text(&file["trace_id"]).as_bytes()).expect("the file's trace id is one")
}

/// The clock with this vector: each component has sent as many calls as it counts.
fn clock(vector: &Value) -> ClockV1 {
    let mut clock = ClockV1::default();
    for (component, count) in vector.as_object().expect("a vector") {
        for _ in 0..number(count) {
            clock.send(component).expect("the file's vectors are small");
        }
    }
    clock
}

fn vector(clock: &ClockV1) -> Value {
    Value::Object(
        clock
            .iter()
            .map(|(component, count)| (component.to_owned(), count.into()))
            .collect(),
    )
}

/// Fails where a case has a field that the test does not look at.
fn assert_fields(case: &Value, names: &[&str]) {
    let fields: Vec<_> = case
        .as_object()
        .map(Map::keys)
        .into_iter()
        .flatten()
        .collect();
    assert!(
        fields.len() == names.len() && fields.iter().all(|name| names.contains(&name.as_str())),
        "{fields:?}"
    );
}

#[test]
fn good_headers_give_their_vectors() {
    let file = load("clock-v1");
    for case in array(&file["read"]) {
        assert_fields(case, &["header", "vector"]);
        let read = ClockV1::read(text(&case["header"]).as_bytes(), trace_id(&file), BYTES_MAX);
        assert_eq!(
            read.as_ref().map(vector),
            Ok(case["vector"].clone()),
            "{case}"
        );
    }
}

#[test]
fn bad_headers_are_refused_for_the_reason_of_the_model() {
    let file = load("clock-v1");
    for case in array(&file["refused"]) {
        assert_fields(case, &["header", "reason"]);
        let refused = ClockV1::read(text(&case["header"]).as_bytes(), trace_id(&file), BYTES_MAX)
            .expect_err("refused");
        // The model's reasons are for people, and coarser or finer than ours in places.
        let ours: &[ClockV1Error] = match text(&case["reason"]) {
            "too long" => &[ClockV1Error::TooLong {
                bytes: text(&case["header"]).len(),
                bytes_max: BYTES_MAX,
            }],
            "not v1" => &[ClockV1Error::Version, ClockV1Error::Malformed],
            "of another trace" => &[ClockV1Error::OtherTrace],
            "clock is not a list of at most 256" | "bad component" => {
                &[ClockV1Error::Malformed, ClockV1Error::OverLimits]
            }
            "not base64url of JSON"
            | "not an object with a trace id"
            | "trace id is not a UUID in lower case"
            | "an entry is not a name and a whole number" => &[ClockV1Error::Malformed],
            other => panic!("a reason that is new: {other}"),
        };
        assert!(ours.contains(&refused), "{refused:?} for {case}");
    }
}

#[test]
fn a_call_raises_the_own_component() {
    let file = load("clock-v1");
    for case in array(&file["send"]) {
        assert_fields(case, &["vector", "own", "after"]);
        let mut sent = clock(&case["vector"]);
        sent.send(text(&case["own"])).unwrap();
        assert_eq!(vector(&sent), case["after"], "{case}");
    }
}

#[test]
fn what_is_written_is_the_payload() {
    let file = load("clock-v1");
    for case in array(&file["write"]) {
        assert_fields(
            case,
            &[
                "vector",
                "span_id",
                "parent_span_id",
                "service",
                "instance",
                "payload",
            ],
        );
        let [span_id, parent_span_id] = ["span_id", "parent_span_id"]
            .map(|name| SpanId::parse(text(&case[name]).as_bytes()).unwrap());
        let (service, instance) = (text(&case["service"]), text(&case["instance"]));
        let written = clock(&case["vector"]).write(
            trace_id(&file),
            span_id,
            parent_span_id,
            service,
            instance,
        );
        let payload = URL_SAFE_NO_PAD
            .decode(written.strip_prefix("v1;").unwrap())
            .unwrap();
        let mut payload: Value = serde_json::from_slice(&payload).unwrap();
        let mut expected = case["payload"].clone();
        // The file's vector has lost its order on the way through JSON objects; the rest is compared as it is.
        for clock in [&mut payload["clock"], &mut expected["clock"]] {
            clock.as_array_mut().unwrap().sort_by_key(Value::to_string);
        }
        assert_eq!(payload, expected, "{case}");
    }
}

#[test]
fn vectors_are_compared_per_component() {
    let file = load("clock-v1");
    for case in array(&file["compare"]) {
        assert_fields(case, &["a", "b", "order"]);
        let expected = match text(&case["order"]) {
            "before" => Order::Before,
            "after" => Order::After,
            "equal" => Order::Equal,
            "concurrent" => Order::Concurrent,
            other => panic!("an order that is new: {other}"),
        };
        assert_eq!(
            clock(&case["a"]).compare(&clock(&case["b"])),
            expected,
            "{case}"
        );
    }
}
