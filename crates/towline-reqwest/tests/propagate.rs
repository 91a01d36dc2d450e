//! The middleware in real clients, against a server on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use tokio::net::TcpListener;
use towline_core::{
    CallEvent, Clock, Config, Context, InContext, Observer, Order, Peer, Reason, Towline,
};
use towline_reqwest::Propagate;
use towline_tower::ServerLayer;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn towline(service: &str) -> Towline {
    Towline::new(Config::new().service_name(service).instance("1"))
}

fn client(towline: &Towline) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new())
        .with(Propagate::from(towline))
        .build()
}

fn received(towline: &Towline) -> Context {
    let headers = [
        ("traceparent", TRACEPARENT),
        ("raceway-clock", "v2;t=1c80319c, front#1/a3f9c21b:2;x=\"2\""),
    ];
    towline.accept(headers.as_slice(), &Peer::default())
}

/// `/` answers with its stamp and the traceparent that it received, `/busy` refuses the first two,
/// `/slow` never answers.
async fn serve() -> SocketAddr {
    let asked = Arc::new(AtomicU32::new(0));
    let stamp = |headers: HeaderMap| async move {
        let traceparent = headers["traceparent"].to_str().unwrap().to_owned();
        Json((Context::current().unwrap().stamp().to_string(), traceparent))
    };
    let busy = move |headers: HeaderMap| async move {
        let refuse = asked.fetch_add(1, Ordering::Relaxed) < 2;
        let status = if refuse {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        };
        (status, stamp(headers).await)
    };
    let app = Router::new()
        .route("/", get(stamp))
        .route("/busy", get(busy))
        .route("/slow", get(std::future::pending::<()>))
        .layer(ServerLayer::from(&towline("leaf")));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn stamp(response: Response) -> (Clock, String) {
    let (stamp, traceparent): (String, String) = response.json().await.unwrap();
    (Clock::parse(&stamp).unwrap(), traceparent)
}

#[tokio::test]
async fn a_call_carries_the_trace_and_brings_the_order_back() {
    let towline = towline("middle");
    let (client, context, leaf) = (client(&towline), received(&towline), serve().await);
    let work = async {
        let request = client
            .get(format!("http://{leaf}/"))
            .header("traceparent", "set by hand");
        let (clock, traceparent) = stamp(request.send().await.unwrap()).await;
        assert!(traceparent.contains(&context.trace_id().to_string()));
        assert_eq!(clock.compare(&context.stamp()), Order::Before);
        assert!(context.stamp().hops()[1].known.forks.is_empty(), "joined");
    };
    work.in_context(context.clone()).await;
}

/// Asks again until it is answered with success.
struct Retry;

#[async_trait::async_trait]
impl Middleware for Retry {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        loop {
            let response = next
                .clone()
                .run(request.try_clone().unwrap(), extensions)
                .await?;
            if response.status().is_success() {
                return Ok(response);
            }
        }
    }
}

/// How many attempts went before each.
#[derive(Default)]
struct Counts(Mutex<Vec<u32>>);

impl Observer for Counts {
    fn on_call_sent(&self, call: &CallEvent<'_>) {
        self.0.lock().unwrap().push(call.resend_count);
    }
}

#[tokio::test]
async fn every_attempt_is_a_call_of_its_own() {
    let counts = Arc::new(Counts::default());
    let config = Config::new().service_name("middle").instance("1");
    let towline = Towline::new(config.observer(Arc::clone(&counts) as Arc<dyn Observer>));
    let (context, leaf) = (received(&towline), serve().await);
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(Retry)
        .with(Propagate::from(&towline))
        .build();
    let sending = client.get(format!("http://{leaf}/busy")).send();
    let (clock, _) = stamp(sending.in_context(context.clone()).await.unwrap()).await;
    assert_eq!(*counts.0.lock().unwrap(), [0, 1, 2]);
    let [.., middle, leaf] = &clock.hops()[..] else {
        panic!("three hops")
    };
    assert_eq!(
        (middle.known.tick, leaf.fork),
        (6, 6),
        "start, and a send and an answer for each attempt"
    );
    assert!(middle.known.forks.is_empty());
}

#[tokio::test]
async fn a_call_that_is_given_up_or_refused_stays_in_flight() {
    let towline = towline("middle");
    let (client, context, leaf) = (client(&towline), received(&towline), serve().await);
    let slow = client
        .get(format!("http://{leaf}/slow"))
        .timeout(Duration::from_millis(20))
        .send();
    assert!(slow.in_context(context.clone()).await.is_err());
    let given_up = client
        .get(format!("http://{leaf}/slow"))
        .send()
        .in_context(context.clone());
    assert!(
        tokio::time::timeout(Duration::from_millis(20), given_up)
            .await
            .is_err()
    );
    let closed = TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(
        client
            .get(format!("http://{closed}/"))
            .send()
            .in_context(context.clone())
            .await
            .is_err()
    );
    let flying: Vec<_> = context.stamp().hops()[1].known.forks.in_flight().collect();
    assert_eq!(
        flying
            .iter()
            .map(|range| (range.first, range.last, range.lossy))
            .collect::<Vec<_>>(),
        [(2, 4, false)]
    );
    assert_eq!(towline.counters().by_key("call_answered"), Some(3));
}

#[tokio::test]
async fn twice_in_one_client_is_one_span() {
    let towline = towline("middle");
    let (context, leaf) = (received(&towline), serve().await);
    let twice = Propagate::from(&towline);
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(twice.clone())
        .with(twice)
        .build();
    let sending = client.get(format!("http://{leaf}/")).send();
    let (clock, _) = stamp(sending.in_context(context.clone()).await.unwrap()).await;
    assert_eq!(towline.counters().by_key("call_sent"), Some(1));
    assert_eq!(clock.compare(&context.stamp()), Order::Before);
}

#[tokio::test]
async fn disabled_it_sends_nothing() {
    let towline = Towline::new(Config::new().disabled(true));
    let app = Router::new().route(
        "/",
        get(|headers: HeaderMap| async move { headers.contains_key("traceparent").to_string() }),
    );
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let answer = client(&towline)
        .get(format!("http://{address}/"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), "false");
    assert_eq!(towline.counters().get(Reason::ContextNone), 0);
}
