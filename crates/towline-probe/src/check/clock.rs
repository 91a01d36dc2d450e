//! The clock received is the clock sent, the sender sent its own, and the strand started from it.
//!
//! `spec/strand-clocks.md`, "Wire form", "Request".

use towline_core::Order;

use super::{Check, Edge};
use crate::Cause;
use crate::finding::New;
use crate::row::Cell;
use crate::seen::{Good, Stamp};

impl Check<'_> {
    pub(super) fn clock(&mut self, edge: &Edge<'_>) {
        if let Stamp::Absent = edge.callee.own {
            let what = format!("{} keeps no clock", edge.callee.label);
            return self.unclocked(
                edge,
                edge.by_callee(Cause::ClockOff, what),
                Cell::Bad("OFF"),
            );
        }
        if self.fault(edge.callee_number).is_some() {
            return self.row(edge.callee_number, |row| row.started = Cell::Follows("new"));
        }
        if let Stamp::Absent = edge.caller.own {
            // Found where it is switched off; nothing can come of its calls.
            if let (Some(fault), Some(own)) = (
                self.fault(edge.caller_number),
                self.faults.get_mut(edge.callee_number),
            ) {
                own.get_or_insert(fault);
            }
            return self.row(edge.callee_number, |row| row.started = Cell::Follows("new"));
        }
        let problem = self
            .sent_clock(edge)
            .or_else(|| received_clock(edge))
            .or_else(|| started(edge));
        match problem {
            Some((new, word)) => self.unclocked(edge, new, Cell::Bad(word)),
            None => self.row(edge.callee_number, |row| row.started = Cell::Ok("ok")),
        }
    }

    fn unclocked(&mut self, edge: &Edge<'_>, new: New, cell: Cell) {
        self.cut(edge.callee_number, new);
        self.row(edge.callee_number, |row| row.started = cell);
    }

    /// Did the caller send its own clock, of this call?
    fn sent_clock(&self, edge: &Edge<'_>) -> Option<(New, &'static str)> {
        let (caller, to) = (&edge.caller.label, edge.address());
        let by_caller =
            |cause, what: String| edge.by_caller(cause, format!("{caller} called {to} {what}"));
        let sent = match &edge.call.sent {
            Stamp::Absent => {
                return Some((
                    by_caller(Cause::ClockNotSent, "without raceway-clock".to_owned()),
                    "MISSING",
                ));
            }
            Stamp::Bad(_)
                if edge
                    .sent()
                    .clock
                    .as_deref()
                    .is_some_and(|clock| clock.starts_with("v1;")) =>
            {
                let what = "with a clock of v1".to_owned();
                return Some((by_caller(Cause::ClockV1, what), "V1"));
            }
            Stamp::Bad(error) => {
                let what = format!("with a clock that nobody may read: {error}");
                return Some((by_caller(Cause::ClockMalformed, what), "MALFORMED"));
            }
            Stamp::Good(sent) => sent,
        };
        let stale = |what: &str| Some((by_caller(Cause::ClockStale, what.to_owned()), "STALE"));
        let foreign = |what: &str| Some((by_caller(Cause::ClockForeign, what.to_owned()), "WRONG"));
        if sent.clock.trace() != edge.caller.report.trace_id.low32() {
            return foreign("with a clock of another trace");
        }
        let received = edge.caller.received.good();
        if received.is_some_and(|received| received.clock == sent.clock) {
            return stale("with the clock that it received itself");
        }
        if let Some(own) = edge.caller.own.good() {
            if !is_from(sent, own) {
                return if own.is_below(sent) {
                    stale("with a clock of a strand above its own")
                } else {
                    foreign("with a clock of another strand")
                };
            }
        }
        // A caller that began a trace of its own did not take the clock that it received.
        let taken = received.filter(|received| sent.is_below(received));
        if taken.is_some_and(|received| received.clock.compare(&sent.clock) != Order::Before) {
            return stale("with a clock that is not later than the one that it received");
        }
        let earlier = edge
            .caller
            .calls
            .iter()
            .take(edge.place)
            .filter_map(|call| call.sent.good());
        if earlier
            .into_iter()
            .any(|earlier| earlier.clock == sent.clock)
        {
            return stale("with the clock of another of its calls");
        }
        let is_open = sent
            .last()
            .is_some_and(|strand| lists(sent, strand.known.tick));
        if !is_open {
            return foreign("with a clock in which this call is not in flight");
        }
        None
    }
}

/// Did the clock arrive as it was sent?
fn received_clock(edge: &Edge<'_>) -> Option<(New, &'static str)> {
    let sent = edge.call.sent.good()?;
    let (from, callee) = (&edge.caller.label, &edge.callee.label);
    match &edge.callee.received {
        Stamp::Absent => {
            let what = format!(
                "{from} sent raceway-clock to {}, {callee} did not receive it",
                edge.address()
            );
            Some((edge.on_the_way(Cause::ClockStripped, what), "STRIPPED"))
        }
        Stamp::Bad(error) => {
            let what =
                format!("{from} sent a clock, {callee} received one that nobody may read: {error}");
            Some((edge.on_the_way(Cause::ClockAltered, what), "ALTERED"))
        }
        Stamp::Good(received) if received.clock != sent.clock => {
            let what = format!("{from} sent another clock than {callee} received");
            Some((edge.on_the_way(Cause::ClockAltered, what), "ALTERED"))
        }
        Stamp::Good(_) => None,
    }
}

/// Did the callee's strand start from the clock that it received?
fn started(edge: &Edge<'_>) -> Option<(New, &'static str)> {
    let received = edge.callee.received.good()?;
    let callee = &edge.callee.label;
    let own = match &edge.callee.own {
        Stamp::Good(own) => own,
        Stamp::Bad(error) => {
            let what = format!("{callee} keeps a clock that nobody may read: {error}");
            return Some((edge.by_callee(Cause::ClockMalformed, what), "MALFORMED"));
        }
        Stamp::Absent => return None,
    };
    let problem = if own.way.len() == 1 {
        "began a first strand of its own".to_owned()
    } else if !own.is_below(received) || own.way.len() != received.way.len() + 1 {
        "has a strand elsewhere".to_owned()
    } else {
        let strand = own.last()?;
        if strand.fork != received.tick() || strand.detached {
            "started at another fork".to_owned()
        } else if strand.nonce != edge.callee.report.span_id.low32() {
            format!(
                "has a strand named {:08x}, which is not of its span",
                strand.nonce
            )
        } else if strand.gap || strand.to_string() != edge.callee.report.label() {
            "has a strand with another label".to_owned()
        } else {
            return None;
        }
    };
    let what = format!("{callee} received a clock and {problem}");
    Some((edge.by_callee(Cause::ClockIgnored, what), "IGNORED"))
}

/// Whether `sent` is a stamp of the strand of `own`, or of tasks that this strand forked within its
/// service.
pub(super) fn is_from(sent: &Good, own: &Good) -> bool {
    let Some(strand) = own.last() else {
        return false;
    };
    let inner = sent.way.iter().skip(own.way.len());
    sent.is_below(own)
        && inner
            .into_iter()
            .all(|task| (&task.service, &task.instance) == (&strand.service, &strand.instance))
}

/// Whether the strand of `clock` lists the attached fork at `tick`: not known completely.
pub(super) fn lists(clock: &Good, tick: u32) -> bool {
    clock.last().is_some_and(|strand| {
        let forks = &strand.known.forks;
        forks
            .in_flight()
            .any(|range| (range.first..=range.last).contains(&tick))
            || forks.open().any(|(fork, _)| fork == tick)
    })
}
