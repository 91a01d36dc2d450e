//! The checks, hop by hop. Each hop is compared with its caller, so that one fault is found where
//! it was made, and what lies below a broken hop is still checked.

mod answer;
mod clock;
mod context;
mod order;
mod plan;
mod tracestate;

use towline_core::Forks;

use crate::Cause;
use crate::finding::{Finding, FindingId, Findings, New, Place};
use crate::row::{Cell, Row};
use crate::seen::{Call, Good, Hop, Seen};
use crate::show::show;
use crate::target::place;
use crate::topology::Topology;

pub(crate) use self::order::Pairs;

/// What the checks came to.
pub(crate) struct Checked {
    pub(crate) rows: Vec<Row>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) pairs: Pairs,
}

/// Checks all hops. `payload`: what a hop was sent where the topology has nothing of its own.
pub(crate) fn check(topology: &Topology, seen: &[Seen<'_>], payload: &str) -> Checked {
    let prober = seen
        .first()
        .and_then(Seen::hop)
        .map(|prober| prober.report.span_id.low32());
    let mut check = Check {
        topology,
        seen,
        rows: seen
            .iter()
            .enumerate()
            .map(|(hop, seen)| row(topology, hop, seen, prober))
            .collect(),
        findings: Findings::default(),
        faults: vec![None; seen.len()],
    };
    check.plan();
    for edge in edges(topology, seen) {
        check.context(&edge);
        check.tracestate(&edge);
        check.clock(&edge);
        check.member(&edge);
    }
    for edge in edges(topology, seen) {
        check.answer(&edge);
    }
    check.identity(payload);
    let pairs = check.order();
    check.count_unreached();
    Checked {
        rows: check.rows,
        findings: check.findings.into_vec(),
        pairs,
    }
}

struct Check<'a> {
    topology: &'a Topology,
    seen: &'a [Seen<'a>],
    rows: Vec<Row>,
    findings: Findings,
    /// For each hop: the first finding that cuts the clocks between it and its caller.
    faults: Vec<Option<FindingId>>,
}

/// A call that was answered by a hop.
#[derive(Clone, Copy)]
struct Edge<'a> {
    topology: &'a Topology,
    caller_number: usize,
    callee_number: usize,
    caller: &'a Hop<'a>,
    callee: &'a Hop<'a>,
    /// Which of its caller's calls it is.
    place: usize,
    call: &'a Call,
}

fn edges<'a>(topology: &'a Topology, seen: &'a [Seen<'a>]) -> impl Iterator<Item = Edge<'a>> {
    topology
        .hops()
        .iter()
        .enumerate()
        .skip(1)
        .filter_map(move |(callee_number, planned)| {
            let caller = seen.get(planned.caller)?.hop()?;
            Some(Edge {
                topology,
                caller_number: planned.caller,
                callee_number,
                caller,
                callee: seen.get(callee_number)?.hop()?,
                place: planned.place,
                call: caller.calls.get(planned.place)?,
            })
        })
}

impl<'a> Edge<'a> {
    /// Host and port that were called.
    fn address(&self) -> String {
        address(self.topology, self.callee_number)
    }

    fn between(&self) -> Place {
        Place::Between {
            caller: self.caller_number,
            callees: vec![self.callee_number],
        }
    }

    /// The caller did it.
    fn by_caller(&self, cause: Cause, what: String) -> New {
        let hop = Some(self.caller_number);
        New {
            cause,
            place: self.between(),
            hop,
            what,
            fix: cause.fix(&self.caller.report.service),
        }
    }

    /// The callee did it.
    fn by_callee(&self, cause: Cause, what: String) -> New {
        let hop = Some(self.callee_number);
        let place = Place::At(self.callee_number);
        New {
            cause,
            place,
            hop,
            what,
            fix: cause.fix(&self.callee.report.service),
        }
    }

    /// It happened on the way.
    fn on_the_way(&self, cause: Cause, what: String) -> New {
        New {
            cause,
            place: self.between(),
            hop: None,
            what,
            fix: cause.fix(""),
        }
    }

    fn sent(&self) -> &'a crate::hop_report::Fields {
        // The place was looked up in `calls`, which is made of the same list.
        static NONE: crate::hop_report::Fields = crate::hop_report::Fields {
            traceparent: None,
            tracestate: None,
            clock: None,
        };
        self.caller
            .report
            .calls
            .get(self.place)
            .map_or(&NONE, |call| &call.sent)
    }
}

impl Check<'_> {
    fn row(&mut self, hop: usize, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.get_mut(hop) {
            change(row);
        }
    }

    fn fault(&self, hop: usize) -> Option<FindingId> {
        self.faults.get(hop).copied().flatten()
    }

    /// Adds a finding that cuts the clocks between a hop and its caller.
    fn cut(&mut self, hop: usize, new: New) {
        let id = self.findings.add(new);
        if let Some(fault) = self.faults.get_mut(hop) {
            fault.get_or_insert(id);
        }
    }
}

fn address(topology: &Topology, hop: usize) -> String {
    topology
        .hops()
        .get(hop)
        .map_or_else(String::new, |planned| show(place(&planned.url)))
}

fn row(topology: &Topology, hop: usize, seen: &Seen<'_>, prober: Option<u32>) -> Row {
    let planned = topology.hops().get(hop);
    let mut row = Row {
        hop,
        caller: planned.filter(|_| hop > 0).map(|planned| planned.caller),
        url: planned.map_or_else(String::new, |planned| show(&planned.url)),
        ..Row::default()
    };
    let Some(seen) = seen.hop() else {
        return row;
    };
    row.service = Some(show(&seen.report.service));
    row.instance = Some(show(&seen.report.instance));
    row.trace_id = Some(seen.report.trace_id);
    row.span_id = Some(seen.report.span_id);
    row.parent_id = seen.report.parent_id;
    row.flags = Some(seen.report.flags);
    if let Some(own) = seen.own.good() {
        row.clock = Some(own.clock.as_str().to_owned());
        row.way = way(own, prober.filter(|_| hop > 0));
    }
    if hop == 0 {
        row.traceparent = Cell::Ok("sent");
        row.sampled = Cell::Ok("sent");
        row.tracestate = Cell::Ok("sent");
        row.started = Cell::Ok("sent");
    }
    row
}

/// The last strands of a way with their ticks: `python:4 go:2 (1 in flight)`.
fn way(own: &Good, prober: Option<u32>) -> String {
    const SHOWN_MAX: usize = 4;
    let below = own.below(prober);
    let shown = below
        .get(below.len().saturating_sub(SHOWN_MAX)..)
        .unwrap_or_default();
    let cut = (shown.len() < below.len()).then(|| "…".to_owned());
    let strands = shown
        .iter()
        .map(|strand| show(&format!("{}:{}", strand.service, strand.known.tick)));
    let text = cut.into_iter().chain(strands).collect::<Vec<_>>().join(" ");
    match own
        .last()
        .map_or(0, |strand| in_flight(&strand.known.forks))
    {
        0 => text,
        n => format!("{text} ({n} in flight)"),
    }
}

/// How many attached forks are not known completely.
fn in_flight(forks: &Forks) -> u64 {
    let ranges: u64 = forks
        .in_flight()
        .map(|range| u64::from(range.last - range.first) + 1)
        .sum();
    ranges + forks.open().count() as u64
}
