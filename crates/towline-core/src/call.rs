//! One attempt of one outgoing call.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use crate::clock::Clock;
use crate::context::Context;
#[cfg(feature = "http")]
use crate::headers;
use crate::headers::{Field, Headers, Single};
use crate::observer::{CallEvent, Kind, Outcome, Reason};
use crate::strand::Fork;
use crate::trace_context::Traceparent;
use crate::{ClockMode, SpanId, StrandError, Towline};

/// One attempt of one outgoing call: its client span, and the headers to send.
///
/// Say how it ended: [`answered`](Self::answered), [`failed`](Self::failed). A call that is dropped
/// before that is one that was given up; its fork stays open, for the callee may still be at work.
///
/// ```
/// use towline_core::{Config, Reason, Towline};
///
/// let towline = Towline::new(Config::new().service_name("shop").instance("1"));
/// let mut call = towline.call("stock.internal");
/// assert!(call.traceparent().is_some_and(|value| value.as_str().len() == 55));
/// assert!(call.clock().is_some_and(|value| value.starts_with("v2;t=")));
/// // Send it, and hand over the `raceway-clock` fields of the answer.
/// call.answered(200, []);
/// assert_eq!(towline.counters().get(Reason::AnswerAbsent), 1);
/// ```
#[must_use = "a call that is dropped is one that was given up"]
pub struct Call {
    towline: Towline,
    context: Context,
    host: Option<Box<str>>,
    span_id: SpanId,
    traced: bool,
    tracestate: Option<String>,
    clock: Sent,
    stage: Stage,
}

/// The clock that goes with a call.
enum Sent {
    Nothing,
    /// A fork, which the answer closes. `cut`: the text says less than the strand knew.
    Fork {
        tick: u32,
        text: Box<str>,
        /// How many forks the text names.
        forks: u32,
        cut: bool,
    },
    /// A per-service vector; nothing comes back.
    Vector(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Sent,
    /// The answer's head is in, without the callee's end.
    Answered,
    Done,
}

impl Towline {
    /// Begins one attempt of a call from the current context to `host` (a name or an address, with
    /// or without a port). Where there is no current context, a new trace begins with this call,
    /// and that is counted: a call without a trace would be a silent gap.
    pub fn call(&self, host: &str) -> Call {
        let context = Context::current().unwrap_or_else(|| {
            self.dropped(Reason::ContextNone);
            Context::root(self, Kind::Client)
        });
        self.begin_call(context, host)
    }

    /// Begins one attempt of a call from `context`, by the settings of this instance.
    pub fn call_from(&self, context: &Context, host: &str) -> Call {
        self.begin_call(context.clone(), host)
    }

    fn begin_call(&self, context: Context, host: &str) -> Call {
        let settings = self.settings();
        let context = context.into_live();
        let span_id = SpanId::random();
        let traced = settings.traceparent_to.allows(host);
        let clock = if traced && self.may_carry_clock(host) {
            send(self, &context, span_id)
        } else {
            context.tick();
            Sent::Nothing
        };
        let tracestate = traced.then(|| self.tracestate(&context, &clock)).flatten();
        let call = Call {
            towline: self.clone(),
            context,
            // Only observers want to know.
            host: (!settings.observers.is_empty()).then(|| host.into()),
            span_id,
            traced,
            tracestate,
            clock,
            stage: Stage::Sent,
        };
        call.tell(None, None);
        call
    }

    /// Begins an attempt of the request that has these headers: what is to be
    /// [injected](Call::inject) into them. None where the request is to pass as it is: this
    /// instance is disabled, or an outer middleware has made the attempt's span already.
    pub fn attempt<H: Headers + ?Sized>(&self, headers: &H, host: &str) -> Option<Call> {
        let outer = ATTEMPT.get().is_some_and(|span_id| {
            let mut traceparents = headers.fields(Field::Traceparent);
            traceparents.any(|traceparent| is_of_span(traceparent, span_id))
        });
        (!outer && self.is_enabled()).then(|| self.call(host))
    }

