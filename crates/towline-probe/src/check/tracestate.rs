//! Others' members come through as they are, and our own is written anew.
//!
//! `spec/trace-context.md`, "tracestate in"; `spec/strand-clocks.md`, "Through services that know
//! only W3C Trace Context".

use towline_core::{Clock, Limits, Order};

use super::{Check, Edge};
use crate::Cause;
use crate::row::Cell;
use crate::seen::{others, own};
use crate::show::show;

/// What became of members that should be kept.
enum Fate<'a> {
    Kept,
    /// This one is missing, and so may be others.
    Missing(&'a str),
    /// This one has another value, or stands elsewhere.
    Changed(&'a str),
}

/// Members may be added, by a proxy or a tracer beside ours; those that were there stay.
fn fate<'a>(expected: &'a [String], list: Option<&str>) -> Fate<'a> {
    let mut rest = list.map(others).into_iter().flatten();
    for member in expected {
        if rest.any(|other| other == member) {
            continue;
        }
        let key = member.split('=').next().unwrap_or(member);
        let same_key = |other: &str| other.split('=').next() == Some(key);
        return if list.is_some_and(|list| others(list).any(same_key)) {
            Fate::Changed(member)
        } else {
            Fate::Missing(member)
        };
    }
    Fate::Kept
}

impl Check<'_> {
    pub(super) fn tracestate(&mut self, edge: &Edge<'_>) {
        let expected = &edge.caller.members;
        if expected.is_empty() {
            return;
        }
        let received = edge.callee.report.received.tracestate.as_deref();
        let arrived = fate(expected, received);
        if self.fault(edge.callee_number).is_some() {
            let kept = matches!(arrived, Fate::Kept) && !edge.callee.members.is_empty();
            let cell = if kept {
                Cell::Ok("kept")
            } else {
                Cell::Follows("dropped")
            };
            return self.row(edge.callee_number, |row| row.tracestate = cell);
        }
        let (caller, callee, to) = (&edge.caller.label, &edge.callee.label, edge.address());
        let cell = match (fate(expected, edge.sent().tracestate.as_deref()), arrived) {
            (Fate::Missing(member), _) => {
                let what = format!(
                    "{caller} called {to} without the tracestate member `{}`",
                    show(member)
                );
                self.findings
                    .add(edge.by_caller(Cause::TracestateDropped, what));
                Cell::Bad("DROPPED")
            }
            (Fate::Changed(member), _) => {
                let what = format!(
                    "{caller} changed or moved the tracestate member `{}`",
                    show(member)
                );
                self.findings
                    .add(edge.by_caller(Cause::TracestateAltered, what));
                Cell::Bad("ALTERED")
            }
            (Fate::Kept, Fate::Missing(member) | Fate::Changed(member)) => {
                let member = show(member);
                let what = format!(
                    "{caller} sent the tracestate member `{member}`, {callee} did not receive it so"
                );
                self.findings
                    .add(edge.on_the_way(Cause::TracestateStripped, what));
                Cell::Bad("STRIPPED")
            }
            (Fate::Kept, Fate::Kept) => Cell::Ok("kept"),
        };
        self.row(edge.callee_number, |row| row.tracestate = cell);
    }

    /// Our own member, where one was sent, says what the clock beside it says; that clock was
    /// looked at before.
    pub(super) fn member(&mut self, edge: &Edge<'_>) {
        let (Some(sent), None) = (edge.call.sent.good(), self.fault(edge.callee_number)) else {
            return;
        };
        let Some(value) = edge.sent().tracestate.as_deref().and_then(own) else {
            return;
        };
        let same = Clock::from_tracestate(value, sent.clock.trace(), Limits::DEFAULT)
            .is_ok_and(|member| member.compare(&sent.clock) == Order::Equal);
        if same {
            return;
        }
        let what = format!(
            "{} called {} with the tracestate member `towline={}`, which is not of the clock beside it",
            edge.caller.label,
            edge.address(),
            show(value)
        );
        self.findings.add(edge.by_caller(Cause::MemberStale, what));
        self.row(edge.callee_number, |row| {
            row.tracestate = Cell::Bad("STALE")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_may_be_added_but_not_lost_changed_or_moved() {
        let expected = ["a=1".to_owned(), "b=2".to_owned()];
        assert!(matches!(
            fate(&expected, Some("towline=x,a=1,c=3 , b=2")),
            Fate::Kept
        ));
        assert!(matches!(fate(&expected, None), Fate::Missing("a=1")));
        assert!(matches!(fate(&expected, Some("a=1")), Fate::Missing("b=2")));
        assert!(matches!(
            fate(&expected, Some("a=1,b=3")),
            Fate::Changed("b=2")
        ));
        assert!(matches!(
            fate(&expected, Some("b=2,a=1")),
            Fate::Changed("b=2")
        ));
        assert!(matches!(fate(&[], None), Fate::Kept));
    }
}
