//! What few requests have, kept apart from what all have.

use std::sync::Arc;
use std::time::Instant;

use crate::baggage::Baggage;
use crate::probe::Probing;
use crate::strand::Fork;
use crate::{SpanId, TraceContext, TraceId};

/// What few requests have: it costs those that have none of it one look.
#[derive(Default)]
pub(crate) struct Edge {
    pub(crate) untrusted: Option<Untrusted>,
    /// Whether the ids came by B3: then the request has no `traceparent`.
    pub(crate) by_b3: bool,
    pub(crate) baggage: Option<Baggage>,
    /// When the work began; it may be lowered later.
    pub(crate) deadline: Option<Instant>,
    pub(crate) probing: Option<Arc<Probing>>,
    /// The messages of a batch.
    pub(crate) links: Vec<TraceContext>,
}

/// A context that was valid but not trusted, and what is kept of it.
pub(crate) struct Untrusted {
    pub(crate) received: (TraceId, SpanId),
    pub(crate) link: Option<TraceContext>,
}

impl Edge {
    /// What a strand of this process has that is forked from the one with this; `deadline`: its
    /// parent's now.
    pub(crate) fn of_child(
        parent: Option<&Self>,
        deadline: Option<Instant>,
        fork: Fork,
    ) -> Option<Box<Self>> {
        let deadline = deadline.filter(|_| fork == Fork::Attached);
        let baggage = parent.and_then(|parent| parent.baggage.clone());
        let probing = parent.and_then(|parent| parent.probing.clone());
        if deadline.is_none() && baggage.is_none() && probing.is_none() {
            return None;
        }
        Some(Box::new(Self {
            baggage,
            deadline,
            probing,
            ..Self::default()
        }))
    }
}
