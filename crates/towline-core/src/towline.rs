//! One configured instance, and what it makes of a request that comes in.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::clock::{Clock, Scan, trim_blanks};
use crate::context::{Context, Origin, Untrusted};
use crate::current::is_current;
use crate::observer::{Kind, Observer, Reason};
use crate::strand::{Component, Strand};
use crate::trace_context::{self, Incoming};
use crate::{
    ClockMode, ClockV1, Config, Counters, Peer, Settings, SpanId, TraceFlags, TraceId, Tracestate,
    Trust,
};

/// The header of trace id, parent id and flags.
pub const TRACEPARENT: &str = "traceparent";
/// The header of other systems' members, and of our own.
pub const TRACESTATE: &str = "tracestate";
/// The header of the strand clock, on requests and on responses.
pub const RACEWAY_CLOCK: &str = "raceway-clock";

/// Header fields as they were received, by lower-case name: all of one name, in order.
pub trait Headers {
    /// The values of all fields of that name.
    fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]>;
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.iter()
            .filter(move |(n, _)| n.as_ref().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }
}

#[cfg(feature = "http")]
impl Headers for http::HeaderMap {
    fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).iter().map(http::HeaderValue::as_bytes)
    }
}

/// One configured instance: its settings, observers and counters. Cheap to clone.
///
/// Nothing has to be set globally: a middleware makes its own, or takes the default one.
///
/// ```
/// use towline_core::{Config, Context, Peer, Towline};
///
/// let towline = Towline::new(Config::new().service_name("stock").instance("1"));
/// let headers = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
/// let context = towline.accept(headers.as_slice(), &Peer::default());
/// assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
/// context.scope(|| assert_eq!(Context::current().map(|c| c.span_id()), Some(context.span_id())));
/// ```
#[derive(Clone)]
pub struct Towline(Arc<Parts>);

struct Parts {
    settings: Settings,
    component: Component,
    counters: Counters,
    withheld_before: AtomicBool,
}

