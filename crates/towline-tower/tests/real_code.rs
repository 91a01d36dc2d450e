//! What real services do: tasks, streams, sockets, large bodies, connections that are kept.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

mod wire;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::{any, get, post};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite;
use tower::{ServiceBuilder, ServiceExt};
use towline_core::{
    Clock, Config, Context, InContext, Kind, Observer, Order, Outcome, Peer, StrandEvent, Towline,
    fork,
};
use towline_tower::{ClientLayer, ServerLayer};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use wire::{CLOCK, TRACE, TRACEPARENT, request, serve};

fn towline(service: &str) -> Towline {
    Towline::new(Config::new().service_name(service).instance("1"))
}

/// Strands that ended, told to whoever waits for them.
struct Ends(mpsc::UnboundedSender<(Kind, Outcome)>);

impl Observer for Ends {
    fn on_strand_end(&self, strand: &StrandEvent<'_>) {
        // A test that has seen enough no longer listens.
        let _ = self.0.send((strand.kind, strand.outcome.unwrap()));
    }
}

fn observed() -> (Towline, mpsc::UnboundedReceiver<(Kind, Outcome)>) {
    let (sender, ends) = mpsc::unbounded_channel();
    let config = Config::new()
        .service_name("leaf")
        .observer(Arc::new(Ends(sender)));
    (Towline::new(config), ends)
}

fn received(towline: &Towline) -> Context {
    let headers = [("traceparent", TRACEPARENT), ("raceway-clock", CLOCK)];
    towline.accept(headers.as_slice(), &Peer::default())
}

#[tokio::test]
async fn server_sent_events_end_their_strand_when_their_reader_leaves() {
    let (towline, mut ends) = observed();
    let events = async || {
        let next = || {
            Some(Ok::<_, Infallible>(
                Event::default().data(Context::current().unwrap().trace_id().to_string()),
            ))
        };
        Sse::new(wire::Stream::new(next))
    };
    let app = Router::new()
        .route("/", get(events))
        .layer(ServerLayer::from(&towline));
    let server = serve(app).await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::get(format!("http://{server}/"))
        .header("traceparent", TRACEPARENT)
        .body(Empty::new())
        .unwrap();
    let mut body = client.request(request).await.unwrap().into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(
        frame.starts_with(format!("data: {TRACE}").as_bytes()),
        "{frame:?}"
    );
    assert!(ends.try_recv().is_err(), "it still speaks");
    drop((body, client));
    assert_eq!(ends.recv().await, Some((Kind::Server, Outcome::Cancelled)));
    assert_eq!(towline.counters().summary().cancelled, 1);
}

#[tokio::test]
async fn a_web_socket_has_one_strand_and_its_messages_one_each() {
    let (towline, mut ends) = observed();
    let upgrade = async |upgrade: WebSocketUpgrade| {
        // The request ends with the upgrade: the connection is work that goes on.
        let connection = Context::current().unwrap().detach();
        upgrade.on_upgrade(|mut socket| {
            let talk = async move {
                while let Some(Ok(message)) = socket.recv().await {
                    let Message::Text(text) = message else { break };
                    let headers: HashMap<String, String> = serde_json::from_str(&text).unwrap();
                    let towline = Context::current().unwrap().towline().clone();
                    let handling = towline.receive_message(&headers);
                    let answer = format!("{} {}", handling.trace_id(), handling.stamp());
                    drop(handling);
                    socket.send(Message::text(answer)).await.unwrap();
                }
            };
            talk.in_context(connection)
        })
    };
    let app = Router::new()
        .route("/", any(upgrade))
        .layer(ServerLayer::from(&towline));
    let server = serve(app).await;

    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{server}/"))
        .await
        .unwrap();
    assert_eq!(
        ends.recv().await,
        Some((Kind::Server, Outcome::Ok)),
        "the upgrade is answered"
    );
    let client = received(&self::towline("front"));
    for _ in 0..2 {
        let mut headers: HashMap<String, String> = HashMap::new();
        client.send_message(&mut headers);
        let text = serde_json::to_string(&headers).unwrap();
        socket.send(tungstenite::Message::text(text)).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let (trace_id, clock) = answer.split_once(' ').unwrap();
        assert_eq!(trace_id, TRACE);
        let clock = Clock::parse(clock).unwrap();
        assert!(clock.hops().last().unwrap().detached);
        assert_eq!(ends.recv().await, Some((Kind::Consumer, Outcome::Ok)));
    }
    drop(socket);
    assert_eq!(
        ends.recv().await,
        Some((Kind::Internal, Outcome::Ok)),
        "the connection"
    );
}

#[tokio::test]
async fn a_large_upload_is_one_request_and_its_context_is_current_to_the_end() {
    let towline = towline("leaf");
    let upload = async |body: Body| {
        let (mut body, mut bytes) = (body, 0);
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().into_data().unwrap().len();
            assert!(Context::current().is_some());
        }
        format!("{bytes} {}", Context::current().unwrap().trace_id())
    };
    let app = Router::new()
        .route("/", post(upload))
        .layer(ServerLayer::from(&towline));
    let server = serve(app).await;
    let client = ServiceBuilder::new()
        .layer(ClientLayer::from(&towline))
        .service(Client::builder(TokioExecutor::new()).build_http());
    let mut left = 256;
    let chunks = wire::Stream::new(move || {
        left -= 1;
        (left >= 0)
            .then(|| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(vec![7; 1 << 16]))))
    });
    let request = Request::post(format!("http://{server}/"))
        .body(StreamBody::new(chunks))
        .unwrap();
    let context = received(&towline);
    let answer = client
        .oneshot(request)
        .in_context(context.clone())
        .await
        .unwrap();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, format!("{} {TRACE}", 1 << 24));
    assert!(context.stamp().hops()[1].known.forks.is_empty(), "joined");
}

