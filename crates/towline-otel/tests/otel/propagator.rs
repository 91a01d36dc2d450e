//! What is read of carriers, and written into them.

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanKind, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Sampler;
use towline_core::{ClockMode, Config};

use crate::carrier::{Came, Goes, headers};
use crate::log::warnings;
use crate::traced::{CALLER, TRACE, TRACEPARENT, Traced, nonce};

#[test]
fn a_clock_that_came_is_gone_on_from() {
    let traced = Traced::new();
    let served = traced.served();
    let sent = traced
        .inject(&traced.span(SpanKind::Client, &served))
        .clock
        .unwrap();
    let own = nonce(&served);
    assert_eq!(
        sent.as_str(),
        format!(r#"v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/{own}:2;x="2""#)
    );
    assert_eq!(traced.counted(), "");
}

#[test]
fn the_member_of_tracestate_stands_for_a_clock_that_an_unclocked_service_lost() {
    let traced = Traced::new();
    let fields = [
        ("traceparent", TRACEPARENT),
        ("tracestate", "foo=1,towline=a3f9c21b:2x2"),
    ];
    let served = traced.span(SpanKind::Server, &traced.extract(&fields));
    let sent = traced.inject(&traced.span(SpanKind::Client, &served));
    let own = nonce(&served);
    assert_eq!(
        sent.clock.unwrap().as_str(),
        format!(r#"v2;t=1c80319c, _#/a3f9c21b:2, shop#1/{own}:2;g;x="2""#)
    );
    // Ours is first, that of the caller is gone, those of others stay.
    assert_eq!(
        sent.tracestate.unwrap(),
        format!("towline=a3f9c21b:2/{own}:2gx2,foo=1")
    );
}

#[test]
fn what_cannot_be_read_begins_a_first_strand_and_is_counted() {
    let other = CALLER.replace("1c80319c", "00000001");
    let long = format!("{CALLER}{}", " ".repeat(4096));
    let member = ("tracestate", "towline=nonsense");
    let cases: [(&str, &[(&'static str, &str)]); 7] = [
        (
            "clock/malformed=1",
            &[("raceway-clock", "v2;t=1c80319c, web")],
        ),
        ("clock/other_trace=1", &[("raceway-clock", &other)]),
        ("clock/version=1", &[("raceway-clock", "v1;e30")]),
        (
            "clock/duplicate=1",
            &[("raceway-clock", CALLER), ("raceway-clock", CALLER)],
        ),
        ("clock/too_long=1", &[("raceway-clock", &long)]),
        ("member/malformed=1", &[member]),
        // The member is not looked at beside a clock that was refused.
        (
            "clock/malformed=1",
            &[
                ("raceway-clock", "v2;t=1c80319c, ?"),
                ("tracestate", "towline=a3f9c21b:2x2"),
            ],
        ),
    ];
    for (counted, fields) in cases {
        let traced = Traced::new();
        let fields = [&[("traceparent", TRACEPARENT)], fields].concat();
        let served = traced.span(SpanKind::Server, &traced.extract(&fields));
        let sent = traced.inject(&traced.span(SpanKind::Client, &served));
        let expected = format!(r#"v2;t=1c80319c, shop#1/{}:2;x="2""#, nonce(&served));
        assert_eq!(sent.clock.unwrap().as_str(), expected, "{fields:?}");
        assert_eq!(traced.counted(), counted, "{fields:?}");
        assert!(sent.traceparent.unwrap().contains(TRACE), "{fields:?}");
    }
}

#[test]
fn a_clock_without_a_traceparent_is_dropped_and_counted() {
    let traced = Traced::new();
    let cx = traced.extract(&[("raceway-clock", CALLER)]);
    assert!(!cx.span().span_context().is_valid());
    assert_eq!(traced.counted(), "clock/no_traceparent=1");
}

#[test]
fn a_propagator_that_stands_before_tracecontext_is_warned_of_once() {
    let traced = Traced::new();
    let alone = traced.strands.propagator();
    let fields = headers(&[("traceparent", TRACEPARENT), ("raceway-clock", CALLER)]);
    let warned = warnings(|| {
        for _ in 0..2 {
            alone.extract_with_context(&Context::new(), &Came(&fields));
        }
    });
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("behind `tracecontext`"), "{warned:?}");
}

#[test]
fn a_request_that_is_not_sampled_keeps_its_clock() {
    let traced = Traced::with(Config::new(), Sampler::AlwaysOff);
    let served = traced.served();
    let first = traced
        .inject(&traced.span(SpanKind::Client, &served))
        .clock
        .unwrap();
    let second = traced
        .inject(&traced.span(SpanKind::Client, &served))
        .clock
        .unwrap();
    assert_eq!(first.hops().len(), 2, "{first}");
    assert_eq!(first.hops()[0].to_string(), "web#1");
    // One strand, of which each call is a fork of its own.
    assert_eq!(first.hops()[1].nonce, second.hops()[1].nonce);
    assert!(second.as_str().ends_with(r#":3;x="2~ 3""#), "{second}");
}

#[test]
fn a_host_that_is_not_on_the_list_gets_neither_clock_nor_member() {
    let traced = Traced::new();
    let fields = [
        ("traceparent", TRACEPARENT),
        ("tracestate", "foo=1,towline=a3f9c21b:2x2"),
        ("raceway-clock", CALLER),
    ];
    let served = traced.span(SpanKind::Server, &traced.extract(&fields));
    let sent = traced.inject(&traced.call("api.example.com", &served));
    assert_eq!(sent.clock, None);
    assert_eq!(sent.tracestate.as_deref(), Some("foo=1"));
    assert!(sent.traceparent.is_some());
    assert_eq!(traced.counted(), "send/withheld=1");

    let local = traced.inject(&traced.call("stock.internal", &served));
    // What was not sent is no fork, only an event.
    assert!(local.clock.unwrap().as_str().ends_with(r#":3;x="3""#));
}

#[test]
fn a_list_without_room_is_left_to_the_others() {
    let traced = Traced::new();
    let others = (0..32)
        .map(|nth| format!("k{nth}=v"))
        .collect::<Vec<_>>()
        .join(",");
    let fields = [
        ("traceparent", TRACEPARENT),
        ("tracestate", others.as_str()),
    ];
    let served = traced.span(SpanKind::Server, &traced.extract(&fields));
    let sent = traced.inject(&traced.span(SpanKind::Client, &served));
    assert_eq!(sent.tracestate, Some(others));
    assert!(sent.clock.is_some());
    assert_eq!(traced.counted(), "tracestate/too_long=1");
}

#[test]
fn spans_that_no_processor_sees_are_warned_of_once() {
    use opentelemetry::trace::{Tracer, TracerProvider};
    let traced = Traced::new();
    let strange = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let tracer = strange.tracer("strange");
    let cx = Context::new().with_span(tracer.start_with_context("work", &Context::new()));
    let warned = warnings(|| {
        for _ in 0..2 {
            let sent = traced.inject(&cx);
            assert_eq!(sent.clock, None);
            assert!(sent.traceparent.is_some());
        }
    });
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("SpanProcessor"), "{warned:?}");
    assert_eq!(traced.counted(), "context/none=2");
}

#[test]
fn a_tracing_span_without_a_span_of_this_version_is_warned_of_once() {
    let traced = Traced::new();
    let warned = warnings(|| {
        let span = tracing::error_span!("of another version");
        let _entered = span.enter();
        for _ in 0..2 {
            traced.inject(&Context::new());
        }
    });
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(
        warned[0].contains("cargo tree -i opentelemetry"),
        "{warned:?}"
    );
    assert_eq!(traced.counted(), "context/none=2");
}

#[test]
fn a_clock_that_is_off_is_neither_read_nor_written_nor_stamped() {
    for config in [
        Config::new().clock(ClockMode::Off),
        Config::new().disabled(true),
    ] {
        let traced = Traced::with(config, Sampler::AlwaysOn);
        let served = traced.served();
        let sent = traced.inject(&served);
        assert_eq!((sent.clock, sent.tracestate), (None, None));
        served.span().end();
        let span = traced.exported_span(&served);
        assert!(span.attributes.is_empty(), "{span:?}");
        assert_eq!(traced.counted(), "");
    }
}

#[test]
fn clocks_of_version_1_are_not_written_and_that_is_said() {
    let config = Config::new().clock(ClockMode::V1);
    let traced = Traced::with(config, Sampler::AlwaysOn);
    let served = traced.served();
    let warned = warnings(|| assert_eq!(traced.inject(&served).clock, None));
    assert!(
        warned.iter().any(|line| line.contains("version 1")),
        "{warned:?}"
    );
}

#[test]
fn its_fields_are_those_that_it_writes() {
    let propagator = Traced::new().strands.propagator();
    assert_eq!(
        propagator.fields().collect::<Vec<_>>(),
        ["raceway-clock", "tracestate"]
    );
}

#[test]
fn tracecontext_alone_sends_on_the_callers_member_and_ours_takes_it_out() {
    let traced = Traced::new();
    let fields = [
        ("traceparent", TRACEPARENT),
        ("tracestate", "towline=a3f9c21b:2x2"),
    ];
    let served = traced.span(SpanKind::Server, &traced.extract(&fields));
    let mut goes = Goes::default();
    TraceContextPropagator::new().inject_context(&served, &mut goes);
    assert_eq!(goes.get("tracestate"), Some("towline=a3f9c21b:2x2"));
    let off = Traced::with(Config::new().tracestate(false), Sampler::AlwaysOn);
    let served = off.span(SpanKind::Server, &off.extract(&fields));
    assert_eq!(off.inject(&served).tracestate, None);
}

#[test]
fn labels_are_hashed_for_hosts_that_were_added_to_the_list() {
    let config = Config::new().hash_labels(true).propagate_to("example.com");
    let traced = Traced::with(config, Sampler::AlwaysOn);
    let served = traced.served();
    let near = traced
        .inject(&traced.call("stock.internal", &served))
        .clock
        .unwrap();
    let far = traced
        .inject(&traced.call("api.example.com", &served))
        .clock
        .unwrap();
    assert_eq!(near.hops()[0].to_string(), "web#1");
    // The first digits of the SHA-256 of each.
    let hops: Vec<_> = far.hops().iter().map(ToString::to_string).collect();
    assert!(
        hops[0].ends_with("#6b86b273") && hops[1].ends_with("#6b86b273"),
        "{far}"
    );
    assert_ne!(hops[0], near.hops()[0].to_string());
    assert!(
        !far.as_str().contains("shop") && !far.as_str().contains("web"),
        "{far}"
    );
}

#[test]
fn clocks_that_are_too_long_are_cut_or_not_sent_and_counted() {
    for (bytes, counted) in [(75, "send/cut=1"), (20, "send/too_long=1")] {
        // What came is read by the same limit.
        let config = Config::new().header_bytes_max(bytes);
        let traced = Traced::with(config, Sampler::AlwaysOn);
        let root = traced.span(SpanKind::Internal, &Context::new());
        let mut sent = None;
        // Every other one stays open: no range covers them all.
        let calls = [(); 8].map(|()| {
            let call = traced.span(SpanKind::Client, &root);
            sent = traced.inject(&call).clock;
            traced.inject(&root);
            call
        });
        let key = counted.split('=').next().unwrap();
        assert!(traced.counted().contains(key), "{}", traced.counted());
        assert_eq!(sent.is_some(), bytes > 20);
        drop(calls);
    }
}
