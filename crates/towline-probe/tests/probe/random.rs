//! Random topologies: healthy ones are kept, and one fault is one finding.

use proptest::prelude::*;
use serde_json::{Value, json};
use towline_probe::{Outcome, Topology};

use crate::healthy::assert_kept;
use crate::simulation::{Fault, World};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn calls() -> impl Strategy<Value = Value> {
    let leaf = (0..NAMES.len()).prop_map(|name| json!({"url": NAMES[name]}));
    leaf.prop_recursive(5, 24, 4, |inner| {
        (0..NAMES.len(), any::<bool>(), prop::collection::vec(inner, 0..4)).prop_map(|(name, parallel, calls)| {
            json!({"url": NAMES[name], "mode": if parallel { "parallel" } else { "sequential" }, "calls": calls})
        })
    })
}

fn topology(calls: &Value) -> Topology {
    let body = json!({"mode": calls["mode"], "calls": calls["calls"]}).to_string();
    Topology::from_calls("first", body.as_bytes(), |name| Some(format!("{name}:1"))).unwrap()
}

fn fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(vec![
        Fault::DropTraceparent,
        Fault::NewTrace,
        Fault::DropClock,
        Fault::StaleClock,
        Fault::DropClockAnswer,
        Fault::StaleClockAnswer,
        Fault::WrongParent,
        Fault::FlipSampled,
        Fault::DropTracestate,
    ])
}

proptest! {
    #[test]
    fn healthy_topologies_are_kept(calls in calls(), tasks in any::<bool>()) {
        assert_kept(&World { tasks, ..World::default() }.probe(&topology(&calls)));
    }

    #[test]
    fn findings_name_only_the_hops_that_did_it(calls in calls(), tasks in any::<bool>(), fault in fault()) {
        let report = World { tasks, ..World::with("a", fault) }.probe(&topology(&calls));
        let mut causes: Vec<_> = report.findings().iter().map(|finding| finding.cause).collect();
        causes.dedup();
        prop_assert!(causes.len() <= 1, "{}", report.text(Default::default()));
        for finding in report.findings() {
            let by = &report.rows()[finding.hop.unwrap()];
            prop_assert_eq!(by.label(), "a#a-1", "{}", report.text(Default::default()));
        }
        let makes_calls = matches!(fault, Fault::NewTrace | Fault::DropClockAnswer | Fault::StaleClockAnswer);
        let guilty = report.rows().iter().filter(|row| row.label() == "a#a-1");
        let guilty = guilty.filter(|hop| makes_calls || report.rows().iter().any(|row| row.caller == Some(hop.hop)));
        prop_assert_eq!(report.outcome() == Outcome::Kept, guilty.count() == 0);
    }
}
