//! Reading a clock from its header: one pass, no tree unless one is asked for.

use super::error::ClockError;
use super::known::{Forks, Known};
use super::label;
use super::ranges::Range;
use crate::Limits;
use crate::hex;

/// The highest tick.
pub(crate) const TICK_MAX: u32 = i32::MAX as u32;

/// For text of our own, which was checked when it came in.
pub(crate) const NO_LIMITS: Limits = Limits {
    header_bytes_max: usize::MAX,
    levels_max: usize::MAX,
    forks_max: u32::MAX,
};

/// What reading a fork list makes of it: nothing where it is only checked, [`Forks`] where it is
/// needed.
pub(crate) trait ForkList: Default {
    fn range(&mut self, range: Range);
    fn known(&mut self, tick: u32, detached: bool, known: KnownHead, inner: Self);
}

/// A known fork without its own list.
#[derive(Clone, Copy)]
pub(crate) struct KnownHead {
    pub(crate) tick: u32,
    pub(crate) ended: bool,
    pub(crate) lossy: bool,
}

impl KnownHead {
    pub(crate) fn with(self, forks: Forks) -> Known {
        Known {
            tick: self.tick,
            ended: self.ended,
            lossy: self.lossy,
            forks,
        }
    }
}

impl ForkList for () {
    fn range(&mut self, _: Range) {}
    fn known(&mut self, _: u32, _: bool, _: KnownHead, (): ()) {}
}

impl ForkList for Forks {
    fn range(&mut self, range: Range) {
        self.flying.push(range);
    }

    fn known(&mut self, tick: u32, detached: bool, known: KnownHead, inner: Self) {
        let side = if detached {
            &mut self.seen
        } else {
            &mut self.open
        };
        side.insert(tick, known.with(inner));
    }
}

/// One hop as it stands in the header.
pub(crate) struct Member<'a, L> {
    /// Where it begins, in the trimmed header.
    pub(crate) at: usize,
    /// `service#instance`, as written.
    pub(crate) service: &'a [u8],
    pub(crate) instance: &'a [u8],
    pub(crate) nonce: u32,
    pub(crate) known: KnownHead,
    /// Where the next hop was forked.
    pub(crate) fork: u32,
    pub(crate) detached: bool,
    pub(crate) gap: bool,
    /// Where its fork list begins, if all that it says is that the call at the hop's tick is in
    /// flight: what a plain chain of calls sends.
    pub(crate) lone_call: Option<usize>,
    pub(crate) forks: L,
}

/// What is said of the fork at which the next hop begins.
#[derive(Clone, Copy, Default)]
struct Listed {
    attached: bool,
    detached: bool,
}

/// A cursor over a header; gives one member after the other.
pub(crate) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    limits: Limits,
    trace: u32,
    /// How many members have been read.
    hops: usize,
    /// How many forks the ranges name so far.
    forks: u32,
    /// Whether every byte so far is as [`super::write`] writes it.
    canonical: bool,
    /// Whether the last member had an `f`: then another has to follow.
    fork_named: bool,
    listed: Listed,
}

impl<'a> Reader<'a> {
    /// Reads the version; `text` has no blanks around it.
    pub(crate) fn new(text: &'a [u8], limits: Limits) -> Result<Self, ClockError> {
        let rest = text.strip_prefix(b"v2;t=").ok_or(ClockError::Version)?;
        let trace = rest
            .first_chunk()
            .and_then(hex::read8)
            .ok_or(ClockError::Version)?;
        Ok(Self {
            text,
            at: 13,
            limits,
            trace,
            hops: 0,
            forks: 0,
            canonical: true,
            fork_named: false,
            listed: Listed::default(),
        })
    }

    pub(crate) fn trace(&self) -> u32 {
        self.trace
    }

    pub(crate) fn hops(&self) -> usize {
        self.hops
    }

    pub(crate) fn forks(&self) -> u32 {
        self.forks
    }

    pub(crate) fn is_canonical(&self) -> bool {
        self.canonical
    }

    /// A reader that goes on at byte `at` of text that was checked before, after `hops` members.
    pub(crate) fn resume(text: &'a [u8], at: usize, hops: usize) -> Self {
        Self {
            text,
            at,
            limits: NO_LIMITS,
            trace: 0,
            hops,
            forks: 0,
            canonical: true,
            fork_named: false,
            listed: Listed::default(),
        }
    }

