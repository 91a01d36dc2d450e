//! A port in memory, and what may be wrong with one.

use towline_core::{
    Clock, ClockError, ClockV1, Component, Fork, Limits, SpanId, Strand, TraceId, read,
};
use towline_probe::{Case, Exchange, Head, Reply};

/// What is wrong with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    NoTraceparent,
    KeepsParent,
    ClearsRandom,
    NewTracesAreNotRandom,
    RefusesLaterVersions,
    ReadsLowerCaseNamesOnly,
    KeepsBlanks,
    TakesTheFirst,
    AcceptsCapitals,
    RestartsNothing,
    DropsTracestate,
    TakesOneTracestate,
    KeepsBrokenMembers,
    EvictsOthers,
    KeepsOwnMember,
    OneSpanId,
    SendsTwice,
    IgnoresClock,
    TakesAnyTrace,
    NoGap,
    StaleMember,
    NoAnswer,
    NotEnded,
    AnswersAll,
    NeverJoins,
    JoinsAll,
    NothingOpen,
    WritesV2InV1,
    Falls,
}

/// Runs a case against a port with this bug.
pub(crate) fn run(case: &Case, bug: Bug) -> Exchange {
    let request = case.request("service", "http://kit/0");
    let whole = String::from_utf8_lossy(&request).into_owned();
    let (head, body) = whole.split_once("\r\n\r\n").unwrap_or((&whole, ""));
    let head = match bug {
        Bug::ReadsLowerCaseNamesOnly => case_sensitive(head),
        _ => Head::read(head.as_bytes()),
    };
    let mut exchange = Exchange::default();
    if bug == Bug::Falls && body.starts_with("[[") {
        exchange.status = Some(500);
        return exchange;
    }
    let call_count = body.matches("\"url\"").count();
    let mut service = Service::accept(&head, head_blanks(&whole), bug);
    for number in 0..call_count {
        let (call, fork) = service.call();
        let reply = case.reply(number, &call);
        exchange.calls.push(call);
        service.answered(fork, &reply);
    }
    exchange.status = Some(200);
    exchange.answer.fields = service.end();
    exchange
}

/// Without what a reader that does not know that names have no case would miss.
fn case_sensitive(head: &str) -> Head {
    let lines = head.split("\r\n").filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        name.to_ascii_lowercase() == name || line.starts_with("POST")
    });
    Head::read(lines.collect::<Vec<_>>().join("\r\n").as_bytes())
}

/// Whether there are blanks around the traceparent.
fn head_blanks(head: &str) -> bool {
    let line = head
        .split("\r\n")
        .find(|line| line.to_ascii_lowercase().starts_with("traceparent:"));
    line.is_some_and(|line| {
        let value = line.split_once(": ").map_or("", |(_, value)| value);
        value.trim_matches([' ', '\t']) != value
    })
}

struct Service {
    bug: Bug,
    trace_id: TraceId,
    parent_id: Option<SpanId>,
    flags: u8,
    others: String,
    came: Option<Clock>,
    v1: Option<ClockV1>,
    span_id: SpanId,
    strand: Strand,
    is_answered: bool,
}

impl Service {
    fn accept(head: &Head, has_blanks: bool, bug: Bug) -> Self {
        let lower;
        let mut parents: Vec<&[u8]> = head
            .all("traceparent")
            .iter()
            .map(|v| v.as_bytes())
            .collect();
        let mut states: Vec<&[u8]> = head
            .all("tracestate")
            .iter()
            .map(|v| v.as_bytes())
            .collect();
        match bug {
            Bug::TakesTheFirst => parents.truncate(1),
            Bug::TakesOneTracestate => states.truncate(1),
            Bug::KeepsBlanks if has_blanks => parents.clear(),
            Bug::RefusesLaterVersions => parents.retain(|parent| parent.starts_with(b"00")),
            Bug::AcceptsCapitals if parents.len() == 1 => {
                lower = parents[0].to_ascii_lowercase();
                parents = vec![&lower];
            }
            _ => {}
        }
        let incoming = read(parents, states.iter().copied());
        let span_id = SpanId::random();
        let component = Component::new("port", "1");
        let Ok(incoming) = incoming else {
            let trace_id = TraceId::random();
            let others = if bug == Bug::RestartsNothing {
                String::from_utf8_lossy(states.first().unwrap_or(&&b""[..])).into_owned()
            } else {
                String::new()
            };
            return Self {
                bug,
                trace_id,
                parent_id: None,
                flags: match bug {
                    Bug::ClearsRandom | Bug::NewTracesAreNotRandom => 1,
                    _ => 3,
                },
                others,
                came: None,
                v1: None,
                span_id,
                strand: Strand::first(&component, span_id.low32(), trace_id.low32()),
                is_answered: bug == Bug::AnswersAll,
            };
        };
        let trace_id = incoming.context.trace_id;
        let trace = (bug != Bug::TakesAnyTrace).then(|| trace_id.low32());
        let clocks = head.all("raceway-clock");
        let clock = match clocks.as_slice() {
            [clock] => Some(Clock::read(clock.as_bytes(), Limits::DEFAULT, trace)),
            _ => None,
        };
        let v1 = match (&clock, clocks.as_slice()) {
            (Some(Err(ClockError::Version)), [clock]) => {
                ClockV1::read(clock.as_bytes(), trace_id, 4096).ok()
            }
            _ => None,
        };
        let member = incoming
            .own
            .filter(|_| clocks.is_empty())
            .and_then(|own| Clock::from_tracestate(own, trace_id.low32(), Limits::DEFAULT).ok());
        let came = clock
            .and_then(Result::ok)
            .filter(|_| bug != Bug::IgnoresClock);
        let strand = match (&came, &member) {
            (Some(clock), _) => Strand::start(clock, &component, span_id.low32(), false),
            (None, Some(clock)) => {
                Strand::start(clock, &component, span_id.low32(), bug != Bug::NoGap)
            }
            (None, None) => Strand::first(&component, span_id.low32(), trace_id.low32()),
        };
        let mut others = incoming.context.tracestate.as_str().to_owned();
        let raw = String::from_utf8_lossy(&states.join(&b","[..])).into_owned();
        match bug {
            Bug::DropsTracestate => others.clear(),
            Bug::KeepsBrokenMembers | Bug::KeepsOwnMember => others = raw,
            _ => {}
        }
        Self {
            bug,
            trace_id,
            parent_id: Some(incoming.context.parent_id),
            flags: match bug {
                Bug::ClearsRandom => incoming.context.flags.bits() & 1,
                _ => incoming.context.flags.bits(),
            },
            others,
            is_answered: came.is_some() || bug == Bug::AnswersAll,
            came,
            v1,
            span_id,
            strand,
        }
    }

