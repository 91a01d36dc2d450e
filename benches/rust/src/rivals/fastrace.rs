//! fastrace: a traceparent and a local span for each request, no clock.

use fastrace::collector::{Config, Reporter, SpanContext, SpanRecord};

use crate::outbound::Outbound;

/// Takes spans and drops them.
#[derive(Debug)]
struct Nobody;

impl Reporter for Nobody {
    fn report(&mut self, _: Vec<SpanRecord>) {}
}

pub(super) fn report_to_nobody() {
    fastrace::set_reporter(Nobody, Config::default());
}

pub(super) fn outbound() -> Outbound {
    let place = SpanContext::current_local_parent();
    Outbound {
        traceparent: place.map(|place| place.encode_w3c_traceparent()),
        clock: None,
    }
}
