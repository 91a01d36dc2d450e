//! Every rule of the project, kept by all four services over the wire; and a service that breaks one
//! is found.

use crate::demo::Demo;

#[test]
fn all_four_services_keep_every_rule() {
    let demo = Demo::up("conformance");
    let mut broken = String::new();
    for service in ["typescript", "python", "go", "rust"] {
        let ran = demo.run(&["conformance", service]);
        if ran.exit != Some(0) {
            let lines = ran.stdout.lines().filter(|line| !line.starts_with("pass"));
            broken += &format!(
                "{service}:\n{}\n{}",
                lines.collect::<Vec<_>>().join("\n"),
                ran.stderr
            );
            continue;
        }
        assert!(
            ran.stdout.ends_with("ok: 27 of 27 rules kept, 241 cases\n"),
            "{}",
            ran.stdout
        );
    }
    assert!(broken.is_empty(), "{broken}");
}

#[test]
fn a_service_with_a_fault_breaks_the_rule_that_it_is_about() {
    for (fault, rule) in [
        ("drop-traceparent", "traceparent/continued"),
        ("new-trace", "traceparent/continued"),
        ("wrong-parent", "traceparent/continued"),
        ("flip-sampled", "traceparent/flags"),
        ("drop-tracestate", "tracestate/kept"),
        ("drop-clock", "clock/continued"),
        ("stale-clock", "clock/continued"),
        ("drop-clock-answer", "clock/answered"),
        ("stale-clock-answer", "clock/answered"),
    ] {
        let demo = Demo::with_fault("broken", "go", fault);
        let ran = demo.run(&["conformance", "go", "--rule", rule]).exits(1);
        assert!(
            ran.stdout.starts_with(&format!("FAIL  {rule}")),
            "{fault}: {}",
            ran.stdout
        );
    }
}
