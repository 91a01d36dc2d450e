//! Towline → a service that OpenTelemetry instruments → Towline, over HTTP, with the real SDK.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::get;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor, SpanData,
};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use towline_core::{Clock, Config, InContext, Order, Peer, Reason, Towline};
use towline_otel::Strands;
use towline_reqwest::Propagate;
use towline_tower::{CurrentContext, ServerLayer};

use crate::carrier::{Came, Goes};

pub(crate) fn towline(name: &str) -> Towline {
    Towline::new(Config::new().service_name(name).instance("1"))
}

/// A server, stopped when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    task: AbortHandle,
}

impl Server {
    pub(crate) async fn start(app: Router) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The last service: Towline. It says its trace, its parent and its clock.
pub(crate) async fn last(towline: &Towline) -> Server {
    let say = get(|CurrentContext(context): CurrentContext| async move {
        let parent = context.parent_id().expect("somebody calls");
        format!("{} {} {}", context.trace_id(), parent, context.stamp())
    });
    Server::start(
        Router::new()
            .route("/", say)
            .layer(ServerLayer::from(towline)),
    )
    .await
}

/// A service that OpenTelemetry alone instruments, by hand, as its documentation has it.
struct Plain {
    propagator: TextMapCompositePropagator,
    provider: SdkTracerProvider,
    next: String,
}

async fn relay(State(plain): State<Arc<Plain>>, request: Request) -> String {
    let remote = plain
        .propagator
        .extract_with_context(&Context::new(), &Came(request.headers()));
    let tracer = plain.provider.tracer("plain");
    let server = tracer
        .span_builder("GET /")
        .with_kind(SpanKind::Server)
        .start_with_context(&tracer, &remote);
    let cx = remote.with_span(server);
    let client = tracer
        .span_builder("GET")
        .with_kind(SpanKind::Client)
        .with_attributes([KeyValue::new("server.address", "127.0.0.1")])
        .start_with_context(&tracer, &cx);
    let call = cx.with_span(client);
    let mut goes = Goes::default();
    plain.propagator.inject_context(&call, &mut goes);
    let answer = reqwest::Client::new()
        .get(&plain.next)
        .headers(goes.0)
        .send()
        .await
        .unwrap();
    let answer = answer.text().await.unwrap();
    call.span().end();
    cx.span().end();
    answer
}

/// What a chain of three was seen to do.
struct Seen {
    /// The first service's clock before the call and after its answer.
    started: Clock,
    after: Clock,
    trace_id: String,
    first_span: String,
    lost: u64,
    /// As the last service says it.
    last: Vec<String>,
    server: SpanData,
    client: SpanData,
}

impl Seen {
    fn last_clock(&self) -> Clock {
        Clock::parse(&self.last[2..].join(" ")).unwrap()
    }
}

async fn chain(
    propagator: TextMapCompositePropagator,
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
) -> Seen {
    let third = towline("third");
    let last = last(&third).await;
    let plain = Plain {
        propagator,
        provider,
        next: last.url(),
    };
    let middle = Server::start(
        Router::new()
            .route("/", get(relay))
            .with_state(Arc::new(plain)),
    )
    .await;

    let first = towline("first");
    let context = first.accept::<[(&str, &str)]>(&[], &Peer::default());
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(Propagate::from(&first))
        .build();
    let started = context.stamp();
    let answer = client
        .get(middle.url())
        .send()
        .in_context(context.clone())
        .await
        .unwrap();
    let last = answer.text().await.unwrap();
    let spans = exporter.get_finished_spans().unwrap();
    let of = |kind| {
        spans
            .iter()
            .find(|span| span.span_kind == kind)
            .cloned()
            .unwrap()
    };
    Seen {
        started,
        after: context.event(),
        trace_id: context.trace_id().to_string(),
        first_span: context.span_id().to_string(),
        lost: first.counters().get(Reason::AnswerAbsent),
        last: last.split(' ').map(str::to_owned).collect(),
        server: of(SpanKind::Server),
        client: of(SpanKind::Client),
    }
}

pub(crate) fn clock_of(span: &SpanData) -> Option<Clock> {
    let clock = span
        .attributes
        .iter()
        .find(|one| one.key.as_str() == "towline.clock")?;
    Some(Clock::parse(clock.value.as_str().as_ref()).unwrap())
}

/// Trace and parents, which hold whatever is known of clocks.
fn assert_one_trace(seen: &Seen) {
    assert_eq!(
        seen.server.span_context.trace_id().to_string(),
        seen.trace_id
    );
    assert_eq!(seen.last[0], seen.trace_id);
    assert_eq!(seen.last[1], seen.client.span_context.span_id().to_string());
    assert_eq!(
        seen.client.parent_span_id,
        seen.server.span_context.span_id()
    );
    assert!(seen.server.parent_span_is_remote);
    // The parent is the first service's client span, not its own one.
    assert_ne!(seen.server.parent_span_id.to_string(), seen.first_span);
}

#[tokio::test]
async fn a_plain_service_keeps_trace_and_parents_and_the_clock_by_tracestate() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let propagator = TextMapCompositePropagator::new(vec![Box::new(TraceContextPropagator::new())]);
    let seen = chain(propagator, exporter, provider).await;
    assert_one_trace(&seen);
    assert_eq!(clock_of(&seen.server), None);

    let last = seen.last_clock();
    let hops = last.hops();
    assert_eq!(hops.len(), 2, "{last}");
    assert!(last.as_str().contains(";g"), "{last}");
    assert_eq!(hops[1].to_string(), "third#1");
    assert_eq!(seen.started.compare(&last), Order::Before, "{last}");
    // Its answer brought no clock: what the others did cannot be told.
    assert_eq!(last.compare(&seen.after), Order::Unknown, "{}", seen.after);
    assert_eq!(seen.lost, 1);
}

#[tokio::test]
async fn a_service_with_our_propagator_and_processor_is_a_hop_of_the_clock() {
    let exporter = InMemorySpanExporter::default();
    let second = towline("second");
    let strands = Strands::from(&second);
    let processor = strands.around(SimpleSpanProcessor::new(exporter.clone()));
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .build();
    let seen = chain(strands.propagators(), exporter, provider).await;
    assert_one_trace(&seen);

    let last = seen.last_clock();
    let names: Vec<_> = last.hops().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["first#1", "second#1", "third#1"], "{last}");
    assert!(!last.as_str().contains(";g"), "{last}");
    assert_eq!(seen.started.compare(&last), Order::Before);

    let (server, client) = (
        clock_of(&seen.server).unwrap(),
        clock_of(&seen.client).unwrap(),
    );
    assert!(server.has_ended(), "{server}");
    let nonce = format!(
        "/{:08x}:",
        u32::from_be_bytes(
            seen.server.span_context.span_id().to_bytes()[4..]
                .try_into()
                .unwrap(),
        )
    );
    assert!(server.as_str().contains(&nonce), "{server}");
    assert_eq!(client.compare(&server), Order::Before, "{client} {server}");
    // No answer is ever seen: the fork is marked.
    assert!(server.as_str().ends_with(";x=\"2~\""), "{server}");
    assert_eq!(last.compare(&server), Order::Unknown, "{server}");
}
