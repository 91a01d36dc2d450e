//! What every Towline crate stands on.

mod clock_v1;
mod config;
mod counters;
mod host_list;
mod id;
mod observer;
mod trace_context;

pub use clock_v1::*;
pub use config::*;
pub use counters::*;
pub use host_list::*;
pub use id::*;
pub use observer::*;
pub use trace_context::*;
