//! The layers in stacks of others: tonic over HTTP/2, tower-http around and below.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

mod wire;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use towline_core::{Config, Context, InContext, Order, Peer, Reason, Towline};
use towline_tower::{ClientLayer, ServerLayer};
use wire::{CLOCK, TRACEPARENT, request};

fn towline(service: &str) -> Towline {
    Towline::new(Config::new().service_name(service).instance("1"))
}

fn received(towline: &Towline) -> Context {
    let headers = [("traceparent", TRACEPARENT), ("raceway-clock", CLOCK)];
    towline.accept(headers.as_slice(), &Peer::default())
}

#[tokio::test]
async fn grpc_by_tonic_keeps_trace_and_order() {
    let (server, client) = (towline("leaf"), towline("middle"));
    let (_reporter, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Server::builder()
        .layer(ServerLayer::from(&server))
        .add_service(health)
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(serving);

    let channel: Channel = Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    let mut health = HealthClient::new(ClientLayer::from(&client).host("127.0.0.1").layer(channel));
    let context = received(&client);
    for _ in 0..2 {
        let asking = health.check(HealthCheckRequest::default());
        asking.in_context(context.clone()).await.unwrap();
    }
    assert_eq!(server.counters().by_key("strand_start"), Some(2));
    assert_eq!(server.counters().get(Reason::TraceparentAbsent), 0);
    assert_eq!(client.counters().by_key("call_answered"), Some(2));
    assert_eq!(client.counters().get(Reason::AnswerAbsent), 0);
    // The ends came in the trailers: both calls have left the clock.
    let known = |context: &Context| context.stamp().hops().swap_remove(1).known;
    assert!(known(&context).forks.is_empty());

    // A watch is a stream that goes on: the call is known in part, until it is given up.
    let watching = health
        .watch(HealthCheckRequest::default())
        .in_context(context.clone())
        .await
        .unwrap();
    assert_eq!(
        known(&context)
            .forks
            .open()
            .map(|(_, callee)| callee.lossy)
            .collect::<Vec<_>>(),
        [false]
    );
    drop(watching);
    assert_eq!(
        known(&context)
            .forks
            .open()
            .map(|(_, callee)| callee.lossy)
            .collect::<Vec<_>>(),
        [true]
    );
}

#[tokio::test]
async fn tower_http_layers_go_around_and_below() {
    let towline = towline("stock");
    let handler = service_fn(|_: Request<axum::body::Body>| async {
        let stamp = Context::current().unwrap().stamp();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(stamp.to_string()))))
    });
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(ServerLayer::from(&towline))
        .layer(TimeoutLayer::with_status_code(
            http::StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(5),
        ))
        .service(handler);
    let response = service.oneshot(request("/")).await.unwrap();
    let end = response.headers()["raceway-clock"]
        .to_str()
        .unwrap()
        .to_owned();
    let stamp = response.into_body().collect().await.unwrap().to_bytes();
    let [stamp, end] = [std::str::from_utf8(&stamp).unwrap(), &end]
        .map(|text| towline_core::Clock::parse(text).unwrap());
    assert_eq!(stamp.compare(&end), Order::Before);
    assert!(end.has_ended());
}

#[tokio::test]
async fn the_timeout_of_a_grpc_call_is_the_deadline_of_its_handler() {
    let server = Towline::new(Config::new().service_name("leaf").deadlines(true));
    let (_reporter, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut left) = tokio::sync::mpsc::unbounded_channel();
    let look = tower::util::MapRequestLayer::new(move |request: Request<_>| {
        let context = Context::current().unwrap();
        sender.send(context.remaining()).unwrap();
        request
    });
    let serving = Server::builder()
        .layer(ServerLayer::from(&server))
        .layer(look)
        .add_service(health)
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(serving);
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut health = HealthClient::new(channel.connect_lazy());
    health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(left.recv().await, Some(None), "no limit");
    let mut limited = tonic::Request::new(HealthCheckRequest::default());
    limited.set_timeout(Duration::from_secs(60));
    health.check(limited).await.unwrap();
    let left = left.recv().await.unwrap().unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
}
