//! The client layer between real servers on loopback, and forked work around it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

mod wire;

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::routing::{any, get};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};
use towline_core::{
    Clock, Config, Context, InContext, Order, Outcome, Peer, Reason, Towline, bind, detach, fork,
};
use towline_tower::{ClientLayer, ServerLayer, client};
use wire::{CLOCK, TRACE, TRACEPARENT, serve};

type Http = client::Client<Pool<HttpConnector, Empty<Bytes>>>;

fn towline(service: &str) -> Towline {
    Towline::new(Config::new().service_name(service).instance("1"))
}

fn http(towline: &Towline) -> Http {
    ClientLayer::from(towline).layer(Pool::builder(TokioExecutor::new()).build_http())
}

async fn call(client: &Http, uri: &str) -> Value {
    let request = Request::get(uri).body(Empty::new()).unwrap();
    let response = client.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// A context as a request begins one: the caller's strand is `front`.
fn received(towline: &Towline) -> Context {
    let headers = [
        ("traceparent", TRACEPARENT),
        ("raceway-clock", CLOCK),
        ("tracestate", "foo=1"),
    ];
    towline.accept(headers.as_slice(), &Peer::default())
}

fn clock(value: &Value) -> Clock {
    Clock::parse(value.as_str().unwrap()).unwrap()
}

/// Answers with what it received and its own stamp.
async fn leaf() -> SocketAddr {
    let handler = any(|headers: HeaderMap| async move {
        let context = Context::current().unwrap();
        let field = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert!(headers.get_all("traceparent").iter().count() <= 1);
        axum::Json(json!({
            "trace_id": context.trace_id().to_string(),
            "span_id": context.span_id().to_string(),
            "parent_id": context.parent_id().map(|id| id.to_string()),
            "traceparent": field("traceparent"),
            "tracestate": field("tracestate"),
            "clock": context.stamp().to_string(),
        }))
    });
    serve(
        Router::new()
            .route("/", handler)
            .layer(ServerLayer::from(&towline("leaf"))),
    )
    .await
}

#[tokio::test]
async fn calls_one_after_the_other_are_ordered_and_leave_the_clock() {
    let towline = towline("middle");
    let (client, uri) = (http(&towline), format!("http://{}/", leaf().await));
    let context = received(&towline);
    let work = async {
        let first = call(&client, &uri).await;
        let second = call(&client, &uri).await;
        assert_eq!(
            clock(&first["clock"]).compare(&clock(&second["clock"])),
            Order::Before
        );
        assert_eq!(
            (&first["trace_id"], &second["trace_id"]),
            (&json!(TRACE), &json!(TRACE))
        );
        assert_ne!(first["parent_id"], second["parent_id"]);
        for (answer, tick) in [(&first, 2), (&second, 4)] {
            let traceparent = answer["traceparent"].as_str().unwrap();
            assert_eq!(&traceparent[36..52], answer["parent_id"].as_str().unwrap());
            let own = clock(&answer["clock"]).to_tracestate().unwrap();
            let sent = own.rsplit_once('/').unwrap().0.to_owned();
            assert_eq!(answer["tracestate"], format!("towline={sent}x{tick},foo=1"));
        }
        assert!(context.stamp().hops()[1].known.forks.is_empty());
        assert_eq!(
            clock(&second["clock"]).compare(&context.stamp()),
            Order::Before
        );
    };
    work.in_context(context.clone()).await;
    assert_eq!(towline.counters().get(Reason::AnswerAbsent), 0);
}

#[tokio::test]
async fn forked_work_is_concurrent_until_it_is_joined() {
    let towline = towline("middle");
    let (client, uri) = (http(&towline), format!("http://{}/", leaf().await));
    let context = received(&towline);
    let work = async {
        let mut set = JoinSet::new();
        for _ in 0..3 {
            let (client, uri) = (client.clone(), uri.clone());
            set.spawn(async move { clock(&call(&client, &uri).await["clock"]) }.forked());
        }
        let here = context.event();
        let mut clocks = Vec::new();
        while let Some(joined) = set.join_next().await {
            clocks.push(joined.unwrap().join());
        }
        for (n, one) in clocks.iter().enumerate() {
            assert_eq!(one.compare(&here), Order::Concurrent);
            assert!(
                clocks[..n]
                    .iter()
                    .all(|other| other.compare(one) == Order::Concurrent)
            );
            assert_eq!(one.compare(&context.stamp()), Order::Before);
            // front, middle, the task of middle, leaf
            assert_eq!(one.hops().len(), 4);
        }
        assert!(context.stamp().hops()[1].known.forks.is_empty());
    };
    work.in_context(context.clone()).await;
}

#[tokio::test]
async fn threads_and_detached_work_have_strands_of_their_own() {
    let towline = towline("middle");
    let context = received(&towline);
    let (blocking, thread, loose, bound) = context.scope(|| {
        (
            fork(|| Context::current().unwrap().event()),
            fork(|| Context::current().unwrap().event()),
            detach(|| Context::current().unwrap().event()),
            bind(|| Context::current().unwrap()),
        )
    });
    let loose_future = context.scope(|| async { Context::current().unwrap().event() }.detached());
    let blocking = tokio::task::spawn_blocking(blocking).await.unwrap();
    let thread = std::thread::spawn(thread).join().unwrap();
    assert_eq!(
        context.stamp().hops()[1]
            .known
            .forks
            .in_flight()
            .map(|r| r.last - r.first + 1)
            .sum::<u32>(),
        2
    );
    let [blocking, thread] = [blocking, thread].map(|task| task.join());
    assert_eq!(blocking.compare(&thread), Order::Concurrent);
    assert_eq!(thread.compare(&context.stamp()), Order::Before);
    for loose in [loose(), loose_future.await] {
        assert_eq!(loose.compare(&context.stamp()), Order::Concurrent);
        assert_eq!(Clock::parse(CLOCK).unwrap().compare(&loose), Order::Before);
    }
    assert_eq!(bound().span_id(), context.span_id());
    assert!(Context::current().is_none());
}

#[tokio::test]
async fn work_after_the_answer_is_one_strand_behind_it() {
    let towline = towline("middle");
    let (client, uri) = (http(&towline), format!("http://{}/", leaf().await));
    let context = received(&towline);
    let end = context.end(Outcome::Ok).unwrap();
    assert!(context.end(Outcome::Ok).is_none(), "it ends once");
    let after = async {
        let first = clock(&call(&client, &uri).await["clock"]);
        let second = clock(&call(&client, &uri).await["clock"]);
        (first, second, context.event())
    };
    let (first, second, event) = after.in_context(context.clone()).await;
    for stamp in [&first, &second, &event] {
        assert_eq!(end.compare(stamp), Order::Before);
        assert_eq!(
            stamp.hops()[2].nonce,
            event.hops()[2].nonce,
            "all of it is one strand"
        );
        assert!(stamp.hops()[2].detached);
    }
    assert_eq!(first.compare(&second), Order::Before);
}

#[tokio::test]
async fn what_the_callee_did_cannot_be_told_without_its_clock() {
    let towline = towline("middle");
    let context = received(&towline);
    let lossy = |context: &Context| {
        let hops = context.stamp().hops();
        hops[1]
            .known
            .forks
            .in_flight()
            .map(|range| range.lossy)
            .collect::<Vec<_>>()
    };
    for (fields, reason) in [
        (vec![], Reason::AnswerAbsent),
        (vec!["v2;t=1c80319c, a"], Reason::AnswerMalformed),
        (vec!["v1;e30"], Reason::AnswerVersion),
        (vec![CLOCK], Reason::AnswerOtherStrand),
        (vec![CLOCK, CLOCK], Reason::AnswerDuplicate),
        (
            vec!["v2;t=00000001, a#1/00000001:1"],
            Reason::AnswerOtherTrace,
        ),
    ] {
        let before = lossy(&context).len();
        let fields: Vec<String> = fields.into_iter().map(str::to_owned).collect();
        let service = ClientLayer::from(&towline).layer(service_fn(move |_: Request<Body>| {
            let fields = fields.clone();
            async move {
                let response = fields.iter().fold(Response::builder(), |r, value| {
                    r.header("raceway-clock", value)
                });
                Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
            }
        }));
        drop(
            service
                .oneshot(Request::get("http://leaf/").body(Body::empty()).unwrap())
                .in_context(context.clone())
                .await,
        );
        assert_eq!(towline.counters().get(reason), 1, "{reason}");
        assert!(lossy(&context).len() >= before && lossy(&context).iter().all(|&lossy| lossy));
    }

    // No answer at all leaves the fork open: the callee may be at work.
    let failing = ClientLayer::from(&towline).layer(service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>("reset")
    }));
    let request = || Request::get("http://leaf/").body(Body::empty()).unwrap();
    assert!(
        failing
            .oneshot(request())
            .in_context(context.clone())
            .await
            .is_err()
    );
    assert_eq!(lossy(&context).last(), Some(&false));
}

