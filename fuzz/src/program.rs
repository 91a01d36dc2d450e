//! Bytes as a program of strands: calls, answers, messages, losses, cut headers, hops without
//! clocks, work after the end.
//!
//! For every pair of events the stamps tell what brute-force reachability says; where something was
//! cut or lost they may also say that they cannot tell. Nothing else may ever be told.

use towline_core::{Clock, Component, Fork, Limits, Order, Strand, StrandError};

use crate::input::{Input, hash};
use crate::written::{reads_again, sends, survives_tracestate};

const TRACE: u32 = 0x1c80_319c;
/// Every pair of events is compared: this bounds the time of one input.
const EVENTS_MAX: usize = 32;
const STRANDS_MAX: usize = 24;

/// Checks one input.
pub fn check(data: &[u8]) {
    let mut world = World::new();
    let mut input = Input::new(data);
    while !input.is_empty() && world.events.len() < EVENTS_MAX && world.strands.len() < STRANDS_MAX
    {
        world.step(&mut input);
    }
    world.check(hash(data));
}

/// One event: its stamp, the events that it knows, one bit each, and its trace's first strand.
struct Event {
    strand: usize,
    clock: Clock,
    past: Vec<u64>,
    /// Whether a strand was started from this stamp.
    spent: bool,
}

struct Running {
    strand: Strand,
    last: usize,
    /// The first strand above.
    first: usize,
}

struct Call {
    caller: usize,
    tick: u32,
    sent: Clock,
    /// Whether the callee was told less than that.
    cut: bool,
    callee: Option<usize>,
}

