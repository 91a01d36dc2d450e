//! Strand clocks the slow and obvious way, fork by fork, to compare the real ones with.
//!
//! Made after the rules in `spec/strand-clocks.md`; knows nothing of ranges, nor of texts that are
//! kept. Reading is left to the real clock.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use towline_core::{Clock, Forks, Known, Limits, Order};

/// More forks than these are too many to be listed one by one.
pub(crate) const FORKS_MAX: usize = 2048;

type Side = BTreeMap<u32, Node>;

/// What is known of one strand.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    tick: u32,
    ended: bool,
    lossy: bool,
    /// Attached, not known completely.
    open: Side,
    /// Detached, known at least in part.
    seen: Side,
}

/// One strand on the way, without what is known of it.
#[derive(Clone, Debug, PartialEq)]
struct Hop {
    label: String,
    nonce: u32,
    fork: (u32, bool),
    gap: bool,
}

/// A clock whose knowledge is one tree from the first strand on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Naive {
    trace: u32,
    hops: Vec<Hop>,
    root: Node,
}

/// How many levels a clock has, and how many forks its ranges name.
pub(crate) fn size(clock: &Clock) -> (usize, usize) {
    fn within(forks: &Forks, level: usize) -> (usize, usize) {
        let named = forks.in_flight().map(|r| (r.last - r.first) as usize + 1);
        let inner = forks.open().chain(forks.seen());
        inner
            .filter(|(_, known)| !known.forks.is_empty())
            .map(|(_, known)| within(&known.forks, level + 1))
            .fold((level, named.sum()), |(level, forks), (l, f)| {
                (level.max(l), forks + f)
            })
    }
    let hops = clock.hops();
    let sizes = hops.iter().enumerate();
    sizes
        .map(|(n, hop)| within(&hop.known.forks, n + 1))
        .fold((0, 0), |(level, forks), (l, f)| (level.max(l), forks + f))
}

impl Node {
    fn of(known: &Known) -> Self {
        let mut node = Self {
            tick: known.tick,
            ended: known.ended,
            lossy: known.lossy,
            ..Self::default()
        };
        for range in known.forks.in_flight() {
            let bare = Self {
                lossy: range.lossy,
                ..Self::default()
            };
            node.open
                .extend((range.first..=range.last).map(|tick| (tick, bare.clone())));
        }
        node.open
            .extend(known.forks.open().map(|(t, k)| (t, Self::of(k))));
        node.seen
            .extend(known.forks.seen().map(|(t, k)| (t, Self::of(k))));
        node
    }

    fn side(&self, detached: bool) -> &Side {
        if detached { &self.seen } else { &self.open }
    }

    fn side_mut(&mut self, detached: bool) -> &mut Side {
        if detached {
            &mut self.seen
        } else {
            &mut self.open
        }
    }

    fn is_complete(&self) -> bool {
        self.ended && !self.lossy && self.open.is_empty() && self.seen.is_empty()
    }

    fn is_bare(&self) -> bool {
        self.tick == 0 && !self.ended && self.open.is_empty() && self.seen.is_empty()
    }

    fn knows_fork(&self, tick: u32) -> bool {
        self.ended || tick <= self.tick
    }

    fn sees(&self) -> bool {
        !self.seen.is_empty() || self.open.values().any(Self::sees)
    }

    fn flying(&self) -> usize {
        let open = self.open.values().map(|node| {
            if node.tick == 0 && !node.ended {
                1
            } else {
                node.flying()
            }
        });
        open.chain(self.seen.values().map(Self::flying)).sum()
    }

    fn merge(a: &Self, b: &Self) -> Self {
        let ended = a.ended || b.ended;
        let mut out = Self {
            tick: a.tick.max(b.tick),
            ended,
            lossy: (a.lossy || b.lossy) && !ended,
            ..Self::default()
        };
        for tick in a.open.keys().chain(b.open.keys()) {
            let merged = match (a.open.get(tick), b.open.get(tick)) {
                (Some(x), Some(y)) => Self::merge(x, y),
                (Some(x), None) if b.knows_fork(*tick) => x.completed(),
                (None, Some(y)) if a.knows_fork(*tick) => y.completed(),
                (Some(one), None) | (None, Some(one)) => one.pruned(),
                (None, None) => continue,
            };
            if !merged.is_complete() {
                out.open.insert(*tick, merged);
            }
        }
        for tick in a.seen.keys().chain(b.seen.keys()) {
            let merged = match (a.seen.get(tick), b.seen.get(tick)) {
                (Some(x), Some(y)) => Self::merge(x, y),
                (Some(one), None) | (None, Some(one)) => one.pruned(),
                (None, None) => continue,
            };
            out.seen.insert(*tick, merged);
        }
        out
    }

