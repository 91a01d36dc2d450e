//! What is changed on the way is told apart from what was never sent.

use towline_probe::{Cause, Outcome, Place};

use crate::healthy::linear;
use crate::simulation::{Headers, World};

fn found(change: fn(&mut Headers)) -> (Cause, Option<usize>, Place) {
    let mut world = World::wired(move |to, headers| {
        if to == "go" {
            change(headers);
        }
    });
    let report = world.probe(&linear());
    assert_eq!(report.outcome(), Outcome::Findings);
    let [finding] = report.findings() else {
        panic!("{}", report.text(Default::default()));
    };
    (finding.cause, finding.hop, finding.place.clone())
}

#[test]
fn a_header_that_is_lost_or_changed_on_the_way_is_nobodys_fault() {
    type Case = (fn(&mut Headers), Cause);
    let cases: [Case; 9] = [
        (
            |headers| headers.traceparent = None,
            Cause::TraceparentStripped,
        ),
        (
            |headers| *headers = Headers::default(),
            Cause::TraceparentStripped,
        ),
        (
            |headers| {
                let twice = headers.traceparent.clone().unwrap();
                headers.traceparent = Some(format!("{twice}, {twice}"));
            },
            Cause::TraceparentAltered,
        ),
        (
            |headers| headers.traceparent = Some(format!("00-{:032x}-{:016x}-01", 5, 6)),
            Cause::TraceparentAltered,
        ),
        (
            |headers| headers.tracestate = None,
            Cause::TracestateStripped,
        ),
        (
            |headers| headers.tracestate = Some("probe=other".to_owned()),
            Cause::TracestateStripped,
        ),
        (|headers| headers.clock = None, Cause::ClockStripped),
        (
            |headers| headers.clock = Some("v2".to_owned()),
            Cause::ClockAltered,
        ),
        (
            |headers| headers.clock = headers.clock.take().map(|clock| clock.replace(":2", ":3")),
            Cause::ClockAltered,
        ),
    ];
    for (change, cause) in cases {
        assert_eq!(
            found(change),
            (
                cause,
                None,
                Place::Between {
                    caller: 2,
                    callees: vec![3]
                }
            )
        );
    }
}
