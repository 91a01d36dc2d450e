//! Where nothing is wrong, nothing is found.

use towline_probe::{Outcome, Report, Topology};

use crate::simulation::World;

const SERVICES: [&str; 4] = ["typescript:1", "python:1", "go:1", "rust:1"];

pub(crate) fn linear() -> Topology {
    Topology::chain(SERVICES[0], &SERVICES[1..]).unwrap()
}

pub(crate) fn calls(body: &str) -> Topology {
    let names = |name: &str| Some(format!("{name}:1"));
    Topology::from_calls("typescript", body.as_bytes(), names).unwrap()
}

pub(crate) fn assert_kept(report: &Report) {
    assert_eq!(
        report.outcome(),
        Outcome::Kept,
        "{}",
        report.text(Default::default())
    );
    let (all, proved) = report.pair_counts();
    assert_eq!(all, proved);
    let hops = report.hop_count() + 1;
    assert_eq!(all, hops * (hops - 1) / 2);
    assert_eq!(report.kept_count(), report.hop_count());
}

fn both_ways(topology: &Topology) -> Report {
    assert_kept(
        &World {
            tasks: true,
            ..World::default()
        }
        .probe(topology),
    );
    let report = World::default().probe(topology);
    assert_kept(&report);
    report
}

#[test]
fn a_chain_arrives_in_order() {
    let report = both_ways(&linear());
    assert_eq!(
        report.components(),
        [
            "typescript#typescript-1",
            "python#python-1",
            "go#go-1",
            "rust#rust-1"
        ]
    );
}

#[test]
fn siblings_at_once_are_concurrent() {
    let body =
        r#"{"mode": "parallel", "calls": [{"url": "python"}, {"url": "go"}, {"url": "rust"}]}"#;
    both_ways(&calls(body));
}

#[test]
fn a_diamond_is_joined() {
    let body = r#"{"calls": [{"url": "python", "mode": "parallel", "calls": [{"url": "go"}, {"url": "rust"}]}]}"#;
    both_ways(&calls(body));
}

#[test]
fn two_calls_at_once_to_one_service_are_concurrent() {
    let body = r#"{"mode": "parallel", "calls": [{"url": "python"}, {"url": "python"}]}"#;
    let text = both_ways(&calls(body)).text(Default::default());
    assert!(
        text.contains("note        2 ∥ 3 are both python#python-1: one counter for each service"),
        "{text}"
    );
}

#[test]
fn calls_one_after_the_other_are_ordered() {
    let body = r#"{"calls": [{"url": "python", "calls": [{"url": "rust"}]}, {"url": "go"}]}"#;
    both_ways(&calls(body));
}

#[test]
fn the_second_form_is_read_too() {
    let body =
        r#"{"downstream": "python", "next_downstream": "go", "next_next_downstream": "rust"}"#;
    let report = both_ways(&calls(body));
    assert_eq!(report.components().len(), 4);
}

#[test]
fn a_service_may_call_itself() {
    let body = r#"{"calls": [{"url": "typescript", "calls": [{"url": "typescript"}]}]}"#;
    let report = both_ways(&calls(body));
    assert_eq!(report.components(), ["typescript#typescript-1"; 3]);
}

#[test]
fn a_chain_may_be_as_deep_as_a_clock() {
    for hops in [20, 63] {
        let report =
            World::default().probe(&Topology::chain("a:1", vec!["b:1"; hops - 1]).unwrap());
        assert_kept(&report);
        assert_eq!(report.hop_count(), hops);
    }
}

#[test]
fn a_fan_may_be_wide() {
    let wide = vec![r#"{"url": "python"}"#; 50].join(",");
    for mode in ["parallel", "sequential"] {
        both_ways(&calls(&format!(
            r#"{{"mode": "{mode}", "calls": [{wide}]}}"#
        )));
    }
}

#[test]
fn a_proxy_may_add_its_own_tracestate_member_and_blanks() {
    let mut world = World::wired(|_, headers| {
        headers.tracestate = headers
            .tracestate
            .take()
            .map(|list| format!("proxy=1,{}", list.replace(',', " , ")));
        headers.clock = headers.clock.take().map(|clock| format!(" {clock}"));
    });
    assert_kept(&world.probe(&linear()));
}
