//! Ascending ranges of fork ticks: calls in flight of which nothing is known.

use std::collections::BTreeMap;

/// Ticks `first..=last` of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first tick, at least 1.
    pub first: u32,
    /// The last tick, at least `first`.
    pub last: u32,
    /// Whether what is known of these calls cannot be told (`~` on the wire).
    pub lossy: bool,
}

/// A set of ticks as disjoint ascending ranges; neighbours of one kind are one range.
///
/// The last range stands outside the map: calls made one after the other, or all at once, touch
/// nothing else and allocate nothing. Any other change costs the logarithm of the number of ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// All ranges but the last, by their first tick. Empty if `tail` is.
    rest: BTreeMap<u32, (u32, bool)>,
    tail: Option<Range>,
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.tail.is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range> + '_ {
        self.rest
            .iter()
            .map(|(&first, &(last, lossy))| Range { first, last, lossy })
            .chain(self.tail)
    }

    /// How many ticks the ranges name.
    pub(crate) fn count(&self) -> u64 {
        self.iter().map(|r| u64::from(r.last - r.first) + 1).sum()
    }

    /// Appends a range whose first tick is above all that are here.
    pub(crate) fn push(&mut self, range: Range) {
        match &mut self.tail {
            Some(tail) if range.first - 1 == tail.last && range.lossy == tail.lossy => {
                tail.last = range.last;
            }
            Some(tail) => {
                self.rest.insert(tail.first, (tail.last, tail.lossy));
                *tail = range;
            }
            None => self.tail = Some(range),
        }
    }

    /// The range that names `tick`.
    pub(crate) fn get(&self, tick: u32) -> Option<Range> {
        if let Some(tail) = self.tail.filter(|tail| tick >= tail.first) {
            return (tick <= tail.last).then_some(tail);
        }
        let (&first, &(last, lossy)) = self.rest.range(..=tick).next_back()?;
        (tick <= last).then_some(Range { first, last, lossy })
    }

    /// Takes `tick` out, and gives the range that named it.
    pub(crate) fn remove(&mut self, tick: u32) -> Option<Range> {
        let range = self.get(tick)?;
        let below = (tick > range.first).then(|| Range {
            last: tick - 1,
            ..range
        });
        let above = (tick < range.last).then(|| Range {
            first: tick + 1,
            ..range
        });
        if self.tail == Some(range) {
            self.tail = above.or(below).or_else(|| {
                let (first, (last, lossy)) = self.rest.pop_last()?;
                Some(Range { first, last, lossy })
            });
            if let (Some(below), Some(_)) = (below, above) {
                self.rest.insert(below.first, (below.last, below.lossy));
            }
        } else {
            self.rest.remove(&range.first);
            for part in below.into_iter().chain(above) {
                self.rest.insert(part.first, (part.last, part.lossy));
            }
        }
        Some(range)
    }

    /// Marks `tick`, if it is here, as one of which cannot be told what is known.
    pub(crate) fn mark_lossy(&mut self, tick: u32) {
        if self.get(tick).is_none_or(|range| range.lossy) {
            return;
        }
        self.remove(tick);
        let mut marked = Range {
            first: tick,
            last: tick,
            lossy: true,
        };
        if let Some(below) = tick
            .checked_sub(1)
            .and_then(|t| self.get(t))
            .filter(|r| r.lossy)
        {
            self.take(below);
            marked.first = below.first;
        }
        if let Some(above) = tick
            .checked_add(1)
            .and_then(|t| self.get(t))
            .filter(|r| r.lossy)
        {
            self.take(above);
            marked.last = above.last;
        }
        match self.tail {
            Some(tail) if tail.first > marked.last => {
                self.rest.insert(marked.first, (marked.last, marked.lossy));
            }
            _ => self.push(marked),
        }
    }

    /// Takes a whole range out.
    fn take(&mut self, range: Range) {
        if self.tail == Some(range) {
            self.tail =
                self.rest
                    .pop_last()
                    .map(|(first, (last, lossy))| Range { first, last, lossy });
        } else {
            self.rest.remove(&range.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(ranges: &Ranges) -> Vec<(u32, bool)> {
        ranges
            .iter()
            .flat_map(|r| (r.first..=r.last).map(move |t| (t, r.lossy)))
            .collect()
    }

    proptest! {
        #[test]
        fn behaves_like_a_list_of_ticks(acts in proptest::collection::vec((0..4u8, 1..40u32), 0..120)) {
            let (mut ranges, mut list, mut next) = (Ranges::default(), Vec::new(), 1);
            for (act, tick) in acts {
                match act {
                    0 | 1 => {
                        let lossy = tick % 5 == 0;
                        next += tick % 3;
                        ranges.push(Range { first: next, last: next + tick % 4, lossy });
                        list.extend((next..=next + tick % 4).map(|t| (t, lossy)));
                        next += tick % 4 + 1;
                    }
                    2 => {
                        prop_assert_eq!(ranges.remove(tick).is_some(), list.iter().any(|&(t, _)| t == tick));
                        list.retain(|&(t, _)| t != tick);
                    }
                    _ => {
                        ranges.mark_lossy(tick);
                        for entry in list.iter_mut().filter(|(t, _)| *t == tick) {
                            entry.1 = true;
                        }
                    }
                }
                prop_assert_eq!(naive(&ranges), list.clone());
                prop_assert_eq!(ranges.count(), list.len() as u64);
                let all: Vec<Range> = ranges.iter().collect();
                prop_assert!(all.windows(2).all(|w| w[0].last + 1 < w[1].first || w[0].lossy != w[1].lossy));
            }
        }
    }
}
