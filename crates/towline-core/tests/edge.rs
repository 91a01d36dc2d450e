//! What is said beside trace and clock: baggage, B3, deadlines, probes, counters, hashed names.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use towline_core::{
    Call, CallEvent, Clock, ClockMode, Config, Context, InContext, Kind, Observer, Order, Outcome,
    Peer, Reason, Slot, Towline, Trust,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const CLOCK: &str = "v2;t=1c80319c, front#1/a3f9c21b:2;x=\"2\"";

fn config() -> Config {
    Config::new().service_name("shop").instance("1")
}

fn loopback() -> Peer {
    Peer::new(Some([127, 0, 0, 1].into()))
}

fn accept(towline: &Towline, more: &[(&str, &str)]) -> Context {
    let mut headers = vec![("traceparent", TRACEPARENT), ("raceway-clock", CLOCK)];
    headers.extend(more);
    towline.accept(headers.as_slice(), &loopback())
}

fn beside(call: &Call) -> HashMap<&'static str, String> {
    call.beside().collect()
}

#[test]
fn baggage_goes_where_clocks_go_and_nowhere_else() {
    let towline = Towline::new(config());
    let context = accept(&towline, &[("Baggage", "a=1, b=%20"), ("baggage", "c=3;p")]);
    assert_eq!(beside(&context.call("cart"))["baggage"], "a=1,b=%20,c=3;p");
    assert_eq!(context.baggage_value("b").as_deref(), Some(" "));
    assert!(beside(&context.call("example.com")).is_empty());
    assert_eq!(towline.counters().get(Reason::BaggageWithheld), 1);
    for child in [context.detach(), context.fork().context().clone()] {
        assert_eq!(child.baggage(), context.baggage(), "forked work has it too");
    }
    let mut headers = http_headers(&[("baggage", "own=1")]);
    context.call("cart").inject(&mut headers);
    assert_eq!(
        headers["baggage"], "own=1",
        "what the application set stays"
    );
}

fn http_headers(fields: &[(&'static str, &'static str)]) -> http::HeaderMap {
    let fields = fields.iter();
    fields
        .map(|(name, value)| {
            let value = http::HeaderValue::from_static(value);
            (http::HeaderName::from_static(name), value)
        })
        .collect()
}

#[test]
fn baggage_is_dropped_with_a_trace_that_is_not_continued_and_where_it_is_not_asked_for() {
    let headers = [("traceparent", "bad"), ("baggage", "a=1")];
    let towline = Towline::new(config());
    let restarted = towline.accept(headers.as_slice(), &loopback());
    assert_eq!(restarted.baggage(), None);
    let untrusted = Towline::new(config().trust(|_| Trust::Restart));
    assert_eq!(accept(&untrusted, &[("baggage", "a=1")]).baggage(), None);
    let unasked = Towline::new(config().propagators("tracecontext"));
    let context = accept(&unasked, &[("baggage", "a=1")]);
    assert_eq!(context.baggage(), None);
    let bad = accept(&towline, &[("baggage", "a")]);
    assert_eq!(
        (bad.baggage(), bad.trace_id().to_string()),
        (None, TRACE.to_owned())
    );
    assert_eq!(towline.counters().get(Reason::BaggageMalformed), 1);
}

#[test]
fn b3_is_written_beside_traceparent_with_the_same_span() {
    let towline = Towline::new(config().propagators("tracecontext,b3,b3multi"));
    let call = accept(&towline, &[]).call("example.com");
    let (fields, span_id) = (beside(&call), call.span_id().to_string());
    assert_eq!(fields["b3"], format!("{TRACE}-{span_id}-1"));
    assert_eq!(fields["x-b3-traceid"], TRACE);
    assert_eq!(
        (&fields["x-b3-spanid"], &*fields["x-b3-sampled"]),
        (&span_id, "1")
    );
    let traceparent = call.traceparent().unwrap().to_string();
    assert_eq!(traceparent, format!("00-{TRACE}-{span_id}-01"));
}