struct World {
    events: Vec<Event>,
    strands: Vec<Running>,
    calls: Vec<Call>,
    /// Whether nothing was cut or lost yet.
    exact: bool,
    /// Whether a send was handled twice: then orders between others cannot be trusted.
    duplicated: bool,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            events: Vec::new(),
            strands: Vec::new(),
            calls: Vec::new(),
            exact: true,
            duplicated: false,
        };
        world.first();
        world
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let act = input.below(19);
        let who = input.below(self.strands.len());
        match act {
            0 => self.event(who),
            1 | 2 => self.call(who, input, false),
            3 => self.call(who, input, true),
            4 => self.end(who),
            5..=7 => self.answer_of_callee(input),
            8 => self.answer_of_any(input),
            9 => self.receive(who, input),
            10 => self.lost(input),
            11 => self.start_from(input),
            12 => self.through_a_gap(input),
            13 => self.dive(who, input),
            14 => self.many(who, input),
            15 => self.duplicate(input),
            16 => self.changed_answer(input),
            17 => self.deep(who, input),
            _ if self.strands.len() < 3 => self.first(),
            _ => self.event(who),
        }
    }

    fn component(&self) -> Component {
        Component::new(&format!("s{}", self.strands.len() % 4), "i")
    }

    /// Different for all strands.
    fn nonce(&self) -> u32 {
        u32::try_from(self.strands.len()).expect("few strands") + 1
    }

    fn first(&mut self) {
        let strand = Strand::first(&self.component(), self.nonce(), TRACE);
        let first = self.strands.len();
        self.run(strand, first, &[]);
    }

    fn run(&mut self, strand: Strand, first: usize, causes: &[usize]) -> usize {
        let last = self.events.len();
        let id = self.strands.len();
        self.strands.push(Running {
            strand,
            last,
            first,
        });
        self.record(id, causes);
        id
    }

    /// The strand's last event, caused by these.
    fn record(&mut self, strand: usize, causes: &[usize]) -> usize {
        let id = self.events.len();
        let clock = self.strands[strand].strand.clock();
        let mut past = vec![0; id / 64 + 1];
        past[id / 64] |= 1 << (id % 64);
        for &cause in causes {
            for (word, more) in past.iter_mut().zip(&self.events[cause].past) {
                *word |= more;
            }
        }
        self.events.push(Event {
            strand,
            clock,
            past,
            spent: false,
        });
        self.strands[strand].last = id;
        id
    }

    fn knows(&self, later: usize, earlier: usize) -> bool {
        let word = self.events[later].past.get(earlier / 64);
        word.is_some_and(|word| word >> (earlier % 64) & 1 == 1)
    }

    /// Does something that ticks; after the end it is refused and changes nothing.
    fn act<T>(
        &mut self,
        who: usize,
        act: impl FnOnce(&mut Strand) -> Result<T, StrandError>,
    ) -> Option<T> {
        let strand = &mut self.strands[who].strand;
        let before = strand.clock();
        if before.has_ended() {
            assert!(strand.has_ended());
            let Err(error) = act(strand) else {
                panic!("acted after its end: {before}");
            };
            assert_eq!(error, StrandError::Ended);
            assert_eq!(strand.clock(), before);
            return None;
        }
        let done = act(strand).unwrap_or_else(|error| panic!("{error}: {before}"));
        assert_eq!(strand.tick(), before.tick() + 1);
        let last = self.strands[who].last;
        self.record(who, &[last]);
        Some(done)
    }

    fn event(&mut self, who: usize) {
        self.act(who, Strand::event);
    }

    fn end(&mut self, who: usize) {
        self.act(who, Strand::end);
    }

    fn call(&mut self, who: usize, input: &mut Input<'_>, detached: bool) {
        let fork = if detached {
            Fork::Detached
        } else {
            Fork::Attached
        };
        let Some(tick) = self.act(who, |strand| strand.send(fork)) else {
            return;
        };
        let caller = &self.strands[who];
        let (sent, first, event) = (caller.strand.clock(), caller.first, caller.last);
        // Most budgets are enough.
        let budget = match input.byte() {
            budget @ 0..64 => 24 + 4 * usize::from(budget),
            _ => Limits::DEFAULT.header_bytes_max,
        };
        let header = sends(&caller.strand, budget);
        self.exact &= header.as_ref().is_none_or(|header| *header == sent);
        let cut = header.as_ref() != Some(&sent);
        let callee = header.map(|header| {
            self.events[event].spent = true;
            let strand = Strand::start(&header, &self.component(), self.nonce(), false);
            self.run(strand, first, &[event])
        });
        if !detached {
            self.calls.push(Call {
                caller: who,
                tick,
                sent,
                cut,
                callee,
            });
        }
    }

    fn answer_of_callee(&mut self, input: &mut Input<'_>) {
        if self.calls.is_empty() {
            return;
        }
        let call = input.below(self.calls.len());
        let Some(callee) = self.calls[call].callee else {
            return;
        };
        let running = &mut self.strands[callee];
        if input.byte() < 192 && running.strand.end().is_ok() {
            let last = running.last;
            self.record(callee, &[last]);
        }
        self.answer(call, self.strands[callee].last);
    }

    fn answer_of_any(&mut self, input: &mut Input<'_>) {
        if !self.calls.is_empty() {
            let call = input.below(self.calls.len());
            let event = input.below(self.events.len());
            self.answer(call, event);
        }
    }

    /// With what was sent and without it, the answer of a call does the same.
    fn answer(&mut self, call: usize, event: usize) {
        let call = &self.calls[call];
        let stamp = &self.events[event].clock;
        let who = call.caller;
        let (mut plain, sent) = (self.strands[who].strand.clone(), call.sent.as_str());
        let before = plain.clock();
        let done = plain.answer(call.tick, None, stamp);
        let strand = &mut self.strands[who].strand;
        let with_sent = strand.answer(call.tick, (!call.cut).then_some(sent), stamp);
        let after = strand.clock();
        assert_eq!(with_sent, done, "{stamp} to {sent} at {before}");
        assert_eq!(after, plain.clock(), "{stamp} to {sent} at {before}");
        let own = call.callee == Some(self.events[event].strand);
        match done {
            Ok(()) => {
                assert!(own || self.duplicated, "{stamp} is no answer to {sent}");
                let last = self.strands[who].last;
                self.record(who, &[last, event]);
            }
            Err(error) => {
                assert!(
                    !own || error == StrandError::Ended,
                    "{error}: {stamp} to {sent}"
                );
                assert!(!own || before.has_ended(), "{stamp} to {sent}");
                assert_eq!(after, before);
            }
        }
    }

    fn receive(&mut self, who: usize, input: &mut Input<'_>) {
        let event = input.below(self.events.len());
        let stamp = self.events[event].clock.clone();
        let first = self.strands[self.events[event].strand].first;
        let running = &mut self.strands[who];
        let before = running.strand.clock();
        let received = running.strand.receive(&stamp);
        match received {
            Ok(()) => {
                assert_eq!(first, running.first, "{stamp} is of another first strand");
                let last = running.last;
                self.record(who, &[last, event]);
            }
            Err(error) => {
                let expected = if first != running.first {
                    error == StrandError::NotOfThisTrace
                } else if before.has_ended() {
                    error == StrandError::Ended
                } else {
                    self.duplicated && error == StrandError::FromTheFuture
                };
                assert!(expected, "{error}: {stamp} at {before}");
                assert_eq!(running.strand.clock(), before);
            }
        }
    }

    fn lost(&mut self, input: &mut Input<'_>) {
        if self.calls.is_empty() {
            return;
        }
        let call = input.below(self.calls.len());
        let Call { caller, tick, .. } = self.calls[call];
        let strand = &mut self.strands[caller].strand;
        let before = strand.clock();
        strand.lost(tick);
        let after = strand.clock();
        reads_again(&after);
        assert_eq!(after.compare(&before), Order::Equal, "{after}, {before}");
        assert!(!before.has_ended() || after == before);
        self.exact &= after == before;
    }

    /// A message, or work after the end: a strand of its own from a stamp that started none yet.
    fn start_from(&mut self, input: &mut Input<'_>) {
        let event = input.below(self.events.len());
        if !self.events[event].spent {
            self.start(event, None);
        }
    }

    /// The same through a service that carries no clocks.
    fn through_a_gap(&mut self, input: &mut Input<'_>) {
        let event = input.below(self.events.len());
        if self.events[event].spent {
            return;
        }
        if let Some(short) = survives_tracestate(&self.events[event].clock) {
            self.exact = false;
            self.start(event, Some(short));
        }
    }

    /// A send that is handled once more.
    fn duplicate(&mut self, input: &mut Input<'_>) {
        let event = input.below(self.events.len());
        self.duplicated |= self.events[event].spent;
        self.start(event, None);
    }

    fn start(&mut self, event: usize, through: Option<Clock>) {
        let gap = through.is_some();
        self.events[event].spent = true;
        let clock = through.unwrap_or_else(|| self.events[event].clock.clone());
        let strand = Strand::start(&clock, &self.component(), self.nonce(), gap);
        let first = self.strands[self.events[event].strand].first;
        let started = self.run(strand, first, &[event]);
        // The answer of whoever took over a call still open may come too.
        let stamp = &self.events[event].clock;
        let caller = self.events[event].strand;
        let call = self.calls.iter_mut().find(|call| {
            call.caller == caller && call.tick == stamp.tick() && call.callee.is_none()
        });
        if let Some(call) = call {
            call.callee = Some(started);
        }
    }

    /// Calls in calls, within one process.
    fn dive(&mut self, who: usize, input: &mut Input<'_>) {
        let mut at = who;
        for _ in 0..input.below(8) {
            let room = self.events.len() < EVENTS_MAX && self.strands.len() < STRANDS_MAX;
            let sent = room.then(|| self.act(at, |strand| strand.send(Fork::Attached)));
            let Some(tick) = sent.flatten() else { return };
            let caller = &self.strands[at];
            let (sent, first, event) = (caller.strand.clock(), caller.first, caller.last);
            self.events[event].spent = true;
            let strand = Strand::start(&sent, &self.component(), self.nonce(), false);
            let callee = self.run(strand, first, &[event]);
            self.calls.push(Call {
                caller: at,
                tick,
                sent,
                cut: false,
                callee: Some(callee),
            });
            at = callee;
        }
    }

    /// Tasks in tasks within one process, deeper than any header goes, all joined, the deepest with
    /// a call in flight; only the last join is an event that is looked at.
    fn deep(&mut self, who: usize, input: &mut Input<'_>) {
        let levels = input.below(80);
        if self.strands[who].strand.has_ended() || levels == 0 {
            return;
        }
        let component = self.component();
        let fork = |strand: &mut Strand| {
            let tick = strand.send(Fork::Attached).expect("it has not ended");
            (tick, strand.clock())
        };
        let mut sent = vec![fork(&mut self.strands[who].strand)];
        let mut tasks: Vec<Strand> = Vec::new();
        for n in 0..levels {
            let mut task = Strand::start(&sent[n].1, &component, u32::MAX - self.nonce(), false);
            sent.push(fork(&mut task));
            tasks.push(task);
        }
        sent.pop();
        while let (Some(mut task), Some((tick, sent))) = (tasks.pop(), sent.pop()) {
            task.end().expect("it has not ended");
            let end = task.clock();
            let above = tasks.last_mut().unwrap_or(&mut self.strands[who].strand);
            let joined = above.answer(tick, Some(sent.as_str()), &end);
            joined.unwrap_or_else(|error| panic!("{error}: {end} to {sent}"));
        }
        let last = self.strands[who].last;
        let event = self.record(who, &[last]);
        self.events[event].spent = input.byte() & 1 == 1;
    }

    /// Calls that nobody takes, some of them lost; only the last is an event that is looked at.
    fn many(&mut self, who: usize, input: &mut Input<'_>) {
        let (calls, lost) = (input.below(32), input.byte());
        let strand = &mut self.strands[who].strand;
        if strand.has_ended() {
            return;
        }
        for n in 0..calls {
            let tick = strand.send(Fork::Attached).expect("it has not ended");
            if lost >> (n % 8) & 1 == 1 {
                strand.lost(tick);
                self.exact = false;
            }
        }
        if calls > 0 {
            let last = self.strands[who].last;
            let event = self.record(who, &[last]);
            self.events[event].spent = true;
        }
    }

    /// An answer with one byte changed, to a strand that is thrown away.
    fn changed_answer(&mut self, input: &mut Input<'_>) {
        if self.calls.is_empty() {
            return;
        }
        let call = &self.calls[input.below(self.calls.len())];
        let event = call.callee.map_or(0, |callee| self.strands[callee].last);
        let mut header = self.events[event].clock.as_str().as_bytes().to_vec();
        let at = input.below(256) * header.len() / 256;
        header[at] = input.byte();
        let Ok(stamp) = Clock::read(&header, crate::written::UNBOUNDED, None) else {
            return;
        };
        let mut short = self.strands[call.caller].strand.clone();
        let (mut long, sent) = (short.clone(), call.sent.as_str());
        let before = short.clock();
        let done = long.answer(call.tick, None, &stamp);
        let with_sent = short.answer(call.tick, (!call.cut).then_some(sent), &stamp);
        assert_eq!(with_sent, done, "{stamp} to {sent} at {before}");
        assert_eq!(short.clock(), long.clock(), "{stamp} to {sent} at {before}");
        reads_again(&short.clock());
        sends(&short, Limits::DEFAULT.header_bytes_max);
    }

    fn check(&self, seed: u64) {
        for event in self
            .events
            .iter()
            .filter(|event| event.strand as u64 % 4 == seed % 4)
        {
            reads_again(&event.clock);
        }
        for running in &self.strands {
            sends(&running.strand, Limits::DEFAULT.header_bytes_max);
        }
        let cut = |event: &Event| {
            let whole = event.clock.as_str().len() as u64;
            let budget = usize::try_from(seed % whole).expect("short").max(40);
            event
                .clock
                .cut(budget)
                .unwrap_or_else(|_| event.clock.clone())
        };
        let cuts: Vec<Clock> = self.events.iter().map(cut).collect();
        for later in 0..self.events.len() {
            for earlier in 0..later {
                // Turned and cut for some of the pairs, others in each input.
                let sample = (earlier * 31 + later) as u64 % 4 == seed % 4;
                self.check_pair(earlier, later, sample.then_some(&cuts));
            }
        }
        self.check_merge(seed);
    }

    fn check_pair(&self, earlier: usize, later: usize, cuts: Option<&Vec<Clock>>) {
        if self.duplicated {
            return;
        }
        let (a, b) = (&self.events[earlier].clock, &self.events[later].clock);
        let (told, truth) = (a.compare(b), self.truth(earlier, later));
        let unknown = !self.exact && told == Order::Unknown;
        assert!(told == truth || unknown, "{told}, not {truth}: {a} and {b}");
        if let Some(cuts) = cuts {
            assert_eq!(b.compare(a), turned(told), "{a} and {b}");
            let (a, b) = (&cuts[earlier], &cuts[later]);
            let told = a.compare(b);
            let fits = told == truth || told == Order::Unknown;
            assert!(fits, "{told}, not {truth}: {a} and {b}");
        }
    }

    fn truth(&self, earlier: usize, later: usize) -> Order {
        let first = |event: usize| self.strands[self.events[event].strand].first;
        if first(earlier) != first(later) {
            Order::Unknown
        } else if self.knows(later, earlier) {
            Order::Before
        } else {
            Order::Concurrent
        }
    }

    /// A running strand's stamp merged with another one knows what either knew, and nothing else.
    /// (Where the strand has ended, or the other stamp is later, the outcome is known completely and
    /// has no place for more of its own way.)
    fn check_merge(&self, seed: u64) {
        let pick = |seed: u64| usize::try_from(seed % self.events.len() as u64).expect("few");
        let (x, y) = (pick(seed >> 8), pick(seed >> 24));
        let first = |event: usize| self.strands[self.events[event].strand].first;
        let over = self.events[x].clock.has_ended() || (x != y && self.knows(y, x));
        if self.duplicated || over || first(x) != first(y) {
            return;
        }
        let merged = self.events[x].clock.merge(&self.events[y].clock);
        reads_again(&merged);
        for (n, event) in self
            .events
            .iter()
            .enumerate()
            .filter(|(n, _)| first(*n) == first(x))
        {
            let known = self.knows(x, n) || self.knows(y, n);
            let told = event.clock.compare(&merged);
            let is_known = matches!(told, Order::Before | Order::Equal);
            let untold = !self.exact && told == Order::Unknown;
            assert!(
                untold || known == is_known || self.claims_too_much(x, y, told),
                "{told}: {} and {merged}",
                event.clock
            );
        }
    }
}

impl World {
    /// A known fault, in the model too (README, "Limits"): a clock that was cut, merged with word of
    /// what it was cut of, takes that word for all that it knew, and may then say `concurrent` where
    /// it cannot tell. This goes when the merge marks such word as lossy.
    fn claims_too_much(&self, x: usize, y: usize, told: Order) -> bool {
        let is_cut = |event: usize| self.events[event].clock.as_str().contains('~');
        !self.exact && told == Order::Concurrent && (is_cut(x) || is_cut(y))
    }
}

fn turned(order: Order) -> Order {
    match order {
        Order::Before => Order::After,
        Order::After => Order::Before,
        same => same,
    }
}
