//! Towline's layers and OpenTelemetry's spans in one service: nobody gets two spans of anything.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use opentelemetry::trace::{FutureExt, SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, Sampler, SdkTracerProvider, SimpleSpanProcessor, SpanData,
};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use towline_core::{Clock, Config, Context as Place, InContext, Order, Peer, Reason, Towline};
use towline_otel::Strands;
use towline_reqwest::Propagate;
use towline_tower::ServerLayer;

use crate::carrier::Came;
use crate::chain::{Server, clock_of, last, towline};
use crate::log::warnings;
use crate::traced::{CALLER, TRACEPARENT, Traced, callee, nonce};
use opentelemetry::propagation::TextMapPropagator;

/// A service with both.
#[derive(Clone)]
struct Both {
    strands: Strands,
    provider: SdkTracerProvider,
    client: ClientWithMiddleware,
    next: Arc<str>,
}

/// OpenTelemetry's layer, as its documentation has it.
async fn traced(State(both): State<Both>, request: Request, next: Next) -> Response {
    let remote = both.strands.propagators();
    let remote = remote.extract_with_context(&Context::new(), &Came(request.headers()));
    let tracer = both.provider.tracer("both");
    let span = tracer
        .span_builder("GET /")
        .with_kind(SpanKind::Server)
        .start_with_context(&tracer, &remote);
    let cx = remote.with_span(span);
    let response = next.run(request).with_context(cx.clone()).await;
    cx.span().end();
    response
}

async fn call_twice(State(both): State<Both>) -> String {
    let call = || async {
        let answer = both.client.get(&*both.next).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let first = call().await;
    format!("{first}\n{}", call().await)
}

/// A service with Towline's client and, if `layer`, with Towline's server layer inside that of
/// OpenTelemetry. Gives the exported spans, and what the last service said of each call.
async fn served(layer: bool, first: &Towline) -> (Vec<SpanData>, Vec<Vec<String>>, Place, Strands) {
    let third = towline("third");
    let last = last(&third).await;
    let exporter = InMemorySpanExporter::default();
    let strands = Strands::new(Config::new().service_name("second").instance("1"));
    let processor = strands.around(SimpleSpanProcessor::new(exporter.clone()));
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .build();
    // Towline's client makes its spans by the tracer of the process.
    global::set_tracer_provider(provider.clone());
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(Propagate::from(strands.towline()))
        .build();
    let both = Both {
        strands: strands.clone(),
        provider,
        client,
        next: last.url().into(),
    };
    let mut app = Router::new()
        .route("/", get(call_twice))
        .with_state(both.clone());
    if layer {
        app = app.layer(ServerLayer::from(strands.towline()));
    }
    let app = app.layer(middleware::from_fn_with_state(both, traced));
    let middle = Server::start(app).await;

    let place = first.accept::<[(&str, &str)]>(&[], &Peer::default());
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(Propagate::from(first))
        .build();
    let call = client.get(middle.url()).send();
    let answer = call.in_context(place.clone()).await.unwrap();
    let said = answer.text().await.unwrap();
    let said = said.lines();
    let said = said.map(|line| line.split(' ').map(str::to_owned).collect());
    let spans = exporter.get_finished_spans().unwrap();
    (spans, said.collect(), place, strands)
}

fn of_kind<'a>(spans: &'a [SpanData], kind: &SpanKind) -> Vec<&'a SpanData> {
    spans
        .iter()
        .filter(|span| span.span_kind == *kind)
        .collect()
}

/// One server span, and a client span below it for each call, which the last service has as parent.
fn assert_one_span_each(spans: &[SpanData], said: &[Vec<String>], trace_id: &str) {
    let (servers, clients) = (
        of_kind(spans, &SpanKind::Server),
        of_kind(spans, &SpanKind::Client),
    );
    assert_eq!(
        (servers.len(), clients.len(), said.len()),
        (1, 2, 2),
        "{spans:?}"
    );
    for (client, said) in clients.iter().zip(said) {
        assert_eq!(client.parent_span_id, servers[0].span_context.span_id());
        assert_eq!(said[0], trace_id);
        assert_eq!(said[1], client.span_context.span_id().to_string());
        let status = KeyValue::new("http.response.status_code", 200);
        assert!(client.attributes.contains(&status), "{client:?}");
    }
}

fn clock(said: &[String]) -> Clock {
    Clock::parse(&said[2..].join(" ")).unwrap()
}

// Both in one test: the tracer of the process is one.
#[tokio::test]
async fn one_span_of_a_request_and_of_each_call_and_answers_are_joined() {
    let first = towline("first");
    let (spans, said, place, strands) = served(true, &first).await;
    assert_one_span_each(&spans, &said, &place.trace_id().to_string());
    let server = of_kind(&spans, &SpanKind::Server)[0];
    let server_nonce = &server.span_context.span_id().to_string()[8..];
    let calls: Vec<_> = said.iter().map(|said| clock(said)).collect();
    for call in &calls {
        let hops = call.hops();
        let names: Vec<_> = hops.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["first#1", "second#1", "third#1"], "{call}");
        assert_eq!(format!("{:08x}", hops[1].nonce), server_nonce);
    }
    // A start, a call, its answer, a call: a call ticks once, though two have a hand in it.
    let ticks: Vec<_> = calls.iter().map(|call| call.hops()[1].known.tick).collect();
    assert_eq!(ticks, [2, 4]);
    // Towline's client has read the answer: the second call knows of the first.
    assert_eq!(calls[0].compare(&calls[1]), Order::Before);
    // So has Towline's layer answered: the first service knows of all.
    assert_eq!(calls[1].compare(&place.stamp()), Order::Before);
    assert_eq!(strands.towline().counters().get(Reason::ContextNone), 0);
    for client in of_kind(&spans, &SpanKind::Client) {
        assert!(!clock_of(client).unwrap().as_str().contains('~'));
    }

    // Without Towline's layer its client takes the strand of OpenTelemetry's server span.
    let (spans, said, place, strands) = served(false, &first).await;
    assert_one_span_each(&spans, &said, &place.trace_id().to_string());
    let calls: Vec<_> = said.iter().map(|said| clock(said)).collect();
    assert_eq!(calls[0].hops().len(), 3, "{}", calls[0]);
    assert_eq!(calls[0].compare(&calls[1]), Order::Before, "{}", calls[1]);
    assert_eq!(strands.towline().counters().get(Reason::ContextNone), 0);
    let server = clock_of(of_kind(&spans, &SpanKind::Server)[0]).unwrap();
    assert!(server.has_ended(), "{server}");
    assert_eq!(calls[1].compare(&server), Order::Before, "{server}");
}

