//! Spans of another tracer stand in the place of ours.

use std::sync::{Arc, Mutex};

use towline_core::{
    AdoptedSpan, ClientSpan, Clock, Config, Context, Kind, Outcome, Peer, Reason, SpanId, Strand,
    Towline, TraceFlags, TraceId, Tracer, Tracestate,
};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn trace_id() -> TraceId {
    TraceId::parse(b"0af7651916cd43dd8448eb211c80319c").expect("a trace id")
}

fn span_id(digit: char) -> SpanId {
    SpanId::parse(digit.to_string().repeat(16).as_bytes()).expect("a span id")
}

/// A tracer whose server span is 1…, whose current span is 2…, and whose client spans are 3….
#[derive(Clone, Default)]
struct Other(Arc<Mutex<Vec<String>>>);

impl Other {
    fn say(&self, what: String) {
        self.0.lock().expect("no panic").push(what);
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }

    fn towline(&self) -> Towline {
        let config = Config::new().service_name("shop").instance("1");
        Towline::new(config.tracer(Arc::new(self.clone())))
    }
}

impl Tracer for Other {
    fn serving(&self, received: Option<(TraceId, SpanId)>) -> Option<(TraceId, SpanId)> {
        self.say(format!(
            "serving {:?}",
            received.map(|(_, span_id)| span_id)
        ));
        Some((trace_id(), span_id('1')))
    }

    fn served(&self, context: &Context) {
        self.say(format!("served {}", context.span_id()));
    }

    fn current(&self) -> Option<Context> {
        let span = AdoptedSpan {
            kind: Kind::Internal,
            trace_id: trace_id(),
            span_id: span_id('2'),
            parent_id: Some(span_id('1')),
            flags: TraceFlags::SAMPLED,
            tracestate: Tracestate::default(),
        };
        let towline = Towline::new(Config::new().service_name("shop").instance("1"));
        let strand = Strand::first(towline.component(), 0x2222_2222, trace_id().low32());
        Some(towline.adopt(span, strand))
    }

    fn client(&self, context: &Context, host: &str) -> Option<Box<dyn ClientSpan>> {
        self.say(format!("client {} {host}", context.span_id()));
        Some(Box::new(self.clone()))
    }
}

impl ClientSpan for Other {
    fn span_id(&self) -> SpanId {
        span_id('3')
    }

    fn sent(&self, clock: Option<&str>) {
        self.say(format!("sent {}", clock.is_some()));
    }

    fn ended(&self, outcome: Outcome, status: Option<u16>) {
        self.say(format!("ended {outcome} {status:?}"));
    }
}

#[test]
fn a_request_has_the_ids_of_its_span() {
    let other = Other::default();
    let headers = [
        ("traceparent", TRACEPARENT),
        ("raceway-clock", r#"v2;t=1c80319c, web#1/a3f9c21b:2;x="2""#),
    ];
    let context = other.towline().accept(headers.as_slice(), &Peer::default());
    assert_eq!(context.span_id(), span_id('1'));
    assert_eq!(context.parent_id(), SpanId::parse(b"b7ad6b7169203331"));
    let expected = "v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/11111111:1";
    assert_eq!(context.stamp(), Clock::parse(expected).expect("a clock"));
    assert_eq!(
        other.said(),
        ["serving Some(b7ad6b7169203331)", "served 1111111111111111"]
    );
}

#[test]
fn a_trace_that_begins_is_that_of_the_span_also_for_middleware() {
    let other = Other::default();
    let slot = other
        .towline()
        .serve::<[(&str, &str)]>(&[], &Peer::default());
    assert_eq!(slot.ids(), Some((trace_id(), span_id('1'))));
    assert_eq!(other.said(), ["serving None", "served 1111111111111111"]);
}

#[test]
fn a_call_has_the_span_that_was_made_of_it_which_is_told_how_it_went() {
    let other = Other::default();
    let towline = other.towline();
    let context = towline.accept::<[(&str, &str)]>(&[], &Peer::default());
    other.said();
    let mut call = context.call("stock.internal");
    assert_eq!(call.span_id(), span_id('3'));
    let traceparent = call.traceparent().expect("to all hosts");
    assert!(traceparent.as_str().contains("-3333333333333333-"));
    call.answered(503, []);
    let told = [
        "client 1111111111111111 stock.internal",
        "sent true",
        "ended lost Some(503)",
    ];
    assert_eq!(other.said(), told);
    drop(context.call("api.example.com"));
    let told = [
        "client 1111111111111111 api.example.com",
        "sent false",
        "ended cancelled None",
    ];
    assert_eq!(other.said(), told);
}

#[test]
fn a_call_without_a_context_takes_that_of_the_current_span() {
    let other = Other::default();
    let towline = other.towline();
    let call = towline.call("stock.internal");
    assert_eq!(call.context().span_id(), span_id('2'));
    assert_eq!(towline.counters().get(Reason::ContextNone), 0);
}
