//! Every case of `spec/vectors/clock-{codec,order,scripts,cut,tracestate}.json`.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test panics where it fails"
)]

mod vectors;

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use towline_core::{Clock, Component, Fork, Forks, Known, Limits, Strand, StrandError};
use vectors::{array, load, number, text};

fn clock(header: &Value) -> Clock {
    let header = text(header);
    Clock::parse(header).unwrap_or_else(|error| panic!("{error}: {header}"))
}

/// A clock as the vectors show it: the forks of the way nested in it.
fn tree(clock: &Clock) -> Value {
    let hops = clock.hops();
    let shown: Vec<Value> = hops
        .iter()
        .map(|hop| {
            json!({
                "service": hop.service, "instance": hop.instance, "nonce": format!("{:08x}", hop.nonce),
                "fork": hop.fork, "detached": hop.detached, "gap": hop.gap,
            })
        })
        .collect();
    let mut below: Option<(u32, bool, Value)> = None;
    for hop in hops.iter().rev() {
        let mut shown = node(&hop.known);
        if let Some((fork, detached, inner)) = below {
            let side = if detached { "seen" } else { "open" };
            let fields = shown.as_object_mut().unwrap();
            let forks = fields
                .entry(side)
                .or_insert(json!({}))
                .as_object_mut()
                .unwrap();
            assert!(
                forks.insert(fork.to_string(), inner).is_none(),
                "fork {fork} is listed twice"
            );
        }
        below = Some((hop.fork, hop.detached, shown));
    }
    json!({ "trace": format!("{:08x}", clock.trace()), "hops": shown, "root": below.unwrap().2 })
}

fn node(known: &Known) -> Value {
    let mut out = Map::new();
    out.insert("tick".into(), known.tick.into());
    for (set, name) in [(known.ended, "ended"), (known.lossy, "lossy")] {
        if set {
            out.insert(name.into(), true.into());
        }
    }
    let (open, seen) = sides(&known.forks);
    for (forks, name) in [(open, "open"), (seen, "seen")] {
        if !forks.is_empty() {
            out.insert(name.into(), forks.into());
        }
    }
    out.into()
}

fn sides(forks: &Forks) -> (Map<String, Value>, Map<String, Value>) {
    let mut open: Map<String, Value> = forks
        .open()
        .map(|(tick, known)| (tick.to_string(), node(known)))
        .collect();
    for range in forks.in_flight() {
        let bare = if range.lossy {
            json!({ "tick": 0, "lossy": true })
        } else {
            json!({ "tick": 0 })
        };
        open.extend((range.first..=range.last).map(|tick| (tick.to_string(), bare.clone())));
    }
    let seen = forks
        .seen()
        .map(|(tick, known)| (tick.to_string(), node(known)))
        .collect();
    (open, seen)
}

#[test]
fn codec() {
    let file = load("clock-codec");
    let limits = json!({
        "max_header": Limits::DEFAULT.header_bytes_max, "max_depth": Limits::DEFAULT.levels_max,
        "max_tick": i32::MAX, "max_forks": Limits::DEFAULT.forks_max,
    });
    assert_eq!(file["limits"], limits);
    for case in array(&file["valid"]) {
        let clock = clock(&case["header"]);
        assert_eq!(clock.as_str(), text(&case["header"]));
        assert_eq!(tree(&clock), case["clock"], "{clock}");
        // What is built from the parts is the same text again.
        assert_eq!(clock.merge(&clock).as_str(), clock.as_str());
    }
    assert_eq!(clock(&file["deepest"]).as_str(), text(&file["deepest"]));
    assert_eq!(clock(&file["deepest"]).hops().len(), 64);
    for case in array(&file["invalid"]) {
        let header = text(&case["header"]);
        assert!(
            Clock::parse(header).is_err(),
            "read, though {}: {header:?}",
            case["reason"]
        );
    }
    for case in array(&file["lenient"]) {
        assert_eq!(clock(&case["header"]).as_str(), text(&case["canonical"]));
    }
}

#[test]
fn order_and_merge() {
    let file = load("clock-order");
    for case in array(&file["order"]) {
        let (a, b) = (clock(&case["a"]), clock(&case["b"]));
        assert_eq!(a.compare(&b).as_str(), text(&case["order"]), "{a}\n{b}");
        let turned = match text(&case["order"]) {
            "before" => "after",
            "after" => "before",
            other => other,
        };
        assert_eq!(b.compare(&a).as_str(), turned, "{b}\n{a}");
    }
    for case in array(&file["merge"]) {
        let (a, b) = (clock(&case["a"]), clock(&case["b"]));
        assert_eq!(a.merge(&b).as_str(), text(&case["merged"]), "{a}\n{b}");
    }
}

/// The strands and stamps of one script.
#[derive(Default)]
struct Script {
    strands: HashMap<String, Strand>,
    stamps: HashMap<String, Clock>,
}

