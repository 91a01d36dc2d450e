//! The place of running code in its trace.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::baggage::Baggage;
use crate::clock::Clock;
use crate::edge::Edge;
use crate::observer::{Kind, Outcome, StrandEvent};
use crate::strand::{Fork, Strand, Way};
use crate::{
    ClockMode, ClockV1, ClockV1Full, SpanId, Towline, TraceContext, TraceFlags, TraceId, Tracestate,
};

/// The place of running code in its trace: its span, and the strand that orders its events.
///
/// Cheap to clone; all clones are one place. A context whose strand has ended may still be current
/// in code that goes on after the answer: what it does then is a strand of its own: its first event, call or
/// fork starts the work after the answer, one new strand from the end's stamp, with a span of its own.
#[derive(Clone)]
pub struct Context(Arc<Place>);

struct Place {
    identity: Identity,
    state: Mutex<State>,
}

struct State {
    strand: Begun,
    /// The per-service vector, in a request that came with v1 or where v1 is asked for.
    vector: Option<ClockV1>,
    /// The work after the answer, once there is any.
    after: Option<Context>,
    /// When whoever waits for this work gives up.
    deadline: Option<Instant>,
}

/// A strand, or one that is written down only when somebody asks for its clock: most requests look
/// at their ids alone.
pub(crate) enum Begun {
    /// A first strand that did nothing but tick, and perhaps end.
    First {
        tick: u32,
        ended: bool,
    },
    Strand(Strand),
}

impl Begun {
    pub(crate) fn first() -> Self {
        Self::First {
            tick: 1,
            ended: false,
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::First { ended, .. } => *ended,
            Self::Strand(strand) => strand.has_ended(),
        }
    }

    /// A local event; false if the strand has ended.
    fn event(&mut self) -> bool {
        match self {
            Self::First { ended: true, .. } => false,
            Self::First { tick, .. } => {
                *tick = tick.saturating_add(1);
                true
            }
            Self::Strand(strand) => strand.event().is_ok(),
        }
    }

    /// Ends the strand; false if it has ended.
    pub(crate) fn end(&mut self) -> bool {
        match self {
            Self::Strand(strand) => strand.end().is_ok(),
            Self::First { .. } => {
                let ends = self.event();
                if let Self::First { ended, .. } = self {
                    *ended = true;
                }
                ends
            }
        }
    }

    fn strand(&mut self, identity: &Identity) -> &mut Strand {
        if let Self::First { tick, ended } = *self {
            *self = Self::Strand(identity.first_way().strand(tick, ended));
        }
        match self {
            Self::Strand(strand) => strand,
            Self::First { .. } => unreachable!("it was made above"),
        }
    }
}

impl From<Way> for Begun {
    fn from(way: Way) -> Self {
        Self::Strand(way.into())
    }
}

/// What does not change of a context while it lives. It is moved about with every poll: what few
/// requests have is boxed.
pub(crate) struct Identity {
    pub(crate) towline: Towline,
    pub(crate) kind: Kind,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) flags: TraceFlags,
    pub(crate) tracestate: Tracestate,
    /// What few have.
    pub(crate) edge: Option<Box<Edge>>,
    /// Whether the caller sent a clock that was accepted: then it is answered.
    pub(crate) answers: bool,
}

impl Identity {
    /// That of a span which begins a trace.
    pub(crate) fn root(towline: &Towline, kind: Kind) -> Self {
        Self {
            towline: towline.clone(),
            kind,
            trace_id: TraceId::random(),
            span_id: SpanId::random(),
            parent_id: None,
            flags: towline.new_trace_flags(),
            tracestate: Tracestate::default(),
            edge: None,
            answers: false,
        }
    }

    /// The way of a strand that no clock started.
    pub(crate) fn first_way(&self) -> Way {
        let (nonce, trace) = (self.span_id.low32(), self.trace_id.low32());
        Way::first(self.towline.component(), nonce, trace)
    }

