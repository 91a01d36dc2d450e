//! Help, and what is not understood.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use crate::towline::{command, finish, towline};

const COMMANDS: [&[&str]; 12] = [
    &[],
    &["conformance"],
    &["probe"],
    &["doctor"],
    &["clock"],
    &["clock", "show"],
    &["clock", "compare"],
    &["demo"],
    &["demo", "up"],
    &["demo", "down"],
    &["demo", "status"],
    &["demo", "run"],
];

#[test]
fn help_fits_one_screen() {
    for path in COMMANDS {
        let ran = towline(path.iter().copied().chain(["-h"]));
        assert_eq!(ran.exit, Some(0), "{path:?}");
        assert_eq!(ran.stderr, "");
        assert!(
            ran.stdout.lines().count() <= 24,
            "{path:?}: {}",
            ran.stdout.lines().count()
        );
        assert!(
            ran.stdout.lines().all(|line| line.chars().count() <= 130),
            "{path:?}"
        );
    }
}

#[test]
fn the_manual_has_examples_and_says_how_it_ends() {
    for command in ["probe", "doctor", "conformance"] {
        let ran = towline([command, "--help"]);
        assert_eq!((ran.exit, ran.stderr.as_str()), (Some(0), ""));
        for part in [
            "\nUsage: ",
            "\nOptions:\n",
            "\nExamples:\n  towline ",
            "\nExit status: 0 ",
        ] {
            assert!(
                ran.stdout.contains(part),
                "{command}: {part}\n{}",
                ran.stdout
            );
        }
        assert!(
            ran.stdout.lines().all(|line| line.chars().count() <= 130),
            "{command}"
        );
    }
}

#[test]
fn what_is_not_understood_exits_with_2_and_prints_no_data() {
    let cases: [&[&str]; 13] = [
        &["prob"],
        &["probe"],
        &["probe", "ruby"],
        &["probe", "https://127.0.0.1:1"],
        &["probe", "a:1", "--chain", "b"],
        &["probe", "a:1", "--chain", "b:1", "--calls", "-"],
        &["probe", "a:1", "--flags", "04"],
        &["probe", "a:1", "--repeat", "0"],
        &["probe", "a:1", "--concurrency", "1001"],
        &["demo", "up", "--only", "ruby"],
        &["demo", "up", "--ports", "go=0"],
        &["demo", "run"],
        &["demo", "run", "--", "--what"],
    ];
    for args in cases {
        let ran = towline(args.iter().copied());
        assert_eq!(
            (ran.exit, ran.stdout.as_str()),
            (Some(2), ""),
            "{args:?}: {}",
            ran.stderr
        );
        assert!(
            ran.stderr.starts_with("error: "),
            "{args:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_typo_is_answered_with_the_word_that_was_meant() {
    assert!(towline(["prob"]).stderr.contains("'probe'"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (reader, writer) = UnixStream::pair().unwrap();
    drop(reader);
    let ran = finish(
        command()
            .args(["clock", "show", "v2;t=1c80319c, ts#1/a3f9c21b:2"])
            .stdout(OwnedFd::from(writer)),
    );
    assert_eq!((ran.exit, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_terminal_that_has_no_other_letters_gets_ascii() {
    let clock = "v2;t=1c80319c, ts#%C3%A9/a3f9c21b:2";
    for (name, value) in [("LC_ALL", "C"), ("TERM", "dumb")] {
        let ran = finish(command().args(["clock", "show", clock]).env(name, value));
        assert!(ran.stdout.is_ascii(), "{}", ran.stdout);
        assert!(ran.stdout.contains(r"ts#\u{e9}"), "{}", ran.stdout);
    }
    assert!(towline(["clock", "show", clock]).stdout.contains("ts#é"));
}