    /// The members of others, and ours in front where it goes with a clock and fits.
    fn tracestate(&self, context: &Context, clock: &Sent) -> Option<String> {
        let others = context.tracestate();
        let Sent::Fork { text, .. } = clock else {
            return others.with_own(None).map(Cow::into_owned);
        };
        if !self.settings().tracestate {
            return others.with_own(None).map(Cow::into_owned);
        }
        let (list, fits) = others.with_clock(text);
        if !fits {
            self.dropped(Reason::TracestateTooLong);
        }
        list
    }
}

impl Context {
    /// Begins one attempt of a call to `host` (a name or an address, with or without a port), by
    /// the settings of this context's instance: for clients that have no middleware yet.
    ///
    /// After the strand's end the first call, event or fork starts the work after the answer: one
    /// new strand from the end's stamp, with a span of its own.
    #[must_use = "a call that is dropped is one that was given up"]
    pub fn call(&self, host: &str) -> Call {
        self.towline().call_from(self, host)
    }
}

/// Ticks, and makes the clock that goes with the call.
fn send(towline: &Towline, context: &Context, span_id: SpanId) -> Sent {
    let settings = towline.settings();
    match settings.clock {
        ClockMode::Off => {
            context.tick();
            Sent::Nothing
        }
        ClockMode::V1 => send_vector(towline, context, span_id),
        ClockMode::Auto if context.came_with_vector() => send_vector(towline, context, span_id),
        ClockMode::Auto | ClockMode::V2 => send_fork(towline, context),
    }
}

fn send_fork(towline: &Towline, context: &Context) -> Sent {
    let header_bytes_max = towline.settings().limits.header_bytes_max;
    let (tick, header) = context.act(|strand| {
        let tick = strand.send(Fork::Attached).ok()?;
        let header = strand.header(header_bytes_max);
        if header.is_err() {
            strand.withdraw(tick);
        }
        Some((tick, header))
    });
    match towline.sendable(header) {
        Some((clock, cut)) => Sent::Fork {
            tick,
            forks: clock.facts.forks,
            text: clock.into_string().into_boxed_str(),
            cut,
        },
        None => Sent::Nothing,
    }
}

fn send_vector(towline: &Towline, context: &Context, span_id: SpanId) -> Sent {
    context.tick();
    // The vector is the caller's, whose instance need not be the client's.
    let settings = context.towline().settings();
    let (service, instance) = (&*settings.service_name, &*settings.instance);
    let Ok(vector) = context.raise_vector(&format!("{service}#{instance}")) else {
        towline.dropped(Reason::SendOverLimits);
        return Sent::Nothing;
    };
    let (trace_id, own) = (context.trace_id(), context.span_id());
    let header = vector.write(trace_id, span_id, own, service, instance);
    if header.len() > towline.settings().limits.header_bytes_max {
        towline.dropped(Reason::SendTooLong);
        return Sent::Nothing;
    }
    Sent::Vector(header)
}

impl Call {
    /// The call's client span, which the callee has as its parent.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// The context that calls.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The header `traceparent`. None where the host is not to have it.
    #[must_use]
    pub fn traceparent(&self) -> Option<Traceparent> {
        let (trace_id, flags) = (self.context.trace_id(), self.context.flags());
        self.traced
            .then(|| Traceparent::new(trace_id, self.span_id, flags))
    }

    /// The header `tracestate`. None where there is none to send.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// The header `raceway-clock`. None where the host is not to have it.
    #[must_use]
    pub fn clock(&self) -> Option<&str> {
        match &self.clock {
            Sent::Nothing => None,
            Sent::Fork { text, .. } => Some(text),
            Sent::Vector(header) => Some(header),
        }
    }

