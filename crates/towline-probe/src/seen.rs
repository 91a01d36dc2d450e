//! What the answer of a probe shows: one entry for each hop of the topology.

use towline_core::{Clock, ClockError, Hop as Strand, read};

use crate::hop_report::{self, CallReport, Fields, HopReport};
use crate::show::show;
use crate::topology::{Planned, Topology};

/// A hop of the topology, as it turned out.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    /// It told what it saw.
    Hop(Box<Hop<'a>>),
    /// Its caller got no answer, for this reason.
    Silent(String),
    /// Something else answered; the reason tells what.
    Strange(String),
    /// Its caller was not reached, or did not call it.
    NotReached,
}

impl<'a> Seen<'a> {
    pub(crate) fn hop(&self) -> Option<&Hop<'a>> {
        match self {
            Self::Hop(hop) => Some(hop),
            Self::Silent(_) | Self::Strange(_) | Self::NotReached => None,
        }
    }
}

/// A hop's report, its headers read.
#[derive(Debug)]
pub(crate) struct Hop<'a> {
    pub(crate) report: HopReport<'a>,
    /// `service#instance`, safe to print.
    pub(crate) label: String,
    /// The clock that came in.
    pub(crate) received: Stamp,
    /// Its own stamp, after all its calls.
    pub(crate) own: Stamp,
    /// Others' tracestate members that it must send on.
    pub(crate) members: Vec<String>,
    pub(crate) calls: Vec<Call>,
}

/// The clocks of one call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) sent: Stamp,
    pub(crate) answered: Stamp,
}

/// A clock as it stands in a header.
#[derive(Debug)]
pub(crate) enum Stamp {
    Absent,
    Bad(ClockError),
    Good(Box<Good>),
}

/// A clock and the strands of its way.
#[derive(Debug)]
pub(crate) struct Good {
    pub(crate) clock: Clock,
    pub(crate) way: Vec<Strand>,
}

impl Stamp {
    pub(crate) fn read(header: Option<&str>) -> Self {
        match header.map(Clock::parse) {
            None => Self::Absent,
            Some(Err(error)) => Self::Bad(error),
            Some(Ok(clock)) => Self::Good(Box::new(Good {
                way: clock.hops(),
                clock,
            })),
        }
    }

    pub(crate) fn good(&self) -> Option<&Good> {
        match self {
            Self::Good(good) => Some(good),
            Self::Absent | Self::Bad(_) => None,
        }
    }
}

impl Good {
    /// The strand that this is a stamp of.
    pub(crate) fn last(&self) -> Option<&Strand> {
        self.way.last()
    }

    /// The way without its first strand, where that is the prober's.
    pub(crate) fn below(&self, prober: Option<u32>) -> &[Strand] {
        match self.way.split_first() {
            Some((first, below)) if Some(first.nonce) == prober => below,
            _ => &self.way,
        }
    }

    /// The event's tick in its strand.
    pub(crate) fn tick(&self) -> u32 {
        self.last().map_or(0, |strand| strand.known.tick)
    }

    /// Whether the way of this clock begins with all of `other`'s: the strand of `other`, or one
    /// below it.
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        let same = |(n, (a, b)): (usize, (&Strand, &Strand))| {
            a.nonce == b.nonce && (n == 0 || (a.fork, a.detached) == (b.fork, b.detached))
        };
        self.clock.trace() == other.clock.trace()
            && self.way.len() >= other.way.len()
            && self.way.iter().zip(&other.way).enumerate().all(same)
    }

    /// Whether both are stamps of one strand.
    pub(crate) fn is_of_strand_of(&self, other: &Self) -> bool {
        self.way.len() == other.way.len() && self.is_below(other)
    }
}

/// Lines the reports up with the topology. `prober` is hop 0: its one call holds the answer, and
/// `members` are what it sent in tracestate.
pub(crate) fn seen<'a>(
    topology: &Topology,
    prober: HopReport<'a>,
    members: Vec<String>,
) -> Vec<Seen<'a>> {
    let prober = Hop {
        members,
        ..Hop::new(prober)
    };
    let mut all = vec![Seen::Hop(Box::new(prober))];
    for (number, planned) in topology.hops().iter().enumerate().skip(1) {
        let next = match all.get(planned.caller).and_then(Seen::hop) {
            Some(caller) => answer(topology, number, planned, &caller.report),
            None => Seen::NotReached,
        };
        all.push(next);
    }
    all
}

