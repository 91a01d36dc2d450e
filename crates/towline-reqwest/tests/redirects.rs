//! Redirects, each an attempt of its own, against servers on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::net::TcpListener;
use towline_core::{CallEvent, Config, Context, InContext, Observer, Peer, Towline};
use towline_reqwest::Propagate;
use towline_tower::ServerLayer;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// Not on the list; the client is told that it is on loopback.
const STRANGER: &str = "stranger.example.com";

/// A request as it came.
#[derive(Clone, Debug)]
struct Came {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Came {
    fn field(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Came>>>);

impl Log {
    fn take(&self) -> Vec<Came> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// `/{status}/{to}` redirects to `to`, where `_` stands for `/` and `~` for `_`; all else is answered with 200.
async fn serve() -> (SocketAddr, Log) {
    let log = Log::default();
    let keep = async |State(log): State<Log>, method: Method, headers: HeaderMap, body: Bytes| {
        log.0.lock().unwrap().push(Came {
            method,
            headers,
            body,
        });
    };
    let redirect = async move |Path((status, to)): Path<(u16, String)>,
                               log: State<Log>,
                               method: Method,
                               headers: HeaderMap,
                               body: Bytes|
                -> Response {
        keep(log, method, headers, body).await;
        let to = to.replace('_', "/").replace('~', "_");
        (StatusCode::from_u16(status).unwrap(), [("location", to)]).into_response()
    };
    let last =
        async move |log: State<Log>, _: Uri, method: Method, headers: HeaderMap, body: Bytes| {
            keep(log, method, headers, body).await;
            "here"
        };
    let app = Router::new()
        .route("/{status}/{to}", any(redirect))
        .fallback(last)
        .with_state(log.clone())
        .layer(ServerLayer::from(&Towline::new(
            Config::new().service_name("leaf"),
        )));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, log)
}

#[derive(Default)]
struct Counts(Mutex<Vec<u32>>);

impl Observer for Counts {
    fn on_call_answered(&self, call: &CallEvent<'_>) {
        self.0.lock().unwrap().push(call.resend_count);
    }
}

fn client(towline: &Towline, server: SocketAddr) -> ClientWithMiddleware {
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .resolve(STRANGER, server)
        .build()
        .unwrap();
    ClientBuilder::new(client)
        .with(Propagate::from(towline).follow_redirects())
        .build()
}

fn received(towline: &Towline) -> Context {
    let headers = [("traceparent", TRACEPARENT), ("baggage", "tier=gold")];
    towline.accept(headers.as_slice(), &Peer::default())
}

#[tokio::test]
async fn a_redirect_is_an_attempt_of_its_own() {
    let counts = Arc::new(Counts::default());
    let observer = Arc::clone(&counts) as Arc<dyn Observer>;
    let towline = Towline::new(Config::new().observer(observer));
    let ((server, log), context) = (serve().await, received(&towline));
    let url = format!("http://{server}/302/_301_~end");
    let sending = client(&towline, server).get(url).send();
    let answer = sending.in_context(context.clone()).await.unwrap();
    assert_eq!(answer.url().path(), "/end");
    assert_eq!(answer.text().await.unwrap(), "here");
    let came = log.take();
    let parents: Vec<_> = came
        .iter()
        .map(|came| came.field("traceparent").unwrap())
        .collect();
    assert_eq!(parents.len(), 3);
    assert!(parents[0] != parents[1] && parents[1] != parents[2]);
    assert!(
        parents
            .iter()
            .all(|parent| parent[..35] == TRACEPARENT[..35])
    );
    assert_eq!(*counts.0.lock().unwrap(), [0, 1, 2]);
    assert_eq!(towline.counters().summary().joined, 3);
    assert!(
        context.stamp().hops()[0].known.forks.is_empty(),
        "all are joined"
    );
}

#[tokio::test]
async fn a_host_that_a_redirect_leads_to_is_judged_anew() {
    let towline = Towline::new(Config::new());
    let (server, log) = serve().await;
    let to = format!("http:__{STRANGER}:{}_end", server.port());
    let request = client(&towline, server)
        .get(format!("http://{server}/307/{to}"))
        .header("authorization", "Bearer x")
        .header("cookie", "a=b")
        .header("proxy-authorization", "x")
        .header("www-authenticate", "x")
        .header("accept", "text/plain");
    let answer = request.send().in_context(received(&towline)).await.unwrap();
    assert_eq!(answer.url().host_str(), Some(STRANGER));
    let came = log.take();
    for name in [
        "raceway-clock",
        "tracestate",
        "baggage",
        "authorization",
        "cookie",
    ] {
        assert!(came[0].field(name).is_some(), "{name}");
        assert_eq!(came[1].field(name), None, "{name}");
    }
    assert_eq!(came[1].field("proxy-authorization"), None);
    assert_eq!(came[1].field("www-authenticate"), None);
    assert_eq!(came[1].field("accept"), Some("text/plain"));
    assert!(came[1].field("traceparent").is_some());
}

#[tokio::test]
async fn what_the_application_set_for_one_host_goes_to_no_stranger() {
    let towline = Towline::new(Config::new());
    let (server, log) = serve().await;
    let to = format!("http:__{STRANGER}:{}_end", server.port());
    let request = client(&towline, server)
        .get(format!("http://{server}/302/{to}"))
        .header("baggage", "own=1")
        .header("towline-probe", "s3cret");
    request.send().in_context(received(&towline)).await.unwrap();
    let came = log.take();
    assert_eq!(came[0].field("baggage"), Some("own=1"));
    assert_eq!(
        (came[1].field("baggage"), came[1].field("towline-probe")),
        (None, None)
    );
}

#[tokio::test]
async fn methods_and_bodies_are_those_of_reqwest() {
    let towline = Towline::new(Config::new());
    let (server, log) = serve().await;
    for (status, method, then, body) in [
        (301, Method::POST, Method::GET, ""),
        (302, Method::POST, Method::GET, ""),
        (303, Method::POST, Method::GET, ""),
        (303, Method::PUT, Method::GET, ""),
        (303, Method::HEAD, Method::HEAD, ""),
        (302, Method::PUT, Method::PUT, "text"),
        (307, Method::POST, Method::POST, "text"),
        (308, Method::POST, Method::POST, "text"),
    ] {
        let mut request = client(&towline, server)
            .request(method.clone(), format!("http://{server}/{status}/_end"));
        if method != Method::HEAD {
            request = request.header("content-type", "text/plain").body("text");
        }
        request.send().in_context(received(&towline)).await.unwrap();
        let came = log.take();
        let [first, second] = &came[..] else {
            panic!("{status} {method}: {came:?}")
        };
        assert_eq!(
            (&first.method, &second.method),
            (&method, &then),
            "{status}"
        );
        assert_eq!(second.body, body, "{status} {method}");
        assert_eq!(second.field("content-type").is_some(), !body.is_empty());
    }
}

#[tokio::test]
async fn a_body_that_is_gone_is_not_sent_again() {
    let towline = Towline::new(Config::new());
    let (server, log) = serve().await;
    for (status, count) in [(307, 1), (303, 2)] {
        let frames = http_body_util::Full::new(Bytes::from("text"));
        let request = client(&towline, server)
            .post(format!("http://{server}/{status}/_end"))
            .body(reqwest::Body::wrap(frames));
        let answer = request.send().in_context(received(&towline)).await.unwrap();
        assert_eq!(answer.status() == StatusCode::OK, count == 2);
        assert_eq!(log.take().len(), count, "{status}");
    }
}

#[tokio::test]
async fn what_never_ends_is_given_up() {
    let towline = Towline::new(Config::new());
    let (server, log) = serve().await;
    let app = Router::new().fallback(|| async { (StatusCode::FOUND, [("location", "/again")]) });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let circle = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let client = client(&towline, server);
    let error = client
        .get(format!("http://{circle}/"))
        .send()
        .await
        .unwrap_err();
    assert!(
        format!("{error:?}").contains("more than 20 redirects"),
        "{error:?}"
    );
    assert_eq!(towline.counters().by_key("call_sent"), Some(21));
    for to in ["ftp:__127.0.0.1_x", "http:__[bad"] {
        let url = format!("http://{server}/302/{to}");
        let answer = client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FOUND, "{to}");
    }
    assert_eq!(log.take().len(), 2);
}

#[tokio::test]
async fn redirects_are_followed_where_towline_is_disabled() {
    let towline = Towline::new(Config::new().disabled(true));
    let (server, log) = serve().await;
    let answer = client(&towline, server)
        .get(format!("http://{server}/302/_end"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), "here");
    assert!(
        log.take()
            .iter()
            .all(|came| came.field("traceparent").is_none())
    );
}

#[tokio::test]
async fn the_client_of_the_environment_follows_them_too() {
    let (server, log) = serve().await;
    let client = towline_reqwest::client(reqwest::Client::builder()).unwrap();
    client
        .get(format!("http://{server}/302/_end"))
        .send()
        .await
        .unwrap();
    let came = log.take();
    assert_ne!(came[0].field("traceparent"), came[1].field("traceparent"));
}