#[tokio::test]
async fn a_streamed_answer_is_lost_at_the_end_of_its_body() {
    let app = Router::new()
        .route(
            "/",
            get(|| async {
                let mut parts = ["a", "b"].into_iter();
                let frames = wire::Stream::new(move || {
                    parts
                        .next()
                        .map(|part| Ok::<_, Infallible>(Frame::data(Bytes::from(part))))
                });
                Body::new(StreamBody::new(frames))
            }),
        )
        .layer(ServerLayer::from(&towline("leaf")));
    let uri = format!("http://{}/", serve(app).await);
    let towline = towline("middle");
    let (client, context) = (http(&towline), received(&towline));
    let marks = || {
        let known = context.stamp().hops().swap_remove(1).known;
        known
            .forks
            .open()
            .map(|(_, callee)| (callee.tick, callee.lossy))
            .collect::<Vec<_>>()
    };
    let request = Request::get(uri).body(Empty::new()).unwrap();
    let response = client
        .oneshot(request)
        .in_context(context.clone())
        .await
        .unwrap();
    assert_eq!(marks(), [(1, false)], "known to its start, and in flight");
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "ab"
    );
    assert_eq!(marks(), [(1, true)]);
}

#[tokio::test]
async fn hosts_off_the_list_get_the_trace_and_no_clock() {
    let towline = Towline::new(
        Config::new()
            .service_name("middle")
            .propagate_to("partner.example"),
    );
    let context = received(&towline);
    for (uri, clocked) in [
        ("http://stock.internal/", true),
        ("http://10.0.0.7:80/", true),
        ("http://partner.example/", true),
        ("http://api.example.com/", false),
        ("/relative", true),
    ] {
        let service =
            ClientLayer::from(&towline).layer(service_fn(|request: Request<Body>| async move {
                Ok::<_, Infallible>(Response::new(request.headers().clone()).map(|headers| {
                    Body::from(format!(
                        "{} {}",
                        headers.contains_key("traceparent"),
                        headers.contains_key("raceway-clock")
                    ))
                }))
            }));
        let request = Request::get(uri.parse::<Uri>().unwrap())
            .header("host", "stock")
            .body(Body::empty())
            .unwrap();
        let answer = service
            .oneshot(request)
            .in_context(context.clone())
            .await
            .unwrap();
        let seen = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(seen, format!("true {clocked}"), "{uri}");
    }
    assert_eq!(towline.counters().get(Reason::SendWithheld), 1);
}