    /// Whether it handles the request that came with this `traceparent`, or with no valid one.
    pub(crate) fn serves(&self, received: Option<(TraceId, SpanId)>) -> bool {
        let edge = self.edge.as_deref();
        let own = match edge.and_then(|edge| edge.untrusted.as_ref()) {
            _ if edge.is_some_and(|edge| edge.by_b3) => None,
            Some(untrusted) => Some(untrusted.received),
            None => self.parent_id.map(|parent_id| (self.trace_id, parent_id)),
        };
        self.kind == Kind::Server && own == received
    }

    /// The record for whoever asks what was seen.
    #[inline]
    pub(crate) fn hops(&self) -> Option<String> {
        self.edge.as_ref()?.probing.as_ref()?.record(self)
    }
}

impl Context {
    /// A context whose strand starts now.
    pub(crate) fn start(identity: Identity, strand: Begun, vector: Option<ClockV1>) -> Self {
        let context = Self::of(identity, strand, vector);
        context.0.tell(None);
        context
    }

    /// A context of a strand whose start was told already.
    pub(crate) fn of(identity: Identity, strand: Begun, vector: Option<ClockV1>) -> Self {
        let state = State {
            strand,
            vector,
            after: None,
            deadline: identity.edge.as_ref().and_then(|edge| edge.deadline),
        };
        Self(Arc::new(Place {
            identity,
            state: Mutex::new(state),
        }))
    }

    /// A context that nothing was received for: a new trace with a first strand of its own.
    pub(crate) fn root(towline: &Towline, kind: Kind) -> Self {
        let identity = Identity::root(towline, kind);
        Self::start(identity, Begun::first(), None)
    }

