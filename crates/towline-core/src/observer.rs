//! Who is told what happens to strands, calls and headers.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use tracing::field::display;

use crate::baggage::BaggageError;
use crate::clock::ClockError;
use crate::clock_v1::ClockV1Error;
use crate::id::{SpanId, TraceFlags, TraceId};
use crate::trace_context::{TraceparentError, TracestateError};

/// Told what happens (spec/api.md, "Observers"). Every method does nothing by default.
///
/// Methods are called on the thread that does the work, between reading a request and handling
/// it: they should be short, and must not block. One that panics does not break the request, where
/// panics unwind.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use towline_core::{Reason, Observer};
///
/// #[derive(Default)]
/// struct Refusals(AtomicU64);
///
/// impl Observer for Refusals {
///     fn on_dropped(&self, reason: Reason) {
///         if reason.what() == "clock" {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let refusals = Refusals::default();
/// refusals.on_dropped(Reason::ClockMalformed);
/// refusals.on_dropped(Reason::SendWithheld);
/// assert_eq!(refusals.0.into_inner(), 1);
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A strand started.
    fn on_strand_start(&self, _strand: &StrandEvent<'_>) {}

    /// A strand ended; its clock is that of the end.
    fn on_strand_end(&self, _strand: &StrandEvent<'_>) {}

    /// An attempt of a call, or a message, left; its clock is what was sent. Of a message
    /// ([`Kind::Producer`]) no answer follows.
    fn on_call_sent(&self, _call: &CallEvent<'_>) {}

    /// An attempt of a call ended; its clock is the caller's after it.
    fn on_call_answered(&self, _call: &CallEvent<'_>) {}

    /// Something was refused, withheld or cut.
    fn on_dropped(&self, _reason: Reason) {}
}

/// A strand, as observers see it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct StrandEvent<'a> {
    /// The trace that it is in.
    pub trace_id: TraceId,
    /// Its own span.
    pub span_id: SpanId,
    /// The span that called or forked it; none where it began the trace.
    pub parent_id: Option<SpanId>,
    /// Of the trace.
    pub flags: TraceFlags,
    /// What began it.
    pub kind: Kind,
    /// The name of the service, as configured.
    pub service: &'a str,
    /// The instance of the service, as configured.
    pub instance: &'a str,
    /// Prints the strand's clock in its wire form, made only if it is asked for; none where
    /// clocks are off.
    pub clock: Option<&'a dyn fmt::Display>,
    /// How it ended, never as [`Outcome::Lost`]; none at its start.
    pub outcome: Option<Outcome>,
}

impl fmt::Debug for StrandEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrandEvent")
            .field("trace_id", &self.trace_id)
            .field("span_id", &self.span_id)
            .field("parent_id", &self.parent_id)
            .field("flags", &self.flags)
            .field("kind", &self.kind)
            .field("service", &self.service)
            .field("instance", &self.instance)
            .field("clock", &self.clock.map(display))
            .field("outcome", &self.outcome)
            .finish()
    }
}

/// An attempt of a call, or a message, as observers see it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct CallEvent<'a> {
    /// The trace that it is in.
    pub trace_id: TraceId,
    /// The client span of the attempt: the parent id that was sent.
    pub span_id: SpanId,
    /// The caller's own span.
    pub parent_id: SpanId,
    /// As sent.
    pub flags: TraceFlags,
    /// [`Kind::Client`], or [`Kind::Producer`] for a message.
    pub kind: Kind,
    /// The host that is called, as the application wrote it; empty for a message.
    pub host: &'a str,
    /// How many attempts went before this one for the same request (`http.request.resend_count`);
    /// 0 also where the client does not know.
    pub resend_count: u32,
    /// Prints a clock in its wire form, made only if it is asked for: the one that was sent, or
    /// after the answer the caller's; none where there is none.
    pub clock: Option<&'a dyn fmt::Display>,
    /// The status of the HTTP answer; none when it is sent, and where no answer came.
    pub status: Option<u16>,
    /// How it ended; none when it is sent.
    pub outcome: Option<Outcome>,
}

impl fmt::Debug for CallEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallEvent")
            .field("trace_id", &self.trace_id)
            .field("span_id", &self.span_id)
            .field("parent_id", &self.parent_id)
            .field("flags", &self.flags)
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("resend_count", &self.resend_count)
            .field("clock", &self.clock.map(display))
            .field("status", &self.status)
            .field("outcome", &self.outcome)
            .finish()
    }
}

