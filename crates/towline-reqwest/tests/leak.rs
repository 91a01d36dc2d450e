//! A redirect that reqwest itself followed, with our headers, is told.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use reqwest_middleware::ClientBuilder;
use tokio::net::TcpListener;
use towline_core::{Config, Towline};
use towline_reqwest::Propagate;

/// What a subscriber wrote.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_clock_that_reqwest_took_to_a_stranger_is_told_once() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = listener.local_addr().unwrap();
    let location = format!("http://stranger.example.com:{}/end", server.port());
    let redirect = async move || (StatusCode::FOUND, [("location", location)]);
    let app = Router::new()
        .route("/", get(redirect))
        .route("/end", get("here"));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let following = reqwest::Client::builder().resolve("stranger.example.com", server);
    let client = ClientBuilder::new(following.build().unwrap())
        .with(Propagate::from(&Towline::new(Config::new())))
        .build();
    let told = || {
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.matches("followed a redirect with a clock").count()
    };
    client
        .get(format!("http://{server}/end"))
        .send()
        .await
        .unwrap();
    assert_eq!(told(), 0);
    for _ in 0..2 {
        client
            .get(format!("http://{server}/"))
            .send()
            .await
            .unwrap();
        assert_eq!(told(), 1);
    }
}