    /// Without the attached forks that are known completely.
    fn pruned(&self) -> Self {
        Self {
            open: incomplete(&self.open, Self::pruned),
            seen: self.seen.iter().map(|(t, k)| (*t, k.pruned())).collect(),
            ..*self
        }
    }

    /// Now known completely.
    fn completed(&self) -> Self {
        Self {
            tick: self.tick,
            ended: true,
            lossy: false,
            open: incomplete(&self.open, Self::completed),
            seen: self.seen.iter().map(|(t, k)| (*t, k.pruned())).collect(),
        }
    }

    /// Is the event of that strand and tick known? None: it cannot be told.
    fn knows(&self, path: &[(u32, bool)], tick: u32) -> Option<bool> {
        let maybe = if self.lossy { None } else { Some(false) };
        let Some(((fork, detached), rest)) = path.split_first() else {
            return if tick <= self.tick || self.ended {
                Some(true)
            } else {
                maybe
            };
        };
        match self.side(*detached).get(fork) {
            _ if !self.knows_fork(*fork) => maybe,
            Some(node) => node.knows(rest, tick),
            None if *detached => maybe,
            None => Some(!rest.iter().any(|(_, detached)| *detached)),
        }
    }

    fn forks(&self, skip: Option<(u32, bool)>) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut run: Option<(u32, u32, bool)> = None;
        let open = self.open.iter().filter(|(t, _)| skip != Some((**t, false)));
        for (&tick, node) in open {
            match run.as_mut() {
                Some((_, last, lossy))
                    if node.is_bare() && *lossy == node.lossy && tick - 1 == *last =>
                {
                    *last = tick;
                }
                _ => {
                    parts.extend(run.take().map(range));
                    if node.is_bare() {
                        run = Some((tick, tick, node.lossy));
                    } else {
                        parts.push(node.fork(tick));
                    }
                }
            }
        }
        parts.extend(run.map(range));
        let seen = self.seen.iter().filter(|(t, _)| skip != Some((**t, true)));
        parts.extend(seen.map(|(t, node)| format!("+{}", node.fork(*t))));
        parts.join(" ")
    }

    fn fork(&self, tick: u32) -> String {
        let mut out = format!("{tick}.{}", self.tick);
        out.push_str(if self.ended { "!" } else { "" });
        out.push_str(if self.lossy { "~" } else { "" });
        let inner = self.forks(None);
        if inner.is_empty() {
            out
        } else {
            format!("{out}({inner})")
        }
    }

    /// Covers what is in flight by lossy forks; false where that would name too many.
    fn cover(&mut self, keep: Option<(u32, bool)>) -> bool {
        let mut first: Option<u32> = None;
        let listed: Vec<u32> = self.open.keys().copied().collect();
        for tick in listed {
            if keep == Some((tick, false)) || self.open[&tick].sees() {
                first = None;
                continue;
            }
            let from = first.unwrap_or(tick);
            if tick - from > Limits::DEFAULT.forks_max {
                return false;
            }
            let lossy = Self {
                lossy: true,
                ..Self::default()
            };
            self.open
                .extend((from..=tick).map(|tick| (tick, lossy.clone())));
            first = Some(tick);
        }
        true
    }
}

fn incomplete(open: &Side, change: fn(&Node) -> Node) -> Side {
    let changed = open.iter().map(|(tick, node)| (*tick, change(node)));
    changed.filter(|(_, node)| !node.is_complete()).collect()
}

fn range((first, last, lossy): (u32, u32, bool)) -> String {
    let last = if first == last {
        String::new()
    } else {
        format!("-{last}")
    };
    format!("{first}{last}{}", if lossy { "~" } else { "" })
}

fn quoted(label: &str) -> String {
    let mut out = String::new();
    for byte in label.bytes() {
        if byte.is_ascii_alphanumeric() || b"!$&'*+-.^_`|~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all");
        }
    }
    out
}

impl Naive {
    pub(crate) fn of(clock: &Clock) -> Self {
        let hops = clock.hops();
        let mut below: Option<((u32, bool), Node)> = None;
        for hop in hops.iter().rev() {
            let mut node = Node::of(&hop.known);
            if let Some(((fork, detached), inner)) = below {
                let before = node.side_mut(detached).insert(fork, inner);
                assert_eq!(before, None, "fork {fork} is listed twice: {clock}");
            }
            below = Some(((hop.fork, hop.detached), node));
        }
        let hop = |hop: towline_core::Hop| Hop {
            label: format!("{}#{}", quoted(&hop.service), quoted(&hop.instance)),
            nonce: hop.nonce,
            fork: (hop.fork, hop.detached),
            gap: hop.gap,
        };
        Self {
            trace: clock.trace(),
            hops: hops.into_iter().map(hop).collect(),
            root: below.expect("a clock has a hop").1,
        }
    }

    fn path(&self) -> Vec<(u32, bool)> {
        self.hops.iter().skip(1).map(|hop| hop.fork).collect()
    }

