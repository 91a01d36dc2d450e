//! What is on the wire, below the middleware: it is reported, and on request falsified, so that a
//! check can be seen to fail (`spec/services.md`, "Faults").

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use reqwest_middleware::Middleware;
use serde::Serialize;
use towline::STATUS_PATH;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const RACEWAY_CLOCK: HeaderName = HeaderName::from_static("raceway-clock");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    DropTraceparent,
    NewTrace,
    DropClock,
    StaleClock,
    DropClockAnswer,
    StaleClockAnswer,
    WrongParent,
    FlipSampled,
    DropTracestate,
}

const FAULTS: [(&str, Fault); 9] = [
    ("drop-traceparent", Fault::DropTraceparent),
    ("new-trace", Fault::NewTrace),
    ("drop-clock", Fault::DropClock),
    ("stale-clock", Fault::StaleClock),
    ("drop-clock-answer", Fault::DropClockAnswer),
    ("stale-clock-answer", Fault::StaleClockAnswer),
    ("wrong-parent", Fault::WrongParent),
    ("flip-sampled", Fault::FlipSampled),
    ("drop-tracestate", Fault::DropTracestate),
];

/// The faults of this service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<[Fault]>);

/// A fault that there is not, or text that names none.
#[derive(Debug)]
pub(crate) struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TOWLINE_DEMO_FAULT: `{}` is not SERVICE:FAULT with a fault that there is",
            self.0
        )
    }
}

impl std::error::Error for UnknownFault {}

impl Faults {
    /// Those that `TOWLINE_DEMO_FAULT` has for the service of that name.
    pub(crate) fn of_environment(service: &str) -> Result<Self, UnknownFault> {
        Self::parse(
            &std::env::var("TOWLINE_DEMO_FAULT").unwrap_or_default(),
            service,
        )
    }

    fn parse(text: &str, service: &str) -> Result<Self, UnknownFault> {
        let mut faults = Vec::new();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let unknown = || UnknownFault(entry.to_owned());
            let (of, name) = entry.split_once(':').ok_or_else(unknown)?;
            let (_, fault) = FAULTS
                .iter()
                .find(|(known, _)| *known == name)
                .ok_or_else(unknown)?;
            if of == service {
                faults.push(*fault);
            }
        }
        Ok(Self(faults.into()))
    }

    fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

/// Header fields as they were on the wire; several of one name joined.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Seen(BTreeMap<String, String>);

impl Seen {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let joined = |name: &HeaderName| {
            let fields: Vec<_> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            (!fields.is_empty()).then(|| (name.to_string(), fields.join(", ")))
        };
        Self(
            [TRACEPARENT, TRACESTATE, RACEWAY_CLOCK]
                .iter()
                .filter_map(joined)
                .collect(),
        )
    }

    fn get(&self, name: &HeaderName) -> Option<&str> {
        self.0.get(name.as_str()).map(String::as_str)
    }

    /// The parent id of its `traceparent`.
    fn parent_id(&self) -> Option<&str> {
        self.get(&TRACEPARENT)?.get(36..52)
    }
}

/// One call as it was on the wire; handed to the request as an extension.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    received: Seen,
    sent: Arc<Mutex<Sent>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) span_id: Option<String>,
    pub(crate) headers: Seen,
}

impl Wire {
    pub(crate) fn new(received: &Seen) -> Self {
        Self {
            received: received.clone(),
            sent: Arc::default(),
        }
    }

