//! A request with any header fields, and any course of its handling.
//!
//! One byte of settings; then fields separated by NUL, each with a first byte that names it (`p`
//! `traceparent`, `s` `tracestate`, `c` `raceway-clock`, `a` an answer's clock); behind a byte 1,
//! what the handler does. There is always a context; what is dropped is counted; what is sent is
//! read by the callee without loss; every strand and call that began is told of once when it ends.

use std::fmt::Display;
use std::sync::Arc;

use towline_core::{
    CallEvent, Clock, ClockMode, ClockV1, Config, Context, Limits, Observer, Order, Outcome, Peer,
    RACEWAY_CLOCK, Reason, StrandEvent, TRACEPARENT, TRACESTATE, Task, Towline, Trust, read,
};

use crate::input::{Input, hash};
use crate::written::{reads_again, survives_tracestate};

const HOSTS: [&str; 4] = [
    "localhost:6002",
    "stock.internal",
    "api.example.com",
    "8.8.8.8",
];
const ACTS_MAX: usize = 64;

type Field<'a> = (&'static str, &'a [u8]);

/// Checks one input.
pub fn check(data: &[u8]) {
    // Ids are random, but the same for the same input.
    fastrand::seed(hash(data));
    let (settings, data) = data.split_first().unwrap_or((&0, data));
    let end = data.iter().position(|&byte| byte == 1);
    let (fields, acts) = data.split_at(end.unwrap_or(data.len()));
    let (mut headers, mut answers) = (Vec::new(), Vec::new());
    for field in fields.split(|&byte| byte == 0) {
        match field {
            [b'p', value @ ..] => headers.push((TRACEPARENT, value)),
            [b's', value @ ..] => headers.push((TRACESTATE, value)),
            [b'c', value @ ..] => headers.push((RACEWAY_CLOCK, value)),
            [b'a', value @ ..] => answers.push(value),
            [_, value @ ..] => headers.push(("x-other", value)),
            [] => {}
        }
    }
    served_alike(*settings, &headers, hash(data));
    let towline = Towline::new(config(*settings).observer(Arc::new(Reader)));
    let callees = Towline::new(callee_config(*settings).observer(Arc::new(Reader)));
    let context = towline.accept(headers.as_slice(), &Peer::default());
    accepted(&towline, &context, &headers);
    let mut handling = Handling {
        callees: callees.clone(),
        received: headers,
        answers,
        contexts: vec![context],
        calls: Vec::new(),
        tasks: Vec::new(),
    };
    let mut input = Input::new(acts.get(1..).unwrap_or_default());
    for _ in 0..ACTS_MAX {
        if input.is_empty() {
            break;
        }
        handling.act(&mut input);
    }
    drop(handling);
    for towline in [towline, callees] {
        let count = |key| towline.counters().by_key(key);
        assert_eq!(count("strand_start"), count("strand_end"));
        assert_eq!(count("call_sent"), count("call_answered"));
    }
}

fn config(bits: u8) -> Config {
    const MODES: [ClockMode; 4] = [
        ClockMode::Auto,
        ClockMode::V2,
        ClockMode::V1,
        ClockMode::Off,
    ];
    let config = callee_config(bits)
        .service_name("fuzz \u{e9}")
        .clock(MODES[usize::from(bits & 3)])
        .tracestate(bits & 4 == 0);
    match bits >> 3 & 7 {
        0 => config.trust(|_| Trust::Restart),
        1 => config.trust(|_| Trust::Ignore),
        2 => config.trust(|_| Trust::DropTracestate),
        3 => config.propagate_to("*").traceparent_to("*"),
        4 => config
            .propagate_to("example.com")
            .traceparent_to("localhost, com"),
        _ => config,
    }
}

fn callee_config(bits: u8) -> Config {
    let config = Config::new().service_name("callee").instance("1");
    match bits >> 6 {
        0 => config.header_bytes_max(120),
        1 => config.header_bytes_max(8192),
        _ => config.header_bytes_max(Limits::DEFAULT.header_bytes_max),
    }
}

/// An observer that takes everything it can get.
struct Reader;

impl Reader {
    fn read(clock: Option<&dyn Display>) {
        let Some(text) = clock.map(|clock| clock.to_string()) else {
            return;
        };
        if !text.starts_with("v1;") {
            let clock = Clock::read(text.as_bytes(), crate::written::UNBOUNDED, None);
            assert!(clock.is_ok_and(|clock| clock.as_str() == text), "{text}");
        }
    }
}

impl Observer for Reader {
    fn on_strand_start(&self, event: &StrandEvent<'_>) {
        assert_eq!(event.outcome, None);
        Self::read(event.clock.map(|clock| clock as &dyn Display));
    }

