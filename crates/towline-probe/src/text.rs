//! The hop table and the findings, for people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::finding::Finding;
use crate::report::{Outcome, Report};
use crate::row::Row;
use crate::table::table;

/// Which characters the output may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Any.
    #[default]
    Unicode,
    /// ASCII alone: `->`, `||`; names in other letters are escaped.
    Ascii,
}

impl Charset {
    /// `text` in these characters.
    #[must_use]
    pub fn write(self, text: &str) -> String {
        match self {
            Self::Unicode => text.to_owned(),
            Self::Ascii => ascii(text),
        }
    }
}

fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '→' => out.push_str("->"),
            '∥' => out.push_str("||"),
            '·' | '–' => out.push('-'),
            '…' => out.push_str("..."),
            _ if char.is_ascii() => out.push(char),
            _ => out.extend(char.escape_unicode()),
        }
    }
    out
}

impl Report {
    /// The table, the findings and a last line that says how it ended; ends with a line break.
    #[must_use]
    pub fn text(&self, charset: Charset) -> String {
        let mut out = String::new();
        self.head(&mut out);
        let mut lines = vec![HEADS.map(str::to_owned)];
        lines.extend(self.rows.iter().map(cells));
        table(&mut out, &lines);
        self.proofs(&mut out);
        for finding in &self.findings {
            write_finding(&mut out, finding);
        }
        self.last_line(&mut out);
        charset.write(&out)
    }

    fn head(&self, out: &mut String) {
        let hops = self.hop_count();
        let s = if hops == 1 { "" } else { "s" };
        let _ = write!(out, "trace {} · one request · {hops} hop{s}", self.trace_id);
        if let Some(took) = self.took {
            let _ = write!(out, " · {}", time(took));
        }
        out.push('\n');
    }

    fn proofs(&self, out: &mut String) {
        if self.outcome() == Outcome::Unreachable {
            return;
        }
        if let Some((hop, names)) = &self.components {
            let _ = writeln!(
                out,
                "components  [{}] in the clock of hop {hop}",
                names.join(", ")
            );
        }
        let _ = writeln!(
            out,
            "order       {}: the clocks prove it for {} of {} pairs of hops",
            self.shape, self.pairs.proved, self.pairs.all
        );
        if let Some((a, b)) = self.pairs.twins {
            let label = self.rows.get(a).map(Row::label).unwrap_or_default();
            let _ = writeln!(
                out,
                "note        {a} ∥ {b} are both {label}: one counter for each service would put one before the other"
            );
        }
    }

    fn last_line(&self, out: &mut String) {
        let (kept, hops) = (self.kept_count(), self.hop_count());
        let word = match self.outcome() {
            Outcome::Kept => "ok",
            Outcome::Findings | Outcome::Unreachable => "failed",
        };
        let _ = writeln!(out, "{word}: {kept} of {hops} hops kept the context");
    }
}

/// `7.9 ms`, `2.1 s`.
pub(crate) fn time(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1e3;
    if ms < 1e3 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.1} s", ms / 1e3)
    }
}

const HEADS: [&str; 8] = [
    "hop",
    "service",
    "traceparent",
    "parent",
    "flags",
    "tracestate",
    "answer",
    "clock",
];

fn cells(row: &Row) -> [String; HEADS.len()] {
    let flags = row
        .flags
        .map_or_else(|| "–".to_owned(), |flags| format!("{flags:02x}"));
    let flags = if row.sampled.is_ok() {
        flags
    } else {
        format!("{flags} {}", row.sampled)
    };
    let clock = match (row.started.is_ok(), row.way.is_empty()) {
        (_, true) => row.started.to_string(),
        (true, false) => row.way.clone(),
        (false, false) => format!("{} {}", row.started, row.way),
    };
    [
        format!("{:>2}", row.hop),
        row.label(),
        row.traceparent.to_string(),
        row.parent.to_string(),
        flags,
        row.tracestate.to_string(),
        row.joined.to_string(),
        clock,
    ]
}

pub(crate) fn write_finding(out: &mut String, finding: &Finding) {
    let line = format!("{} {}: {}", finding.cause, finding.place, finding.what);
    let _ = writeln!(out, "{line:<80}  {}", finding.cause.code());
    let _ = writeln!(out, "  why   {}", finding.cause.why());
    let _ = writeln!(out, "  fix   {}", finding.fix);
    for what in finding.follows() {
        let _ = writeln!(out, "  then  {what}");
    }
}