fn answer<'a>(
    topology: &Topology,
    number: usize,
    planned: &Planned,
    caller: &HopReport<'a>,
) -> Seen<'a> {
    let Some(call) = caller.calls.get(planned.place) else {
        return Seen::NotReached;
    };
    // In the second form a hop's answer stands beside its calls; the prober's own call is as ever.
    let answer = if topology.is_shifted() && number > 1 {
        caller.downstream
    } else {
        call.answer
    };
    let Some(answer) = answer else {
        return silent(call);
    };
    match hop_report::read(answer.get()) {
        Ok(report) => Seen::Hop(Box::new(Hop::new(report))),
        Err(reason) => Seen::Strange(match call.status {
            Some(200) | None => reason,
            Some(status) => format!("status {status}, {reason}"),
        }),
    }
}

fn silent<'a>(call: &CallReport<'a>) -> Seen<'a> {
    let error = call.error.as_deref().unwrap_or("no reason is given");
    match call.status {
        None => Seen::Silent(show(error)),
        Some(status) => Seen::Strange(format!("status {status}, {}", show(error))),
    }
}

impl<'a> Hop<'a> {
    fn new(report: HopReport<'a>) -> Self {
        let calls = report.calls.iter().map(|call| Call {
            sent: Stamp::read(call.sent.clock.as_deref()),
            answered: Stamp::read(call.answered.clock.as_deref()),
        });
        Self {
            label: show(&report.label()),
            received: Stamp::read(report.received.clock.as_deref()),
            own: Stamp::read(report.clock.as_deref()),
            members: members_to_keep(&report),
            calls: calls.collect(),
            report,
        }
    }
}

/// What came in beside a traceparent that was taken; a hop that began a trace has nothing to keep.
fn members_to_keep(report: &HopReport<'_>) -> Vec<String> {
    let Fields {
        traceparent: Some(traceparent),
        tracestate: Some(tracestate),
        ..
    } = &report.received
    else {
        return Vec::new();
    };
    match read([traceparent.as_bytes()], [tracestate.as_bytes()]) {
        Ok(incoming) if incoming.context.trace_id == report.trace_id => {
            others(incoming.context.tracestate.as_str())
                .map(str::to_owned)
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The members of a list that are not our own, without the blanks around them.
pub(crate) fn others(tracestate: &str) -> impl Iterator<Item = &str> {
    members(tracestate).filter(|member| own_value(member).is_none())
}

/// The value of our own member.
pub(crate) fn own(tracestate: &str) -> Option<&str> {
    members(tracestate).find_map(own_value)
}

fn members(tracestate: &str) -> impl Iterator<Item = &str> {
    let blanks = [' ', '\t'];
    tracestate
        .split(',')
        .map(move |member| member.trim_matches(blanks))
        .filter(|member| !member.is_empty())
}

fn own_value(member: &str) -> Option<&str> {
    member.strip_prefix("towline=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_member_is_told_from_others() {
        let list = "a=1 ,, \ttowline=a3f9c21b:2,towline2=x,b@c=d=e";
        assert_eq!(
            others(list).collect::<Vec<_>>(),
            ["a=1", "towline2=x", "b@c=d=e"]
        );
        assert_eq!(own(list), Some("a3f9c21b:2"));
        assert_eq!(own("a=1"), None);
    }

    #[test]
    fn a_strand_is_below_those_of_its_way() {
        let good = |text: &str| match Stamp::read(Some(text)) {
            Stamp::Good(good) => good,
            other => panic!("{text}: {other:?}"),
        };
        let caller = good("v2;t=1c80319c, ts#1/a3f9c21b:2");
        let callee = good("v2;t=1c80319c, ts#1/a3f9c21b:3;f=2, py#1/77b0e190:1");
        assert!(callee.is_below(&caller) && !caller.is_below(&callee));
        assert!(caller.is_of_strand_of(&good("v2;t=1c80319c, ts#1/a3f9c21b:9")));
        assert!(!callee.is_of_strand_of(&caller));
        for other in [
            "v2;t=1c80319d, ts#1/a3f9c21b:2, py#1/77b0e190:1",
            "v2;t=1c80319c, ts#1/a3f9c21b:3, py#1/77b0e190:1",
            "v2;t=1c80319c, ts#1/a3f9c21b:2, py#1/77b0e191:1",
            "v2;t=1c80319c, ts#1/a3f9c21b:2, py#1/77b0e190:1;d",
        ] {
            assert!(!good(other).is_of_strand_of(&callee), "{other}");
        }
    }
}