    /// The same, of text that came from elsewhere; `forks`: how many its ranges name before.
    pub(crate) fn within(self, limits: Limits, forks: u32) -> Self {
        Self {
            limits,
            forks,
            ..self
        }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// The next hop, or none where the header ends.
    #[inline]
    pub(crate) fn next<L: ForkList>(&mut self) -> Result<Option<Member<'a, L>>, ClockError> {
        if self.at == self.text.len() {
            return if self.hops == 0 || self.fork_named {
                Err(self.malformed())
            } else {
                Ok(None)
            };
        }
        self.separator()?;
        if self.hops >= self.limits.levels_max {
            return Err(ClockError::TooDeep {
                limit: self.limits.levels_max,
            });
        }
        self.member().map(Some)
    }

    /// The member at the cursor.
    #[inline]
    pub(crate) fn member<L: ForkList>(&mut self) -> Result<Member<'a, L>, ClockError> {
        let at = self.at;
        self.hops += 1;
        let service = self.label(b'#')?;
        if service.is_empty() {
            return Err(ClockError::Malformed { at });
        }
        let instance = self.label(b'/')?;
        let nonce = self.nonce()?;
        let tick = self.tick(b':')?;
        let mut fork = tick;
        let (mut detached, mut gap, mut ended, mut lossy) = (false, false, false, false);
        if self.peek() == Some(b';') {
            if self.skip(b";f=") {
                fork = self.number()?;
                if fork == 0 || fork >= tick {
                    return Err(self.malformed());
                }
            }
            detached = self.skip(b";d");
            gap = self.skip(b";g");
            ended = self.skip(b";e");
            lossy = self.skip(b";l");
        }
        let first = self.hops == 1;
        if (ended && lossy) || (first && (detached || gap)) {
            return Err(self.malformed());
        }
        let above = std::mem::take(&mut self.listed);
        if if detached {
            above.detached
        } else {
            above.attached
        } {
            return Err(self.malformed());
        }
        self.fork_named = fork != tick;
        let mut forks = L::default();
        let (mut lone_call, list_at) = (None, self.at);
        if self.skip(b";x=\"") {
            let start = self.at;
            if self.number().is_ok_and(|first| first == tick) && self.skip(b"\"") {
                // Nearly every list is this one.
                lone_call = Some(list_at);
                self.listed.attached = fork == tick;
                forks.range(self.named(tick, tick, false)?);
            } else {
                self.at = start;
                forks = self.list(tick, self.hops, Some(fork))?;
                if !self.skip(b"\"") {
                    return Err(self.malformed());
                }
            }
        }
        if !matches!(self.peek(), None | Some(b' ' | b'\t' | b',')) {
            return Err(self.malformed());
        }
        Ok(Member {
            at,
            service,
            instance,
            nonce,
            known: KnownHead { tick, ended, lossy },
            fork,
            detached,
            gap,
            lone_call,
            forks,
        })
    }

    /// A fork list of a strand known to `tick_max`; `watch`: the fork of the next hop.
    fn list<L: ForkList>(
        &mut self,
        tick_max: u32,
        level: usize,
        watch: Option<u32>,
    ) -> Result<L, ClockError> {
        if level > self.limits.levels_max {
            return Err(ClockError::TooDeep {
                limit: self.limits.levels_max,
            });
        }
        let mut list = L::default();
        let (mut last, mut seen) = (0, false);
        // The end and the kind of the last range, to see whether the next should have been part of it.
        let mut run = (0, false);
        loop {
            match (self.skip(b"+"), seen) {
                (true, false) => (last, seen) = (0, true),
                (false, true) => return Err(self.malformed()),
                _ => {}
            }
            let tick = self.number()?;
            if tick <= last || tick > tick_max {
                return Err(self.malformed());
            }
            if self.skip(b".") {
                self.known(&mut list, tick, seen, level)?;
                last = tick;
            } else {
                if seen {
                    return Err(self.malformed());
                }
                let range = self.range(tick, tick_max)?;
                if run.0 == tick - 1 && run.0 != 0 && run.1 == range.lossy {
                    self.canonical = false;
                }
                run = (range.last, range.lossy);
                last = range.last;
                list.range(range);
            }
            if watch.is_some_and(|fork| tick <= fork && fork <= last) {
                let side = if seen {
                    &mut self.listed.detached
                } else {
                    &mut self.listed.attached
                };
                *side = true;
            }
            if !self.skip(b" ") {
                return Ok(list);
            }
        }
    }

    /// What follows the dot of a known fork.
    fn known<L: ForkList>(
        &mut self,
        list: &mut L,
        fork: u32,
        detached: bool,
        level: usize,
    ) -> Result<(), ClockError> {
        let tick = self.number()?;
        let known = KnownHead {
            tick,
            ended: self.skip(b"!"),
            lossy: self.skip(b"~"),
        };
        let mut inner = L::default();
        let has_list = self.skip(b"(");
        if has_list {
            inner = self.list(tick, level + 1, None)?;
            if !self.skip(b")") {
                return Err(self.malformed());
            }
        }
        // An attached fork that is known completely is not listed; one of which nothing is known is bare.
        let complete = known.ended && !has_list;
        if tick == 0 || (known.ended && known.lossy) || (complete && !detached) {
            return Err(self.malformed());
        }
        list.known(fork, detached, known, inner);
        Ok(())
    }

    fn range(&mut self, first: u32, tick_max: u32) -> Result<Range, ClockError> {
        let mut last = first;
        if self.skip(b"-") {
            last = self.number()?;
            if last <= first || last > tick_max {
                return Err(self.malformed());
            }
        }
        let lossy = self.skip(b"~");
        self.named(first, last, lossy)
    }

    /// A range, counted.
    fn named(&mut self, first: u32, last: u32, lossy: bool) -> Result<Range, ClockError> {
        self.forks = self.forks.saturating_add(last - first + 1);
        if self.forks > self.limits.forks_max {
            return Err(ClockError::TooManyForks {
                limit: self.limits.forks_max,
            });
        }
        Ok(Range { first, last, lossy })
    }

    /// A comma and the blanks around it.
    #[inline]
    fn separator(&mut self) -> Result<(), ClockError> {
        let start = self.at;
        if self.skip(b", ") && !matches!(self.peek(), Some(b' ' | b'\t')) {
            // As it is written.
            return Ok(());
        }
        self.at = start;
        self.blanks();
        if !self.skip(b",") {
            return Err(self.malformed());
        }
        self.blanks();
        self.canonical &= self.text.get(start..self.at) == Some(b", ");
        Ok(())
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// The label up to `end`, which is taken too.
    #[inline]
    fn label(&mut self, end: u8) -> Result<&'a [u8], ClockError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| !label::is_plain(byte));
        let (raw, rest) = rest.split_at(length.unwrap_or(rest.len()));
        match rest.first() {
            Some(&byte) if byte == end => {
                self.at += raw.len() + 1;
                Ok(raw)
            }
            Some(b'%') => self.escaped_label(end),
            _ => {
                self.at += raw.len();
                Err(self.malformed())
            }
        }
    }

    #[cold]
    fn escaped_label(&mut self, end: u8) -> Result<&'a [u8], ClockError> {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let is_label = |byte: &u8| label::is_plain(*byte) || *byte == b'%';
        let length = rest.iter().take_while(|byte| is_label(byte)).count();
        self.at += length;
        if self.peek() != Some(end) {
            return Err(self.malformed());
        }
        self.at += 1;
        let raw = rest.get(..length).unwrap_or_default();
        let label = label::unquote(raw).ok_or(ClockError::Malformed { at: start })?;
        let mut again = String::with_capacity(raw.len());
        label::quote_into(&mut again, &label);
        self.canonical &= again.as_bytes() == raw;
        Ok(raw)
    }

    fn nonce(&mut self) -> Result<u32, ClockError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let nonce = rest.first_chunk().and_then(hex::read8);
        let nonce = nonce.ok_or_else(|| self.malformed())?;
        self.at += 8;
        Ok(nonce)
    }

    fn tick(&mut self, mark: u8) -> Result<u32, ClockError> {
        if !self.skip(&[mark]) {
            return Err(self.malformed());
        }
        match self.number()? {
            0 => Err(self.malformed()),
            tick => Ok(tick),
        }
    }

    /// A number without leading zeros, of at most ten digits.
    fn number(&mut self) -> Result<u32, ClockError> {
        let start = self.at;
        let mut value: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if self.at - start == 10 || (value == 0 && self.at > start) {
                return Err(self.malformed());
            }
            value = value * 10 + u64::from(digit - b'0');
            self.at += 1;
        }
        if self.at == start {
            return Err(self.malformed());
        }
        u32::try_from(value)
            .ok()
            .filter(|&tick| tick <= TICK_MAX)
            .ok_or(ClockError::TickTooHigh)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes `what`, if it is next. Its length is known when compiled: no call is made to compare.
    #[inline]
    fn skip<const N: usize>(&mut self, what: &[u8; N]) -> bool {
        let end = self.at + N;
        let there = self.text.get(self.at..end) == Some(what.as_slice());
        if there {
            self.at = end;
        }
        there
    }

    fn malformed(&self) -> ClockError {
        ClockError::Malformed { at: self.at }
    }
}
