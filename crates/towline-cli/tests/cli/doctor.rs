//! `towline doctor`, with services that are one canned answer each.

use serde_json::{Value, json};

use crate::folder::Folder;
use crate::server::{answering, nobody, response};
use crate::towline::{towline, towline_in};

fn status(change: impl Fn(&mut Value)) -> String {
    let mut status = json!({
        "towline": "0.1.0", "language": "go", "service": "stock", "instance": "s-1", "uptime_ms": 51_423,
        "settings": {"disabled": false, "clock": "auto", "tracestate": true, "traceparent_to": "*"},
        "counters": {"received": 9, "continued": 9, "sent": 14, "joined": 14},
    });
    change(&mut status);
    answering(response("200 OK", "application/json", &status.to_string()))
}

#[test]
fn a_service_that_is_well_exits_with_0() {
    let ran = towline(["doctor", &status(|_| {})]);
    assert_eq!(
        (ran.exit, ran.stderr.as_str()),
        (Some(0), ""),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.starts_with("stock#s-1 at http://127.0.0.1:"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.ends_with("ok: 0 errors, 0 warnings, 0 notes\n"));
}

#[test]
fn what_is_off_exits_with_1_and_says_what_cures_it() {
    let off = status(|status| status["settings"]["disabled"] = json!(true));
    let page = answering(response("404 Not Found", "text/html", "<h1>\x1b[2J</h1>"));
    let broken = answering(response("200 OK", "application/json", "{}"));
    let gone = nobody();
    let ran = towline(["doctor", &off, &page, &broken, &gone]);
    assert_eq!(ran.exit, Some(1));
    for line in [
        "error: stock#s-1 at http://127.0.0.1:",
        ": Towline is switched off",
        "  fix   unset TOWLINE_DISABLED",
        "/.well-known/towline is no status: it answered 404 with 13 bytes of text/html",
        "/.well-known/towline is no status: missing field `towline`",
        "it does not answer: Connection refused",
        "failed: 4 errors, 0 warnings, 0 notes\n",
    ] {
        assert!(ran.stdout.contains(line), "{line}\n{}", ran.stdout);
    }
    let document = towline(["doctor", &off, "--json"]).json();
    assert_eq!(
        (&document["schema"], &document["data"][0]["code"]),
        (&"towline.doctor/1".into(), &"TW-D003".into())
    );
}

#[test]
fn where_nobody_answers_it_exits_with_4() {
    let ran = towline(["doctor", &nobody(), &nobody()]);
    assert_eq!(ran.exit, Some(4), "{}", ran.stdout);
    assert_eq!(towline(["doctor", "https://a/"]).exit, Some(2));
}

#[test]
fn a_status_that_never_ends_is_cut_off() {
    let mut endless = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    endless.resize(300 << 10, b'[');
    let ran = towline(["doctor", &answering(endless)]);
    assert_eq!(ran.exit, Some(1));
    assert!(
        ran.stdout
            .contains("the answer is longer than 262144 bytes"),
        "{}",
        ran.stdout
    );
}

#[test]
fn the_lock_file_of_the_folder_is_looked_at_without_a_service() {
    let folder = Folder::new("doctor");
    let package =
        |version| format!("[[package]]\nname = \"opentelemetry\"\nversion = \"{version}\"\n\n");
    let lock = folder.path().join("Cargo.lock");
    std::fs::write(&lock, package("0.31.0")).unwrap();
    let ran = towline_in(folder.path(), ["doctor"]);
    assert_eq!(
        (ran.exit, ran.stdout.as_str()),
        (Some(0), "Cargo.lock\nok: 0 errors, 0 warnings, 0 notes\n")
    );
    std::fs::write(&lock, package("0.31.0") + &package("0.32.0")).unwrap();
    let ran = towline_in(folder.path(), ["doctor"]);
    assert_eq!(ran.exit, Some(1));
    assert!(
        ran.stdout.contains("error: Cargo.lock: opentelemetry is there in 2 versions: 0.31.0 for nobody; 0.32.0 for nobody"),
        "{}",
        ran.stdout
    );
    let ran = towline_in(folder.path(), ["doctor", "--lock", "Cargo.lock", "no.lock"]);
    assert_eq!(ran.exit, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: cannot read no.lock\n"));
    std::fs::write(&lock, "hello").unwrap();
    assert_eq!(towline_in(folder.path(), ["doctor"]).exit, Some(5));
    std::fs::write(&lock, [0xff]).unwrap();
    assert_eq!(towline_in(folder.path(), ["doctor"]).exit, Some(5));
}
