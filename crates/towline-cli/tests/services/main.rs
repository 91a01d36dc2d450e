//! The four demo services, really: every fault is found, every shape is kept, and only what was
//! started is stopped.
//!
//! Needs the toolchains of all four languages, so it runs when it is asked for:
//! `cargo test -p towline-cli --test services`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in tests a panic is the answer"
)]

mod conformance;
mod demo;
mod doctor;
mod faults;
mod hops;
mod hostile;
mod lifecycle;
mod nginx;
mod otel;
mod proxy;
mod shapes;
