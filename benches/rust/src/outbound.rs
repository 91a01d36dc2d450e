//! What leaves a service, and whether it is what its propagation promises.

use anyhow::{Context as _, Result, bail, ensure};
use http::HeaderMap;
use towline::Context;
use towline_core::{Clock, ClockV1, Limits, Order, RACEWAY_CLOCK, TRACEPARENT, TraceFlags};

use crate::inbound::Inbound;

const HEADER_BYTES_MAX: usize = 4096;

/// The headers that a call from a handler would carry.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    pub(crate) traceparent: Option<String>,
    pub(crate) clock: Option<String>,
}

/// What a server's propagation has to carry from a request to the calls of its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    Nothing,
    /// The trace, with a new span for each call.
    Trace {
        sampled: bool,
    },
    /// The trace and its strand clock, which the response answers.
    Clock,
    /// The trace and its vector of version 1; nothing is answered.
    Vector,
}

impl Outbound {
    /// Of a call from Towline's current context.
    pub(crate) fn of_towline() -> Self {
        let call = Context::current().map(|context| context.call("localhost"));
        Self {
            traceparent: call
                .as_ref()
                .and_then(|call| call.traceparent().map(|value| value.to_string())),
            clock: call
                .as_ref()
                .and_then(|call| call.clock().map(str::to_owned)),
        }
    }

    /// What a request carries.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Result<Self> {
        let text = |name: &str| {
            anyhow::Ok(match one(headers, name)? {
                Some(value) => Some(String::from_utf8(value.to_vec())?),
                None => None,
            })
        };
        Ok(Self {
            traceparent: text(TRACEPARENT)?,
            clock: text(RACEWAY_CLOCK)?,
        })
    }

    /// As the body of a response that tells it.
    pub(crate) fn into_text(self) -> String {
        let line = Option::unwrap_or_default;
        format!("{}\n{}", line(self.traceparent), line(self.clock))
    }

    pub(crate) fn of_text(text: &str) -> Result<Self> {
        let (traceparent, clock) = text.split_once('\n').context("two lines")?;
        let line = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self {
            traceparent: line(traceparent),
            clock: line(clock),
        })
    }

    /// Whether it is what follows from a request.
    pub(crate) fn check(&self, inbound: &Inbound, carries: Carries) -> Result<()> {
        let Some(traceparent) = &self.traceparent else {
            ensure!(carries == Carries::Nothing, "no traceparent is sent");
            return Ok(());
        };
        let read = towline_core::read([traceparent.as_bytes()], [])?.context;
        ensure!(
            read.trace_id == inbound.trace_id,
            "another trace is sent: {traceparent}"
        );
        ensure!(
            read.parent_id != inbound.parent_id,
            "the caller's own span is sent"
        );
        let sampled = read.flags == TraceFlags::SAMPLED;
        match carries {
            Carries::Nothing => bail!("a traceparent is sent: {traceparent}"),
            Carries::Trace { sampled: expected } => {
                ensure!(sampled == expected, "sampled: {sampled}")
            }
            Carries::Clock => {
                ensure!(sampled, "the sampled flag is lost");
                let clock = self.clock.as_deref().context("no clock is sent")?;
                follows(inbound, clock)?;
            }
            Carries::Vector => {
                let came = inbound.clock_text().context("a vector came")?;
                let sent = self.clock.as_deref().context("no vector is sent")?;
                let read =
                    |text: &str| ClockV1::read(text.as_bytes(), inbound.trace_id, HEADER_BYTES_MAX);
                let order = read(came)?.compare(&read(sent)?);
                ensure!(
                    order == Order::Before,
                    "the vector that came is {order:?} the one sent"
                );
            }
        }
        Ok(())
    }
}

/// Whether a response's head is what it has to be.
pub(crate) fn check_answer(headers: &HeaderMap, inbound: &Inbound, carries: Carries) -> Result<()> {
    let answer = one(headers, RACEWAY_CLOCK)?;
    if carries != Carries::Clock {
        ensure!(answer.is_none(), "answered with a clock");
        return Ok(());
    }
    let answer = std::str::from_utf8(answer.context("answered without a clock")?)?;
    let clock = follows(inbound, answer)?;
    ensure!(clock.has_ended(), "the answer has not ended: {answer}");
    Ok(())
}

