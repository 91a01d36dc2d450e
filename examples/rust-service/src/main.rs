//! The Rust demo service: an axum router in a Towline layer, and a reqwest client that carries the
//! context on. What it offers is described in `spec/services.md`.

#![allow(
    clippy::print_stdout,
    reason = "whoever starts it waits for the line that names its port"
)]

mod fault;
mod process;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use towline::{Config, Propagate, STATUS_PATH, ServerLayer, Status, Towline};

use fault::Faults;

const BODY_BYTES_MAX: usize = 1 << 20;
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Service {
    towline: Towline,
    client: ClientWithMiddleware,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_ansi(false).init();
    let towline =
        Towline::new(Config::new().filter(|_, path| path != "/health" && path != STATUS_PATH));
    let faults = Faults::of_environment(&towline.settings().service_name)?;

    // What a user writes: the middleware around the client, the layer around the router.
    let client = reqwest::Client::builder()
        .timeout(CALL_TIMEOUT)
        .redirect(Policy::none())
        .build()?;
    let client = ClientBuilder::new(client)
        .with(Propagate::from(&towline).follow_redirects())
        .with(faults.clone())
        .build();
    let service = Service {
        towline: towline.clone(),
        client,
    };
    let app =
        Router::new()
            .route("/health", get(health))
            .route_service(STATUS_PATH, Status::from(&towline))
            .route("/process", post(process::process))
            .route("/test", post(process::test))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(service)
            .layer(ServerLayer::from(&towline).peer_address(|extensions| {
                Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip())
            }))
            .layer(axum::middleware::from_fn_with_state(faults, fault::wire));

    let port = std::env::var("PORT")
        .ok()
        .filter(|port| !port.is_empty())
        .map_or(Ok(6004), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!(
        "{} listening on {}",
        towline.settings().service_name,
        listener.local_addr()?
    );
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped())
        .await?;
    Ok(())
}

async fn health(State(service): State<Service>) -> Json<Value> {
    let settings = service.towline.settings();
    Json(
        json!({ "service": *settings.service_name, "instance": *settings.instance, "status": "healthy" }),
    )
}

async fn stopped() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
