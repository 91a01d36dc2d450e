//! With OpenTelemetry's own SDK: what is read, written and stamped.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

mod beside;
mod both;
mod carrier;
mod chain;
mod log;
mod metrics;
mod processor;
mod propagator;
mod spans_of_tracing;
mod traced;
