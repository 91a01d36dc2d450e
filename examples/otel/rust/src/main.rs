//! A service that OpenTelemetry alone instruments; what it offers is written in
//! `examples/otel/README.md`.

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_tracing_opentelemetry::middleware::OtelAxumLayer;
use axum_tracing_opentelemetry::tracing_opentelemetry_instrumentation_sdk as instrumentation;
use opentelemetry::global;
use opentelemetry::trace::{SpanId, SpanKind, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

const NAME: &str = "otel-rust";
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Service {
    client: reqwest::Client,
    exporter: InMemorySpanExporter,
}

#[derive(Deserialize)]
struct Work {
    payload: String,
    #[serde(default)]
    calls: Vec<CallTo>,
}

#[derive(Deserialize)]
struct CallTo {
    url: String,
    #[serde(default)]
    calls: Vec<Value>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer(NAME)))
        .init();

    let client = reqwest::Client::builder().timeout(CALL_TIMEOUT).build()?;
    let app = Router::new()
        .route("/process", post(process))
        .layer(OtelAxumLayer::default())
        .route("/spans", get(spans))
        .with_state(Service { client, exporter });
    let port = std::env::var("PORT").unwrap_or_default();
    let port = if port.is_empty() { 0 } else { port.parse()? };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("{NAME} listening on {}", listener.local_addr()?);
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        _ = stop.recv() => {}
    }
    Ok(())
}

async fn process(
    State(service): State<Service>,
    Json(work): Json<Work>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let mut calls = Vec::new();
    for to in work.calls {
        let span = tracing::info_span!("POST", otel.kind = "client");
        let called = call(&service.client, to, &work.payload)
            .instrument(span)
            .await;
        calls.push(called.map_err(|error| (StatusCode::BAD_GATEWAY, error.to_string()))?);
    }
    Ok(Json(
        json!({ "service": NAME, "payload": work.payload, "calls": calls }),
    ))
}

async fn call(
    client: &reqwest::Client,
    to: CallTo,
    payload: &str,
) -> Result<Value, Box<dyn Error + Send + Sync>> {
    let mut url = reqwest::Url::parse(&to.url)?;
    if url.path() == "/" {
        url.set_path("/process");
    }
    let mut request = client
        .post(url)
        .json(&json!({ "payload": payload, "calls": to.calls }))
        .build()?;
    let context = instrumentation::find_current_context();
    instrumentation::http::inject_context(&context, request.headers_mut());
    let response = client.execute(request).await?;
    let status = response.status().as_u16();
    Ok(json!({ "url": to.url, "status": status, "answer": response.json::<Value>().await? }))
}

async fn spans(State(service): State<Service>) -> Result<Json<Value>, StatusCode> {
    let spans = service.exporter.get_finished_spans();
    let spans = spans.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(spans.iter().map(told).collect()))
}

fn told(span: &SpanData) -> Value {
    let kind = match span.span_kind {
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
    };
    let parent = Some(span.parent_span_id).filter(|parent| *parent != SpanId::INVALID);
    json!({
        "name": span.name,
        "kind": kind,
        "trace_id": span.span_context.trace_id().to_string(),
        "span_id": span.span_context.span_id().to_string(),
        "parent_id": parent.map(|parent| parent.to_string()),
    })
}