#[test]
fn a_current_client_span_is_that_of_the_call() {
    let traced = Traced::beside(Sampler::AlwaysOn);
    let served = traced.served();
    let span = traced.span(SpanKind::Client, &served);
    // An instrumentation above has put its headers in already.
    traced.inject(&span);
    let mut call = {
        let _current = span.clone().attach();
        traced.strands.towline().call("127.0.0.1")
    };
    assert_eq!(
        call.span_id().to_string(),
        span.span().span_context().span_id().to_string()
    );
    let sent = Clock::parse(call.clock().unwrap()).unwrap();
    call.answered(200, [callee(&sent).as_str().as_bytes()]);
    span.span().end();
    served.span().end();
    // One fork went out, and it was joined.
    let end = traced.exported(&served);
    assert_eq!(callee(&sent).compare(&end), Order::Before, "{end}");
    assert!(!end.as_str().contains(";x="), "{end}");
}

#[test]
fn a_request_that_is_not_sampled_has_one_strand_too() {
    let traced = Traced::beside(Sampler::AlwaysOff);
    let served = traced.served();
    let fields = [("traceparent", TRACEPARENT), ("raceway-clock", CALLER)];
    let _current = served.clone().attach();
    let place = traced
        .strands
        .towline()
        .accept(fields.as_slice(), &Peer::default());
    assert_eq!(format!("{:08x}", place.span_id().low32()), nonce(&served));
    let _ = place.event();
    let sent = traced.inject(&served).clock.unwrap();
    let own = nonce(&served);
    let expected = format!(r#"v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/{own}:3;x="3""#);
    assert_eq!(sent.as_str(), expected);
}

#[test]
fn events_before_the_layer_are_counted_in_it() {
    let traced = Traced::beside(Sampler::AlwaysOn);
    let served = traced.served();
    let before = traced.span(SpanKind::Internal, &served);
    let _current = served.clone().attach();
    let fields = [("traceparent", TRACEPARENT), ("raceway-clock", CALLER)];
    let place = traced
        .strands
        .towline()
        .accept(fields.as_slice(), &Peer::default());
    assert_eq!(place.stamp().tick(), 2);
    let inside = traced.span(SpanKind::Internal, &before);
    assert_eq!(place.stamp().tick(), 3);
    for cx in [&inside, &before, &served] {
        cx.span().end();
    }
    assert!(!place.has_ended(), "Towline's layer ends it");
}

#[test]
fn another_request_has_ids_of_its_own() {
    let traced = Traced::beside(Sampler::AlwaysOn);
    let _current = traced.served().attach();
    let other = TRACEPARENT.replace("b7ad6b71", "11111111");
    let headers = [("traceparent", other.as_str())];
    let place = traced
        .strands
        .towline()
        .accept(headers.as_slice(), &Peer::default());
    assert_eq!(place.parent_id().unwrap().to_string(), "1111111169203331");
    let current = Context::current().span().span_context().span_id();
    assert_ne!(place.span_id().to_string(), current.to_string());
}

#[test]
fn a_trace_goes_on_below_spans_that_nothing_follows() {
    let traced = Traced::beside(Sampler::AlwaysOn);
    let strange = SdkTracerProvider::builder().build().tracer("strange");
    let cx = Context::new().with_span(strange.start_with_context("work", &Context::new()));
    let warned = warnings(|| {
        let _current = cx.clone().attach();
        let towline = traced.strands.towline();
        let clocks = [(); 2].map(|()| {
            let call = towline.call("127.0.0.1");
            let traceparent = call.traceparent().unwrap();
            let trace_id = cx.span().span_context().trace_id().to_string();
            assert!(traceparent.as_str().contains(&trace_id));
            Clock::parse(call.clock().unwrap()).unwrap()
        });
        assert_eq!(clocks[0].compare(&clocks[1]), Order::Unknown);
        assert_eq!(towline.counters().get(Reason::ContextNone), 2);
    });
    assert!(
        warned.iter().any(|line| line.contains("SpanProcessor")),
        "{warned:?}"
    );
}

#[test]
fn a_call_below_a_tracing_span_of_another_version_is_warned_of_once() {
    let traced = Traced::beside(Sampler::AlwaysOn);
    let warned = warnings(|| {
        let span = tracing::error_span!("of another version");
        let _entered = span.enter();
        for _ in 0..2 {
            drop(traced.strands.towline().call("127.0.0.1"));
        }
    });
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(
        warned[0].contains("cargo tree -i opentelemetry"),
        "{warned:?}"
    );
}