#[tokio::test]
async fn two_client_layers_make_one_span_and_hand_set_headers_are_replaced() {
    let towline = towline("middle");
    let layer = ClientLayer::from(&towline);
    let echo = service_fn(|request: Request<Body>| async move {
        let fields: Vec<_> = request
            .headers()
            .get_all("traceparent")
            .iter()
            .cloned()
            .collect();
        assert_eq!(fields.len(), 1);
        Ok::<_, Infallible>(Response::new(Body::from(
            fields[0].to_str().unwrap().to_owned(),
        )))
    });
    let service = layer.layer(layer.layer(echo));
    let request = Request::get("http://leaf/")
        .header("traceparent", TRACEPARENT)
        .body(Body::empty())
        .unwrap();
    let answer = service
        .oneshot(request)
        .in_context(received(&towline))
        .await
        .unwrap();
    let sent = answer.into_body().collect().await.unwrap().to_bytes();
    assert_ne!(sent, TRACEPARENT);
    assert_eq!(towline.counters().by_key("call_sent"), Some(1));
    assert_eq!(towline.counters().by_key("call_answered"), Some(1));
}

#[tokio::test]
async fn a_call_without_a_context_begins_a_trace_and_is_counted() {
    let towline = towline("batch");
    let (client, uri) = (http(&towline), format!("http://{}/", leaf().await));
    let (first, second) = (call(&client, &uri).await, call(&client, &uri).await);
    assert_ne!(first["trace_id"], second["trace_id"]);
    let labels: Vec<String> = clock(&first["clock"])
        .hops()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(labels, ["batch#1", "leaf#1"]);
    assert_eq!(towline.counters().get(Reason::ContextNone), 2);
    assert_eq!(
        towline.counters().by_key("strand_end"),
        Some(2),
        "its strand ends with the call"
    );
}

