//! Random programs of calls, joins, timeouts, messages, callbacks and work after the answer:
//! what the clocks prove is what brute-force reachability says, for every pair of events.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test panics where it fails"
)]

use proptest::prelude::*;
use towline_core::{Clock, Component, Fork, Limits, Order, Strand};

const TRACE: u32 = 0x1c80319c;
const SERVICES: u32 = 4;
const DEPTH_MAX: u32 = 5;

/// One event: its stamp, and the events that it knows, one bit each.
struct Event {
    clock: Clock,
    past: Vec<u64>,
}

#[derive(Default)]
struct Program {
    events: Vec<Event>,
    /// What each call was answered with, once it was: the stamp and the event.
    answers: Vec<Option<(Clock, usize)>>,
    messages: Vec<(Clock, usize)>,
    calls_left: u32,
}

impl Program {
    fn record(&mut self, clock: Clock, causes: &[usize]) -> usize {
        let id = self.events.len();
        let mut past = vec![0; id / 64 + 1];
        past[id / 64] |= 1 << (id % 64);
        for &cause in causes {
            for (word, more) in past.iter_mut().zip(&self.events[cause].past) {
                *word |= more;
            }
        }
        self.events.push(Event { clock, past });
        id
    }

    fn knows(&self, later: usize, earlier: usize) -> bool {
        self.events[later]
            .past
            .get(earlier / 64)
            .is_some_and(|word| word >> (earlier % 64) & 1 == 1)
    }
}

/// A call in flight: its tick, what was sent, and where its answer will stand.
struct Pending {
    tick: u32,
    sent: Clock,
    answer: usize,
}

enum Then {
    Act,
    Join,
    End,
    WorkAfterTheAnswer,
}

struct Handler {
    strand: Strand,
    depth: u32,
    last: usize,
    acts_left: u32,
    pending: Vec<Pending>,
    /// The call that is waited for.
    joining: Option<Pending>,
    joins_all: bool,
    answer: usize,
    then: Then,
}

impl Handler {
    fn start(
        rng: &mut fastrand::Rng,
        program: &mut Program,
        at: (u32, u32),
        sender: Option<(&Clock, usize)>,
        answer: usize,
    ) -> Self {
        let (service, depth) = at;
        let component = Component::new(&format!("s{service}"), "i");
        let strand = match sender {
            None => Strand::first(&component, rng.u32(..), TRACE),
            Some((clock, _)) => Strand::start(clock, &component, rng.u32(..), false),
        };
        let causes: Vec<usize> = sender.iter().map(|(_, event)| *event).collect();
        let last = program.record(strand.clock(), &causes);
        Self {
            strand,
            depth,
            last,
            acts_left: rng.u32(1..=6),
            pending: Vec::new(),
            joining: None,
            joins_all: rng.f64() < 0.8,
            answer,
            then: Then::Act,
        }
    }

    /// Does one thing; gives the handler that it started, and whether it goes on.
    fn step(&mut self, rng: &mut fastrand::Rng, program: &mut Program) -> (Option<Self>, bool) {
        if let Some(call) = self.joining.take() {
            match program.answers[call.answer].clone() {
                Some((clock, event)) => self.join(&call, &clock, event, rng, program),
                None => self.joining = Some(call),
            }
            return (None, true);
        }
        match self.then {
            Then::Act if self.acts_left > 0 && program.calls_left > 0 => {
                self.acts_left -= 1;
                (self.act(rng, program), true)
            }
            Then::Act => {
                self.then = if self.joins_all {
                    Then::Join
                } else {
                    Then::End
                };
                (None, true)
            }
            Then::Join => {
                self.joining = self.pending.pop();
                if self.joining.is_none() {
                    self.then = Then::End;
                }
                (None, true)
            }
            Then::End => {
                self.strand.end().unwrap();
                let clock = self.strand.clock();
                let event = program.record(clock.clone(), &[self.last]);
                program.answers[self.answer] = Some((clock.clone(), event));
                if rng.f64() >= 0.2 {
                    return (None, false);
                }
                self.strand =
                    Strand::start(&clock, &Component::new("late", "i"), rng.u32(..), false);
                self.last = program.record(self.strand.clock(), &[event]);
                self.acts_left = rng.u32(1..=3);
                self.then = Then::WorkAfterTheAnswer;
                (None, true)
            }
            Then::WorkAfterTheAnswer => {
                self.strand.event().unwrap();
                self.last = program.record(self.strand.clock(), &[self.last]);
                self.acts_left -= 1;
                (None, self.acts_left > 0)
            }
        }
    }

