//! Messages: sent detached, answered by nobody (spec/edge.md, "Messages").

use std::fmt;

use crate::call::{Sent, send};
use crate::carrier::Carrier;
use crate::context::{Begun, Context, Identity};
use crate::edge::Edge;
use crate::headers::{Field, Headers, RACEWAY_CLOCK, TRACEPARENT, TRACESTATE};
use crate::observer::{CallEvent, Kind};
use crate::strand::Fork;
use crate::trace_context::{self, Traceparent};
use crate::{Peer, SpanId, Towline};

impl Context {
    /// Puts this context into a message, in place of what was there: `traceparent`, `tracestate`
    /// and the clock of a detached fork. Gives the producer's span, which the receiver has as its
    /// parent.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use towline_core::{Config, Kind, Peer, Towline};
    ///
    /// let towline = Towline::new(Config::new());
    /// let context = towline.accept::<[(&str, &str)]>(&[], &Peer::default());
    /// let mut headers: HashMap<String, String> = HashMap::new();
    /// let span_id = context.send_message(&mut headers);
    ///
    /// let received = towline.receive_message(&headers);
    /// assert_eq!(received.trace_id(), context.trace_id());
    /// assert_eq!((received.parent_id(), received.kind()), (Some(span_id), Kind::Consumer));
    /// ```
    pub fn send_message<C: Carrier + ?Sized>(&self, carrier: &mut C) -> SpanId {
        let towline = self.towline();
        let context = self.live();
        let span_id = SpanId::random();
        let clock = send(towline, &context, span_id, Fork::Detached);
        let traceparent = Traceparent::new(context.trace_id(), span_id, context.flags());
        let tracestate = towline.tracestate(&context, &clock);
        carrier.set(TRACEPARENT, Some(traceparent.as_str().to_owned()));
        carrier.set(TRACESTATE, tracestate);
        carrier.set(RACEWAY_CLOCK, clock.text().map(str::to_owned));
        tell(&context, span_id, &clock);
        span_id
    }
}

/// Tells the observers that the message left; nothing follows.
fn tell(context: &Context, span_id: SpanId, clock: &Sent) {
    let text = clock.text();
    let event = CallEvent {
        trace_id: context.trace_id(),
        span_id,
        parent_id: context.span_id(),
        flags: context.flags(),
        kind: Kind::Producer,
        host: "",
        resend_count: 0,
        clock: text.as_ref().map(|text| text as &dyn fmt::Display),
        status: None,
        outcome: None,
    };
    context
        .towline()
        .observe(|observer| observer.on_call_sent(&event));
}

impl Towline {
    /// Reads what a message came with, by all rules of a request, and begins the strand of its
    /// handling: a context of kind [`Kind::Consumer`]. Nothing is answered.
    #[must_use]
    pub fn receive_message<C: Headers + ?Sized>(&self, carrier: &C) -> Context {
        self.counters().message_received();
        self.begin(carrier, &Peer::default(), Kind::Consumer)
            .start()
    }

    /// One context for the handling of several messages at once: it begins a new trace, and
    /// [links](Context::links) to each. A message without a valid `traceparent` is counted, and not
    /// linked.
    ///
    /// ```
    /// use towline_core::{Config, Peer, Towline};
    ///
    /// let towline = Towline::new(Config::new());
    /// let mut messages = vec![vec![("traceparent".to_owned(), "not one".to_owned())]];
    /// for _ in 0..2 {
    ///     let context = towline.accept::<[(&str, &str)]>(&[], &Peer::default());
    ///     let mut message = Vec::new();
    ///     context.send_message(&mut message);
    ///     messages.push(message);
    /// }
    /// let batch = towline.receive_batch(&messages);
    /// assert_eq!(batch.links().len(), 2);
    /// assert!(batch.links().iter().all(|link| link.trace_id != batch.trace_id()));
    /// ```
    #[must_use]
    pub fn receive_batch<'a, C: Headers + 'a>(
        &self,
        carriers: impl IntoIterator<Item = &'a C>,
    ) -> Context {
        let links = carriers.into_iter().filter_map(|carrier| {
            self.counters().message_received();
            let [parents, states] = [Field::Traceparent, Field::Tracestate];
            let read = trace_context::read(carrier.fields(parents), carrier.fields(states));
            let incoming = read.map_err(|error| self.dropped(error.into())).ok()?;
            if let Some(error) = incoming.tracestate_dropped {
                self.dropped(error.into());
            }
            Some(incoming.context)
        });
        let edge = Edge {
            links: links.collect(),
            ..Edge::default()
        };
        let identity = Identity {
            edge: Some(Box::new(edge)),
            ..Identity::root(self, Kind::Consumer)
        };
        Context::start(identity, Begun::first(), None)
    }
}