    /// The trace that this code belongs to.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.0.identity.trace_id
    }

    /// The span of this code itself.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.0.identity.span_id
    }

    /// The caller's span: its client span, for a request. None where the trace begins here.
    #[must_use]
    pub fn parent_id(&self) -> Option<SpanId> {
        self.0.identity.parent_id
    }

    /// Sampled and random, as they came.
    #[must_use]
    pub fn flags(&self) -> TraceFlags {
        self.0.identity.flags
    }

    /// The members of others, as they came.
    #[must_use]
    pub fn tracestate(&self) -> &Tracestate {
        &self.0.identity.tracestate
    }

    /// The trace that the caller came with, where it was not trusted to be continued.
    #[must_use]
    pub fn link(&self) -> Option<&TraceContext> {
        self.edge()?.untrusted.as_ref()?.link.as_ref()
    }

    /// The contexts of the messages that are handled together; see [`Towline::receive_batch`].
    #[must_use]
    pub fn links(&self) -> &[TraceContext] {
        self.edge().map(|edge| &*edge.links).unwrap_or_default()
    }

    /// The members of `baggage`, as they came; none where there are none.
    ///
    /// ```
    /// use towline_core::{Config, Peer, Towline};
    ///
    /// let headers = [
    ///     ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ///     ("baggage", "tier=gold, user=%C3%A4"),
    /// ];
    /// let context = Towline::new(Config::new()).accept(headers.as_slice(), &Peer::default());
    /// assert_eq!(context.baggage().map(|baggage| baggage.as_str()), Some("tier=gold,user=%C3%A4"));
    /// assert_eq!(context.baggage_value("user").as_deref(), Some("\u{e4}"));
    /// ```
    #[must_use]
    pub fn baggage(&self) -> Option<&Baggage> {
        self.edge()?.baggage.as_ref()
    }

    /// The value of the first member of `baggage` with this key, percent-decoded.
    #[must_use]
    pub fn baggage_value(&self, key: &str) -> Option<String> {
        self.baggage()?.value(key)
    }

    /// What kind of span this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.identity.kind
    }

    /// The instance that made it.
    #[must_use]
    pub fn towline(&self) -> &Towline {
        &self.0.identity.towline
    }

    /// Whether its strand has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state().strand.has_ended()
    }

    /// The strand's clock now, without a tick.
    #[must_use]
    pub fn stamp(&self) -> Clock {
        self.live().with_strand(|strand| strand.clock())
    }

    /// A local event: ticks, and gives its stamp.
    #[must_use = "the stamp is the event; use `stamp` to look without a tick"]
    pub fn event(&self) -> Clock {
        self.act(|strand| {
            strand.event().ok()?;
            Some(strand.clock())
        })
    }

    /// Learns what another strand of this trace knew: a message, a callback, a value from a shared
    /// store. What cannot be merged changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Strand::receive`](crate::Strand::receive).
    pub fn receive(&self, stamp: &Clock) -> Result<(), crate::StrandError> {
        self.live().with_strand(|strand| strand.receive(stamp))
    }

    /// Forks an attached child strand: a task that is joined later. It has a span of its own.
    #[must_use = "a task that is dropped has been cancelled"]
    pub fn fork(&self) -> Task {
        let parent = self.live();
        let (tick, sent) = parent.act(|strand| {
            let tick = strand.send(Fork::Attached).ok()?;
            Some((tick, strand.clock()))
        });
        Task {
            context: parent.child(&sent, Fork::Attached),
            parent,
            tick,
            sent,
            ended: false,
        }
    }

    /// Forks a detached child strand: a task that nobody joins. It has a span of its own.
    #[must_use]
    pub fn detach(&self) -> Self {
        let parent = self.live();
        let sent = parent.act(|strand| {
            strand.send(Fork::Detached).ok()?;
            Some(strand.clock())
        });
        parent.child(&sent, Fork::Detached)
    }

    /// Ends the strand, once. Gives the clock to answer with, if the caller sent one.
    pub fn end(&self, outcome: Outcome) -> Option<Clock> {
        if !self.state().strand.end() {
            return None;
        }
        let stamp = self.answer_so_far();
        self.0.tell(Some(outcome));
        stamp
    }

    /// The clock to answer with while the strand goes on: the body is still being produced. None,
    /// and counted, where the caller would refuse it even when cut.
    #[must_use]
    pub fn answer_so_far(&self) -> Option<Clock> {
        let identity = self.identity();
        if !identity.answers {
            return None;
        }
        let header_bytes_max = identity.towline.settings().limits.header_bytes_max;
        let header = self.with_strand(|strand| strand.header(header_bytes_max));
        identity.towline.sendable(header).map(|(clock, _)| clock)
    }

    /// Does something with this very strand, ended or not: for those who carry clocks themselves.
    pub fn with_strand<T>(&self, act: impl FnOnce(&mut Strand) -> T) -> T {
        act(self.state().strand.strand(self.identity()))
    }

    /// The per-service vector, in a request that came with v1.
    pub(crate) fn vector(&self) -> Option<ClockV1> {
        self.state().vector.clone()
    }

    /// Counts a call of `own` in the per-service vector, and gives the vector that goes with it.
    pub(crate) fn raise_vector(&self, own: &str) -> Result<ClockV1, ClockV1Full> {
        let mut state = self.state();
        let vector = state.vector.get_or_insert_default();
        vector.send(own)?;
        Ok(vector.clone())
    }

    /// Whether the request came with v1.
    pub(crate) fn came_with_vector(&self) -> bool {
        self.state().vector.is_some()
    }

    /// The context that acts: this one, or the work after its answer.
    #[must_use]
    pub fn live(&self) -> Self {
        self.clone().into_live()
    }

    /// As [`live`](Self::live).
    pub(crate) fn into_live(self) -> Self {
        let after = {
            let mut state = self.state();
            if !state.strand.has_ended() {
                drop(state);
                return self;
            }
            let after = state.after.clone();
            after.ok_or_else(|| state.strand.strand(self.identity()).clock())
        };
        match after {
            Ok(after) => after.into_live(),
            Err(end) => {
                let child = self.child(&end, Fork::Detached);
                // Two threads may have come here at once: the first one's strand is the one.
                self.state().after.get_or_insert(child).clone()
            }
        }
    }

    /// A local event whose stamp nobody asks for.
    pub(crate) fn tick(&self) {
        if self.state().strand.event() {
            return;
        }
        let mut context = self.live();
        while !context.state().strand.event() {
            // It has ended in between.
            context = context.into_live();
        }
    }

    /// Does something with the live strand.
    pub(crate) fn act<T>(&self, act: impl Fn(&mut Strand) -> Option<T>) -> T {
        if let Some(done) = self.with_strand(&act) {
            return done;
        }
        let mut context = self.live();
        loop {
            if let Some(done) = context.with_strand(&act) {
                return done;
            }
            // It has ended in between.
            context = context.into_live();
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    pub(crate) fn edge(&self) -> Option<&Edge> {
        self.0.identity.edge.as_deref()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.state().deadline
    }

    pub(crate) fn lower_deadline(&self, deadline: Option<Instant>) {
        let mut state = self.state();
        // What has no deadline is later than any.
        state.deadline = state.deadline.into_iter().chain(deadline).min();
    }

    /// A strand of this process that `sent` starts, in a span of its own.
    fn child(&self, sent: &Clock, fork: Fork) -> Self {
        let parent = self.identity();
        let span_id = SpanId::random();
        let component = parent.towline.component();
        let identity = Identity {
            towline: parent.towline.clone(),
            kind: Kind::Internal,
            trace_id: parent.trace_id,
            span_id,
            parent_id: Some(parent.span_id),
            flags: parent.flags,
            tracestate: parent.tracestate.clone(),
            edge: Edge::of_child(self.edge(), self.deadline(), fork),
            answers: false,
        };
        let strand = Strand::start(sent, component, span_id.low32(), false);
        Self::start(identity, Begun::Strand(strand), self.vector())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("trace_id", &self.trace_id())
            .field("span_id", &self.span_id())
            .field("parent_id", &self.parent_id())
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

impl Place {
    fn state(&self) -> MutexGuard<'_, State> {
        // A strand is whole between any two of its acts.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the observers that the strand started, or how it ended.
    fn tell(&self, outcome: Option<Outcome>) {
        let identity = &self.identity;
        let settings = identity.towline.settings();
        let stamp = Stamp(self);
        let event = StrandEvent {
            trace_id: identity.trace_id,
            span_id: identity.span_id,
            parent_id: identity.parent_id,
            flags: identity.flags,
            kind: identity.kind,
            service: &settings.service_name,
            instance: &settings.instance,
            clock: (settings.clock != ClockMode::Off).then_some(&stamp),
            outcome,
        };
        identity.towline.observe(|observer| match outcome {
            None => observer.on_strand_start(&event),
            Some(_) => observer.on_strand_end(&event),
        });
    }
}

/// Prints a strand's clock, made only if it is asked for.
struct Stamp<'a>(&'a Place);

impl fmt::Display for Stamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = self.0.state().strand.strand(&self.0.identity).clock();
        f.write_str(clock.as_str())
    }
}

