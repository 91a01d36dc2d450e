//! The answer brings the callee's end back, and the call leaves the caller's clock.
//!
//! `spec/strand-clocks.md`, "Answer" and "Lost".

use towline_core::Order;

use super::clock::{is_from, lists};
use super::{Check, Edge};
use crate::Cause;
use crate::finding::New;
use crate::row::Cell;
use crate::seen::{Good, Stamp};

impl Check<'_> {
    pub(super) fn answer(&mut self, edge: &Edge<'_>) {
        if self.fault(edge.callee_number).is_some() {
            self.unproved(edge);
            return self.row(edge.callee_number, |row| row.joined = Cell::Follows("lost"));
        }
        if let Some((new, word)) = unusable(edge) {
            self.cut(edge.callee_number, new);
            self.unproved(edge);
            return self.row(edge.callee_number, |row| row.joined = Cell::Bad(word));
        }
        let still = fork_tick(edge).is_some_and(|(own, tick)| !is_joined(edge, own, tick));
        if still {
            let what = format!(
                "{} got the answer of {}, and its clock still has the call in flight",
                edge.caller.label, edge.callee.label
            );
            self.cut(
                edge.callee_number,
                edge.by_caller(Cause::StillInFlight, what),
            );
            return self.row(edge.callee_number, |row| {
                row.joined = Cell::Bad("IN FLIGHT")
            });
        }
        self.row(edge.callee_number, |row| row.joined = Cell::Ok("joined"));
    }

    /// A call that nothing proves joined must not leave the caller's clock.
    fn unproved(&mut self, edge: &Edge<'_>) {
        let Some((own, tick)) = fork_tick(edge) else {
            return;
        };
        // Where the clock came back all the same, the call may well be joined.
        if lists(own, tick) || unusable(edge).is_none() {
            return;
        }
        let what = format!(
            "{} no longer has the call to {} in its clock, though its answer proved nothing",
            edge.caller.label, edge.callee.label
        );
        self.findings.add(edge.by_caller(Cause::JoinUnproved, what));
    }
}

/// Why the caller cannot use the answer's clock, and the word for it.
fn unusable(edge: &Edge<'_>) -> Option<(New, &'static str)> {
    let callee = &edge.callee.label;
    let by_callee = |cause, what: &str| edge.by_callee(cause, format!("{callee} answered {what}"));
    let answered = match &edge.call.answered {
        Stamp::Absent => {
            return Some((
                by_callee(Cause::AnswerWithoutClock, "without raceway-clock"),
                "MISSING",
            ));
        }
        Stamp::Bad(error) => {
            let what = format!("with a clock that nobody may read: {error}");
            return Some((by_callee(Cause::AnswerForeign, &what), "MALFORMED"));
        }
        Stamp::Good(answered) => answered,
    };
    let (own, received) = (edge.callee.own.good()?, edge.callee.received.good()?);
    if answered.clock == received.clock {
        return Some((
            by_callee(Cause::AnswerStale, "with the clock that it received"),
            "STALE",
        ));
    }
    if !answered.is_of_strand_of(own) {
        return Some((
            by_callee(Cause::AnswerForeign, "with a clock of another strand"),
            "WRONG",
        ));
    }
    if !matches!(
        own.clock.compare(&answered.clock),
        Order::Before | Order::Equal
    ) {
        return Some((
            by_callee(
                Cause::AnswerStale,
                "with a clock from before its work was done",
            ),
            "STALE",
        ));
    }
    if !answered.last().is_some_and(|strand| strand.known.ended) {
        return Some((
            by_callee(Cause::AnswerNotEnded, "with a clock that has not ended"),
            "NOT ENDED",
        ));
    }
    None
}

/// The caller's own stamp, and the tick at which it forked this call or the task that made it.
fn fork_tick<'a>(edge: &Edge<'a>) -> Option<(&'a Good, u32)> {
    let (own, sent) = (edge.caller.own.good()?, edge.call.sent.good()?);
    if !is_from(sent, own) {
        return None;
    }
    let task = sent.way.get(own.way.len());
    Some((own, task.map_or(sent.tick(), |task| task.fork)))
}

/// Whether nothing of the call is left in the caller's clock, or only what the callee itself could
/// not tell.
fn is_joined(edge: &Edge<'_>, own: &Good, tick: u32) -> bool {
    if !lists(own, tick) {
        return true;
    }
    let left_open = edge
        .call
        .answered
        .good()
        .and_then(Good::last)
        .is_some_and(|end| !end.known.forks.is_empty());
    let ended = own.last().is_some_and(|strand| {
        strand
            .known
            .forks
            .open()
            .any(|(fork, known)| fork == tick && known.ended)
    });
    left_open && ended
}
