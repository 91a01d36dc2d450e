//! One request through a whole chain of services, every hop of it checked.
//!
//! A [`Topology`] says which service calls which. A [`Probe`] makes the request for it, as the first
//! strand of a new trace, and turns the answer into a [`Report`]: the hop table, the order that the
//! clocks prove, and a [`Finding`] for each fault, naming the hop that made it. No input and output
//! happens here: whoever sends the request brings the answer.
//!
//! ```
//! use towline_core::TraceFlags;
//! use towline_probe::{Ids, Outcome, Probe, Topology};
//!
//! let chain = Topology::chain("127.0.0.1:6001", ["127.0.0.1:6002"])?;
//! let probe = Probe::new(&chain, Ids::random(), TraceFlags::SAMPLED);
//! assert_eq!(probe.url(), "http://127.0.0.1:6001/process");
//! assert!(probe.headers().iter().any(|(name, _)| *name == "raceway-clock"));
//!
//! let report = probe.failed("connection refused");
//! assert_eq!(report.outcome(), Outcome::Unreachable);
//! assert_eq!(report.findings()[0].cause.code(), "TW-P001");
//! # Ok::<_, towline_probe::TopologyError>(())
//! ```
//!
//! The services speak the contract of `spec/services.md`. Any other service that runs Towline is
//! asked by a [`Trail`]: the hop records of `spec/edge.md` say what each saw. A [`Checkup`] says what
//! is off with running services, by what they say of themselves.
//! The [`cases`] of the project judge any service that offers `POST /test`.

mod cause;
mod check;
mod conformance;
mod doctor;
mod finding;
mod hop_report;
mod json;
mod load;
mod origin;
mod probe;
mod report;
mod row;
mod seen;
mod show;
mod table;
mod target;
mod text;
mod topology;
mod trail;

pub use cause::Cause;
pub use conformance::{Case, Exchange, Head, Hostile, Reply, Results, Rule, cases, hostile};
pub use doctor::{
    Ailment, Checkup, Counts, Diagnosis, LockError, Severity, Status, StatusCounters,
    StatusSettings,
};
pub use finding::{Finding, Place};
pub use load::{Load, Summary};
pub use origin::Ids;
pub use probe::{Answer, Probe};
pub use report::{Outcome, Report};
pub use row::{Cell, Row};
pub use show::show;
pub use target::{ENTRY_BYTES_MAX, TargetError, page, status_url, target};
pub use text::Charset;
pub use topology::{
    CALLS_MAX, HOPS_MAX, LEVELS_MAX, Mode, REQUEST_BYTES_MAX, Topology, TopologyError,
};
pub use trail::{Stop, Trail, TrailAnswer, TrailReport};