/// What began a span.
///
/// ```
/// assert_eq!(towline_core::Kind::Internal.as_str(), "internal");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A request that came in.
    Server,
    /// A fork or a detached piece of work inside the service.
    Internal,
    /// A call, and the strand that a call without a context begins.
    Client,
    /// A message that was sent.
    Producer,
    /// The handling of a message, or of several at once.
    Consumer,
}

impl Kind {
    /// The word that every port uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Internal => "internal",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a strand or a call ended.
///
/// ```
/// assert_eq!(towline_core::Outcome::Cancelled.as_str(), "cancelled");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A strand that did its work; a call that was answered with a clock.
    Ok,
    /// A call that was answered without a clock, or with one that cannot be used.
    Lost,
    /// A strand that failed; a call without an answer.
    Error,
    /// Given up by whoever waited for it.
    Cancelled,
}

impl Outcome {
    /// The word that every port uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Lost => "lost",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Writes the closed list of what can be dropped and why, once.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $variant:ident = $what:literal, $reason:literal;)+) => {
        /// Something that was refused, withheld or cut, and why (spec/api.md, "Observers").
        ///
        /// ```
        /// use towline_core::Reason;
        ///
        /// let reason = Reason::ClockDuplicate;
        /// assert_eq!((reason.what(), reason.reason()), ("clock", "duplicate"));
        /// assert_eq!(reason.key(), "clock/duplicate");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])+ $variant,)+
        }

        impl Reason {
            /// The whole list, in the order of spec/api.md.
            ///
            /// ```
            /// # use towline_core::Reason;
            /// assert_eq!(Reason::ALL[0], Reason::TraceparentAbsent);
            /// ```
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// What was dropped.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)+
                }
            }

            /// Why it was dropped.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$variant => $reason,)+
                }
            }

            /// `what/reason`: the key of its counter.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($what, "/", $reason),)+
                }
            }
        }
    };
}

