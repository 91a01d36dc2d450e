//! A running strand and its rules.

use std::fmt;
use std::sync::Arc;

use crate::Limits;
use crate::clock::read::{self, Reader, TICK_MAX};
use crate::clock::tree::{self, Tree};
use crate::clock::{Clock, CutError, Facts, Forks, Known, Range, Scan, StrandError, write};

/// A service and its instance, escaped once for all the clocks that it will stand in.
#[derive(Clone, PartialEq, Eq)]
pub struct Component {
    /// `service#instance/`
    text: Arc<str>,
}

impl Component {
    /// An empty service is written `_`; control characters become `_`.
    #[must_use]
    pub fn new(service: &str, instance: &str) -> Self {
        let mut text = String::new();
        tree::component(&mut text, service, instance);
        Self { text: text.into() }
    }

    /// `service#instance`, escaped as in a clock.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.strip_suffix('/').unwrap_or(&self.text)
    }
}

impl Component {
    /// The most bytes that a member of this component has before its tick, with its separator.
    fn member_bytes(&self) -> usize {
        ", ".len() + self.text.len() + "00000000:".len()
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Component").field(&self.as_str()).finish()
    }
}

/// Whether somebody waits for what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// A call or a task that is joined: its answer carries its clock back.
    Attached,
    /// A message or a task that nobody joins.
    Detached,
}

/// One sequential piece of work: the handling of one request, or one spawned task.
///
/// Its events have ticks 1, 2, 3, …; the start is the first. After its end a strand does nothing
/// more: work that goes on after the answer is a strand of its own, started from the end's stamp.
///
/// The hops above are kept as the text that came in, so forwarding rebuilds nothing; only what is
/// known of the own forks is data. (`spec/strand-clocks.md`)
///
/// ```
/// use towline_core::{Clock, Component, Fork, Order, Strand};
///
/// let mut ts = Strand::first(&Component::new("ts", "1"), 0xa3f9c21b, 0x1c80319c);
/// let call = ts.send(Fork::Attached)?;
/// let sent = ts.clock();
/// assert_eq!(sent.as_str(), r#"v2;t=1c80319c, ts#1/a3f9c21b:2;x="2""#);
///
/// let mut py = Strand::start(&sent, &Component::new("py", "1"), 0x77b0e190, false);
/// py.end()?;
/// ts.answer(call, Some(sent.as_str()), &py.clock())?;
/// assert_eq!(ts.clock().as_str(), "v2;t=1c80319c, ts#1/a3f9c21b:3");
/// assert_eq!(py.clock().compare(&ts.clock()), Order::Before);
/// # Ok::<_, towline_core::StrandError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Strand {
    way: Way,
    known: Known,
}

/// The hops from the first strand to one, this one included: all of it that does not change while
/// the strand runs, unless word of the hops above comes.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// The canonical text of the hops above and of this one, up to its tick.
    text: String,
    /// Where this strand's member begins in `text`.
    own_at: usize,
    trace: u32,
    first_nonce: u32,
    /// How many members `text` has, the own one included.
    hops: usize,
    /// How many forks the ranges above name.
    forks_above: u32,
    /// Whether the hops above are as they came in, and so nested no deeper than a receiver takes.
    as_received: bool,
    detached: bool,
    gap: bool,
}

impl Way {
    /// That of a trace's first strand.
    pub(crate) fn first(component: &Component, nonce: u32, trace: u32) -> Self {
        let mut text = String::with_capacity(tree::HEAD_BYTES + component.member_bytes());
        tree::head(&mut text, trace);
        let own_at = push_own(&mut text, component, nonce);
        Self {
            text,
            own_at,
            trace,
            first_nonce: nonce,
            hops: 1,
            forks_above: 0,
            as_received: true,
            detached: false,
            gap: false,
        }
    }

    /// That of a strand which a sender's stamp starts.
    pub(crate) fn after(sender: &Scan<'_>, component: &Component, nonce: u32, gap: bool) -> Self {
        let facts = sender.facts;
        let mut text = String::with_capacity(sender.text.len() + component.member_bytes());
        let started = match facts.lone_call {
            // The callee's clock lists no call: its way does.
            Some(list) => {
                text.push_str(sender.text.get(..list).unwrap_or_default());
                Started {
                    detached: false,
                    named: 1,
                }
            }
            None => push_sender(&mut text, sender),
        };
        let own_at = push_own(&mut text, component, nonce);
        Self {
            text,
            own_at,
            trace: facts.trace,
            first_nonce: facts.first_nonce,
            hops: facts.hops + 1,
            forks_above: facts.forks - started.named,
            as_received: facts.within_limits,
            detached: started.detached,
            gap,
        }
    }

