//! The calls that were asked for were made and answered, each request by itself.

use std::collections::HashMap;

use towline_core::SpanId;

use super::{Check, address};
use crate::Cause;
use crate::finding::{New, Place};
use crate::row::Cell;
use crate::seen::Seen;
use crate::show::show;

impl Check<'_> {
    /// Was every hop called, and did it answer?
    pub(super) fn plan(&mut self) {
        for number in 0..self.seen.len() {
            self.reached(number);
            self.calls(number);
        }
    }

    /// Does every hop answer for this request, with ids of its own?
    pub(super) fn identity(&mut self, payload: &str) {
        for number in 1..self.seen.len() {
            self.own_payload(number, payload);
        }
        self.span_ids();
    }

    fn reached(&mut self, number: usize) {
        let (cause, reason) = match self.seen.get(number) {
            Some(Seen::Silent(reason)) => (Cause::NoAnswer, reason),
            Some(Seen::Strange(reason)) => (Cause::NoReport, reason),
            _ => return,
        };
        let Some(planned) = self.topology.hops().get(number) else {
            return;
        };
        let caller = self.seen.get(planned.caller).and_then(Seen::hop);
        let caller = caller.map_or("*", |caller| &caller.label);
        let to = address(self.topology, number);
        let what = match cause {
            Cause::NoAnswer => format!("{caller} got no answer from {to}: {reason}"),
            _ => format!("{to} answered {caller} with something else: {reason}"),
        };
        let new = New {
            cause,
            place: Place::Between {
                caller: planned.caller,
                callees: vec![number],
            },
            hop: Some(number),
            what,
            fix: cause.fix(""),
        };
        self.cut(number, new);
    }

    fn calls(&mut self, number: usize) {
        let (Some(planned), Some(hop)) = (
            self.topology.hops().get(number),
            self.seen.get(number).and_then(Seen::hop),
        ) else {
            return;
        };
        let urls = planned
            .calls
            .iter()
            .filter_map(|&call| self.topology.hops().get(call))
            .map(|call| &call.url);
        let made = hop.report.calls.iter().map(|call| &call.url);
        if urls.clone().eq(made.clone()) {
            return;
        }
        let other = made
            .clone()
            .zip(urls.clone())
            .find(|(made, asked)| made != asked);
        let what = match other {
            Some((made, asked)) => {
                format!(
                    "{} called {} where {} was asked for",
                    hop.label,
                    show(made),
                    show(asked)
                )
            }
            None => format!(
                "{} made {} of the {} calls that were asked for",
                hop.label,
                made.len(),
                urls.count()
            ),
        };
        let fix = Cause::CallsDiffer.fix(&hop.report.service);
        let new = New {
            cause: Cause::CallsDiffer,
            place: Place::At(number),
            hop: Some(number),
            what,
            fix,
        };
        self.findings.add(new);
    }

    fn own_payload(&mut self, number: usize, payload: &str) {
        let Some(hop) = self.seen.get(number).and_then(Seen::hop) else {
            return;
        };
        if hop.report.payload.as_deref() == Some(self.topology.payload(number, payload)) {
            return;
        }
        let what = format!(
            "{} answered with another payload than it was sent",
            hop.label
        );
        let fix = Cause::MixedUp.fix(&hop.report.service);
        let new = New {
            cause: Cause::MixedUp,
            place: Place::At(number),
            hop: Some(number),
            what,
            fix,
        };
        self.findings.add(new);
        self.row(number, |row| row.traceparent = Cell::Bad("MIXED UP"));
    }

    /// Every span, of a hop or of a call, has an id of its own.
    fn span_ids(&mut self) {
        let mut owners: HashMap<SpanId, usize> = HashMap::new();
        for (number, hop) in self
            .seen
            .iter()
            .enumerate()
            .filter_map(|(n, seen)| Some((n, seen.hop()?)))
        {
            let calls = hop.report.calls.iter().filter_map(|call| call.span_id);
            for id in std::iter::once(hop.report.span_id).chain(calls) {
                let Some(owner) = owners.insert(id, number) else {
                    continue;
                };
                let what = format!(
                    "{} uses the span id {id}, which hop {owner} has for another span",
                    hop.label
                );
                let fix = Cause::SpanIdReused.fix(&hop.report.service);
                self.findings.add(New {
                    cause: Cause::SpanIdReused,
                    place: Place::At(number),
                    hop: Some(number),
                    what,
                    fix,
                });
            }
        }
    }

    /// Says what was not reached because of a hop above it.
    pub(super) fn count_unreached(&mut self) {
        for number in 1..self.seen.len() {
            let mut above = number;
            while let Some(Seen::NotReached) = self.seen.get(above) {
                above = self.topology.hops().get(above).map_or(0, |hop| hop.caller);
            }
            if let Some(id) = self.fault(above).filter(|_| above != number) {
                self.findings
                    .follow(id, format!("hop {number} was not reached"));
            }
        }
    }
}