reasons! {
    /// A request without `traceparent`.
    TraceparentAbsent = "traceparent", "absent";
    /// A request with more than one `traceparent`.
    TraceparentDuplicate = "traceparent", "duplicate";
    /// A `traceparent` that breaks the grammar.
    TraceparentMalformed = "traceparent", "malformed";
    /// A `traceparent` with an id that is all zero.
    TraceparentZeroId = "traceparent", "zero_id";
    /// A `traceparent` of a peer that is not trusted.
    TraceparentUntrusted = "traceparent", "untrusted";
    /// A request without `traceparent`, with B3 that cannot be read.
    TraceparentB3Malformed = "traceparent", "b3_malformed";
    /// A `tracestate` with a member that breaks the grammar.
    TracestateMalformed = "tracestate", "malformed";
    /// A `tracestate` of more than 32 members.
    TracestateTooManyMembers = "tracestate", "too_many_members";
    /// A `tracestate` of a peer whose list is not trusted.
    TracestateUntrusted = "tracestate", "untrusted";
    /// Our member did not fit beside those of others.
    TracestateTooLong = "tracestate", "too_long";
    /// A request with more than one clock.
    ClockDuplicate = "clock", "duplicate";
    /// A request's clock of more bytes than the limit.
    ClockTooLong = "clock", "too_long";
    /// A request's clock of a version that we do not know.
    ClockVersion = "clock", "version";
    /// A request's clock of another trace than its `traceparent`.
    ClockOtherTrace = "clock", "other_trace";
    /// A request's clock that breaks the grammar or a rule.
    ClockMalformed = "clock", "malformed";
    /// A request's clock beyond a limit other than its bytes.
    ClockOverLimits = "clock", "over_limits";
    /// A request with a clock and without a valid `traceparent`.
    ClockNoTraceparent = "clock", "no_traceparent";
    /// A clock of a peer that is not trusted.
    ClockUntrusted = "clock", "untrusted";
    /// A value of our `tracestate` member that is not a clock.
    MemberMalformed = "member", "malformed";
    /// A value of our `tracestate` member beyond a limit.
    MemberOverLimits = "member", "over_limits";
    /// An answer without a clock.
    AnswerAbsent = "answer", "absent";
    /// An answer with more than one clock.
    AnswerDuplicate = "answer", "duplicate";
    /// An answer's clock of more bytes than the limit.
    AnswerTooLong = "answer", "too_long";
    /// An answer's clock of a version that we do not know.
    AnswerVersion = "answer", "version";
    /// An answer's clock of another trace than the call.
    AnswerOtherTrace = "answer", "other_trace";
    /// An answer's clock that breaks the grammar or a rule.
    AnswerMalformed = "answer", "malformed";
    /// An answer's clock beyond a limit other than its bytes.
    AnswerOverLimits = "answer", "over_limits";
    /// An answer's clock of a strand that is not the callee's.
    AnswerOtherStrand = "answer", "other_strand";
    /// A clock that was not sent: the host is not on the list.
    SendWithheld = "send", "withheld";
    /// A clock that was sent, cut to the limit of bytes.
    SendCut = "send", "cut";
    /// A clock that was not sent: cutting it was not enough.
    SendTooLong = "send", "too_long";
    /// A clock that was not sent: every receiver would refuse it.
    SendOverLimits = "send", "over_limits";
    /// A `baggage` of more than 8,192 bytes.
    BaggageTooLong = "baggage", "too_long";
    /// A `baggage` of more than 64 members.
    BaggageTooManyMembers = "baggage", "too_many_members";
    /// A `baggage` with a member that breaks the grammar.
    BaggageMalformed = "baggage", "malformed";
    /// Baggage that was not sent: the host is not on the list.
    BaggageWithheld = "baggage", "withheld";
    /// A time that is left which cannot be read.
    TimeoutMalformed = "timeout", "malformed";
    /// A call that was not made: no time was left.
    TimeoutExpired = "timeout", "expired";
    /// A call without a current context.
    ContextNone = "context", "none";
    /// A strand that was used by a task that is not its own.
    ContextSharedStrand = "context", "shared_strand";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl From<TraceparentError> for Reason {
    fn from(error: TraceparentError) -> Self {
        match error {
            TraceparentError::Absent => Self::TraceparentAbsent,
            TraceparentError::Duplicate => Self::TraceparentDuplicate,
            TraceparentError::Malformed => Self::TraceparentMalformed,
            TraceparentError::ZeroId => Self::TraceparentZeroId,
        }
    }
}

impl From<TracestateError> for Reason {
    fn from(error: TracestateError) -> Self {
        match error {
            TracestateError::Malformed => Self::TracestateMalformed,
            TracestateError::TooManyMembers => Self::TracestateTooManyMembers,
        }
    }
}

impl From<BaggageError> for Reason {
    fn from(error: BaggageError) -> Self {
        match error {
            BaggageError::TooLong => Self::BaggageTooLong,
            BaggageError::TooManyMembers => Self::BaggageTooManyMembers,
            BaggageError::Malformed => Self::BaggageMalformed,
        }
    }
}

/// Of a request: answers carry no clock of version 1.
impl From<ClockV1Error> for Reason {
    fn from(error: ClockV1Error) -> Self {
        match error {
            ClockV1Error::TooLong { .. } => Self::ClockTooLong,
            ClockV1Error::Version => Self::ClockVersion,
            ClockV1Error::OtherTrace => Self::ClockOtherTrace,
            ClockV1Error::Malformed => Self::ClockMalformed,
            ClockV1Error::OverLimits => Self::ClockOverLimits,
        }
    }
}

impl Reason {
    /// Of a clock on a request.
    pub(crate) const fn of_clock(error: ClockError) -> Self {
        match error {
            ClockError::TooLong { .. } => Self::ClockTooLong,
            ClockError::Version => Self::ClockVersion,
            ClockError::OtherTrace => Self::ClockOtherTrace,
            ClockError::Malformed { .. } => Self::ClockMalformed,
            ClockError::TooDeep { .. }
            | ClockError::TooManyForks { .. }
            | ClockError::TickTooHigh => Self::ClockOverLimits,
        }
    }

    /// Of a clock on an answer.
    pub(crate) const fn of_answer(error: ClockError) -> Self {
        match error {
            ClockError::TooLong { .. } => Self::AnswerTooLong,
            ClockError::Version => Self::AnswerVersion,
            ClockError::OtherTrace => Self::AnswerOtherTrace,
            ClockError::Malformed { .. } => Self::AnswerMalformed,
            ClockError::TooDeep { .. }
            | ClockError::TooManyForks { .. }
            | ClockError::TickTooHigh => Self::AnswerOverLimits,
        }
    }

    /// Of our member of `tracestate`.
    pub(crate) const fn of_member(error: ClockError) -> Self {
        match Self::of_clock(error) {
            Self::ClockOverLimits | Self::ClockTooLong => Self::MemberOverLimits,
            _ => Self::MemberMalformed,
        }
    }
}

/// Several observers as one: each is told, in their order, and one that panics does not keep the
/// others, nor the request, from going on.
///
/// ```
/// use std::sync::Arc;
/// use towline_core::{Counters, Reason, Observer, Observers};
///
/// struct Broken;
/// impl Observer for Broken {
///     fn on_dropped(&self, _: Reason) {
///         panic!("never mind");
///     }
/// }
///
/// let counters = Arc::new(Counters::default());
/// let mut observers = Observers::default();
/// observers.push(Arc::new(Broken));
/// observers.push(Arc::clone(&counters) as Arc<dyn Observer>);
/// observers.on_dropped(Reason::SendCut);
/// assert_eq!(counters.get(Reason::SendCut), 1);
/// ```
#[derive(Clone, Default)]
pub struct Observers {
    list: Vec<Arc<dyn Observer>>,
}

impl Observers {
    /// Adds one, behind those that are there.
    pub fn push(&mut self, observer: Arc<dyn Observer>) {
        self.list.push(observer);
    }

    /// Whether nobody observes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn tell(&self, tell: impl Fn(&dyn Observer)) {
        for observer in &self.list {
            // What an observer leaves broken is its own: nothing of ours is borrowed mutably.
            if catch_unwind(AssertUnwindSafe(|| tell(observer.as_ref()))).is_err() {
                static TOLD: Once = Once::new();
                TOLD.call_once(|| tracing::error!(target: "towline", "an observer panicked; this is told once"));
            }
        }
    }
}

