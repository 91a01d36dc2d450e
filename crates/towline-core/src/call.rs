//! One attempt of one outgoing call.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;

use crate::b3;
#[cfg(feature = "http")]
use crate::carrier::Carrier;
use crate::clock::{Clock, CutError};
use crate::context::Context;
use crate::hash_labels::hashed;
use crate::headers::{BAGGAGE, Field, Headers, Single, TOWLINE_PROBE, TOWLINE_TIMEOUT};
use crate::observer::{CallEvent, Kind, Outcome, Reason};
use crate::outside::Outside;
use crate::probe::{self, CallRecord, Probing};
use crate::strand::Fork;
use crate::trace_context::Traceparent;
use crate::tracer::ClientSpan;
use crate::{ClockMode, ClockV1, HostList, SpanId, StrandError, Towline};

/// The longest time that `towline-timeout` can say, in milliseconds.
const TIMEOUT_MS_MAX: u32 = 99_999_999;

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
    /// Another tracer's, whose id it is.
    span: Option<Box<dyn ClientSpan>>,
    traced: bool,
    /// Whether the host may have our clock, and what goes with it.
    trusted: bool,
    tracestate: Option<String>,
    clock: Sent,
    /// Milliseconds that the callee has.
    left: Option<NonZeroU32>,
    resend_count: u32,
    stage: Stage,
}

/// The clock that goes with a call.
pub(crate) enum Sent {
    Nothing,
    /// A fork, which the answer closes. `cut`: the text says less, or other, than the strand knew.
    Fork {
        tick: u32,
        text: Box<str>,
        /// How many forks the text names.
        forks: u32,
        cut: bool,
    },
    /// A per-service vector, or the clock of a message; nothing comes back.
    Unanswered(String),
}

