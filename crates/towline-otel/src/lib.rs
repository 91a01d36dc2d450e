#![doc = include_str!("../README.md")]

mod adopting;
mod beside;
mod calls;
mod destination;
mod ids;
mod line;
mod live;
mod metrics;
mod processor;
mod propagator;
mod received;
mod sending;
mod spans;
mod strands;
mod symptom;

pub use metrics::metrics;
pub use processor::{Alone, SpanProcessor};
pub use propagator::Propagator;
pub use strands::Strands;
