//! Towline calls Raceway, which calls Towline: one trace, and one vector for all three.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Json, Router};
use axum_0_7::middleware::from_fn;
use raceway::{RACEWAY_CONTEXT, RacewayClient};
use reqwest_middleware::ClientBuilder;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use towline::{
    ClockMode, Config, CurrentContext, InContext, Peer, Propagate, ServerLayer, Towline,
};
use towline_core::ClockV1;

/// Raceway's own server: nobody listens there.
const ENDPOINT: &str = "http://127.0.0.1:9";

/// What a service of Towline makes of a request: its ids, and the vector that it would send on.
async fn leaf(CurrentContext(context): CurrentContext) -> Json<Value> {
    let call = context.call("127.0.0.1");
    let header = call.clock().unwrap_or_default().to_owned();
    let vector = ClockV1::read(header.as_bytes(), context.trace_id(), 4096).ok();
    let vector: Option<BTreeMap<String, u32>> = vector.map(|vector| {
        vector
            .iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    });
    Json(json!({
        "trace_id": context.trace_id().to_string(),
        "parent_id": context.parent_id().map(|id| id.to_string()),
        "vector": vector,
    }))
}

async fn serve_leaf() -> (SocketAddr, Towline) {
    let towline = Towline::new(Config::new().service_name("leaf").instance("1"));
    let app = Router::new()
        .fallback(leaf)
        .layer(ServerLayer::from(&towline));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, towline)
}

/// A service of Raceway, which calls the leaf by the headers that Raceway gives, and tells what it
/// knows itself.
async fn serve_raceway(leaf: SocketAddr) -> SocketAddr {
    let client = Arc::new(RacewayClient::new(ENDPOINT, "raceway"));
    let caller = Arc::clone(&client);
    let handler = move || async move {
        let own = RACEWAY_CONTEXT.with(|context| {
            let context = context.borrow();
            json!({ "trace_id": context.trace_id, "vector": context.clock_vector })
        });
        let mut request = reqwest::Client::new().get(format!("http://{leaf}/"));
        let headers = caller.propagation_headers(None).unwrap();
        for name in ["traceparent", "raceway-clock"] {
            request = request.header(name, &headers[name]);
        }
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let sent = headers["traceparent"].clone();
        json!({ "own": own, "sent": sent, "leaf": answer }).to_string()
    };
    let middleware = from_fn(move |headers, request, next| {
        RacewayClient::middleware(Arc::clone(&client), headers, request, next)
    });
    let app = axum_0_7::Router::new()
        .route("/", axum_0_7::routing::get(handler))
        .layer(middleware);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum_0_7::serve(listener, app).await.unwrap() });
    address
}

fn without_dashes(uuid: &Value) -> String {
    uuid.as_str().unwrap().replace('-', "")
}

/// The counts of a vector, without the random names that Raceway gives its instances.
fn by_service(vector: &Value) -> BTreeMap<&str, u64> {
    let counts = vector.as_object().unwrap().iter();
    counts
        .map(|(name, count)| (name.split('#').next().unwrap(), count.as_u64().unwrap()))
        .collect()
}

#[tokio::test]
async fn towline_calls_raceway_calls_towline() {
    let (leaf, counted) = serve_leaf().await;
    let raceway = serve_raceway(leaf).await;
    let config = Config::new().service_name("front").instance("1");
    let front = Towline::new(config.clock(ClockMode::V1));
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(Propagate::from(&front))
        .build();
    let context = front.accept::<[(&str, &str)]>(&[], &Peer::default());
    let sending = client.get(format!("http://{raceway}/")).send();
    let answer = sending.in_context(context.clone()).await.unwrap();
    let answer: Value = answer.json().await.unwrap();

    let trace = context.trace_id().to_string();
    assert_eq!(
        without_dashes(&answer["own"]["trace_id"]),
        trace,
        "Raceway reads ours"
    );
    let seen: BTreeMap<_, _> = answer["own"]["vector"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry[0].as_str().unwrap(), entry[1].as_u64().unwrap()))
        .collect();
    assert_eq!(seen["front#1"], 1);
    // And we read Raceway's, which counts a request that came as well as a call that goes.
    assert_eq!(answer["leaf"]["trace_id"], trace);
    assert_eq!(
        answer["leaf"]["parent_id"],
        answer["sent"].as_str().unwrap()[36..52]
    );
    let vector = by_service(&answer["leaf"]["vector"]);
    assert_eq!(
        vector,
        BTreeMap::from([("front", 1), ("raceway", 2), ("leaf", 1)])
    );
    let summary = counted.counters().summary();
    assert_eq!((summary.continued, summary.clock_dropped.len()), (1, 0));
}

#[tokio::test]
async fn a_trace_that_raceway_begins_goes_on_in_version_1() {
    let (leaf, counted) = serve_leaf().await;
    let raceway = serve_raceway(leaf).await;
    let answer = reqwest::get(format!("http://{raceway}/")).await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let trace = without_dashes(&answer["own"]["trace_id"]);
    assert_eq!(answer["leaf"]["trace_id"], trace);
    let vector = by_service(&answer["leaf"]["vector"]);
    assert_eq!(vector, BTreeMap::from([("raceway", 2), ("leaf", 1)]));
    assert_eq!(counted.counters().summary().continued, 1);
}
