//! Every fault is found once, where it was made, with its cause.

use towline_probe::{Cause, Finding, Outcome, Place, Report, Topology};

use crate::healthy::{calls, linear};
use crate::simulation::{Bug, Fault, World};

/// The one finding of a probe.
fn only(report: &Report) -> &Finding {
    let text = report.text(Default::default());
    assert_eq!(report.outcome(), Outcome::Findings, "{text}");
    let [finding] = report.findings() else {
        panic!("{} findings:\n{text}", report.findings().len());
    };
    assert!(text.contains(finding.cause.code()), "{text}");
    finding
}

fn between(caller: usize, callee: usize) -> Place {
    Place::Between {
        caller,
        callees: vec![callee],
    }
}

const AT_CALLS: [(Fault, Cause); 6] = [
    (Fault::DropTraceparent, Cause::TraceparentNotSent),
    (Fault::DropClock, Cause::ClockNotSent),
    (Fault::StaleClock, Cause::ClockStale),
    (Fault::WrongParent, Cause::ParentNotUpdated),
    (Fault::FlipSampled, Cause::FlagsChanged),
    (Fault::DropTracestate, Cause::TracestateDropped),
];
const AT_HOPS: [(Fault, Cause); 3] = [
    (Fault::NewTrace, Cause::TraceRestarted),
    (Fault::DropClockAnswer, Cause::AnswerWithoutClock),
    (Fault::StaleClockAnswer, Cause::AnswerStale),
];

#[test]
fn a_fault_of_a_caller_is_found_between_it_and_its_callee() {
    for (fault, cause) in AT_CALLS {
        for (hop, service) in [(1, "typescript"), (2, "python"), (3, "go")] {
            let report = World::with(service, fault).probe(&linear());
            let finding = only(&report);
            assert_eq!(
                (finding.cause, finding.hop),
                (cause, Some(hop)),
                "{fault:?} of {service}"
            );
            assert_eq!(finding.place, between(hop, hop + 1));
            assert!(
                finding
                    .what
                    .starts_with(&format!("{service}#{service}-1 called ")),
                "{}",
                finding.what
            );
            assert!(!finding.fix.is_empty());
        }
    }
}

#[test]
fn a_fault_of_a_callee_is_found_in_it() {
    for (fault, cause) in AT_HOPS {
        for (hop, service) in [(1, "typescript"), (2, "python"), (3, "go"), (4, "rust")] {
            let report = World::with(service, fault).probe(&linear());
            let finding = only(&report);
            assert_eq!(
                (finding.cause, finding.hop),
                (cause, Some(hop)),
                "{fault:?} of {service}"
            );
            assert_eq!(finding.place, Place::At(hop));
        }
    }
}

#[test]
fn a_fault_of_several_calls_is_one_finding() {
    let parallel = r#"{"calls": [{"url": "python", "mode": "parallel", "calls": [{"url": "go"}, {"url": "rust"}]}]}"#;
    let sequential = r#"{"calls": [{"url": "python", "calls": [{"url": "go"}, {"url": "rust"}]}]}"#;
    for topology in [calls(parallel), calls(sequential)] {
        for tasks in [false, true] {
            for (fault, cause) in AT_CALLS {
                let report = World {
                    tasks,
                    ..World::with("python", fault)
                }
                .probe(&topology);
                let finding = only(&report);
                assert_eq!((finding.cause, finding.hop), (cause, Some(2)), "{fault:?}");
                assert_eq!(
                    finding.place,
                    Place::Between {
                        caller: 2,
                        callees: vec![3, 4]
                    }
                );
            }
            for (fault, cause) in AT_HOPS {
                let report = World {
                    tasks,
                    ..World::with("python", fault)
                }
                .probe(&topology);
                assert_eq!(
                    (only(&report).cause, only(&report).hop),
                    (cause, Some(2)),
                    "{fault:?}"
                );
            }
        }
    }
}

#[test]
fn two_faults_are_two_findings() {
    let mut world = World::with("typescript", Fault::FlipSampled);
    world
        .faults
        .insert("go".to_owned(), vec![Fault::DropTraceparent]);
    let report = world.probe(&linear());
    let found: Vec<_> = report
        .findings()
        .iter()
        .map(|finding| (finding.cause, finding.hop))
        .collect();
    assert_eq!(
        found,
        [
            (Cause::FlagsChanged, Some(1)),
            (Cause::TraceparentNotSent, Some(3))
        ]
    );
}

#[test]
fn a_hop_below_a_broken_one_is_still_checked() {
    let mut world = World::with("typescript", Fault::DropTraceparent);
    world
        .faults
        .insert("go".to_owned(), vec![Fault::WrongParent]);
    let report = world.probe(&linear());
    let found: Vec<_> = report
        .findings()
        .iter()
        .map(|finding| (finding.cause, finding.hop))
        .collect();
    assert_eq!(
        found,
        [
            (Cause::TraceparentNotSent, Some(1)),
            (Cause::ParentNotUpdated, Some(3))
        ]
    );
    // What go lost, rust cannot miss: only its own caller counts.
    assert!(
        report.rows()[3].is_ok(),
        "{}",
        report.text(Default::default())
    );
}

#[test]
fn what_follows_stands_with_its_cause() {
    let report = World::with("go", Fault::DropTraceparent).probe(&linear());
    let follows = only(&report).follows();
    assert_eq!(follows, ["the order of 4 pairs of hops is not proved"]);
    assert_eq!(report.pair_counts(), (10, 6));
    assert_eq!(report.kept_count(), 3);
}

