//! Reading and writing headers, with nothing around it.

use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use towline_core::{Clock, Component, Limits, Strand, TRACEPARENT};

use crate::inbound::{Clocks, Inbound};
use crate::measure::{self, Cost, Effort};
use crate::minimum;
use crate::variant::{Table, Variant};

/// All codecs.
pub(crate) fn variants() -> Vec<Variant> {
    let mut all = vec![
        Variant::new(
            Table::Codecs,
            "traceparent by the hand-written minimum, looked up, span made",
            None,
            minimum_read,
        ),
        Variant::new(
            Table::Codecs,
            "traceparent read, looked up before",
            None,
            traceparent_read,
        ),
    ];
    for hops in [1, 4, 16, 64] {
        all.push(Variant::new(
            Table::Codecs,
            format!("clock of {hops} read"),
            None,
            move |effort| clock_read(effort, hops),
        ));
    }
    for hops in [1, 4, 16, 63] {
        let name = format!("strand after a clock of {hops}, ended and written");
        all.push(Variant::new(Table::Codecs, name, None, move |effort| {
            stamp(effort, hops)
        }));
    }
    all
}

fn minimum_read(effort: Effort) -> Result<Cost> {
    let inbound = Inbound::batch(Clocks::None);
    let headers: Vec<_> = inbound.iter().map(Inbound::headers).collect();
    ensure!(
        headers
            .iter()
            .all(|headers| minimum::Place::of_request(headers).is_some())
    );
    Ok(measure::batches(
        effort,
        headers.iter().cycle(),
        |headers| {
            black_box(minimum::Place::of_request(headers));
        },
    ))
}

fn traceparent_read(effort: Effort) -> Result<Cost> {
    let inbound = Inbound::batch(Clocks::None);
    let headers: Vec<_> = inbound.iter().map(Inbound::headers).collect();
    let fields = headers
        .iter()
        .filter_map(|headers| headers.get(TRACEPARENT));
    for (field, inbound) in fields.clone().zip(&inbound) {
        let read = towline_core::read([field.as_bytes()], [])?;
        ensure!(
            read.context.trace_id == inbound.trace_id,
            "another trace is read"
        );
    }
    Ok(measure::batches(effort, fields.cycle(), |field| {
        black_box(towline_core::read([field.as_bytes()], []).is_ok());
    }))
}

fn clock_read(effort: Effort, hops: usize) -> Result<Cost> {
    let inbound = Inbound::batch(Clocks::Hops(hops));
    let clocks = texts(&inbound)?;
    for &(text, trace) in &clocks {
        let clock = read(text, trace)?;
        ensure!(clock.as_str() == text, "read of {text} is {clock}");
        ensure!(clock.hops().len() == hops, "read of {text} has other hops");
    }
    Ok(measure::batches(
        effort,
        clocks.iter().cycle().copied(),
        |(text, trace)| {
            black_box(read(text, trace).is_ok());
        },
    ))
}

fn stamp(effort: Effort, hops: usize) -> Result<Cost> {
    let inbound = Inbound::batch(Clocks::Hops(hops));
    let component = Component::new("bench", "b-1");
    let senders: Vec<Clock> = texts(&inbound)?
        .into_iter()
        .map(|(text, trace)| read(text, trace))
        .collect::<Result<_>>()?;
    let end = |sender: &Clock| -> Result<Clock> {
        let mut strand = Strand::start(sender, &component, 0x0bad_cafe, false);
        strand.end()?;
        Ok(strand.clock())
    };
    for sender in &senders {
        let clock = end(sender)?;
        let reread = Clock::parse(clock.as_str())?;
        ensure!(
            reread.has_ended() && reread.hops().len() == hops + 1,
            "written: {clock}"
        );
    }
    Ok(measure::batches(effort, senders.iter().cycle(), |sender| {
        black_box(end(sender).is_ok());
    }))
}

fn read(text: &str, trace: u32) -> Result<Clock> {
    Ok(Clock::read(
        text.as_bytes(),
        Limits::default(),
        Some(trace),
    )?)
}

/// The clocks of requests, with their traces.
fn texts(inbound: &[Inbound]) -> Result<Vec<(&str, u32)>> {
    let texts = inbound.iter().map(|inbound| {
        let text = inbound.clock_text().context("a clock came")?;
        Ok((text, inbound.trace_id.low32()))
    });
    texts.collect()
}
