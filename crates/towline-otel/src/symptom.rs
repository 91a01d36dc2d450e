//! Signs that something is put together wrongly: each is told once, for it would be silent else.

use std::sync::atomic::{AtomicU8, Ordering};

/// Something that is surely, or nearly surely, not as whoever set it up meant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symptom {
    /// A valid `traceparent` came, and nobody has read it before us.
    ReadTooEarly,
    /// Spans are made that no processor of ours has seen.
    NoProcessor,
    /// A `tracing` span is current, and no span of this version of OpenTelemetry.
    OtherVersion,
    /// A span begins a trace inside a request that Towline has in another one.
    ApartFromTowline,
    /// Clocks of version 1 are asked for.
    VersionOne,
    /// More spans live than are followed.
    TooManySpans,
}

impl Symptom {
    const fn text(self) -> &'static str {
        match self {
            Self::ReadTooEarly => {
                "a traceparent came, but OpenTelemetry's context has no remote span: the propagator \
                 `towline` has to stand behind `tracecontext` (use `Strands::propagators`)"
            }
            Self::NoProcessor => {
                "a call leaves under an OpenTelemetry span that no `SpanProcessor` has seen, so it \
                 carries no clock: add `Strands::processor` to the tracer provider"
            }
            Self::OtherVersion => {
                "a call leaves inside a `tracing` span, but OpenTelemetry 0.33 has no current span: \
                 tracing-opentelemetry is not installed, or is built for another version \
                 (`cargo tree -i opentelemetry` shows which there are)"
            }
            Self::ApartFromTowline => {
                "an OpenTelemetry span begins a trace of its own inside a request that Towline has \
                 in another: OpenTelemetry's server instrumentation does not extract"
            }
            Self::VersionOne => {
                "TOWLINE_CLOCK asks for clocks of version 1, which OpenTelemetry's propagator does \
                 not write: its calls carry no clock"
            }
            Self::TooManySpans => {
                "too many OpenTelemetry spans live at once: the newest ones have no clock"
            }
        }
    }
}

/// Which symptoms were told.
#[derive(Debug, Default)]
pub(crate) struct Told(AtomicU8);

impl Told {
    /// Warns of it, the first time.
    pub(crate) fn tell(&self, symptom: Symptom) {
        let bit = 1 << symptom as u8;
        if self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            tracing::warn!(target: "towline", "{}", symptom.text());
        }
    }
}
