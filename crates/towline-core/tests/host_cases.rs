//! Every case of `spec/cases/hosts.json`.

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use serde_json::Value;
use towline_core::Config;

#[test]
fn clocks_go_where_every_port_lets_them_go() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/cases/hosts.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in file.get("cases").unwrap().as_array().unwrap() {
        let text = |name: &str| case.get(name).unwrap().as_str().unwrap();
        let settings = Config::new()
            .propagate_to(text("propagate_to"))
            .resolve(|_| None);
        let allowed = case.get("allowed").unwrap().as_bool().unwrap();
        assert_eq!(
            settings.propagate_to.allows(text("host")),
            allowed,
            "{case}"
        );
    }
}