    fn join(
        &mut self,
        call: &Pending,
        clock: &Clock,
        event: usize,
        rng: &mut fastrand::Rng,
        program: &mut Program,
    ) {
        if rng.bool() {
            self.strand
                .answer(call.tick, Some(call.sent.as_str()), clock)
                .unwrap();
        } else {
            let mut other = self.strand.clone();
            other.answer(call.tick, None, clock).unwrap();
            self.strand.receive(clock).unwrap();
            assert_eq!(other.clock(), self.strand.clock());
        }
        self.last = program.record(self.strand.clock(), &[self.last, event]);
    }

    fn act(&mut self, rng: &mut fastrand::Rng, program: &mut Program) -> Option<Self> {
        match rng.f64() {
            act if act < 0.3 => {
                self.strand.event().unwrap();
                self.last = program.record(self.strand.clock(), &[self.last]);
                None
            }
            act if act < 0.75 && self.depth < DEPTH_MAX => Some(self.call(rng, program)),
            act if act < 0.85 && !self.pending.is_empty() => {
                self.joining = Some(self.pending.swap_remove(rng.usize(..self.pending.len())));
                None
            }
            act if act < 0.93 => {
                self.strand.event().unwrap();
                let clock = self.strand.clock();
                self.last = program.record(clock.clone(), &[self.last]);
                program.messages.push((clock, self.last));
                None
            }
            _ if !program.messages.is_empty() => {
                let (clock, event) = program.messages[rng.usize(..program.messages.len())].clone();
                self.strand.receive(&clock).unwrap();
                self.last = program.record(self.strand.clock(), &[self.last, event]);
                None
            }
            _ => None,
        }
    }

    fn call(&mut self, rng: &mut fastrand::Rng, program: &mut Program) -> Self {
        program.calls_left -= 1;
        let wait = rng.f64();
        let detached = wait >= 0.7 && rng.f64() < 0.6;
        let tick = self
            .strand
            .send(if detached {
                Fork::Detached
            } else {
                Fork::Attached
            })
            .unwrap();
        let sent = self.strand.clock();
        self.last = program.record(sent.clone(), &[self.last]);
        let answer = program.answers.len();
        program.answers.push(None);
        let callee = (rng.u32(..SERVICES), self.depth + 1);
        let handler = Self::start(rng, program, callee, Some((&sent, self.last)), answer);
        let call = Pending { tick, sent, answer };
        if wait < 0.45 {
            self.joining = Some(call);
        } else if wait < 0.7 {
            self.pending.push(call);
        }
        handler
    }
}

/// The events of one random program, in an order of time that fits their causes.
fn run(seed: u64, calls: u32) -> Program {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut program = Program {
        answers: vec![None],
        calls_left: calls,
        ..Program::default()
    };
    let mut running = vec![Handler::start(&mut rng, &mut program, (0, 0), None, 0)];
    while !running.is_empty() {
        let turn = rng.usize(..running.len());
        let (started, goes_on) = running[turn].step(&mut rng, &mut program);
        if !goes_on {
            running.swap_remove(turn);
        }
        running.extend(started);
    }
    program
}

