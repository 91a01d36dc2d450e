//! The services of `spec/services.md`, in memory, with all of their faults.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use towline_core::{Clock, Component, Fork, Limits, SpanId, Strand, TraceFlags, TraceId};
use towline_probe::{Answer, Ids, Probe, Report, Topology};

/// The faults of `spec/services.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    DropTraceparent,
    NewTrace,
    DropClock,
    StaleClock,
    DropClockAnswer,
    StaleClockAnswer,
    WrongParent,
    FlipSampled,
    DropTracestate,
}

/// Other ways to be wrong, of middleware that is not ours or not right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// No client middleware at all.
    NoClient,
    /// Calls begin traces of their own.
    LosesContext,
    /// A traceparent in capitals.
    Shouts,
    /// The own span as the parent of calls.
    OwnSpanAsParent,
    /// Members are passed on in another order.
    ReversesTracestate,
    /// The member that came in is passed on.
    StaleMember,
    /// The strand does not start from the clock that came.
    IgnoresClock,
    /// No clock at all.
    NoClock,
    /// The clock of the first call goes with every call.
    RepeatsClock,
    /// The clock of a strand elsewhere.
    ForeignClock,
    /// A clock of v1.
    WritesV1,
    /// Bytes that are no clock.
    Gibberish,
    /// The answer's clock is not ended.
    NeverEnds,
    /// The answer is taken before the work.
    AnswersEarly,
    /// Answers are thrown away.
    NeverJoins,
    /// Answers without a clock are taken for joined.
    JoinsAll,
    /// Parallel calls are made one after the other.
    Serial,
    /// Sequential calls are all sent before the first answer.
    Eager,
    /// All its spans have one id.
    OneSpanId,
    /// It answers for another request.
    MixesUp,
    /// It leaves its last call out.
    SkipsCall,
    /// It answers something else.
    Unreportable,
    /// It does not answer.
    Silent,
}

/// What is between services: changes the headers on the way to the service of this name.
pub(crate) type Wire = Box<dyn Fn(&str, &mut Headers)>;

/// Services named by the host of their URLs.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) faults: HashMap<String, Vec<Fault>>,
    pub(crate) bugs: HashMap<String, Vec<Bug>>,
    /// Calls that go out at once have a task, and so a strand, each.
    pub(crate) tasks: bool,
    pub(crate) wire: Option<Wire>,
    pub(crate) next_id: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    pub(crate) traceparent: Option<String>,
    pub(crate) tracestate: Option<String>,
    pub(crate) clock: Option<String>,
}

impl Headers {
    fn json(&self) -> Value {
        let fields = [
            ("traceparent", &self.traceparent),
            ("tracestate", &self.tracestate),
            ("raceway-clock", &self.clock),
        ];
        let present = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
        Value::Object(present.collect())
    }
}

/// A hop at work.
struct Service {
    name: String,
    faults: Vec<Fault>,
    bugs: Vec<Bug>,
    received: Headers,
    trace_id: u128,
    span_id: u64,
    parent_id: Option<u64>,
    flags: u8,
    others: Vec<String>,
    strand: Strand,
    answers: bool,
}

/// A call that is out.
struct Out {
    url: String,
    span_id: u64,
    sent: Headers,
    /// The task that makes it, or none.
    task: Option<Strand>,
    /// What the own strand calls it.
    fork: u32,
    body: Value,
    answer: Option<(Headers, Value)>,
}

impl World {
    pub(crate) fn with(service: &str, fault: Fault) -> Self {
        Self {
            faults: HashMap::from([(service.to_owned(), vec![fault])]),
            ..Self::default()
        }
    }

    pub(crate) fn buggy(service: &str, bug: Bug) -> Self {
        Self {
            bugs: HashMap::from([(service.to_owned(), vec![bug])]),
            ..Self::default()
        }
    }

    pub(crate) fn wired(wire: impl Fn(&str, &mut Headers) + 'static) -> Self {
        Self {
            wire: Some(Box::new(wire)),
            ..Self::default()
        }
    }

