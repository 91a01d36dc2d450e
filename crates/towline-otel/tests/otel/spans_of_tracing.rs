//! Spans that tracing-opentelemetry makes: as most services in Rust have them.

use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::trace::Sampler;
use towline_core::{Clock, Order, Peer};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

use crate::traced::{CALLER, TRACEPARENT, Traced, callee};

const FIELDS: [(&str, &str); 2] = [("traceparent", TRACEPARENT), ("raceway-clock", CALLER)];

/// Runs `work` in a server span of `tracing` that has the caller as its parent.
fn in_server_span(traced: &Traced, work: impl FnOnce()) {
    let layer = tracing_opentelemetry::layer().with_tracer(traced.tracer.clone());
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let server = tracing::error_span!("GET /", otel.kind = "server");
        server.set_parent(traced.extract(&FIELDS)).unwrap();
        server.in_scope(work);
    });
}

#[test]
fn they_are_in_the_strand_of_their_request() {
    let traced = Traced::new();
    in_server_span(&traced, || {
        let server = tracing::Span::current().context();
        let calls = [(); 2].map(|()| {
            let client = tracing::error_span!("POST", otel.kind = "client");
            client.in_scope(|| {
                traced
                    .inject(&tracing::Span::current().context())
                    .clock
                    .unwrap()
            })
        });
        let own = server.span().span_context().span_id().to_string();
        for call in &calls {
            let hops = call.hops();
            assert_eq!(hops.len(), 2, "{call}");
            assert_eq!(hops[0].to_string(), "web#1");
            assert_eq!(format!("{:08x}", hops[1].nonce), own[8..]);
        }
        // One after the other, but no answer was seen.
        assert_eq!(
            callee(&calls[0]).compare(&calls[1]),
            Order::Unknown,
            "{}",
            calls[1]
        );
    });
    assert_eq!(traced.counted(), "");
}

#[test]
fn towlines_layer_and_client_stand_aside_for_them() {
    let traced = Traced::beside(Sampler::AlwaysOn);
    in_server_span(&traced, || {
        let server = tracing::Span::current().context();
        let own = server.span().span_context().span_id().to_string();
        let towline = traced.strands.towline();
        let place = towline.accept(FIELDS.as_slice(), &Peer::default());
        assert_eq!(place.span_id().to_string(), own);

        let client = tracing::error_span!("POST", otel.kind = "client");
        client.in_scope(|| {
            let span = tracing::Span::current().context();
            let call = place.scope(|| towline.call("127.0.0.1"));
            assert_eq!(
                call.span_id().to_string(),
                span.span().span_context().span_id().to_string()
            );
            let sent = Clock::parse(call.clock().unwrap()).unwrap();
            assert_eq!(sent.hops().len(), 2, "{sent}");
        });
    });
}
