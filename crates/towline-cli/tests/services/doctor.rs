//! `towline doctor` of the four services: well as they start, and each ailment that a setting makes.

use serde_json::json;

use crate::demo::Demo;
use crate::hops::probe;
use crate::otel::Towlines;

const NAMES: [&str; 4] = ["typescript", "python", "go", "rust"];

#[test]
fn services_that_were_used_well_are_well() {
    let demo = Demo::up("doctor");
    let towlines = Towlines::of(&demo);
    for (n, first) in NAMES.iter().enumerate() {
        let next = towlines.url(NAMES[(n + 1) % NAMES.len()]);
        probe(&demo, first, &json!([{"url": next}])).exits(0);
    }
    let ran = demo.run(&[&["doctor"], &NAMES[..]].concat()).exits(0);
    assert!(
        ran.stdout.ends_with("ok: 0 errors, 0 warnings, 0 notes\n"),
        "{}",
        ran.stdout
    );
    for name in NAMES {
        let line = format!("towline 0.1.0 ({name})");
        assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    }
}

#[test]
fn what_a_setting_switches_off_is_said_of_every_service() {
    for (setting, value, code) in [
        ("TOWLINE_DISABLED", "true", "TW-D003"),
        ("TOWLINE_CLOCK", "off", "TW-D004"),
        ("TOWLINE_CLOCK", "v1", "TW-D005"),
        ("TOWLINE_TRACESTATE", "off", "TW-D006"),
        ("TOWLINE_TRACEPARENT_TO", "example.com", "TW-D007"),
    ] {
        let demo = Demo::with_setting("setting", setting, value);
        let ran = demo.run(&[&["doctor"], &NAMES[..]].concat());
        let found = ran.stdout.matches(&format!("  {code}\n")).count();
        assert_eq!(found, 4, "{setting}={value}\n{}", ran.stdout);
        if setting == "TOWLINE_DISABLED" {
            assert_eq!(ran.exit, Some(1));
        }
    }
}

#[test]
fn requests_that_come_broken_off_and_a_service_that_is_unused_are_seen() {
    let demo = Demo::up("ailing");
    let ran = demo.run(&[&["doctor"], &NAMES[..]].concat()).exits(1);
    assert_eq!(
        ran.stdout.matches("  TW-D010\n").count(),
        4,
        "{}",
        ran.stdout
    );
    for name in NAMES {
        demo.run(&["conformance", name, "--rule", "traceparent/duplicate"])
            .exits(0);
    }
    let ran = demo.run(&[&["doctor"], &NAMES[..]].concat()).exits(1);
    assert_eq!(
        ran.stdout
            .matches("traceparent that was not used: duplicate")
            .count(),
        4,
        "{}",
        ran.stdout
    );
}
