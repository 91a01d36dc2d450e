//! OpenTelemetry's spans in a request that Towline serves.

use opentelemetry::Context;
use opentelemetry::trace::{SpanKind, TraceContextExt};
use towline_core::{Clock, Order, Outcome, Peer};

use crate::log::warnings;
use crate::traced::{CALLER, TRACEPARENT, Traced, callee};

#[test]
fn one_request_has_one_strand() {
    let traced = Traced::new();
    let fields = [("traceparent", TRACEPARENT), ("raceway-clock", CALLER)];
    let towline = traced.strands.towline();
    let place = towline.accept(fields.as_slice(), &Peer::default());
    let path = format!(
        "v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/{:08x}:",
        place.span_id().low32()
    );
    let (span, call, sent) = place.scope(|| {
        let span = traced.span(SpanKind::Server, &traced.extract(&fields));
        let call = traced.call("127.0.0.1", &span);
        let sent = traced.inject(&call);
        call.span().end();
        span.span().end();
        (span, call, sent)
    });
    for cx in [&span, &call] {
        let clock = traced.exported(cx);
        assert!(clock.as_str().starts_with(&path), "{clock}");
        // Towline's middleware ends it, not the span.
        assert!(!clock.has_ended(), "{clock}");
    }
    let sent = sent.clock.unwrap();
    assert!(sent.as_str().starts_with(&path), "{sent}");
    let end = place.end(Outcome::Ok).unwrap();
    assert_eq!(sent.compare(&end), Order::Before);
    assert_eq!(callee(&sent).compare(&end), Order::Unknown, "{end}");
}

#[test]
fn a_host_off_the_list_gets_no_clock_of_towlines_either() {
    let traced = Traced::new();
    let fields = [("traceparent", TRACEPARENT), ("raceway-clock", CALLER)];
    let place = traced
        .strands
        .towline()
        .accept(fields.as_slice(), &Peer::default());
    let sent = place.scope(|| {
        let span = traced.span(SpanKind::Server, &traced.extract(&fields));
        traced.inject(&traced.call("api.example.com", &span))
    });
    assert_eq!(sent.clock, None);
    assert!(
        traced.counted().contains("send/withheld=1"),
        "{}",
        traced.counted()
    );
}

#[test]
fn a_trace_of_its_own_inside_towlines_request_is_warned_of_once() {
    let traced = Traced::new();
    let fields = [("traceparent", TRACEPARENT)];
    let place = traced
        .strands
        .towline()
        .accept(fields.as_slice(), &Peer::default());
    let warned = warnings(|| {
        place.scope(|| {
            for _ in 0..2 {
                traced.span(SpanKind::Server, &Context::new());
            }
        });
    });
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("a trace of its own"), "{warned:?}");
}

#[test]
fn another_request_than_the_one_served_begins_a_strand_of_its_own() {
    let traced = Traced::new();
    let place = traced
        .strands
        .towline()
        .accept([("traceparent", TRACEPARENT)].as_slice(), &Peer::default());
    let other = TRACEPARENT.replace("b7ad6b71", "11111111");
    let span = place.scope(|| {
        let fields = [("traceparent", other.as_str()), ("raceway-clock", CALLER)];
        traced.span(SpanKind::Server, &traced.extract(&fields))
    });
    span.span().end();
    let clock = traced.exported(&span);
    assert_eq!(clock.hops().len(), 2, "{clock}");
    assert!(Clock::parse(CALLER).unwrap().compare(&clock) == Order::Before);
}
