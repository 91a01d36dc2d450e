//! Processes that are known again, and stopped.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

/// How often a process is looked at while it is waited for.
const GLANCE: Duration = Duration::from_millis(20);

/// A process, and when it started: a process id alone may be another's tomorrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pid: u32,
    /// Opaque: equal for one process, and for no two with the same id.
    started: String,
}

impl ProcessId {
    /// The process with this id, if it runs. One that has ended and waits to be collected does not.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let started = if Path::new("/proc/self/stat").exists() {
            from_proc(pid)
        } else {
            from_ps(pid)
        };
        Some(Self {
            pid,
            started: started?,
        })
    }

    /// This very process.
    pub(crate) fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Signals the process and its group, which it leads since it was started.
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.is_alive()) {
            // It may end before the signal comes; whoever waits sees that.
            let _ = kill_process_group(pid, signal);
        }
    }
}

/// Asks processes to stop, and after `patience` makes them. Gives those that still run.
pub(crate) async fn stop_all(processes: &[ProcessId], patience: Duration) -> Vec<ProcessId> {
    processes
        .iter()
        .for_each(|process| process.signal(Signal::TERM));
    let left = wait_for_end(processes, patience).await;
    left.iter().for_each(|process| process.signal(Signal::KILL));
    wait_for_end(&left, Duration::from_secs(5)).await
}

async fn wait_for_end(processes: &[ProcessId], patience: Duration) -> Vec<ProcessId> {
    let deadline = Instant::now() + patience;
    let mut left = processes.to_vec();
    loop {
        left.retain(ProcessId::is_alive);
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        sleep(GLANCE).await;
    }
}

/// The start in ticks since the boot, and which boot it was.
fn from_proc(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc(5): the second field, the name, is in parentheses and may hold any character.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    // The first of these fields is the third of all, the start the 22nd.
    let ticks = fields.nth(18)?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{}/{ticks}", boot.trim()))
}

/// The start to the second, where there is no `/proc`.
fn from_ps(pid: u32) -> Option<String> {
    let ps = Command::new("ps")
        .args(["-o", "state=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let line = String::from_utf8(ps.stdout).ok()?;
    let (state, started) = line.trim().split_once(' ')?;
    (ps.status.success() && !state.starts_with('Z')).then(|| started.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt as _;
    use std::process::Child;

    fn sleeper() -> Child {
        Command::new("sleep")
            .arg("60")
            .process_group(0)
            .spawn()
            .unwrap()
    }

    #[test]
    fn a_process_is_known_again() {
        let own = ProcessId::own().unwrap();
        assert!(own.is_alive());
        let stranger = ProcessId {
            started: "another time".to_owned(),
            ..own
        };
        assert!(!stranger.is_alive());
        assert!(ProcessId::of(u32::MAX).is_none());
    }

    #[tokio::test]
    async fn a_process_that_ended_is_gone_even_if_nobody_collected_it() {
        let mut child = sleeper();
        let id = ProcessId::of(child.id()).unwrap();
        assert_eq!(
            stop_all(std::slice::from_ref(&id), Duration::from_secs(10)).await,
            []
        );
        assert!(!id.is_alive());
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_of_the_same_id_but_another_start_is_left_alone() {
        let mut child = sleeper();
        let other = ProcessId {
            pid: child.id(),
            started: "yesterday".to_owned(),
        };
        assert_eq!(stop_all(&[other], Duration::from_secs(10)).await, []);
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_that_does_not_listen_is_killed() {
        let script = "trap '' TERM; echo ready; while :; do sleep 1; done";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .process_group(0)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(child.stdout.take().unwrap()),
            &mut ready,
        )
        .unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        assert_eq!(stop_all(&[id], Duration::from_millis(50)).await, []);
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn ps_tells_the_same() {
        let (mut child, own) = (sleeper(), std::process::id());
        assert!(from_ps(own).is_some());
        assert_eq!(from_ps(own), from_ps(own));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(from_ps(child.id()).is_none());
    }
}
