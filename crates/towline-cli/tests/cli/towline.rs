//! Runs the program.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as one document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The program, with nothing of the environment that it listens to.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towline"));
    command
        .stdin(Stdio::null())
        .env("LC_ALL", "C.UTF-8")
        .env_remove("TERM");
    let ours = |name: &str| name.starts_with("TOWLINE_");
    std::env::vars()
        .filter(|(name, _)| ours(name))
        .for_each(|(name, _)| {
            command.env_remove(name);
        });
    command
}

pub(crate) fn towline<'a>(args: impl IntoIterator<Item = &'a str>) -> Ran {
    finish(command().args(args))
}

/// In a folder.
pub(crate) fn towline_in<'a>(folder: &Path, args: impl IntoIterator<Item = &'a str>) -> Ran {
    finish(command().current_dir(folder).args(args))
}

pub(crate) fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        exit: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// With something to read on standard input.
pub(crate) fn towline_reading(args: &[&str], input: &str) -> Ran {
    let mut command = command();
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        exit: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
