//! How long one thing takes, and what it allocates.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Error};
use cpu_time::ThreadTime;

use crate::allocations::Allocations;

/// How many different things are measured in one go.
pub(crate) const BATCH: usize = 512;

/// How many of them are made before they are used up: few enough to lie in the nearest caches, as
/// a request does that was just read, and many enough that the clock's price is shared.
const HAND: usize = 64;

/// How long one process measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How many batches, at least one.
    pub(crate) batches: usize,
}

/// What one of a kind costs: CPU time of the thread in nanoseconds, allocations and their bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Of the fastest batch.
    pub(crate) least: f64,
    /// Of the batch in the middle.
    pub(crate) median: f64,
    pub(crate) allocations: f64,
    pub(crate) bytes: f64,
}

/// Measures `run` over batches of things, which are made outside the measured time.
pub(crate) fn batches<T>(
    effort: Effort,
    things: impl Iterator<Item = T>,
    mut run: impl FnMut(T),
) -> Cost {
    let mut things = things;
    let mut hand = Vec::with_capacity(HAND);
    let mut batch = || {
        let mut whole = Span::default();
        for _ in 0..BATCH / HAND {
            hand.extend(things.by_ref().take(HAND));
            let stopwatch = Stopwatch::start();
            hand.drain(..).for_each(&mut run);
            whole = whole.and(stopwatch.stop(HAND));
        }
        whole
    };
    let spans: Vec<Span> = (0..effort.batches.max(1)).map(|_| batch()).collect();
    Cost::of(&spans)
}

/// Started with the first of some things, stopped after the last.
pub(crate) struct Stopwatch {
    allocations: Allocations,
    time: ThreadTime,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            allocations: Allocations::so_far(),
            time: ThreadTime::now(),
        }
    }

    pub(crate) fn stop(self, things: usize) -> Span {
        let time = self.time.elapsed();
        let allocations = Allocations::so_far() - self.allocations;
        Span {
            things: things as f64,
            nanoseconds: time.as_nanos() as f64,
            allocations: allocations.count as f64,
            bytes: allocations.bytes as f64,
        }
    }
}

/// What a number of things cost together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    things: f64,
    nanoseconds: f64,
    allocations: f64,
    bytes: f64,
}

impl Span {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            things: self.things + other.things,
            nanoseconds: self.nanoseconds + other.nanoseconds,
            allocations: self.allocations + other.allocations,
            bytes: self.bytes + other.bytes,
        }
    }

    /// The same cost, of so many things.
    pub(crate) fn shared_by(self, things: usize) -> Self {
        Self {
            things: things as f64,
            ..self
        }
    }
}

impl Cost {
    /// What one costs, of spans that measured the same.
    pub(crate) fn of(spans: &[Span]) -> Self {
        let each = |part: fn(&Span) -> f64| -> Vec<f64> {
            spans.iter().map(|span| part(span) / span.things).collect()
        };
        let times = each(|span| span.nanoseconds);
        Self {
            least: least(&times),
            median: median(times),
            allocations: median(each(|span| span.allocations)),
            bytes: median(each(|span| span.bytes)),
        }
    }

    /// The cost over several processes: the fastest of all, else the one in the middle.
    pub(crate) fn over_rounds(rounds: &[Self]) -> Self {
        let each = |part: fn(&Self) -> f64| -> Vec<f64> { rounds.iter().map(part).collect() };
        Self {
            least: least(&each(|cost| cost.least)),
            median: median(each(|cost| cost.median)),
            allocations: median(each(|cost| cost.allocations)),
            bytes: median(each(|cost| cost.bytes)),
        }
    }
}

impl Cost {
    /// What it costs more than `bare`.
    pub(crate) fn beyond(&self, bare: &Self) -> Self {
        Self {
            least: self.least - bare.least,
            median: self.median - bare.median,
            allocations: self.allocations - bare.allocations,
            bytes: self.bytes - bare.bytes,
        }
    }
}

pub(crate) fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// As one process tells another.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            least,
            median,
            allocations,
            bytes,
        } = self;
        write!(f, "{least} {median} {allocations} {bytes}")
    }
}

impl FromStr for Cost {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let mut numbers = line.split(' ').map(f64::from_str);
        let mut next = || anyhow::Ok(numbers.next().context("a cost has four numbers")??);
        Ok(Self {
            least: next()?,
            median: next()?,
            allocations: next()?,
            bytes: next()?,
        })
    }
}