#[test]
fn middleware_that_is_wrong_in_other_ways_is_told_apart() {
    for (bug, cause, place) in [
        (Bug::NoClient, Cause::TraceparentNotSent, between(2, 3)),
        (Bug::LosesContext, Cause::ContextLost, between(2, 3)),
        (Bug::Shouts, Cause::TraceparentMalformed, between(2, 3)),
        (Bug::OwnSpanAsParent, Cause::ParentWrong, between(2, 3)),
        (
            Bug::ReversesTracestate,
            Cause::TracestateAltered,
            between(2, 3),
        ),
        (Bug::StaleMember, Cause::MemberStale, between(2, 3)),
        (Bug::IgnoresClock, Cause::ClockIgnored, Place::At(2)),
        (Bug::NoClock, Cause::ClockOff, Place::At(2)),
        (Bug::ForeignClock, Cause::ClockForeign, between(2, 3)),
        (Bug::WritesV1, Cause::ClockV1, between(2, 3)),
        (Bug::Gibberish, Cause::ClockMalformed, between(2, 3)),
        (Bug::NeverEnds, Cause::AnswerNotEnded, Place::At(2)),
        (Bug::AnswersEarly, Cause::AnswerStale, Place::At(2)),
        (Bug::NeverJoins, Cause::StillInFlight, between(2, 3)),
        (Bug::MixesUp, Cause::MixedUp, Place::At(2)),
        (Bug::SkipsCall, Cause::CallsDiffer, Place::At(2)),
    ] {
        let report = World::buggy("python", bug).probe(&linear());
        let finding = only(&report);
        assert_eq!(
            (finding.cause, &finding.place),
            (cause, &place),
            "{bug:?}: {}",
            finding.what
        );
    }
}

#[test]
fn one_clock_for_two_calls_is_stale() {
    let topology =
        calls(r#"{"calls": [{"url": "python", "calls": [{"url": "go"}, {"url": "rust"}]}]}"#);
    let report = World::buggy("python", Bug::RepeatsClock).probe(&topology);
    let finding = only(&report);
    assert_eq!(
        (finding.cause, &finding.place),
        (Cause::ClockStale, &between(2, 4))
    );
}

#[test]
fn a_call_that_leaves_the_clock_without_proof_is_found() {
    let mut world = World::buggy("python", Bug::JoinsAll);
    world
        .faults
        .insert("go".to_owned(), vec![Fault::DropClockAnswer]);
    let report = world.probe(&linear());
    let found: Vec<_> = report
        .findings()
        .iter()
        .map(|finding| (finding.cause, finding.hop))
        .collect();
    assert_eq!(
        found,
        [
            (Cause::AnswerWithoutClock, Some(3)),
            (Cause::JoinUnproved, Some(2))
        ]
    );
}

#[test]
fn calls_that_do_not_run_as_asked_are_in_the_wrong_order() {
    let parallel = calls(
        r#"{"mode": "parallel", "calls": [{"url": "python"}, {"url": "go"}, {"url": "rust"}]}"#,
    );
    let report = World::buggy("typescript", Bug::Serial).probe(&parallel);
    let finding = only(&report);
    assert_eq!(
        (finding.cause, &finding.place),
        (Cause::OrderWrong, &Place::At(1))
    );
    assert_eq!(
        finding.what,
        "2 (python#python-1) and 3 (go#go-1) run at once; the clocks say before"
    );

    let sequential = calls(r#"{"calls": [{"url": "python"}, {"url": "go"}]}"#);
    let report = World::buggy("typescript", Bug::Eager).probe(&sequential);
    assert_eq!(only(&report).cause, Cause::OrderWrong);
}

#[test]
fn one_span_id_for_two_spans_is_found() {
    let report = World::buggy("python", Bug::OneSpanId).probe(&linear());
    assert!(
        report
            .findings()
            .iter()
            .any(|f| f.cause == Cause::SpanIdReused && f.hop == Some(2))
    );
}

#[test]
fn a_first_hop_that_is_none_leaves_nothing_to_check() {
    for (bug, cause) in [
        (Bug::Silent, Cause::NoAnswer),
        (Bug::Unreportable, Cause::NoReport),
    ] {
        let report = World::buggy("typescript", bug).probe(&linear());
        assert_eq!(report.outcome(), Outcome::Unreachable);
        assert_eq!(report.findings().len(), 1);
        assert_eq!(report.findings()[0].cause, cause);
        assert_eq!(report.rows()[1].label(), "*");
    }
}

#[test]
fn a_later_hop_that_is_none_is_a_finding() {
    for (bug, cause) in [
        (Bug::Silent, Cause::NoAnswer),
        (Bug::Unreportable, Cause::NoReport),
    ] {
        let report = World::buggy("python", bug).probe(&linear());
        let finding = only(&report);
        assert_eq!((finding.cause, &finding.place), (cause, &between(1, 2)));
        assert_eq!(
            finding.follows()[..2],
            ["hop 3 was not reached", "hop 4 was not reached"]
        );
        assert_eq!(report.rows()[3].label(), "*");
    }
}

#[test]
fn a_chain_of_one_can_be_wrong_too() {
    let one = Topology::chain("rust:1", [""; 0]).unwrap();
    for (fault, cause) in AT_HOPS {
        let report = World::with("rust", fault).probe(&one);
        assert_eq!(only(&report).cause, cause);
    }
}
