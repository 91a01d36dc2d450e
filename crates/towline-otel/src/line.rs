//! The strand that one span started and others share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use towline_core::{Clock, Component, Context, CutError, Fork, Strand};

/// A strand: of OpenTelemetry's spans alone, or of a request that Towline serves.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Own(Arc<Own>),
    /// Begun, answered and ended by Towline's server middleware.
    Towline(Context),
}

/// A strand that begins and ends with a span.
#[derive(Debug)]
pub(crate) struct Own {
    strand: Mutex<Strand>,
    /// The work after the end, once there is any.
    after: OnceLock<Arc<Self>>,
}

/// Who acts: what a strand needs to know if the act is the first one after its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor<'a> {
    pub(crate) component: &'a Component,
    /// The low 32 bits of the acting span's id.
    pub(crate) nonce: u32,
}

/// A fork of a strand: a call or a message, and the clock that goes with it.
#[derive(Debug)]
pub(crate) struct Forked {
    strand: Arc<Own>,
    tick: u32,
    /// The clock to send, and whether it was cut.
    pub(crate) header: Result<(Clock, bool), CutError>,
}

impl Line {
    pub(crate) fn own(strand: Strand) -> Self {
        Self::Own(Arc::new(Own {
            strand: Mutex::new(strand),
            after: OnceLock::new(),
        }))
    }

    /// The clock now, without a tick.
    pub(crate) fn stamp(&self) -> Clock {
        match self {
            Self::Own(own) => own.latest().strand().clock(),
            Self::Towline(context) => context.stamp(),
        }
    }

    /// A local event: its stamp.
    pub(crate) fn event(&self, actor: Actor<'_>) -> Clock {
        match self {
            Self::Own(own) => own.event(actor),
            Self::Towline(context) => context.event(),
        }
    }
}

impl Own {
    fn event(self: &Arc<Self>, actor: Actor<'_>) -> Clock {
        let event = |strand: &mut Strand| {
            strand.event().ok()?;
            Some(strand.clock())
        };
        self.act(actor, event).1
    }

    /// The last event. That it was before changes nothing.
    pub(crate) fn end(&self) {
        let _ = self.strand().end();
    }

    /// A call, or a message that nobody answers.
    pub(crate) fn fork(
        self: &Arc<Self>,
        actor: Actor<'_>,
        fork: Fork,
        header_bytes_max: usize,
    ) -> Forked {
        let send = |strand: &mut Strand| {
            let tick = strand.send(fork).ok()?;
            let header = strand.header(header_bytes_max);
            if header.is_err() {
                strand.withdraw(tick);
            }
            Some((tick, header))
        };
        let (strand, (tick, header)) = self.act(actor, send);
        Forked {
            strand,
            tick,
            header,
        }
    }

    /// Does something with this strand or, after its end, with that of the work that goes on.
    fn act<T>(
        self: &Arc<Self>,
        actor: Actor<'_>,
        act: impl Fn(&mut Strand) -> Option<T>,
    ) -> (Arc<Self>, T) {
        let mut acting = Arc::clone(self);
        loop {
            let done = act(&mut acting.strand());
            if let Some(done) = done {
                return (acting, done);
            }
            acting = acting.after(actor);
        }
    }

    fn after(&self, actor: Actor<'_>) -> Arc<Self> {
        let begin = || {
            let end = self.strand().clock();
            let strand = Strand::start(&end, actor.component, actor.nonce, false);
            Arc::new(Self {
                strand: Mutex::new(strand),
                after: OnceLock::new(),
            })
        };
        Arc::clone(self.after.get_or_init(begin))
    }

    /// This strand or, if there is any yet, that of the work after its end.
    fn latest(&self) -> &Self {
        self.after.get().map_or(self, |after| after.latest())
    }

    fn strand(&self) -> MutexGuard<'_, Strand> {
        // A strand is whole between any two of its acts.
        self.strand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forked {
    /// What the callee did cannot be told: its answer is out of sight.
    pub(crate) fn lose(&self) {
        self.strand.strand().lost(self.tick);
    }

    /// No clock went with the call: it is a plain event.
    pub(crate) fn withdraw(&self) {
        self.strand.strand().withdraw(self.tick);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_core::Order;

    #[test]
    fn work_after_the_end_is_one_strand_of_its_own() {
        let component = Component::new("shop", "1");
        let own = Own {
            strand: Mutex::new(Strand::first(&component, 0xa3f9_c21b, 0x1c80_319c)),
            after: OnceLock::new(),
        };
        let own = Arc::new(own);
        own.end();
        let end = own.strand().clock();
        let actor = |nonce| Actor {
            component: &component,
            nonce,
        };
        let first = own.event(actor(1));
        let second = own.event(actor(2));
        assert_eq!(first.hops().len(), 2, "{first}");
        assert_eq!(end.compare(&first), Order::Before);
        assert_eq!(first.compare(&second), Order::Before, "{second}");
    }
}
