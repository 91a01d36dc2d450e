//! A port that is right keeps every rule; each fault breaks the rules that are about it.

use std::collections::BTreeSet;

use towline_probe::{Charset, Exchange, Results, Rule, cases, hostile};

use crate::port::{Bug, run};

fn results(bug: Bug) -> Results {
    let mut results = Results::default();
    for case in cases() {
        results.add(&case, &run(&case, bug));
    }
    results
}

#[test]
fn a_port_that_is_right_keeps_every_rule() {
    let results = results(Bug::None);
    assert!(results.is_kept(), "{}", results.text(Charset::Ascii));
    assert!(
        results
            .text(Charset::Ascii)
            .ends_with(" of 27 rules kept, 241 cases\n")
    );
    assert_eq!(results.json()["schema"], "towline.conformance/1");
}

#[test]
fn each_fault_breaks_the_rules_about_it() {
    for (bug, broken) in [
        (Bug::NoTraceparent, "traceparent/continued"),
        (Bug::KeepsParent, "traceparent/continued"),
        (Bug::ClearsRandom, "traceparent/flags"),
        (Bug::RefusesLaterVersions, "traceparent/later-version"),
        (Bug::ReadsLowerCaseNamesOnly, "traceparent/name-case"),
        (Bug::KeepsBlanks, "traceparent/blanks"),
        (Bug::RestartsNothing, "traceparent/absent"),
        (Bug::NewTracesAreNotRandom, "traceparent/absent"),
        (Bug::TakesTheFirst, "traceparent/duplicate"),
        (Bug::AcceptsCapitals, "traceparent/invalid"),
        (Bug::DropsTracestate, "tracestate/kept"),
        (Bug::TakesOneTracestate, "tracestate/joined"),
        (Bug::KeepsBrokenMembers, "tracestate/broken"),
        (Bug::EvictsOthers, "tracestate/limits"),
        (Bug::KeepsOwnMember, "tracestate/own"),
        (Bug::OneSpanId, "call/parent-per-call"),
        (Bug::SendsTwice, "call/one-field"),
        (Bug::IgnoresClock, "clock/continued"),
        (Bug::TakesAnyTrace, "clock/dropped"),
        (Bug::NoGap, "clock/member"),
        (Bug::StaleMember, "clock/member-of-clock"),
        (Bug::NoAnswer, "clock/answered"),
        (Bug::NotEnded, "clock/answered"),
        (Bug::AnswersAll, "clock/not-answered"),
        (Bug::NeverJoins, "answer/joined"),
        (Bug::JoinsAll, "answer/lost"),
        (Bug::NothingOpen, "answer/open"),
        (Bug::WritesV2InV1, "v1/continued"),
        (Bug::Falls, "hostile"),
    ] {
        let results = results(bug);
        let names: Vec<&str> = results.broken().into_iter().map(Rule::id).collect();
        assert!(names.contains(&broken), "{bug:?} breaks {names:?}");
        let text = results.text(Charset::Ascii);
        assert!(text.contains(&format!("FAIL  {broken}")), "{text}");
    }
}

#[test]
fn a_fault_in_one_thing_breaks_little_else() {
    for (bug, broken) in [
        (Bug::NoGap, &["clock/member"][..]),
        (Bug::StaleMember, &["clock/member-of-clock"]),
        (Bug::WritesV2InV1, &["v1/continued"]),
        (Bug::EvictsOthers, &["tracestate/limits"]),
        (
            Bug::TakesOneTracestate,
            &["tracestate/joined", "tracestate/limits"],
        ),
        (Bug::NothingOpen, &["clock/answered", "answer/open"]),
        (Bug::NotEnded, &["clock/answered", "clock/continued"]),
        (Bug::Falls, &["hostile"]),
    ] {
        let found: BTreeSet<&str> = results(bug).broken().into_iter().map(Rule::id).collect();
        assert_eq!(found, broken.iter().copied().collect(), "{bug:?}");
    }
}

#[test]
fn a_service_that_does_not_answer_keeps_no_rule_but_the_one_for_strangers() {
    let mut results = Results::default();
    for case in cases() {
        let nothing = Exchange {
            error: Some("connection \x1b[2J refused".to_owned()),
            ..Exchange::default()
        };
        results.add(&case, &nothing);
    }
    assert_eq!(results.broken().len(), 27);
    // Of the broken requests none has to be answered; the good one behind them has.
    assert_eq!(results.failures(Rule::Hostile).len(), 1);
    assert!(!results.text(Charset::Unicode).contains('\x1b'));
}

#[test]
fn there_are_thirty_kinds_of_hostile_requests_and_each_is_of_its_own() {
    let kinds = hostile("service");
    let names: BTreeSet<&str> = kinds.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), kinds.len());
    assert!(kinds.len() >= 30);
    let reasons: BTreeSet<_> = kinds.iter().filter_map(|kind| kind.counted).collect();
    assert_eq!(reasons.len(), 11);
}
