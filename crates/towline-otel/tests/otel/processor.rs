//! What spans are to strands, and how they are stamped.

use opentelemetry::Context;
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use towline_core::{Clock, Config, Order, Towline};
use towline_otel::Strands;

use crate::traced::{Traced, callee, nonce};

#[test]
fn a_local_child_shares_its_parents_strand() {
    let traced = Traced::new();
    let served = traced.served();
    let child = traced.span(SpanKind::Internal, &served);
    let grandchild = traced.span(SpanKind::Internal, &child);
    for cx in [&grandchild, &child, &served] {
        cx.span().end();
    }
    let own = nonce(&served);
    let path = format!("v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/{own}");
    assert_eq!(traced.exported(&child).as_str(), format!("{path}:3"));
    assert_eq!(traced.exported(&grandchild).as_str(), format!("{path}:3"));
    assert_eq!(traced.exported(&served).as_str(), format!("{path}:4;e"));
}

#[test]
fn a_span_without_a_parent_begins_a_first_strand() {
    let traced = Traced::new();
    let root = traced.span(SpanKind::Internal, &Context::new());
    root.span().end();
    let clock = traced.exported(&root);
    let trace = root.span().span_context().trace_id().to_string();
    assert_eq!(
        clock.as_str(),
        format!("v2;t={}, shop#1/{}:2;e", &trace[24..], nonce(&root))
    );
}

#[test]
fn a_call_without_a_parent_begins_a_strand_and_forks_it() {
    let traced = Traced::new();
    let call = traced.span(SpanKind::Client, &Context::new());
    let sent = traced.inject(&call).clock.unwrap();
    assert!(
        sent.as_str()
            .ends_with(&format!("shop#1/{}:2;x=\"2\"", nonce(&call))),
        "{sent}"
    );
    call.span().end();
    assert!(traced.exported(&call).as_str().ends_with(":3;e;x=\"2~\""));
}

#[test]
fn a_call_is_a_fork_that_its_spans_end_marks() {
    let traced = Traced::new();
    let served = traced.served();
    let call = traced.span(SpanKind::Client, &served);
    let sent = traced.inject(&call).clock.unwrap();
    let answer = callee(&sent);
    call.span().end();
    assert!(traced.exported(&call).as_str().ends_with(":2;x=\"2~\""));
    served.span().end();
    let end = traced.exported(&served);
    assert_eq!(sent.compare(&answer), Order::Before);
    assert_eq!(sent.compare(&end), Order::Before);
    // It was answered, perhaps, but no answer is ever seen.
    assert_eq!(answer.compare(&end), Order::Unknown);
}

#[test]
fn calls_at_once_go_out_with_the_clock_of_their_own_start() {
    let traced = Traced::new();
    let served = traced.served();
    let calls = [(); 2].map(|()| traced.span(SpanKind::Client, &served));
    // The later one leaves first.
    let second = traced.inject(&calls[1]).clock.unwrap();
    let first = traced.inject(&calls[0]).clock.unwrap();
    assert!(first.as_str().ends_with(":2;x=\"2\""), "{first}");
    assert!(second.as_str().ends_with(":3;x=\"2-3\""), "{second}");
    assert_eq!(callee(&first).compare(&callee(&second)), Order::Concurrent);
}

#[test]
fn each_attempt_below_one_span_is_a_fork_of_its_own() {
    let traced = Traced::new();
    let served = traced.served();
    let call = traced.span(SpanKind::Client, &served);
    let clocks = [(); 2].map(|()| traced.inject(&call).clock.unwrap());
    assert_ne!(clocks[0], clocks[1]);
    assert_eq!(
        callee(&clocks[0]).compare(&callee(&clocks[1])),
        Order::Concurrent
    );
    call.span().end();
    assert!(traced.exported(&call).as_str().ends_with(":3;x=\"2-3~\""));
}

#[test]
fn a_client_span_that_sends_no_clock_leaves_nothing_in_it() {
    let traced = Traced::new();
    let served = traced.served();
    for _ in 0..1000 {
        traced.span(SpanKind::Client, &served).span().end();
    }
    served.span().end();
    assert!(traced.exported(&served).as_str().ends_with(":1002;e"));
}

#[test]
fn a_message_is_detached() {
    let traced = Traced::new();
    let served = traced.served();
    let message = traced.span(SpanKind::Producer, &served);
    let sent = traced.inject(&message).clock.unwrap();
    assert!(sent.as_str().ends_with(":2"), "{sent}");
    message.span().end();
    served.span().end();
    let end = traced.exported(&served);
    assert!(end.as_str().ends_with(":3;e"), "{end}");
    let handled = callee(&sent);
    assert!(handled.as_str().contains(";d"), "{handled}");
    assert_eq!(handled.compare(&end), Order::Concurrent);
}

#[test]
fn a_carrier_written_without_a_client_span_is_a_fork_that_cannot_be_told() {
    let traced = Traced::new();
    let served = traced.served();
    let sent = traced.inject(&served).clock.unwrap();
    assert!(sent.as_str().ends_with(":2;x=\"2\""), "{sent}");
    served.span().end();
    assert_eq!(
        callee(&sent).compare(&traced.exported(&served)),
        Order::Unknown
    );
}

#[test]
fn work_after_the_end_is_a_strand_of_its_own() {
    let traced = Traced::new();
    let served = traced.served();
    served.span().end();
    let end = traced.exported(&served);
    let late = traced.span(SpanKind::Internal, &served);
    late.span().end();
    let clock = traced.exported(&late);
    assert_eq!(clock.hops().len(), 3, "{clock}");
    assert_eq!(end.compare(&clock), Order::Before, "{clock}");
}

#[test]
fn each_request_has_a_strand_of_its_own() {
    let traced = Traced::new();
    let clocks = [(); 2].map(|()| {
        let served = traced.served();
        served.span().end();
        traced.exported(&served)
    });
    assert_eq!(clocks[0].compare(&clocks[1]), Order::Concurrent);
}

#[test]
fn alone_it_stamps_the_start() {
    let strands = Strands::from(&Towline::new(
        Config::new().service_name("shop").instance("1"),
    ));
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(strands.processor())
        .with_simple_exporter(exporter.clone())
        .build();
    let tracer = provider.tracer("traced");
    tracer.in_span("work", |_| {});
    let spans = exporter.get_finished_spans().unwrap();
    let clock = Clock::parse(spans[0].attributes[0].value.as_str().as_ref()).unwrap();
    assert_eq!(clock.tick(), 1);
    provider.shutdown().unwrap();
}

#[test]
fn more_attempts_than_are_remembered_cannot_be_told_at_once() {
    let traced = Traced::new();
    let served = traced.served();
    let call = traced.span(SpanKind::Client, &served);
    let clocks: Vec<_> = (0..65)
        .map(|_| traced.inject(&call).clock.unwrap())
        .collect();
    // The last one is marked, the others wait for the span's end.
    served.span().end();
    assert!(
        traced
            .exported(&served)
            .as_str()
            .ends_with(";x=\"2-65 66~\"")
    );
    assert_eq!(clocks[64].tick(), 66);
}

#[test]
fn after_a_shutdown_nothing_is_followed() {
    let traced = Traced::new();
    let served = traced.served();
    traced.shut_down();
    // It is as if no processor had seen it, but the request's strand is still known.
    let clock = traced.inject(&served).clock.unwrap();
    assert_eq!(clock.hops().len(), 2, "{clock}");
    let root = traced.span(SpanKind::Internal, &Context::new());
    assert!(traced.inject(&root).clock.is_none());
}
