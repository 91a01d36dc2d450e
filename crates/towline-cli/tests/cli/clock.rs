//! `towline clock`.

use crate::towline::towline;

const SENT: &str = "v2;t=1c80319c, ts#1/a3f9c21b:2;x=\"2\"";
const STARTED: &str = "raceway-clock: v2;t=1c80319c, ts#1/a3f9c21b:2, py#1/77b0e190:1";
const BESIDE: &str = "v2;t=1c80319c, ts#1/a3f9c21b:3;x=\"2 3\"";
const OTHER: &str = "v2;t=1c80319d, ts#1/a3f9c21b:2";

#[test]
fn the_order_of_two_clocks_is_one_word() {
    for (first, second, order) in [
        (SENT, STARTED, "before\n"),
        (STARTED, SENT, "after\n"),
        (SENT, SENT, "equal\n"),
        (STARTED, BESIDE, "concurrent\n"),
        (SENT, OTHER, "unknown\n"),
    ] {
        let ran = towline(["clock", "compare", first, second]);
        assert_eq!((ran.exit, ran.stdout.as_str()), (Some(0), order));
    }
    let ran = towline(["clock", "compare", SENT, STARTED, "--json"]);
    assert_eq!(
        ran.stdout,
        "{\"order\":\"before\",\"schema\":\"towline.clock-order/1\"}\n"
    );
}

#[test]
fn a_clock_is_shown_with_its_strands() {
    let ran = towline(["clock", "show", SENT]);
    assert_eq!(
        ran.stdout,
        "trace …1c80319c\nts#1  strand a3f9c21b, tick 2\n   call 2: in flight, nothing known\n"
    );
    let document = towline(["clock", "show", STARTED, "--json"]).json();
    assert_eq!(
        (&document["schema"], &document["total"]),
        (&"towline.clock/1".into(), &2.into())
    );
}

#[test]
fn what_is_no_clock_exits_with_5_and_the_reason() {
    for args in [
        &["clock", "show", "v2;t=1"][..],
        &["clock", "compare", SENT, "x"],
    ] {
        let ran = towline(args.iter().copied());
        assert_eq!((ran.exit, ran.stdout.as_str()), (Some(5), ""));
        let lines: Vec<&str> = ran.stderr.lines().collect();
        assert_eq!(lines[0], "error: this is not a clock");
        assert!(
            lines[1].starts_with("cause: clock does not begin with v2"),
            "{}",
            ran.stderr
        );
        assert!(lines[2].starts_with("hint: "));
    }
}

#[test]
fn an_error_is_a_document_where_data_would_be() {
    let ran = towline(["clock", "show", "x", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(
        (&error["schema"], &error["code"]),
        (&"towline.error/1".into(), &"TW-E005".into())
    );
}
