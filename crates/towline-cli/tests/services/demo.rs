//! Services of one test each, on free ports.

use std::io::Write as _;
use std::path::{Path, PathBuf};
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
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Itself, if it ended so.
    pub(crate) fn exits(self, exit: i32) -> Self {
        assert_eq!(self.exit, Some(exit), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A folder for state and logs. What was started in it stops with it.
pub(crate) struct Demo {
    dir: PathBuf,
}

impl Demo {
    /// With nothing started.
    pub(crate) fn new(test: &str) -> Self {
        let dir =
            std::env::temp_dir().join(format!("towline-services-{}-{test}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        Self { dir }
    }

    /// With all four services.
    pub(crate) fn up(test: &str) -> Self {
        let demo = Self::new(test);
        demo.run(&["demo", "up", "--free-ports"]).exits(0);
        demo
    }

    /// With one service, which has a fault.
    pub(crate) fn with_fault(test: &str, service: &str, fault: &str) -> Self {
        let demo = Self::new(test);
        let mut command = demo.command(env!("CARGO_BIN_EXE_towline"));
        command.env("TOWLINE_DEMO_FAULT", format!("{service}:{fault}"));
        let up = ["demo", "up", "--free-ports", "--only", service];
        finish(command.args(up), "").exits(0);
        demo
    }

    /// With all four services, which have a setting.
    pub(crate) fn with_setting(test: &str, name: &str, value: &str) -> Self {
        let demo = Self::new(test);
        let mut command = demo.command(env!("CARGO_BIN_EXE_towline"));
        command.env(name, value);
        finish(command.args(["demo", "up", "--free-ports"]), "").exits(0);
        demo
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(env!("CARGO_BIN_EXE_towline")).args(args), "")
    }

    /// With a setting of the program's own.
    pub(crate) fn run_with(&self, name: &str, value: &str, args: &[&str]) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_towline"));
        finish(command.env(name, value).args(args), "")
    }

    /// With something to read on standard input.
    pub(crate) fn run_reading(&self, args: &[&str], input: &str) -> Ran {
        finish(
            self.command(env!("CARGO_BIN_EXE_towline")).args(args),
            input,
        )
    }

    /// A script of `patterns/`.
    pub(crate) fn pattern(&self, name: &str, fault: Option<&str>) -> Ran {
        let script = repository().join("patterns").join(name);
        let mut command = self.command(script.to_str().unwrap());
        finish(
            command.envs(fault.map(|fault| ("TOWLINE_DEMO_FAULT", fault))),
            "",
        )
    }

    /// A chain of all four, in which one service is a new instance with a fault.
    pub(crate) fn faulty(&self, service: &str, fault: &str) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_towline"));
        command.env("TOWLINE_DEMO_FAULT", format!("{service}:{fault}"));
        let chain = ["--", "typescript", "--chain", "python,go,rust"];
        finish(
            command.args(["demo", "run", "--only", service]).args(chain),
            "",
        )
    }

    /// The program or a script, with this folder and nothing else of the environment that it
    /// listens to.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOWLINE_")) {
            command.env_remove(name);
        }
        command
            .current_dir(repository())
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TERM")
            .env("TOWLINE_DEMO_STATE", self.dir.join("state"))
            .env("TOWLINE_DEMO_LOG_DIR", self.dir.join("logs"));
        command
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.run(&["demo", "down"]);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn finish(command: &mut Command, input: &str) -> Ran {
    command
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
