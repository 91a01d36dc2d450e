//! `towline probe` of services by their hop records, with what may stand between them.

use serde_json::{Value, json};

use crate::demo::{Demo, Ran};
use crate::otel::{Plain, Towlines};
use crate::proxy::Proxies;

const NAMES: [&str; 4] = ["typescript", "python", "go", "rust"];

/// Asks `first` to call these, and each what stands behind it.
pub(crate) fn probe(demo: &Demo, first: &str, calls: &Value) -> Ran {
    let data = json!({"payload": "p", "calls": calls}).to_string();
    demo.run(&["probe", first, "--hops", "--data", &data])
}

/// The one line of a finding, and its code.
fn finding(ran: &Ran) -> (&str, &str) {
    let findings: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.contains("  TW-P"))
        .collect();
    let [finding] = findings.as_slice() else {
        panic!("{} findings\n{}", findings.len(), ran.stdout);
    };
    let (line, code) = finding.rsplit_once("  ").unwrap();
    (line.trim_end(), code)
}

#[test]
fn every_service_says_what_it_saw() {
    let demo = Demo::up("hops");
    let towlines = Towlines::of(&demo);
    for (n, first) in NAMES.iter().enumerate() {
        let next = |k: usize| towlines.url(NAMES[(n + k) % NAMES.len()]);
        let calls = json!([{"url": next(1), "calls": [{"url": next(2)}, {"url": next(3)}]}, {"url": next(3)}]);
        let ran = probe(&demo, first, &calls).exits(0);
        assert!(
            ran.stdout.ends_with("ok: 5 of 5 hops kept the context\n"),
            "{}",
            ran.stdout
        );
        assert_eq!(
            ran.stdout
                .matches("  same         ok      03     continued  joined\n")
                .count(),
            5,
            "{}",
            ran.stdout
        );
    }
    // What answers /health is not traced, and has no record.
    let health = format!("{}/health", towlines.url("go"));
    demo.run(&["probe", &health]).exits(1);
}

#[test]
fn a_proxy_that_meddles_is_named_and_told_from_the_services() {
    let demo = Demo::up("meddle");
    let towlines = Towlines::of(&demo);
    let proxies = Proxies::built_in(demo.dir());
    for (n, callee) in NAMES.iter().enumerate() {
        let first = NAMES[(n + 1) % NAMES.len()];
        for (act, header, code, sentence) in [
            (
                "strip",
                "traceparent",
                "TW-P004",
                "STRIPPED between 1 and 2: ",
            ),
            (
                "double",
                "traceparent",
                "TW-P017",
                "DOUBLED between 1 and 2: ",
            ),
            (
                "rewrite",
                "traceparent",
                "TW-P005",
                "ALTERED between 1 and 2: ",
            ),
            (
                "strip",
                "raceway-clock",
                "TW-P022",
                "CLOCK STRIPPED between 1 and 2: ",
            ),
            (
                "double",
                "raceway-clock",
                "TW-P030",
                "CLOCK DOUBLED between 1 and 2: ",
            ),
            (
                "rewrite",
                "raceway-clock",
                "TW-P023",
                "CLOCK ALTERED between 1 and 2: ",
            ),
            (
                "strip",
                "towline-probe",
                "TW-P062",
                "NO RECORD between 1 and 2: ",
            ),
        ] {
            let proxy = proxies.start(towlines.url(callee), act, header);
            let ran = probe(&demo, first, &json!([{"url": proxy.url}])).exits(1);
            let (line, found) = finding(&ran);
            assert!(
                found == code && line.starts_with(sentence),
                "{act} {header} before {callee}:\n{}",
                ran.stdout
            );
            assert!(!ran.stdout.contains("\nunknown "), "{}", ran.stdout);
        }
        for (act, header) in [
            ("pass", "traceparent"),
            ("lowercase", "traceparent"),
            ("lowercase", "raceway-clock"),
        ] {
            let proxy = proxies.start(towlines.url(callee), act, header);
            probe(&demo, first, &json!([{"url": proxy.url}])).exits(0);
        }
    }
}

