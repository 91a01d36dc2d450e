//! `towline conformance` against what offers no contract.

use crate::server::{answering, nobody, response};
use crate::towline::towline;

#[test]
fn a_service_that_makes_no_calls_breaks_rules_and_exits_with_1() {
    let address = answering(response("200 OK", "application/json", "{}"));
    let ran = towline([
        "conformance",
        &address,
        "--rule",
        "traceparent/absent",
        "--rule",
        "answer",
    ]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (Some(1), ""));
    assert!(
        ran.stdout
            .starts_with("FAIL  traceparent/absent           0 of 3  "),
        "{}",
        ran.stdout
    );
    for part in [
        ", and tracestate is dropped (spec/trace-context.md, \"traceparent in\")\n",
        "  case  none: 1 call was asked for, and 0 were made\n",
        "FAIL  answer/open                  0 of 1  ",
        "failed: 0 of 4 rules kept, 14 cases\n",
    ] {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
    let document = towline(["conformance", &address, "--rule", "hostile", "--json"]).json();
    assert_eq!(document["schema"], "towline.conformance/1");
    assert_eq!(document["data"][0]["failures"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_judged_is_told_apart() {
    let without = answering(response("404 Not Found", "text/plain", ""));
    let ran = towline(["conformance", &without]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (Some(3), ""));
    assert!(
        ran.stderr.contains("answers 404 to POST /test"),
        "{}",
        ran.stderr
    );
    assert_eq!(towline(["conformance", &nobody()]).exit, Some(4));
    assert_eq!(towline(["conformance", "a:1/orders"]).exit, Some(2));
    let ran = towline(["conformance", "a:1", "--rule", "sing"]);
    assert_eq!(ran.exit, Some(2));
    assert!(
        ran.stderr
            .contains("the rules: traceparent/continued, traceparent/flags, ")
    );
}
