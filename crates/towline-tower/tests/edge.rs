//! Status, probes, deadlines and callers that go, in whole stacks.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

mod wire;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use towline_core::{
    CallEvent, Config, Context, InContext, Observer, Outcome, Peer, STATUS_PATH, StrandEvent,
    Towline,
};
use towline_tower::client::{DeadlineError, ResendCount};
use towline_tower::{ClientLayer, DeadlineLayer, ServerLayer, Status};
use wire::{PARENT, TRACE, TRACEPARENT, request};

async fn json_of<B: http_body::Body<Error: std::fmt::Debug>>(body: B) -> Value {
    let bytes = body.collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn the_status_is_a_service_and_a_handler() {
    let towline = Towline::new(Config::new().service_name("stock"));
    let in_handler = Status::from(&towline);
    let app = Router::new()
        .route_service(STATUS_PATH, Status::from(&towline))
        .route("/status", get(async move || in_handler));
    drop(towline.accept::<[(&str, &str)]>(&[], &Peer::default()));
    for path in [STATUS_PATH, "/status"] {
        let answer = app.clone().oneshot(request(path)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let status = json_of(answer.into_body()).await;
        assert_eq!(
            (&status["service"], &status["counters"]["received"]),
            (&json!("stock"), &json!(1))
        );
    }
    let post = Request::post(STATUS_PATH).body(Body::empty()).unwrap();
    let refused = app.oneshot(post).await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
}

fn layer(towline: &Towline) -> ServerLayer {
    ServerLayer::from(towline)
        .peer_address(|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip()))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn call<S, B>(client: S, url: String) -> Response<B>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error: std::fmt::Debug>,
{
    let request = Request::get(url).body(Empty::new()).unwrap();
    client.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_probe_goes_through_two_services_and_comes_back() {
    let leaf = Towline::new(Config::new().service_name("leaf").instance("1"));
    let leaf = serve(Router::new().route("/", get("leaf")).layer(layer(&leaf))).await;
    let middle = Towline::new(Config::new().service_name("middle").instance("1"));
    let client = ServiceBuilder::new()
        .layer(ClientLayer::from(&middle))
        .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());
    let handler = async move || {
        let answer = call(client, format!("http://{leaf}/")).await;
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    let shared = async || ([("cache-control", "public")], "for all");
    let app = Router::new()
        .route("/", get(handler))
        .route("/shared", get(shared))
        .layer(layer(&middle));
    let middle = serve(app).await;

    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let ask = async |path: &str, probe: &str| {
        let request = Request::get(format!("http://{middle}{path}"))
            .header("traceparent", TRACEPARENT)
            .header("towline-probe", probe)
            .body(Empty::new())
            .unwrap();
        let answer = client.request(request).await.unwrap();
        let hops = answer.headers().get("towline-hops").cloned();
        hops.map(|hops| serde_json::from_slice::<Value>(hops.as_bytes()).unwrap())
    };
    let record = ask("/", "1").await.unwrap();
    assert_eq!(
        (&record["service"], &record["trace_id"]),
        (&json!("middle"), &json!(TRACE))
    );
    assert_eq!(
        (&record["parent_id"], &record["clock"]),
        (&json!(PARENT), &json!("first"))
    );
    let inner = &record["calls"][0];
    assert_eq!(
        (&inner["host"], &inner["status"]),
        (&json!(leaf.to_string()), &json!(200))
    );
    assert_eq!(inner["answer"], "joined");
    assert_eq!(inner["hops"]["service"], "leaf");
    assert_eq!(inner["hops"]["parent_id"], inner["span_id"]);
    assert_eq!(inner["hops"]["clock"], "continued");
    assert_eq!(ask("/", "wrong").await, None);
    assert_eq!(
        ask("/shared", "1").await,
        None,
        "a shared cache keeps nothing of ours"
    );
}

#[derive(Default)]
struct Outcomes(Mutex<Vec<Outcome>>);

impl Observer for Outcomes {
    fn on_strand_end(&self, strand: &StrandEvent<'_>) {
        self.0.lock().unwrap().extend(strand.outcome);
    }
}

#[tokio::test]
async fn a_caller_that_goes_is_counted_with_and_without_observers() {
    let outcomes = Arc::new(Outcomes::default());
    let observed = Config::new().observer(Arc::clone(&outcomes) as Arc<dyn Observer>);
    for config in [Config::new(), observed] {
        let towline = Towline::new(config);
        let never = service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let mut service = ServerLayer::from(&towline).layer(never);
        drop(service.call(request("/")));
        let streaming = service_fn(|_: Request<Body>| async {
            let body = Body::from_stream(wire::Stream::new(|| Some(Ok::<_, Infallible>("more"))));
            Ok::<_, Infallible>(Response::new(body))
        });
        let mut service = ServerLayer::from(&towline).layer(streaming);
        let mut body = service.call(request("/")).await.unwrap().into_body();
        assert!(body.frame().await.is_some());
        drop(body);
        assert_eq!(towline.counters().summary().cancelled, 2);
    }
    assert_eq!(*outcomes.0.lock().unwrap(), [Outcome::Cancelled; 2]);
}

fn received(towline: &Towline, milliseconds: &str) -> Context {
    let headers = [("towline-timeout", milliseconds)];
    towline.accept(headers.as_slice(), &Peer::default())
}

#[tokio::test]
async fn a_call_is_given_up_at_the_deadline_and_not_made_behind_it() {
    let towline = Towline::new(Config::new().deadlines(true));
    let layers = ServiceBuilder::new()
        .layer(DeadlineLayer::from(&towline))
        .layer(ClientLayer::from(&towline));
    let send = async |path: &str, context: &Context| {
        let echo = service_fn(|request: Request<Body>| async move {
            if request.uri().path() == "/slow" {
                std::future::pending::<()>().await;
            }
            let left = request.headers().get("towline-timeout").cloned();
            let left = left.map(|left| left.to_str().unwrap().to_owned());
            Ok::<_, Infallible>(Response::new(left.unwrap_or_default()))
        });
        let request = Request::get(format!("http://cart{path}")).body(Body::empty());
        let sending = layers.clone().service(echo).oneshot(request.unwrap());
        let answer = sending.in_context(context.clone()).await;
        answer.map(|answer| answer.into_body())
    };
    let patient = received(&towline, "60000");
    let told = send("/", &patient)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    let left: u64 = std::str::from_utf8(&told).unwrap().parse().unwrap();
    assert!((50_000..=60_000).contains(&left));
    let hasty = received(&towline, "250");
    assert_eq!(
        send("/slow", &hasty).await.unwrap_err(),
        DeadlineError::TimedOut
    );
    assert_eq!(
        towline.counters().by_key("call_answered"),
        Some(2),
        "given up, and told"
    );
    hasty.with_timeout(0);
    assert_eq!(
        send("/", &hasty).await.unwrap_err(),
        DeadlineError::TimedOut
    );
    assert_eq!(towline.counters().by_key("timeout/expired"), Some(1));
    assert_eq!(towline.counters().by_key("call_sent"), Some(2));
}

#[derive(Default)]
struct Counts(Mutex<Vec<u32>>);

impl Observer for Counts {
    fn on_call_sent(&self, call: &CallEvent<'_>) {
        self.0.lock().unwrap().push(call.resend_count);
    }
}

#[tokio::test]
async fn attempts_are_numbered_by_who_makes_them() {
    let counts = Arc::new(Counts::default());
    let observer = Arc::clone(&counts) as Arc<dyn Observer>;
    let towline = Towline::new(Config::new().observer(observer));
    let answer =
        service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let client = ServiceBuilder::new()
        .layer(ClientLayer::from(&towline))
        .service(answer);
    for count in [None, Some(1), Some(2)] {
        let mut request = Request::get("http://cart/").body(Body::empty()).unwrap();
        request
            .extensions_mut()
            .extend(count.map(ResendCount).map(one).unwrap_or_default());
        client.clone().oneshot(request).await.unwrap();
    }
    assert_eq!(*counts.0.lock().unwrap(), [0, 1, 2]);
}

fn one<T: Clone + Send + Sync + 'static>(value: T) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    extensions.insert(value);
    extensions
}