#[tokio::test]
async fn a_kept_connection_serves_each_request_in_its_own_trace() {
    let towline = towline("leaf");
    let ports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ports);
    let trace = move |axum::extract::ConnectInfo(peer): axum::extract::ConnectInfo<
        std::net::SocketAddr,
    >| async move {
        seen.lock().unwrap().push(peer.port());
        Context::current().unwrap().trace_id().to_string()
    };
    let app = Router::new()
        .route("/", get(trace))
        .layer(ServerLayer::from(&towline));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let server = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    for is_http2 in [false, true] {
        let inner: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new())
            .http2_only(is_http2)
            .build_http();
        let client = ServiceBuilder::new()
            .layer(ClientLayer::from(&towline))
            .service(inner);
        let mut traces = Vec::new();
        for _ in 0..3 {
            let request = Request::get(format!("http://{server}/"))
                .body(Empty::new())
                .unwrap();
            let context = towline.accept::<[(&str, &str)]>(&[], &Peer::default());
            let answer = client
                .clone()
                .oneshot(request)
                .in_context(context.clone())
                .await
                .unwrap();
            let text = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(text, context.trace_id().to_string());
            traces.push(text);
        }
        traces.dedup();
        assert_eq!(traces.len(), 3, "each in its own");
        let mut ports = std::mem::take(&mut *ports.lock().unwrap());
        ports.dedup();
        assert_eq!(ports.len(), 1, "one connection");
    }
}

/// Counts the spans of requests that are closed: ours, and the application's own.
#[derive(Clone, Default)]
struct Closed(Arc<AtomicU64>);

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Closed {
    fn on_close(&self, id: tracing::span::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        if ["request", "work"].contains(&context.span(&id).unwrap().name()) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Spawns in the span that is current, as hyper-util itself does with `rt-tracing-exec-force`.
#[derive(Clone)]
struct InSpan;

impl<F: Future<Output: Send + 'static> + Send + 'static> hyper::rt::Executor<F> for InSpan {
    fn execute(&self, work: F) {
        tokio::spawn(work.in_current_span());
    }
}

#[tokio::test]
async fn a_pooled_connection_does_not_keep_the_spans_of_the_first_request() {
    let closed = Closed::default();
    let subscriber = tracing_subscriber::registry().with(closed.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let towline = towline("middle");
    let leaf = serve(Router::new().route("/", get("leaf"))).await;
    let inner: Client<HttpConnector, Empty<Bytes>> = Client::builder(InSpan).build_http();
    let client = ServiceBuilder::new()
        .layer(ClientLayer::from(&towline))
        .service(inner);
    let pool = client.clone();
    let handler = async move || {
        let request = Request::get(format!("http://{leaf}/"))
            .body(Empty::new())
            .unwrap();
        let calling = async { client.oneshot(request).await.unwrap() };
        let answer = calling.instrument(tracing::info_span!("work")).await;
        assert_eq!(
            tracing::Span::current().metadata().unwrap().name(),
            "request"
        );
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    let app = Router::new()
        .route("/", get(handler))
        .layer(ServerLayer::from(&towline));
    let answer = app.oneshot(request("/")).await.unwrap();
    drop(answer.into_body().collect().await.unwrap());
    assert_eq!(
        closed.0.load(Ordering::Relaxed),
        2,
        "the pool has its connection still"
    );
    drop(pool);
}

#[tokio::test]
async fn a_pool_of_threads_joins_what_it_did_by_fork() {
    let towline = towline("middle");
    let context = received(&towline);
    let (jobs, queue) = std::sync::mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let worker = std::thread::spawn(move || queue.into_iter().for_each(|job| job()));
    let (results, taken) = std::sync::mpsc::channel();
    let inner = context.scope(|| {
        let work = fork(|| Context::current().unwrap().event());
        jobs.send(Box::new(move || results.send(work()).unwrap()))
            .unwrap();
        taken.recv().unwrap().join()
    });
    assert_eq!(inner.compare(&context.stamp()), Order::Before, "joined");
    drop(jobs);
    worker.join().unwrap();
}

#[tokio::test]
async fn a_response_of_no_known_length_is_answered_all_the_same() {
    let (towline, mut ends) = observed();
    let answer = tower::service_fn(|_: Request<Body>| async {
        let mut left = 3;
        let body = wire::Stream::new(move || {
            left -= 1;
            (left >= 0).then_some(Ok::<_, Infallible>("part"))
        });
        Ok::<_, Infallible>(Response::new(Body::from_stream(body)))
    });
    let service = ServiceBuilder::new()
        .layer(ServerLayer::from(&towline))
        .service(answer);
    let answer = service.oneshot(request("/")).await.unwrap();
    assert!(
        !answer.headers()["raceway-clock"]
            .to_str()
            .unwrap()
            .ends_with(";e")
    );
    assert!(ends.try_recv().is_err());
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "partpartpart"
    );
    assert_eq!(ends.try_recv(), Ok((Kind::Server, Outcome::Ok)));
}