impl Observer for Observers {
    fn on_strand_start(&self, strand: &StrandEvent<'_>) {
        self.tell(|observer| observer.on_strand_start(strand));
    }

    fn on_strand_end(&self, strand: &StrandEvent<'_>) {
        self.tell(|observer| observer.on_strand_end(strand));
    }

    fn on_call_sent(&self, call: &CallEvent<'_>) {
        self.tell(|observer| observer.on_call_sent(call));
    }

    fn on_call_answered(&self, call: &CallEvent<'_>) {
        self.tell(|observer| observer.on_call_answered(call));
    }

    fn on_dropped(&self, reason: Reason) {
        self.tell(|observer| observer.on_dropped(reason));
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("count", &self.list.len())
            .finish()
    }
}

/// Writes each event through the `tracing` crate: level debug, target `towline`.
///
/// The fields have the names of [`StrandEvent`] and [`CallEvent`]. Where nobody listens, no clock
/// is formatted.
///
/// ```
/// use std::sync::Arc;
/// use towline_core::{Config, TracingObserver};
///
/// let config = Config::new().observer(Arc::new(TracingObserver));
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingObserver;

impl Observer for TracingObserver {
    fn on_strand_start(&self, strand: &StrandEvent<'_>) {
        tracing::debug!(
            target: "towline",
            trace_id = %strand.trace_id,
            span_id = %strand.span_id,
            parent_id = strand.parent_id.map(display),
            flags = %strand.flags,
            kind = strand.kind.as_str(),
            service = strand.service,
            instance = strand.instance,
            clock = strand.clock.map(display),
            "strand_start"
        );
    }

    fn on_strand_end(&self, strand: &StrandEvent<'_>) {
        tracing::debug!(
            target: "towline",
            trace_id = %strand.trace_id,
            span_id = %strand.span_id,
            parent_id = strand.parent_id.map(display),
            flags = %strand.flags,
            kind = strand.kind.as_str(),
            service = strand.service,
            instance = strand.instance,
            clock = strand.clock.map(display),
            outcome = strand.outcome.map(Outcome::as_str),
            "strand_end"
        );
    }

    fn on_call_sent(&self, call: &CallEvent<'_>) {
        tracing::debug!(
            target: "towline",
            trace_id = %call.trace_id,
            span_id = %call.span_id,
            parent_id = %call.parent_id,
            flags = %call.flags,
            kind = call.kind.as_str(),
            host = call.host,
            resend_count = call.resend_count,
            clock = call.clock.map(display),
            "call_sent"
        );
    }

