//! The strands of this process's spans: what propagator and span processor share.

use std::sync::{Arc, OnceLock};

use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use towline_core::{ClockMode, Config, Observer, Reason, SpanId, Towline};

use crate::beside::Beside;
use crate::line::Actor;
use crate::live::LiveSpans;
use crate::processor::{Alone, SpanProcessor};
use crate::propagator::Propagator;
use crate::symptom::{Symptom, Told};

/// The strands of the spans that OpenTelemetry makes in this process.
///
/// Its propagator and its span processor belong together: one without the other sees half. Cheap to
/// clone; all clones are one.
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use towline_otel::Strands;
///
/// let strands = Strands::of_environment();
/// opentelemetry::global::set_text_map_propagator(strands.propagators());
/// let provider = SdkTracerProvider::builder().with_span_processor(strands.processor()).build();
/// # let _ = provider;
/// ```
#[derive(Clone, Debug)]
pub struct Strands(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    towline: Towline,
    live: LiveSpans,
    told: Told,
}

/// Shares an instance that there is already, with its settings, counters and observers. Its layers
/// do not stand aside for OpenTelemetry's spans: those of [`Strands::new`] do.
impl From<&Towline> for Strands {
    fn from(towline: &Towline) -> Self {
        Self(Arc::new(Shared {
            towline: towline.clone(),
            live: LiveSpans::default(),
            told: Told::default(),
        }))
    }
}

impl Strands {
    /// Those of an instance of their own, whose layers and clients stand aside for OpenTelemetry's
    /// spans: a request and a call have one span, whoever makes it.
    ///
    /// ```
    /// use towline_core::Config;
    /// use towline_otel::Strands;
    /// use towline_tower::ServerLayer;
    ///
    /// let strands = Strands::new(Config::new().service_name("stock"));
    /// // Inside of OpenTelemetry's layer.
    /// let layer = ServerLayer::from(strands.towline());
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        let beside = Arc::new(Beside::default());
        let towline = Towline::new(config.tracer(Arc::clone(&beside) as _));
        let strands = Self::from(&towline);
        beside.set(Arc::downgrade(&strands.0));
        strands
    }

    /// Those of the process by the settings of its environment: always the same ones.
    #[must_use]
    pub fn of_environment() -> Self {
        static STRANDS: OnceLock<Strands> = OnceLock::new();
        STRANDS.get_or_init(|| Self::new(Config::new())).clone()
    }

    /// The propagator `towline` alone. It has to stand behind `tracecontext`.
    #[must_use]
    pub fn propagator(&self) -> Propagator {
        Propagator::of(self.clone())
    }

    /// The propagators `tracecontext`, `baggage` and `towline`, as one.
    #[must_use]
    pub fn propagators(&self) -> TextMapCompositePropagator {
        TextMapCompositePropagator::new(vec![
            Box::new(TraceContextPropagator::new()),
            Box::new(BaggagePropagator::new()),
            Box::new(self.propagator()),
        ])
    }

    /// The span processor, for a place before those that export.
    #[must_use]
    pub fn processor(&self) -> SpanProcessor {
        SpanProcessor::around(self.clone(), Alone)
    }

    /// The span processor around the one that exports: then spans are exported with their clock at
    /// the end, not with that of their start.
    #[must_use]
    pub fn around<P>(&self, inner: P) -> SpanProcessor<P> {
        SpanProcessor::around(self.clone(), inner)
    }

    /// The instance, for its counters and settings.
    #[must_use]
    pub fn towline(&self) -> &Towline {
        &self.0.towline
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Whether clocks are read and written at all.
    pub(crate) fn are_on(&self) -> bool {
        let settings = self.towline().settings();
        !settings.disabled && settings.clock != ClockMode::Off
    }

    pub(crate) fn dropped(&self, reason: Reason) {
        self.towline().counters().on_dropped(reason);
        self.towline().settings().observers.on_dropped(reason);
    }

    pub(crate) fn tell(&self, symptom: Symptom) {
        self.0.told.tell(symptom);
    }

    /// The spans that live.
    pub(crate) fn live(&self) -> &LiveSpans {
        &self.0.live
    }

    /// Where a host is not known, it may.
    pub(crate) fn may_carry_clock(&self, host: Option<&str>) -> bool {
        host.is_none_or(|host| self.towline().settings().propagate_to.allows(host))
    }

    pub(crate) fn actor(&self, span_id: SpanId) -> Actor<'_> {
        Actor {
            component: self.towline().component(),
            nonce: span_id.low32(),
        }
    }

    pub(crate) fn header_bytes_max(&self) -> usize {
        self.towline().settings().limits.header_bytes_max
    }
}
