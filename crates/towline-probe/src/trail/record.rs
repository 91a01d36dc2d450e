//! What a service says it saw: the value of `towline-hops`.

use serde::Deserialize;
use serde_json::value::RawValue;
use towline_core::{SpanId, TraceId};

use crate::hop_report::{flags, span_id, trace_id};

/// A hop record. Those of its callees are left as text, and read when the callee is looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'a> {
    pub(super) service: String,
    pub(super) instance: String,
    #[serde(deserialize_with = "trace_id")]
    pub(super) trace_id: TraceId,
    #[serde(deserialize_with = "span_id")]
    pub(super) span_id: SpanId,
    /// As it came: a stranger's text.
    #[serde(default)]
    pub(super) parent_id: Option<String>,
    #[serde(deserialize_with = "flags")]
    pub(super) flags: u8,
    #[serde(default)]
    pub(super) restarted: Option<String>,
    pub(super) clock: String,
    #[serde(borrow, default)]
    pub(super) calls: Vec<CallRecord<'a>>,
    #[serde(default)]
    pub(super) cut: bool,
}

/// One call of the service, up to the head of its answer.
#[derive(Debug, Deserialize)]
pub(super) struct CallRecord<'a> {
    pub(super) host: String,
    #[serde(deserialize_with = "span_id")]
    pub(super) span_id: SpanId,
    pub(super) status: Option<u16>,
    pub(super) answer: Option<String>,
    #[serde(borrow, default)]
    pub(super) hops: Option<&'a RawValue>,
}

/// Reads a record. The reason, where it is none, is one line.
pub(super) fn read(text: &str) -> Result<Record<'_>, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"service": "go", "instance": "go-1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "77b0e19012345678",
        "parent_id": "00f067aa0ba902b7", "flags": "03", "restarted": null, "clock": "continued",
        "calls": [{"host": "127.0.0.1:6004", "span_id": "b7ad6b7169203331", "status": 200,
                   "answer": "joined", "hops": {"service": "rust"}}]}"#;

    #[test]
    fn a_record_is_read_and_the_records_in_it_are_left_as_text() {
        let record = read(RECORD).unwrap();
        assert_eq!(record.parent_id.as_deref(), Some("00f067aa0ba902b7"));
        assert!(!record.cut);
        assert_eq!(
            record.calls[0].hops.unwrap().get(),
            r#"{"service": "rust"}"#
        );
    }

    #[test]
    fn a_record_of_another_form_is_refused_with_a_reason() {
        for (from, to, reason) in [
            ("\"03\"", "\"3\"", "flags are not two hex digits"),
            ("77b0e19012345678", "77b0", "an id is not 16"),
            ("\"continued\"", "7", "invalid type: integer `7`"),
            ("\"calls\": [", "\"calls\": [7, ", "invalid type"),
        ] {
            let bad = RECORD.replacen(from, to, 1);
            let error = read(&bad).unwrap_err();
            assert!(error.contains(reason), "{from}: {error}");
        }
        assert!(read("").is_err() && read("[1]").is_err());
    }
}