    /// What is known of each hop.
    fn spine(&self) -> Vec<&Node> {
        let mut spine = vec![&self.root];
        for (fork, detached) in self.path() {
            let above = spine[spine.len() - 1];
            spine.push(&above.side(detached)[&fork]);
        }
        spine
    }

    fn node_mut(&mut self, hop: usize) -> &mut Node {
        let path = self.path();
        path[..hop]
            .iter()
            .fold(&mut self.root, |node, (fork, detached)| {
                node.side_mut(*detached).entry(*fork).or_default()
            })
    }

    fn tick(&self) -> u32 {
        self.spine()[self.hops.len() - 1].tick
    }

    /// The canonical text.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("v2;t={:08x}", self.trace);
        for (n, (hop, node)) in self.hops.iter().zip(self.spine()).enumerate() {
            let next = self.hops.get(n + 1).map(|next| next.fork);
            let fork = next.filter(|(fork, _)| *fork != node.tick);
            let marks = [
                (hop.fork.1, ";d"),
                (hop.gap, ";g"),
                (node.ended, ";e"),
                (node.lossy, ";l"),
            ];
            write!(out, ", {}/{:08x}:{}", hop.label, hop.nonce, node.tick)
                .expect("a string takes all");
            out.extend(fork.map(|(fork, _)| format!(";f={fork}")));
            out.extend(marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark));
            let list = node.forks(next);
            if !list.is_empty() {
                write!(out, ";x=\"{list}\"").expect("a string takes all");
            }
        }
        out
    }

    /// How the event of `self` stands to that of `other`.
    pub(crate) fn compare(&self, other: &Self) -> Order {
        if self.trace != other.trace || self.hops[0].nonce != other.hops[0].nonce {
            return Order::Unknown;
        }
        let both = self.hops.iter().zip(&other.hops);
        for (x, y) in both.take_while(|(x, y)| x.fork == y.fork) {
            if x.nonce != y.nonce {
                return if x.gap || y.gap {
                    Order::Unknown
                } else {
                    Order::Concurrent
                };
            }
        }
        let (own, others) = (self.path(), other.path());
        if own == others && self.tick() == other.tick() {
            return Order::Equal;
        }
        let known = other.root.knows(&own, self.tick());
        let knows = self.root.knows(&others, other.tick());
        match (known, knows) {
            (Some(true), _) => Order::Before,
            (_, Some(true)) => Order::After,
            (Some(false), Some(false)) => Order::Concurrent,
            (None, _) | (_, None) => Order::Unknown,
        }
    }

    /// With all that `other` knows too.
    pub(crate) fn merged(&self, other: &Self) -> Self {
        let own: Vec<Node> = self.spine().into_iter().cloned().collect();
        let mut out = self.clone();
        out.root = Node::merge(&self.root, &other.root);
        // Nobody knows more of a hop than its own way: where a merge dropped it, it is as it was.
        for (hop, was) in own.into_iter().enumerate().skip(1) {
            let (fork, detached) = self.hops[hop].fork;
            let side = out.node_mut(hop - 1).side_mut(detached);
            side.entry(fork).or_insert(was);
        }
        out
    }

    /// The stamp of a strand, last stamped `self`, after it received `other`; none where it is
    /// refused.
    pub(crate) fn received(&self, other: &Self) -> Option<Self> {
        let last = self.hops.len() - 1;
        let own = self.spine()[last].clone();
        let claim = self
            .path()
            .iter()
            .try_fold(&other.root, |node, (fork, detached)| {
                node.side(*detached).get(fork)
            });
        let refused = self.trace != other.trace
            || self.hops[0].nonce != other.hops[0].nonce
            || own.ended
            || claim.is_some_and(|claim| claim.tick > own.tick);
        if refused {
            return None;
        }
        let mut out = self.merged(other);
        let node = out.node_mut(last);
        (node.tick, node.ended, node.lossy) = (own.tick + 1, own.ended, own.lossy);
        Some(out)
    }

    /// The header to send within `budget` bytes; none where no cut is enough. Whether a receiver's
    /// limits of levels and ticks are kept is not looked at.
    pub(crate) fn cut(&self, budget: usize) -> Option<String> {
        let mut out = self.clone();
        let spine = self.spine();
        let kept = |hop: usize| self.hops.get(hop + 1).map(|next| next.fork);
        let mut whole: Vec<usize> = (0..spine.len()).collect();
        whole.sort_by_key(|&hop| spine[hop].forks(kept(hop)).len());
        loop {
            let text = out.text();
            if text.len() <= budget && out.root.flying() <= Limits::DEFAULT.forks_max as usize {
                return Some(text);
            }
            let hop = whole.pop()?;
            if !out.node_mut(hop).cover(kept(hop)) {
                return None;
            }
        }
    }
}