/// The clock in `header`, one hop longer than what came and after it.
fn follows(inbound: &Inbound, header: &str) -> Result<Clock> {
    let came = Clock::parse(inbound.clock_text().context("a clock came")?)?;
    let clock = Clock::read(
        header.as_bytes(),
        Limits::default(),
        Some(inbound.trace_id.low32()),
    )?;
    let order = came.compare(&clock);
    ensure!(
        order == Order::Before,
        "what came is {order:?} what goes out: {header}"
    );
    let hops = clock.hops().len();
    ensure!(
        hops == came.hops().len() + 1,
        "{hops} hops go out: {header}"
    );
    Ok(clock)
}

/// The only field of that name, if there is one.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>> {
    let mut fields = headers.get_all(name).iter();
    let first = fields.next();
    ensure!(fields.next().is_none(), "two fields {name}");
    Ok(first.map(|value| value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use towline_core::{SpanId, TraceFlags, TraceId, Traceparent};

    use super::*;
    use crate::inbound::Clocks;

    const TRACE: Carries = Carries::Trace { sampled: true };

    fn inbound(clocks: Clocks) -> Inbound {
        Inbound::batch(clocks).into_iter().next().unwrap()
    }

    fn outbound(trace_id: TraceId, span_id: SpanId, clock: Option<&str>) -> Outbound {
        let traceparent = Traceparent::new(trace_id, span_id, TraceFlags::SAMPLED);
        Outbound {
            traceparent: Some(traceparent.to_string()),
            clock: clock.map(str::to_owned),
        }
    }

    #[test]
    fn a_traceparent_of_another_trace_or_of_the_caller_is_refused() {
        let came = inbound(Clocks::None);
        let of = |trace_id, span_id| outbound(trace_id, span_id, None).check(&came, TRACE);
        assert!(of(came.trace_id, SpanId::random()).is_ok());
        assert!(of(TraceId::random(), SpanId::random()).is_err());
        assert!(of(came.trace_id, came.parent_id).is_err());
        assert!(Outbound::default().check(&came, TRACE).is_err());
        let some = outbound(came.trace_id, SpanId::random(), None);
        assert!(some.check(&came, Carries::Nothing).is_err());
        assert!(
            some.check(&came, Carries::Trace { sampled: false })
                .is_err()
        );
    }

    #[test]
    fn a_clock_that_is_not_one_hop_further_is_refused() {
        let came = inbound(Clocks::Hops(4));
        let of =
            |clock| outbound(came.trace_id, SpanId::random(), clock).check(&came, Carries::Clock);
        let received = came.clock_text().unwrap();
        let answer = crate::callee::answer(received).unwrap();
        assert!(of(Some(&answer)).is_ok());
        assert!(of(Some(received)).is_err());
        assert!(of(None).is_err());
        let other = inbound(Clocks::Hops(3));
        assert!(of(other.clock_text()).is_err());
    }

    #[test]
    fn an_answer_that_has_not_ended_is_refused() {
        let came = inbound(Clocks::Hops(4));
        let answer = crate::callee::answer(came.clock_text().unwrap()).unwrap();
        let check = |clock: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RACEWAY_CLOCK, clock.parse().unwrap());
            check_answer(&headers, &came, Carries::Clock)
        };
        assert!(check(&answer).is_ok());
        assert!(check(answer.strip_suffix(";e").unwrap()).is_err());
        assert!(check_answer(&HeaderMap::new(), &came, Carries::Clock).is_err());
    }

    #[test]
    fn a_vector_that_did_not_grow_is_refused() {
        let came = inbound(Clocks::V1(5));
        let received = came.clock_text().unwrap();
        let of = |clock| {
            outbound(came.trace_id, SpanId::random(), Some(clock)).check(&came, Carries::Vector)
        };
        assert!(of(received).is_err());
        let mut vector =
            ClockV1::read(received.as_bytes(), came.trace_id, HEADER_BYTES_MAX).unwrap();
        vector.send("bench#b-1").unwrap();
        let ids = (SpanId::random(), SpanId::random());
        assert!(of(&vector.write(came.trace_id, ids.0, ids.1, "bench", "b-1")).is_ok());
    }
}
