//! The server layer in real stacks: axum over loopback, and plain tower services.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

mod wire;

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use towline_core::{
    Clock, ClockMode, Config, Context, Kind, Observer, Order, Outcome, Reason, StrandEvent,
    Towline, Trust,
};
use towline_tower::{CurrentContext, ServerLayer};
use wire::{CLOCK, PARENT, TRACE, TRACEPARENT, request};

fn towline() -> Towline {
    Towline::new(Config::new().service_name("stock").instance("1"))
}

/// The strands that ended, and how.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<(Kind, Outcome)>>>);

impl Observer for Ends {
    fn on_strand_end(&self, strand: &StrandEvent<'_>) {
        self.0
            .lock()
            .unwrap()
            .push((strand.kind, strand.outcome.unwrap()));
    }
}

impl Ends {
    fn towline(&self) -> Towline {
        Towline::new(
            Config::new()
                .service_name("stock")
                .instance("1")
                .observer(Arc::new(self.clone())),
        )
    }

    fn take(&self) -> Vec<(Kind, Outcome)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn clock_of<B>(response: &Response<B>) -> Option<Clock> {
    let mut fields = response.headers().get_all("raceway-clock").iter();
    let clock = fields
        .next()
        .map(|value| Clock::parse(value.to_str().unwrap()).unwrap());
    assert!(fields.next().is_none(), "one clock at the most");
    clock
}

#[tokio::test]
async fn a_handler_has_the_callers_trace_and_the_answer_its_clock() {
    let app = Router::new()
        .route(
            "/",
            get(|CurrentContext(context): CurrentContext| async move {
                assert_eq!(context.parent_id().unwrap().to_string(), PARENT);
                assert_eq!(context.kind(), Kind::Server);
                drop(context.event());
                context.trace_id().to_string()
            }),
        )
        .layer(ServerLayer::from(&towline()));
    let response = app.oneshot(request("/")).await.unwrap();
    let clock = clock_of(&response).unwrap();
    let hops = clock.hops();
    assert_eq!(
        hops.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["front#1", "stock#1"]
    );
    assert!(clock.has_ended());
    assert_eq!(clock.tick(), 3);
    assert_eq!(Clock::parse(CLOCK).unwrap().compare(&clock), Order::Before);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        TRACE
    );
}

#[tokio::test]
async fn bad_headers_begin_a_trace_and_are_counted() {
    let towline = towline();
    let app =
        Router::new()
            .route(
                "/",
                get(|CurrentContext(context): CurrentContext| async move {
                    context.trace_id().to_string()
                }),
            )
            .layer(ServerLayer::from(&towline));
    for (fields, reasons) in [
        (vec![], vec![Reason::TraceparentAbsent]),
        (
            vec![("raceway-clock", CLOCK)],
            vec![Reason::TraceparentAbsent, Reason::ClockNoTraceparent],
        ),
        (
            vec![("traceparent", "00-1-2-3")],
            vec![Reason::TraceparentMalformed],
        ),
        (
            vec![("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)],
            vec![Reason::TraceparentDuplicate],
        ),
        (
            vec![
                ("traceparent", TRACEPARENT),
                ("raceway-clock", CLOCK),
                ("raceway-clock", CLOCK),
            ],
            vec![Reason::ClockDuplicate],
        ),
        (
            vec![
                ("traceparent", TRACEPARENT),
                ("raceway-clock", "v2;t=1c80319c"),
            ],
            vec![Reason::ClockMalformed],
        ),
        (
            vec![("traceparent", TRACEPARENT), ("raceway-clock", "v9")],
            vec![Reason::ClockVersion],
        ),
        (
            vec![
                ("traceparent", TRACEPARENT),
                ("raceway-clock", "v2;t=00000007, a#1/00000001:1"),
            ],
            vec![Reason::ClockOtherTrace],
        ),
        (
            vec![("traceparent", TRACEPARENT), ("tracestate", "!")],
            vec![Reason::TracestateMalformed],
        ),
        (
            vec![("traceparent", TRACEPARENT), ("tracestate", "towline=!")],
            vec![Reason::MemberMalformed],
        ),
    ] {
        let before = reasons
            .iter()
            .map(|&reason| towline.counters().get(reason))
            .collect::<Vec<_>>();
        let mut request = Request::get("/");
        for (name, value) in &fields {
            request = request.header(*name, *value);
        }
        let response = app
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(clock_of(&response), None, "{fields:?}");
        let continued = fields
            .iter()
            .filter(|(name, value)| (*name, *value) == ("traceparent", TRACEPARENT))
            .count()
            == 1;
        let trace = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(trace == TRACE, continued, "{fields:?}");
        for (reason, before) in reasons.iter().zip(before) {
            assert_eq!(
                towline.counters().get(*reason),
                before + 1,
                "{reason} {fields:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_clock_in_tracestate_starts_a_strand_behind_a_gap() {
    let layer = ServerLayer::from(&towline());
    let service = layer.layer(service_fn(|_: Request<Empty<Bytes>>| async {
        let stamp = Context::current().unwrap().stamp();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(stamp.to_string()))))
    }));
    let request = Request::get("/")
        .header("traceparent", TRACEPARENT)
        .header("tracestate", "foo=1,towline=a3f9c21b:2x2")
        .body(Empty::new())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(clock_of(&response), None, "the caller sent no clock");
    let stamp = response.into_body().collect().await.unwrap().to_bytes();
    let stamp = Clock::parse(std::str::from_utf8(&stamp).unwrap()).unwrap();
    assert!(stamp.hops()[1].gap);
}

#[tokio::test]
async fn what_a_shared_cache_may_keep_has_no_clock() {
    for (status, control, clock) in [
        (200, "private, max-age=60", true),
        (200, "max-age=60, PUBLIC", false),
        (200, "s-maxage=5", false),
        (304, "no-cache", false),
        (404, "no-store", true),
    ] {
        let service =
            ServerLayer::from(&towline()).layer(service_fn(move |_: Request<Body>| async move {
                let response = Response::builder()
                    .status(status)
                    .header("cache-control", control);
                Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
            }));
        let response = service.oneshot(request("/")).await.unwrap();
        assert_eq!(clock_of(&response).is_some(), clock, "{status} {control}");
    }
}

#[tokio::test]
async fn a_streamed_body_ends_the_strand_and_runs_in_the_context() {
    let ends = Ends::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seen_too = seen.clone();
    let service = ServerLayer::from(&ends.towline()).layer(service_fn(move |_: Request<Body>| {
        let seen = seen_too.clone();
        async move {
            let mut left = 2;
            let frames = wire::Stream::new(move || {
                seen.lock()
                    .unwrap()
                    .push(Context::current().map(|context| context.trace_id().to_string()));
                left -= 1;
                (left >= 0).then(|| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"part"))))
            });
            Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
        }
    }));
    let response = service.clone().oneshot(request("/")).await.unwrap();
    let clock = clock_of(&response).unwrap();
    assert!(!clock.has_ended(), "the body is still to come");
    assert_eq!(ends.take(), []);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "partpart"
    );
    assert_eq!(ends.take(), [(Kind::Server, Outcome::Ok)]);
    assert_eq!(*seen.lock().unwrap(), vec![Some(TRACE.to_owned()); 3]);
    assert!(Context::current().is_none());

    // A reader that leaves.
    let response = service.oneshot(request("/")).await.unwrap();
    drop(response);
    assert_eq!(ends.take(), [(Kind::Server, Outcome::Cancelled)]);
}

