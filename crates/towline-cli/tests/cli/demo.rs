//! `towline demo` with services that are scripts.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::folder::Folder;
use crate::server::{answering, nobody, response};
use crate::towline::{Ran, command, finish};

/// A folder with `services.sh`, a state and logs of its own.
fn demo(folder: &Folder, args: &[&str]) -> Ran {
    finish(&mut demo_command(folder, args))
}

fn demo_command(folder: &Folder, args: &[&str]) -> Command {
    let mut command = command();
    command
        .arg("demo")
        .args(args)
        .env("TOWLINE_DEMO_STATE", folder.path().join("state"))
        .env("TOWLINE_DEMO_LOG_DIR", folder.path().join("logs"))
        .env("TOWLINE_EXAMPLES", folder.path());
    command
}

fn port(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}

#[test]
fn a_missing_toolchain_is_named() {
    let folder = Folder::new("toolchain");
    folder.script(
        "go-service/setup.sh",
        "echo 'go is missing: install Go 1.24' >&2; exit 3",
    );
    let ran = demo(
        &folder,
        &[
            "up",
            "--only",
            "go",
            "--ports",
            &format!("go={}", port(&nobody())),
        ],
    );
    assert_eq!(ran.exit, Some(4));
    assert_eq!(
        ran.stderr,
        "error: go was not started: go is missing: install Go 1.24\n"
    );
}

