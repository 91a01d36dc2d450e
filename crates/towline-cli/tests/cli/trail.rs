//! `towline probe` of any service.

use crate::server::{answering, heard, nobody, response};
use crate::towline::{command, finish, towline, towline_reading};

const RECORD: &str = r#"{"service": "gate", "instance": "1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "77b0e19012345678", "parent_id": "00f067aa0ba902b7", "flags": "03", "restarted": "absent", "clock": "no_traceparent", "calls": []}"#;

#[test]
fn the_request_is_the_one_that_was_given_and_has_the_probe_in_it() {
    let (address, heard) = heard(response("200 OK", "text/plain", "hello"));
    let url = format!("http://{address}/orders?x=1");
    let ran = towline([
        "probe",
        &url,
        "--method",
        "PUT",
        "--header",
        "X-Key: k",
        "--data",
        "{\"a\": 1}",
        "--flags",
        "02",
    ]);
    assert_eq!(ran.exit, Some(1), "{}", ran.stdout);
    let request = heard.recv().unwrap().to_ascii_lowercase();
    assert!(
        request.starts_with("put /orders?x=1 http/1.1\r\n"),
        "{request}"
    );
    for line in [
        "\r\nx-key: k\r\n",
        "\r\ncontent-type: application/json\r\n",
        "\r\ntowline-probe: 1\r\n",
        "\r\ntraceparent: 00-",
        "-02\r\n",
        "\r\nraceway-clock: v2;t=",
        "\r\ntracestate: towline=",
    ] {
        assert!(request.contains(line), "{line}\n{request}");
    }
    assert!(request.ends_with("\r\n\r\n{\"a\": 1}"), "{request}");
    let shown = format!("hop 1, at {address}, is the first service that does not know Towline");
    assert!(ran.stdout.contains(&shown), "{}", ran.stdout);
}

#[test]
fn a_token_is_sent_and_shown_nowhere() {
    let (address, heard) = heard(response("200 OK", "text/plain", ""));
    let mut probe = command();
    probe
        .env("TOWLINE_PROBE", "s3cret")
        .args(["probe", &format!("{address}/"), "--json"]);
    let ran = finish(&mut probe);
    assert!(
        heard
            .recv()
            .unwrap()
            .contains("\r\ntowline-probe: s3cret\r\n")
    );
    assert!(!format!("{ran:?}").contains("s3cret"));
    assert_eq!(ran.json()["schema"], "towline.hops/1");
    let mut probe = command();
    probe
        .env("TOWLINE_PROBE", "a\nb")
        .args(["probe", &format!("{address}/")]);
    assert_eq!(finish(&mut probe).exit, Some(2));
}

#[test]
fn a_record_is_read_from_the_head_of_the_answer() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ntowline-hops: {RECORD}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let ran = towline_reading(
        &["probe", &answering(answer), "--hops", "--data", "@-"],
        "body",
    );
    assert_eq!(ran.exit, Some(1));
    assert!(
        ran.stdout.contains(
            "first       STRIPPED between 0 and 1: towline#probe sent traceparent to 127.0.0.1:"
        ),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("gate#1"), "{}", ran.stdout);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    assert_eq!(towline(["probe", &format!("{}/x", nobody())]).exit, Some(4));
    for args in [
        &["probe", "a:1/x", "--repeat", "2"][..],
        &["probe", "a:1", "--hops", "--chain", "go"],
        &["probe", "a:1", "--header", "traceparent: 00"],
        &["probe", "https://a/x"],
        &["probe", "a:1", "--method", "A B"],
        &["demo", "run", "--", "a:1/x"],
    ] {
        let ran = towline(args.iter().copied());
        assert_eq!(ran.exit, Some(2), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(
        towline(["probe", "a:1/x", "--data", "@/no/such/file"]).exit,
        Some(3)
    );
}
