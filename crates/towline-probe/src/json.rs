//! The same report, for programs: `towline.probe/1`.

use serde_json::{Value, json};

use crate::finding::{Finding, Place};
use crate::report::{Outcome, Report};
use crate::row::{Cell, Row};

impl Report {
    /// The report as one JSON document of the schema `towline.probe/1`: `data` are the rows.
    ///
    /// Ids are lower-case hex; times are microseconds in names that end in `_us`; hops are numbers,
    /// 0 the prober.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "schema": "towline.probe/1",
            "total": self.rows.len(),
            "truncated": false,
            "data": self.rows.iter().map(row).collect::<Value>(),
            "outcome": self.outcome().as_str(),
            "trace_id": self.trace_id.to_string(),
            "shape": self.shape,
            "hop_count": self.hop_count(),
            "kept_count": self.kept_count(),
            "components": self.components(),
            "components_hop": self.components.as_ref().map(|(hop, _)| hop),
            "order": {"pair_count": self.pairs.all, "proved_count": self.pairs.proved},
            "findings": self.findings.iter().map(finding).collect::<Value>(),
            "took_us": self.took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
        })
    }
}

impl Outcome {
    /// `kept`, `findings` or `unreachable`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Findings => "findings",
            Self::Unreachable => "unreachable",
        }
    }
}

fn row(row: &Row) -> Value {
    json!({
        "hop": row.hop,
        "caller": row.caller,
        "url": (row.hop > 0).then_some(&row.url),
        "service": row.service,
        "instance": row.instance,
        "trace_id": row.trace_id.map(|id| id.to_string()),
        "span_id": row.span_id.map(|id| id.to_string()),
        "parent_id": row.parent_id.map(|id| id.to_string()),
        "flags": row.flags.map(|flags| format!("{flags:02x}")),
        "clock": row.clock,
        "ok": row.is_ok(),
        "checks": {
            "traceparent": cell(row.traceparent),
            "parent": cell(row.parent),
            "flags": cell(row.sampled),
            "tracestate": cell(row.tracestate),
            "clock": cell(row.started),
            "answer": cell(row.joined),
        },
    })
}

pub(crate) fn cell(cell: Cell) -> Value {
    cell.state().map_or(
        Value::Null,
        |state| json!({"state": state, "word": cell.to_string()}),
    )
}

pub(crate) fn finding(finding: &Finding) -> Value {
    let (caller, hops) = match &finding.place {
        Place::Between { caller, callees } => (Some(caller), callees.clone()),
        Place::At(hop) => (None, vec![*hop]),
    };
    json!({
        "code": finding.cause.code(),
        "headline": finding.cause.headline(),
        "place": finding.place.to_string(),
        "by_hop": finding.hop,
        "caller": caller,
        "hops": hops,
        "what": finding.what,
        "why": finding.cause.why(),
        "fix": finding.fix,
        "follows": finding.follows(),
    })
}
