//! Requests to services: bounded in time and in size, and sent where they were told to go.

use std::error::Error;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use serde::Deserialize;
use towline_probe::{Answer, Probe, Status, Trail, TrailAnswer, show};

/// The longest answer of a probe, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// The longest answer of a health check, in bytes.
const HEALTH_BYTES_MAX: usize = 64 << 10;
/// The longest status of a service, in bytes.
const STATUS_BYTES_MAX: usize = 256 << 10;
/// How long a health check may take.
const HEALTH_WAIT: Duration = Duration::from_secs(2);

/// A client that follows no redirect and asks no proxy: what is probed is the address given.
pub(crate) fn client() -> anyhow::Result<Client> {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .user_agent(concat!("towline/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("the HTTP client cannot start")
}

/// Sends a probe's request.
pub(crate) async fn send(
    client: &Client,
    probe: &Probe<'_>,
    wait: Duration,
) -> anyhow::Result<Answer> {
    let mut request = client.post(probe.url()).timeout(wait).body(probe.body());
    for (name, value) in probe.headers() {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|error| reason(&error))?;
    Ok(Answer {
        status: response.status().as_u16(),
        clock: clock(&response),
        body: body(response, ANSWER_BYTES_MAX).await?,
    })
}

/// A request to any service, without what the probe adds.
pub(crate) struct Plain {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Sends it with what the probe adds. Of the answer only the head counts; its body is read so that
/// the service sees its caller stay, as far as it is not too long.
pub(crate) async fn send_trail(
    client: &Client,
    trail: &Trail,
    plain: Plain,
    wait: Duration,
) -> anyhow::Result<TrailAnswer> {
    let mut request = client
        .request(plain.method, trail.url())
        .headers(plain.headers)
        .timeout(wait)
        .body(plain.body);
    for (name, value) in trail.headers() {
        let mut value = HeaderValue::from_str(value).context("the token is no header value")?;
        value.set_sensitive(name == "towline-probe");
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|error| reason(&error))?;
    let answer = TrailAnswer {
        status: response.status().as_u16(),
        clock: clock(&response),
        hops: fields(&response, "towline-hops"),
    };
    // An answer that breaks off has said in its head what is asked here.
    let _ = body(response, ANSWER_BYTES_MAX).await;
    Ok(answer)
}

/// What is said at a place where a service may have its status.
pub(crate) enum Told {
    /// A status.
    Status(Box<Status>),
    /// Something else; the text says what.
    Other(String),
    /// Nothing; the text says why.
    Nothing(String),
}

/// Asks a service for its status.
pub(crate) async fn status(client: &Client, url: &str, wait: Duration) -> Told {
    let response = match client.get(url).timeout(wait).send().await {
        Ok(response) => response,
        Err(error) => return Told::Nothing(format!("{:#}", reason(&error))),
    };
    let (status, media_type) = (response.status(), media_type(&response));
    let body = match body(response, STATUS_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => return Told::Other(format!("{error:#}")),
    };
    match Status::read(&body) {
        Ok(told) if status.is_success() => Told::Status(Box::new(told)),
        Ok(_) => Told::Other(format!("it answered {}", status.as_u16())),
        Err(_) if !status.is_success() || !media_type.contains("json") => Told::Other(format!(
            "it answered {} with {} bytes of {media_type}",
            status.as_u16(),
            body.len()
        )),
        Err(error) => Told::Other(error),
    }
}

/// All `raceway-clock` fields, joined.
fn clock(response: &Response) -> Option<String> {
    let clocks = fields(response, "raceway-clock");
    (!clocks.is_empty()).then(|| clocks.join(", "))
}

fn fields(response: &Response, name: &str) -> Vec<String> {
    let fields = response.headers().get_all(name);
    fields
        .iter()
        .map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned())
        .collect()
}

/// What `GET /health` answers (`spec/services.md`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Health {
    pub(crate) service: String,
    pub(crate) instance: String,
    pub(crate) status: String,
}

/// What is at an address.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nobody listens there.
    Nobody,
    /// A service that is healthy.
    Healthy(Health),
    /// Something else; the text says what it answered.
    Other(String),
}

/// Asks what is at `url`, the root of a service.
pub(crate) async fn health(client: &Client, url: &str) -> Found {
    let response = match client
        .get(format!("{url}/health"))
        .timeout(HEALTH_WAIT)
        .send()
        .await
    {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Found::Nobody,
        Err(error) => return Found::Other(format!("{:#}", reason(&error))),
    };
    let status = response.status();
    let (media_type, body) = match (
        media_type(&response),
        body(response, HEALTH_BYTES_MAX).await,
    ) {
        (media_type, Ok(body)) => (media_type, body),
        (_, Err(error)) => return Found::Other(format!("{error:#}")),
    };
    match serde_json::from_slice::<Health>(&body) {
        Ok(health) if status.is_success() && health.status == "healthy" => Found::Healthy(health),
        Ok(health) => Found::Other(format!(
            "/health answered {}: {}#{} is {}",
            status.as_u16(),
            show(&health.service),
            show(&health.instance),
            show(&health.status)
        )),
        Err(_) => Found::Other(format!(
            "/health answered {} with {} bytes of {media_type}",
            status.as_u16(),
            body.len()
        )),
    }
}

fn media_type(response: &Response) -> String {
    let value = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or("no media type").chars().take(80).collect()
}

async fn body(mut response: Response, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + chunk.len() > bytes_max {
            bail!("the answer is longer than {bytes_max} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What lies at the root of an error of the client, whose own text repeats the URL.
fn reason(error: &reqwest::Error) -> anyhow::Error {
    if error.is_timeout() {
        return anyhow!("no answer in time");
    }
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    anyhow!("{deepest}")
}
