//! One trace, each parent its caller's span for the call, the flags as they came.
//!
//! `spec/trace-context.md`, "traceparent in" and "Out".

use super::{Check, Edge};
use crate::Cause;
use crate::row::Cell;

/// What a `traceparent` says, version 00.
struct Traceparent<'a> {
    trace_id: &'a str,
    parent_id: &'a str,
    flags: u8,
}

impl<'a> Traceparent<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_id = |part: &str, digits| {
            part.len() == digits && is_hex(part) && part.bytes().any(|b| b != b'0')
        };
        let mut parts = text.trim_matches([' ', '\t']).split('-');
        let (version, trace_id, parent_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let good = version == "00"
            && is_id(trace_id, 32)
            && is_id(parent_id, 16)
            && flags.len() == 2
            && is_hex(flags);
        if !good || parts.next().is_some() {
            return None;
        }
        Some(Self {
            trace_id,
            parent_id,
            flags: u8::from_str_radix(flags, 16).ok()?,
        })
    }
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
        let Some(sent) = Traceparent::read(text) else {
            let what = format!(
                "{caller} called {to} with traceparent `{}`",
                crate::show::show(text)
            );
            return self.broken(
                edge,
                edge.by_caller(Cause::TraceparentMalformed, what),
                Cell::Bad("MALFORMED"),
            );
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
        let span_id = own
            .calls
            .get(edge.place)
            .and_then(|call| call.span_id.as_deref());
        if Some(sent.parent_id) != span_id {
            let (cause, which, word) = if Some(sent.parent_id) == own.parent_id.as_deref() {
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
        if sent.flags != own.flags {
            let what = format!(
                "{caller} called {to} with {}",
                flipped(own.flags, sent.flags)
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
        let Some(received) = received.and_then(Traceparent::read) else {
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
        if own.parent_id.as_deref() != Some(received.parent_id) {
            let what = format!(
                "{callee} took another parent than the {} that it received",
                received.parent_id
            );
            self.findings.add(edge.by_callee(Cause::ParentWrong, what));
            self.row(edge.callee_number, |row| row.parent = Cell::Bad("WRONG"));
        }
        if own.flags != received.flags {
            let what = format!(
                "{callee} took up the trace with {}",
                flipped(received.flags, own.flags)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strict_traceparent_is_read() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";
        assert_eq!(Traceparent::read(good).unwrap().flags, 3);
        assert!(Traceparent::read(&format!(" {good}\t")).is_some());
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &good
                .replace("4bf92f35", "00000000")
                .replace("77b34da6a3ce929d0e0e4736", &"0".repeat(24)),
            &format!("{good}-00"),
            &format!("{good}, {good}"),
            &good.replacen("00", "ff", 1),
            &good.replace("-03", "-3"),
            &good.replace("-03", "-é"),
        ] {
            assert!(Traceparent::read(bad).is_none(), "{bad}");
        }
    }
}