impl Drop for Place {
    /// A strand that nobody ended, ends with its context: the work after an answer, a detached task.
    fn drop(&mut self) {
        let ended = self.state().strand.end();
        if ended {
            self.tell(Some(Outcome::Ok));
        }
    }
}

/// A forked task, in the hands of whoever runs it; see [`Context::fork`].
#[derive(Debug)]
pub struct Task {
    context: Context,
    parent: Context,
    tick: u32,
    /// The stamp that started it.
    sent: Clock,
    ended: bool,
}

impl Task {
    /// The task's own context.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Ends the task's strand. What it did is known to its parent once it is joined.
    pub fn end(mut self) -> Joining {
        self.ended = true;
        self.context.end(Outcome::Ok);
        Joining {
            parent: self.parent.clone(),
            tick: self.tick,
            sent: self.sent.clone(),
            end: self.context.with_strand(|strand| strand.clock()),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.ended {
            self.context.end(Outcome::Cancelled);
        }
    }
}

/// Word of a task that has ended, for its parent.
#[derive(Debug)]
#[must_use = "the task is joined only by `join`"]
pub struct Joining {
    parent: Context,
    tick: u32,
    sent: Clock,
    end: Clock,
}

impl Joining {
    /// The parent learns all that the task did. After the parent's end, this changes nothing.
    pub fn join(self) {
        // An ended parent refuses; nothing else can: the stamp is of its own child.
        let _ = self
            .parent
            .with_strand(|strand| strand.answer(self.tick, Some(self.sent.as_str()), &self.end));
    }
}