    pub(crate) fn sent(&self) -> Sent {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Outside the server middleware: what came in, and what goes back.
pub(crate) async fn wire(
    State(faults): State<Faults>,
    mut request: Request,
    next: Next,
) -> Response {
    if matches!(request.uri().path(), "/health" | STATUS_PATH) {
        return next.run(request).await;
    }
    let received = Seen::of(request.headers());
    request.extensions_mut().insert(received.clone());
    if faults.has(Fault::NewTrace) {
        request.headers_mut().remove(TRACEPARENT);
    }
    let mut response = next.run(request).await;
    if faults.has(Fault::DropClockAnswer) {
        response.headers_mut().remove(RACEWAY_CLOCK);
    }
    if faults.has(Fault::StaleClockAnswer) {
        put(
            response.headers_mut(),
            RACEWAY_CLOCK,
            received.get(&RACEWAY_CLOCK),
        );
    }
    response
}

/// Below the client middleware: what goes out.
#[async_trait::async_trait]
impl Middleware for Faults {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        if let Some(wire) = extensions.get::<Wire>() {
            let span_id = Seen::of(request.headers()).parent_id().map(str::to_owned);
            self.falsify(request.headers_mut(), &wire.received);
            let headers = Seen::of(request.headers());
            *wire.sent.lock().unwrap_or_else(PoisonError::into_inner) = Sent { span_id, headers };
        }
        next.run(request, extensions).await
    }
}

impl Faults {
    fn falsify(&self, headers: &mut HeaderMap, received: &Seen) {
        let traceparent = Seen::of(headers).get(&TRACEPARENT).map(str::to_owned);
        for fault in self.0.iter() {
            match (fault, &traceparent) {
                (Fault::DropTraceparent, _) => put(headers, TRACEPARENT, None),
                (Fault::DropClock, _) => put(headers, RACEWAY_CLOCK, None),
                (Fault::DropTracestate, _) => put(headers, TRACESTATE, None),
                (Fault::StaleClock, _) => put(headers, RACEWAY_CLOCK, received.get(&RACEWAY_CLOCK)),
                (Fault::WrongParent, Some(value)) => {
                    let wrong = received
                        .parent_id()
                        .map(|parent| value.replace(value.get(36..52).unwrap_or_default(), parent));
                    put(headers, TRACEPARENT, wrong.as_deref());
                }
                (Fault::FlipSampled, Some(value)) => {
                    let (head, flags) = value.split_at(value.len().saturating_sub(2));
                    let flipped = u8::from_str_radix(flags, 16)
                        .map(|flags| format!("{head}{:02x}", flags ^ 1));
                    put(headers, TRACEPARENT, flipped.ok().as_deref());
                }
                _ => {}
            }
        }
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    match value.and_then(|value| HeaderValue::from_str(value).ok()) {
        Some(value) => drop(headers.insert(name, value)),
        None => drop(headers.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_others_are_read_and_not_ours() {
        let faults =
            Faults::parse("go:drop-clock, rust:wrong-parent,rust:new-trace", "rust").unwrap();
        assert_eq!(*faults.0, [Fault::WrongParent, Fault::NewTrace]);
        for text in ["rust", "rust:", "go:no-such-fault", "drop-clock"] {
            assert!(Faults::parse(text, "rust").is_err(), "{text}");
        }
    }

    #[test]
    fn each_fault_of_sending_shows_on_the_wire() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let mut received = HeaderMap::new();
        received.insert(
            TRACEPARENT,
            format!("00-{trace}-00f067aa0ba902b7-03").parse().unwrap(),
        );
        received.insert(
            RACEWAY_CLOCK,
            HeaderValue::from_static("the clock that came"),
        );
        let mut headers = HeaderMap::new();
        headers.insert(
            TRACEPARENT,
            format!("00-{trace}-b7ad6b7169203331-03").parse().unwrap(),
        );
        headers.insert(TRACESTATE, HeaderValue::from_static("foo=1"));
        headers.insert(
            RACEWAY_CLOCK,
            HeaderValue::from_static("the clock that goes"),
        );
        for (fault, name, value) in [
            ("drop-traceparent", TRACEPARENT, None),
            ("drop-clock", RACEWAY_CLOCK, None),
            ("drop-tracestate", TRACESTATE, None),
            (
                "stale-clock",
                RACEWAY_CLOCK,
                Some("the clock that came".to_owned()),
            ),
            (
                "wrong-parent",
                TRACEPARENT,
                Some(format!("00-{trace}-00f067aa0ba902b7-03")),
            ),
            (
                "flip-sampled",
                TRACEPARENT,
                Some(format!("00-{trace}-b7ad6b7169203331-02")),
            ),
        ] {
            let mut falsified = headers.clone();
            let faults = Faults::parse(&format!("rust:{fault}"), "rust").unwrap();
            faults.falsify(&mut falsified, &Seen::of(&received));
            assert_eq!(Seen::of(&falsified).get(&name), value.as_deref(), "{fault}");
            for (other, value) in headers.iter().filter(|(other, _)| **other != name) {
                assert_eq!(falsified.get(other), Some(value), "{fault}");
            }
        }
    }
}
