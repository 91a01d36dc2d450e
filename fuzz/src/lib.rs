//! What is fuzzed of `towline-core`, and what must hold.
//!
//! Each public module is one target: a function of bytes that panics where something does not hold.
//! The same checks run on inputs that are kept: `cargo fuzz run -s none TARGET FILE`.

#![forbid(unsafe_code)]

pub mod carriers;
pub mod clock;
pub mod clock_v1;
pub mod context;
pub mod host_list;
pub mod member;
pub mod program;
pub mod trace_context;

mod input;
mod naive;
mod written;
