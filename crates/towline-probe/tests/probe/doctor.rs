//! Each thing that can be off with services is said, with what cures it; what is well is left alone.

use serde_json::{Value, json};
use towline_probe::{Ailment, Checkup, LockError, Severity, Status};

fn status(change: impl Fn(&mut Value)) -> Status {
    let mut status = json!({
        "towline": "0.1.0", "language": "go", "service": "stock", "instance": "s-1", "uptime_ms": 51_423,
        "settings": {
            "disabled": false, "clock": "auto", "tracestate": true, "propagators": ["tracecontext", "baggage"],
            "propagate_to": "", "traceparent_to": "*", "sampled": true, "trust": "continue",
            "trace_response": false, "deadlines": false, "hash_labels": false, "probe": "loopback",
            "header_bytes_max": 4096, "levels_max": 64, "forks_max": 65_536,
        },
        "counters": {
            "received": 9, "continued": 9, "restarted": {}, "cancelled": 0, "clock_dropped": {}, "clock_cut": 0,
            "sent": 14, "not_sent": {}, "no_context": 0, "joined": 14, "lost": {},
        },
    });
    change(&mut status);
    Status::read(status.to_string().as_bytes()).unwrap()
}

fn of_one(change: impl Fn(&mut Value)) -> Checkup {
    let mut checkup = Checkup::default();
    checkup.service("http://127.0.0.1:6003", status(change));
    checkup
}

#[test]
fn a_service_that_is_well_is_left_alone() {
    let checkup = of_one(|_| {});
    assert_eq!(checkup.diagnoses(), []);
    assert!(checkup.is_well() && !checkup.is_unreachable());
    assert_eq!(
        checkup.text(Default::default()),
        "stock#s-1 at http://127.0.0.1:6003 · towline 0.1.0 (go) · up 51 s · received 9 · continued 9 · sent 14 · joined 14\nok: 0 errors, 0 warnings, 0 notes\n"
    );
}

#[test]
fn everything_that_is_off_is_said() {
    let cases: [(&str, Value, Ailment, &str); 26] = [
        (
            "/settings/disabled",
            json!(true),
            Ailment::Disabled,
            "Towline is switched off",
        ),
        (
            "/settings/clock",
            json!("off"),
            Ailment::ClockOff,
            "clocks are switched off",
        ),
        (
            "/settings/clock",
            json!("v1"),
            Ailment::ClockV1,
            "every call carries a clock of v1",
        ),
        (
            "/settings/tracestate",
            json!(false),
            Ailment::TracestateOff,
            "the tracestate member is not written",
        ),
        (
            "/settings/traceparent_to",
            json!("a.example"),
            Ailment::TraceparentNarrowed,
            "traceparent goes to a.example alone",
        ),
        (
            "/settings/propagators",
            json!(["none"]),
            Ailment::Propagators,
            "the propagators name none",
        ),
        (
            "/settings/propagators",
            json!(["baggage"]),
            Ailment::Propagators,
            "the propagators leave tracecontext out",
        ),
        (
            "/service",
            json!("unknown_service"),
            Ailment::Unnamed,
            "it has no name",
        ),
        (
            "/counters/received",
            json!(0),
            Ailment::NothingReceived,
            "it has read no request",
        ),
        (
            "/counters/sent",
            json!(0),
            Ailment::NothingSent,
            "it has made no call with a clock",
        ),
        (
            "/counters/restarted",
            json!({"absent": 2}),
            Ailment::Began,
            "2 of 9 requests came without traceparent",
        ),
        (
            "/counters/restarted",
            json!({"duplicate": 1}),
            Ailment::Restarted,
            "1 of 9 requests had a traceparent that was not used: duplicate",
        ),
        (
            "/counters/restarted",
            json!({"untrusted": 1}),
            Ailment::Restarted,
            "1 of 9 requests had a traceparent that was not used: untrusted",
        ),
        (
            "/counters/clock_dropped",
            json!({"malformed": 1}),
            Ailment::ClockDropped,
            "1 clock came and was not used: malformed",
        ),
        (
            "/counters/clock_dropped",
            json!({"other_trace": 3}),
            Ailment::ClockDropped,
            "3 clocks came and were not used: other_trace",
        ),
        (
            "/counters/no_context",
            json!(4),
            Ailment::NoContext,
            "4 calls were made where no context was current",
        ),
        (
            "/counters/not_sent",
            json!({"withheld": 3}),
            Ailment::Withheld,
            "3 calls were made to hosts that may not have the clock",
        ),
        (
            "/counters/not_sent",
            json!({"too_long": 1}),
            Ailment::NotSent,
            "1 call was made without a clock: too_long",
        ),
        (
            "/counters/not_sent",
            json!({"over_limits": 1}),
            Ailment::NotSent,
            "1 call was made without a clock: over_limits",
        ),
        (
            "/counters/clock_cut",
            json!(2),
            Ailment::Cut,
            "2 clocks were sent shortened",
        ),
        (
            "/counters/lost",
            json!({"absent": 1}),
            Ailment::AnswersWithout,
            "1 call was answered without a clock",
        ),
        (
            "/counters/lost",
            json!({"other_strand": 1}),
            Ailment::Lost,
            "1 call was answered with a clock that was not used: other_strand",
        ),
        (
            "/counters/lost",
            json!({"never heard of": 1}),
            Ailment::Lost,
            "1 call was answered with a clock that was not used: never heard of",
        ),
        (
            "/counters/cancelled",
            json!(1),
            Ailment::Cancelled,
            "1 caller went away before the answer was complete",
        ),
        (
            "/settings/traceparent_to",
            json!("\u{1b}[2J"),
            Ailment::TraceparentNarrowed,
            "traceparent goes to \\u{1b}[2J alone",
        ),
        (
            "/counters/restarted",
            json!({"\u{1b}": 1}),
            Ailment::Restarted,
            "1 of 9 requests had a traceparent that was not used: \\u{1b}",
        ),
    ];
    for (place, value, ailment, what) in cases {
        let checkup = of_one(|status| *status.pointer_mut(place).unwrap() = value.clone());
        let diagnoses = checkup.diagnoses();
        let [diagnosis] = diagnoses.as_slice() else {
            panic!("{place}: {diagnoses:?}");
        };
        assert_eq!(
            (diagnosis.ailment, diagnosis.what.as_str()),
            (ailment, what)
        );
        assert!(!diagnosis.fix.is_empty());
        assert_eq!(
            checkup.is_well(),
            ailment.severity() == Severity::Note,
            "{place}"
        );
    }
}

