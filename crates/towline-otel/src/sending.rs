//! Calls leave: which clock goes with them.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use towline_core::{Clock, CutError, Fork, HostList, Reason};

use crate::line::Forked;
use crate::live::{Live, Role};
use crate::received::Received;
use crate::symptom::Symptom;
use crate::{Strands, calls, ids};

impl Strands {
    /// The clock that goes with a call from this context, which is told why if there is none.
    pub(crate) fn send(&self, cx: &Context) -> Option<Clock> {
        let span = cx.span();
        let (trace_id, span_id) = ids::of(span.span_context())?;
        let actor = self.actor(span_id);
        let live = self.live().of(span.span_context());
        if let Some(Live {
            line,
            role: Role::Calls { calls, .. },
        }) = &live
        {
            let mut calls = calls::lock(calls);
            if !self.may_carry_clock(calls.host.as_deref()) {
                self.dropped(Reason::SendWithheld);
                return None;
            }
            let forked = match calls.take_ready() {
                Some(ready) => ready,
                None => line.fork(actor, calls.fork, self.header_bytes_max()),
            };
            let clock = self.sendable(&forked, calls.host.as_deref())?;
            calls.keep(forked);
            return Some(clock);
        }
        let line = match live {
            Some(live) => live.line,
            None => {
                let Some(received) = Received::of(cx, span.span_context()) else {
                    if span.is_recording() {
                        self.tell(Symptom::NoProcessor);
                    }
                    self.dropped(Reason::ContextNone);
                    return None;
                };
                let begin = || received.strand(actor.component, actor.nonce, trace_id.low32());
                received.line_or(begin).clone()
            }
        };
        let forked = line.fork(actor, Fork::Attached, self.header_bytes_max());
        let clock = self.sendable(&forked, None);
        // No span of this call will end.
        forked.lose();
        clock
    }

    /// What goes out of a fork; counts what was cut, or cannot go.
    fn sendable(&self, forked: &Forked, host: Option<&str>) -> Option<Clock> {
        let hashes = self.towline().settings().hash_labels;
        let header = match &forked.header {
            Ok((clock, cut))
                if hashes && host.is_some_and(|host| !HostList::local().allows(host)) =>
            {
                let hashed = clock.with_hashed_labels();
                hashed
                    .cut(self.header_bytes_max())
                    .map(|clock| (clock, *cut))
            }
            header => header.clone(),
        };
        let reason = match header {
            Ok((clock, cut)) => {
                if cut {
                    self.dropped(Reason::SendCut);
                }
                return Some(clock);
            }
            Err(CutError::TooLong) => Reason::SendTooLong,
            Err(CutError::OverLimits) => Reason::SendOverLimits,
        };
        self.dropped(reason);
        None
    }
}
