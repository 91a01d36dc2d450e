//! One trace, each parent its caller's span for the call, the flags as they came.
//!
//! `spec/trace-context.md`, "traceparent in" and "Out".

use towline_core::{TraceContext, TraceparentError, read};

use super::{Check, Edge};
use crate::Cause;
use crate::row::Cell;

/// Reads one `traceparent`; several fields that were joined are none.
fn traceparent(text: &str) -> Result<TraceContext, TraceparentError> {
    read([text.as_bytes()], []).map(|incoming| incoming.context)
}

impl Check<'_> {
    pub(super) fn context(&mut self, edge: &Edge<'_>) {
        self.row(edge.callee_number, |row| {
            row.traceparent = Cell::Ok("same");
            row.parent = Cell::Ok("ok");
            row.sampled = Cell::Ok("same");
        });
        self.sent(edge);
        self.received(edge);
    }

    /// Did the caller send what its context says?
    fn sent(&mut self, edge: &Edge<'_>) {
        let (caller, to) = (&edge.caller.label, edge.address());
        let Some(text) = edge.sent().traceparent.as_deref() else {
            let what = format!("{caller} called {to} without traceparent");
            return self.broken(
                edge,
                edge.by_caller(Cause::TraceparentNotSent, what),
                Cell::Bad("NOT SENT"),
            );
        };
        let sent = match traceparent(text) {
            Ok(sent) => sent,
            Err(reason) => {
                let text = crate::show::show(text);
                let what =
                    format!("{caller} called {to} with a bad traceparent, {reason}: `{text}`");
                let new = edge.by_caller(Cause::TraceparentMalformed, what);
                return self.broken(edge, new, Cell::Bad("MALFORMED"));
            }
        };
        let own = &edge.caller.report;
        if sent.trace_id != own.trace_id {
            let what = format!(
                "{caller} called {to} in trace {}, not in its own",
                sent.trace_id
            );
            return self.broken(
                edge,
                edge.by_caller(Cause::ContextLost, what),
                Cell::Bad("NEW TRACE"),
            );
        }
        let span_id = own.calls.get(edge.place).and_then(|call| call.span_id);
        if Some(sent.parent_id) != span_id {
            let (cause, which, word) = if Some(sent.parent_id) == own.parent_id {
                (
                    Cause::ParentNotUpdated,
                    "the parent id that it received itself",
                    "NOT UPDATED",
                )
            } else if sent.parent_id == own.span_id {
                (
                    Cause::ParentWrong,
                    "its own span as the parent, not that of the call",
                    "WRONG",
                )
            } else {
                (
                    Cause::ParentWrong,
                    "a parent id that is not the span of the call",
                    "WRONG",
                )
            };
            self.findings
                .add(edge.by_caller(cause, format!("{caller} called {to} with {which}")));
            self.row(edge.callee_number, |row| row.parent = Cell::Bad(word));
        }
        if sent.flags.bits() != own.flags {
            let what = format!(
                "{caller} called {to} with {}",
                flipped(own.flags, sent.flags.bits())
            );
            self.findings.add(edge.by_caller(Cause::FlagsChanged, what));
            self.row(edge.callee_number, |row| row.sampled = Cell::Bad("CHANGED"));
        }
    }

    /// Did it arrive, and did the callee take it?
    fn received(&mut self, edge: &Edge<'_>) {
        let (callee, from) = (&edge.callee.label, &edge.caller.label);
        let sent = edge.sent().traceparent.as_deref();
        let received = edge.callee.report.received.traceparent.as_deref();
        match (sent, received) {
            (Some(_), None) => {
                let what = format!(
                    "{from} sent traceparent to {}, {callee} did not receive it",
                    edge.address()
                );
                return self.broken(
                    edge,
                    edge.on_the_way(Cause::TraceparentStripped, what),
                    Cell::Bad("STRIPPED"),
                );
            }
            (Some(sent), Some(received)) if sent.trim_ascii() != received.trim_ascii() => {
                let received = crate::show::show(received);
                let what =
                    format!("{from} sent another traceparent than {callee} received: `{received}`");
                return self.broken(
                    edge,
                    edge.on_the_way(Cause::TraceparentAltered, what),
                    Cell::Bad("ALTERED"),
                );
            }
            _ => {}
        }
        let own = &edge.callee.report;
        let Some(received) = received.and_then(|text| traceparent(text).ok()) else {
            return;
        };
        if own.trace_id != received.trace_id {
            let what = format!(
                "{callee} received traceparent and began trace {}",
                own.trace_id
            );
            return self.broken(
                edge,
                edge.by_callee(Cause::TraceRestarted, what),
                Cell::Bad("NEW TRACE"),
            );
        }
        if own.parent_id != Some(received.parent_id) {
            let what = format!(
                "{callee} took another parent than the {} that it received",
                received.parent_id
            );
            self.findings.add(edge.by_callee(Cause::ParentWrong, what));
            self.row(edge.callee_number, |row| row.parent = Cell::Bad("WRONG"));
        }
        if own.flags != received.flags.bits() {
            let what = format!(
                "{callee} took up the trace with {}",
                flipped(received.flags.bits(), own.flags)
            );
            self.findings.add(edge.by_callee(Cause::FlagsChanged, what));
            self.row(edge.callee_number, |row| row.sampled = Cell::Bad("CHANGED"));
        }
    }

    /// The callee cannot be in its caller's trace: no further check of this call is of use.
    fn broken(&mut self, edge: &Edge<'_>, new: crate::finding::New, cell: Cell) {
        let first = self.fault(edge.callee_number).is_none();
        self.cut(edge.callee_number, new);
        if first {
            self.row(edge.callee_number, |row| {
                row.traceparent = cell;
                row.parent = Cell::None;
                row.sampled = Cell::None;
            });
        }
    }
}

fn flipped(was: u8, is: u8) -> String {
    let which = match was ^ is {
        1 => "the sampled flag turned over",
        2 => "the random flag turned over",
        _ => "other flags",
    };
    format!("{which}: {is:02x} for {was:02x}")
}
