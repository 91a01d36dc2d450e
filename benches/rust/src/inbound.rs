//! What requests come with: header sets that are all different.

use axum::body::Body;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use towline_core::{
    Clock, ClockV1, Component, Fork, RACEWAY_CLOCK, SpanId, Strand, TRACEPARENT, TraceFlags,
    TraceId, Traceparent,
};

use crate::measure::BATCH;

const CLOCK: HeaderName = HeaderName::from_static(RACEWAY_CLOCK);
const PARENT: HeaderName = HeaderName::from_static(TRACEPARENT);

/// Names of the length that services have: a clock of 4 hops is about 160 bytes long.
const SERVICES: [(&str, &str); 4] = [
    ("storefront", "web-7d9f4"),
    ("checkout", "checkout-2"),
    ("payments", "payments-14"),
    ("inventory", "stock-eu-1"),
];

/// Which clock a request comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clocks {
    None,
    /// A strand clock of so many hops, at least one.
    Hops(usize),
    /// A vector of version 1 with so many components.
    V1(usize),
}

/// The headers of one request.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    pub(crate) trace_id: TraceId,
    pub(crate) parent_id: SpanId,
    traceparent: HeaderValue,
    pub(crate) clock: Option<HeaderValue>,
}

impl Inbound {
    /// A batch of them, the same in every process.
    pub(crate) fn batch(clocks: Clocks) -> Vec<Self> {
        let mut random = fastrand::Rng::with_seed(1);
        (0..BATCH).map(|_| Self::new(clocks, &mut random)).collect()
    }

    fn new(clocks: Clocks, random: &mut fastrand::Rng) -> Self {
        let trace_id = format!("{:032x}", random.u128(1..));
        let trace_id = TraceId::parse(trace_id.as_bytes()).expect("32 digits, not all zero");
        let mut span_id = || {
            let span_id = format!("{:016x}", random.u64(1..));
            SpanId::parse(span_id.as_bytes()).expect("16 digits, not all zero")
        };
        let (parent_id, grandparent_id) = (span_id(), span_id());
        let traceparent = Traceparent::new(trace_id, parent_id, TraceFlags::SAMPLED);
        let clock = match clocks {
            Clocks::None => None,
            Clocks::Hops(hops) => Some(sent(trace_id, hops, random).into_string()),
            Clocks::V1(components) => {
                let vector = vector(components, random);
                Some(vector.write(
                    trace_id,
                    parent_id,
                    grandparent_id,
                    "storefront",
                    "web-7d9f4",
                ))
            }
        };
        let value = |text: &str| HeaderValue::from_str(text).expect("a header's characters");
        Self {
            trace_id,
            parent_id,
            traceparent: value(traceparent.as_str()),
            clock: clock.as_deref().map(value),
        }
    }

    /// What a request with these headers brings, beside what clients always send.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(HOST, HeaderValue::from_static("stock.internal"));
        headers.insert(USER_AGENT, HeaderValue::from_static("bench/1"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        // A copy of its own, as a connection makes one: a shared one would cost an atomic count.
        let copy = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).expect("a copy");
        headers.insert(PARENT, copy(&self.traceparent));
        if let Some(clock) = &self.clock {
            headers.insert(CLOCK, copy(clock));
        }
        headers
    }

    pub(crate) fn request(&self, path: &'static str) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = http::Uri::from_static(path);
        *request.headers_mut() = self.headers();
        request
    }

    pub(crate) fn clock_text(&self) -> Option<&str> {
        self.clock.as_ref()?.to_str().ok()
    }
}

/// The clock of a call that comes over so many services.
fn sent(trace_id: TraceId, hops: usize, random: &mut fastrand::Rng) -> Clock {
    let mut sender: Option<Clock> = None;
    for (service, instance) in SERVICES.iter().cycle().take(hops) {
        let component = Component::new(service, instance);
        let nonce = random.u32(..);
        let mut strand = match &sender {
            None => Strand::first(&component, nonce, trace_id.low32()),
            Some(sender) => Strand::start(sender, &component, nonce, false),
        };
        for _ in 0..random.u32(0..8) {
            strand.event().expect("it has not ended");
        }
        strand.send(Fork::Attached).expect("it has not ended");
        sender = Some(strand.clock());
    }
    sender.expect("at least one hop")
}

fn vector(components: usize, random: &mut fastrand::Rng) -> ClockV1 {
    let mut vector = ClockV1::default();
    for (number, (service, instance)) in SERVICES.iter().cycle().take(components).enumerate() {
        for _ in 0..random.u32(1..4) {
            let component = format!("{service}-{number}#{instance}");
            vector.send(&component).expect("few and small");
        }
    }
    vector
}
