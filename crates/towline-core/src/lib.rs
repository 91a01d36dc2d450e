//! What every Towline crate stands on.

mod clock;
mod clock_v1;
mod config;
mod counters;
mod host_list;
mod id;
mod limits;
mod observer;
mod strand;
mod trace_context;

pub use clock::{Clock, ClockError, CutError, Forks, Hop, Known, Order, Range, StrandError};
pub use clock_v1::*;
pub use config::*;
pub use counters::*;
pub use host_list::*;
pub use id::*;
pub use limits::Limits;
pub use observer::*;
pub use strand::{Component, Fork, Strand};
pub use trace_context::*;
