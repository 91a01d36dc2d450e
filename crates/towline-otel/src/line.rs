//! The strand that one span began and others share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use towline_core::{Clock, Component, Context, CutError, Fork, Outcome, SpanId, Strand, TraceId};

/// A strand, and who else has to do with it.
#[derive(Clone, Debug)]
pub(crate) struct Line(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    held: Mutex<Held>,
    serves: Option<Serves>,
    /// The work after the end of a bare strand, once there is any.
    after: OnceLock<Line>,
}

#[derive(Debug)]
enum Held {
    /// Known to OpenTelemetry's spans alone.
    Bare(Strand),
    /// That of a context of Towline's. `ends`: with the span that began it.
    Place { context: Context, ends: bool },
}

/// The request that a span serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serves {
    /// The ids of its `traceparent`.
    pub(crate) received: Option<(TraceId, SpanId)>,
    /// Those of the span.
    pub(crate) ids: (TraceId, SpanId),
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
    /// The strand that it is of.
    pub(crate) line: Line,
    tick: u32,
    /// The clock to send, and whether it was cut.
    pub(crate) header: Result<(Clock, bool), CutError>,
}

impl Held {
    fn with<T>(&mut self, act: impl FnOnce(&mut Strand) -> T) -> T {
        match self {
            Self::Bare(strand) => act(strand),
            Self::Place { context, .. } => context.with_strand(act),
        }
    }
}

impl Line {
    /// A strand that a span begins; `serves`: if it is a server span.
    pub(crate) fn begun(strand: Strand, serves: Option<Serves>) -> Self {
        Self::of(Held::Bare(strand), serves)
    }

    /// The strand of a request that Towline serves, and answers.
    pub(crate) fn served(context: Context) -> Self {
        let ends = false;
        Self::of(Held::Place { context, ends }, None)
    }

    fn of(held: Held, serves: Option<Serves>) -> Self {
        Self(Arc::new(Shared {
            held: Mutex::new(held),
            serves,
            after: OnceLock::new(),
        }))
    }

    /// The request that the span serves which began it.
    pub(crate) fn serves(&self) -> Option<Serves> {
        self.0.serves
    }

    /// The clock now, without a tick: after the end, that of the end.
    pub(crate) fn stamp(&self) -> Clock {
        self.held().with(|strand| strand.clock())
    }

    /// A local event: the strand that it is in, and its stamp.
    pub(crate) fn event(&self, actor: Actor<'_>) -> (Self, Clock) {
        let event = |strand: &mut Strand| {
            strand.event().ok()?;
            Some(strand.clock())
        };
        self.act(actor, event)
    }

    /// The span that began it has ended.
    pub(crate) fn end(&self) {
        match &mut *self.held() {
            Held::Bare(strand) => {
                // That it had ended before changes nothing.
                let _ = strand.end();
            }
            Held::Place { context, ends } if *ends => {
                context.end(Outcome::Ok);
            }
            // Towline's middleware does.
            Held::Place { .. } => {}
        }
    }

    /// A call, or a message that nobody answers.
    pub(crate) fn fork(&self, actor: Actor<'_>, fork: Fork, header_bytes_max: usize) -> Forked {
        let send = |strand: &mut Strand| {
            let tick = strand.send(fork).ok()?;
            let header = strand.header(header_bytes_max);
            if header.is_err() {
                strand.withdraw(tick);
            }
            Some((tick, header))
        };
        let (line, (tick, header)) = self.act(actor, send);
        Forked { line, tick, header }
    }

    /// The context of this strand, made of it if there is none yet.
    pub(crate) fn place(&self, make: impl FnOnce(Strand) -> Context) -> Context {
        let mut held = self.held();
        let context = match &*held {
            Held::Place { context, .. } => return context.clone(),
            Held::Bare(strand) => make(strand.clone()),
        };
        let ends = true;
        *held = Held::Place {
            context: context.clone(),
            ends,
        };
        context
    }

    /// Towline's middleware serves this request from now on, in a strand of the same name: the
    /// events that there were are counted there. Not where calls are out already, of which that
    /// strand would know nothing.
    pub(crate) fn hand_over(&self, context: &Context) {
        let mut held = self.held();
        let Held::Bare(strand) = &*held else {
            return;
        };
        // The list of a strand's own forks is the last thing that its clock says.
        if strand.clock().as_str().ends_with('"') {
            return;
        }
        for _ in 1..strand.tick() {
            // Only the tick counts.
            let _ = context.event();
        }
        *held = Held::Place {
            context: context.clone(),
            ends: false,
        };
    }

    /// Does something with this strand or, after its end, with that of the work that goes on.
    fn act<T>(&self, actor: Actor<'_>, act: impl Fn(&mut Strand) -> Option<T>) -> (Self, T) {
        let mut line = self.clone();
        loop {
            let done = line.held().with(&act);
            if let Some(done) = done {
                return (line, done);
            }
            line = line.after(actor);
        }
    }

    fn after(&self, actor: Actor<'_>) -> Self {
        match &*self.held() {
            Held::Place { context, .. } => Self::served(context.live()),
            Held::Bare(strand) => {
                let begin = || {
                    let end = strand.clock();
                    Self::begun(
                        Strand::start(&end, actor.component, actor.nonce, false),
                        None,
                    )
                };
                self.0.after.get_or_init(begin).clone()
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // A strand is whole between any two of its acts.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forked {
    /// What the callee did cannot be told: its answer is out of sight.
    pub(crate) fn lose(&self) {
        self.line.held().with(|strand| strand.lost(self.tick));
    }

    /// No clock went with the call: it is a plain event.
    pub(crate) fn withdraw(&self) {
        self.line.held().with(|strand| strand.withdraw(self.tick));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_core::Order;

    #[test]
    fn work_after_the_end_is_one_strand_of_its_own() {
        let component = Component::new("shop", "1");
        let strand = Strand::first(&component, 0xa3f9_c21b, 0x1c80_319c);
        let line = Line::begun(strand, None);
        line.end();
        let end = line.stamp();
        let actor = |nonce| Actor {
            component: &component,
            nonce,
        };
        let (_, first) = line.event(actor(1));
        let (_, second) = line.event(actor(2));
        assert_eq!(first.hops().len(), 2, "{first}");
        assert_eq!(end.compare(&first), Order::Before);
        assert_eq!(first.compare(&second), Order::Before, "{second}");
    }
}
