//! Raceway 0.1.0: a per-service vector and events, under axum 0.7.
//!
//! Its events are kept: what would post them to a server every second never runs.

use std::cell::RefCell;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use async_trait::async_trait;
use axum_0_7::Router;
use axum_0_7::extract::Request;
use axum_0_7::middleware::{Next, from_fn};
use axum_0_7::routing::get;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use raceway::{RACEWAY_CONTEXT, RacewayClient, RacewayContext};
use reqwest_middleware::Middleware;
use towline_core::{ClockV1, RACEWAY_CLOCK, TRACEPARENT};

use super::Client;
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::stack::User;

/// Nobody listens there, and nobody calls.
const ENDPOINT: &str = "http://127.0.0.1:9";

pub(super) fn bare() -> Router {
    Router::new()
        .route("/", get(|| async { "ok" }))
        .route("/out", get(|| async { Outbound::default().into_text() }))
}

pub(super) fn serve<U: User>(user: U) -> U::Output {
    let runtime = runtime().expect("a runtime without threads");
    let _entered = runtime.enter();
    let client = Arc::new(RacewayClient::new(ENDPOINT, "bench"));
    let caller = client.clone();
    let app = Router::new()
        .route("/", get(|| async { "ok" }))
        .route(
            "/out",
            get(move || async move { outbound(&caller).unwrap_or_default().into_text() }),
        )
        .layer(from_fn(
            move |headers: HeaderMap, request: Request, next: Next| {
                RacewayClient::middleware(client.clone(), headers, request, next)
            },
        ));
    user.with(app)
}

fn outbound(client: &RacewayClient) -> Result<Outbound> {
    let mut headers = client
        .propagation_headers(None)
        .map_err(|error| anyhow!(error))?;
    Ok(Outbound {
        traceparent: headers.remove(TRACEPARENT),
        clock: headers.remove(RACEWAY_CLOCK),
    })
}

/// A runtime that runs nothing: Raceway wants to spawn.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// A caller that puts Raceway's headers on its calls by hand: it has no middleware for clients.
#[derive(Clone)]
pub(crate) struct Caller(Arc<RacewayClient>);

pub(super) fn client() -> Result<Client> {
    let runtime = runtime()?;
    let _entered = runtime.enter();
    Ok(Client::Raceway(Caller(Arc::new(RacewayClient::new(
        ENDPOINT, "bench",
    )))))
}

impl Caller {
    /// Runs `work` within a request that came with these headers.
    pub(crate) fn within<T>(
        &self,
        inbound: &Inbound,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let came = inbound.clock_text().context("a vector came")?;
        let vector = ClockV1::read(came.as_bytes(), inbound.trace_id, 4096)?;
        let uuid = inbound.trace_id.to_string();
        let uuid: Vec<&str> = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
            .into_iter()
            .filter_map(|(from, to)| uuid.get(from..to))
            .collect();
        let mut context = RacewayContext::new(uuid.join("-"), "bench".to_owned(), "b-1".to_owned());
        let components = vector
            .iter()
            .map(|(name, count)| (name.to_owned(), count.into()));
        context.clock_vector = components.collect();
        RACEWAY_CONTEXT.sync_scope(RefCell::new(context), work)
    }
}

#[async_trait]
impl Middleware for Caller {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let headers = self.0.propagation_headers(None).unwrap_or_default();
        for (name, value) in headers {
            let name = HeaderName::try_from(name);
            let value = HeaderValue::try_from(value);
            if let (Ok(name), Ok(value)) = (name, value) {
                request.headers_mut().insert(name, value);
            }
        }
        next.run(request, extensions).await
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Caller").finish_non_exhaustive()
    }
}
