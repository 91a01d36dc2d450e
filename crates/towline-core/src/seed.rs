//! A request's context before anybody asks for it.

use crate::ClockV1;
use crate::clock::{Clock, Known};
use crate::context::{Begun, Context, Identity};
use crate::strand::Way;

/// What a context is made of, if the handler asks for it: most do not, and pay for none.
///
/// Its strand has started, and may have ended, without any event between.
pub(crate) struct Seed {
    identity: Identity,
    clock: Received,
    ended: bool,
}

/// The clock that a request came with.
pub(crate) enum Received {
    /// None: a first strand begins.
    Nothing,
    /// One that starts a strand.
    Way(Way),
    /// One of version 1, which a first strand remembers.
    Vector(ClockV1),
}

impl Received {
    /// The strand that begins, and the vector that it remembers.
    pub(crate) fn begin(self) -> (Begun, Option<ClockV1>) {
        let first = Begun::first();
        match self {
            Self::Nothing => (first, None),
            Self::Way(way) => (way.into(), None),
            Self::Vector(vector) => (first, Some(vector)),
        }
    }
}

impl Seed {
    pub(crate) fn new(identity: Identity, clock: Received) -> Self {
        identity.towline.counters().strand_started();
        Self {
            identity,
            clock,
            ended: false,
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The stamp of the only event, or of both.
    fn stamp(&self) -> Option<Clock> {
        let Received::Way(way) = &self.clock else {
            return None;
        };
        if !self.identity.answers {
            return None;
        }
        let known = Known {
            tick: if self.ended { 2 } else { 1 },
            ended: self.ended,
            ..Known::default()
        };
        let towline = &self.identity.towline;
        let header = way.header(&known, towline.settings().limits.header_bytes_max);
        towline.sendable(header).map(|(clock, _)| clock)
    }

    /// As [`Context::end`], where nobody observes.
    pub(crate) fn end(&mut self) -> Option<Clock> {
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        self.identity.towline.counters().strand_ended();
        self.stamp()
    }

    /// As [`Context::answer_so_far`].
    pub(crate) fn answer_so_far(&self) -> Option<Clock> {
        self.stamp()
    }

    pub(crate) fn into_context(self) -> Context {
        let (mut strand, vector) = self.clock.begin();
        if self.ended {
            strand.end();
        }
        Context::of(self.identity, strand, vector)
    }
}
