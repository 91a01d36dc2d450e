//! Services that answer with hop records (`spec/edge.md`, "Probe"), in memory, and what may stand
//! between them.

use serde_json::{Value, json};
use towline_core::{
    Clock, ClockError, Component, Fork, Limits, SpanId, Strand, TraceFlags, TraceId,
    TraceparentError, read,
};
use towline_probe::{Ids, Trail, TrailAnswer, TrailReport};

/// What stands between a service and its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    Nothing,
    /// Takes a header out of requests.
    Strips(&'static str),
    /// Sends a header twice.
    Doubles(&'static str),
    /// Puts another value in.
    Rewrites(&'static str, &'static str),
    /// Has a span of its own in the same trace.
    Traces,
    /// Begins a trace of its own.
    Restarts,
    /// Turns the sampled flag over.
    Flips,
    /// Takes a header out of answers.
    StripsAnswer(&'static str),
}

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Towline,
    /// Passes trace context on, and nothing of ours.
    OpenTelemetry,
    /// Has another token.
    OtherToken,
    /// Answers no call.
    Silent,
    /// Writes something else into `towline-hops`.
    Strange,
    /// Restarts the traces of its peers.
    Untrusting,
    /// Has no room for the records of its callees.
    Cut,
    /// Has its clock switched off.
    ClockOff,
}

/// A service and those that it calls, one after the other.
pub(crate) struct Service {
    name: &'static str,
    kind: Kind,
    between: Between,
    calls: Vec<Self>,
}

/// A service that is called by nobody yet, and calls these.
pub(crate) fn service<const N: usize>(name: &'static str, calls: [Service; N]) -> Service {
    Service {
        name,
        kind: Kind::Towline,
        between: Between::Nothing,
        calls: calls.into(),
    }
}

impl Service {
    pub(crate) fn is(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn behind(self, between: Between) -> Self {
        Self { between, ..self }
    }
}

type Headers = Vec<(String, String)>;

/// Sends a trail through `first`.
pub(crate) fn trail(first: &Service) -> TrailReport {
    let trail = Trail::new(
        &format!("http://{}:1/orders", first.name),
        Ids::random(),
        TraceFlags::from_bits_truncate(3),
        "1",
    );
    let headers = trail.headers();
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    match call(first, headers.collect()) {
        None => trail.failed("connection refused"),
        Some(answer) => trail.finish(&TrailAnswer {
            status: 200,
            clock: field(&answer, "raceway-clock"),
            hops: all(&answer, "towline-hops"),
        }),
    }
}

fn all(headers: &Headers, name: &str) -> Vec<String> {
    let named = headers.iter().filter(|(key, _)| key == name);
    named.map(|(_, value)| value.clone()).collect()
}

fn field(headers: &Headers, name: &str) -> Option<String> {
    all(headers, name).into_iter().next()
}

/// A call as it comes to a service, and the answer as it comes to its caller.
fn call(to: &Service, mut headers: Headers) -> Option<Headers> {
    let own_span = |parts: Vec<&str>| format!("00-{}-{}-{}", parts[1], SpanId::random(), parts[3]);
    let rewrite = |headers: &mut Headers, change: &dyn Fn(Vec<&str>) -> String| {
        for (_, value) in headers.iter_mut().filter(|(name, _)| name == "traceparent") {
            *value = change(value.split('-').collect());
        }
    };
    match to.between {
        Between::Nothing | Between::StripsAnswer(_) => {}
        Between::Strips(name) => headers.retain(|(key, _)| key != name),
        Between::Doubles(name) => {
            let again = headers.iter().find(|(key, _)| key == name).unwrap().clone();
            headers.push(again);
        }
        Between::Rewrites(name, value) => {
            headers.retain(|(key, _)| key != name);
            headers.push((name.to_owned(), value.to_owned()));
        }
        Between::Traces => rewrite(&mut headers, &own_span),
        Between::Restarts => rewrite(&mut headers, &|_| {
            format!("00-{}-{}-03", TraceId::random(), SpanId::random())
        }),
        Between::Flips => rewrite(&mut headers, &|parts| {
            format!("00-{}-{}-02", parts[1], parts[2])
        }),
    }
    let mut answer = match to.kind {
        Kind::Silent => return None,
        Kind::OpenTelemetry => plain(to, &headers),
        _ => serve(to, &headers),
    };
    if let Between::StripsAnswer(name) = to.between {
        answer.retain(|(key, _)| key != name);
    }
    Some(answer)
}

/// A service that knows only W3C Trace Context.
fn plain(service: &Service, headers: &Headers) -> Headers {
    for next in &service.calls {
        let mut on = Headers::new();
        if let Some(parent) = field(headers, "traceparent") {
            let parts: Vec<&str> = parent.split('-').collect();
            let own = format!("00-{}-{}-{}", parts[1], SpanId::random(), parts[3]);
            on.push(("traceparent".to_owned(), own));
        }
        on.extend(
            headers
                .iter()
                .filter(|(name, _)| name == "tracestate")
                .cloned(),
        );
        call(next, on);
    }
    Headers::new()
}

fn serve(service: &Service, headers: &Headers) -> Headers {
    let span_id = SpanId::random();
    let component = Component::new(service.name, "1");
    let bytes = |name| -> Vec<Vec<u8>> {
        all(headers, name)
            .into_iter()
            .map(String::into_bytes)
            .collect()
    };
    let (parents, states) = (bytes("traceparent"), bytes("tracestate"));
    let incoming = read(
        parents.iter().map(Vec::as_slice),
        states.iter().map(Vec::as_slice),
    );
    let parent_id = match &incoming {
        Ok(incoming) => Some(incoming.context.parent_id),
        Err(_) => None,
    };
    let incoming = incoming
        .map_err(|error| match error {
            TraceparentError::Absent => "absent",
            TraceparentError::Duplicate => "duplicate",
            TraceparentError::Malformed => "malformed",
            TraceparentError::ZeroId => "zero_id",
        })
        .and_then(|incoming| match service.kind {
            Kind::Untrusting => Err("untrusted"),
            _ => Ok(incoming),
        });
    let trace_id = incoming
        .as_ref()
        .map_or_else(|_| TraceId::random(), |incoming| incoming.context.trace_id);
    let flags = incoming
        .as_ref()
        .map_or(3, |incoming| incoming.context.flags.bits());
    let came = all(headers, "raceway-clock");
    let trace = trace_id.low32();
    let (word, mut strand) = match (&incoming, came.as_slice()) {
        (Err(_), [_, ..]) => ("no_traceparent", None),
        (Ok(incoming), []) if incoming.own.is_some() => {
            let own = incoming.own.unwrap();
            let clock = Clock::from_tracestate(own, trace, Limits::DEFAULT).unwrap();
            (
                "member",
                Some(Strand::start(&clock, &component, span_id.low32(), true)),
            )
        }
        (_, []) => ("first", None),
        (Ok(_), [clock]) => match Clock::read(clock.as_bytes(), Limits::DEFAULT, Some(trace)) {
            Ok(clock) => (
                "continued",
                Some(Strand::start(&clock, &component, span_id.low32(), false)),
            ),
            Err(ClockError::OtherTrace) => ("other_trace", None),
            Err(ClockError::Version) => ("version", None),
            Err(ClockError::TooLong { .. }) => ("too_long", None),
            Err(_) => ("malformed", None),
        },
        (Ok(_), _) => ("duplicate", None),
    };
    let is_answered = word == "continued" && service.kind != Kind::ClockOff;
    let strand = strand.get_or_insert_with(|| Strand::first(&component, span_id.low32(), trace));
    let token = field(headers, "towline-probe");
    let mut calls = Vec::new();
    for next in &service.calls {
        let fork = strand.send(Fork::Attached).unwrap();
        let (client, clock) = (SpanId::random(), strand.clock());
        let mut on: Headers = vec![
            (
                "traceparent".to_owned(),
                format!("00-{trace_id}-{client}-{flags:02x}"),
            ),
            (
                "tracestate".to_owned(),
                format!("towline={}", clock.to_tracestate().unwrap()),
            ),
            ("raceway-clock".to_owned(), clock.as_str().to_owned()),
        ];
        if service.kind == Kind::ClockOff {
            on.truncate(1);
        }
        on.extend(
            token
                .clone()
                .map(|token| ("towline-probe".to_owned(), token)),
        );
        let answer = call(next, on);
        let joined = answer
            .as_ref()
            .and_then(|answer| field(answer, "raceway-clock"));
        let joined = joined.is_some_and(|header| {
            strand
                .answer(fork, None, &Clock::parse(&header).unwrap())
                .is_ok()
        });
        let hops: Value = answer
            .as_ref()
            .and_then(|answer| field(answer, "towline-hops"))
            .map_or(Value::Null, |hops| {
                serde_json::from_str(&hops).unwrap_or(json!(hops))
            });
        let word = if joined { "joined" } else { "lost" };
        calls.push(json!({
            "host": format!("{}:1", next.name), "span_id": client.to_string(),
            "status": answer.as_ref().map(|_| 200),
            "answer": answer.as_ref().map(|_| word), "hops": hops,
        }));
    }
    strand.end().unwrap();
    let mut answer = Headers::new();
    if is_answered {
        answer.push((
            "raceway-clock".to_owned(),
            strand.clock().as_str().to_owned(),
        ));
    }
    let mut record = json!({
        "service": service.name, "instance": "1", "trace_id": trace_id.to_string(),
        "span_id": span_id.to_string(), "parent_id": parent_id.map(|id| id.to_string()),
        "flags": format!("{flags:02x}"), "restarted": incoming.err(), "clock": word, "calls": calls,
    });
    if service.kind == Kind::Cut {
        record["calls"] = json!([]);
        record["cut"] = json!(true);
    }
    match (token, service.kind) {
        (None, _) | (_, Kind::OtherToken) => {}
        (_, Kind::Strange) => answer.push(("towline-hops".to_owned(), "{\"hello\": 1}".to_owned())),
        _ => answer.push(("towline-hops".to_owned(), record.to_string())),
    }
    answer
}