impl Script {
    fn step(&mut self, step: &Value) {
        let op = text(&step["op"]);
        if op == "given" {
            self.stamps
                .insert(text(&step["as"]).to_owned(), clock(&step["clock"]));
            return;
        }
        let name = text(&step["strand"]);
        let from = step.get("from").map(|from| self.stamps[text(from)].clone());
        if op == "start" {
            let component = Component::new(text(&step["service"]), text(&step["instance"]));
            let nonce = u32::from_str_radix(text(&step["nonce"]), 16).unwrap();
            let trace = clock(&step["clock"]).trace();
            let strand = match from {
                Some(sender) => Strand::start(&sender, &component, nonce, false),
                None => Strand::first(&component, nonce, trace),
            };
            self.strands.insert(name.to_owned(), strand);
        } else {
            let strand = self.strands.get_mut(name).unwrap();
            match op {
                "event" => assert_eq!(strand.event().unwrap(), strand.tick()),
                "send" => {
                    let detached = step.get("detached").is_some_and(|d| d.as_bool().unwrap());
                    strand
                        .send(if detached {
                            Fork::Detached
                        } else {
                            Fork::Attached
                        })
                        .unwrap();
                }
                "receive" => strand.receive(&from.unwrap()).unwrap(),
                "lost" => strand.lost(number(&step["tick"])),
                "end" => assert_eq!(strand.end().unwrap(), strand.tick()),
                other => panic!("unknown step {other}"),
            }
        }
        let stamp = self.strands[name].clock();
        assert_eq!(stamp.as_str(), text(&step["clock"]), "after {step}");
        assert_eq!(stamp, clock(&step["clock"]));
        if let Some(as_) = step.get("as") {
            self.stamps.insert(text(as_).to_owned(), stamp);
        }
    }
}

#[test]
fn scripts() {
    let file = load("clock-scripts");
    for (name, steps) in file["scripts"].as_object().unwrap() {
        println!("{name}");
        let mut script = Script::default();
        array(steps).for_each(|step| script.step(step));
    }
}

/// The first strand whose last stamp a header is.
fn strand_of(header: &str) -> Strand {
    let stamp = Clock::parse(header).unwrap();
    let [hop] = &stamp.hops()[..] else {
        panic!("the refusing strands are first strands")
    };
    let mut strand = Strand::first(
        &Component::new(&hop.service, &hop.instance),
        hop.nonce,
        stamp.trace(),
    );
    while strand.tick() < hop.known.tick {
        let next = strand.tick() + 1;
        if hop
            .known
            .forks
            .in_flight()
            .any(|range| range.first <= next && next <= range.last)
        {
            strand.send(Fork::Attached).unwrap();
        } else if hop.known.ended && next == hop.known.tick {
            strand.end().unwrap();
        } else {
            strand.event().unwrap();
        }
    }
    assert_eq!(strand.clock().as_str(), header);
    strand
}

#[test]
fn refused() {
    let file = load("clock-scripts");
    for case in array(&file["refused"]) {
        let mut strand = strand_of(text(&case["strand"]));
        let before = strand.clock();
        let error = strand
            .receive(&clock(&case["clock"]))
            .expect_err(text(&case["reason"]));
        let expected = match text(&case["reason"]) {
            "the strand has ended" => StrandError::Ended,
            "not of this trace's first strand" => StrandError::NotOfThisTrace,
            _ => StrandError::FromTheFuture,
        };
        assert_eq!(error, expected);
        assert_eq!(strand.clock(), before);
    }
}

#[test]
fn cut() {
    // Some of these begin with clocks that are over a receiver's limits.
    let unbounded = Limits {
        header_bytes_max: usize::MAX,
        levels_max: usize::MAX,
        forks_max: u32::MAX,
    };
    for case in array(&load("clock-cut")["cut"]) {
        let budget = number(&case["budget"]) as usize;
        let whole = Clock::read(text(&case["header"]).as_bytes(), unbounded, None).unwrap();
        let cut = whole.cut(budget).ok();
        assert_eq!(
            cut.as_ref().map(Clock::as_str),
            case["cut"].as_str(),
            "{whole} to {budget}"
        );
    }
}

#[test]
fn tracestate() {
    let file = load("clock-tracestate");
    for case in array(&file["members"]) {
        let whole = clock(&case["header"]);
        let member = whole.to_tracestate();
        assert_eq!(member.as_deref(), case["member"].as_str());
        if let Some(member) = member {
            let read = Clock::from_tracestate(&member, whole.trace(), Limits::DEFAULT).unwrap();
            assert!(read.hops().iter().all(|hop| hop.to_string() == "_#"));
            assert_eq!(read.to_tracestate().as_deref(), Some(member.as_str()));
            let known = |clock: &Clock| {
                clock
                    .hops()
                    .into_iter()
                    .map(|hop| hop.known)
                    .collect::<Vec<_>>()
            };
            assert_eq!(known(&read), known(&whole));
        }
    }
    for member in array(&file["invalid"]) {
        let member = text(member);
        assert!(
            Clock::from_tracestate(member, 0x1c80319c, Limits::DEFAULT).is_err(),
            "read: {member:?}"
        );
    }
    let gap = &file["gap"];
    let read = Clock::from_tracestate(
        text(&gap["member"]),
        clock(&gap["sender"]).trace(),
        Limits::DEFAULT,
    )
    .unwrap();
    assert_eq!(
        clock(&gap["sender"]).to_tracestate().as_deref(),
        gap["member"].as_str()
    );
    for name in ["first", "second"] {
        let hops = clock(&gap[name]).hops();
        let last = hops.last().unwrap();
        let strand = Strand::start(
            &read,
            &Component::new(&last.service, &last.instance),
            last.nonce,
            true,
        );
        assert_eq!(strand.clock().as_str(), text(&gap[name]));
    }
    for order in array(&gap["orders"]) {
        let [a, b, expected] = [0, 1, 2].map(|n| text(&order[n]));
        assert_eq!(
            clock(&gap[a]).compare(&clock(&gap[b])).as_str(),
            expected,
            "{a} to {b}"
        );
    }
}
