//! The meddling proxy of `examples/proxy`, built once for a test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::demo::repository;

/// The program.
pub(crate) struct Proxies(PathBuf);

impl Proxies {
    /// Builds it into a folder.
    pub(crate) fn built_in(folder: &Path) -> Self {
        let program = folder.join("proxy");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(repository().join("examples/proxy"))
            .status();
        assert!(built.unwrap().success());
        Self(program)
    }

    /// Starts one in front of `to`, which does this to a header.
    pub(crate) fn start(&self, to: &str, act: &str, header: &str) -> Proxy {
        let mut process = Command::new(&self.0)
            .args([
                "-listen",
                "127.0.0.1:0",
                "-to",
                to,
                "-do",
                act,
                "-header",
                header,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next().expect("it says where it listens").unwrap();
        let (_, address) = line.split_once(" listening on ").expect(&line);
        let url = format!("http://{address}");
        Proxy { process, url }
    }
}

/// One that runs, stopped when it is dropped.
pub(crate) struct Proxy {
    process: Child,
    pub(crate) url: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
