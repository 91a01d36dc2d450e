//! The checker against services in memory: every fault is found, and nothing else is.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "in tests a panic is the answer, also outside of the test functions"
)]

mod conformance;
mod doctor;
mod faults;
mod healthy;
mod port;
mod random;
mod records;
mod render;
mod simulation;
mod strange;
mod strangers;
mod trail;
mod wire;
