//! One command at a time in a folder.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tokio::time::{Instant, sleep};

use crate::out::Out;

/// A folder that no other `towline demo` has at the same time. The system lets go of it with the
/// process at the latest.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Waits until nobody has the folder; setting up a service may take minutes.
    pub(crate) async fn of(folder: &Path, out: &mut Out) -> io::Result<Self> {
        const GLANCE: Duration = Duration::from_millis(100);
        const PATIENCE: Duration = Duration::from_secs(20 * 60);
        let file = File::open(folder)?;
        let deadline = Instant::now() + PATIENCE;
        let mut told = false;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
                Err(_) if Instant::now() >= deadline => {
                    return Err(io::Error::other("another `towline demo` holds it"));
                }
                Err(_) => {}
            }
            if !told {
                out.note("note: waiting for another `towline demo` to finish");
                told = true;
            }
            sleep(GLANCE).await;
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file lets go of it too.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}
