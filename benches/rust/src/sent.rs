//! What callers came with, and whether their calls carry it on.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use http::header::{ACCEPT, HeaderMap, HeaderValue, USER_AGENT};
use towline_core::Clock;

use crate::callee;
use crate::caller::Sent;
use crate::inbound::{Clocks, Inbound};
use crate::outbound::{Carries, Outbound};

/// How many hops the clock of the calling request has.
pub(crate) const CALLER_HOPS: usize = 4;

/// What clients set on every request.
pub(crate) fn put_usual(headers: &mut HeaderMap) {
    headers.insert(USER_AGENT, HeaderValue::from_static("bench/1"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
}

/// The request that calls are made in.
pub(crate) fn inbound(sent: Sent) -> Inbound {
    let clocks = match sent {
        Sent::Nothing => Clocks::None,
        Sent::Trace | Sent::Clock => Clocks::Hops(CALLER_HOPS),
        #[cfg(feature = "rivals")]
        Sent::Vector => Clocks::V1(5),
    };
    Inbound::batch(clocks)
        .into_iter()
        .next()
        .expect("a batch is not empty")
}

/// Whether calls carried what they had to, each with a span of its own.
pub(crate) fn check(calls: &[HeaderMap], inbound: &Inbound, sent: Sent) -> Result<()> {
    ensure!(!calls.is_empty(), "no call came");
    let carries = match sent {
        Sent::Nothing => Carries::Nothing,
        Sent::Trace => Carries::Trace { sampled: true },
        Sent::Clock => Carries::Clock,
        #[cfg(feature = "rivals")]
        Sent::Vector => Carries::Vector,
    };
    let mut traceparents = HashSet::new();
    let mut ticks = 0;
    for headers in calls {
        let outbound = Outbound::of_headers(headers)?;
        outbound.check(inbound, carries)?;
        if let Some(traceparent) = outbound.traceparent {
            ensure!(traceparents.insert(traceparent), "one span for two calls");
        }
        if sent == Sent::Trace {
            ensure!(outbound.clock.is_none(), "a clock goes where none may");
        }
        if sent == Sent::Clock {
            let clock = outbound.clock.context("a clock is sent")?;
            callee::check(&clock)?;
            let tick = Clock::parse(&clock)?.tick();
            ensure!(tick > ticks, "tick {tick} after {ticks}");
            ticks = tick;
        }
    }
    Ok(())
}