    /// A strand that did nothing but tick, and perhaps end.
    pub(crate) fn strand(self, tick: u32, ended: bool) -> Strand {
        let known = Known {
            tick,
            ended,
            ..Known::default()
        };
        Strand { way: self, known }
    }

    /// The stamp of the strand that has this way and knows that of its forks.
    pub(crate) fn stamp(&self, known: &Known) -> Clock {
        // Enough for a tick and an end: then the text is not moved again.
        let plain = known.forks.is_empty();
        let tail = if plain {
            write::digits(known.tick) + self.marks_bytes(known)
        } else {
            32
        };
        let mut text = String::with_capacity(self.text.len() + tail);
        text.push_str(&self.text);
        let marks = write::Marks {
            fork: None,
            detached: self.detached,
            gap: self.gap,
        };
        write::hop_tail(&mut text, known, marks);
        let own = u32::try_from(known.forks.flying_count()).unwrap_or(u32::MAX);
        Clock::from_parts(text, self.facts(own, self.is_flat(known)))
    }

    /// As [`header`](Self::header), of a strand that did nothing but tick, and perhaps end: nearly
    /// every answer. The text alone is made; 60 ns less than with what is known of no forks.
    pub(crate) fn plain_header(
        &self,
        tick: u32,
        ended: bool,
        header_bytes_max: usize,
    ) -> Result<(Clock, bool), CutError> {
        let marks = [(self.detached, ";d"), (self.gap, ";g"), (ended, ";e")];
        let marks = marks
            .into_iter()
            .filter_map(|(set, mark)| set.then_some(mark));
        let bytes =
            self.text.len() + write::digits(tick) + marks.clone().map(str::len).sum::<usize>();
        let limits = Limits::DEFAULT;
        let fits = bytes <= header_bytes_max
            && self.hops <= limits.levels_max
            && self.forks_above <= limits.forks_max
            && self.as_received;
        if !fits {
            let known = Known {
                tick,
                ended,
                ..Known::default()
            };
            return self.header(&known, header_bytes_max);
        }
        let mut text = String::with_capacity(bytes);
        text.push_str(&self.text);
        write::number(&mut text, tick);
        text.extend(marks);
        Ok((Clock::from_parts(text, self.facts(0, true)), false))
    }

    fn facts(&self, own_forks: u32, within_limits: bool) -> Facts {
        Facts {
            trace: self.trace,
            first_nonce: self.first_nonce,
            hops: self.hops,
            forks: self.forks_above.saturating_add(own_forks),
            last_at: self.own_at,
            lone_call: None,
            within_limits,
        }
    }

    /// As [`Strand::header`], of the strand that has this way.
    pub(crate) fn header(
        &self,
        known: &Known,
        header_bytes_max: usize,
    ) -> Result<(Clock, bool), CutError> {
        let clock = self.stamp(known);
        let limits = Limits::DEFAULT;
        let fits = clock.as_str().len() <= header_bytes_max
            && clock.facts.hops <= limits.levels_max
            && clock.facts.forks <= limits.forks_max
            && known.tick <= TICK_MAX;
        if fits && self.is_flat(known) {
            return Ok((clock, false));
        }
        let cut = clock.cut(header_bytes_max)?;
        let changed = cut != clock;
        Ok((cut, changed))
    }

    /// Whether nothing is nested here that was not checked when it came in.
    fn is_flat(&self, known: &Known) -> bool {
        self.as_received && known.forks.open.is_empty() && known.forks.seen.is_empty()
    }

    fn marks_bytes(&self, known: &Known) -> usize {
        let marks = [self.detached, self.gap, known.ended, known.lossy];
        marks.into_iter().filter(|&set| set).count() * ";e".len()
    }
}

impl From<Way> for Strand {
    /// A strand that has just started.
    fn from(way: Way) -> Self {
        way.strand(1, false)
    }
}