impl Towline {
    /// Decides the settings (options in code, then the environment, then defaults), and says once
    /// what will be extracted and injected.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let settings = config.resolve_env();
        let component = Component::new(&settings.service_name, &settings.instance);
        let towline = Self(Arc::new(Parts {
            settings,
            component,
            counters: Counters::default(),
            withheld_before: AtomicBool::new(false),
        }));
        towline.introduce();
        towline
    }

    /// The instance that is made of the environment alone, when it is first asked for.
    #[must_use]
    pub fn of_environment() -> Self {
        static DEFAULT: OnceLock<Towline> = OnceLock::new();
        DEFAULT.get_or_init(|| Self::new(Config::new())).clone()
    }

    fn introduce(&self) {
        let settings = self.settings();
        if settings.disabled {
            tracing::info!(target: "towline", "towline is disabled: nothing is extracted or injected");
            return;
        }
        tracing::info!(
            target: "towline",
            service = %settings.service_name,
            instance = %settings.instance,
            clock = settings.clock.as_str(),
            clocks_to = %settings.propagate_to,
            "towline extracts and injects traceparent, tracestate, raceway-clock"
        );
    }

    /// What was decided.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What has been counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Whether it does anything at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.0.settings.disabled
    }

    /// This service and instance, as they stand in clocks.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.0.component
    }

    /// Whether the request with these headers is being served already: an outer middleware has made
    /// its span, and an inner one has to step aside.
    #[must_use]
    pub fn is_served<H: Headers + ?Sized>(headers: &H) -> bool {
        is_current(|context| {
            let received = trace_context::read(headers.fields(TRACEPARENT), []).ok();
            context.serves(received.map(|read| (read.context.trace_id, read.context.parent_id)))
        })
    }

    /// Reads what a request came with, and begins the strand of its handling. Bad headers are
    /// dropped and counted; they never fail the request.
    #[must_use]
    pub fn accept<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Context {
        let read = trace_context::read(headers.fields(TRACEPARENT), headers.fields(TRACESTATE));
        let mut incoming = match read {
            Ok(incoming) => incoming,
            Err(error) => {
                self.dropped(error.into());
                if headers.fields(RACEWAY_CLOCK).next().is_some() {
                    self.dropped(Reason::ClockNoTraceparent);
                }
                return Context::root(self, Kind::Server, None);
            }
        };
        if let Some(error) = incoming.tracestate_dropped {
            self.dropped(error.into());
        }
        let trust = self.settings().trust(peer);
        if trust == Trust::DropTracestate
            && !(incoming.context.tracestate.is_empty() && incoming.own.is_none())
        {
            self.dropped(Reason::TracestateUntrusted);
            incoming.context.tracestate = Tracestate::default();
            incoming.own = None;
        }
        match trust {
            Trust::Continue | Trust::DropTracestate => self.carry_on(headers, incoming),
            Trust::Restart | Trust::Ignore => {
                self.dropped(Reason::TraceparentUntrusted);
                if headers.fields(RACEWAY_CLOCK).next().is_some() {
                    self.dropped(Reason::ClockUntrusted);
                }
                let received = (incoming.context.trace_id, incoming.context.parent_id);
                let link = (trust == Trust::Restart).then_some(incoming.context);
                Context::root(self, Kind::Server, Some(Untrusted { received, link }))
            }
        }
    }

    fn carry_on<H: Headers + ?Sized>(&self, headers: &H, incoming: Incoming<'_>) -> Context {
        let span_id = SpanId::random();
        let Incoming { context, own, .. } = incoming;
        let trace = context.trace_id.low32();
        let Begun {
            strand,
            vector,
            answers,
        } = self
            .begin_from_clock(headers, context.trace_id, span_id)
            .or_else(|| self.begin_from_member(own?, trace, span_id))
            .unwrap_or_else(|| Begun::first(self.first_strand(trace, span_id)));
        Context::start(Origin {
            towline: self.clone(),
            kind: Kind::Server,
            trace_id: context.trace_id,
            span_id,
            parent_id: Some(context.parent_id),
            flags: context.flags,
            tracestate: context.tracestate,
            link: None,
            received: Some((context.trace_id, context.parent_id)),
            answers,
            strand,
            vector,
        })
    }

    fn first_strand(&self, trace: u32, span_id: SpanId) -> Strand {
        Strand::first(self.component(), span_id.low32(), trace)
    }

    /// None where no clock came. One that is refused begins a first strand.
    fn begin_from_clock<H: Headers + ?Sized>(
        &self,
        headers: &H,
        trace_id: TraceId,
        span_id: SpanId,
    ) -> Option<Begun> {
        let mut clocks = headers.fields(RACEWAY_CLOCK);
        let header = clocks.next()?;
        let trace = trace_id.low32();
        let first = Begun::first(self.first_strand(trace, span_id));
        if clocks.next().is_some() {
            self.dropped(Reason::ClockDuplicate);
            return Some(first);
        }
        let limits = self.settings().limits;
        if trim_blanks(header).starts_with(b"v1") {
            return Some(
                match ClockV1::read(header, trace_id, limits.header_bytes_max) {
                    Ok(vector) => Begun {
                        vector: Some(vector),
                        ..first
                    },
                    Err(error) => {
                        self.dropped(error.into());
                        first
                    }
                },
            );
        }
        Some(match Scan::read(header, limits, Some(trace)) {
            Ok(sender) => Begun {
                strand: Strand::after(&sender, self.component(), span_id.low32(), false),
                vector: None,
                answers: matches!(self.settings().clock, ClockMode::Auto | ClockMode::V2),
            },
            Err(error) => {
                self.dropped(Reason::of_clock(error));
                first
            }
        })
    }

    /// The clock came through a service that carries none: `tracestate` has it.
    fn begin_from_member(&self, own: &str, trace: u32, span_id: SpanId) -> Option<Begun> {
        match Clock::from_tracestate(own, trace, self.settings().limits) {
            Ok(sender) => Some(Begun::first(Strand::start(
                &sender,
                self.component(),
                span_id.low32(),
                true,
            ))),
            Err(error) => {
                self.dropped(Reason::of_member(error));
                None
            }
        }
    }

    pub(crate) fn new_trace_flags(&self) -> TraceFlags {
        if self.settings().sampled {
            TraceFlags::RANDOM | TraceFlags::SAMPLED
        } else {
            TraceFlags::RANDOM
        }
    }

    /// Whether clocks may go to that host. The first time that one may not is logged, all are
    /// counted.
    pub(crate) fn may_carry_clock(&self, host: &str) -> bool {
        let allowed = self.settings().propagate_to.allows(host);
        if !allowed {
            self.dropped(Reason::SendWithheld);
            if !self.0.withheld_before.swap(true, Ordering::Relaxed) {
                tracing::info!(
                    target: "towline",
                    host,
                    "no clock is sent to this host: it is not local, nor in TOWLINE_PROPAGATE_TO"
                );
            }
        }
        allowed
    }

    pub(crate) fn dropped(&self, reason: Reason) {
        self.observe(|observer| observer.on_dropped(reason));
    }

    /// Tells the counters and all observers.
    pub(crate) fn observe(&self, tell: impl Fn(&dyn Observer)) {
        tell(&self.0.counters);
        tell(&self.0.settings.observers);
    }
}

/// How the strand of a request begins.
struct Begun {
    strand: Strand,
    vector: Option<ClockV1>,
    answers: bool,
}

impl Begun {
    fn first(strand: Strand) -> Self {
        Self {
            strand,
            vector: None,
            answers: false,
        }
    }
}

impl fmt::Debug for Towline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Towline")
            .field("component", &self.0.component)
            .finish_non_exhaustive()
    }
}
