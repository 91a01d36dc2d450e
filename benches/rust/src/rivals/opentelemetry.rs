//! OpenTelemetry by way of `tracing`: axum-tracing-opentelemetry for servers, reqwest-tracing for
//! clients, which is one version of OpenTelemetry behind.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum_tracing_opentelemetry::middleware::{OtelAxumLayer, OtelInResponseLayer};
use http::HeaderMap;
use reqwest_middleware::Middleware;
use reqwest_tracing::TracingMiddleware;
use tracing::Span;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Client;
use crate::inbound::Inbound;
use crate::outbound::Outbound;

/// What becomes of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampling {
    Off,
    /// All are taken, and given to a batch exporter that drops them.
    On,
}

/// Takes spans and drops them.
#[derive(Debug)]
struct Nobody;

impl opentelemetry_sdk::trace::SpanExporter for Nobody {
    async fn export(
        &self,
        _: Vec<opentelemetry_sdk::trace::SpanData>,
    ) -> opentelemetry_sdk::error::OTelSdkResult {
        Ok(())
    }
}

impl opentelemetry_sdk_0_32::trace::SpanExporter for Nobody {
    async fn export(
        &self,
        _: Vec<opentelemetry_sdk_0_32::trace::SpanData>,
    ) -> opentelemetry_sdk_0_32::error::OTelSdkResult {
        Ok(())
    }
}

/// Sets this process up for the servers' layer.
pub(super) fn serve(sampling: Sampling) {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let builder = SdkTracerProvider::builder();
    let provider = match sampling {
        Sampling::Off => builder.with_sampler(Sampler::AlwaysOff).build(),
        Sampling::On => builder.with_batch_exporter(Nobody).build(),
    };
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    opentelemetry::global::set_tracer_provider(provider);
    tracing_subscriber::registry().with(layer).init();
}

/// As its README has it: within, the layer that tells the trace on the response.
pub(super) fn as_in_its_readme(app: Router) -> Router {
    app.layer(OtelInResponseLayer)
        .layer(OtelAxumLayer::default())
}

/// Only what propagates, at its cheapest.
pub(super) fn layer() -> OtelAxumLayer {
    OtelAxumLayer::default()
}

pub(super) fn outbound() -> Outbound {
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    // A call has a span of its own; what it would send is that one's.
    let call = tracing::info_span!("call");
    let mut carrier = std::collections::HashMap::new();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&call.context(), &mut carrier);
    });
    Outbound {
        traceparent: carrier.remove("traceparent"),
        clock: None,
    }
}

/// Sets this process up for the clients' middleware.
pub(super) fn client() -> Result<Client> {
    use opentelemetry_0_32::trace::TracerProvider as _;
    use opentelemetry_sdk_0_32::propagation::TraceContextPropagator;
    use opentelemetry_sdk_0_32::trace::SdkTracerProvider;

    opentelemetry_0_32::global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(Nobody)
        .build();
    let layer = tracing_opentelemetry_0_33::layer().with_tracer(provider.tracer("bench"));
    opentelemetry_0_32::global::set_tracer_provider(provider);
    tracing_subscriber::registry().with(layer).init();
    Ok(Client::OpenTelemetry)
}

pub(super) fn middleware() -> Arc<dyn Middleware> {
    Arc::new(TracingMiddleware::default())
}

/// Runs `work` in the span of a request that came with these headers.
pub(super) fn within<T>(inbound: &Inbound, work: impl FnOnce() -> Result<T>) -> Result<T> {
    use tracing_opentelemetry_0_33::OpenTelemetrySpanExt as _;

    let carrier = carrier(&inbound.headers());
    let caller = opentelemetry_0_32::global::get_text_map_propagator(|propagator| {
        propagator.extract(&carrier)
    });
    let span: Span = tracing::info_span!("request");
    span.set_parent(caller)
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    span.in_scope(work)
}

fn carrier(headers: &HeaderMap) -> std::collections::HashMap<String, String> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let fields = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)));
    fields.collect()
}