impl Strand {
    /// The first strand of a trace; `nonce`: the low 32 bits of its span id, `trace`: those of the
    /// trace id.
    #[must_use]
    pub fn first(component: &Component, nonce: u32, trace: u32) -> Self {
        Way::first(component, nonce, trace).into()
    }

    /// The strand that a sender's stamp starts: attached if the stamp lists the call as in flight,
    /// else detached. `gap`: a service that carries no clocks lies between.
    #[must_use]
    pub fn start(sender: &Clock, component: &Component, nonce: u32, gap: bool) -> Self {
        Way::after(&sender.scan(), component, nonce, gap).into()
    }

    /// The tick of its last event.
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.known.tick
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.known.ended
    }

    /// A local event. Gives its tick.
    ///
    /// # Errors
    ///
    /// [`StrandError::Ended`].
    pub fn event(&mut self) -> Result<u32, StrandError> {
        if self.known.ended {
            return Err(StrandError::Ended);
        }
        self.known.tick = self.known.tick.saturating_add(1);
        Ok(self.known.tick)
    }

    /// A call, a message or a spawned task: the stamp that goes with it is [`clock`](Self::clock)
    /// right after. Gives its tick, the name of the fork.
    ///
    /// # Errors
    ///
    /// [`StrandError::Ended`].
    pub fn send(&mut self, fork: Fork) -> Result<u32, StrandError> {
        let tick = self.event()?;
        if fork == Fork::Attached {
            self.known.forks.flying.push(Range {
                first: tick,
                last: tick,
                lossy: false,
            });
        }
        Ok(tick)
    }

    /// Makes a plain event of the call sent at `tick`: no clock went with it, so nothing comes back.
    pub fn withdraw(&mut self, tick: u32) {
        self.known.forks.forget(tick, false);
    }

    /// The answer to the call that was sent at `tick`; `sent`: the header that went with it,
    /// where it was not cut. With it, a plain answer costs the same however many calls are in
    /// flight.
    ///
    /// # Errors
    ///
    /// [`StrandError::OtherStrand`] where the clock is not of the strand that the call started;
    /// else as [`receive`](Self::receive). The strand is then as it was.
    pub fn answer(
        &mut self,
        tick: u32,
        sent: Option<&str>,
        answer: &Clock,
    ) -> Result<(), StrandError> {
        if answer.facts.hops != self.way.hops + 1 {
            return Err(StrandError::OtherStrand);
        }
        let plain = sent.and_then(|sent| {
            let limits = read::NO_LIMITS;
            self.plain_answer(tick, sent, 0, answer.as_str().as_bytes(), limits)
        });
        match plain {
            Some(answered) => answered.map(drop),
            None => {
                self.check_callee(tick, answer)?;
                self.receive(answer)
            }
        }
    }

    /// As [`answer`](Self::answer), for a header as it came that says of the caller, to the letter,
    /// what the call said: then the callee's own word is all that is read, and nothing is copied.
    /// Whether the callee has ended; none for any other header, which changes nothing. `forks_sent`:
    /// how many forks the call named.
    pub(crate) fn plain_answer(
        &mut self,
        tick: u32,
        sent: &str,
        forks_sent: u32,
        header: &[u8],
        limits: Limits,
    ) -> Option<Result<bool, StrandError>> {
        if header.len() > limits.header_bytes_max || self.way.hops >= limits.levels_max {
            return None;
        }
        let callee_at = self.answered_at(tick, sent, header)?;
        // The call itself is not named any more.
        let forks = forks_sent.saturating_sub(1);
        let mut reader = Reader::resume(header, callee_at, self.way.hops).within(limits, forks);
        let callee = reader.member::<Forks>().ok()?;
        if callee.detached || callee.fork != callee.known.tick || !reader.is_at_end() {
            return None;
        }
        if self.known.ended {
            return Some(Err(StrandError::Ended));
        }
        let range = self.known.forks.flying.remove(tick)?;
        let ended = callee.known.ended;
        // All that the answer says beside the callee is what the call told it.
        let known = callee.known.with(callee.forks).beside(range);
        if !known.is_complete() {
            self.known.forks.open.insert(tick, known);
        }
        Some(self.event().map(|_| ended))
    }

    /// Where the callee's member begins, if the answer repeats to the letter what the call said.
    fn answered_at(&self, tick: u32, sent: &str, answer: &[u8]) -> Option<usize> {
        let said = sent.strip_prefix(self.way.text.as_str())?;
        let mut rest = answer.strip_prefix(self.way.text.as_bytes())?;
        let (marks, list) = match said.split_once(";x=\"") {
            Some((marks, list)) => (marks, list.strip_suffix('"')?),
            None => return None,
        };
        rest = rest.strip_prefix(marks.as_bytes())?;
        // The call's own fork is the last of the list; the callee's clock does not list it.
        let list = list.strip_suffix(itoa::Buffer::new().format(tick))?;
        if list.is_empty() {
            rest = rest.strip_prefix(b", ")?;
        } else {
            rest = rest.strip_prefix(b";x=\"")?;
            rest = match (list.strip_suffix(' '), list.strip_suffix('-')) {
                (Some(list), _) => rest.strip_prefix(list.as_bytes())?,
                (_, Some(range)) => {
                    let mut buffer = itoa::Buffer::new();
                    let number = buffer.format(tick - 1);
                    let first = range.rsplit(' ').next().unwrap_or(range);
                    let head = if first == number {
                        range.strip_suffix(first)?
                    } else {
                        list
                    };
                    rest.strip_prefix(head.as_bytes())?
                        .strip_prefix(number.as_bytes())?
                }
                _ => return None,
            };
            rest = rest.strip_prefix(b"\", ")?;
        }
        Some(answer.len() - rest.len())
    }

    fn check_callee(&self, tick: u32, answer: &Clock) -> Result<(), StrandError> {
        let (own, theirs) = (self.tree(), answer.tree());
        let same = own
            .hops
            .iter()
            .zip(&theirs.hops)
            .all(|(x, y)| (x.fork, x.detached, x.nonce) == (y.fork, y.detached, y.nonce));
        let callee = theirs
            .hops
            .last()
            .is_some_and(|hop| hop.fork == tick && !hop.detached);
        if same && callee {
            Ok(())
        } else {
            Err(StrandError::OtherStrand)
        }
    }

    /// A message, a join, or an answer: learns all that the clock knows, and ticks once.
    ///
    /// # Errors
    ///
    /// [`StrandError::NotOfThisTrace`], [`StrandError::Ended`], [`StrandError::FromTheFuture`]. The
    /// strand is then as it was.
    pub fn receive(&mut self, clock: &Clock) -> Result<(), StrandError> {
        if (clock.facts.trace, clock.facts.first_nonce) != (self.way.trace, self.way.first_nonce) {
            return Err(StrandError::NotOfThisTrace);
        }
        if self.known.ended {
            return Err(StrandError::Ended);
        }
        let mut own = self.tree();
        let told = clock.tree().into_root();
        if claims(&told, &own) > self.known.tick {
            return Err(StrandError::FromTheFuture);
        }
        let (tick, lossy) = (self.known.tick, self.known.lossy);
        let root = Known::merge(own.clone().into_root(), told);
        own.adopt(root);
        // Nobody knows more of this strand than itself.
        if let Some(hop) = own.hops.last_mut() {
            hop.known.tick = tick;
            hop.known.ended = false;
            hop.known.lossy = lossy;
        }
        self.take(own);
        self.event().map(drop)
    }

    /// The call sent at `tick` was answered without a clock, or with one that cannot be used, or
    /// its body ended without the end's clock: what it did cannot be told. No tick; nothing after
    /// the end.
    pub fn lost(&mut self, tick: u32) {
        if self.known.ended {
            return;
        }
        self.known.forks.flying.mark_lossy(tick);
        if let Some(known) = self
            .known
            .forks
            .open
            .get_mut(&tick)
            .filter(|known| !known.ended)
        {
            known.lossy = true;
        }
    }

    /// The last event; its stamp goes back to whoever waits.
    ///
    /// # Errors
    ///
    /// [`StrandError::Ended`].
    pub fn end(&mut self) -> Result<u32, StrandError> {
        let tick = self.event()?;
        self.known.ended = true;
        Ok(tick)
    }

    /// The stamp of the last event.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.way.stamp(&self.known)
    }

    /// The stamp to send: [`clock`](Self::clock), cut where a receiver would refuse it; and whether
    /// it was.
    ///
    /// # Errors
    ///
    /// [`CutError`] where no cut is enough: no clock is sent then.
    pub fn header(&self, header_bytes_max: usize) -> Result<(Clock, bool), CutError> {
        self.way.header(&self.known, header_bytes_max)
    }

    fn tree(&self) -> Tree {
        self.clock().tree()
    }

    /// Takes over what is known of every hop.
    fn take(&mut self, mut tree: Tree) {
        let own = tree
            .hops
            .last_mut()
            .map(|hop| std::mem::take(&mut hop.known))
            .unwrap_or_default();
        // The own member is written bare, to find where its tick begins.
        let bare = tree.to_clock();
        let label = bare.as_str().rfind(':').map_or(0, |colon| colon + 1);
        self.way.text.clear();
        self.way
            .text
            .push_str(bare.as_str().get(..label).unwrap_or_default());
        self.way.own_at = bare.facts.last_at;
        self.way.forks_above = bare.facts.forks;
        self.way.as_received = false;
        self.known = own;
    }
}

