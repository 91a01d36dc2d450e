//! OpenTelemetry's current span as a context of Towline's, for calls that have none.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use towline_core::{AdoptedSpan, Context as Place, Kind, Reason, SpanId, Strand, TraceFlags};

use crate::received::Received;
use crate::symptom::Symptom;
use crate::{Strands, ids};

impl Strands {
    /// The context of the span that is current in OpenTelemetry; none if there is none.
    pub(crate) fn place(&self, cx: &Context) -> Option<Place> {
        let span = cx.span().span_context().clone();
        let (trace_id, span_id) = ids::of(&span).filter(|_| !span.is_remote())?;
        let adopt = |strand| {
            let adopted = AdoptedSpan {
                kind: Kind::Internal,
                trace_id,
                span_id,
                parent_id: None,
                flags: TraceFlags::from_bits_truncate(span.trace_flags().to_u8()),
                tracestate: ids::tracestate(&span).unwrap_or_default(),
            };
            self.towline().adopt(adopted, strand)
        };
        let component = self.towline().component();
        if let Some(line) = self.line_of(cx, &span) {
            return Some(line.place(adopt));
        }
        if let Some(received) = Received::of(cx, &span) {
            let begin = || received.strand(component, span_id.low32(), trace_id.low32());
            return Some(received.line_or(begin).place(adopt));
        }
        // The trace goes on, but nothing keeps its strand: each call has a first one of its own.
        self.dropped(Reason::ContextNone);
        if cx.span().is_recording() {
            self.tell(Symptom::NoProcessor);
        }
        let nonce = SpanId::random().low32();
        Some(adopt(Strand::first(component, nonce, trace_id.low32())))
    }
}
