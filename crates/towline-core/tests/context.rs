//! Contexts and calls without any middleware: what is sent, what is told, what is counted.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test panics where it fails"
)]

use std::sync::{Arc, Mutex};

use towline_core::{
    CallEvent, Clock, ClockMode, ClockV1, Config, Context, Kind, Observer, Order, Outcome, Peer,
    Reason, StrandEvent, Towline, Trust,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const CLOCK: &str = "v2;t=1c80319c, front#1/a3f9c21b:2;x=\"2\"";

fn config() -> Config {
    Config::new().service_name("stock").instance("1")
}

fn accept(towline: &Towline, more: &[(&str, &str)]) -> Context {
    let traceparent = format!("00-{TRACE}-{PARENT}-03");
    let mut headers = vec![("traceparent", traceparent.as_str())];
    headers.extend_from_slice(more);
    towline.accept(headers.as_slice(), &Peer::default())
}

/// A clock of v1 of the trace, with these counters.
fn v1(counts: &[(&str, u32)]) -> String {
    let mut vector = ClockV1::default();
    for (component, count) in counts {
        (0..*count).for_each(|_| vector.send(component).unwrap());
    }
    let context = accept(&Towline::new(config()), &[]);
    vector.write(
        context.trace_id(),
        context.span_id(),
        context.span_id(),
        "front",
        "1",
    )
}

fn counts(context: &Context, header: &str) -> Vec<(String, u32)> {
    let vector = ClockV1::read(header.as_bytes(), context.trace_id(), 4096).unwrap();
    vector
        .iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

#[test]
fn a_request_that_came_with_v1_goes_on_with_it() {
    let towline = Towline::new(config());
    let header = v1(&[("front#1", 2)]);
    let context = accept(
        &towline,
        &[("raceway-clock", &header), ("tracestate", "foo=1")],
    );
    for raised in 1..=2 {
        let mut call = context.call("localhost");
        let sent = call.clock().unwrap().to_owned();
        let own = ("stock#1".to_owned(), raised);
        assert_eq!(counts(&context, &sent), [("front#1".to_owned(), 2), own]);
        assert_eq!(call.tracestate(), Some("foo=1"), "no member of ours");
        assert!(call.answered(200, []));
    }
    assert_eq!(
        towline.counters().get(Reason::AnswerAbsent),
        0,
        "v1 has no answers"
    );
    // Forked work goes on with the same vector; a call is an event, not a fork.
    let task = context.fork();
    let call = task.context().call("localhost");
    assert_eq!(counts(&context, call.clock().unwrap())[1].1, 3);
    assert_eq!(
        context.end(Outcome::Ok),
        None,
        "a caller that sent v1 gets no clock"
    );
}

#[test]
fn the_mode_decides_what_calls_carry() {
    for (mode, prefix) in [
        (ClockMode::Auto, Some("v2;")),
        (ClockMode::V2, Some("v2;")),
        (ClockMode::V1, Some("v1;")),
        (ClockMode::Off, None),
    ] {
        let context = accept(
            &Towline::new(config().clock(mode)),
            &[("raceway-clock", CLOCK)],
        );
        let call = context.call("localhost");
        assert_eq!(call.clock().map(|clock| &clock[..3]), prefix, "{mode}");
        assert_eq!(call.tracestate().is_some(), prefix == Some("v2;"), "{mode}");
        assert!(call.traceparent().is_some());
        let answer = context.end(Outcome::Ok);
        assert_eq!(answer.is_some(), mode != ClockMode::Off, "{mode}");
    }
    // v2, though the request came with v1.
    let header = v1(&[("front#1", 1)]);
    let context = accept(
        &Towline::new(config().clock(ClockMode::V2)),
        &[("raceway-clock", &header)],
    );
    assert!(
        context
            .call("localhost")
            .clock()
            .unwrap()
            .starts_with("v2;")
    );
}

#[test]
fn a_clock_that_nobody_may_read_is_cut_or_withheld() {
    let towline = Towline::new(config().header_bytes_max(100));
    let context = accept(&towline, &[("raceway-clock", CLOCK)]);
    let calls: Vec<_> = (0..60).map(|_| context.call("localhost")).collect();
    // Every second call is answered: the ranges in flight are many, and are covered.
    let mut kept = Vec::new();
    for (n, mut call) in calls.into_iter().enumerate() {
        if n % 2 == 0 {
            let clock = Clock::parse(call.clock().unwrap()).unwrap();
            let component = towline_core::Component::new("leaf", "1");
            let mut callee = towline_core::Strand::start(&clock, &component, 7, false);
            callee.end().unwrap();
            let clock = callee.clock();
            assert!(call.answered(200, [clock.as_str().as_bytes()]));
        } else {
            kept.push(call);
        }
    }
    let call = context.call("localhost");
    assert!(call.clock().unwrap().len() <= 100);
    assert_eq!(towline.counters().get(Reason::SendCut), 1);

    let small = Towline::new(config().header_bytes_max(30));
    let context = small.accept::<[(&str, &str)]>(&[], &Peer::default());
    let call = context.call("localhost");
    assert_eq!(call.clock(), None);
    assert_eq!(small.counters().get(Reason::SendTooLong), 1);
    assert!(
        context.stamp().hops()[0].known.forks.is_empty(),
        "a plain event"
    );
}

#[test]
fn our_tracestate_member_stands_first_and_evicts_nobody() {
    let towline = Towline::new(config());
    let full = (0..32)
        .map(|n| format!("k{n}=1"))
        .collect::<Vec<_>>()
        .join(",");
    for (came, sent) in [
        ("towline=a3f9c21b:1,foo=1", "towline=a3f9c21b:2/"),
        ("foo=1", "towline=a3f9c21b:2/"),
        (full.as_str(), full.as_str()),
    ] {
        let context = accept(&towline, &[("raceway-clock", CLOCK), ("tracestate", came)]);
        let call = context.call("localhost");
        let value = call.tracestate().unwrap();
        assert!(value.starts_with(sent), "{value}");
        assert!(value.ends_with("foo=1") || value == full);
    }
    assert_eq!(towline.counters().get(Reason::TracestateTooLong), 1);
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Told {
    fn on_strand_start(&self, strand: &StrandEvent<'_>) {
        let hops = Clock::parse(&strand.clock.unwrap().to_string())
            .unwrap()
            .hops()
            .len();
        self.add(format!(
            "start {} {}#{} hops {hops}",
            strand.kind, strand.service, strand.instance
        ));
        assert_eq!(strand.trace_id.to_string(), TRACE);
        assert_eq!(strand.outcome, None);
    }

    fn on_strand_end(&self, strand: &StrandEvent<'_>) {
        let clock = Clock::parse(&strand.clock.unwrap().to_string()).unwrap();
        assert!(clock.has_ended());
        self.add(format!(
            "end {} {} at {}",
            strand.kind,
            strand.outcome.unwrap(),
            clock.tick()
        ));
    }

    fn on_call_sent(&self, call: &CallEvent<'_>) {
        let clock = call.clock.map(ToString::to_string);
        self.add(format!("sent to {} clock {}", call.host, clock.is_some()));
    }

    fn on_call_answered(&self, call: &CallEvent<'_>) {
        self.add(format!(
            "answered by {} {:?} {}",
            call.host,
            call.status,
            call.outcome.unwrap()
        ));
    }

    fn on_dropped(&self, reason: Reason) {
        self.add(reason.to_string());
    }
}

struct Broken;

impl Observer for Broken {
    fn on_strand_start(&self, _: &StrandEvent<'_>) {
        panic!("an observer that breaks");
    }
}

#[test]
fn observers_are_told_everything_even_beside_one_that_breaks() {
    let told = Arc::new(Told::default());
    let towline = Towline::new(config().observer(Arc::new(Broken)).observer(told.clone()));
    let context = accept(&towline, &[("raceway-clock", CLOCK)]);
    assert_eq!(told.take(), ["start server stock#1 hops 2"]);

    context.call("leaf").answered(204, []);
    assert_eq!(
        told.take(),
        [
            "sent to leaf clock true",
            "answer/absent",
            "answered by leaf Some(204) lost"
        ]
    );
    context.call("leaf").failed();
    drop(context.call("api.example.com"));
    assert_eq!(
        told.take(),
        [
            "sent to leaf clock true",
            "answered by leaf None error",
            "send/withheld",
            "sent to api.example.com clock false",
            "answered by api.example.com None cancelled",
        ]
    );

    let task = context.fork();
    task.end().join();
    drop(context.fork());
    assert_eq!(
        told.take(),
        [
            "start internal stock#1 hops 3",
            "end internal ok at 2",
            "start internal stock#1 hops 3",
            "end internal cancelled at 2",
        ]
    );
    assert!(context.end(Outcome::Error).is_some());
    assert!(context.end(Outcome::Ok).is_none());
    assert_eq!(told.take(), ["end server error at 8"]);
    drop(context.event());
    drop(context);
    assert_eq!(
        told.take(),
        ["start internal stock#1 hops 3", "end internal ok at 3"]
    );
}

#[test]
fn a_message_is_learnt_and_a_strangers_is_not() {
    let towline = Towline::new(config());
    let context = accept(&towline, &[("raceway-clock", CLOCK)]);
    let loose = context.detach();
    let note = loose.event();
    drop(context.event());
    assert_eq!(note.compare(&context.stamp()), Order::Concurrent);
    context.receive(&note).unwrap();
    assert_eq!(note.compare(&context.stamp()), Order::Before);
    let before = context.stamp();
    let stranger = accept(&towline, &[]).event();
    assert!(context.receive(&stranger).is_err());
    assert_eq!(context.stamp(), before);
}

#[test]
fn what_is_lazy_cannot_be_told_from_what_is_not() {
    for headers in [
        &[][..],
        &[("raceway-clock", CLOCK)],
        &[("tracestate", "towline=a3f9c21b:2x2")],
    ] {
        let towline = Towline::new(config());
        let traceparent = format!("00-{TRACE}-{PARENT}-03");
        let mut fields = vec![("traceparent", traceparent.as_str())];
        fields.extend_from_slice(headers);
        for looked in [false, true] {
            let mut slot = towline.serve(fields.as_slice(), &Peer::default());
            let ids = slot.ids().unwrap();
            if looked {
                let entered = slot.enter();
                let context = Context::current().unwrap();
                assert_eq!((context.trace_id(), context.span_id()), ids);
                assert_eq!(context.kind(), Kind::Server);
                drop(entered);
            }
            let so_far = slot.answer_so_far().map(|clock| clock.tick());
            let end = slot
                .end(Outcome::Ok)
                .map(|clock| (clock.tick(), clock.has_ended()));
            let answers = headers
                .first()
                .is_some_and(|(name, _)| *name == "raceway-clock");
            assert_eq!(
                (so_far, end),
                (answers.then_some(1), answers.then_some((2, true)))
            );
            assert!(slot.end(Outcome::Ok).is_none());
            // Work after the answer, whoever made the context and when.
            let entered = slot.enter();
            let after = Context::current().unwrap().event();
            drop(entered);
            assert_eq!(
                after
                    .hops()
                    .iter()
                    .filter(|hop| hop.service == "stock")
                    .count(),
                2
            );
        }
        assert_eq!(
            towline.counters().by_key("strand_end"),
            towline.counters().by_key("strand_start")
        );
    }
}

#[test]
fn an_untrusted_peer_leaves_a_link_or_nothing() {
    for (trust, traced, state, linked) in [
        (Trust::Continue, true, true, false),
        (Trust::DropTracestate, true, false, false),
        (Trust::Restart, false, false, true),
        (Trust::Ignore, false, false, false),
    ] {
        let towline = Towline::new(config().trust(move |_| trust));
        let context = accept(&towline, &[("tracestate", "foo=1")]);
        assert_eq!(context.trace_id().to_string() == TRACE, traced, "{trust:?}");
        assert_eq!(context.tracestate().as_str() == "foo=1", state, "{trust:?}");
        assert_eq!(context.link().is_some(), linked, "{trust:?}");
    }
}

#[test]
fn threads_share_a_context_safely() {
    let towline = Towline::new(config());
    let context = accept(&towline, &[("raceway-clock", CLOCK)]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let task = context.fork();
                    drop(task.context().event());
                    task.end().join();
                    drop(context.event());
                }
            });
        }
    });
    let hop = context.stamp().hops().pop().unwrap();
    assert!(hop.known.forks.is_empty(), "all are joined");
    assert_eq!(hop.known.tick, 1 + 4 * 200 * 3);
}

#[test]
fn an_answer_that_the_caller_would_refuse_is_not_sent() {
    let deep = (0..64)
        .map(|n| format!("d#{n}/{n:08x}:1"))
        .collect::<Vec<_>>();
    let deep = format!("v2;t=1c80319c, {};x=\"1\"", deep.join(", "));
    for (clock, bytes_max, reason) in [
        (deep.as_str(), 4096, Reason::SendOverLimits),
        (CLOCK, CLOCK.len() + 5, Reason::SendTooLong),
    ] {
        let towline = Towline::new(config().header_bytes_max(bytes_max));
        let traceparent = format!("00-{TRACE}-{PARENT}-03");
        let fields = [
            ("traceparent", traceparent.as_str()),
            ("raceway-clock", clock),
        ];
        let mut slot = towline.serve(fields.as_slice(), &Peer::default());
        assert_eq!(slot.answer_so_far(), None);
        assert_eq!(slot.end(Outcome::Ok), None);
        let context = accept(&towline, &[("raceway-clock", clock)]);
        assert_eq!(context.end(Outcome::Ok), None);
        assert_eq!(towline.counters().get(reason), 3);
        assert_eq!(towline.counters().by_key("strand_end"), Some(2));
    }
}
