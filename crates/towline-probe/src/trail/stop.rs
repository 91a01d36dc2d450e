//! The services of a trail, in the order in which they were called.

use towline_core::{SpanId, TraceId};

use super::record::{Record, read};
use crate::row::Cell;
use crate::show::show;

/// The most services of one trail that are looked at.
pub(super) const STOPS_MAX: usize = 1000;

/// A line of the table: a service that was called, and what it says it saw. Text in it is safe to
/// print.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// The hop's number; 0 is the prober.
    pub hop: usize,
    /// The number of its caller; none for the prober.
    pub caller: Option<usize>,
    /// The host that its caller called; empty for the prober.
    pub host: String,
    /// The status of its answer; none where there was none.
    pub status: Option<u16>,
    /// The service's name; none where there is no record of it.
    pub service: Option<String>,
    /// Which instance of the service.
    pub instance: Option<String>,
    /// The trace that it was in.
    pub trace_id: Option<TraceId>,
    /// Its span.
    pub span_id: Option<SpanId>,
    /// The parent id that it received, as it came.
    pub parent_id: Option<String>,
    /// The flags of its context: sampled 1, random 2.
    pub flags: Option<u8>,
    /// Was its caller's trace continued?
    pub traceparent: Cell,
    /// Did it see the parent that its caller sent?
    pub parent: Cell,
    /// Are the flags those of its caller?
    pub sampled: Cell,
    /// Did the clock come?
    pub clock: Cell,
    /// Did its answer bring its clock back?
    pub answer: Cell,
}

impl Stop {
    /// Whether there is a record of it, and all in it is as it should be.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.service.is_some()
            && [
                self.traceparent,
                self.parent,
                self.sampled,
                self.clock,
                self.answer,
            ]
            .into_iter()
            .all(Cell::is_ok)
    }

    /// `service#instance`, or `*` where there is no record.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.service, &self.instance) {
            (Some(service), Some(instance)) => format!("{service}#{instance}"),
            _ => "*".to_owned(),
        }
    }
}

/// What became of the clock of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Joined,
    Lost,
    /// No answer, or nothing is said of it.
    None,
}

/// A call as its caller tells of it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) host: String,
    pub(super) span_id: String,
    pub(super) status: Option<u16>,
    pub(super) answer: Answer,
    /// Why there was no answer, where that is known.
    pub(super) error: Option<String>,
}

/// What came back of a service.
#[derive(Debug)]
pub(super) enum Seen<'a> {
    Record(Box<Record<'a>>),
    /// Something that is no record; the reason tells what.
    Strange(String),
    Nothing,
}

impl<'a> Seen<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        match read(text) {
            Ok(record) => Self::Record(Box::new(record)),
            Err(reason) => Self::Strange(show(&reason)),
        }
    }
}

/// A service that was called, before it is checked.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// The place of its caller among the steps; none where that is the prober.
    pub(super) caller: Option<usize>,
    pub(super) call: Call,
    pub(super) seen: Seen<'a>,
}

/// All services of a trail, callers before their callees, callees in the order of their calls.
/// The flag says that there were more than are looked at.
pub(super) fn walk(first: Call, seen: Seen<'_>) -> (Vec<Step<'_>>, bool) {
    let mut steps = Vec::new();
    let mut to_come = vec![Step {
        caller: None,
        call: first,
        seen,
    }];
    while let Some(mut step) = to_come.pop() {
        if steps.len() == STOPS_MAX {
            return (steps, true);
        }
        if let Seen::Record(record) = &mut step.seen {
            let calls = std::mem::take(&mut record.calls);
            let caller = Some(steps.len());
            let called = calls.into_iter().map(|call| Step {
                caller,
                seen: call
                    .hops
                    .map_or(Seen::Nothing, |hops| Seen::read(hops.get())),
                call: Call {
                    host: show(&call.host),
                    span_id: call.span_id.to_string(),
                    status: call.status,
                    answer: match call.answer.as_deref() {
                        Some("joined") => Answer::Joined,
                        Some("lost") => Answer::Lost,
                        _ => Answer::None,
                    },
                    error: None,
                },
            });
            // The last one pushed is looked at first.
            to_come.extend(called.rev());
        }
        steps.push(step);
    }
    (steps, false)
}