#[test]
fn a_proxy_with_a_span_of_its_own_is_something_between() {
    let demo = Demo::up("span");
    let towlines = Towlines::of(&demo);
    let proxies = Proxies::built_in(demo.dir());
    let proxy = proxies.start(towlines.url("rust"), "rewrite", "traceparent");
    let ran = probe(&demo, "go", &json!([{"url": proxy.url}])).exits(1);
    assert!(
        finding(&ran).0.contains("and rust#rust-1 received 00f067aa0ba902b7: something between them has a span of its own"),
        "{}",
        ran.stdout
    );
}

#[test]
fn only_who_has_the_token_is_answered() {
    const TOKEN: &str = "TOWLINE_PROBE";
    let demo = Demo::with_setting("token", TOKEN, "s3cret-token");
    let towlines = Towlines::of(&demo);
    for (n, first) in NAMES.iter().enumerate() {
        let calls = json!([{"url": towlines.url(NAMES[(n + 1) % 4])}]);
        let data = json!({"payload": "p", "calls": calls}).to_string();
        let args = ["probe", first, "--hops", "--data", &data];
        let ran = demo.run_with(TOKEN, "s3cret-token", &args).exits(0);
        assert!(ran.stdout.ends_with("ok: 2 of 2 hops kept the context\n"));
        assert!(!ran.stdout.contains("s3cret"), "{}", ran.stdout);
        for other in ["1", "s3cret-toker", "s3cret-token2"] {
            let ran = demo.run_with(TOKEN, other, &args).exits(1);
            assert_eq!(finding(&ran).1, "TW-P062", "{first}\n{}", ran.stdout);
        }
    }
    for log in std::fs::read_dir(demo.dir().join("logs")).unwrap() {
        let log = std::fs::read_to_string(log.unwrap().path()).unwrap();
        assert!(!log.contains("s3cret"), "{log}");
    }
    let off = Demo::with_setting("off", TOKEN, "off");
    for first in NAMES {
        let ran = probe(&off, first, &json!([])).exits(1);
        assert_eq!(finding(&ran).1, "TW-P062", "{first}\n{}", ran.stdout);
    }
}

#[test]
fn a_clock_that_is_off_and_a_service_that_is_disabled_are_named() {
    let off = Demo::with_setting("clock-off", "TOWLINE_CLOCK", "off");
    let disabled = Demo::with_setting("disabled", "TOWLINE_DISABLED", "true");
    let (away, gone, demo) = (Towlines::of(&off), Towlines::of(&disabled), Demo::up("on"));
    let here = Towlines::of(&demo);
    for (n, name) in NAMES.iter().enumerate() {
        let (first, last) = (NAMES[(n + 1) % 4], here.url(NAMES[(n + 2) % 4]));
        let calls = json!([{"url": away.url(name), "calls": [{"url": last}]}]);
        let ran = probe(&demo, first, &calls).exits(1);
        let sentence = format!("CLOCK OFF at 2: {name}#");
        assert!(ran.stdout.contains(&sentence), "{}", ran.stdout);
        let calls = json!([{"url": gone.url(name), "calls": [{"url": last}]}]);
        let ran = probe(&demo, first, &calls).exits(1);
        assert_eq!(finding(&ran).1, "TW-P061", "{}", ran.stdout);
    }
}

#[test]
fn behind_a_service_with_opentelemetry_alone_nothing_is_seen_and_it_is_named() {
    let demo = Demo::up("plain");
    let towlines = Towlines::of(&demo);
    for (n, language) in NAMES.iter().enumerate() {
        let plain = Plain::start(language);
        let (first, second) = (NAMES[(n + 1) % 4], NAMES[(n + 2) % 4]);
        let calls = json!([
            {"url": towlines.url(second), "calls": [{"url": plain.url, "calls": [{"url": towlines.url("go")}]}]},
            {"url": towlines.url("rust")},
        ]);
        let ran = probe(&demo, first, &calls).exits(1);
        assert_eq!(finding(&ran).1, "TW-P061", "{}", ran.stdout);
        let host = plain.url.strip_prefix("http://").unwrap();
        let sentence = format!("\nunknown     hop 3, at {host}, called by {second}#");
        assert!(ran.stdout.contains(&sentence), "{}", ran.stdout);
        assert!(ran.stdout.contains(
            " is the first service that does not know Towline; what it calls cannot be seen\n"
        ));
        assert!(ran.stdout.contains("\n 3   *  "), "{}", ran.stdout);
        assert!(
            ran.stdout.contains("\n 4   rust#rust-1  "),
            "{}",
            ran.stdout
        );
    }
}
