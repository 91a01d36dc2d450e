//! How often each thing happened that observers are told of.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::observer::{CallEvent, Kind, Observer, Outcome, Reason, StrandEvent};

/// Counts all that observers are told of, since it was made.
///
/// The keys are `strand_start`, `strand_end`, `call_sent`, `call_answered` and `cancelled` (strands
/// of requests whose caller went), and `what/reason` for each [`Reason`]: a closed list, so that
/// counting is one addition without a lock or an allocation. Counters wrap after 2⁶⁴. What they
/// come to is in their [`summary`](Self::summary).
///
/// ```
/// use towline_core::{Counters, Reason, Observer};
///
/// let counters = Counters::default();
/// counters.on_dropped(Reason::ClockDuplicate);
/// assert_eq!(counters.get(Reason::ClockDuplicate), 1);
/// assert_eq!(counters.by_key("clock/duplicate"), Some(1));
/// assert_eq!(counters.by_key("strand_start"), Some(0));
/// assert_eq!(counters.by_key("clock/ugly"), None);
/// ```
#[derive(Debug)]
pub struct Counters {
    // Each counter stands for itself: no order between them is promised, so all is `Relaxed`.
    acts: [AtomicU64; Act::Cancelled as usize + 1],
    /// In the order of `Reason::ALL`, which is that of its discriminants.
    drops: [AtomicU64; Reason::ALL.len()],
}

/// What is counted beside drops: one addition for each act, so that a key may be the sum of two.
#[derive(Clone, Copy)]
enum Act {
    ServerStart,
    OtherStart,
    MessageReceived,
    StrandEnd,
    SentWithClock,
    SentWithout,
    Joined,
    NotJoined,
    Cancelled,
}

/// The acts that a [`Summary`](crate::Summary) has.
pub(crate) struct Acts {
    pub(crate) received: u64,
    pub(crate) sent_with_clock: u64,
    pub(crate) joined: u64,
    pub(crate) cancelled: u64,
}

const KEYS: [(&str, &[Act]); 5] = [
    ("strand_start", &[Act::ServerStart, Act::OtherStart]),
    ("strand_end", &[Act::StrandEnd]),
    ("call_sent", &[Act::SentWithClock, Act::SentWithout]),
    ("call_answered", &[Act::Joined, Act::NotJoined]),
    ("cancelled", &[Act::Cancelled]),
];

