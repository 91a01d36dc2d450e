//! What a probe came to.

use std::time::Duration;

use towline_core::{SpanId, TraceId};

use crate::check::{Checked, Pairs, check};
use crate::finding::Finding;
use crate::hop_report::HopReport;
use crate::row::Row;
use crate::seen::{Hop, Seen, seen};
use crate::show::show;
use crate::topology::Topology;

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All hops answered, and nothing is wrong with any.
    Kept,
    /// There are findings.
    Findings,
    /// Hop 1 could not be reached, or is no hop: there is nothing to check.
    Unreachable,
}

/// The hop table of one probe, its findings, and the order that its clocks prove. Text in it is safe
/// to print, whatever the services sent.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) trace_id: TraceId,
    pub(crate) shape: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) pairs: Pairs,
    /// The hop whose clock shows the most services, and what it shows.
    pub(crate) components: Option<(usize, Vec<String>)>,
    pub(crate) span_ids: Vec<SpanId>,
    pub(crate) took: Option<Duration>,
}

impl Report {
    pub(crate) fn new(
        topology: &Topology,
        prober: HopReport<'_>,
        members: Vec<String>,
        payload: &str,
    ) -> Self {
        let trace_id = prober.trace_id;
        let seen = seen(topology, prober, members);
        let Checked {
            rows,
            findings,
            pairs,
        } = check(topology, &seen, payload);
        Self {
            trace_id,
            shape: topology.to_string(),
            rows,
            findings,
            pairs,
            components: components(topology, &seen),
            span_ids: span_ids(&seen),
            took: None,
        }
    }

    /// The report with the time that the request took.
    #[must_use]
    pub fn took(self, time: Duration) -> Self {
        Self {
            took: Some(time),
            ..self
        }
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.rows.get(1).is_none_or(|row| row.service.is_none()) {
            Outcome::Unreachable
        } else if self.findings.is_empty() {
            Outcome::Kept
        } else {
            Outcome::Findings
        }
    }

    /// The trace that the probe began.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Hop 0, the prober, and all hops of the topology, in its order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What went wrong: causes first, in the order of the hops; what only follows from a cause
    /// stands with it.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The services on the way to the deepest hop, as its clock has them, hop 1 first:
    /// `service#instance`. Empty where no hop has a clock.
    #[must_use]
    pub fn components(&self) -> &[String] {
        self.components
            .as_ref()
            .map_or(&[], |(_, components)| components)
    }

    /// How many pairs of hops there are, the prober among them, and of how many the clocks prove the
    /// order that the topology means.
    #[must_use]
    pub fn pair_counts(&self) -> (usize, usize) {
        (self.pairs.all, self.pairs.proved)
    }

    /// How many hops kept the context, the prober not counted.
    #[must_use]
    pub fn kept_count(&self) -> usize {
        self.rows.iter().skip(1).filter(|row| row.is_ok()).count()
    }

    /// How many hops there should be, the prober not counted.
    #[must_use]
    pub fn hop_count(&self) -> usize {
        self.rows.len().saturating_sub(1)
    }
}

fn components(topology: &Topology, seen: &[Seen<'_>]) -> Option<(usize, Vec<String>)> {
    let hops = topology.hops().iter().zip(seen).enumerate().skip(1);
    let clocked = hops.filter_map(|(number, (planned, seen))| {
        let hop = seen.hop()?;
        Some((number, planned.level, hop, hop.own.good()?))
    });
    // Of the deepest hops the first.
    let (number, _, _, own) =
        clocked.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let prober = seen
        .first()
        .and_then(Seen::hop)
        .map(|prober| prober.report.span_id.low32());
    let mut names: Vec<String> = Vec::new();
    for strand in own.below(prober) {
        let label = show(&strand.to_string());
        // A task that a service forked within itself is no service more.
        let is_hop = seen
            .iter()
            .filter_map(Seen::hop)
            .any(|hop| hop.report.span_id.low32() == strand.nonce);
        if is_hop || names.last() != Some(&label) {
            names.push(label);
        }
    }
    Some((number, names))
}

fn span_ids(seen: &[Seen<'_>]) -> Vec<SpanId> {
    let ids = |hop: &Hop<'_>| {
        let calls = hop.report.calls.iter().filter_map(|call| call.span_id);
        std::iter::once(hop.report.span_id)
            .chain(calls)
            .collect::<Vec<_>>()
    };
    seen.iter().filter_map(Seen::hop).flat_map(ids).collect()
}
