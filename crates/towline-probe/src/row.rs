//! A line of the hop table.

use std::fmt;

use towline_core::{SpanId, TraceId};

/// What one check of a hop came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell {
    /// There was nothing to check, or nobody to ask.
    #[default]
    None,
    /// As it should be.
    Ok(&'static str),
    /// Not as it should be, but only because of what went wrong before it.
    Follows(&'static str),
    /// Wrong: there is a finding of it.
    Bad(&'static str),
}

impl Cell {
    /// Whether there is nothing wrong.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::None | Self::Ok(_))
    }

    /// `ok`, `follows`, `bad`, or none.
    #[must_use]
    pub const fn state(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Ok(_) => Some("ok"),
            Self::Follows(_) => Some("follows"),
            Self::Bad(_) => Some("bad"),
        }
    }
}

/// The word for the table; `–` where there is none.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "–",
            Self::Ok(word) | Self::Follows(word) | Self::Bad(word) => word,
        })
    }
}

/// What is known of one hop. Text in it is safe to print.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The hop's number; 0 is the prober.
    pub hop: usize,
    /// The number of its caller; none for the prober.
    pub caller: Option<usize>,
    /// Where it was called; empty for the prober.
    pub url: String,
    /// The service's name; none where it did not answer.
    pub service: Option<String>,
    /// Which instance of the service.
    pub instance: Option<String>,
    /// The trace that it was in.
    pub trace_id: Option<TraceId>,
    /// Its span.
    pub span_id: Option<SpanId>,
    /// The span that it took for its caller's; none where it began the trace.
    pub parent_id: Option<SpanId>,
    /// The flags of its context: sampled 1, random 2.
    pub flags: Option<u8>,
    /// Its own clock after its calls, as in `raceway-clock`.
    pub clock: Option<String>,
    /// The strands of that clock without the prober: `typescript:4 python:2`.
    pub way: String,
    /// Is its trace that of its caller?
    pub traceparent: Cell,
    /// Is its parent the caller's span for this call?
    pub parent: Cell,
    /// Are the flags those of its caller?
    pub sampled: Cell,
    /// Did others' members come through?
    pub tracestate: Cell,
    /// Did its strand start from the clock that its caller sent?
    pub started: Cell,
    /// Did its answer bring its clock back, and was it joined?
    pub joined: Cell,
}

impl Row {
    /// Whether the hop answered, and all that was checked of it is as it should be.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.service.is_some()
            && [
                self.traceparent,
                self.parent,
                self.sampled,
                self.tracestate,
                self.started,
                self.joined,
            ]
            .into_iter()
            .all(Cell::is_ok)
    }

    /// `service#instance`, or `*` where it did not answer.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.service, &self.instance) {
            (Some(service), Some(instance)) => format!("{service}#{instance}"),
            _ => "*".to_owned(),
        }
    }
}