#[test]
fn counts_of_zero_and_a_service_that_is_off_say_nothing_more() {
    let zeros = of_one(|status| status["counters"]["lost"] = json!({"absent": 0}));
    assert_eq!(zeros.diagnoses(), []);
    let off = of_one(|status| {
        status["settings"]["disabled"] = json!(true);
        status["counters"]["received"] = json!(0);
    });
    assert_eq!(off.diagnoses().len(), 1);
}

#[test]
fn services_are_compared_with_each_other() {
    let mut checkup = Checkup::default();
    checkup.service("http://a:1", status(|_| {}));
    checkup.service(
        "http://b:1",
        status(|status| {
            status["towline"] = json!("0.2.0");
            status["settings"]["header_bytes_max"] = json!(8192);
        }),
    );
    let diagnoses = checkup.diagnoses();
    let found: Vec<(&str, &str)> = diagnoses
        .iter()
        .map(|diagnosis| (diagnosis.ailment.code(), diagnosis.what.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                "TW-D023",
                "they take clocks of at most 4096: http://a:1; 8192: http://b:1"
            ),
            ("TW-D024", "http://a:1, http://b:1 are both stock#s-1"),
            (
                "TW-D022",
                "they run Towline 0.1.0: http://a:1; 0.2.0: http://b:1"
            ),
        ]
    );
}

#[test]
fn the_worst_comes_first_and_nothing_reached_is_not_well() {
    let mut checkup = of_one(|status| {
        status["counters"]["restarted"] = json!({"absent": 1});
        status["counters"]["no_context"] = json!(1);
    });
    checkup.not_reached("http://a:1", "connection refused");
    checkup.no_status("http://b:1", "it answered 404");
    let severities: Vec<Severity> = checkup
        .diagnoses()
        .iter()
        .map(|diagnosis| diagnosis.ailment.severity())
        .collect();
    assert_eq!(
        severities,
        [
            Severity::Error,
            Severity::Error,
            Severity::Warning,
            Severity::Note
        ]
    );
    assert!(!checkup.is_well() && !checkup.is_unreachable());
    let mut nobody = Checkup::default();
    nobody.not_reached("http://a:1", "connection refused");
    assert!(nobody.is_unreachable());
    assert_eq!(nobody.json()["data"][0]["code"], "TW-D001");
}

const LOCK: &str = r#"# This file is automatically @generated by Cargo.
version = 4

[[package]]
name = "opentelemetry"
version = "0.31.0"
source = "registry+https://example.com/index"
dependencies = [
 "futures-core",
]

[[package]]
name = "opentelemetry"
version = "0.32.0"

[[package]]
name = "shop"
version = "1.0.0"
dependencies = [
 "opentelemetry 0.32.0",
 "tracing-bridge",
]

[[package]]
name = "tracing-bridge"
version = "0.9.1"
dependencies = [
 "opentelemetry 0.31.0 (registry+https://example.com/index)",
]

[metadata]
name = "opentelemetry"
"#;

#[test]
fn two_versions_in_a_lock_file_are_found_with_those_that_want_them() {
    let mut checkup = Checkup::default();
    checkup.lock("Cargo.lock", LOCK).unwrap();
    let diagnoses = checkup.diagnoses();
    assert_eq!(diagnoses.len(), 1);
    assert_eq!(diagnoses[0].ailment, Ailment::TwoVersions);
    assert_eq!(
        diagnoses[0].what,
        "opentelemetry is there in 2 versions: 0.31.0 for tracing-bridge 0.9.1; 0.32.0 for shop 1.0.0"
    );
    assert!(
        diagnoses[0]
            .fix
            .contains("cargo tree --invert opentelemetry@VERSION")
    );
    assert!(!checkup.is_well() && !checkup.is_unreachable());
}

#[test]
fn one_version_is_well_and_what_is_no_lock_file_is_refused() {
    let mut checkup = Checkup::default();
    checkup
        .lock(
            "Cargo.lock",
            &LOCK.replace("\"0.31.0\"", "\"0.32.0\"").replacen(
                "name = \"opentelemetry\"",
                "name = \"other\"",
                1,
            ),
        )
        .unwrap();
    assert_eq!(checkup.diagnoses(), []);
    assert_eq!(checkup.lock("a", ""), Err(LockError::NoPackages));
    assert_eq!(
        checkup.lock("a", "[package]\nname = \"x\""),
        Err(LockError::NoPackages)
    );
    assert_eq!(
        checkup.lock("a", "\n[[package]]\nname = \"x\"\n"),
        Err(LockError::Incomplete(2))
    );
    assert_eq!(
        checkup.lock("a", &" ".repeat((16 << 20) + 1)),
        Err(LockError::TooLong)
    );
}
