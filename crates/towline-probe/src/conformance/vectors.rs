//! The cases of `spec/vectors/trace-context.json`, over the wire.

use serde::Deserialize;
use towline_core::{SpanId, TraceId};

use super::case::Case;
use super::check::{Parent, continued, restarted};
use super::rule::Rule;

const VECTORS: &str = include_str!("../../vectors/trace-context.json");

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    fields: Vec<(String, String)>,
    restart: Option<String>,
    #[serde(rename = "continue")]
    goes_on: Option<GoesOn>,
}

#[derive(Deserialize)]
struct GoesOn {
    trace_id: String,
    parent_id: String,
    flags_out: String,
    own: Option<String>,
    tracestate_dropped: Option<String>,
    tracestate_out: Option<String>,
}

pub(super) fn cases() -> Vec<Case> {
    let vectors: Vectors =
        serde_json::from_str(VECTORS).expect("the vectors are part of the program");
    vectors.cases.into_iter().map(case).collect()
}

fn case(vector: Vector) -> Case {
    let rule = rule(&vector);
    let Vector {
        name,
        fields,
        goes_on,
        ..
    } = vector;
    let Some(goes_on) = goes_on else {
        let came = format!("{fields:?}");
        return Case::new(rule, name, fields, move |exchange| {
            restarted(exchange.call(0)?, &came)
        });
    };
    let ids = TraceId::parse(goes_on.trace_id.as_bytes())
        .zip(SpanId::parse(goes_on.parent_id.as_bytes()))
        .zip(u8::from_str_radix(&goes_on.flags_out, 16).ok());
    let ((trace_id, parent_id), flags) = ids.expect("the vectors have good ids");
    let from = Parent {
        trace_id,
        parent_id,
        flags,
    };
    let others = goes_on.tracestate_out.unwrap_or_default();
    Case::new(rule, name, fields, move |exchange| {
        let call = exchange.call(0)?;
        continued(call, from)?;
        let (own, sent) = call.members();
        let sent = sent.join(",");
        if sent != others {
            return Err(format!("tracestate is `{sent}` and not `{others}`"));
        }
        let list = call.all("tracestate").join(",");
        let is_first = own.is_none() || list.starts_with("towline=");
        if !is_first || list.matches("towline=").count() > 1 {
            return Err(format!("our member stands not once and first: {list}"));
        }
        // Nothing of others is evicted for it, so it may be there only where it fits.
        if own.is_some() && (list.len() > 512 || list.split(',').count() > 32) {
            return Err(format!(
                "our member makes tracestate too long: {} bytes",
                list.len()
            ));
        }
        Ok(())
    })
}

/// By what the vector has that others have not.
fn rule(vector: &Vector) -> Rule {
    let named = |name: &'static str| {
        vector
            .fields
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
    };
    let parent = named("traceparent").next();
    let Some(goes_on) = &vector.goes_on else {
        return match vector.restart.as_deref() {
            Some("absent") => Rule::Absent,
            Some("duplicate") => Rule::Duplicate,
            _ => Rule::Invalid,
        };
    };
    match goes_on.tracestate_dropped.as_deref() {
        Some("malformed") => return Rule::TracestateBroken,
        Some(_) => return Rule::TracestateLimits,
        None => {}
    }
    if goes_on.own.is_some() {
        return Rule::TracestateOwn;
    }
    if named("tracestate").count() > 1 {
        return Rule::TracestateJoined;
    }
    let state = named("tracestate").next().map_or("", |(_, value)| value);
    if state.len() > 200 {
        return Rule::TracestateLimits;
    }
    let Some((name, value)) = parent else {
        return Rule::TraceparentContinued;
    };
    if name != "traceparent" {
        Rule::NameCase
    } else if value.trim_matches([' ', '\t']) != value {
        Rule::Blanks
    } else if !value.starts_with("00") {
        Rule::LaterVersion
    } else if !value.ends_with("-01") {
        Rule::Flags
    } else if state != "foo=1" {
        Rule::TracestateKept
    } else {
        Rule::TraceparentContinued
    }
}
