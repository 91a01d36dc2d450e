//! The spans that live in this process, and their strands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::SpanContext;
use towline_core::{SpanId, TraceId};

use crate::calls::Calls;
use crate::ids;
use crate::line::Line;

/// Spans of one shard that are followed; there are [`SHARDS`] of them.
const SHARD_SPANS_MAX: usize = 4096;
const SHARDS: usize = 16;

/// A span that lives.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) line: Line,
    pub(crate) role: Role,
}

/// What a span is to its strand.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// The strand begins and ends with it.
    Begins,
    /// It is a part of its parent's strand.
    Shares,
    /// It sends forks of the strand, which begins with it if it `begins`.
    Calls {
        calls: Arc<Mutex<Calls>>,
        begins: bool,
    },
}

type Key = (TraceId, SpanId);
type Shard = HashMap<Key, Live>;

/// All spans that live.
#[derive(Debug, Default)]
pub(crate) struct LiveSpans {
    shards: [Mutex<Shard>; SHARDS],
}

impl LiveSpans {
    /// Follows a span; false where too many live.
    pub(crate) fn insert(&self, span: Key, live: Live) -> bool {
        let mut shard = self.shard(span);
        let room = shard.len() < SHARD_SPANS_MAX;
        if room {
            shard.insert(span, live);
        }
        room
    }

    pub(crate) fn get(&self, span: Key) -> Option<Live> {
        self.shard(span).get(&span).cloned()
    }

    /// That of OpenTelemetry's ids.
    pub(crate) fn of(&self, span: &SpanContext) -> Option<Live> {
        self.get(ids::of(span)?)
    }

    pub(crate) fn remove(&self, span: Key) -> Option<Live> {
        self.shard(span).remove(&span)
    }

    /// Follows none any more.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            lock(shard).clear();
        }
    }

    fn shard(&self, (_, span_id): Key) -> MutexGuard<'_, Shard> {
        let nth = usize::try_from(span_id.low32()).unwrap_or_default() % SHARDS;
        let [first, others @ ..] = &self.shards;
        let shard = nth.checked_sub(1).and_then(|nth| others.get(nth));
        lock(shard.unwrap_or(first))
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A map is whole between any two of its acts.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_core::{Component, Strand};

    fn span(id: u64) -> Key {
        let trace_id = TraceId::from_bytes([7; 16]).expect("not zero");
        (
            trace_id,
            SpanId::from_bytes(id.to_be_bytes()).expect("not zero"),
        )
    }

    #[test]
    fn spans_that_live_are_bounded_and_ended_ones_make_room() {
        let spans = LiveSpans::default();
        let strand = Strand::first(&Component::new("shop", "1"), 1, 7);
        let live = Live {
            line: Line::begun(strand, None),
            role: Role::Begins,
        };
        // All of one shard: their last byte is the same.
        let ids = || (1..).map(|nth: u64| span(nth << 8));
        for span in ids().take(SHARD_SPANS_MAX) {
            assert!(spans.insert(span, live.clone()));
        }
        let late = span(1 << 40);
        assert!(!spans.insert(late, live.clone()));
        assert!(spans.get(late).is_none());
        assert!(spans.remove(ids().next().expect("one")).is_some());
        assert!(spans.insert(late, live));
        spans.clear();
        assert!(spans.get(late).is_none());
    }
}
