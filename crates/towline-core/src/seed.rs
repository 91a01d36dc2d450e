//! A request's context before anybody asks for it.

use crate::clock::Clock;
use crate::context::{Begun, Context, Identity};
use crate::strand::Way;
use crate::{ClockV1, Outcome};

/// What a context is made of, if the handler asks for it: most do not, and pay for none.
///
/// Its strand has started, and may have ended, without any event between. It is moved with the
/// future and the body of its request: what most requests do not have is boxed.
pub(crate) struct Seed {
    identity: Identity,
    clock: Option<Box<Received>>,
    ended: bool,
}

/// The clock that a request came with; without one a first strand begins.
pub(crate) enum Received {
    /// One that starts a strand.
    Way(Way),
    /// One of version 1, which a first strand remembers.
    Vector(ClockV1),
}

impl Seed {
    #[inline]
    pub(crate) fn new(identity: Identity, clock: Option<Received>) -> Self {
        Self {
            identity,
            clock: clock.map(Box::new),
            ended: false,
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn identity_mut(&mut self) -> &mut Identity {
        &mut self.identity
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The stamp of the only event, or of both, if the caller is to be told.
    #[inline]
    fn stamp(&self) -> Option<Clock> {
        match self.clock.as_deref() {
            Some(Received::Way(way)) if self.identity.answers => self.stamp_of(way),
            _ => None,
        }
    }

    fn stamp_of(&self, way: &Way) -> Option<Clock> {
        let towline = &self.identity.towline;
        let tick = if self.ended { 2 } else { 1 };
        let header_bytes_max = towline.settings().limits.header_bytes_max;
        let header = way.plain_header(tick, self.ended, header_bytes_max);
        towline.sendable(header).map(|(clock, _)| clock)
    }

    /// As [`Context::end`], where nobody observes.
    #[inline]
    pub(crate) fn end(&mut self, outcome: Outcome) -> Option<Clock> {
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        self.identity.towline.counters().request_ended(outcome);
        self.stamp()
    }

    /// As [`Context::answer_so_far`].
    pub(crate) fn answer_so_far(&self) -> Option<Clock> {
        self.stamp()
    }

    /// The context of a strand that starts now.
    pub(crate) fn start(self) -> Context {
        let (strand, vector) = begin(self.clock);
        Context::start(self.identity, strand, vector)
    }

    /// The context of a strand that was counted already.
    pub(crate) fn into_context(self) -> Context {
        let (mut strand, vector) = begin(self.clock);
        if self.ended {
            strand.end();
        }
        Context::of(self.identity, strand, vector)
    }
}

/// The strand that begins, and the vector that it remembers.
fn begin(clock: Option<Box<Received>>) -> (Begun, Option<ClockV1>) {
    match clock.map(|clock| *clock) {
        None => (Begun::first(), None),
        Some(Received::Way(way)) => (way.into(), None),
        Some(Received::Vector(vector)) => (Begun::first(), Some(vector)),
    }
}
