//! What cases ask of calls and answers.

use towline_core::{Clock, Hop, SpanId, TraceId};

use super::exchange::{Exchange, Head};

/// A `traceparent` as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace_id: TraceId,
    pub(super) parent_id: SpanId,
    pub(super) flags: u8,
}

impl Exchange {
    /// The call of this number; there are as many as were asked for.
    pub(super) fn call(&self, number: usize) -> Result<&Head, String> {
        self.calls
            .get(number)
            .ok_or_else(|| format!("call {} was not made", number + 1))
    }
}

impl Head {
    /// The one value of a field.
    pub(super) fn one(&self, name: &str) -> Result<&str, String> {
        match self.all(name).as_slice() {
            [] => Err(format!("no {name} was sent")),
            [value] => Ok(value),
            more => Err(format!("{} fields {name} were sent", more.len())),
        }
    }

    /// The one `traceparent`, which must be of version 00.
    pub(super) fn parent(&self) -> Result<Parent, String> {
        let value = self.one("traceparent")?;
        let parts: Vec<&str> = value.split('-').collect();
        let read = match parts.as_slice() {
            ["00", trace, span, flags] if flags.len() == 2 => TraceId::parse(trace.as_bytes())
                .zip(SpanId::parse(span.as_bytes()))
                .zip(u8::from_str_radix(flags, 16).ok()),
            _ => None,
        };
        read.map(|((trace_id, parent_id), flags)| Parent {
            trace_id,
            parent_id,
            flags,
        })
        .ok_or_else(|| format!("the traceparent that was sent is malformed: {value}"))
    }

    /// The members of others in all `tracestate` fields, and our own.
    pub(super) fn members(&self) -> (Option<String>, Vec<String>) {
        let list = self.all("tracestate").join(",");
        let mut others = Vec::new();
        let mut own = None;
        for member in list
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']))
        {
            match member.strip_prefix("towline=") {
                Some(value) => own = Some(value.to_owned()),
                None if member.is_empty() => {}
                None => others.push(member.to_owned()),
            }
        }
        (own, others)
    }

    /// The one clock, of the trace of the `traceparent` beside it.
    pub(super) fn clock(&self) -> Result<Clock, String> {
        let header = self.one("raceway-clock")?;
        let trace = self.parent()?.trace_id.low32();
        let clock = Clock::parse(header).map_err(|error| format!("{error}: {header}"))?;
        if clock.trace() != trace {
            return Err(format!(
                "the clock is of another trace than traceparent: {header}"
            ));
        }
        Ok(clock)
    }
}

/// The last strand of a clock.
pub(super) fn last(clock: &Clock) -> Result<Hop, String> {
    let hop = clock.hops().pop();
    hop.ok_or_else(|| format!("the clock has no strand: {clock}"))
}

/// What is said of a call that a strand made at `fork`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing: it is known completely.
    Joined,
    /// In flight.
    Open,
    /// It cannot be told.
    Lost,
    /// Known in part, and no more.
    Part,
}

pub(super) fn said(strand: &Hop, fork: u32) -> Said {
    let forks = &strand.known.forks;
    let range = forks
        .in_flight()
        .find(|range| (range.first..=range.last).contains(&fork));
    if let Some(range) = range {
        return if range.lossy { Said::Lost } else { Said::Open };
    }
    match forks.open().find(|(tick, _)| *tick == fork) {
        Some((_, known)) if known.lossy => Said::Lost,
        Some(_) => Said::Part,
        None => Said::Joined,
    }
}

/// That the trace went on.
pub(super) fn continued(head: &Head, from: Parent) -> Result<(), String> {
    let sent = head.parent()?;
    if sent.trace_id != from.trace_id {
        return Err(format!(
            "a new trace was begun: {}",
            head.one("traceparent")?
        ));
    }
    if sent.parent_id == from.parent_id {
        return Err("the parent id that came was sent on".to_owned());
    }
    if sent.flags != from.flags {
        return Err(format!(
            "the flags are {:02x} and not {:02x}",
            sent.flags, from.flags
        ));
    }
    Ok(())
}

/// That a new trace began: one whose id is not among those that came.
pub(super) fn restarted(head: &Head, came: &str) -> Result<(), String> {
    let sent = head.parent()?;
    if came
        .to_ascii_lowercase()
        .contains(&sent.trace_id.to_string())
    {
        return Err("the trace went on".to_owned());
    }
    if sent.flags & 2 == 0 {
        return Err(format!(
            "the flags of a new trace are {:02x}, without random (02)",
            sent.flags
        ));
    }
    let (_, others) = head.members();
    if !others.is_empty() {
        return Err(format!("tracestate went on: {}", others.join(",")));
    }
    Ok(())
}

/// That the strand that made the call is a first strand.
pub(super) fn is_first(head: &Head) -> Result<(), String> {
    let clock = head.clock()?;
    match clock.hops().len() {
        1 => Ok(()),
        _ => Err(format!("the strand is no first strand: {clock}")),
    }
}

/// That the answer has no clock.
pub(super) fn is_unclocked(exchange: &Exchange) -> Result<(), String> {
    match exchange.answer.all("raceway-clock").as_slice() {
        [] => Ok(()),
        [clock, ..] => Err(format!("the answer has a clock: {clock}")),
    }
}
