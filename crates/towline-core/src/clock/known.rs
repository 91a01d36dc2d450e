//! What is known of a strand, as what is *not* known of it.

use std::collections::BTreeMap;

use super::ranges::{Range, Ranges};

/// The forks of a strand that are not known by default.
///
/// Attached forks (calls that somebody waits for) are known completely unless listed as in flight
/// or in part; detached forks are not known at all unless listed as seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forks {
    pub(crate) flying: Ranges,
    pub(crate) open: BTreeMap<u32, Known>,
    pub(crate) seen: BTreeMap<u32, Known>,
}

impl Forks {
    /// Whether every attached fork is known completely, and no detached one at all.
    pub fn is_empty(&self) -> bool {
        self.flying.is_empty() && self.open.is_empty() && self.seen.is_empty()
    }

    /// Attached forks of which nothing is known: calls in flight, ascending.
    pub fn in_flight(&self) -> impl Iterator<Item = Range> + '_ {
        self.flying.iter()
    }

    /// Attached forks that are known in part, by fork tick, ascending.
    pub fn open(&self) -> impl Iterator<Item = (u32, &Known)> {
        self.open.iter().map(|(&tick, known)| (tick, known))
    }

    /// Detached forks of which something is known, by fork tick, ascending.
    pub fn seen(&self) -> impl Iterator<Item = (u32, &Known)> {
        self.seen.iter().map(|(&tick, known)| (tick, known))
    }

    /// Whether an attached fork at `tick` is listed.
    pub(crate) fn lists_attached(&self, tick: u32) -> bool {
        self.flying.get(tick).is_some() || self.open.contains_key(&tick)
    }

    /// Takes out what is said of a fork.
    pub(crate) fn forget(&mut self, tick: u32, detached: bool) {
        if detached {
            self.seen.remove(&tick);
        } else if self.flying.remove(tick).is_none() {
            self.open.remove(&tick);
        }
    }

    /// How many forks the ranges name, at all depths.
    pub(crate) fn flying_count(&self) -> u64 {
        let inner = self.open.values().chain(self.seen.values());
        self.flying.count() + inner.map(|known| known.forks.flying_count()).sum::<u64>()
    }

    /// Whether word of a detached fork stands here, at any depth of attached ones.
    pub(crate) fn sees(&self) -> bool {
        !self.seen.is_empty() || self.open.values().any(|known| known.forks.sees())
    }

    /// Attached forks in ascending order.
    pub(crate) fn attached(&self) -> impl Iterator<Item = Attached<&Known>> {
        Ascending {
            ranges: self.flying.iter().peekable(),
            known: self
                .open
                .iter()
                .map(|(&tick, known)| (tick, known))
                .peekable(),
        }
    }

    fn into_parts(self) -> (impl Iterator<Item = Attached<Known>>, BTreeMap<u32, Known>) {
        let ranges = self
            .flying
            .iter()
            .collect::<Vec<_>>()
            .into_iter()
            .peekable();
        (
            Ascending {
                ranges,
                known: self.open.into_iter().peekable(),
            },
            self.seen,
        )
    }
}

/// A run of attached forks, or one that is known in part.
pub(crate) enum Attached<K> {
    Range(Range),
    Known(u32, K),
}

impl<K> Attached<K> {
    fn first(&self) -> u32 {
        match self {
            Self::Range(range) => range.first,
            Self::Known(tick, _) => *tick,
        }
    }
}

/// Two disjoint ascending lists as one.
struct Ascending<R: Iterator, K: Iterator> {
    ranges: std::iter::Peekable<R>,
    known: std::iter::Peekable<K>,
}

impl<R, K, T> Iterator for Ascending<R, K>
where
    R: Iterator<Item = Range>,
    K: Iterator<Item = (u32, T)>,
{
    type Item = Attached<T>;

    fn next(&mut self) -> Option<Attached<T>> {
        let range_first = match (self.ranges.peek(), self.known.peek()) {
            (Some(range), Some((tick, _))) => range.first < *tick,
            (range, _) => range.is_some(),
        };
        if range_first {
            self.ranges.next().map(Attached::Range)
        } else {
            self.known
                .next()
                .map(|(tick, known)| Attached::Known(tick, known))
        }
    }
}

/// What is known of one strand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Ticks `1..=tick` are known.
    pub tick: u32,
    /// All its ticks are known, and so are all attached forks that are not listed.
    pub ended: bool,
    /// More than this may be known: cut for size, or the answer brought no clock.
    pub lossy: bool,
    /// Its forks that are not known by default.
    pub forks: Forks,
}

impl Known {
    pub(crate) fn is_complete(&self) -> bool {
        self.ended && !self.lossy && self.forks.is_empty()
    }

    /// Whether a fork at `tick` is among the ticks that are known.
    pub(crate) fn knows_fork(&self, tick: u32) -> bool {
        Reach {
            tick: self.tick,
            ended: self.ended,
        }
        .includes(tick)
    }

    /// The least upper bound of two knowledges of one strand.
    pub(crate) fn merge(a: Self, b: Self) -> Self {
        let ended = a.ended || b.ended;
        let mut out = Self {
            tick: a.tick.max(b.tick),
            ended,
            lossy: (a.lossy || b.lossy) && !ended,
            forks: Forks::default(),
        };
        let reach_a = Reach {
            tick: a.tick,
            ended: a.ended,
        };
        let reach_b = Reach {
            tick: b.tick,
            ended: b.ended,
        };
        let (attached_a, mut seen_a) = a.forks.into_parts();
        let (attached_b, seen_b) = b.forks.into_parts();
        merge_attached(&mut out.forks, (attached_a, reach_a), (attached_b, reach_b));
        for (tick, known) in seen_b {
            let merged = match seen_a.remove(&tick) {
                Some(other) => Self::merge(other, known),
                None => known.pruned(),
            };
            out.forks.seen.insert(tick, merged);
        }
        out.forks.seen.extend(
            seen_a
                .into_iter()
                .map(|(tick, known)| (tick, known.pruned())),
        );
        out
    }

