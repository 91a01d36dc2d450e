//! Deadlines in real clients, against a server on loopback.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::net::TcpListener;
use towline_core::{Config, Context, InContext, Peer, Reason, Towline};
use towline_reqwest::{Propagate, is_timeout};

/// `/` answers with the `towline-timeout` that it received, `/slow` never.
async fn serve() -> SocketAddr {
    let left = |headers: HeaderMap| async move {
        let left = headers.get("towline-timeout");
        left.map(|left| left.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    let app = Router::new()
        .route("/", get(left))
        .route("/slow", get(std::future::pending::<()>));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

fn received(towline: &Towline, milliseconds: &str) -> Context {
    let headers = [("towline-timeout", milliseconds)];
    towline.accept(headers.as_slice(), &Peer::default())
}

fn client(towline: &Towline) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new())
        .with(Propagate::from(towline))
        .build()
}

#[tokio::test]
async fn a_callee_is_told_what_is_left() {
    let towline = Towline::new(Config::new().deadlines(true));
    let sending = client(&towline)
        .get(format!("http://{}/", serve().await))
        .send();
    let answer = sending
        .in_context(received(&towline, "60000"))
        .await
        .unwrap();
    let left: u64 = answer.text().await.unwrap().parse().unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_call_is_given_up_at_the_deadline() {
    let towline = Towline::new(Config::new().deadlines(true));
    let client = client(&towline);
    let slow = format!("http://{}/slow", serve().await);
    let plain = client.get(&slow).send();
    let error = plain
        .in_context(received(&towline, "250"))
        .await
        .unwrap_err();
    assert!(is_timeout(&error), "{error:?}");
    let patient = client.get(&slow).timeout(Duration::from_secs(60)).send();
    let error = patient
        .in_context(received(&towline, "250"))
        .await
        .unwrap_err();
    assert!(is_timeout(&error), "{error:?}");
    assert_eq!(towline.counters().by_key("call_sent"), Some(2));
    assert_eq!(towline.counters().get(Reason::TimeoutExpired), 0);
}

#[tokio::test]
async fn with_nothing_left_no_call_is_made() {
    let towline = Towline::new(Config::new().deadlines(true));
    let context = received(&towline, "60000");
    context.with_timeout(0);
    let sending = client(&towline).get("http://127.0.0.1:1/").send();
    let error = sending.in_context(context).await.unwrap_err();
    assert!(is_timeout(&error), "{error:?}");
    assert_eq!(towline.counters().get(Reason::TimeoutExpired), 1);
    assert_eq!(towline.counters().by_key("call_sent"), Some(0));
}