    /// Puts the call's headers into a request, in place of those that somebody set by hand: a field
    /// that is there twice would end the trace at the callee.
    #[cfg(feature = "http")]
    pub fn inject(&self, headers: &mut http::HeaderMap) {
        // A request has few fields: to walk over them costs less than one look-up.
        let has_ours = headers.read().next().is_some();
        let mut put = |name: http::HeaderName, value: Option<&str>| match value
            .and_then(|value| http::HeaderValue::from_str(value).ok())
        {
            Some(value) => drop(headers.insert(name, value)),
            None if has_ours => drop(headers.remove(name)),
            None => {}
        };
        let traceparent = self.traceparent();
        put(
            headers::HTTP_TRACEPARENT,
            traceparent.as_ref().map(Traceparent::as_str),
        );
        put(headers::HTTP_TRACESTATE, self.tracestate());
        put(headers::HTTP_RACEWAY_CLOCK, self.clock());
    }

    /// The answer's head is in: its status, and its fields `raceway-clock`, as they came. Whether
    /// the callee's end came with it; if not, say [`body_ended`](Self::body_ended), or drop the
    /// call, when the body has ended.
    pub fn answered<'a>(
        &mut self,
        status: u16,
        clocks: impl IntoIterator<Item = &'a [u8]>,
    ) -> bool {
        if self.stage != Stage::Sent {
            return self.stage == Stage::Done;
        }
        let learnt = self.learn(clocks);
        if let Err(Some(reason)) = learnt {
            self.towline.dropped(reason);
        }
        self.stage = if learnt == Ok(End::ToCome) {
            Stage::Answered
        } else {
            Stage::Done
        };
        let outcome = if learnt.is_ok() {
            Outcome::Ok
        } else {
            Outcome::Lost
        };
        self.tell(Some(outcome), Some(status));
        self.stage == Stage::Done
    }

    /// No answer came: refused, reset, timed out. The fork stays open: the callee may be at work.
    pub fn failed(mut self) {
        self.stage = Stage::Done;
        self.tell(Some(Outcome::Error), None);
    }

