//! Strand clocks: those that come, those that go on, and those that come back.

use towline_core::{Clock, Component, Fork, Hop, Order, SpanId, Strand, TraceId};

use super::answers::Answering;
use super::case::Case;
use super::check::{Parent, Said, continued, is_first, is_unclocked, last, said};
use super::exchange::Exchange;
use super::rule::Rule;

/// A caller with a strand, whose call has just left.
#[derive(Clone)]
struct Caller {
    parent: Parent,
    /// The name of the call.
    fork: u32,
    clock: Clock,
}

impl Caller {
    fn new() -> Self {
        Self::after(|_| {}, "kit")
    }

    /// With something done before the call.
    fn after(work: impl FnOnce(&mut Strand), service: &str) -> Self {
        let parent = Parent {
            trace_id: TraceId::random(),
            parent_id: SpanId::random(),
            flags: 3,
        };
        let nonce = SpanId::random().low32();
        let component = Component::new(service, "kit");
        let mut strand = Strand::first(&component, nonce, parent.trace_id.low32());
        work(&mut strand);
        // A strand that has not ended can always send.
        let fork = strand.send(Fork::Attached).unwrap_or_default();
        Self {
            parent,
            fork,
            clock: strand.clock(),
        }
    }

    fn traceparent(&self) -> String {
        let Parent {
            trace_id,
            parent_id,
            flags,
        } = self.parent;
        format!("00-{trace_id}-{parent_id}-{flags:02x}")
    }

    fn fields(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = ("traceparent".to_owned(), self.traceparent());
        let more = more
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        std::iter::once(own).chain(more).collect()
    }

    fn with_clock(&self) -> Vec<(String, String)> {
        self.fields(&[("raceway-clock", self.clock.as_str())])
    }

