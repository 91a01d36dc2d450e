#![doc = include_str!("../README.md")]

pub use towline_core::{
    Call, CallEvent, Clock, ClockMode, Config, Context, Counters, InContext, Join, Kind, Observer,
    Order, Outcome, Peer, Reason, SpanId, StrandEvent, Task, Towline, TraceFlags, TraceId,
    TracingObserver, Trust, bind, detach, fork,
};
#[cfg(feature = "reqwest")]
pub use towline_reqwest::Propagate;
#[cfg(feature = "tower")]
pub use towline_tower::{ClientLayer, ServerLayer};
#[cfg(feature = "axum")]
pub use towline_tower::{CurrentContext, NoContext};

/// The project's README, whose Rust snippets are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
