//! The order that the clocks prove is the order that the topology means.
//!
//! Every pair of hops is compared, by the stamps of their work: a call lies within its caller's
//! work; siblings that are called at once are concurrent, and so is all below them; of siblings
//! called one after the other, the first's work comes before the second is called.

use towline_core::{Clock, Order};

use super::Check;
use crate::Cause;
use crate::finding::{FindingId, New, Place};
use crate::seen::{Hop, Seen};
use crate::topology::{Mode, Parting};

/// How many pairs of hops there are, and of how many the clocks prove what the topology means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs {
    pub(crate) all: usize,
    pub(crate) proved: usize,
    /// The first two hops of one service that are concurrent: what counters for each service
    /// cannot tell.
    pub(crate) twins: Option<(usize, usize)>,
}

/// What should hold of two hops.
#[derive(Clone, Copy)]
enum Meant {
    /// The second is called by the first, or below it.
    Within,
    /// The first's work is done before the second is called.
    Before,
    /// Neither knows of the other.
    Concurrent,
}

impl Check<'_> {
    pub(super) fn order(&mut self) -> Pairs {
        let mut pairs = Pairs::default();
        for b in 1..self.seen.len() {
            for a in 0..b {
                pairs.all += 1;
                let (meant, above) = self.meant(a, b);
                let (Some(x), Some(y)) = (self.hop(a), self.hop(b)) else {
                    continue;
                };
                match self.shown(meant, x, y, b) {
                    None => {
                        pairs.proved += 1;
                        if matches!(meant, Meant::Concurrent) && x.label == y.label {
                            pairs.twins.get_or_insert((a, b));
                        }
                    }
                    Some(order) => self.unproved_pair((a, b), above, meant, order),
                }
            }
        }
        pairs
    }

    fn hop(&self, number: usize) -> Option<&Hop<'_>> {
        self.seen.get(number).and_then(Seen::hop)
    }

    /// What the topology means of two hops, the first with the lower number; and the hop above both.
    fn meant(&self, a: usize, b: usize) -> (Meant, usize) {
        match self.topology.parting(a, b) {
            None => (Meant::Within, a),
            Some(Parting { above, .. }) => {
                let mode = self.topology.hops().get(above).map(|hop| hop.mode);
                let meant = if mode == Some(Mode::Parallel) {
                    Meant::Concurrent
                } else {
                    Meant::Before
                };
                (meant, above)
            }
        }
    }

    /// None where the clocks show what is meant; else the order that they show instead.
    fn shown(&self, meant: Meant, a: &Hop<'_>, b: &Hop<'_>, b_number: usize) -> Option<Order> {
        let order = |x: Option<&Clock>, y: Option<&Clock>| match (x, y) {
            (Some(x), Some(y)) => x.compare(y),
            _ => Order::Unknown,
        };
        let own = |hop: &Hop<'_>| hop.own.good().map(|own| own.clock.clone());
        let (own_a, own_b) = (own(a), own(b));
        let work = order(own_a.as_ref(), own_b.as_ref());
        match meant {
            Meant::Concurrent => (work != Order::Concurrent).then_some(work),
            Meant::Within if work != Order::After => Some(work),
            Meant::Within => (!self.sent_before(a, b_number)).then_some(Order::Unknown),
            Meant::Before if work != Order::Before => Some(work),
            Meant::Before => {
                let called = order(
                    own_a.as_ref(),
                    b.received.good().map(|received| &received.clock),
                );
                (called != Order::Before).then_some(called)
            }
        }
    }

    /// Whether what started `a` lies before the call that `b` received.
    fn sent_before(&self, a: &Hop<'_>, b_number: usize) -> bool {
        // The prober received nothing, and a first strand begins with itself.
        let started = a
            .received
            .good()
            .filter(|received| a.own.good().is_some_and(|own| own.is_below(received)));
        let called = self.hop(b_number).and_then(|b| b.received.good());
        match (started, called) {
            (Some(started), Some(called)) => started.clock.compare(&called.clock) == Order::Before,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }

    fn unproved_pair(&mut self, (a, b): (usize, usize), above: usize, meant: Meant, order: Order) {
        if let Some(id) = self.fault_between(a, b) {
            return self.findings.unordered(id);
        }
        let (x, y) = (self.label(a), self.label(b));
        let shown = match order {
            Order::Before => "the clocks say before",
            Order::After => "the clocks say after",
            Order::Equal => "the clocks say that they are one",
            Order::Concurrent => "the clocks say that they ran at once",
            Order::Unknown => "the clocks cannot tell",
        };
        let meant = match meant {
            Meant::Within => format!("{b} ({y}) is called by {a} ({x})"),
            Meant::Before => format!("{a} ({x}) comes before {b} ({y})"),
            Meant::Concurrent => format!("{a} ({x}) and {b} ({y}) run at once"),
        };
        let cause = if order == Order::Unknown {
            Cause::OrderNotProved
        } else {
            Cause::OrderWrong
        };
        let service = self.hop(above).map_or("", |hop| &hop.report.service);
        let new = New {
            cause,
            place: Place::At(above),
            hop: Some(above),
            what: format!("{meant}; {shown}"),
            fix: cause.fix(service),
        };
        self.findings.add(new);
    }

    /// The first finding that cuts the clocks on the way between two hops.
    fn fault_between(&self, a: usize, b: usize) -> Option<FindingId> {
        let (mut x, mut y) = (a, b);
        while x != y {
            let lower = if x > y { &mut x } else { &mut y };
            if let Some(fault) = self.fault(*lower) {
                return Some(fault);
            }
            *lower = self.topology.hops().get(*lower)?.caller;
        }
        None
    }

    fn label(&self, number: usize) -> String {
        self.hop(number)
            .map_or_else(|| "*".to_owned(), |hop| hop.label.clone())
    }
}
