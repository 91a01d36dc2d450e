//! What is off with running services, and with a lock file, and what cures it.
//!
//! A service says at `/.well-known/towline` what it is set to and what it has counted
//! (`spec/edge.md`, "Status"). A [`Checkup`] takes what was asked, and gives a [`Diagnosis`] for each
//! thing that is off: nothing here opens a file or a connection.
//!
//! ```
//! use towline_probe::{Ailment, Checkup};
//!
//! let lock = r#"
//! [[package]]
//! name = "opentelemetry"
//! version = "0.31.0"
//!
//! [[package]]
//! name = "opentelemetry"
//! version = "0.32.0"
//! "#;
//! let mut checkup = Checkup::default();
//! checkup.lock("Cargo.lock", lock)?;
//! let diagnoses = checkup.diagnoses();
//! assert_eq!(diagnoses[0].ailment, Ailment::TwoVersions);
//! # Ok::<_, towline_probe::LockError>(())
//! ```

mod ailment;
mod checkup;
mod lock;
mod reason;
mod service;
mod status;
mod together;

pub use ailment::{Ailment, Diagnosis, Severity};
pub use checkup::Checkup;
pub use lock::LockError;
pub use status::{Counts, Status, StatusCounters, StatusSettings};
