//! `towline probe` where there is nothing to probe.

use crate::folder::Folder;
use crate::server::{answering, nobody, response};
use crate::towline::{towline, towline_reading};

#[test]
fn nobody_there_exits_with_4() {
    let address = nobody();
    let ran = towline(["probe", &address, "--chain", "127.0.0.1:1"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (Some(4), ""));
    let expected = format!(
        "NO ANSWER between 0 and 1: towline#probe got no answer from {address}: Connection refused"
    );
    assert!(ran.stdout.contains(&expected), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n 1   *  "), "{}", ran.stdout);
    assert!(
        ran.stdout
            .ends_with("failed: 0 of 2 hops kept the context\n")
    );
}

#[test]
fn what_is_no_hop_exits_with_4_and_says_what_it_answered() {
    let page = answering(response("200 OK", "text/html", "<h1>\x1b[2Jhello</h1>"));
    let missing = answering(response(
        "404 Not Found",
        "application/json",
        r#"{"error": "no such path"}"#,
    ));
    let elsewhere = answering(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    );
    for (address, said) in [
        (page, "something else: status 200, the answer is not JSON"),
        (
            missing,
            "something else: status 404, missing field `service`",
        ),
        (
            elsewhere,
            "something else: status 302, the answer is not JSON",
        ),
    ] {
        let ran = towline(["probe", &address]);
        assert_eq!(ran.exit, Some(4));
        assert!(
            ran.stdout.contains("NO REPORT between 0 and 1") && ran.stdout.contains(said),
            "{}",
            ran.stdout
        );
        assert!(!ran.stdout.contains('\x1b'));
    }
}

#[test]
fn an_answer_that_never_ends_is_cut_off() {
    let mut endless = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    endless.resize(17 << 20, b'[');
    let ran = towline(["probe", &answering(endless)]);
    assert_eq!(ran.exit, Some(4));
    assert!(
        ran.stdout
            .contains("the answer is longer than 16777216 bytes"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_service_that_does_not_answer_is_not_waited_for_forever() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ran = towline(["probe", &address, "--timeout", "1"]);
    assert_eq!(ran.exit, Some(4));
    assert!(ran.stdout.contains("no answer in time"), "{}", ran.stdout);
}

#[test]
fn the_document_is_all_that_is_on_standard_output() {
    let ran = towline(["probe", &nobody(), "--json"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (Some(4), ""));
    let document = ran.json();
    assert_eq!(document["schema"], "towline.probe/1");
    assert_eq!(
        (&document["total"], &document["truncated"]),
        (&2.into(), &false.into())
    );
    assert_eq!(document["outcome"], "unreachable");
    assert_eq!(document["findings"][0]["code"], "TW-P001");
    assert_eq!(document["data"][1]["service"], serde_json::Value::Null);
}

#[test]
fn a_load_that_does_not_get_through_says_so_once() {
    let address = nobody();
    let ran = towline(["probe", &address, "--repeat", "20", "--concurrency", "5"]);
    assert_eq!(ran.exit, Some(4));
    assert_eq!(ran.stdout.matches("NO ANSWER").count(), 1);
    assert!(
        ran.stdout
            .ends_with("failed: 0 of 20 requests kept the context\n"),
        "{}",
        ran.stdout
    );
    let document = towline(["probe", &address, "--repeat", "2", "--json"]).json();
    assert_eq!(
        (&document["schema"], &document["total"]),
        (&"towline.probe-load/1".into(), &2.into())
    );
}

#[test]
fn calls_are_read_from_a_file_or_from_standard_input() {
    let address = nobody();
    let calls = r#"{"calls": [{"url": "python"}, {"url": "127.0.0.1:9"}]}"#;
    let ran = towline_reading(&["probe", &address, "--calls", "-"], calls);
    assert_eq!(ran.exit, Some(4));
    assert!(ran.stdout.contains("3 hops"), "{}", ran.stdout);
    let folder = Folder::new("calls");
    let file = folder.path().join("calls.json");
    std::fs::write(&file, calls).unwrap();
    assert_eq!(
        towline(["probe", &address, "--calls", file.to_str().unwrap()]).exit,
        Some(4)
    );
}

#[test]
fn calls_that_are_not_good_are_bad_input() {
    for (calls, reason) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        (r#"{"calls": [{"url": "ruby"}]}"#, "`ruby` is neither"),
        (r#"{"call": []}"#, "unknown field `call`"),
    ] {
        let ran = towline_reading(&["probe", "a:1", "--calls", "-"], calls);
        assert_eq!((ran.exit, ran.stdout.as_str()), (Some(5), ""), "{calls}");
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }
    let ran = towline(["probe", "a:1", "--calls", "/no/such/file"]);
    assert_eq!(ran.exit, Some(3));
    assert!(
        ran.stderr
            .starts_with("error: cannot read /no/such/file\ncause: No such file"),
        "{}",
        ran.stderr
    );
}