#[tokio::test]
async fn a_caller_that_goes_and_a_handler_that_fails_end_the_strand_once() {
    let ends = Ends::default();
    let layer = ServerLayer::from(&ends.towline());

    let never = layer.layer(service_fn(|_: Request<Body>| {
        pending::<Result<Response<Body>, Infallible>>()
    }));
    let call = never.oneshot(request("/"));
    assert!(
        tokio::time::timeout(Duration::from_millis(10), call)
            .await
            .is_err()
    );
    assert_eq!(ends.take(), [(Kind::Server, Outcome::Cancelled)]);

    let failing = layer.layer(service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>("no")
    }));
    assert_eq!(failing.oneshot(request("/")).await.unwrap_err(), "no");
    assert_eq!(ends.take(), [(Kind::Server, Outcome::Error)]);

    let unavailable = layer.layer(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(StatusCode::SERVICE_UNAVAILABLE.into_response())
    }));
    assert_eq!(
        unavailable.oneshot(request("/")).await.unwrap().status(),
        503
    );
    assert_eq!(ends.take(), [(Kind::Server, Outcome::Error)]);

    let panicking = layer.layer(service_fn(|_: Request<Body>| async {
        if Context::current().is_some() {
            panic!("a handler that panics");
        }
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    assert!(tokio::spawn(panicking.oneshot(request("/"))).await.is_err());
    assert_eq!(ends.take(), [(Kind::Server, Outcome::Cancelled)]);
    assert!(
        Context::current().is_none(),
        "a panic leaves nothing behind"
    );
}

#[tokio::test]
async fn two_layers_make_one_span() {
    let towline = towline();
    let app =
        Router::new()
            .route(
                "/",
                get(|CurrentContext(context): CurrentContext| async move {
                    context.stamp().to_string()
                }),
            )
            .layer(ServerLayer::from(&towline))
            .layer(ServerLayer::from(&towline));
    for request in [request("/"), Request::get("/").body(Body::empty()).unwrap()] {
        let before = towline.counters().by_key("strand_start").unwrap();
        let stamp = app
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        let hops = Clock::parse(std::str::from_utf8(&stamp).unwrap())
            .unwrap()
            .hops();
        assert_eq!(hops.iter().filter(|hop| hop.service == "stock").count(), 1);
        assert_eq!(
            towline.counters().by_key("strand_start").unwrap(),
            before + 1
        );
    }
}

#[tokio::test]
async fn what_is_filtered_or_disabled_passes_untouched() {
    for config in [
        Config::new()
            .service_name("stock")
            .filter(|method, path| (method, path) != ("GET", "/")),
        Config::new().service_name("stock").disabled(true),
    ] {
        let towline = Towline::new(config);
        let service = ServerLayer::from(&towline).layer(service_fn(|_: Request<Body>| async {
            assert!(Context::current().is_none());
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }));
        let response = service.oneshot(request("/")).await.unwrap();
        assert!(response.headers().is_empty());
        assert!(
            towline
                .counters()
                .snapshot()
                .iter()
                .all(|(_, count)| *count == 0)
        );
    }
}

#[tokio::test]
async fn a_peer_that_is_not_trusted_begins_a_trace() {
    for (trust, link) in [(Trust::Restart, true), (Trust::Ignore, false)] {
        let towline = Towline::new(Config::new().service_name("edge").trust(move |_| trust));
        let layer = ServerLayer::from(&towline);
        // Two layers: the inner one knows the request again, though its trace is another now.
        let service = ServiceBuilder::new()
            .layer(layer.clone())
            .layer(layer)
            .service(service_fn(move |_: Request<Body>| async move {
                let context = Context::current().unwrap();
                assert_ne!(context.trace_id().to_string(), TRACE);
                assert_eq!(context.parent_id(), None);
                assert_eq!(
                    context.link().map(|link| link.trace_id.to_string()),
                    link.then(|| TRACE.to_owned())
                );
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }));
        let response = service.oneshot(request("/")).await.unwrap();
        assert_eq!(clock_of(&response), None);
        assert_eq!(towline.counters().get(Reason::ClockUntrusted), 1);
        assert_eq!(towline.counters().by_key("strand_start"), Some(1));
    }
}

#[tokio::test]
async fn on_request_the_response_names_its_trace() {
    let towline = Towline::new(
        Config::new()
            .service_name("stock")
            .trace_response(true)
            .clock(ClockMode::Off),
    );
    let service = ServerLayer::from(&towline).layer(service_fn(|_: Request<Body>| async {
        let span = Context::current().unwrap().span_id().to_string();
        let response = Response::builder()
            .header("server-timing", "db;dur=5")
            .header("x-span", span);
        Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
    }));
    let response = service.oneshot(request("/")).await.unwrap();
    let expected = format!(
        "00-{TRACE}-{}-01",
        response.headers()["x-span"].to_str().unwrap()
    );
    assert_eq!(response.headers()["traceresponse"], expected.as_str());
    let timings: Vec<_> = response.headers().get_all("server-timing").iter().collect();
    assert_eq!(timings, ["db;dur=5", &format!("trace;desc={expected}")]);
    assert_eq!(clock_of(&response), None, "clocks are off");
}

#[tokio::test]
async fn every_tracing_event_has_the_trace_id() {
    let lines = wire::Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_ansi(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let service = ServerLayer::from(&towline()).layer(service_fn(|_: Request<Body>| async {
        tracing::info!("in the handler");
        tokio::task::yield_now().await;
        tracing::info!("later in the handler");
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    service.oneshot(request("/items/7")).await.unwrap();
    drop(guard);
    let text = lines.text();
    let (inside, outside): (Vec<&str>, Vec<&str>) = text
        .lines()
        .partition(|line| line.contains("in the handler"));
    assert_eq!(inside.len(), 2);
    assert!(
        inside
            .iter()
            .all(|line| line.contains(TRACE) && line.contains("/items/7")),
        "{text}"
    );
    assert!(
        outside
            .iter()
            .any(|line| line.contains("towline extracts and injects")),
        "{text}"
    );
}

#[tokio::test]
async fn without_the_layer_the_extractor_says_so() {
    let app: Router = Router::new()
        .route("/", get(|_: CurrentContext| async {}))
        .route(
            "/maybe",
            get(|context: Option<CurrentContext>| async move { context.is_some().to_string() }),
        );
    let response = app.clone().oneshot(request("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&text).unwrap().contains("ServerLayer"));
    let response = app.oneshot(request("/maybe")).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "false"
    );
}

#[tokio::test]
async fn a_service_without_send_or_static_takes_the_layer() {
    let local = std::rc::Rc::new(5);
    let mut service = ServerLayer::from(&towline()).layer(service_fn(|_: Request<Body>| {
        let local = local.clone();
        async move { Ok::<_, Infallible>(Response::new(local.to_string())) }
    }));
    let response = service
        .ready()
        .await
        .unwrap()
        .call(request("/"))
        .await
        .unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "5"
    );
}

#[tokio::test]
async fn extensions_pass_through() {
    let app: Router = Router::new()
        .route(
            "/",
            get(|Extension(n): Extension<u32>| async move { n.to_string() }),
        )
        .layer(ServerLayer::from(&towline()))
        .layer(Extension(7u32));
    let response = app.oneshot(request("/")).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "7"
    );
}