impl Sent {
    /// The header.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Fork { text, .. } => Some(text),
            Self::Unanswered(header) => Some(header),
        }
    }
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
        self.call_again(host, 0)
    }

    /// As [`call`](Self::call), after so many attempts for the same request.
    fn call_again(&self, host: &str, resend_count: u32) -> Call {
        let tracers = || self.settings().tracer.as_ref()?.current();
        let context = Context::current().or_else(tracers).unwrap_or_else(|| {
            self.dropped(Reason::ContextNone);
            Context::root(self, Kind::Client)
        });
        self.begin_call(context, host, resend_count)
    }

    /// Begins one attempt of a call from `context`, by the settings of this instance.
    pub fn call_from(&self, context: &Context, host: &str) -> Call {
        self.begin_call(context.clone(), host, 0)
    }

    fn begin_call(&self, context: Context, host: &str, resend_count: u32) -> Call {
        let settings = self.settings();
        let left = settings.deadlines.then(|| context.remaining()).flatten();
        let context = context.into_live();
        let tracer = settings.tracer.as_ref();
        let span = tracer.and_then(|tracer| tracer.client(&context, host));
        let span_id = span
            .as_ref()
            .map_or_else(SpanId::random, |span| span.span_id());
        let traced = settings.traceparent_to.allows(host);
        let trusted = traced && self.may_carry_clock(host);
        let mut clock = if trusted {
            send(self, &context, span_id, Fork::Attached)
        } else {
            context.tick();
            Sent::Nothing
        };
        if settings.hash_labels && trusted && !HostList::local().allows(host) {
            clock = self.hashed(&context, span_id, clock);
        }
        if !trusted && context.baggage().is_some() {
            self.dropped(Reason::BaggageWithheld);
        }
        let tracestate = traced.then(|| self.tracestate(&context, &clock)).flatten();
        let is_probing = context.edge().is_some_and(|edge| edge.probing.is_some());
        let call = Call {
            towline: self.clone(),
            // Only observers and probes want to know.
            host: (!settings.observers.is_empty() || is_probing).then(|| host.into()),
            context,
            span_id,
            span,
            traced,
            trusted,
            tracestate,
            clock,
            // A callee that is called at all has something left, and reads eight digits.
            left: left.and_then(|left| {
                let left = u32::try_from(left).unwrap_or(u32::MAX);
                NonZeroU32::new(left.clamp(1, TIMEOUT_MS_MAX))
            }),
            resend_count,
            stage: Stage::Sent,
        };
        call.tell(None, None);
        call
    }

    /// The clock for a host that is to see no names.
    #[cold]
    fn hashed(&self, context: &Context, span_id: SpanId, clock: Sent) -> Sent {
        let header_bytes_max = self.settings().limits.header_bytes_max;
        match clock {
            Sent::Nothing => Sent::Nothing,
            Sent::Unanswered(_) => context
                .vector()
                .and_then(|vector| self.vector_header(context, span_id, &vector, true))
                .map_or(Sent::Nothing, Sent::Unanswered),
            Sent::Fork { tick, text, .. } => {
                let hashed = Clock::parse(&text).map(|clock| clock.with_hashed_labels());
                let hashed = hashed.map_err(|_unread| CutError::OverLimits);
                let sendable = self.sendable(hashed.and_then(|clock| {
                    match clock.as_str().len() <= header_bytes_max {
                        true => Ok((clock, false)),
                        false => clock.cut(header_bytes_max).map(|clock| (clock, true)),
                    }
                }));
                match sendable {
                    Some((clock, _)) => Sent::Fork {
                        tick,
                        forks: clock.facts.forks,
                        text: clock.into_string().into_boxed_str(),
                        cut: true,
                    },
                    None => {
                        context.with_strand(|strand| strand.withdraw(tick));
                        Sent::Nothing
                    }
                }
            }
        }
    }

    /// Begins an attempt of the request that has these headers: what is to be
    /// [injected](Call::inject) into them. None where the request is to pass as it is: this
    /// instance is disabled, or an outer middleware has made the attempt's span already.
    pub fn attempt<H: Headers + ?Sized>(&self, headers: &H, host: &str) -> Option<Call> {
        self.attempt_again(headers, host, 0)
    }

    /// As [`attempt`](Self::attempt), after so many attempts for the same request: retries and
    /// redirects.
    pub fn attempt_again<H: Headers + ?Sized>(
        &self,
        headers: &H,
        host: &str,
        resend_count: u32,
    ) -> Option<Call> {
        (self.is_enabled() && !Self::is_under_way(headers))
            .then(|| self.call_again(host, resend_count))
    }

    /// Whether the request with these headers is an attempt that is under way: an outer middleware
    /// has made its span, and an inner one has to step aside.
    #[must_use]
    pub fn is_under_way<H: Headers + ?Sized>(headers: &H) -> bool {
        ATTEMPT.get().is_some_and(|span_id| {
            let mut traceparents = headers.fields(Field::Traceparent);
            traceparents.any(|traceparent| is_of_span(traceparent, span_id))
        })
    }

    /// The members of others, and ours in front where it goes with a clock and fits.
    pub(crate) fn tracestate(&self, context: &Context, clock: &Sent) -> Option<String> {
        let others = context.tracestate();
        let text = match clock {
            Sent::Fork { text, .. } => Some(&**text),
            // A vector has no short form.
            Sent::Unanswered(text) => Some(text.as_str()).filter(|text| text.starts_with("v2")),
            Sent::Nothing => None,
        };
        let Some(text) = text else {
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

/// Ticks, and makes the clock that goes with the call or the message.
pub(crate) fn send(towline: &Towline, context: &Context, span_id: SpanId, fork: Fork) -> Sent {
    let settings = towline.settings();
    match settings.clock {
        ClockMode::Off => {
            context.tick();
            Sent::Nothing
        }
        ClockMode::V1 => send_vector(towline, context, span_id),
        ClockMode::Auto if context.came_with_vector() => send_vector(towline, context, span_id),
        ClockMode::Auto | ClockMode::V2 => send_fork(towline, context, fork),
    }
}

fn send_fork(towline: &Towline, context: &Context, fork: Fork) -> Sent {
    let header_bytes_max = towline.settings().limits.header_bytes_max;
    let (tick, header) = context.act(|strand| {
        let tick = strand.send(fork).ok()?;
        let header = strand.header(header_bytes_max);
        if header.is_err() && fork == Fork::Attached {
            strand.withdraw(tick);
        }
        Some((tick, header))
    });
    match towline.sendable(header) {
        None => Sent::Nothing,
        Some((clock, _)) if fork == Fork::Detached => Sent::Unanswered(clock.into_string()),
        Some((clock, cut)) => Sent::Fork {
            tick,
            forks: clock.facts.forks,
            text: clock.into_string().into_boxed_str(),
            cut,
        },
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
    towline
        .vector_header(context, span_id, &vector, false)
        .map_or(Sent::Nothing, Sent::Unanswered)
}

impl Towline {
    /// The header of a vector, if it may be sent.
    fn vector_header(
        &self,
        context: &Context,
        span_id: SpanId,
        vector: &ClockV1,
        hashes: bool,
    ) -> Option<String> {
        let settings = context.towline().settings();
        let (service, instance) = (&*settings.service_name, &*settings.instance);
        let (trace_id, own) = (context.trace_id(), context.span_id());
        let header = if hashes {
            let (service, instance) = (hashed(service), hashed(instance));
            let vector = vector.with_hashed_labels();
            vector.write(trace_id, span_id, own, &service, &instance)
        } else {
            vector.write(trace_id, span_id, own, service, instance)
        };
        if header.len() > self.settings().limits.header_bytes_max {
            self.dropped(Reason::SendTooLong);
            return None;
        }
        Some(header)
    }
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
        self.clock.text()
    }

    /// What goes with the call beside trace and clock, by the settings, the request and the host:
    /// names and values.
    pub fn beside(&self) -> impl Iterator<Item = (&'static str, String)> {
        let has_some = self.has_beside();
        has_some.then(|| self.all_beside()).into_iter().flatten()
    }

    #[inline]
    fn has_beside(&self) -> bool {
        self.left.is_some()
            || self.context.edge().is_some()
            || self.towline.settings().propagators.reads_b3()
    }

    #[cold]
    fn all_beside(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        let propagators = &self.towline.settings().propagators;
        let (trace_id, flags) = (self.context.trace_id(), self.context.flags());
        if self.traced && propagators.b3() {
            fields.push(("b3", b3::single(trace_id, self.span_id, flags)));
        }
        if self.traced && propagators.b3_multi() {
            fields.push(("x-b3-traceid", trace_id.to_string()));
            fields.push(("x-b3-spanid", self.span_id.to_string()));
            fields.push(("x-b3-sampled", b3::sampled(flags).to_owned()));
        }
        if !self.trusted {
            return fields;
        }
        if let Some(left) = self.left {
            fields.push((TOWLINE_TIMEOUT, left.to_string()));
        }
        if let Some(edge) = self.context.edge() {
            let baggage = edge.baggage.as_ref();
            fields.extend(baggage.map(|baggage| (BAGGAGE, baggage.to_string())));
            let probing = edge.probing.as_ref();
            fields.extend(probing.map(|probing| (TOWLINE_PROBE, probing.value().to_owned())));
        }
        fields
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
            Field::Traceparent.header_name(),
            traceparent.as_ref().map(Traceparent::as_str),
        );
        put(Field::Tracestate.header_name(), self.tracestate());
        put(Field::RacewayClock.header_name(), self.clock());
        if self.has_beside() {
            self.inject_beside(headers);
        }
    }

    #[cfg(feature = "http")]
    #[cold]
    fn inject_beside(&self, headers: &mut http::HeaderMap) {
        for (name, value) in self.beside() {
            // Baggage that the application has set itself stays.
            if name != BAGGAGE || !headers.contains_key(BAGGAGE) {
                headers.set(name, Some(value));
            }
        }
    }

    /// The answer's head is in: its status, and its fields `raceway-clock`, as they came. Whether
    /// the callee's end came with it; if not, say [`body_ended`](Self::body_ended), or drop the
    /// call, when the body has ended.
    pub fn answered<'a>(
        &mut self,
        status: u16,
        clocks: impl IntoIterator<Item = &'a [u8]>,
    ) -> bool {
        self.answered_with(status, clocks, None)
    }

    /// As [`answered`](Self::answered), for an answer with all its fields: that of a callee which
    /// was asked what it saw says so in another one.
    pub fn answered_by<H: Headers + ?Sized>(&mut self, status: u16, headers: &H) -> bool {
        let hops = match self.probing() {
            None => Single::Absent,
            Some(_) => headers.fields(Field::Hops).collect(),
        };
        let hops = match hops {
            Single::One(field) => probe::hops_of(field),
            Single::Absent | Single::Several => None,
        };
        self.answered_with(status, headers.fields(Field::RacewayClock), hops)
    }

    fn answered_with<'a>(
        &mut self,
        status: u16,
        clocks: impl IntoIterator<Item = &'a [u8]>,
        hops: Option<&str>,
    ) -> bool {
        if self.stage != Stage::Sent {
            return self.stage == Stage::Done;
        }
        let learnt = self.learn(clocks);
        self.record(Some((status, learnt.is_ok())), hops);
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
        self.record(None, None);
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
    /// the same client sees that the request has its headers. The `tracing` spans that are current
    /// are left meanwhile: a connection that the client makes now, and keeps, would keep them open.
    pub fn enter(&self) -> Attempt {
        Attempt {
            outer: ATTEMPT.replace(Some(self.span_id)),
            _outside: Outside::of_spans(),
            thread: PhantomData,
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

    #[inline]
    fn probing(&self) -> Option<&Probing> {
        self.context.edge()?.probing.as_deref()
    }

    /// Adds the call to what its caller tells of the request. `answer`: the status, and whether it
    /// was joined.
    #[inline]
    fn record(&self, answer: Option<(u16, bool)>, hops: Option<&str>) {
        if let Some(probing) = self.probing() {
            self.record_for(probing, answer, hops);
        }
    }

    #[cold]
    fn record_for(&self, probing: &Probing, answer: Option<(u16, bool)>, hops: Option<&str>) {
        probing.add(&CallRecord {
            host: self.host.as_deref().unwrap_or_default(),
            span_id: self.span_id,
            status: answer.map(|(status, _)| status),
            joined: answer.map(|(_, joined)| joined),
            hops,
        });
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
        match (&self.span, outcome) {
            (None, _) => {}
            (Some(span), None) => span.sent(sent),
            (Some(span), Some(outcome)) => span.ended(outcome, status),
        }
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
            kind: Kind::Client,
            host: self.host.as_deref().unwrap_or_default(),
            resend_count: self.resend_count,
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
            Stage::Sent => {
                self.record(None, None);
                self.tell(Some(Outcome::Cancelled), None);
            }
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
    _outside: Outside,
    /// Stays on its thread.
    thread: PhantomData<*const ()>,
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
