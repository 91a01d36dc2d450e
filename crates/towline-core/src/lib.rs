//! What every Towline crate stands on: trace context, strand clocks, and the context of running
//! code.
//!
//! No I/O, no runtime, no framework: headers go in and out as bytes (with the feature `http` as its
//! header maps), futures are wrapped whatever polls them.
//!
//! | part | here |
//! |---|---|
//! | what headers say | [`read`], [`TraceContext`], [`Clock`], [`ClockV1`] |
//! | the rules of clocks | [`Strand`], [`Order`] |
//! | one configured instance | [`Config`], [`Towline`] |
//! | the place of running code | [`Context`], [`Call`], [`InContext`], [`fork`], [`detach`], [`bind`] |
//! | what few requests have | [`Baggage`], [`Propagators`], [`Expired`], [`ProbeMode`], [`Carrier`] |
//! | whose spans stand for ours | [`Tracer`], [`ClientSpan`], [`AdoptedSpan`] |
//! | who is told | [`Observer`], [`Counters`], [`Summary`], [`Reason`] |
//!
//! The names are those of `spec/api.md`, the same in every port.

mod accept;
mod b3;
mod baggage;
mod call;
mod carrier;
mod clock;
mod clock_v1;
mod config;
mod context;
mod cors;
mod counters;
mod current;
mod deadline;
mod edge;
mod hash_labels;
mod headers;
mod hex;
mod host_list;
mod id;
mod limits;
mod message;
mod observer;
mod outside;
mod probe;
mod propagators;
mod seed;
mod setup;
mod status;
mod strand;
mod summary;
mod towline;
mod trace_context;
mod tracer;

pub use b3::{B3, B3Error};
pub use baggage::{Baggage, BaggageError};
pub use call::{Attempt, Call};
pub use carrier::Carrier;
pub use clock::{Clock, ClockError, CutError, Forks, Hop, Known, Order, Range, StrandError};
pub use clock_v1::{ClockV1, ClockV1Error, ClockV1Full};
pub use config::{ClockMode, Config, Peer, Settings, Trust};
pub use context::{Context, Joining, Task};
pub use cors::{CorsHeaders, cors_headers};
pub use counters::Counters;
pub use current::{Entered, Forked, InContext, Join, Scoped, Slot, bind, detach, fork};
pub use deadline::{Expired, TimeoutError, read_timeout};
pub use headers::{
    BAGGAGE, Field, Headers, RACEWAY_CLOCK, TOWLINE_HOPS, TOWLINE_PROBE, TOWLINE_TIMEOUT,
    TRACEPARENT, TRACESTATE,
};
pub use host_list::{HostList, HostListError};
pub use id::{SpanId, TraceFlags, TraceId};
pub use limits::Limits;
pub use observer::{
    CallEvent, Kind, Observer, Observers, Outcome, Reason, StrandEvent, TracingObserver,
};
pub use probe::ProbeMode;
pub use propagators::Propagators;
pub use setup::Setup;
pub use status::STATUS_PATH;
pub use strand::{Component, Fork, Strand};
pub use summary::Summary;
pub use towline::Towline;
pub use trace_context::{
    Incoming, TraceContext, Traceparent, TraceparentError, Tracestate, TracestateError, read,
};
pub use tracer::{AdoptedSpan, ClientSpan, Tracer};