#[test]
fn b3_is_read_only_without_any_traceparent_and_brings_no_clock() {
    let towline = Towline::new(config().propagators("b3multi"));
    let b3 = ("b3", "0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-0");
    let with_traceparent = accept(&towline, &[b3]);
    assert_eq!(
        with_traceparent.parent_id().unwrap().to_string(),
        "b7ad6b7169203331"
    );
    let bad = [("traceparent", "bad"), b3];
    assert_eq!(
        towline.accept(bad.as_slice(), &loopback()).parent_id(),
        None
    );

    let headers = [b3, ("raceway-clock", CLOCK)];
    let mut slot = towline.serve(headers.as_slice(), &loopback());
    let context = slot.context().unwrap().clone();
    assert_eq!(context.parent_id().unwrap().to_string(), "00f067aa0ba902b7");
    assert_eq!(context.flags().to_string(), "00");
    assert_eq!(context.stamp().hops().len(), 1);
    assert_eq!(towline.counters().get(Reason::ClockNoTraceparent), 1);
    // An inner layer around the same handler steps aside.
    let _entered = slot.enter();
    assert!(Towline::is_served(headers.as_slice()));
}

#[test]
fn a_deadline_is_lowered_passed_on_and_not_overstepped() {
    let towline = Towline::new(config().deadlines(true));
    let context = accept(&towline, &[("towline-timeout", "60000")]);
    let sent: u64 = beside(&context.call("cart"))["towline-timeout"]
        .parse()
        .unwrap();
    assert!((50_000..=60_000).contains(&sent), "{sent}");
    assert!(beside(&context.call("example.com")).is_empty());
    assert!(
        context.fork().context().remaining().is_some(),
        "forks have it"
    );
    assert_eq!(context.detach().remaining(), None, "nobody waits for them");

    context.with_timeout(10_000);
    assert!(context.remaining().unwrap() <= 10_000);
    assert!(context.scope(|| towline.time_left()).unwrap().is_some());
    context.with_timeout(0);
    assert_eq!(context.remaining(), Some(0));
    assert!(context.scope(|| towline.time_left()).is_err());
    assert_eq!(towline.counters().get(Reason::TimeoutExpired), 1);
}

#[test]
fn what_is_left_is_said_in_eight_digits() {
    let towline = Towline::new(config().deadlines(true));
    let context = accept(&towline, &[("grpc-timeout", "99999999H")]);
    assert_eq!(beside(&context.call("cart"))["towline-timeout"], "99999999");
}

#[test]
fn deadlines_are_off_unless_they_are_asked_for() {
    let towline = Towline::new(config());
    let context = accept(&towline, &[("towline-timeout", "1"), ("grpc-timeout", "x")]);
    context.with_timeout(1);
    assert_eq!(context.remaining(), None);
    assert!(beside(&context.call("cart")).is_empty());
    assert_eq!(context.scope(|| towline.time_left()), Ok(None));
    assert_eq!(towline.counters().get(Reason::TimeoutMalformed), 0);
}

fn record(context: &Context) -> Value {
    let hops = Slot::new(context.clone()).hops().expect("it was asked for");
    assert!(hops.is_ascii() && hops.len() <= 6000);
    serde_json::from_str(&hops).unwrap()
}