#[test]
fn a_setup_that_fails_is_shown_with_its_last_lines() {
    let folder = Folder::new("setup");
    folder.script(
        "go-service/setup.sh",
        "for n in 1 2 3 4 5 6 7 8 9; do echo \"line $n\"; done; exit 1",
    );
    let ran = demo(&folder, &["up", "--only", "go", "--free-ports"]);
    assert_eq!(ran.exit, Some(4));
    assert!(
        ran.stderr
            .contains("setting up failed with exit status: 1, see "),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("\n  | line 2\n") && ran.stderr.ends_with("\n  | line 9\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_service_that_ends_early_is_shown_with_its_log() {
    let folder = Folder::new("early");
    folder.script("go-service/setup.sh", "");
    folder.script(
        "go-service/start.sh",
        "echo \"cannot listen on $PORT\"; exit 7",
    );
    let ran = demo(&folder, &["up", "--only", "go", "--free-ports", "--json"]);
    assert_eq!(ran.exit, Some(4));
    let document = ran.json();
    assert_eq!(
        (&document["schema"], &document["total"]),
        (&"towline.demo/1".into(), &0.into())
    );
    let reason = document["failures"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("status: 7") && reason.ends_with("| cannot listen on 0"),
        "{reason}"
    );
    assert_eq!(
        demo(&folder, &["down", "--only", "go"]).stdout,
        "nothing to stop\n"
    );
}

#[test]
fn a_service_that_does_not_become_healthy_is_stopped_again() {
    let folder = Folder::new("slow");
    folder.script("go-service/setup.sh", "");
    folder.script("go-service/start.sh", "echo $$ > pid; exec sleep 600");
    let ran = demo(
        &folder,
        &["up", "--only", "go", "--free-ports", "--wait", "1"],
    );
    assert_eq!(ran.exit, Some(4));
    assert!(
        ran.stderr
            .contains("not healthy within 1 s: it does not listen"),
        "{}",
        ran.stderr
    );
    assert!(!is_running(&folder.path().join("go-service/pid")));
}

#[test]
fn a_port_that_something_else_has_is_left_to_it() {
    let folder = Folder::new("taken");
    folder.script("go-service/setup.sh", "touch ran");
    let web = answering(response("200 OK", "text/html", "<html>"));
    let python = answering(response(
        "200 OK",
        "application/json",
        r#"{"service": "python", "instance": "py-1", "status": "healthy"}"#,
    ));
    for (address, said) in [
        (web, "/health answered 200 with 6 bytes of text/html"),
        (python, "/health answered as python#py-1"),
    ] {
        let ports = format!("go={}", port(&address));
        let ran = demo(&folder, &["up", "--only", "go", "--ports", &ports]);
        assert_eq!(ran.exit, Some(4));
        let expected = format!(
            "error: go was not started: http://{address} is taken by something else: {said}\n"
        );
        assert_eq!(ran.stderr, expected);
        let status = demo(&folder, &["status", "--only", "go", "--ports", &ports]);
        assert_eq!(status.exit, Some(3));
        assert!(status.stdout.contains(said), "{}", status.stdout);
    }
    assert!(!folder.path().join("go-service/ran").exists());
}

#[test]
fn a_service_that_runs_already_is_used_and_never_stopped() {
    let folder = Folder::new("foreign");
    let go = answering(response(
        "200 OK",
        "application/json",
        r#"{"service": "go", "instance": "go-1", "status": "healthy"}"#,
    ));
    let ports = format!("go={}", port(&go));
    let up = demo(&folder, &["up", "--only", "go", "--ports", &ports]);
    assert_eq!(up.exit, Some(0), "{}", up.stderr);
    assert!(up.stdout.contains("somebody else"), "{}", up.stdout);
    let down = demo(&folder, &["down", "--only", "go", "--ports", &ports]);
    assert_eq!(down.stdout, "nothing to stop\n");
    assert!(
        down.stderr
            .contains("was not started by `towline demo up`, and stays"),
        "{}",
        down.stderr
    );
    let status = demo(&folder, &["status", "--only", "go", "--ports", &ports]);
    assert_eq!(status.exit, Some(0), "{}", status.stdout);
    let mut faulty = demo_command(&folder, &["up", "--only", "go", "--ports", &ports]);
    let faulty = finish(faulty.env("TOWLINE_DEMO_FAULT", "go:new-trace"));
    assert!(
        faulty
            .stderr
            .contains("go ran already, so TOWLINE_DEMO_FAULT does not reach it"),
        "{}",
        faulty.stderr
    );
}

#[test]
fn a_folder_without_services_is_not_found() {
    let folder = Folder::new("nowhere");
    let ran = demo(&folder, &["up", "--examples", "/no/such/folder"]);
    assert_eq!(ran.exit, Some(3), "{}", ran.stderr);
    let ran = demo(&folder, &["up", "--only", "go", "--free-ports"]);
    assert_eq!(ran.exit, Some(4));
    assert!(ran.stderr.contains("cannot set up in "), "{}", ran.stderr);
}

/// A run whose one service has started and never becomes healthy; and the file with its process id.
fn run_of_a_sleeper(folder: &Folder) -> (Child, PathBuf) {
    folder.script("go-service/setup.sh", "");
    folder.script(
        "go-service/start.sh",
        "echo $$ > new; mv new pid; exec sleep 600",
    );
    let mut command = demo_command(folder, &["run", "--free-ports", "--", "go"]);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = folder.path().join("go-service/pid");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !pid.exists() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    (child, pid)
}

#[test]
fn a_run_that_is_interrupted_stops_what_it_started_and_exits_with_130() {
    let folder = Folder::new("interrupted");
    let (mut child, pid) = run_of_a_sleeper(&folder);
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!is_running(&pid));
}

#[test]
fn what_a_killed_run_left_is_stopped_by_down() {
    let folder = Folder::new("killed");
    let (mut child, pid) = run_of_a_sleeper(&folder);
    // The record is written right after the start; until then there is nothing to find.
    let records = || {
        std::fs::read_dir(folder.path().join("state"))
            .unwrap()
            .flatten()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !records().any(|file| file.path().extension().is_some_and(|kind| kind == "json")) {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_running(&pid));
    let down = demo(&folder, &["down", "--only", "go"]);
    assert!(
        down.stdout.starts_with("stopped go (pid "),
        "{}",
        down.stdout
    );
    assert!(!is_running(&pid));
}

/// Whether the process whose id is in a file runs; one that only waits to be collected does not.
fn is_running(pid: &Path) -> bool {
    let pid = std::fs::read_to_string(pid).unwrap();
    let ps = Command::new("ps")
        .args(["-o", "state=", "-p", pid.trim()])
        .output()
        .unwrap();
    let state = String::from_utf8(ps.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}