fn cut(clock: &Clock) -> Clock {
    let budget = (clock.as_str().len() * 7 / 10).max(60);
    clock.cut(budget).unwrap_or_else(|_| clock.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn clocks_prove_what_happened(seed in any::<u64>(), calls in 5..60u32) {
        let program = run(seed, calls);
        let cuts: Vec<Clock> = program.events.iter().map(|event| cut(&event.clock)).collect();
        for (later, event) in program.events.iter().enumerate() {
            let text = event.clock.as_str();
            let unbounded = Limits { header_bytes_max: usize::MAX, ..Limits::DEFAULT };
            let read = Clock::read(text.as_bytes(), unbounded, Some(TRACE)).unwrap();
            prop_assert_eq!(read.as_str(), text);
            prop_assert_eq!(event.clock.compare(&read), Order::Equal);
            if let Some(member) = event.clock.to_tracestate() {
                let read = Clock::from_tracestate(&member, TRACE, Limits::DEFAULT).unwrap();
                prop_assert_eq!(read.compare(&event.clock), Order::Equal);
            }
            for earlier in 0..later {
                let truth = if program.knows(later, earlier) { Order::Before } else { Order::Concurrent };
                let proved = program.events[earlier].clock.compare(&event.clock);
                prop_assert_eq!(proved, truth, "{} and {}", program.events[earlier].clock, event.clock);
                if (earlier * 31 + later) % 7 == 0 {
                    let told = cuts[earlier].compare(&cuts[later]);
                    prop_assert!(told == truth || told == Order::Unknown, "{} and {}", cuts[earlier], cuts[later]);
                }
            }
        }
    }

    #[test]
    fn many_calls_leave_a_short_clock(seed in any::<u64>(), calls in 1..300usize) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut hub = Strand::first(&Component::new("hub", "1"), 1, TRACE);
        let mut slow = hub.clone();
        let mut flying = Vec::new();
        for _ in 0..calls {
            let tick = hub.send(Fork::Attached).unwrap();
            slow.send(Fork::Attached).unwrap();
            let sent = hub.clock();
            let mut leaf = Strand::start(&sent, &Component::new("leaf", "1"), rng.u32(..), false);
            if rng.u8(..4) == 0 {
                leaf.send(Fork::Attached).unwrap();
            }
            if rng.u8(..4) != 0 {
                leaf.end().unwrap();
            }
            flying.push((tick, sent, leaf.clock()));
            if rng.bool() {
                answer(&mut rng, &mut flying, &mut hub, &mut slow);
            }
        }
        while !flying.is_empty() {
            answer(&mut rng, &mut flying, &mut hub, &mut slow);
        }
        prop_assert_eq!(hub.clock(), slow.clock());
    }
}

/// One strand takes the short way for an answer, the other the general one.
fn answer(
    rng: &mut fastrand::Rng,
    flying: &mut Vec<(u32, Clock, Clock)>,
    hub: &mut Strand,
    slow: &mut Strand,
) {
    let (tick, sent, clock) = flying.swap_remove(rng.usize(..flying.len()));
    match rng.u8(..5) {
        0 => [&mut *hub, slow]
            .into_iter()
            .for_each(|strand| strand.lost(tick)),
        1 => [&mut *hub, slow]
            .into_iter()
            .for_each(|strand| strand.receive(&clock).unwrap()),
        _ => {
            hub.answer(tick, Some(sent.as_str()), &clock).unwrap();
            slow.receive(&clock).unwrap();
        }
    }
    assert_eq!(hub.clock(), slow.clock());
}

#[test]
fn an_answer_of_another_call_is_refused() {
    let mut caller = Strand::first(&Component::new("a", "1"), 1, TRACE);
    let first = caller.send(Fork::Attached).unwrap();
    let sent = caller.clock();
    let second = caller.send(Fork::Attached).unwrap();
    let mut callee = Strand::start(&sent, &Component::new("b", "1"), 2, false);
    callee.end().unwrap();
    let before = caller.clock();
    for sent in [None, Some(sent.as_str())] {
        assert!(caller.answer(second, sent, &callee.clock()).is_err());
        assert!(caller.answer(first, sent, &before).is_err());
        assert_eq!(caller.clock(), before);
    }
    caller
        .answer(first, Some(sent.as_str()), &callee.clock())
        .unwrap();
}

#[test]
fn what_is_nested_too_deep_is_not_sent_on_either() {
    let component = Component::new("a", "1");
    // Word of a chain of calls of calls, each known in part, that the first strand has collected.
    let mut chain = vec![Strand::first(&component, 1, TRACE)];
    for n in 2..70 {
        let caller = chain.last_mut().unwrap();
        caller.send(Fork::Attached).unwrap();
        let sent = caller.clock();
        chain.push(Strand::start(&sent, &component, n, false));
    }
    let deepest = chain.last().unwrap().clock();
    let first = &mut chain[0];
    first.receive(&deepest).unwrap();
    assert!(first.header(1 << 20).is_err(), "no receiver takes it");
    // A task of this process starts from it all the same; what it sends is held to the limits too.
    first.send(Fork::Detached).unwrap();
    let mut task = Strand::start(&first.clock(), &component, 99, false);
    task.send(Fork::Attached).unwrap();
    assert!(task.header(1 << 20).is_err());
}