    /// The answer's trailers are in: their fields `raceway-clock`, as they came. What was still to
    /// come of the callee after the head comes here, where the protocol has trailers.
    pub fn trailers<'a>(&mut self, clocks: impl IntoIterator<Item = &'a [u8]>) {
        if self.stage != Stage::Answered {
            return;
        }
        let learnt = self.learn(clocks);
        if let Err(Some(reason)) = learnt {
            self.towline.dropped(reason);
        }
        if learnt == Ok(End::Came) {
            self.stage = Stage::Done;
        }
        self.body_ended();
    }

    /// The answer's body has ended, or nobody reads on.
    pub fn body_ended(&mut self) {
        if self.stage == Stage::Answered {
            self.stage = Stage::Done;
            self.lose();
        }
    }

    /// Makes this the attempt that is under way on this thread, so that a second middleware around
    /// the same client sees that the request has its headers.
    pub fn enter(&self) -> Attempt {
        Attempt {
            outer: ATTEMPT.replace(Some(self.span_id)),
        }
    }

    /// Runs a future with this call [under way](Self::enter) whenever it is polled.
    pub async fn under_way<F: Future>(&self, work: F) -> F::Output {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|polling| {
            let _attempt = self.enter();
            work.as_mut().poll(polling)
        })
        .await
    }

    /// Merges the answer's clock, or loses sight of the fork. `Err(None)`: there is nothing to say.
    fn learn<'a>(&self, clocks: impl IntoIterator<Item = &'a [u8]>) -> Result<End, Option<Reason>> {
        let Sent::Fork {
            tick,
            text,
            forks,
            cut,
        } = &self.clock
        else {
            return Err(None);
        };
        let answer = single(clocks).and_then(|header| {
            let sent = (!cut).then_some((&**text, *forks));
            self.join(*tick, sent, header)
        });
        if let Err(Some(_)) = answer {
            self.lose();
        }
        answer
    }

    /// Merges the answer's clock. `Err(None)`: after the strand's end, answers change nothing.
    /// `sent`: what went with the call, if it was not cut, and how many forks it named.
    fn join(
        &self,
        tick: u32,
        sent: Option<(&str, u32)>,
        header: &[u8],
    ) -> Result<End, Option<Reason>> {
        let limits = self.towline.settings().limits;
        let plain = sent.and_then(|(sent, forks)| {
            self.context
                .with_strand(|strand| strand.plain_answer(tick, sent, forks, header, limits))
        });
        let learnt = match plain {
            Some(learnt) => learnt,
            None => {
                let trace = self.context.trace_id().low32();
                let answer = Clock::read(header, limits, Some(trace))
                    .map_err(|error| Some(Reason::of_answer(error)))?;
                self.context
                    .with_strand(|strand| strand.answer(tick, sent.map(|(sent, _)| sent), &answer))
                    .map(|()| answer.has_ended())
            }
        };
        match learnt {
            Ok(true) => Ok(End::Came),
            Ok(false) => Ok(End::ToCome),
            Err(StrandError::Ended) => Err(None),
            Err(_) => Err(Some(Reason::AnswerOtherStrand)),
        }
    }

    fn lose(&self) {
        if let Sent::Fork { tick, .. } = self.clock {
            self.context.with_strand(|strand| strand.lost(tick));
        }
    }

    /// Tells the observers that the attempt left, or how it ended.
    fn tell(&self, outcome: Option<Outcome>, status: Option<u16>) {
        let sent = self.clock();
        let stamp = Stamp(&self.context);
        let clock: Option<&dyn fmt::Display> = match (&sent, outcome) {
            (None, None) => None,
            (Some(sent), None) => Some(sent),
            (_, Some(_)) => (self.towline.settings().clock != ClockMode::Off).then_some(&stamp),
        };
        let event = CallEvent {
            trace_id: self.context.trace_id(),
            span_id: self.span_id,
            parent_id: self.context.span_id(),
            flags: self.context.flags(),
            host: self.host.as_deref().unwrap_or_default(),
            clock,
            status,
            outcome,
        };
        self.towline.observe(|observer| match outcome {
            None => observer.on_call_sent(&event),
            Some(_) => observer.on_call_answered(&event),
        });
    }
}

/// The only field of an answer.
fn single<'a>(clocks: impl IntoIterator<Item = &'a [u8]>) -> Result<&'a [u8], Option<Reason>> {
    match clocks.into_iter().collect() {
        Single::Absent => Err(Some(Reason::AnswerAbsent)),
        Single::Several => Err(Some(Reason::AnswerDuplicate)),
        Single::One(header) => Ok(header),
    }
}

/// Prints the caller's clock, made only if it is asked for.
struct Stamp<'a>(&'a Context);

impl fmt::Display for Stamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = self.0.with_strand(|strand| strand.clock());
        f.write_str(clock.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Came,
    ToCome,
}

impl Drop for Call {
    fn drop(&mut self) {
        match self.stage {
            Stage::Sent => self.tell(Some(Outcome::Cancelled), None),
            Stage::Answered => self.lose(),
            Stage::Done => {}
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("host", &self.host)
            .field("span_id", &self.span_id)
            .field("clock", &self.clock())
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

thread_local! {
    static ATTEMPT: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// Keeps a call the one that is under way; see [`Call::enter`].
#[derive(Debug)]
#[must_use = "the call is under way only while this lives"]
pub struct Attempt {
    outer: Option<SpanId>,
}

/// Whether the request with this `traceparent` is the attempt of this span: if that is under way,
/// an outer middleware has made it, and the inner one has to step aside.
fn is_of_span(traceparent: &[u8], span_id: SpanId) -> bool {
    traceparent.get(36..52) == Some(span_id.to_string().as_bytes())
}

impl Drop for Attempt {
    fn drop(&mut self) {
        ATTEMPT.set(self.outer);
    }
}
