//! Writing a clock: the canonical text of hops and fork lists.

use super::known::{Attached, Forks, Known};
use super::ranges::Range;
use crate::hex;

/// Appends a number in decimal.
pub(crate) fn number(out: &mut String, value: u32) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// How many digits a number has in decimal.
pub(crate) fn digits(value: u32) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Appends eight lower-case hex digits.
pub(crate) fn hex8(out: &mut String, value: u32) {
    out.push_str(std::str::from_utf8(&hex::write8(value)).unwrap_or_default());
}

/// The marks of a hop beside its forks.
#[derive(Clone, Copy, Default)]
pub(crate) struct Marks {
    /// Where the next hop was forked, if that is not this hop's tick.
    pub(crate) fork: Option<u32>,
    pub(crate) detached: bool,
    pub(crate) gap: bool,
}

/// Appends what follows a hop's `service#instance/nonce:`.
pub(crate) fn hop_tail(out: &mut String, known: &Known, marks: Marks) {
    number(out, known.tick);
    if let Some(fork) = marks.fork {
        out.push_str(";f=");
        number(out, fork);
    }
    for (set, mark) in [
        (marks.detached, ";d"),
        (marks.gap, ";g"),
        (known.ended, ";e"),
        (known.lossy, ";l"),
    ] {
        if set {
            out.push_str(mark);
        }
    }
    if !known.forks.is_empty() {
        out.push_str(";x=\"");
        forks(out, &known.forks);
        out.push('"');
    }
}

/// Appends a fork list.
pub(crate) fn forks(out: &mut String, forks: &Forks) {
    let mut first = true;
    let mut gap = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.push(' ');
        }
    };
    for run in forks.attached() {
        gap(out);
        match run {
            Attached::Range(run) => range(out, run),
            Attached::Known(tick, known) => fork(out, tick, known),
        }
    }
    for (&tick, known) in &forks.seen {
        gap(out);
        out.push('+');
        fork(out, tick, known);
    }
}

fn range(out: &mut String, range: Range) {
    number(out, range.first);
    if range.last > range.first {
        out.push('-');
        number(out, range.last);
    }
    if range.lossy {
        out.push('~');
    }
}

fn fork(out: &mut String, tick: u32, known: &Known) {
    number(out, tick);
    out.push('.');
    number(out, known.tick);
    for (set, mark) in [(known.ended, '!'), (known.lossy, '~')] {
        if set {
            out.push(mark);
        }
    }
    if !known.forks.is_empty() {
        out.push('(');
        forks(out, &known.forks);
        out.push(')');
    }
}
