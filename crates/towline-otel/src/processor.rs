//! A span processor that stamps spans with their strand's clock.

use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{self as sdk, Span, SpanData};
use towline_core::Clock;

use crate::Strands;

/// The attribute that holds a span's clock.
pub(crate) const CLOCK: &str = "towline.clock";

/// Gives each span its place in a strand, and the attribute `towline.clock`; see also
/// [`Strands::processor`] and [`Strands::around`].
///
/// A span that starts with a remote parent, or with none, begins a strand; a local child shares
/// that of its parent; a client or producer span is a fork of it. The attribute is set when a span
/// starts. Around another processor, which then exports what this one has stamped, it is set again
/// when the span ends: SDK for Rust hands an ended span to each processor as a copy of its own.
#[derive(Clone, Debug)]
pub struct SpanProcessor<P = Alone> {
    strands: Strands,
    inner: P,
}

/// A [`SpanProcessor`] around nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl SpanProcessor {
    /// That of [`Strands::of_environment`], for a place before the processors that export.
    #[must_use]
    pub fn new() -> Self {
        Strands::of_environment().processor()
    }
}

impl Default for SpanProcessor {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> SpanProcessor<P> {
    pub(crate) fn around(strands: Strands, inner: P) -> Self {
        Self { strands, inner }
    }
}

impl<P: sdk::SpanProcessor> sdk::SpanProcessor for SpanProcessor<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        if self.strands.are_on() {
            // The only way to a span's kind and attributes.
            let started = span
                .exported_data()
                .and_then(|data| self.strands.start(span.span_context(), &data, cx));
            if let Some(clock) = started {
                span.set_attribute(KeyValue::new(CLOCK, clock.into_string()));
            }
        }
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, mut span: SpanData) {
        if let Some(clock) = self.strands.end(&span.span_context) {
            stamp(&mut span.attributes, clock);
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        // Spans that end from now on are not told.
        self.strands.live().clear();
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Puts the clock of a span's end in the place of that of its start.
fn stamp(attributes: &mut Vec<KeyValue>, clock: Clock) {
    let value = Value::from(clock.into_string());
    match attributes.iter_mut().find(|one| one.key.as_str() == CLOCK) {
        Some(start) => start.value = value,
        None => attributes.push(KeyValue::new(CLOCK, value)),
    }
}

impl sdk::SpanProcessor for Alone {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
