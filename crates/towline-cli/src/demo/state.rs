//! The folder that remembers which processes were started.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::name::Name;
use super::process::ProcessId;
use crate::args::StateArg;
use crate::failure::Failure;
use crate::out::Out;

/// The longest record that is read, in bytes.
const RECORD_BYTES_MAX: u64 = 16 << 10;

/// A service that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) process: ProcessId,
    /// Its root; none until its port is known.
    pub(crate) url: Option<String>,
    pub(crate) log: PathBuf,
    /// The `towline demo run` that will stop it; none if it was started by `up`.
    pub(crate) owner: Option<ProcessId>,
}

impl Record {
    /// Whether a `run` that is under way will stop it.
    pub(crate) fn is_of_a_run(&self) -> bool {
        self.owner.as_ref().is_some_and(ProcessId::is_alive)
    }

    /// Whether the `run` that should have stopped it is no more.
    pub(crate) fn is_orphan(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| !owner.is_alive())
    }
}

/// The folder: only its user may write in it.
#[derive(Debug)]
pub(crate) struct State {
    dir: PathBuf,
}

impl State {
    /// The folder of `--state`, else one below `XDG_RUNTIME_DIR`, else one of this user's below the
    /// folder for temporary files.
    pub(crate) fn at(arg: &StateArg) -> Result<Self, Failure> {
        let dir = arg.dir.clone().unwrap_or_else(default_dir);
        let state = Self { dir };
        state.check()?;
        Ok(state)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What another user could write in would let them name the processes that we stop.
    fn check(&self) -> Result<(), Failure> {
        let found = match std::fs::symlink_metadata(&self.dir) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failure("cannot be looked at").because(error)),
        };
        if !found.is_dir() {
            return Err(self.failure("is not a folder"));
        }
        if found.uid() != rustix::process::getuid().as_raw() || found.mode() & 0o022 != 0 {
            return Err(self
                .failure("can be written by others")
                .hint("give another folder with --state"));
        }
        Ok(())
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::system(format!("the state folder {} {what}", self.dir.display()))
    }

    /// Makes the folder, and waits until no other command is starting or stopping services.
    pub(crate) async fn lock(&self, out: &mut Out) -> Result<Lock, Failure> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir);
        made.map_err(|error| self.failure("cannot be made").because(error))?;
        self.check()?;
        let lock = Lock::of(&self.dir, out).await;
        lock.map_err(|error| self.failure("cannot be locked").because(error))
    }

    /// All records that can be read, in no order that means anything.
    pub(crate) fn records(&self) -> Result<Vec<Record>, Failure> {
        self.check()?;
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failure("cannot be read").because(error)),
        };
        let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let files = files.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
        Ok(files.filter_map(|path| read(&path)).collect())
    }

    /// Writes a record, whole or not at all.
    pub(crate) fn remember(&self, record: &Record) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            let text = serde_json::to_vec(record)?;
            let path = self.path(record);
            let new = path.with_extension("new");
            std::fs::write(&new, text)?;
            std::fs::rename(&new, &path)
        };
        write().map_err(|error| self.failure("cannot be written").because(error))
    }

    /// Takes a record out; what is already gone needs no removing.
    pub(crate) fn forget(&self, record: &Record) {
        let _ = std::fs::remove_file(self.path(record));
    }

    /// Takes a record out, and its log if that was kept here.
    pub(crate) fn forget_with_log(&self, record: &Record) {
        self.forget(record);
        if record.log.starts_with(&self.dir) {
            let _ = std::fs::remove_file(&record.log);
        }
    }

    fn path(&self, record: &Record) -> PathBuf {
        self.dir
            .join(format!("{}-{}.json", record.name, record.process.pid()))
    }
}

fn read(path: &Path) -> Option<Record> {
    let length = std::fs::metadata(path).ok()?.len();
    let text = std::fs::read(path)
        .ok()
        .filter(|_| length <= RECORD_BYTES_MAX)?;
    serde_json::from_slice(&text).ok()
}

fn default_dir() -> PathBuf {
    let runtime_dir: Option<OsString> =
        std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    match runtime_dir {
        Some(dir) => Path::new(&dir).join("towline-demo"),
        None => std::env::temp_dir().join(format!(
            "towline-demo-{}",
            rustix::process::getuid().as_raw()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    /// A folder of its own for each test, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let dir =
                std::env::temp_dir().join(format!("towline-state-{}-{test}", std::process::id()));
            std::fs::create_dir(&dir).unwrap();
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
            Self(dir)
        }

        fn state(&self) -> Result<State, Failure> {
            State::at(&StateArg {
                dir: Some(self.0.clone()),
            })
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn record(log: PathBuf) -> Record {
        let process = ProcessId::own().unwrap();
        Record {
            name: Name::Go,
            process,
            url: Some("http://127.0.0.1:1".to_owned()),
            log,
            owner: None,
        }
    }

    #[test]
    fn what_is_remembered_is_read_again_until_it_is_forgotten() {
        let folder = Folder::new("remember");
        let state = folder.state().unwrap();
        let log = folder.0.join("go.log");
        std::fs::write(&log, "x").unwrap();
        let record = record(log.clone());
        state.remember(&record).unwrap();
        std::fs::write(folder.0.join("other.json"), "{").unwrap();
        assert_eq!(state.records().unwrap(), std::slice::from_ref(&record));
        state.forget(&record);
        assert_eq!(state.records().unwrap(), []);
        assert!(log.exists());
        state.forget_with_log(&record);
        assert!(!log.exists());
    }

    #[test]
    fn a_log_elsewhere_is_kept() {
        let (folder, logs) = (Folder::new("log"), Folder::new("logs"));
        let log = logs.0.join("go.log");
        std::fs::write(&log, "x").unwrap();
        let state = folder.state().unwrap();
        state.forget_with_log(&record(log.clone()));
        assert!(log.exists());
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_trusted() {
        let folder = Folder::new("others");
        std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(
            folder
                .state()
                .unwrap_err()
                .to_string()
                .contains("can be written by others")
        );
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        let folder = Folder::new("none");
        let state = State::at(&StateArg {
            dir: Some(folder.0.join("deeper")),
        })
        .unwrap();
        assert_eq!(state.records().unwrap(), []);
        assert!(!folder.0.join("deeper").exists());
    }

    #[tokio::test]
    async fn one_command_at_a_time_holds_the_lock() {
        let folder = Folder::new("lock");
        let state = folder.state().unwrap();
        let mut out = Out::new();
        let lock = state.lock(&mut out).await.unwrap();
        let mut other = Out::new();
        let second = state.lock(&mut other);
        let early = tokio::time::timeout(Duration::from_millis(1), second).await;
        assert!(early.is_err());
        drop(lock);
        assert!(state.lock(&mut out).await.is_ok());
    }
}
