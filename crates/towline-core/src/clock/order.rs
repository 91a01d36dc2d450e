//! How two events stand to each other.

use std::fmt;

use super::known::Known;
use super::tree::{Hop, Tree};

/// How one event stands to another.
///
/// ```
/// use towline_core::{Clock, Order};
///
/// let sent = Clock::parse("v2;t=1c80319c, ts#1/a3f9c21b:2;x=\"2\"")?;
/// let started = Clock::parse("v2;t=1c80319c, ts#1/a3f9c21b:2, py#1/77b0e190:1")?;
/// assert_eq!(sent.compare(&started), Order::Before);
/// # Ok::<_, towline_core::ClockError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The first is in the second's past.
    Before,
    /// The second is in the first's past.
    After,
    /// They are one event.
    Equal,
    /// Neither is in the other's past.
    Concurrent,
    /// It cannot be told: a clock was cut, an answer brought none, or a hop carries none. Never a
    /// guess.
    Unknown,
}

impl Order {
    /// `before`, `after`, `equal`, `concurrent` or `unknown`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Equal => "equal",
            Self::Concurrent => "concurrent",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How event a stands to event b.
pub(crate) fn compare(a: &Tree, b: &Tree) -> Order {
    let ([first_a, ..], [first_b, ..]) = (a.hops.as_slice(), b.hops.as_slice()) else {
        return Order::Unknown;
    };
    // Two first strands: a hop without clocks lies between.
    if a.trace != b.trace || first_a.nonce != first_b.nonce {
        return Order::Unknown;
    }
    let mut shared = 0;
    for (x, y) in a.hops.iter().zip(&b.hops) {
        if (x.fork, x.detached) != (y.fork, y.detached) {
            break;
        }
        // One send, handled twice.
        if x.nonce != y.nonce {
            return if x.gap || y.gap {
                Order::Unknown
            } else {
                Order::Concurrent
            };
        }
        shared += 1;
    }
    let tick = |tree: &Tree| tree.hops.last().map_or(0, |hop| hop.known.tick);
    if shared == a.hops.len() && shared == b.hops.len() && tick(a) == tick(b) {
        return Order::Equal;
    }
    let (ab, ba) = (knows(b, a), knows(a, b));
    match (ab, ba) {
        (Some(true), _) => Order::Before,
        (_, Some(true)) => Order::After,
        (None, _) | (_, None) => Order::Unknown,
        _ => Order::Concurrent,
    }
}

/// Is the event of `event` in what `clock` knows? None: it was cut and cannot tell.
fn knows(clock: &Tree, event: &Tree) -> Option<bool> {
    let tick = event.hops.last()?.known.tick;
    let path = event.hops.get(1..)?;
    let mut way = clock.hops.get(1..)?;
    let mut known = &clock.hops.first()?.known;
    let mut on_way = true;
    for (n, step) in path.iter().enumerate() {
        let maybe = if known.lossy { None } else { Some(false) };
        if !known.knows_fork(step.fork) {
            return maybe;
        }
        // The clock's own way lists its forks itself.
        let next = way
            .first()
            .filter(|next| on_way && (next.fork, next.detached) == (step.fork, step.detached));
        if let Some(next) = next {
            known = &next.known;
            way = way.get(1..).unwrap_or_default();
            continue;
        }
        on_way = false;
        match listed(known, step) {
            Listed::Known(inner) => known = inner,
            Listed::InFlight { lossy } => return if lossy { None } else { Some(false) },
            Listed::Not if step.detached => return maybe,
            // Known completely, but its detached forks not at all.
            Listed::Not => return Some(!path.iter().skip(n + 1).any(|hop| hop.detached)),
        }
    }
    if tick <= known.tick || known.ended {
        return Some(true);
    }
    if known.lossy { None } else { Some(false) }
}

enum Listed<'a> {
    Known(&'a Known),
    InFlight { lossy: bool },
    Not,
}

fn listed<'a>(known: &'a Known, step: &Hop) -> Listed<'a> {
    let side = if step.detached {
        &known.forks.seen
    } else {
        &known.forks.open
    };
    if let Some(inner) = side.get(&step.fork) {
        return Listed::Known(inner);
    }
    match known.forks.flying.get(step.fork) {
        Some(range) if !step.detached => Listed::InFlight { lossy: range.lossy },
        _ => Listed::Not,
    }
}
