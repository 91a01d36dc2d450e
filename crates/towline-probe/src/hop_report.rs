//! What a hop tells of itself: the answer of `/process` (`spec/services.md`).

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;
use towline_core::{SpanId, TraceId};

/// What a hop saw and sent. An answer inside it is left as text: it is read when the hop that gave
/// it is looked at, so that strangers' nesting is never followed deeper than the topology goes.
#[derive(Debug, Deserialize)]
pub(crate) struct HopReport<'a> {
    pub(crate) service: String,
    pub(crate) instance: String,
    pub(crate) payload: Option<String>,
    #[serde(deserialize_with = "trace_id")]
    pub(crate) trace_id: TraceId,
    #[serde(deserialize_with = "span_id")]
    pub(crate) span_id: SpanId,
    #[serde(deserialize_with = "span_id_or_null")]
    pub(crate) parent_id: Option<SpanId>,
    #[serde(deserialize_with = "flags")]
    pub(crate) flags: u8,
    #[serde(rename = "receivedHeaders")]
    pub(crate) received: Fields,
    pub(crate) clock: Option<String>,
    #[serde(borrow)]
    pub(crate) calls: Vec<CallReport<'a>>,
    #[serde(borrow, default)]
    pub(crate) downstream: Option<&'a RawValue>,
}

/// One call that a hop made.
#[derive(Debug, Deserialize)]
pub(crate) struct CallReport<'a> {
    pub(crate) url: String,
    #[serde(deserialize_with = "span_id_or_null")]
    pub(crate) span_id: Option<SpanId>,
    #[serde(rename = "sentHeaders")]
    pub(crate) sent: Fields,
    pub(crate) status: Option<u16>,
    #[serde(rename = "answerHeaders", default)]
    pub(crate) answered: Fields,
    #[serde(borrow, default)]
    pub(crate) answer: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// The header fields that were on the wire, several of one name joined by `, `.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Fields {
    pub(crate) traceparent: Option<String>,
    pub(crate) tracestate: Option<String>,
    #[serde(rename = "raceway-clock")]
    pub(crate) clock: Option<String>,
}

impl HopReport<'_> {
    /// `service#instance`.
    pub(crate) fn label(&self) -> String {
        format!("{}#{}", self.service, self.instance)
    }
}

/// Reads the answer of a hop. The reason, where it is no such answer, is one line.
pub(crate) fn read(answer: &str) -> Result<HopReport<'_>, String> {
    serde_json::from_str(answer).map_err(|error| error.to_string())
}

pub(crate) fn trace_id<'de, D: Deserializer<'de>>(from: D) -> Result<TraceId, D::Error> {
    let text = String::deserialize(from)?;
    TraceId::parse(text.as_bytes()).ok_or_else(|| not_an_id(32))
}

pub(crate) fn span_id<'de, D: Deserializer<'de>>(from: D) -> Result<SpanId, D::Error> {
    let text = String::deserialize(from)?;
    SpanId::parse(text.as_bytes()).ok_or_else(|| not_an_id(16))
}

fn span_id_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SpanId>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| SpanId::parse(text.as_bytes()).ok_or_else(|| not_an_id(16)))
        .transpose()
}

fn not_an_id<E: serde::de::Error>(digits: usize) -> E {
    E::custom(format!(
        "an id is not {digits} lower-case hex digits, not all zero"
    ))
}

pub(crate) fn flags<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    let text = String::deserialize(from)?;
    if text.len() != 2 || !text.bytes().all(is_hex) {
        return Err(D::Error::custom("flags are not two hex digits"));
    }
    u8::from_str_radix(&text, 16).map_err(D::Error::custom)
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn report() -> Value {
        json!({
            "service": "go", "instance": "go-1", "payload": "p",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "77b0e19012345678",
            "parent_id": null, "flags": "03", "receivedHeaders": {"tracestate": "a=1"},
            "clock": null, "downstream": null,
            "calls": [{"url": "http://a/process", "span_id": null, "sentHeaders": {}, "status": 200,
                       "answerHeaders": {}, "answer": {"deep": [1]}, "error": null}],
        })
    }

    #[test]
    fn a_report_is_read_and_its_answers_are_left_as_text() {
        let text = report().to_string();
        let read = read(&text).unwrap();
        assert_eq!(read.label(), "go#go-1");
        assert_eq!(read.span_id.low32(), 0x1234_5678);
        assert_eq!(read.received.tracestate.as_deref(), Some("a=1"));
        assert_eq!(read.calls[0].answer.unwrap().get(), r#"{"deep":[1]}"#);
    }

    #[test]
    fn an_answer_of_another_form_is_refused_with_a_reason() {
        for (field, value, reason) in [
            (
                "trace_id",
                json!("4BF92F3577B34DA6A3CE929D0E0E4736"),
                "an id is not 32 lower-case hex digits",
            ),
            ("trace_id", json!("0".repeat(32)), "an id is not 32"),
            ("span_id", json!("77b0"), "an id is not 16"),
            ("span_id", json!(null), "invalid type: null"),
            ("parent_id", json!("77b0e1901234567é"), "an id is not 16"),
            ("flags", json!("3"), "flags are not two hex digits"),
            ("flags", json!("+3"), "flags are not two hex digits"),
            ("calls", json!(null), "invalid type: null"),
            (
                "receivedHeaders",
                json!({"traceparent": ["a"]}),
                "invalid type: sequence",
            ),
        ] {
            let mut bad = report();
            bad[field] = value;
            let text = bad.to_string();
            let error = read(&text).unwrap_err();
            assert!(error.starts_with(reason), "{field}: {error}");
        }
        assert!(read("").is_err());
        assert!(read("[]").is_err());
    }

    #[test]
    fn nesting_inside_an_answer_is_not_followed() {
        let mut deep = report().to_string();
        let nest = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        deep = deep.replace("[1]", &nest);
        assert!(read(&deep).is_ok());
    }
}
