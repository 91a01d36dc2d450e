#![doc = include_str!("../README.md")]

#[cfg(feature = "tokio")]
mod tasks;

#[cfg(feature = "tokio")]
pub use tasks::{JoinHandle, JoinSet, spawn, spawn_blocking, spawn_detached};
pub use towline_core::{
    Baggage, Call, CallEvent, Carrier, Clock, ClockMode, Config, Context, CorsHeaders, Counters,
    Expired, Field, Headers, InContext, Join, Kind, Observer, Order, Outcome, Peer, ProbeMode,
    Propagators, Reason, STATUS_PATH, SpanId, StrandEvent, Summary, Task, Towline, TraceFlags,
    TraceId, TracingObserver, Trust, bind, cors_headers, detach, fork,
};
#[cfg(feature = "reqwest")]
pub use towline_reqwest::{Propagate, TimedOut, client, is_timeout};
#[cfg(feature = "tower")]
pub use towline_tower::client::ResendCount;
#[cfg(feature = "tower")]
pub use towline_tower::{ClientLayer, ServerLayer, Status};
#[cfg(feature = "axum")]
pub use towline_tower::{CurrentContext, NoContext};
#[cfg(all(feature = "tokio", feature = "tower"))]
pub use towline_tower::{DeadlineLayer, client::DeadlineError};

/// The project's README, whose Rust snippets are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
