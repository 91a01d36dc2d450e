//! `POST /process` and `POST /test`: calls other services, and tells what was on the wire.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use towline::{CurrentContext, InContext};

use crate::Service;
use crate::fault::{Seen, Wire};

const CALLS_MAX: usize = 64;

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Sequential,
    Parallel,
}

/// The body of `/process`; the second form is the one with `downstream`.
#[derive(Deserialize)]
pub(crate) struct Work {
    payload: String,
    #[serde(default)]
    calls: Vec<CallTo>,
    #[serde(default)]
    mode: Mode,
    downstream: Option<String>,
    next_downstream: Option<String>,
    next_next_downstream: Option<String>,
}

#[derive(Clone, Deserialize)]
struct CallTo {
    url: String,
    payload: Option<String>,
    #[serde(default)]
    calls: Vec<Value>,
    #[serde(default)]
    mode: Mode,
}

/// One call that was made.
#[derive(Serialize)]
struct Called {
    url: String,
    span_id: Option<String>,
    #[serde(rename = "sentHeaders")]
    sent_headers: Seen,
    status: Option<u16>,
    #[serde(rename = "answerHeaders")]
    answer_headers: Seen,
    answer: Option<Value>,
    error: Option<String>,
}

/// Why a body is not a request of `/process`.
pub(crate) struct Refused(String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.0 }))).into_response()
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.body_text())
    }
}

pub(crate) async fn process(
    State(service): State<Service>,
    CurrentContext(context): CurrentContext,
    Extension(received): Extension<Seen>,
    work: Result<Json<Work>, JsonRejection>,
) -> Result<Json<Value>, Refused> {
    let Json(work) = work?;
    let calls = planned(&work)?;
    let wires = || Wire::new(&received);
    let mut called = Vec::with_capacity(calls.len());
    match work.mode {
        Mode::Sequential => {
            for (url, body) in calls {
                called.push(call(service.clone(), url, body, wires()).await);
            }
        }
        Mode::Parallel => {
            let sent: Vec<_> = calls
                .into_iter()
                .map(|(url, body)| tokio::spawn(call(service.clone(), url, body, wires()).forked()))
                .collect();
            for task in sent {
                called.push(
                    task.await
                        .map_err(|error| Refused(error.to_string()))?
                        .join(),
                );
            }
        }
    }
    let downstream = work
        .downstream
        .and_then(|_| called.first_mut()?.answer.take());
    let settings = service.towline.settings();
    Ok(Json(json!({
        "service": *settings.service_name,
        "instance": *settings.instance,
        "payload": work.payload,
        "trace_id": context.trace_id().to_string(),
        "span_id": context.span_id().to_string(),
        "parent_id": context.parent_id().map(|id| id.to_string()),
        "flags": context.flags().to_string(),
        "receivedHeaders": received,
        "clock": context.stamp().as_str(),
        "calls": called,
        "downstream": downstream,
    })))
}

/// Where to call, and with which bodies.
fn planned(work: &Work) -> Result<Vec<(Url, Value)>, Refused> {
    if let Some(downstream) = &work.downstream {
        if !work.calls.is_empty() {
            return Err(Refused(
                "a body has `calls` or `downstream`, not both".to_owned(),
            ));
        }
        let mut body = json!({ "payload": work.payload });
        for (name, url) in [
            ("downstream", &work.next_downstream),
            ("next_downstream", &work.next_next_downstream),
        ] {
            if let (Some(url), Some(body)) = (url, body.as_object_mut()) {
                body.insert(name.to_owned(), url.as_str().into());
            }
        }
        return Ok(vec![(process_url(downstream)?, body)]);
    }
    if work.calls.len() > CALLS_MAX {
        return Err(Refused(format!(
            "{} calls, the limit is {CALLS_MAX}",
            work.calls.len()
        )));
    }
    work.calls
        .iter()
        .map(|to| {
            let payload = to.payload.as_ref().unwrap_or(&work.payload);
            let body = json!({ "payload": payload, "calls": to.calls, "mode": to.mode });
            Ok((process_url(&to.url)?, body))
        })
        .collect()
}

/// An url without a path means `/process` there.
fn process_url(text: &str) -> Result<Url, Refused> {
    let mut url = Url::parse(text).map_err(|error| Refused(format!("url `{text}`: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused(format!("url `{text}` is not http or https")));
    }
    if url.path() == "/" {
        url.set_path("/process");
    }
    Ok(url)
}

async fn call(service: Service, url: Url, body: Value, wire: Wire) -> Called {
    let sending = service
        .client
        .post(url.clone())
        .json(&body)
        .with_extension(wire.clone())
        .send();
    let (mut status, mut headers, mut answer, mut error) = (None, HeaderMap::new(), None, None);
    match sending.await {
        Ok(response) => {
            status = Some(response.status().as_u16());
            headers = response.headers().clone();
            match response.json::<Value>().await {
                Ok(value) => answer = Some(value),
                Err(why) => error = Some(why.to_string()),
            }
        }
        Err(why) => error = Some(why.to_string()),
    }
    let sent = wire.sent();
    Called {
        url: url.into(),
        span_id: sent.span_id,
        sent_headers: sent.headers,
        status,
        answer_headers: Seen::of(&headers),
        answer,
        error,
    }
}

#[derive(Deserialize)]
pub(crate) struct TestCall {
    url: String,
    #[serde(default)]
    arguments: Value,
}

pub(crate) async fn test(
    State(service): State<Service>,
    calls: Result<Json<Vec<TestCall>>, JsonRejection>,
) -> Result<Json<Value>, Refused> {
    let Json(calls) = calls?;
    for TestCall { url, arguments } in calls {
        if let Err(error) = service.client.post(&url).json(&arguments).send().await {
            tracing::warn!(%url, %error, "a call of /test was not answered");
        }
    }
    Ok(Json(json!({})))
}
