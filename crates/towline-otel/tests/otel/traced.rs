//! A service that OpenTelemetry traces, without a network.

use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{SpanBuilder, SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, Sampler, SdkTracer, SdkTracerProvider, SimpleSpanProcessor, SpanData,
};
use towline_core::{Clock, Config, Strand, Towline};
use towline_otel::Strands;

use crate::carrier::{Came, Goes, headers};

pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// A caller's clock, which this service's strands go on from.
pub(crate) const CALLER: &str = r#"v2;t=1c80319c, web#1/a3f9c21b:2;x="2""#;

pub(crate) struct Traced {
    pub(crate) strands: Strands,
    pub(crate) propagator: TextMapCompositePropagator,
    pub(crate) tracer: SdkTracer,
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
}

/// What goes out with a call.
pub(crate) struct Sent {
    pub(crate) clock: Option<Clock>,
    pub(crate) tracestate: Option<String>,
    pub(crate) traceparent: Option<String>,
}

impl Traced {
    pub(crate) fn new() -> Self {
        Self::with(Config::new(), Sampler::AlwaysOn)
    }

    pub(crate) fn with(config: Config, sampler: Sampler) -> Self {
        let towline = Towline::new(config.service_name("shop").instance("1"));
        Self::of(Strands::from(&towline), sampler)
    }

    /// With a Towline that stands aside for OpenTelemetry's spans.
    pub(crate) fn beside(sampler: Sampler) -> Self {
        let config = Config::new().service_name("shop").instance("1");
        Self::of(Strands::new(config), sampler)
    }

    fn of(strands: Strands, sampler: Sampler) -> Self {
        let exporter = InMemorySpanExporter::default();
        let processor = strands.around(SimpleSpanProcessor::new(exporter.clone()));
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_span_processor(processor)
            .build();
        Self {
            propagator: strands.propagators(),
            tracer: provider.tracer("traced"),
            strands,
            exporter,
            provider,
        }
    }

    pub(crate) fn extract(&self, fields: &[(&'static str, &str)]) -> Context {
        self.propagator
            .extract_with_context(&Context::new(), &Came(&headers(fields)))
    }

    /// A request with the caller's clock, and the span that serves it.
    pub(crate) fn served(&self) -> Context {
        let remote = self.extract(&[("traceparent", TRACEPARENT), ("raceway-clock", CALLER)]);
        self.span(SpanKind::Server, &remote)
    }

    pub(crate) fn span(&self, kind: SpanKind, cx: &Context) -> Context {
        cx.with_span(self.builder(kind).start_with_context(&self.tracer, cx))
    }

    /// A client span that says where it calls.
    pub(crate) fn call(&self, host: &'static str, cx: &Context) -> Context {
        let builder = self
            .builder(SpanKind::Client)
            .with_attributes([KeyValue::new("server.address", host)]);
        cx.with_span(builder.start_with_context(&self.tracer, cx))
    }

    fn builder(&self, kind: SpanKind) -> SpanBuilder {
        self.tracer.span_builder("work").with_kind(kind)
    }

    pub(crate) fn inject(&self, cx: &Context) -> Sent {
        let mut goes = Goes::default();
        self.propagator.inject_context(cx, &mut goes);
        Sent {
            clock: goes
                .get("raceway-clock")
                .map(|clock| Clock::parse(clock).expect("a clock")),
            tracestate: goes.get("tracestate").map(str::to_owned),
            traceparent: goes.get("traceparent").map(str::to_owned),
        }
    }

    /// The exported clock of the span of this context, once it has ended.
    pub(crate) fn exported(&self, cx: &Context) -> Clock {
        let span = self.exported_span(cx);
        let clocks: Vec<_> = span
            .attributes
            .iter()
            .filter(|one| one.key.as_str() == "towline.clock")
            .collect();
        assert_eq!(clocks.len(), 1, "{span:?}");
        Clock::parse(clocks[0].value.as_str().as_ref()).expect("a clock")
    }

    pub(crate) fn exported_span(&self, cx: &Context) -> SpanData {
        let span_id = cx.span().span_context().span_id();
        let spans = self.exporter.get_finished_spans().expect("exported");
        let found = spans
            .into_iter()
            .find(|span| span.span_context.span_id() == span_id);
        found.expect("it has ended")
    }

    pub(crate) fn shut_down(&self) {
        self.provider.shutdown().expect("it runs");
    }

    pub(crate) fn counted(&self) -> String {
        self.strands.towline().counters().to_string()
    }
}

/// The nonce of a span's strand: the last 8 digits of its id.
pub(crate) fn nonce(cx: &Context) -> String {
    cx.span().span_context().span_id().to_string()[8..].to_owned()
}

/// How a service that is called goes on from a clock, and answers.
pub(crate) fn callee(sent: &Clock) -> Clock {
    let component = towline_core::Component::new("callee", "1");
    let mut strand = Strand::start(sent, &component, 0x77b0_e190, false);
    strand.end().expect("it runs");
    strand.clock()
}