/// How a sender's last tick started a strand.
struct Started {
    detached: bool,
    /// How many of the forks that the sender's ranges named are the strand itself.
    named: u32,
}

/// Appends the sender's text, without what it said of the fork at its last tick.
fn push_sender(text: &mut String, sender: &Scan<'_>) -> Started {
    let (sent, facts): (&str, Facts) = (&sender.text, sender.facts);
    let mut started = Started {
        detached: true,
        named: 0,
    };
    // The text was checked: the last member can be read again.
    let member = Reader::resume(sent.as_bytes(), facts.last_at, facts.hops - 1).member::<Forks>();
    if let Ok(member) = member {
        let mut known = member.known.with(member.forks);
        let fork = known.tick;
        started.detached = !known.forks.lists_attached(fork);
        started.named = u32::from(known.forks.in_flight().any(|range| range.last == fork));
        known.forks.forget(fork, started.detached);
        let label =
            facts.last_at + member.service.len() + member.instance.len() + "#/00000000:".len();
        text.push_str(sent.get(..label).unwrap_or_default());
        let marks = write::Marks {
            fork: None,
            detached: member.detached,
            gap: member.gap,
        };
        write::hop_tail(text, &known, marks);
    }
    started
}

/// Appends the own member up to its tick; gives where it begins.
fn push_own(way: &mut String, component: &Component, nonce: u32) -> usize {
    way.push_str(", ");
    let own_at = way.len();
    way.push_str(&component.text);
    write::hex8(way, nonce);
    way.push(':');
    own_at
}

