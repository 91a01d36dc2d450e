//! Many calls of one request: the ten-thousandth must cost what the tenth does.
//!
//! A rehearsal with the same random numbers finds out what is sent, and so what is answered: in
//! the performance that is measured nothing but the calls themselves takes time.

use anyhow::{Result, ensure};
use towline::{Call, Config, Context, Peer, Towline};

use crate::callee;
use crate::inbound::{Clocks, Inbound};
use crate::measure::{Cost, Effort, Span, Stopwatch};
use crate::variant::{Row, Table, Variant};

const SEED: u64 = 7;
const HOST: &str = "stock.internal";
/// The calls whose cost is told apart: the ten that end with the 10th, the 100th, and so on.
const MILESTONES: [(usize, &str); 4] = [
    (10, "the 10th"),
    (100, "the 100th"),
    (1_000, "the 1,000th"),
    (10_000, "the 10,000th"),
];

/// When a call is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    /// Before the next is sent.
    AtOnce,
    /// After all were sent, as they were sent.
    InOrder,
    /// After all were sent, at random.
    AtRandom,
}

/// All programs of calls.
pub(crate) fn variants() -> Vec<Variant> {
    let kinds = [
        (Joined::AtOnce, "in sequence"),
        (Joined::InOrder, "all sent, then joined in order"),
        (Joined::AtRandom, "all sent, then joined at random"),
    ];
    let counts = [(10, "10"), (1_000, "1,000"), (10_000, "10,000")];
    kinds
        .into_iter()
        .flat_map(|(joined, kind)| {
            counts.map(|(count, number)| {
                Variant::of_rows(
                    Table::Calls,
                    format!("{number} calls {kind}"),
                    None,
                    move |effort| Program::rehearse(count, joined)?.measure(effort),
                )
            })
        })
        .collect()
}

/// A request that makes calls, and what they are answered.
struct Program {
    joined: Joined,
    towline: Towline,
    inbound: Inbound,
    answers: Vec<String>,
    /// Which call is joined first, second, …
    order: Vec<usize>,
}

impl Program {
    fn rehearse(count: usize, joined: Joined) -> Result<Self> {
        let inbound = Inbound::batch(Clocks::Hops(4)).into_iter().next();
        let mut order: Vec<usize> = (0..count).collect();
        if joined == Joined::AtRandom {
            fastrand::Rng::with_seed(SEED).shuffle(&mut order);
        }
        let mut program = Self {
            joined,
            towline: Towline::new(Config::new().service_name("bench").instance("b-1")),
            inbound: inbound.expect("a batch is not empty"),
            answers: Vec::with_capacity(count),
            order,
        };
        let context = program.context();
        let mut in_flight = Vec::with_capacity(count);
        for _ in 0..count {
            let mut call = context.call(HOST);
            let answer = callee::answer(call.clock().unwrap_or_default())?;
            if joined == Joined::AtOnce {
                call.answered(200, [answer.as_bytes()]);
            } else {
                in_flight.push(call);
            }
            program.answers.push(answer);
        }
        Ok(program)
    }

    /// The context of the request, with the same span ids to come every time.
    fn context(&self) -> Context {
        fastrand::seed(SEED);
        self.towline
            .accept(&self.inbound.headers(), &Peer::default())
    }

    fn measure(&self, effort: Effort) -> Result<Vec<Row>> {
        // The long programs are batches in themselves.
        let rounds = (effort.batches * 100 / self.answers.len()).clamp(2, effort.batches.max(2));
        let performances: Vec<Vec<(String, Span)>> =
            (0..rounds).map(|_| self.perform()).collect::<Result<_>>()?;
        let parts = performances
            .first()
            .into_iter()
            .flatten()
            .map(|(part, _)| part);
        let row = |(column, part): (usize, &String)| {
            let spans: Vec<Span> = performances
                .iter()
                .filter_map(|spans| Some(spans.get(column)?.1))
                .collect();
            Row {
                part: part.clone(),
                cost: Cost::of(&spans),
            }
        };
        Ok(parts.enumerate().map(row).collect())
    }

    /// Once, with its cost as a whole and at the milestones.
    fn perform(&self) -> Result<Vec<(String, Span)>> {
        let count = self.answers.len();
        // Warms up what the first calls would else pay for; given up, and of another context.
        (0..100).for_each(|_| drop(self.context().call(HOST)));
        let context = self.context();
        let answers_before = self.towline.counters().by_key("call_answered");
        let mut marks = Vec::new();
        let mut whole = None;
        let mut in_flight: Vec<Option<Call>> = Vec::with_capacity(count);
        let mut steps = |what: &str, step: &mut dyn FnMut(usize)| {
            for (part, from, to) in stretches(count) {
                let stopwatch = Stopwatch::start();
                (from..to).for_each(&mut *step);
                let span = stopwatch.stop(to - from);
                whole = Some(whole.map_or(span, |whole: Span| whole.and(span)));
                if let Some(part) = part.filter(|_| count == 10_000) {
                    marks.push((format!("{part}{what}"), span));
                }
            }
        };
        if self.joined == Joined::AtOnce {
            steps("", &mut |number| {
                let mut call = context.call(HOST);
                self.join(&mut call, number);
            });
        } else {
            steps(" sent", &mut |_| in_flight.push(Some(context.call(HOST))));
            let mut order = self.order.iter();
            steps(" joined", &mut |_| {
                let Some(&number) = order.next() else { return };
                let call = in_flight.get_mut(number).and_then(Option::take);
                call.into_iter()
                    .for_each(|mut call| self.join(&mut call, number));
            });
        }
        let stamp = context.stamp();
        ensure!(
            stamp.tick() as usize == 1 + 2 * count,
            "not every call was joined: {stamp}"
        );
        ensure!(
            !stamp.as_str().contains(";x="),
            "a call is still in flight: {stamp}"
        );
        let answered = self.towline.counters().by_key("call_answered");
        ensure!(answered > answers_before, "no answer is counted");
        let whole = whole.map(|whole| (String::new(), whole.shared_by(count)));
        Ok(whole.into_iter().chain(marks).collect())
    }

    fn join(&self, call: &mut Call, number: usize) {
        let answer = self.answers.get(number).map(String::as_bytes);
        call.answered(200, answer);
    }
}

/// The steps up to `count`: in stretches, with the name of those that are told apart.
fn stretches(count: usize) -> Vec<(Option<&'static str>, usize, usize)> {
    let mut stretches = Vec::new();
    let mut from = 0;
    for (last, name) in MILESTONES {
        if last <= count {
            if from < last - 10 {
                stretches.push((None, from, last - 10));
            }
            stretches.push((Some(name), last - 10, last));
            from = last;
        }
    }
    stretches
}
