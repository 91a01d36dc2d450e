//! Every fault of `spec/services.md`, in every language that can have it.

use crate::demo::{Demo, Ran};

const SERVICES: [(&str, &str); 4] = [
    ("typescript", "typescript#ts-1"),
    ("python", "python#py-1"),
    ("go", "go#go-1"),
    ("rust", "rust#rust-1"),
];

/// Faults of calls: the fault, the code, the line that names it.
const AT_CALLS: [(&str, &str, &str); 6] = [
    ("drop-traceparent", "TW-P003", "LOST"),
    ("wrong-parent", "TW-P009", "WRONG PARENT"),
    ("flip-sampled", "TW-P011", "FLAGS CHANGED"),
    ("drop-tracestate", "TW-P012", "DROPPED"),
    ("drop-clock", "TW-P021", "CLOCK LOST"),
    ("stale-clock", "TW-P025", "STALE CLOCK"),
];
/// Faults of handlers and answers.
const AT_HOPS: [(&str, &str, &str); 3] = [
    ("new-trace", "TW-P007", "NEW TRACE"),
    ("drop-clock-answer", "TW-P031", "ANSWER WITHOUT CLOCK"),
    ("stale-clock-answer", "TW-P032", "STALE ANSWER"),
];

fn assert_names(ran: Ran, fault: &str, code: &str, line: &str) {
    let ran = ran.exits(1);
    let findings: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.contains("  TW-P"))
        .collect();
    let [finding] = findings.as_slice() else {
        panic!("{fault}: {} findings\n{}", findings.len(), ran.stdout);
    };
    assert!(
        finding.starts_with(line) && finding.ends_with(code),
        "{fault}: {line}\n{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("\n  why   ") && ran.stdout.contains("\n  fix   "),
        "{}",
        ran.stdout
    );
}

#[test]
fn every_fault_is_found_in_the_hop_that_has_it() {
    let demo = Demo::up("faults");
    for (n, (service, label)) in SERVICES.into_iter().enumerate() {
        let hop = n + 1;
        // The last hop makes no calls.
        for (fault, code, headline) in AT_CALLS.into_iter().filter(|_| hop < SERVICES.len()) {
            let line = format!("{headline} between {hop} and {}: {label} called ", hop + 1);
            assert_names(demo.faulty(service, fault), fault, code, &line);
        }
        for (fault, code, headline) in AT_HOPS {
            let line = format!("{headline} at {hop}: {label} ");
            assert_names(demo.faulty(service, fault), fault, code, &line);
        }
    }
}

#[test]
fn the_script_finds_them_with_instances_of_its_own() {
    let demo = Demo::new("script");
    for (fault, code, line) in [
        (
            "go:drop-traceparent",
            "TW-P003",
            "LOST between 3 and 4: go#go-1 called 127.0.0.1:",
        ),
        (
            "rust:new-trace",
            "TW-P007",
            "NEW TRACE at 4: rust#rust-1 received traceparent",
        ),
    ] {
        assert_names(demo.pattern("linear.sh", Some(fault)), fault, code, line);
    }
}

#[test]
fn a_fault_that_does_not_exist_starts_nothing() {
    let demo = Demo::new("unknown");
    let ran = demo.faulty("go", "sing").exits(4);
    assert!(
        ran.stderr
            .starts_with("error: go was not started\ncause: it ended early with "),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout, "");
}