    /// That the clock is one of the strand that this call started; gives the strand.
    fn started(&self, clock: &Clock) -> Result<Hop, String> {
        let (way, own) = (clock.hops(), self.clock.hops());
        if clock.trace() != self.clock.trace() || way.len() != own.len() + 1 {
            return Err(format!(
                "the strand does not start from the clock that came: {clock}"
            ));
        }
        let same = way.iter().zip(&own).all(|(a, b)| {
            (a.to_string(), a.nonce, a.detached) == (b.to_string(), b.nonce, b.detached)
        });
        let strand = last(clock)?;
        if !same || strand.fork != self.fork || strand.detached || strand.gap {
            return Err(format!(
                "the strand is not the one that the call started: {clock}"
            ));
        }
        if self.clock.compare(clock) != Order::Before {
            return Err(format!(
                "the clock that came is not before this one: {clock}"
            ));
        }
        Ok(strand)
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = vec![
        deep(),
        labels(),
        open_forks(),
        untraced(),
        beside_member(),
        without_calls(),
        unasked(),
    ];
    all.extend([plain(Rule::ClockContinued), plain(Rule::ClockAnswered)]);
    all.extend([member(), broken_member(), member_of_clock()]);
    all.extend(
        refused()
            .into_iter()
            .flat_map(|(name, make)| dropped(name, make)),
    );
    all.extend(joined());
    all.extend(lost());
    all.push(open());
    all.push(answered_after_calls());
    all
}

fn plain(rule: Rule) -> Case {
    let caller = Caller::new();
    let fields = caller.with_clock();
    Case::new(rule, "a plain clock", fields, move |exchange| {
        goes_on(&caller, exchange)
    })
}

/// The call carries the clock on, and the answer brings it back, ended.
fn goes_on(caller: &Caller, exchange: &Exchange) -> Result<(), String> {
    let call = exchange.call(0)?;
    continued(call, caller.parent)?;
    let sent = call.clock()?;
    let strand = caller.started(&sent)?;
    if said(&strand, strand.known.tick) != Said::Open {
        return Err(format!(
            "the call is not in flight in its own clock: {sent}"
        ));
    }
    let end = answered(caller, exchange)?;
    if last(&end)?.nonce != strand.nonce {
        return Err(format!(
            "the answer is of another strand than the call: {end}"
        ));
    }
    match sent.compare(&end) {
        Order::Before => Ok(()),
        order => Err(format!("the call is {order} the end: {end}")),
    }
}

/// The one clock of the answer: the end of the strand that the request started.
fn answered(caller: &Caller, exchange: &Exchange) -> Result<Clock, String> {
    let header = exchange
        .answer
        .one("raceway-clock")
        .map_err(|error| format!("in the answer: {error}"))?;
    let end = Clock::parse(header).map_err(|error| format!("in the answer: {error}: {header}"))?;
    caller.started(&end)?;
    if end.has_ended() {
        return Ok(end);
    }
    Err(format!("the answer's clock has not ended: {end}"))
}

fn deep() -> Case {
    let mut caller = Caller::new();
    for n in 0..20 {
        let component = Component::new("way", &format!("w{n}"));
        let nonce = SpanId::random().low32();
        let mut strand = Strand::start(&caller.clock, &component, nonce, false);
        caller.fork = strand.send(Fork::Attached).unwrap_or_default();
        caller.clock = strand.clock();
    }
    let fields = caller.with_clock();
    Case::new(
        Rule::ClockContinued,
        "behind 21 services",
        fields,
        move |exchange| goes_on(&caller, exchange),
    )
}

fn labels() -> Case {
    let caller = Caller::after(|_| {}, "bücher, kasse;1 = \"é\" 100%");
    let fields = caller.with_clock();
    Case::new(
        Rule::ClockContinued,
        "a label of every kind",
        fields,
        move |exchange| goes_on(&caller, exchange),
    )
}

fn open_forks() -> Case {
    let caller = Caller::after(
        |strand| {
            for _ in 0..5 {
                let _ = strand.send(Fork::Attached);
                let _ = strand.send(Fork::Detached);
            }
        },
        "kit",
    );
    let fields = caller.with_clock();
    let case = Case::new(
        Rule::ClockContinued,
        "beside calls in flight",
        fields,
        move |exchange| {
            goes_on(&caller, exchange)?;
            let ours = exchange.call(0)?.clock()?.hops().into_iter().next();
            let ranges = ours.map_or(0, |hop| hop.known.forks.in_flight().count());
            match ranges {
                5 => Ok(()),
                n => Err(format!("of 5 calls in flight beside this one {n} went on")),
            }
        },
    );
    case.answered(&[Answering::Ended])
}

/// A clock cannot be read without a trace.
fn untraced() -> Case {
    let caller = Caller::new();
    let fields = vec![("raceway-clock".to_owned(), caller.clock.as_str().to_owned())];
    Case::new(
        Rule::ClockDropped,
        "without traceparent",
        fields,
        move |exchange| {
            is_first(exchange.call(0)?)?;
            is_unclocked(exchange)
        },
    )
}

/// A clock that was refused starts a first strand, also where a member came beside it.
fn beside_member() -> Case {
    let caller = Caller::new();
    let member = format!(
        "towline={},foo=1",
        caller.clock.to_tracestate().unwrap_or_default()
    );
    let fields = caller.fields(&[("raceway-clock", "v2;t=hello"), ("tracestate", &member)]);
    Case::new(
        Rule::ClockDropped,
        "beside a good member",
        fields,
        move |exchange| {
            let call = exchange.call(0)?;
            continued(call, caller.parent)?;
            is_first(call)?;
            match call.members().1.join(",").as_str() {
                "foo=1" => Ok(()),
                other => Err(format!("tracestate is `{other}` and not `foo=1`")),
            }
        },
    )
}

type Refused = fn(&Caller) -> Vec<String>;

/// Clocks that nobody may use.
fn refused() -> Vec<(&'static str, Refused)> {
    vec![
        ("two fields", |caller| {
            vec![caller.clock.to_string(), caller.clock.to_string()]
        }),
        ("of another trace", |caller| {
            vec![caller.clock.as_str().replacen(
                &format!("{:08x}", caller.clock.trace()),
                "00000001",
                1,
            )]
        }),
        ("of a version to come", |caller| {
            vec![caller.clock.as_str().replacen("v2;", "v3;", 1)]
        }),
        ("empty", |_| vec![String::new()]),
        ("without a strand", |caller| {
            vec![format!("v2;t={:08x}", caller.clock.trace())]
        }),
        ("with bytes behind it", |caller| {
            vec![format!("{}!", caller.clock)]
        }),
        ("with a comma behind it", |caller| {
            vec![format!("{},", caller.clock)]
        }),
        ("upper-case", |caller| {
            vec![caller.clock.as_str().replacen("kit#kit/", "kit#kit/A", 1)]
        }),
        ("tick 0", |caller| vec![strand(caller, ":0")]),
        ("a tick above 2147483647", |caller| {
            vec![strand(caller, ":2147483648")]
        }),
        ("a fork that is not yet", |caller| {
            vec![strand(caller, ":2;x=\"3\"")]
        }),
        ("forks that do not ascend", |caller| {
            vec![strand(caller, ":9;x=\"5 4\"")]
        }),
        ("65,537 forks in a range", |caller| {
            vec![strand(caller, ":70000;x=\"2-65538\"")]
        }),
        ("a bomb of ranges", |caller| {
            vec![strand(caller, ":2147483647;x=\"1-2147483646\"")]
        }),
        ("65 levels", |caller| {
            let nested = format!("{}1.1{}", "1.2(".repeat(64), ")".repeat(64));
            vec![strand(caller, &format!(":2;x=\"{nested}\""))]
        }),
        ("65 hops", |caller| {
            let hops = vec![format!("a#b/{:08x}:2", 7); 65].join(", ");
            vec![format!("v2;t={:08x}, {hops}", caller.clock.trace())]
        }),
        ("4,097 bytes", |caller| {
            let clock = caller.clock.as_str();
            let label = "k".repeat(4097 - clock.len());
            vec![clock.replacen("kit#", &format!("{label}kit#"), 1)]
        }),
        ("an unknown parameter", |caller| {
            vec![strand(caller, ":2;y=1")]
        }),
        ("an open quote", |caller| vec![strand(caller, ":2;x=\"2")]),
    ]
}

/// A clock with one strand, of which this is said.
fn strand(caller: &Caller, what: &str) -> String {
    format!("v2;t={:08x}, kit#kit/00000007{what}", caller.clock.trace())
}

fn dropped(name: &'static str, make: Refused) -> [Case; 2] {
    [Rule::ClockDropped, Rule::ClockNotAnswered].map(|rule| {
        let caller = Caller::new();
        let clocks = make(&caller);
        let more: Vec<(&str, &str)> = clocks
            .iter()
            .map(|clock| ("raceway-clock", clock.as_str()))
            .collect();
        let fields = caller.fields(&more);
        Case::new(rule, name, fields, move |exchange| {
            if rule == Rule::ClockNotAnswered {
                return is_unclocked(exchange);
            }
            let call = exchange.call(0)?;
            continued(call, caller.parent)?;
            is_first(call)
        })
    })
}

fn without_calls() -> Case {
    let caller = Caller::new();
    let fields = caller.with_clock();
    let case = Case::new(
        Rule::ClockAnswered,
        "without a call",
        fields,
        move |exchange| answered(&caller, exchange).map(drop),
    );
    case.answered(&[])
}

fn answered_after_calls() -> Case {
    let caller = Caller::new();
    let fields = caller.with_clock();
    let case = Case::new(
        Rule::ClockAnswered,
        "after calls that were joined, lost and left open",
        fields,
        move |exchange| {
            let end = last(&answered(&caller, exchange)?)?;
            let expected = [Said::Joined, Said::Lost, Said::Open];
            for (number, expected) in expected.into_iter().enumerate() {
                let fork = last(&exchange.call(number)?.clock()?)?.known.tick;
                let found = said(&end, fork);
                if found != expected {
                    return Err(format!(
                        "call {} is {found:?} in the answer, and not {expected:?}",
                        number + 1
                    ));
                }
            }
            Ok(())
        },
    );
    case.answered(&[Answering::Ended, Answering::Nothing, Answering::Close])
}

fn unasked() -> Case {
    let caller = Caller::new();
    let fields = caller.fields(&[]);
    Case::new(
        Rule::ClockNotAnswered,
        "no clock came",
        fields,
        move |exchange| {
            is_first(exchange.call(0)?)?;
            is_unclocked(exchange)
        },
    )
}

fn member() -> Case {
    let caller = Caller::new();
    let member = format!(
        "foo=1,towline={}",
        caller.clock.to_tracestate().unwrap_or_default()
    );
    let fields = caller.fields(&[("tracestate", &member)]);
    Case::new(
        Rule::ClockMember,
        "a good member",
        fields,
        move |exchange| {
            let call = exchange.call(0)?;
            continued(call, caller.parent)?;
            let clock = call.clock()?;
            let (way, own) = (clock.hops(), caller.clock.hops());
            let strand = last(&clock)?;
            let starts = way.first().map(|hop| hop.nonce) == own.first().map(|hop| hop.nonce);
            if way.len() != 2 || !starts || strand.fork != caller.fork {
                return Err(format!(
                    "the strand does not start from the member: {clock}"
                ));
            }
            if !strand.gap {
                return Err(format!(
                    "the gap before the strand is not marked (;g): {clock}"
                ));
            }
            is_unclocked(exchange)
        },
    )
}

fn broken_member() -> Case {
    let caller = Caller::new();
    let fields = caller.fields(&[("tracestate", "towline=hello,foo=1")]);
    Case::new(
        Rule::ClockMember,
        "a broken member",
        fields,
        move |exchange| {
            let call = exchange.call(0)?;
            continued(call, caller.parent)?;
            is_first(call)?;
            match call.members().1.join(",").as_str() {
                "foo=1" => Ok(()),
                other => Err(format!("tracestate is `{other}` and not `foo=1`")),
            }
        },
    )
}

fn member_of_clock() -> Case {
    let caller = Caller::new();
    let fields = caller.with_clock();
    let case = Case::new(Rule::MemberOfClock, "two calls", fields, |exchange| {
        for call in &exchange.calls {
            let clock = call.clock()?;
            let (own, expected) = (call.members().0, clock.to_tracestate());
            if own.is_some() && own != expected {
                return Err(format!(
                    "the member is `{}`, and the clock beside it `{}`",
                    own.unwrap_or_default(),
                    expected.unwrap_or_default()
                ));
            }
            if own.is_none() {
                return Err("there is no member beside the clock".to_owned());
            }
        }
        Ok(())
    });
    case.answered(&[Answering::Ended; 2])
}

/// What is said of the first call in the clock of the second.
fn after(rule: Rule, name: &'static str, answering: Answering, expected: &'static [Said]) -> Case {
    let caller = Caller::new();
    let fields = caller.with_clock();
    let case = Case::new(rule, name, fields, move |exchange| {
        let (first, second) = (exchange.call(0)?.clock()?, exchange.call(1)?.clock()?);
        let (strand, fork) = (caller.started(&second)?, last(&first)?.known.tick);
        if first.compare(&second) != Order::Before {
            return Err(format!("the first call is not before the second: {second}"));
        }
        let found = said(&strand, fork);
        if expected.contains(&found) {
            return Ok(());
        }
        Err(format!(
            "the first call is {found:?} in the second's clock, and not {expected:?}: {second}"
        ))
    });
    case.answered(&[answering, Answering::Ended])
}

fn joined() -> Vec<Case> {
    [
        ("the callee's end", Answering::Ended),
        ("the callee's end, and status 500", Answering::Failed(500)),
    ]
    .map(|(name, answering)| after(Rule::AnswerJoined, name, answering, &[Said::Joined]))
    .into()
}

fn lost() -> Vec<Case> {
    [
        ("no clock", Answering::Nothing),
        ("the callee's end, twice", Answering::Twice),
        ("no end, and no trailer", Answering::NotEnded),
        ("bytes that are no clock", Answering::Malformed),
        ("a version to come", Answering::Version),
        ("the clock that was sent", Answering::Echo),
        ("a strand of another trace", Answering::OtherTrace),
        ("another strand of this trace", Answering::OtherStrand),
    ]
    .map(|(name, answering)| after(Rule::AnswerLost, name, answering, &[Said::Lost]))
    .into()
}

fn open() -> Case {
    after(
        Rule::AnswerOpen,
        "the connection is closed",
        Answering::Close,
        &[Said::Open],
    )
}
