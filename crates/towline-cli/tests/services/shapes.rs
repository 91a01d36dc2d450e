//! Shapes beyond the patterns, through all four languages.

use serde_json::json;

use crate::demo::{Demo, Ran};

const NAMES: [&str; 4] = ["typescript", "python", "go", "rust"];

fn assert_kept(ran: Ran) {
    let document = ran.exits(0).json();
    assert_eq!(document["outcome"], "kept");
    assert_eq!(
        document["order"]["pair_count"],
        document["order"]["proved_count"]
    );
}

#[test]
fn shapes_are_kept() {
    let demo = Demo::up("shapes");
    let calls = |first: &str, body: serde_json::Value| {
        demo.run_reading(
            &["probe", first, "--json", "--calls", "-"],
            &body.to_string(),
        )
    };
    for first in 0..NAMES.len() {
        let name = |n: usize| NAMES[(first + n) % NAMES.len()];
        let deep: Vec<&str> = (1..20).map(name).collect();
        let ran = demo
            .run(&["probe", name(0), "--chain", &deep.join(","), "--json"])
            .exits(0);
        assert_eq!(ran.json()["components"].as_array().unwrap().len(), 20);
        assert_kept(ran);

        let wide: Vec<_> = (1..=50).map(|n| json!({"url": name(n)})).collect();
        assert_kept(calls(name(0), json!({"mode": "parallel", "calls": wide})));
        assert_kept(calls(name(0), json!({"calls": wide})));

        let diamond = json!({"mode": "parallel", "calls": [{"url": name(2)}, {"url": name(3)}], "url": name(1)});
        let twins = json!({"mode": "parallel", "calls": [diamond, diamond, {"url": name(0)}]});
        assert_kept(calls(name(0), twins));
        assert_kept(calls(
            name(0),
            json!({"calls": [diamond, {"url": name(2), "calls": [diamond]}]}),
        ));

        let second = json!({"downstream": name(1), "next_downstream": name(2), "next_next_downstream": name(3)});
        assert_kept(calls(name(0), second));
    }
}

#[test]
fn many_requests_at_once_are_not_mixed_up() {
    let demo = Demo::up("load");
    let chain = ["probe", "typescript", "--chain", "python,go,rust", "--json"];
    let load = ["--repeat", "1000", "--concurrency", "50", "--flags", "vary"];
    let document = demo.run(&[&chain[..], &load[..]].concat()).exits(0).json();
    assert_eq!(document["schema"], "towline.probe-load/1");
    assert_eq!(
        (&document["kept_count"], &document["hop_count"]),
        (&1000.into(), &4000.into())
    );
    assert_eq!(
        (&document["span_id_count"], &document["repeated_id_count"]),
        (&9000.into(), &0.into())
    );
}

#[test]
fn flags_come_through() {
    let demo = Demo::up("flags");
    for flags in ["00", "01", "02", "03"] {
        let chain = [
            "probe",
            "rust",
            "--chain",
            "go,python,typescript",
            "--json",
            "--flags",
            flags,
        ];
        let document = demo.run(&chain).exits(0).json();
        assert!(
            document["data"]
                .as_array()
                .unwrap()
                .iter()
                .all(|row| row["flags"] == flags),
            "{document}"
        );
    }
}

#[test]
fn a_service_that_is_not_there_is_a_finding_of_its_caller() {
    let demo = Demo::up("missing");
    let ran = demo
        .run(&["probe", "typescript", "--chain", "python,127.0.0.1:1,rust"])
        .exits(1);
    let expected = "NO ANSWER between 2 and 3: python#py-1 got no answer from 127.0.0.1:1: ";
    assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("\n  then  hop 4 was not reached\n"),
        "{}",
        ran.stdout
    );
}
