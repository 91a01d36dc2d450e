//! Requests as a caller sends them, and servers on loopback.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use http::Request;
use tokio::net::TcpListener;
use tracing_subscriber::fmt::MakeWriter;

pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const PARENT: &str = "b7ad6b7169203331";
pub(crate) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
pub(crate) const CLOCK: &str = "v2;t=1c80319c, front#1/a3f9c21b:2;x=\"2\"";

pub(crate) fn request(path: &str) -> Request<Body> {
    Request::get(path)
        .header("traceparent", TRACEPARENT)
        .header("raceway-clock", CLOCK)
        .body(Body::empty())
        .unwrap()
}

/// Serves a router on a free port until the test's runtime goes down.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// A stream of what a function gives, until it gives nothing.
pub(crate) struct Stream<F>(F);

impl<F> Stream<F> {
    pub(crate) fn new(next: F) -> Self {
        Self(next)
    }
}

impl<T, F: FnMut() -> Option<T> + Unpin> futures_core::Stream for Stream<F> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0())
    }
}

/// What a subscriber wrote.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