impl Counters {
    /// All at 0.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            acts: [const { AtomicU64::new(0) }; Act::Cancelled as usize + 1],
            drops: [const { AtomicU64::new(0) }; Reason::ALL.len()],
        }
    }

    /// The counter of this key; none if there is no such key.
    #[must_use]
    pub fn by_key(&self, key: &str) -> Option<u64> {
        self.iter()
            .find(|(other, _)| *other == key)
            .map(|(_, count)| count)
    }

    /// How often this was dropped.
    #[must_use]
    pub fn get(&self, reason: Reason) -> u64 {
        self.drops
            .get(reason as usize)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// All keys and their counts, those at 0 too, always in the same order. Counts are read one
    /// after the other, while others may go on counting.
    ///
    /// ```
    /// use towline_core::{Counters, Reason};
    ///
    /// let snapshot = Counters::default().snapshot();
    /// assert_eq!(snapshot[0], ("strand_start", 0));
    /// assert_eq!(snapshot.len(), 5 + Reason::ALL.len());
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        self.iter().collect()
    }

    pub(crate) fn request_started(&self) {
        self.count(Act::ServerStart);
    }

    pub(crate) fn message_received(&self) {
        self.count(Act::MessageReceived);
    }

    pub(crate) fn request_ended(&self, outcome: Outcome) {
        self.count(Act::StrandEnd);
        if outcome == Outcome::Cancelled {
            self.count(Act::Cancelled);
        }
    }

    pub(crate) fn acts(&self) -> Acts {
        Acts {
            received: self.sum(&[Act::ServerStart, Act::MessageReceived]),
            sent_with_clock: self.sum(&[Act::SentWithClock]),
            joined: self.sum(&[Act::Joined]),
            cancelled: self.sum(&[Act::Cancelled]),
        }
    }

    #[inline]
    fn count(&self, act: Act) {
        if let Some(counter) = self.acts.get(act as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sum(&self, acts: &[Act]) -> u64 {
        let counters = acts.iter().filter_map(|act| self.acts.get(*act as usize));
        counters
            .map(|counter| counter.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let acts = KEYS.into_iter().map(|(key, acts)| (key, self.sum(acts)));
        let drops = Reason::ALL
            .iter()
            .map(|reason| (reason.key(), self.get(*reason)));
        acts.chain(drops)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

/// `key=count` for each counter that is not at 0, separated by blanks.
///
/// ```
/// use towline_core::{Counters, Reason, Observer};
///
/// let counters = Counters::default();
/// counters.on_dropped(Reason::ContextNone);
/// counters.on_dropped(Reason::SendWithheld);
/// counters.on_dropped(Reason::SendWithheld);
/// assert_eq!(counters.to_string(), "send/withheld=2 context/none=1");
/// ```
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (key, count)) in self.iter().filter(|(_, count)| *count > 0).enumerate() {
            let space = if nth == 0 { "" } else { " " };
            write!(f, "{space}{key}={count}")?;
        }
        Ok(())
    }
}

impl Observer for Counters {
    fn on_strand_start(&self, strand: &StrandEvent<'_>) {
        match strand.kind {
            Kind::Server => self.request_started(),
            _ => self.count(Act::OtherStart),
        }
    }

    fn on_strand_end(&self, strand: &StrandEvent<'_>) {
        match (strand.kind, strand.outcome) {
            (Kind::Server, Some(outcome)) => self.request_ended(outcome),
            _ => self.count(Act::StrandEnd),
        }
    }

    fn on_call_sent(&self, call: &CallEvent<'_>) {
        self.count(match call.clock {
            Some(_) => Act::SentWithClock,
            None => Act::SentWithout,
        });
    }

    fn on_call_answered(&self, call: &CallEvent<'_>) {
        self.count(match call.outcome {
            Some(Outcome::Ok) => Act::Joined,
            _ => Act::NotJoined,
        });
    }

    fn on_dropped(&self, reason: Reason) {
        if let Some(counter) = self.drops.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SpanId, TraceFlags, TraceId};
    use crate::observer::Kind;
    use std::collections::HashSet;

    #[test]
    fn every_drop_has_a_counter_of_its_own() {
        let counters = Counters::new();
        for (nth, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, nth);
            for _ in 0..=nth {
                counters.on_dropped(*reason);
            }
        }
        for (count, reason) in (1..).zip(Reason::ALL) {
            assert_eq!(counters.get(*reason), count, "{reason}");
            assert_eq!(counters.by_key(reason.key()), Some(count), "{reason}");
        }
    }

    #[test]
    fn keys_are_different_and_made_of_what_and_reason() {
        let counters = Counters::new();
        let keys: HashSet<_> = counters
            .snapshot()
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys.len(), 5 + Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(
                reason.key(),
                format!("{}/{}", reason.what(), reason.reason())
            );
        }
    }

    #[test]
    fn strands_and_calls_are_counted_as_they_stand() {
        let counters = Counters::new();
        let (trace_id, span_id, flags) = (TraceId::random(), SpanId::random(), TraceFlags::SAMPLED);
        let strand = StrandEvent {
            trace_id,
            span_id,
            parent_id: None,
            flags,
            kind: Kind::Server,
            service: "web",
            instance: "w1",
            clock: None,
            outcome: None,
        };
        let call = CallEvent {
            trace_id,
            span_id,
            parent_id: span_id,
            flags,
            kind: Kind::Client,
            host: "cart",
            resend_count: 0,
            clock: None,
            status: None,
            outcome: None,
        };
        counters.on_strand_start(&strand);
        for _ in 0..2 {
            counters.on_strand_end(&strand);
        }
        for _ in 0..3 {
            counters.on_call_sent(&call);
        }
        for _ in 0..4 {
            counters.on_call_answered(&call);
        }
        assert_eq!(
            counters.to_string(),
            "strand_start=1 strand_end=2 call_sent=3 call_answered=4"
        );
    }
}