    fn on_call_answered(&self, call: &CallEvent<'_>) {
        tracing::debug!(
            target: "towline",
            trace_id = %call.trace_id,
            span_id = %call.span_id,
            parent_id = %call.parent_id,
            flags = %call.flags,
            kind = call.kind.as_str(),
            host = call.host,
            resend_count = call.resend_count,
            clock = call.clock.map(display),
            status = call.status,
            outcome = call.outcome.map(Outcome::as_str),
            "call_answered"
        );
    }

    fn on_dropped(&self, reason: Reason) {
        tracing::debug!(target: "towline", what = reason.what(), reason = reason.reason(), "dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::fmt::Write as _;
    use std::sync::Mutex;
    use tracing::field::{Field, Visit};
    use tracing::span;

    /// Prints, and counts how often it was asked to.
    #[derive(Default)]
    struct Clock(Cell<u32>);

    impl fmt::Display for Clock {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            f.write_str("v2;t=1c80319c, web#w1/77b0e190:4")
        }
    }

    fn strand(clock: &Clock) -> StrandEvent<'_> {
        StrandEvent {
            trace_id: TraceId::parse(b"0af7651916cd43dd8448eb211c80319c").unwrap(),
            span_id: SpanId::parse(b"b7ad6b7169203331").unwrap(),
            parent_id: None,
            flags: TraceFlags::SAMPLED,
            kind: Kind::Server,
            service: "web",
            instance: "w1",
            clock: Some(clock),
            outcome: None,
        }
    }

    fn call(clock: &Clock) -> CallEvent<'_> {
        let StrandEvent {
            trace_id,
            span_id,
            flags,
            ..
        } = strand(clock);
        CallEvent {
            trace_id,
            span_id,
            parent_id: span_id,
            flags,
            kind: Kind::Client,
            resend_count: 0,
            host: "cart:80",
            clock: Some(clock),
            status: None,
            outcome: None,
        }
    }

    /// Keeps events as lines: target, level, and fields as they come.
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Line<'a>(&'a mut String);

    impl Visit for Line<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }

    impl tracing::Subscriber for Lines {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut line = format!("{} {}", event.metadata().target(), event.metadata().level());
            event.record(&mut Line(&mut line));
            self.0.lock().unwrap().push(line);
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    fn tell_all(observer: &dyn Observer, clock: &Clock) {
        observer.on_strand_start(&strand(clock));
        observer.on_strand_end(&StrandEvent {
            outcome: Some(Outcome::Cancelled),
            ..strand(clock)
        });
        observer.on_call_sent(&call(clock));
        observer.on_call_answered(&CallEvent {
            status: Some(503),
            outcome: Some(Outcome::Lost),
            ..call(clock)
        });
        observer.on_dropped(Reason::AnswerAbsent);
    }

    #[test]
    fn tracing_is_told_every_event_with_its_fields() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(Lines(Arc::clone(&lines)), || {
            tell_all(&TracingObserver, &Clock::default())
        });
        let trace = "trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331";
        let strand = r#"flags=01 kind="server" service="web" instance="w1" clock=v2;t=1c80319c, web#w1/77b0e190:4"#;
        let call = r#"parent_id=b7ad6b7169203331 flags=01 kind="client" host="cart:80" resend_count=0 clock=v2;t=1c80319c, web#w1/77b0e190:4"#;
        let expected = [
            format!("towline DEBUG message=strand_start {trace} {strand}"),
            format!(r#"towline DEBUG message=strand_end {trace} {strand} outcome="cancelled""#),
            format!("towline DEBUG message=call_sent {trace} {call}"),
            format!(
                r#"towline DEBUG message=call_answered {trace} {call} status=503 outcome="lost""#
            ),
            r#"towline DEBUG message=dropped what="answer" reason="absent""#.to_owned(),
        ];
        assert_eq!(*lines.lock().unwrap(), expected);
    }

    #[test]
    fn a_clock_that_nobody_asks_for_is_not_formatted() {
        struct Deaf;
        impl Observer for Deaf {}

        let clock = Clock::default();
        let mut observers = Observers::default();
        observers.push(Arc::new(Deaf));
        observers.push(Arc::new(crate::Counters::default()));
        tell_all(&observers, &clock);
        assert_eq!(clock.0.get(), 0);
        assert!(format!("{:?}", strand(&clock)).contains("web#w1/77b0e190:4"));
        assert!(format!("{:?}", call(&clock)).contains("cart:80"));
        assert_eq!(clock.0.get(), 2);
    }
}