    fn call(&mut self) -> (Head, u32) {
        let fork = self.strand.send(Fork::Attached).unwrap();
        let clock = self.strand.clock();
        let client = match (self.bug, self.parent_id) {
            (Bug::KeepsParent, Some(parent)) => parent,
            (Bug::OneSpanId, _) => self.span_id,
            _ => SpanId::random(),
        };
        let mut fields = Vec::new();
        let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
        let parent = format!("00-{}-{client}-{:02x}", self.trace_id, self.flags);
        if self.bug != Bug::NoTraceparent {
            add("traceparent", parent.clone());
        }
        if self.bug == Bug::SendsTwice {
            add("traceparent", parent);
        }
        let mut list = self.others.clone();
        match self.v1.as_mut().filter(|_| self.bug != Bug::WritesV2InV1) {
            Some(v1) => {
                v1.send("port#1").unwrap();
                add(
                    "raceway-clock",
                    v1.write(self.trace_id, client, self.span_id, "port", "1"),
                );
            }
            None => {
                add("raceway-clock", clock.as_str().to_owned());
                let of = match (self.bug, &self.came) {
                    (Bug::StaleMember, Some(came)) => came,
                    _ => &clock,
                };
                let own = format!("towline={}", of.to_tracestate().unwrap());
                let members = list.split(',').filter(|member| !member.is_empty()).count();
                let fits = members < 32 && list.len() + own.len() < 512;
                if fits || self.bug == Bug::EvictsOthers {
                    list = if list.is_empty() {
                        own
                    } else {
                        format!("{own},{list}")
                    };
                }
                if !fits && self.bug == Bug::EvictsOthers {
                    list.truncate(list.rfind(',').unwrap());
                }
            }
        }
        if !list.is_empty() {
            add("tracestate", list);
        }
        let head = Head {
            line: String::new(),
            fields,
        };
        (head, fork)
    }

    fn answered(&mut self, fork: u32, reply: &Reply) {
        let Reply::Answer { clocks, .. } = reply else {
            if self.bug == Bug::NothingOpen {
                self.strand.lost(fork);
            }
            return;
        };
        if self.bug == Bug::NeverJoins {
            return;
        }
        let trace = Some(self.trace_id.low32());
        let clock = match clocks.as_slice() {
            [clock] => Clock::read(clock.as_bytes(), Limits::DEFAULT, trace).ok(),
            _ => None,
        };
        let clock = clock.filter(|clock| self.strand.answer(fork, None, clock).is_ok());
        if self.bug == Bug::JoinsAll {
            // As if every answer were the callee's end.
            let mut callee =
                Strand::start(&self.strand.clock(), &Component::new("c", "1"), 1, false);
            callee.end().unwrap();
            let _ = self.strand.answer(fork, None, &callee.clock());
            return;
        }
        if !clock.is_some_and(|clock| clock.has_ended()) {
            self.strand.lost(fork);
        }
    }

    fn end(mut self) -> Vec<(String, String)> {
        if self.bug != Bug::NotEnded {
            self.strand.end().unwrap();
        }
        if !self.is_answered || self.bug == Bug::NoAnswer {
            return Vec::new();
        }
        vec![(
            "raceway-clock".to_owned(),
            self.strand.clock().into_string(),
        )]
    }
}