    /// Sends one probe.
    pub(crate) fn probe(&mut self, topology: &Topology) -> Report {
        let trace = TraceId::from_bytes(
            [self.id().to_be_bytes(), self.id().to_be_bytes()]
                .concat()
                .try_into()
                .unwrap(),
        );
        let span = |id: u64| SpanId::from_bytes(id.to_be_bytes()).unwrap();
        let ids = Ids {
            trace: trace.unwrap(),
            span: span(self.id()),
            call: span(self.id()),
        };
        let probe = Probe::new(topology, ids, TraceFlags::from_bits_truncate(3));
        let header = |name| {
            let headers = probe.headers();
            headers
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let headers = Headers {
            traceparent: header("traceparent"),
            tracestate: header("tracestate"),
            clock: header("raceway-clock"),
        };
        let body = serde_json::from_slice(&probe.body()).unwrap();
        match self.deliver(probe.url(), headers, &body) {
            None => probe.failed("connection refused"),
            Some((headers, body)) => probe.finish(&Answer {
                status: 200,
                clock: headers.clock,
                body: body.to_string().into_bytes(),
            }),
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        // Steele, Lea and Flood's SplitMix: distinct for distinct inputs.
        let mut z = self.next_id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn deliver(
        &mut self,
        url: &str,
        mut headers: Headers,
        body: &Value,
    ) -> Option<(Headers, Value)> {
        let host = url.strip_prefix("http://").unwrap();
        let name = host.split([':', '/']).next().unwrap();
        if let Some(wire) = &self.wire {
            wire(name, &mut headers);
        }
        self.serve(name, headers, body)
    }

    fn serve(&mut self, name: &str, received: Headers, body: &Value) -> Option<(Headers, Value)> {
        let mut service = self.start(name, received);
        if service.has(Bug::Silent) {
            return None;
        }
        let mut payload = body["payload"].as_str().unwrap().to_owned();
        let shifted = body.get("downstream").is_some();
        let mut asked = if shifted {
            vec![second_form(body)]
        } else {
            first_form(body)
        };
        if service.has(Bug::SkipsCall) {
            asked.pop();
        }
        let early = service.strand.clock();
        let parallel =
            body["mode"] == "parallel" && !service.has(Bug::Serial) || service.has(Bug::Eager);
        let mut calls = Vec::new();
        if parallel {
            let outs: Vec<Out> = asked
                .into_iter()
                .map(|call| self.send(&mut service, call, self.tasks))
                .collect();
            let mut answered: Vec<Out> = outs.into_iter().map(|out| self.carry(out)).collect();
            answered.iter_mut().for_each(|out| service.join(out));
            calls.extend(answered);
        } else {
            for call in asked {
                let out = self.send(&mut service, call, false);
                let mut out = self.carry(out);
                service.join(&mut out);
                calls.push(out);
            }
        }
        if service.has(Bug::MixesUp) {
            payload = "of another request".to_owned();
        }
        let stamp = service.stamp();
        let answer = service.answer_clock(early);
        let headers = Headers {
            clock: answer,
            ..Headers::default()
        };
        if service.has(Bug::Unreportable) {
            return Some((headers, json!({"hello": "world"})));
        }
        let downstream = shifted.then(|| calls[0].answer.clone().map(|(_, body)| body));
        let report = json!({
            "service": service.name, "instance": format!("{}-1", service.name), "payload": payload,
            "trace_id": format!("{:032x}", service.trace_id),
            "span_id": format!("{:016x}", service.span_id),
            "parent_id": service.parent_id.map(|id| format!("{id:016x}")),
            "flags": format!("{:02x}", service.flags),
            "receivedHeaders": service.received.json(),
            "clock": (!service.has(Bug::NoClock)).then_some(stamp),
            "calls": calls.iter().map(|out| out.json(shifted)).collect::<Value>(),
            "downstream": downstream,
        });
        Some((headers, report))
    }

    fn start(&mut self, name: &str, received: Headers) -> Service {
        let faults = self.faults.get(name).cloned().unwrap_or_default();
        let bugs = self.bugs.get(name).cloned().unwrap_or_default();
        let shown = if faults.contains(&Fault::NewTrace) {
            None
        } else {
            received.traceparent.as_deref()
        };
        let context = shown.and_then(parse);
        let (trace_id, parent_id, flags) = match context {
            Some((trace, parent, flags)) => (trace, Some(parent), flags),
            None => (u128::from(self.id()) << 64 | u128::from(self.id()), None, 3),
        };
        let list = received
            .tracestate
            .iter()
            .filter(|_| context.is_some())
            .flat_map(|list| list.split(','));
        let (own, others): (Vec<&str>, Vec<&str>) =
            list.partition(|member| member.starts_with("towline="));
        let others = others.into_iter().map(str::to_owned).collect();
        let member = own
            .first()
            .map(|member| member["towline=".len()..].to_owned());
        let span_id = if bugs.contains(&Bug::OneSpanId) {
            77
        } else {
            self.id()
        };
        let component = Component::new(name, &format!("{name}-1"));
        let (nonce, trace) = (span_id as u32, trace_id as u32);
        let clock = received
            .clock
            .as_deref()
            .filter(|_| context.is_some() && !bugs.contains(&Bug::IgnoresClock));
        let clock = clock
            .and_then(|clock| Clock::read(clock.as_bytes(), Limits::DEFAULT, Some(trace)).ok());
        let strand = match (&clock, &member, &received.clock) {
            (Some(clock), ..) => Strand::start(clock, &component, nonce, false),
            (None, Some(member), None) => {
                match Clock::from_tracestate(member, trace, Limits::DEFAULT) {
                    Ok(clock) => Strand::start(&clock, &component, nonce, true),
                    Err(_) => Strand::first(&component, nonce, trace),
                }
            }
            _ => Strand::first(&component, nonce, trace),
        };
        Service {
            name: name.to_owned(),
            answers: clock.is_some() && !bugs.contains(&Bug::NoClock),
            faults,
            bugs,
            received,
            trace_id,
            span_id,
            parent_id,
            flags,
            others,
            strand,
        }
    }

    fn send(&mut self, service: &mut Service, (url, body): (String, Value), task: bool) -> Out {
        let span_id = if service.has(Bug::OneSpanId) {
            77
        } else {
            self.id()
        };
        let fork = service.strand.send(Fork::Attached).unwrap();
        let mut clock = service.strand.clock();
        let task = task.then(|| {
            let component = Component::new(&service.name, &format!("{}-1", service.name));
            let mut task = Strand::start(&clock, &component, self.id() as u32, false);
            task.send(Fork::Attached).unwrap();
            clock = task.clock();
            task
        });
        let sent = service.wire_headers(span_id, &clock);
        Out {
            url,
            span_id,
            sent,
            task,
            fork,
            body,
            answer: None,
        }
    }

    fn carry(&mut self, out: Out) -> Out {
        let answer = self.deliver(&out.url, out.sent.clone(), &out.body);
        Out { answer, ..out }
    }
}

impl Service {
    fn has(&self, bug: Bug) -> bool {
        self.bugs.contains(&bug)
    }

    /// What goes out with a call, faults and all.
    fn wire_headers(&self, span_id: u64, clock: &Clock) -> Headers {
        let faulty = |fault| self.faults.contains(&fault);
        let parent = match self.parent_id {
            Some(received) if faulty(Fault::WrongParent) => received,
            _ if self.has(Bug::OwnSpanAsParent) => self.span_id,
            _ => span_id,
        };
        let flags = if faulty(Fault::FlipSampled) {
            self.flags ^ 1
        } else {
            self.flags
        };
        let trace = if self.has(Bug::LosesContext) {
            self.trace_id ^ 0xffff
        } else {
            self.trace_id
        };
        let mut traceparent = format!("00-{trace:032x}-{parent:016x}-{flags:02x}");
        if self.has(Bug::Shouts) {
            traceparent = traceparent
                .replace("00-", "00-F")
                .chars()
                .take(55)
                .collect();
        }
        let mut others = self.others.clone();
        if self.has(Bug::ReversesTracestate) {
            others.reverse();
        }
        let member = if self.has(Bug::StaleMember) {
            Clock::parse(self.received.clock.as_deref().unwrap())
                .unwrap()
                .to_tracestate()
        } else {
            clock.to_tracestate()
        };
        let mut list: Vec<String> = member
            .iter()
            .map(|member| format!("towline={member}"))
            .collect();
        list.extend(others);
        let mut clock = Some(clock.as_str().to_owned());
        if faulty(Fault::StaleClock) {
            clock = self.received.clock.clone();
        }
        if self.has(Bug::RepeatsClock) {
            let mut first = Strand::start(
                &Clock::parse(self.received.clock.as_deref().unwrap()).unwrap(),
                &Component::new(&self.name, &format!("{}-1", self.name)),
                self.span_id as u32,
                false,
            );
            first.send(Fork::Attached).unwrap();
            clock = Some(first.clock().as_str().to_owned());
        }
        if self.has(Bug::ForeignClock) {
            clock = Some(format!(
                "v2;t={:08x}, other#o/00000001:1;x=\"1\"",
                self.trace_id as u32
            ));
        }
        if self.has(Bug::WritesV1) {
            clock = Some("v1;e30".to_owned());
        }
        if self.has(Bug::Gibberish) {
            clock = Some("v2;t=1c80319c, \x1b[31m".to_owned());
        }
        if self.has(Bug::NoClient) {
            return Headers::default();
        }
        Headers {
            traceparent: Some(traceparent).filter(|_| !faulty(Fault::DropTraceparent)),
            tracestate: Some(list.join(",")).filter(|_| !faulty(Fault::DropTracestate)),
            clock: clock.filter(|_| !faulty(Fault::DropClock) && !self.has(Bug::NoClock)),
        }
    }

    /// What the client middleware does with an answer.
    fn join(&mut self, out: &mut Out) {
        let Some((headers, _)) = &out.answer else {
            return;
        };
        if self.has(Bug::NeverJoins) {
            return;
        }
        let trace = Some(self.trace_id as u32);
        let clock = headers.clock.as_deref();
        let clock =
            clock.and_then(|clock| Clock::read(clock.as_bytes(), Limits::DEFAULT, trace).ok());
        let fork = if out.task.is_some() { 2 } else { out.fork };
        let strand = out.task.as_mut().unwrap_or(&mut self.strand);
        let joined =
            clock.is_some_and(|clock| strand.answer(fork, None, &clock).is_ok() && ended(&clock));
        if !joined {
            strand.lost(fork);
        }
        if let Some(task) = &mut out.task {
            task.end().unwrap();
            self.strand.answer(out.fork, None, &task.clock()).unwrap();
        }
    }

    fn answer_clock(&mut self, early: Clock) -> Option<String> {
        let before = self.strand.clock();
        self.strand.end().unwrap();
        let faulty = |fault| self.faults.contains(&fault);
        if !self.answers || faulty(Fault::DropClockAnswer) {
            return None;
        }
        if faulty(Fault::StaleClockAnswer) {
            return self.received.clock.clone();
        }
        let clock = if self.has(Bug::NeverEnds) {
            before
        } else if self.has(Bug::AnswersEarly) {
            early
        } else {
            return Some(self.stamp());
        };
        Some(clock.as_str().to_owned())
    }

    fn stamp(&self) -> String {
        let clock = self.strand.clock();
        if self.has(Bug::JoinsAll) {
            without_lost(&clock)
        } else {
            clock.as_str().to_owned()
        }
    }
}

impl Out {
    fn json(&self, shifted: bool) -> Value {
        let headers = self
            .answer
            .as_ref()
            .map(|(headers, _)| headers.clone())
            .unwrap_or_default();
        let body = self
            .answer
            .as_ref()
            .map(|(_, body)| body)
            .filter(|_| !shifted);
        json!({
            "url": self.url, "span_id": format!("{:016x}", self.span_id),
            "sentHeaders": self.sent.json(), "status": self.answer.as_ref().map(|_| 200),
            "answerHeaders": headers.json(), "answer": body,
            "error": self.answer.is_none().then_some("connection\r\nrefused"),
        })
    }
}

fn ended(clock: &Clock) -> bool {
    clock.hops().last().unwrap().known.ended
}

/// A clock as an implementation writes it that takes every answered call out of its list.
fn without_lost(clock: &Clock) -> String {
    let text = clock.as_str();
    text.split_once(";x=")
        .map_or(text, |(before, _)| before)
        .to_owned()
}

fn parse(traceparent: &str) -> Option<(u128, u64, u8)> {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let [_, trace, parent, flags] = parts.as_slice() else {
        return None;
    };
    if traceparent.len() != 55 || traceparent.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok()?;
    Some((
        trace,
        u64::from_str_radix(parent, 16).ok()?,
        u8::from_str_radix(flags, 16).ok()?,
    ))
}

fn first_form(body: &Value) -> Vec<(String, Value)> {
    let none = Vec::new();
    let calls = body["calls"].as_array().unwrap_or(&none);
    let own = |call: &Value| {
        let mut inner: Map<String, Value> = call.as_object().unwrap().clone();
        let url = inner.remove("url").unwrap().as_str().unwrap().to_owned();
        inner
            .entry("payload")
            .or_insert_with(|| body["payload"].clone());
        (url, Value::Object(inner))
    };
    calls.iter().map(own).collect()
}

fn second_form(body: &Value) -> (String, Value) {
    let mut inner = json!({"payload": body["payload"]});
    for (here, there) in [
        ("next_downstream", "downstream"),
        ("next_next_downstream", "next_downstream"),
    ] {
        if let Some(url) = body.get(here) {
            inner[there] = url.clone();
        }
    }
    (body["downstream"].as_str().unwrap().to_owned(), inner)
}
