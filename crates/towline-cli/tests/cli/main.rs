//! The command line as a person or a script meets it, without the demo services.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in tests a panic is the answer"
)]

mod clock;
mod conformance;
mod demo;
mod doctor;
mod folder;
mod probe;
mod server;
mod towline;
mod trail;
mod usage;