    /// Merged with a fork of which nothing was known.
    pub(crate) fn beside(self, range: Range) -> Self {
        let mut merged = self.pruned();
        merged.lossy = (merged.lossy || range.lossy) && !merged.ended;
        merged
    }

    /// Without the attached forks that are known completely: a sender's own way lists them.
    fn pruned(mut self) -> Self {
        self.forks.open = keep_incomplete(self.forks.open, Self::pruned);
        self.forks.seen = self
            .forks
            .seen
            .into_iter()
            .map(|(t, k)| (t, k.pruned()))
            .collect();
        self
    }

    /// Now known completely: only what it has seen of detached forks is left to say.
    fn completed(self) -> Self {
        Self {
            tick: self.tick,
            ended: true,
            lossy: false,
            forks: Forks {
                flying: Ranges::default(),
                open: keep_incomplete(self.forks.open, Self::completed),
                seen: self
                    .forks
                    .seen
                    .into_iter()
                    .map(|(t, k)| (t, k.pruned()))
                    .collect(),
            },
        }
    }
}

fn keep_incomplete(open: BTreeMap<u32, Known>, f: fn(Known) -> Known) -> BTreeMap<u32, Known> {
    open.into_iter()
        .map(|(tick, known)| (tick, f(known)))
        .filter(|(_, known)| !known.is_complete())
        .collect()
}

/// How far a knowledge reaches along its strand.
#[derive(Clone, Copy)]
struct Reach {
    tick: u32,
    ended: bool,
}

impl Reach {
    fn includes(self, tick: u32) -> bool {
        self.ended || tick <= self.tick
    }
}

/// Merges two ascending lists of attached forks, range by range.
fn merge_attached(
    out: &mut Forks,
    a: (impl Iterator<Item = Attached<Known>>, Reach),
    b: (impl Iterator<Item = Attached<Known>>, Reach),
) {
    let ((mut a, reach_a), (mut b, reach_b)) = (a, b);
    let (mut next_a, mut next_b) = (a.next(), b.next());
    loop {
        match (next_a.take(), next_b.take()) {
            (None, None) => return,
            (Some(x), None) => {
                one_side(out, x, reach_b);
                next_a = a.next();
            }
            (None, Some(y)) => {
                one_side(out, y, reach_a);
                next_b = b.next();
            }
            (Some(x), Some(y)) if x.first() < y.first() => {
                let (head, tail) = split(x, y.first());
                one_side(out, head, reach_b);
                next_a = tail.or_else(|| a.next());
                next_b = Some(y);
            }
            (Some(x), Some(y)) if y.first() < x.first() => {
                let (head, tail) = split(y, x.first());
                one_side(out, head, reach_a);
                next_b = tail.or_else(|| b.next());
                next_a = Some(x);
            }
            (Some(x), Some(y)) => {
                let (rest_a, rest_b) = both_sides(out, x, y);
                next_a = rest_a.or_else(|| a.next());
                next_b = rest_b.or_else(|| b.next());
            }
        }
    }
}

/// Cuts a run in two before `tick`, which lies above its first.
fn split(run: Attached<Known>, tick: u32) -> (Attached<Known>, Option<Attached<Known>>) {
    match run {
        Attached::Range(range) if range.last >= tick => (
            Attached::Range(Range {
                last: tick - 1,
                ..range
            }),
            Some(Attached::Range(Range {
                first: tick,
                ..range
            })),
        ),
        whole => (whole, None),
    }
}

/// A run that only one side lists; `other` is how far the other side reaches.
fn one_side(out: &mut Forks, run: Attached<Known>, other: Reach) {
    match run {
        Attached::Range(range) => {
            let first = range.first.max(other.tick.saturating_add(1));
            if !other.ended && first <= range.last {
                out.flying.push(Range { first, ..range });
            }
        }
        Attached::Known(tick, known) => {
            keep(
                out,
                tick,
                if other.includes(tick) {
                    known.completed()
                } else {
                    known.pruned()
                },
            );
        }
    }
}

/// Two runs that begin at one tick; gives what is left of the longer one.
fn both_sides(
    out: &mut Forks,
    x: Attached<Known>,
    y: Attached<Known>,
) -> (Option<Attached<Known>>, Option<Attached<Known>>) {
    let rest = |range: Range, done: u32| {
        (range.last > done).then(|| {
            Attached::Range(Range {
                first: done + 1,
                ..range
            })
        })
    };
    match (x, y) {
        (Attached::Range(x), Attached::Range(y)) => {
            let last = x.last.min(y.last);
            out.flying.push(Range {
                first: x.first,
                last,
                lossy: x.lossy || y.lossy,
            });
            (rest(x, last), rest(y, last))
        }
        (Attached::Range(range), Attached::Known(tick, known)) => {
            keep(out, tick, known.beside(range));
            (rest(range, tick), None)
        }
        (Attached::Known(tick, known), Attached::Range(range)) => {
            keep(out, tick, known.beside(range));
            (None, rest(range, tick))
        }
        (Attached::Known(tick, x), Attached::Known(_, y)) => {
            keep(out, tick, Known::merge(x, y));
            (None, None)
        }
    }
}

fn keep(out: &mut Forks, tick: u32, known: Known) {
    if !known.is_complete() {
        out.open.insert(tick, known);
    }
}
