//! `traceparent` and `tracestate` as `spec/vectors/trace-context.json` has them.

mod vectors;

use serde_json::{Value, json};
use towline_core::{Traceparent, TraceparentError, TracestateError, read};
use vectors::{array, load, text};

/// What the file says of a case, from what we read.
fn judged(fields: &[Value]) -> Value {
    let named = |name: &'static str| {
        let fields = fields
            .iter()
            .filter(move |field| text(&field[0]).eq_ignore_ascii_case(name));
        fields.map(|field| text(&field[1]).as_bytes())
    };
    let incoming = match read(named("traceparent"), named("tracestate")) {
        Ok(incoming) => incoming,
        Err(why) => {
            return json!({"restart": match why {
                TraceparentError::Absent => "absent",
                TraceparentError::Duplicate => "duplicate",
                TraceparentError::Malformed => "malformed",
                TraceparentError::ZeroId => "zero id",
            }});
        }
    };
    let context = &incoming.context;
    json!({"continue": {
        "trace_id": context.trace_id.to_string(),
        "parent_id": context.parent_id.to_string(),
        "flags_out": context.flags.to_string(),
        "own": incoming.own,
        "tracestate_dropped": incoming.tracestate_dropped.map(|why| match why {
            TracestateError::Malformed => "malformed",
            TracestateError::TooManyMembers => "too many members",
        }),
        "tracestate_out": context.tracestate.with_own(None),
        "tracestate_out_with_own": context.tracestate.with_own(Some("77b0e190:4")),
    }})
}

#[test]
fn every_case_is_read_as_the_model_reads_it() {
    let file = load("trace-context");
    for case in array(&file["cases"]) {
        let mut expected = case.as_object().unwrap().clone();
        let (name, fields) = (
            expected.remove("name").unwrap(),
            expected.remove("fields").unwrap(),
        );
        // All that is left is the judgement: a field that we do not know fails the comparison.
        assert_eq!(
            judged(fields.as_array().unwrap()),
            Value::Object(expected),
            "{name}: {fields}"
        );
    }
}

#[test]
fn what_goes_on_is_written_as_version_00() {
    let file = load("trace-context");
    for case in array(&file["cases"]).filter(|case| !case["continue"].is_null()) {
        let (expected, fields) = (&case["continue"], case["fields"].as_array().unwrap());
        let traceparent = fields
            .iter()
            .find(|field| text(&field[0]).eq_ignore_ascii_case("traceparent"))
            .unwrap();
        let context = read([text(&traceparent[1]).as_bytes()], [])
            .unwrap()
            .context;
        let written =
            Traceparent::new(context.trace_id, context.parent_id, context.flags).to_string();
        let [trace, parent, flags] =
            ["trace_id", "parent_id", "flags_out"].map(|name| text(&expected[name]));
        assert_eq!(
            written,
            format!("00-{trace}-{parent}-{flags}"),
            "{}",
            case["name"]
        );
    }
}
