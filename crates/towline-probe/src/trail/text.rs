//! The hop table of a trail, for people.

use std::fmt::Write as _;

use super::report::TrailReport;
use super::stop::Stop;
use crate::Outcome;
use crate::table::table;
use crate::text::{Charset, time, write_finding};

const HEADS: [&str; 9] = [
    "hop",
    "service",
    "called at",
    "status",
    "traceparent",
    "parent",
    "flags",
    "clock",
    "answer",
];

impl TrailReport {
    /// The table, the findings and a last line that says how it ended; ends with a line break.
    #[must_use]
    pub fn text(&self, charset: Charset) -> String {
        let mut out = String::new();
        let hops = self.hop_count();
        let s = if hops == 1 { "" } else { "s" };
        let _ = write!(out, "trace {} · one request · {hops} hop{s}", self.trace_id);
        if let Some(took) = self.took {
            let _ = write!(out, " · {}", time(took));
        }
        out.push('\n');
        let mut lines = vec![HEADS.map(str::to_owned)];
        lines.extend(self.stops.iter().map(cells));
        table(&mut out, &lines);
        if self.truncated {
            let _ = writeln!(out, "there are more hops than the {hops} that are shown");
        }
        if let Some(first) = self.first_fault() {
            let _ = writeln!(out, "first       {first}");
        }
        if let Some(first) = self.first_unknown() {
            let _ = writeln!(out, "unknown     {first}; what it calls cannot be seen");
        }
        for finding in &self.findings {
            write_finding(&mut out, finding);
        }
        let word = match self.outcome() {
            Outcome::Kept => "ok",
            Outcome::Findings | Outcome::Unreachable => "failed",
        };
        let kept = self.kept_count();
        let _ = writeln!(out, "{word}: {kept} of {hops} hops kept the context");
        charset.write(&out)
    }
}

fn cells(stop: &Stop) -> [String; HEADS.len()] {
    let none = || "–".to_owned();
    let flags = stop.flags.map_or_else(none, |flags| format!("{flags:02x}"));
    let flags = if stop.sampled.is_ok() {
        flags
    } else {
        format!("{flags} {}", stop.sampled)
    };
    let host = if stop.host.is_empty() {
        none()
    } else {
        stop.host.clone()
    };
    [
        format!("{:>2}", stop.hop),
        stop.label(),
        host,
        stop.status.map_or_else(none, |status| status.to_string()),
        stop.traceparent.to_string(),
        stop.parent.to_string(),
        flags,
        stop.clock.to_string(),
        stop.answer.to_string(),
    ]
}
