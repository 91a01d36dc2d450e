//! What must hold of every clock that is written.

use towline_core::{Clock, Limits, Order, Strand};

/// For clocks that need not fit into a header.
pub(crate) const UNBOUNDED: Limits = Limits {
    header_bytes_max: usize::MAX,
    levels_max: usize::MAX,
    forks_max: u32::MAX,
};

/// A clock's text reads again, as the same clock.
pub(crate) fn reads_again(clock: &Clock) {
    let again = Clock::read(clock.as_str().as_bytes(), UNBOUNDED, Some(clock.trace()));
    let again = again.unwrap_or_else(|error| panic!("{error}: {clock}"));
    assert_eq!(again, *clock);
    assert_eq!(again.hops(), clock.hops());
    assert_eq!(
        (again.tick(), again.has_ended()),
        (clock.tick(), clock.has_ended())
    );
    assert_eq!(again.compare(clock), Order::Equal, "{clock}");
}

/// What a strand would send within `budget` bytes is read by every receiver, and is its stamp.
pub(crate) fn sends(strand: &Strand, budget: usize) -> Option<Clock> {
    let stamp = strand.clock();
    let whole = receiver_reads(&stamp, budget);
    let Ok((header, cut)) = strand.header(budget) else {
        assert!(whole.is_none(), "not sent, though it could be: {stamp}");
        return None;
    };
    assert!(
        !cut || whole.is_none(),
        "cut, though it need not be: {stamp}"
    );
    assert!(
        header.as_str().len() <= budget,
        "{header} is longer than {budget}"
    );
    let Some(read) = receiver_reads(&header, budget) else {
        panic!("a receiver refuses what was sent: {header}");
    };
    assert_eq!(cut, header != stamp, "{header} of {stamp}");
    assert_eq!(read.compare(&stamp), Order::Equal, "{header} of {stamp}");
    Some(read)
}

fn receiver_reads(clock: &Clock, budget: usize) -> Option<Clock> {
    let limits = Limits {
        header_bytes_max: budget,
        ..Limits::DEFAULT
    };
    Clock::read(clock.as_str().as_bytes(), limits, Some(clock.trace())).ok()
}

/// All that the `tracestate` form of a clock can say is said, and read again.
pub(crate) fn survives_tracestate(clock: &Clock) -> Option<Clock> {
    let members = clock.as_str().split(", ").skip(1);
    let tails = members.map(|member| member.split_once('/').expect("a nonce").1);
    let short: String = tails
        .collect::<Vec<_>>()
        .join("/")
        .replace([';', '=', '"'], "");
    let Some(value) = clock.to_tracestate() else {
        assert!(short.len() > 256, "not written: {short}");
        return None;
    };
    assert_eq!(value, short);
    assert!(value.len() <= 256, "{value}");
    let read = Clock::from_tracestate(&value, clock.trace(), UNBOUNDED);
    let read = read.unwrap_or_else(|error| panic!("{error}: {value}"));
    let nameless = |mut hop: towline_core::Hop| {
        (hop.service, hop.instance) = ("_".into(), String::new());
        hop
    };
    let expected: Vec<_> = clock.hops().into_iter().map(nameless).collect();
    assert_eq!(read.hops(), expected);
    assert_eq!(read.compare(clock), Order::Equal, "{value}");
    assert_eq!(read.to_tracestate(), Some(value));
    Some(read)
}