/// The highest tick of the last strand of `way` that `known` lists; 0 where it lists none.
fn claims(known: &Known, way: &Tree) -> u32 {
    let mut known = known;
    for step in way.hops.iter().skip(1) {
        let side = if step.detached {
            &known.forks.seen
        } else {
            &known.forks.open
        };
        match side.get(&step.fork) {
            Some(inner) => known = inner,
            None => return 0,
        }
    }
    known.tick
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_answer_is_found_without_reading_what_was_sent() {
        let mut caller = Strand::first(&Component::new("a", "1"), 1, 7);
        for joined in [&[][..], &[2], &[3], &[2, 3], &[4, 6, 9], &[2, 4, 6, 8, 10]] {
            let mut caller = caller.clone();
            let mut sent = Vec::new();
            for _ in 2..12 {
                let tick = caller.send(Fork::Attached).unwrap();
                let clock = caller.clock();
                let mut callee = Strand::start(&clock, &Component::new("b", "1"), tick, false);
                callee.end().unwrap();
                let callee = callee.clock();
                let at = caller.answered_at(tick, clock.as_str(), callee.as_str().as_bytes());
                assert_eq!(at, callee.as_str().rfind("b#1/"), "{clock}");
                sent.push((tick, clock, callee));
                for &fork in joined {
                    if let Some(at) = sent.iter().position(|(tick, ..)| *tick == fork) {
                        let (tick, sent, answer) = sent.swap_remove(at);
                        caller.answer(tick, Some(sent.as_str()), &answer).unwrap();
                    }
                }
            }
        }
        let tick = caller.send(Fork::Attached).unwrap();
        let other = caller.clock().as_str().replace("b#1", "c#1");
        assert_eq!(
            caller.answered_at(tick, &other, b"v2;t=00000007, b#1/00000001:9"),
            None
        );
    }
}