/// Two levels over keep-alive connections, 50 at once: every answer is of its own trace, every
/// parent is the caller's span, and no id comes twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_lose_and_mix_nothing() {
    const REQUESTS: usize = 1000;
    let leaf = leaf().await;
    let towline = towline("middle");
    let client = http(&towline);
    let handler = get(move |Query(query): Query<Vec<(String, String)>>| {
        let client = client.clone();
        async move {
            let mine = query[0].1.clone();
            tokio::task::yield_now().await;
            let below = call(&client, &format!("http://{leaf}/?n={mine}")).await;
            let context = Context::current().unwrap();
            axum::Json(json!({
                "n": mine, "below": below, "trace_id": context.trace_id().to_string(),
                "span_id": context.span_id().to_string(), "clock": context.stamp().to_string(),
            }))
        }
    });
    let middle = serve(
        Router::new()
            .route("/", handler)
            .layer(ServerLayer::from(&towline)),
    )
    .await;
    let front = self::towline("front");
    let pool = http(&front);
    let permits = Arc::new(tokio::sync::Semaphore::new(50));
    let mut set = JoinSet::new();
    for n in 0..REQUESTS {
        let (pool, permits, front) = (pool.clone(), permits.clone(), front.clone());
        set.spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            let context = front.accept::<[(&str, &str)]>(&[], &Peer::default());
            let answer = call(&pool, &format!("http://{middle}/?n={n}"))
                .in_context(context.clone())
                .await;
            (n, context, answer)
        });
    }
    let mut ids = HashSet::new();
    while let Some(done) = set.join_next().await {
        let (n, context, answer) = done.unwrap();
        assert_eq!(answer["n"], n.to_string());
        for hop in [&answer, &answer["below"]] {
            assert_eq!(hop["trace_id"], context.trace_id().to_string());
            assert!(ids.insert(hop["span_id"].to_string()));
        }
        assert!(ids.insert(answer["below"]["parent_id"].to_string()));
        assert!(ids.insert(context.trace_id().to_string()));
        let (below, middle) = (clock(&answer["below"]["clock"]), clock(&answer["clock"]));
        let labels: Vec<String> = below.hops().iter().map(ToString::to_string).collect();
        assert_eq!(labels, ["front#1", "middle#1", "leaf#1"]);
        assert_eq!(below.compare(&middle), Order::Before);
        assert_eq!(middle.compare(&context.stamp()), Order::Before);
    }
    assert_eq!(ids.len(), 4 * REQUESTS);
    for (towline, services) in [(&towline, 1), (&front, 1)] {
        assert_eq!(
            towline.counters().by_key("call_answered"),
            Some((REQUESTS * services) as u64)
        );
        assert_eq!(towline.counters().get(Reason::AnswerAbsent), 0);
    }
}
