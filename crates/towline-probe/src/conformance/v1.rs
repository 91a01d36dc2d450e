//! Clocks of v1, one counter for each service.

use towline_core::{ClockV1, SpanId, TraceId};

use super::answers::Answering;
use super::case::Case;
use super::check::{Parent, continued, is_first, is_unclocked};
use super::exchange::Head;
use super::rule::Rule;

const HEADER_BYTES_MAX: usize = 4096;

struct Caller {
    parent: Parent,
    clock: ClockV1,
    header: String,
}

impl Caller {
    fn new() -> Self {
        let parent = Parent {
            trace_id: TraceId::random(),
            parent_id: SpanId::random(),
            flags: 1,
        };
        let mut clock = ClockV1::default();
        for own in ["shop#s1", "cart#c1", "cart#c1"] {
            // Three calls are far from any limit.
            let _ = clock.send(own);
        }
        let header = clock.write(
            parent.trace_id,
            parent.parent_id,
            SpanId::random(),
            "cart",
            "c1",
        );
        Self {
            parent,
            clock,
            header,
        }
    }

    fn fields(&self, header: &str) -> Vec<(String, String)> {
        let Parent {
            trace_id,
            parent_id,
            flags,
        } = self.parent;
        let parent = format!("00-{trace_id}-{parent_id}-{flags:02x}");
        [("traceparent", parent.as_str()), ("raceway-clock", header)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = vec![goes_on(), unanswered()];
    let other = Caller::new().header;
    let deep = format!("v1;{}", "W1tb".repeat(100));
    for (name, header) in [
        ("of another trace", other),
        ("not base64", "v1;!!!".to_owned()),
        ("empty", "v1;".to_owned()),
        ("not JSON", "v1;aGVsbG8".to_owned()),
        ("a list in lists", deep),
    ] {
        let caller = Caller::new();
        let fields = caller.fields(&header);
        all.push(Case::new(Rule::V1Dropped, name, fields, move |exchange| {
            let call = exchange.call(0)?;
            continued(call, caller.parent)?;
            is_first(call)?;
            is_unclocked(exchange)
        }));
    }
    all
}

fn goes_on() -> Case {
    let caller = Caller::new();
    let fields = caller.fields(&caller.header);
    let case = Case::new(Rule::V1Continued, "two calls", fields, move |exchange| {
        for (number, call) in exchange.calls.iter().enumerate() {
            continued(call, caller.parent)?;
            counts_on(&caller, number, call)?;
        }
        Ok(())
    });
    case.answered(&[Answering::Nothing; 2])
}

/// The own component is raised by one for each call, the others go on as they came.
fn counts_on(caller: &Caller, number: usize, call: &Head) -> Result<(), String> {
    let header = call.one("raceway-clock")?;
    let clock = ClockV1::read(header.as_bytes(), caller.parent.trace_id, HEADER_BYTES_MAX);
    let clock = clock.map_err(|error| format!("{error}: {header}"))?;
    let came: Vec<(&str, u32)> = caller.clock.iter().collect();
    let sent: Vec<(&str, u32)> = clock.iter().collect();
    let Some((own, others)) = sent.split_last() else {
        return Err("the vector is empty".to_owned());
    };
    if others != came {
        return Err(format!("the components are {sent:?}, and {came:?} came"));
    }
    if own.1 as usize != number + 1 {
        return Err(format!("call {} counts {}", number + 1, own.1));
    }
    match call.members().0 {
        None => Ok(()),
        Some(own) => Err(format!("there is a tracestate member beside it: {own}")),
    }
}

fn unanswered() -> Case {
    let caller = Caller::new();
    let fields = caller.fields(&caller.header);
    Case::new(
        Rule::ClockNotAnswered,
        "a clock of v1 came",
        fields,
        is_unclocked,
    )
}
