//! A clock of any bytes; behind a NUL, a second one to compare it with.
//!
//! What reads is canonical, the same when read again, and kept by all the ways it can be sent on.
//! Comparing, merging, cutting and receiving agree with clocks that list fork by fork.

use towline_core::{Clock, ClockError, Component, CutError, Fork, Limits, Order, Strand};

use crate::input::{halves, hash};
use crate::naive::{self, Naive};
use crate::written::{reads_again, sends, survives_tracestate};

/// Checks one input.
pub fn check(data: &[u8]) {
    let (first, second) = halves(data);
    let seed = hash(data);
    let Ok(a) = Clock::read(first, Limits::DEFAULT, None) else {
        return;
    };
    reads_again(&a);
    keeps_limits(&a, first);
    survives_tracestate(&a);
    starts_a_strand(&a, seed);
    let budget = |whole: usize| usize::try_from(seed % (whole as u64 + 16)).expect("small");
    let budgets = [a.as_str().len() - 1, budget(a.as_str().len())];
    budgets.into_iter().for_each(|budget| cuts(&a, budget));
    if naive::size(&a).1 <= naive::FORKS_MAX {
        agrees(&a, budgets);
    }
    if let Ok(b) = Clock::read(second, Limits::DEFAULT, None) {
        pair(&a, &b, budgets);
    }
}

/// Limits are kept to the last level, fork and byte.
fn keeps_limits(clock: &Clock, header: &[u8]) {
    let (levels_max, forks_max) = naive::size(clock);
    let exact = Limits {
        header_bytes_max: header.len(),
        levels_max,
        forks_max: u32::try_from(forks_max).expect("within the limit"),
    };
    let read = |limits| Clock::read(header, limits, None);
    assert_eq!(read(exact).as_ref(), Ok(clock));
    let fewer_bytes = Limits {
        header_bytes_max: header.len() - 1,
        ..exact
    };
    assert!(matches!(read(fewer_bytes), Err(ClockError::TooLong { .. })));
    let fewer_levels = Limits {
        levels_max: levels_max - 1,
        ..exact
    };
    assert!(matches!(
        read(fewer_levels),
        Err(ClockError::TooDeep { .. })
    ));
    if let Some(forks_max) = exact.forks_max.checked_sub(1) {
        let fewer_forks = Limits { forks_max, ..exact };
        assert!(matches!(
            read(fewer_forks),
            Err(ClockError::TooManyForks { .. })
        ));
    }
    let of = |trace| Clock::read(header, exact, Some(trace));
    assert_eq!(of(clock.trace()).as_ref(), Ok(clock));
    assert_eq!(of(clock.trace() ^ 1), Err(ClockError::OtherTrace));
}

/// A strand that the clock starts comes after it, and sends what can be read.
fn starts_a_strand(sender: &Clock, seed: u64) {
    let component = Component::new("fuzz \u{e9}", "#1");
    let mut strand = Strand::start(sender, &component, 0x77b0_e190, seed % 2 == 0);
    let started = strand.clock();
    reads_again(&started);
    assert_eq!(sender.compare(&started), Order::Before, "{started}");
    sends(&strand, Limits::DEFAULT.header_bytes_max);
    let call = strand.send(Fork::Attached).expect("it has not ended");
    sends(&strand, Limits::DEFAULT.header_bytes_max);
    let sent = strand.clock();
    reads_again(&sent);
    assert_eq!(started.compare(&sent), Order::Before, "{sent}");

    let mut callee = Strand::start(&sent, &component, 0xa3f9_c21b, false);
    callee.end().expect("it has not ended");
    let mut plain = strand.clone();
    strand
        .answer(call, Some(sent.as_str()), &callee.clock())
        .expect("the callee's");
    plain.receive(&callee.clock()).expect("the callee's");
    assert_eq!(strand.clock(), plain.clock(), "{sent}");
    assert_eq!(callee.clock().compare(&strand.clock()), Order::Before);
    sends(&strand, sender.as_str().len());
}

fn cuts(clock: &Clock, budget: usize) {
    match clock.cut(budget) {
        Ok(cut) => {
            assert!(
                cut.as_str().len() <= budget,
                "{cut} is longer than {budget}"
            );
            reads_again(&cut);
            assert_eq!(cut.compare(clock), Order::Equal, "{cut} of {clock}");
            assert_eq!(cut.cut(budget).as_ref(), Ok(&cut));
        }
        Err(error) => assert_eq!(error, CutError::TooLong, "{clock} to {budget}"),
    }
}

/// Written and cut as fork by fork.
fn agrees(clock: &Clock, budgets: [usize; 2]) {
    let naive = Naive::of(clock);
    assert_eq!(naive.text(), clock.as_str());
    assert_eq!(clock.merge(clock), *clock);
    for budget in budgets {
        let cut = clock.cut(budget).ok();
        let expected = naive.cut(budget);
        assert_eq!(
            cut.as_ref().map(Clock::as_str),
            expected.as_deref(),
            "{clock} to {budget}"
        );
    }
}

fn pair(a: &Clock, b: &Clock, budgets: [usize; 2]) {
    let (ab, ba) = (a.compare(b), b.compare(a));
    let mirrored = match (ab, ba) {
        // Clocks that contradict each other may each claim to come later.
        (Order::Before | Order::After, Order::Before | Order::After) => true,
        (ab, ba) => ab == ba,
    };
    assert!(mirrored, "{ab} and {ba}: {a} and {b}");
    for cut in budgets.into_iter().filter_map(|budget| a.cut(budget).ok()) {
        // Without what was cut there may be less order, never another one.
        let told = b.compare(&cut);
        assert!(
            told != Order::Before || ba == Order::Before,
            "{cut} of {a}, {b}"
        );
    }
    let merged = a.merge(b);
    reads_again(&merged);
    let mut strand = Strand::start(a, &Component::new("_", ""), 1, false);
    let before = strand.clock();
    let received = strand.receive(b);
    let after = strand.clock();
    if received.is_err() {
        assert_eq!(after, before);
    }
    reads_again(&after);
    sends(&strand, Limits::DEFAULT.header_bytes_max);
    if naive::size(a).1.max(naive::size(b).1) <= naive::FORKS_MAX {
        let (x, y) = (Naive::of(a), Naive::of(b));
        assert_eq!((ab, ba), (x.compare(&y), y.compare(&x)), "{a} and {b}");
        assert_eq!(merged.as_str(), x.merged(&y).text(), "{a} and {b}");
        let expected = Naive::of(&before).received(&y);
        assert_eq!(received.is_ok(), expected.is_some(), "{before} and {b}");
        if let Some(expected) = expected {
            assert_eq!(after.as_str(), expected.text(), "{before} and {b}");
        }
    }
}
