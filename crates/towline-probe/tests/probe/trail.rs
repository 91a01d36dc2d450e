//! Any chain of services: what drops, restarts, doubles or rewrites is named, and told from what
//! does not know Towline.

use serde_json::Value;
use towline_core::TraceFlags;
use towline_probe::{Ids, Outcome, Trail, TrailAnswer, TrailReport};

use crate::records::{Between, Kind, Service, service, trail};

/// gate → cart → (stock → rows, price).
fn shop(change: impl Fn(Service) -> Service) -> TrailReport {
    let cart = service(
        "cart",
        [
            service("stock", [service("rows", [])]),
            service("price", []),
        ],
    );
    trail(&service("gate", [change(cart)]))
}

fn text(report: &TrailReport) -> String {
    report.text(Default::default())
}

fn codes(report: &TrailReport) -> Vec<&'static str> {
    report
        .findings()
        .iter()
        .map(|finding| finding.cause.code())
        .collect()
}

#[test]
fn a_chain_of_services_is_shown_in_the_order_of_its_calls() {
    let report = shop(|cart| cart);
    assert_eq!(report.outcome(), Outcome::Kept, "{}", text(&report));
    let labels: Vec<String> = report
        .stops()
        .iter()
        .map(towline_probe::Stop::label)
        .collect();
    assert_eq!(
        labels,
        [
            "towline#probe",
            "gate#1",
            "cart#1",
            "stock#1",
            "rows#1",
            "price#1"
        ]
    );
    let callers: Vec<Option<usize>> = report.stops().iter().map(|stop| stop.caller).collect();
    assert_eq!(callers, [None, Some(0), Some(1), Some(2), Some(3), Some(2)]);
    let shown = text(&report);
    assert!(
        shown.contains(
            " 2   cart#1         cart:1     200     same         ok      03     continued  joined\n"
        ),
        "{shown}"
    );
    assert!(
        shown.ends_with("ok: 5 of 5 hops kept the context\n"),
        "{shown}"
    );
    assert_eq!((report.first_fault(), report.first_unknown()), (None, None));
}

#[test]
fn what_stands_between_two_services_is_named() {
    let big = "v2;t=00000000, a#b/00000001:1";
    for (between, code, first) in [
        (
            Between::Strips("traceparent"),
            "TW-P004",
            "STRIPPED between 1 and 2: gate#1 sent traceparent to cart:1, and cart#1 received none",
        ),
        (
            Between::Doubles("traceparent"),
            "TW-P017",
            "DOUBLED between 1 and 2: gate#1 sent one traceparent, and cart#1 received more than one",
        ),
        (
            Between::Rewrites("traceparent", "hello"),
            "TW-P005",
            "ALTERED between 1 and 2: gate#1 sent a good traceparent, and cart#1 received one that nobody may read (malformed)",
        ),
        (
            Between::Traces,
            "TW-P005",
            "ALTERED between 1 and 2: gate#1 sent the parent ",
        ),
        (
            Between::Restarts,
            "TW-P005",
            "ALTERED between 1 and 2: gate#1 sent the trace …",
        ),
        (
            Between::Flips,
            "TW-P011",
            "FLAGS CHANGED between 1 and 2: gate#1 has the flags 03, and cart#1 received 02",
        ),
        (
            Between::Strips("raceway-clock"),
            "TW-P022",
            "CLOCK STRIPPED between 1 and 2: gate#1 called cart:1, and cart#1 received the clock in tracestate alone",
        ),
        (
            Between::Doubles("raceway-clock"),
            "TW-P030",
            "CLOCK DOUBLED between 1 and 2: gate#1 sent one clock, and cart#1 received more than one",
        ),
        (
            Between::Rewrites("raceway-clock", big),
            "TW-P023",
            "CLOCK ALTERED between 1 and 2: gate#1 sent a clock, and cart#1 received another (other_trace)",
        ),
        (
            Between::Rewrites("raceway-clock", "v9"),
            "TW-P023",
            "CLOCK ALTERED between 1 and 2: gate#1 sent a clock, and cart#1 received another (version)",
        ),
        (
            Between::StripsAnswer("raceway-clock"),
            "TW-P031",
            "ANSWER WITHOUT CLOCK between 1 and 2: gate#1 was answered by cart#1 without a clock that it can use",
        ),
    ] {
        let report = shop(|cart| cart.behind(between));
        assert_eq!(report.outcome(), Outcome::Findings, "{between:?}");
        assert_eq!(codes(&report), [code], "{between:?}\n{}", text(&report));
        let fault = report.first_fault().unwrap();
        assert!(fault.starts_with(first), "{between:?}: {fault}");
        // Nothing that is behind is called wrong for it, and nobody is said not to know Towline.
        assert_eq!(report.kept_count(), 4, "{between:?}\n{}", text(&report));
        assert_eq!(report.first_unknown(), None);
    }
}

#[test]
fn a_proxy_is_told_from_a_service_that_restarts() {
    let proxy = shop(|cart| cart.behind(Between::Traces));
    assert!(text(&proxy).contains("something between them has a span of its own"));
    assert_eq!(proxy.findings()[0].hop, None);
    let service = shop(|cart| cart.is(Kind::Untrusting));
    assert_eq!(codes(&service), ["TW-P007"]);
    assert_eq!(service.findings()[0].hop, Some(2));
    assert_eq!(
        service.first_fault().unwrap(),
        "NEW TRACE at 2: cart#1 received traceparent and began a new trace (untrusted)"
    );
}