    fn on_strand_end(&self, event: &StrandEvent<'_>) {
        assert!(event.outcome.is_some());
        Self::read(event.clock.map(|clock| clock as &dyn Display));
    }

    fn on_call_sent(&self, event: &CallEvent<'_>) {
        assert_eq!((event.outcome, event.status), (None, None));
        Self::read(event.clock.map(|clock| clock as &dyn Display));
    }

    fn on_call_answered(&self, event: &CallEvent<'_>) {
        assert!(event.outcome.is_some());
        Self::read(event.clock.map(|clock| clock as &dyn Display));
    }
}

/// A context that is made only when it is asked for is the one that would have been made at once.
fn served_alike(settings: u8, headers: &[Field<'_>], seed: u64) {
    let peer = Peer::default();
    let [made, late] = [(); 2].map(|()| Towline::new(config(settings)));
    fastrand::seed(seed);
    let context = made.accept(headers, &peer);
    fastrand::seed(seed);
    let mut slot = late.serve(headers, &peer);
    assert_eq!(slot.ids(), Some((context.trace_id(), context.span_id())));
    assert_eq!(slot.answer_so_far(), context.answer_so_far());
    for ends_before in [seed & 1 == 0, seed & 1 == 1] {
        if ends_before {
            assert_eq!(slot.end(Outcome::Ok), context.end(Outcome::Ok));
            assert_eq!(slot.answer_so_far(), context.answer_so_far());
        } else {
            let entered = slot.enter();
            let asked = Context::current().expect("it is entered");
            drop(entered);
            assert_eq!(asked.trace_id(), context.trace_id());
            assert_eq!(asked.parent_id(), context.parent_id());
            assert_eq!(asked.flags(), context.flags());
            assert_eq!(asked.tracestate(), context.tracestate());
            assert_eq!(asked.link(), context.link());
            assert_eq!(asked.has_ended(), context.has_ended());
            if !asked.has_ended() {
                assert_eq!(asked.stamp(), context.stamp());
            }
        }
    }
    drop((slot, context));
    assert_eq!(late.counters().snapshot(), made.counters().snapshot());
}

fn drops(towline: &Towline) -> u64 {
    let each = Reason::ALL
        .iter()
        .map(|reason| towline.counters().get(*reason));
    each.sum()
}

/// A context goes on from what could be used, and all else was counted.
fn accepted(towline: &Towline, context: &Context, headers: &[Field<'_>]) {
    let fields = |name| {
        let named = headers.iter().filter(move |(other, _)| *other == name);
        named.map(|(_, value)| *value)
    };
    let stamp = context.stamp();
    reads_again(&stamp);
    assert_eq!(stamp.trace(), context.trace_id().low32());
    let clocks: Vec<&[u8]> = fields(RACEWAY_CLOCK).collect();
    let trust = towline.settings().trust(&Peer::default());
    let incoming = read(fields(TRACEPARENT), fields(TRACESTATE));
    let dropped = u64::from(!clocks.is_empty());
    let (incoming, own) = match incoming {
        Ok(incoming) if matches!(trust, Trust::Continue | Trust::DropTracestate) => {
            let own = incoming.own.filter(|_| trust == Trust::Continue);
            (incoming, own)
        }
        other => {
            let link = other.as_ref().ok().filter(|_| trust == Trust::Restart);
            assert_eq!(context.link(), link.map(|incoming| &incoming.context));
            let tracestate = other.is_ok_and(|incoming| incoming.tracestate_dropped.is_some());
            assert_eq!(drops(towline), 1 + dropped + u64::from(tracestate));
            assert_eq!((context.parent_id(), stamp.hops().len()), (None, 1));
            assert!(context.tracestate().is_empty());
            return;
        }
    };
    assert_eq!(context.trace_id(), incoming.context.trace_id);
    assert_eq!(context.parent_id(), Some(incoming.context.parent_id));
    assert_eq!(context.flags(), incoming.context.flags);
    let others = &incoming.context.tracestate;
    let mut expected = u64::from(incoming.tracestate_dropped.is_some());
    if trust == Trust::DropTracestate {
        assert!(context.tracestate().is_empty());
        expected += u64::from(!others.is_empty() || incoming.own.is_some());
    } else {
        assert_eq!(context.tracestate(), others);
    }
    let limits = towline.settings().limits;
    let trace = context.trace_id();
    let sender = match &clocks[..] {
        [] => own.and_then(|own| {
            let member = Clock::from_tracestate(own, trace.low32(), limits);
            expected += u64::from(member.is_err());
            member.ok()
        }),
        [clock] => {
            let sender = Clock::read(clock, limits, Some(trace.low32())).ok();
            let vector = ClockV1::read(clock, trace, limits.header_bytes_max);
            assert!(sender.is_none() || vector.is_err());
            expected += u64::from(sender.is_none() && vector.is_err());
            sender
        }
        _ => {
            expected += 1;
            None
        }
    };
    assert_eq!(drops(towline), expected, "{}", towline.counters());
    let hops = stamp.hops();
    assert_eq!(
        hops.len(),
        1 + sender.as_ref().map_or(0, |sender| sender.hops().len())
    );
    assert!(
        hops.last()
            .is_some_and(|hop| hop.nonce == context.span_id().low32())
    );
    if let Some(sender) = sender {
        assert_eq!(sender.compare(&stamp), Order::Before, "{stamp}");
    }
}

struct Handling<'a> {
    callees: Towline,
    received: Vec<Field<'a>>,
    answers: Vec<&'a [u8]>,
    contexts: Vec<Context>,
    /// Calls under way, each with the context of its handling.
    calls: Vec<(towline_core::Call, Context)>,
    tasks: Vec<Task>,
}

impl Handling<'_> {
    fn act(&mut self, input: &mut Input<'_>) {
        let act = input.below(14);
        let context = self.contexts[input.below(self.contexts.len())].clone();
        match act {
            0 => {
                let before = context.stamp();
                let event = context.event();
                assert_eq!(before.compare(&event), Order::Before, "{event}");
                assert_eq!(context.stamp(), event);
            }
            1..=3 => self.call(&context, HOSTS[input.below(HOSTS.len())]),
            4 | 5 => self.answer_of_callee(input),
            6 => self.answer_of_any(input),
            7 => {
                if let Some((call, _)) = self.take_call(input) {
                    call.failed();
                }
            }
            8 => {
                let task = context.fork();
                self.contexts.push(task.context().clone());
                self.tasks.push(task);
            }
            9 => self.join(input),
            10 => self.contexts.push(context.detach()),
            11 => {
                let ended = context.has_ended();
                let answer = context.end(Outcome::Ok);
                assert!(context.has_ended() && !(ended && answer.is_some()));
            }
            12 => {
                let stamp = self.contexts[input.below(self.contexts.len())].stamp();
                // Of another trace, where the settings restarted it in between.
                let _ = context.receive(&stamp);
            }
            _ => {
                let served = context.scope(|| Towline::is_served(self.received.as_slice()));
                assert!(!served || !context.has_ended());
            }
        }
        self.contexts.truncate(16);
        reads_again(&self.contexts[0].stamp());
    }

    fn take_call(&mut self, input: &mut Input<'_>) -> Option<(towline_core::Call, Context)> {
        let calls = self.calls.len();
        (calls > 0).then(|| self.calls.swap_remove(input.below(calls)))
    }

    /// What goes out says what it should, and the callee goes on from it.
    fn call(&mut self, context: &Context, host: &str) {
        let towline = context.towline();
        let call = context.call(host);
        let caller = call.context().clone();
        assert_eq!(caller.trace_id(), context.trace_id());
        let settings = towline.settings();
        assert_eq!(
            call.traceparent().is_some(),
            settings.traceparent_to.allows(host)
        );
        let Some(parent) = call.traceparent() else {
            assert_eq!((call.tracestate(), call.clock()), (None, None));
            return;
        };
        let states = call.tracestate().map(str::as_bytes);
        let incoming = read([&parent.as_bytes()[..]], states).expect("written by us");
        assert_eq!(incoming.context.trace_id, caller.trace_id());
        assert_eq!(incoming.context.parent_id, call.span_id());
        assert_eq!(incoming.context.flags, caller.flags());
        assert_eq!(incoming.context.tracestate, *caller.tracestate());
        assert_eq!(incoming.tracestate_dropped, None);
        let clock = call.clock();
        let allowed = settings.propagate_to.allows(host) && settings.clock != ClockMode::Off;
        assert!(clock.is_none() || allowed, "{clock:?} to {host}");
        let limits = settings.limits;
        let sent = clock
            .filter(|clock| !clock.starts_with("v1;"))
            .map(|clock| {
                let read = Clock::read(clock.as_bytes(), limits, Some(caller.trace_id().low32()));
                let sent = read.unwrap_or_else(|error| panic!("{error}: {clock}"));
                assert_eq!(sent.compare(&caller.stamp()), Order::Equal, "{sent}");
                let own = survives_tracestate(&sent).filter(|_| incoming.own.is_some());
                assert_eq!(
                    own.and_then(|own| own.to_tracestate()).as_deref(),
                    incoming.own
                );
                sent
            });
        assert!(incoming.own.is_none() || sent.is_some());
        if let Some(clock) = clock.filter(|_| sent.is_none()) {
            let vector =
                ClockV1::read(clock.as_bytes(), caller.trace_id(), limits.header_bytes_max);
            assert!(
                vector.is_ok_and(|vector| vector.iter().len() > 0),
                "{clock}"
            );
        }
        let callee = self.arrives(&call, sent.as_ref());
        self.calls.push((call, callee));
    }

    fn arrives(&self, call: &towline_core::Call, sent: Option<&Clock>) -> Context {
        let traceparent = call.traceparent();
        let traceparent = traceparent.as_ref().map(towline_core::Traceparent::as_str);
        let fields = [
            (TRACEPARENT, traceparent),
            (TRACESTATE, call.tracestate()),
            (RACEWAY_CLOCK, call.clock()),
        ];
        let fields: Vec<(&str, &str)> = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let before = drops(&self.callees);
        let callee = self.callees.accept(fields.as_slice(), &Peer::default());
        assert_eq!(
            drops(&self.callees),
            before,
            "{fields:?}: {}",
            self.callees.counters()
        );
        assert_eq!(callee.trace_id(), call.context().trace_id());
        assert_eq!(callee.parent_id(), Some(call.span_id()));
        let order = call.context().stamp().compare(&callee.stamp());
        let expected = if sent.is_some() {
            Order::Before
        } else {
            Order::Unknown
        };
        assert_eq!(order, expected, "{fields:?}");
        callee
    }

    fn answer_of_callee(&mut self, input: &mut Input<'_>) {
        let Some((mut call, callee)) = self.take_call(input) else {
            return;
        };
        let towline = call.context().towline().clone();
        let caller = call.context().clone();
        if input.byte() & 1 == 1 {
            callee
                .towline()
                .clone()
                .call_from(&callee, "8.8.8.8")
                .failed();
        }
        let (ended, before) = (caller.has_ended(), drops(&towline));
        let kept = drops(&self.callees);
        let was_sent = call.clock().is_some_and(|clock| clock.starts_with("v2;"));
        let so_far = (input.byte() & 1 == 1).then(|| callee.answer_so_far());
        let answer = so_far.unwrap_or_else(|| callee.end(Outcome::Ok));
        let Some(answer) = answer else {
            // An answer that is too long even when cut is withheld, and counted.
            assert_eq!(drops(&self.callees) - kept, u64::from(was_sent));
            return;
        };
        assert!(was_sent, "{answer}");
        let done = call.answered(200, [answer.as_str().as_bytes()]);
        assert_eq!(drops(&towline), before, "{answer}: {}", towline.counters());
        if ended {
            return;
        }
        assert_eq!(done, answer.has_ended());
        let stamp = caller.stamp();
        reads_again(&stamp);
        assert_eq!(answer.compare(&stamp), Order::Before, "{answer}, {stamp}");
        let end = callee.end(Outcome::Ok);
        if let Some(end) = end.filter(|_| !done && input.byte() & 1 == 1) {
            call.trailers([end.as_str().as_bytes()]);
            let stamp = caller.stamp();
            assert_eq!(end.compare(&stamp), Order::Before, "{end}, {stamp}");
        } else {
            call.body_ended();
            // It may be lost already: the answer of a call that was cut says so of those in flight.
            assert!(!done || caller.stamp() == stamp, "{answer}, {stamp}");
        }
        reads_again(&caller.stamp());
    }

    /// Clocks of any bytes as the answer, also several of them.
    fn answer_of_any(&mut self, input: &mut Input<'_>) {
        let Some((mut call, _)) = self.take_call(input) else {
            return;
        };
        let towline = call.context().towline().clone();
        let before = (drops(&towline), call.context().stamp());
        let answers = self.answers.iter().copied().take(input.below(3));
        let ours = call
            .clock()
            .filter(|clock| clock.starts_with("v2;"))
            .is_some();
        let done = call.answered(500, answers);
        let dropped = drops(&towline) - before.0;
        assert!(dropped <= 1);
        if !ours {
            assert_eq!((dropped, call.context().stamp(), done), (0, before.1, true));
        }
        reads_again(&call.context().stamp());
        call.trailers(self.answers.iter().copied().skip(1));
        call.body_ended();
        reads_again(&call.context().stamp());
    }

    fn join(&mut self, input: &mut Input<'_>) {
        if self.tasks.is_empty() {
            return;
        }
        let task = self.tasks.swap_remove(input.below(self.tasks.len()));
        let context = task.context().clone();
        let joining = task.end();
        reads_again(&context.stamp());
        joining.join();
    }
}