#[test]
fn a_probe_is_answered_with_what_was_seen() {
    let towline = Towline::new(config().service_name("caf\u{e9}"));
    let context = accept(&towline, &[("towline-probe", "1")]);
    let mut joined = context.call("127.0.0.1:6004");
    assert_eq!(beside(&joined)["towline-probe"], "1");
    let callee = [
        ("traceparent", joined.traceparent().unwrap().to_string()),
        ("raceway-clock", joined.clock().unwrap().to_owned()),
    ];
    let callee = Towline::new(config()).accept(callee.as_slice(), &loopback());
    let clock = callee.end(Outcome::Ok).unwrap().to_string();
    let answer = [
        ("raceway-clock", clock.as_str()),
        ("towline-hops", r#"{"service":"cart"}"#),
    ];
    let (first, second) = (joined.span_id(), joined.answered_by(200, answer.as_slice()));
    assert!(second, "the callee's end came");
    let mut lost = context.call("mail");
    lost.answered_by(404, [("towline-hops", "not JSON")].as_slice());
    context.call("gone").failed();
    assert!(
        beside(&context.call("example.com")).is_empty(),
        "no probe for strangers"
    );

    let record = record(&context);
    let own = context.span_id().to_string();
    assert_eq!(record["service"], "caf\u{e9}");
    assert_eq!(record["instance"], "1");
    assert_eq!(
        (&record["trace_id"], &record["span_id"]),
        (&json!(TRACE), &json!(own))
    );
    assert_eq!(
        (&record["parent_id"], &record["flags"]),
        (&json!("b7ad6b7169203331"), &json!("01"))
    );
    assert_eq!(
        (&record["restarted"], &record["clock"]),
        (&Value::Null, &json!("continued"))
    );
    assert_eq!(
        record["calls"][0],
        json!({"host": "127.0.0.1:6004", "span_id": first.to_string(), "status": 200, "answer": "joined", "hops": {"service": "cart"}})
    );
    let rest: Vec<_> = record["calls"].as_array().unwrap()[1..]
        .iter()
        .map(|call| {
            (
                call["host"].clone(),
                call["status"].clone(),
                call["answer"].clone(),
                call["hops"].clone(),
            )
        })
        .collect();
    let null = || Value::Null;
    assert_eq!(rest[0], (json!("mail"), json!(404), json!("lost"), null()));
    assert_eq!(rest[1], (json!("gone"), null(), null(), null()));
}

#[test]
fn a_record_says_why_a_trace_began_anew_and_a_clock_was_dropped() {
    let towline = Towline::new(config());
    let probe = ("towline-probe", "1");
    let case = |headers: &[(&str, &str)]| {
        let record = record(&towline.accept(headers, &loopback()));
        let [restarted, clock, parent_id] = ["restarted", "clock", "parent_id"];
        format!(
            "{} {} {}",
            record[restarted], record[clock], record[parent_id]
        )
    };
    let good = ("traceparent", TRACEPARENT);
    let clock = ("raceway-clock", CLOCK);
    assert_eq!(case(&[probe]), r#""absent" "first" null"#);
    assert_eq!(
        case(&[probe, ("traceparent", "x"), clock]),
        r#""malformed" "no_traceparent" null"#
    );
    assert_eq!(case(&[probe, good]), r#"null "first" "b7ad6b7169203331""#);
    assert_eq!(
        case(&[probe, good, clock, clock]),
        r#"null "duplicate" "b7ad6b7169203331""#
    );
    let member = ("tracestate", "towline=a3f9c21b:2x2");
    assert_eq!(
        case(&[probe, good, member]),
        r#"null "member" "b7ad6b7169203331""#
    );
    let untrusting = Towline::new(config().trust(|_| Trust::Ignore));
    let record = record(&accept(&untrusting, &[probe]));
    assert_eq!(
        (&record["restarted"], &record["clock"]),
        (&json!("untrusted"), &json!("untrusted"))
    );
    assert_eq!(record["parent_id"], "b7ad6b7169203331");
    assert_ne!(record["trace_id"], TRACE);
}

#[test]
fn a_long_record_leaves_out_its_calls_and_says_so() {
    let towline = Towline::new(config());
    let context = accept(&towline, &[("towline-probe", "1")]);
    for n in 0..1000 {
        context.call(&format!("host-{n}")).failed();
    }
    let record = record(&context);
    assert_eq!(
        (&record["calls"], &record["cut"]),
        (&json!([]), &json!(true))
    );
}

#[test]
fn nobody_is_answered_who_may_not_ask() {
    let hops = |config: Config, value: &str, peer: &Peer| {
        let headers = [("traceparent", TRACEPARENT), ("towline-probe", value)];
        let towline = Towline::new(config);
        let context = towline.accept(headers.as_slice(), peer);
        let passed_on = beside(&context.call("cart")).contains_key("towline-probe");
        let hops = Slot::new(context).hops();
        assert_eq!(hops.is_some(), passed_on);
        hops.is_some()
    };
    let stranger = Peer::new(Some([8, 8, 8, 8].into()));
    assert!(hops(config(), "1", &loopback()));
    assert!(!hops(config(), "1", &stranger));
    assert!(!hops(config(), "1", &Peer::default()));
    assert!(!hops(config().probe("off"), "1", &loopback()));
    assert!(!hops(config().probe("s3cret"), "1", &loopback()));
    assert!(hops(config().probe("s3cret"), "s3cret", &stranger));
}

#[test]
fn names_are_hashed_for_hosts_that_are_not_local_and_answers_are_joined_all_the_same() {
    let config = config().propagate_to("example.com").hash_labels(true);
    let towline = Towline::new(config);
    let context = accept(&towline, &[]);
    assert!(context.call("cart").clock().unwrap().contains("shop#1/"));
    let mut call = context.call("api.example.com");
    let sent = call.clock().unwrap().to_owned();
    // sha256("front"), sha256("shop"), sha256("1")
    assert!(
        sent.contains("#6b86b273/") && !sent.contains("shop") && !sent.contains("front"),
        "{sent}"
    );
    let headers = [
        ("traceparent", call.traceparent().unwrap().to_string()),
        ("raceway-clock", sent),
    ];
    let callee = Towline::new(Config::new().service_name("api"))
        .accept(headers.as_slice(), &Peer::default());
    let end = callee.end(Outcome::Ok).unwrap();
    call.answered(200, [end.as_str().as_bytes()]);
    assert_eq!(towline.counters().summary().joined, 1);
    let own = context.stamp();
    assert_eq!(end.compare(&own), Order::Before);
    let names: Vec<_> = own.hops().iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["front#1", "shop#1"],
        "our own clock keeps its names"
    );
}

#[test]
fn names_in_clocks_of_version_1_are_hashed_too() {
    let config = config().propagate_to("example.com").hash_labels(true);
    let towline = Towline::new(config.clock(ClockMode::V1));
    let context = accept(&towline, &[]);
    let read = |call: &Call| {
        let header = call.clock().unwrap().to_owned();
        let clock = towline_core::ClockV1::read(header.as_bytes(), context.trace_id(), 4096);
        clock
            .unwrap()
            .iter()
            .map(|(name, _)| name.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(read(&context.call("cart")), ["shop#1"]);
    assert_eq!(read(&context.call("example.com")), ["8d9001d3#6b86b273"]);
}

/// Keeps what left.
#[derive(Default)]
struct Sent(Mutex<Vec<(Kind, u32, bool)>>);

impl Observer for Sent {
    fn on_call_sent(&self, call: &CallEvent<'_>) {
        let seen = (call.kind, call.resend_count, call.clock.is_some());
        self.0.lock().unwrap().push(seen);
    }
}

#[test]
fn a_message_is_a_detached_fork_in_any_carrier() {
    let sent = Arc::new(Sent::default());
    let towline = Towline::new(config().observer(Arc::clone(&sent) as Arc<dyn Observer>));
    let context = accept(&towline, &[("tracestate", "foo=1")]);
    let mut map = HashMap::from([("TraceParent".to_owned(), "old".to_owned())]);
    let mut tree: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut list: Vec<(String, String)> = vec![("RACEWAY-CLOCK".to_owned(), "old".to_owned())];
    let mut headers = http::HeaderMap::new();
    let spans = [
        context.send_message(&mut map),
        context.send_message(&mut tree),
        context.send_message(&mut list),
        context.send_message(&mut headers),
    ];
    assert_eq!(
        (map.len(), tree.len(), list.len(), headers.len()),
        (3, 3, 3, 3)
    );
    let received = [
        towline.receive_message(&map),
        towline.receive_message(&tree),
        towline.receive_message(&list),
        towline.receive_message(&headers),
    ];
    let _later = context.event();
    for (span_id, received) in spans.into_iter().zip(received) {
        assert_eq!(received.parent_id(), Some(span_id));
        assert_eq!(received.trace_id(), context.trace_id());
        assert_eq!(received.tracestate().as_str(), "foo=1");
        assert_eq!(received.kind(), Kind::Consumer);
        let clock = received.stamp();
        assert!(clock.hops().last().unwrap().detached);
        assert_eq!(
            clock.compare(&context.stamp()),
            Order::Concurrent,
            "nobody waits for it"
        );
        assert_eq!(received.end(Outcome::Ok), None, "nothing is answered");
    }
    assert_eq!(*sent.0.lock().unwrap(), vec![(Kind::Producer, 0, true); 4]);
    let summary = towline.counters().summary();
    assert_eq!(
        (summary.received, summary.continued, summary.sent),
        (5, 5, 4)
    );
}

#[test]
fn a_message_keeps_the_rules_of_a_request() {
    let towline = Towline::new(config());
    let bad = HashMap::from([("traceparent", "bad"), ("raceway-clock", CLOCK)]);
    assert_eq!(towline.receive_message(&bad).parent_id(), None);
    assert_eq!(towline.counters().get(Reason::TraceparentMalformed), 1);
    assert_eq!(towline.counters().get(Reason::ClockNoTraceparent), 1);
}

#[test]
fn the_summary_is_what_the_counters_come_to() {
    let towline = Towline::new(config());
    let context = accept(&towline, &[]);
    drop(towline.accept::<[(&str, &str)]>(&[], &loopback()));
    let refused = [("traceparent", TRACEPARENT), ("raceway-clock", "v9;")];
    drop(towline.accept(refused.as_slice(), &loopback()));
    let mut gone = towline.serve([("traceparent", "bad")].as_slice(), &loopback());
    gone.end(Outcome::Cancelled);
    let mut lost = context.call("cart");
    lost.answered(200, []);
    drop(context.call("example.com"));
    drop(towline.call("cart"));
    drop(async {}.forked());
    let summary = towline.counters().summary().to_json();
    assert_eq!(
        summary,
        json!({
            "received": 4, "continued": 2, "restarted": {"absent": 1, "malformed": 1}, "cancelled": 1,
            "clock_dropped": {"version": 1}, "clock_cut": 0,
            "sent": 2, "not_sent": {"withheld": 1}, "no_context": 1, "joined": 0, "lost": {"absent": 1},
        })
    );
}

#[test]
fn attempts_are_numbered() {
    let sent = Arc::new(Sent::default());
    let towline = Towline::new(config().observer(Arc::clone(&sent) as Arc<dyn Observer>));
    for resend_count in 0..3 {
        let headers = [("traceparent", "set by hand")];
        drop(towline.attempt_again(headers.as_slice(), "cart", resend_count));
    }
    let counts: Vec<_> = sent
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|(_, count, _)| *count)
        .collect();
    assert_eq!(counts, [0, 1, 2]);
}

#[test]
fn a_clock_that_was_sent_hashed_can_be_read() {
    let towline = Towline::new(config().propagate_to("*").hash_labels(true));
    let call = accept(&towline, &[]).call("example.com");
    let clock = Clock::parse(call.clock().unwrap()).unwrap();
    assert_eq!(clock.as_str(), call.clock().unwrap(), "it is canonical");
}

#[test]
fn the_status_has_no_secret_in_it() {
    let config = config().probe("s3cret").propagate_to("example.com");
    let towline = Towline::new(config.trust(|_| Trust::Continue));
    let text = towline.status();
    assert!(!text.contains("s3cret") && !format!("{:?}", towline.settings()).contains("s3cret"));
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status["language"], "rust");
    assert!(status["uptime_ms"].is_u64());
    let settings = json!({
        "disabled": false, "clock": "auto", "tracestate": true, "propagators": ["tracecontext", "baggage"],
        "propagate_to": "local, example.com", "traceparent_to": "*", "sampled": true, "trust": "function",
        "trace_response": false, "deadlines": false, "hash_labels": false, "probe": "token",
        "header_bytes_max": 4096, "levels_max": 64, "forks_max": 65536,
    });
    assert_eq!(status["settings"], settings);
}