#[test]
fn the_first_service_that_does_not_know_towline_is_named() {
    let report = shop(|cart| cart.is(Kind::OpenTelemetry));
    assert_eq!(codes(&report), ["TW-P061"]);
    // What it calls has answered it, and cannot be seen.
    assert_eq!(report.hop_count(), 2);
    let shown = text(&report);
    assert!(shown.contains("\n 2   *  "), "{shown}");
    assert!(
        shown.contains("\nunknown     hop 2, at cart:1, called by gate#1, is the first service that does not know Towline; what it calls cannot be seen\n"),
        "{shown}"
    );
    assert_eq!(report.first_fault(), None);
    assert_eq!(report.json()["first_unknown"], 2);
}

#[test]
fn a_service_that_keeps_its_record_is_told_from_one_without_towline() {
    let report = shop(|cart| cart.is(Kind::OtherToken));
    assert_eq!(
        (codes(&report), report.first_unknown()),
        (vec!["TW-P062"], None)
    );
    let report = shop(|cart| cart.behind(Between::StripsAnswer("towline-hops")));
    assert_eq!(codes(&report), ["TW-P062"]);
    let report = shop(|cart| cart.behind(Between::Strips("towline-probe")));
    assert_eq!(codes(&report), ["TW-P062"]);
    let report = shop(|cart| cart.is(Kind::Silent));
    assert_eq!(codes(&report), ["TW-P001"]);
    let report = shop(|cart| cart.is(Kind::Strange));
    assert_eq!(codes(&report), ["TW-P063"]);
    let report = shop(|cart| cart.is(Kind::Cut));
    assert_eq!(codes(&report), ["TW-P064"]);
}

#[test]
fn a_clock_that_is_off_is_told_from_one_that_is_taken_out() {
    let report = shop(|cart| cart.is(Kind::ClockOff));
    assert_eq!(codes(&report), ["TW-P031", "TW-P028"], "{}", text(&report));
    assert_eq!(report.findings()[1].hop, Some(2));
    assert_eq!(
        report.findings()[1].what,
        "cart#1 neither calls nor answers with a clock"
    );
}

#[test]
fn of_several_faults_the_first_is_named() {
    let deep = service("rows", []).behind(Between::Strips("traceparent"));
    let stock = service("stock", [deep]).behind(Between::Flips);
    let report = trail(&service(
        "gate",
        [stock, service("price", []).is(Kind::Silent)],
    ));
    assert_eq!(codes(&report), ["TW-P011", "TW-P004", "TW-P001"]);
    assert!(
        report
            .first_fault()
            .unwrap()
            .starts_with("FLAGS CHANGED between 1 and 2")
    );
}

#[test]
fn the_first_service_may_be_the_one() {
    let report = trail(&service("gate", []).is(Kind::OpenTelemetry));
    assert_eq!(
        report.first_unknown().unwrap(),
        "hop 1, at gate:1, is the first service that does not know Towline"
    );
    let report = trail(&service("gate", []).is(Kind::Silent));
    assert_eq!(report.outcome(), Outcome::Unreachable);
    assert!(text(&report).contains(
        "NO ANSWER between 0 and 1: towline#probe got no answer from gate:1: connection refused"
    ));
}

#[test]
fn strangers_records_are_bounded_and_safe_to_print() {
    let hostile = [
        "{".repeat(100_000),
        format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
        "null".to_owned(),
        "\u{1b}[2J".to_owned(),
        " ".repeat(70_000),
        String::new(),
    ];
    for hops in hostile {
        let report = finish(vec![hops]);
        assert_eq!(codes(&report), ["TW-P063"]);
        assert!(!text(&report).contains('\x1b'));
    }
    assert_eq!(
        codes(&finish(vec!["{}".to_owned(), "{}".to_owned()])),
        ["TW-P063"]
    );
    let record = |calls: &str| {
        format!(
            r#"{{"service": "\u001b[2J", "instance": "1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "77b0e19012345678", "parent_id": "\u202e", "flags": "03", "restarted": "\u0007", "clock": "\u0007", "calls": [{calls}]}}"#
        )
    };
    let call = r#"{"host": "\u001b]0;x", "span_id": "77b0e19012345678", "status": 200, "answer": "lost", "hops": null}"#;
    let wide = finish(vec![record(&vec![call; 600].join(","))]);
    assert!(!text(&wide).contains(['\x1b', '\x07', '\u{202e}']));
    assert_eq!(wide.hop_count(), 601);
    assert!(text(&wide).len() < 200_000);
}

fn finish(hops: Vec<String>) -> TrailReport {
    let trail = Trail::new("http://gate:1/", Ids::random(), TraceFlags::SAMPLED, "1");
    trail.finish(&TrailAnswer {
        status: 200,
        clock: None,
        hops,
    })
}

#[test]
fn the_document_has_every_hop() {
    let document = shop(|cart| cart.behind(Between::Flips)).json();
    assert_eq!(document["schema"], "towline.hops/1");
    assert_eq!(
        (&document["total"], &document["kept_count"]),
        (&6.into(), &4.into())
    );
    assert_eq!(document["data"][0]["host"], Value::Null);
    assert_eq!(document["data"][2]["checks"]["flags"]["state"], "bad");
    assert_eq!(document["findings"][0]["hops"], serde_json::json!([2]));
}
