//! `towline clock`: clocks for people.

use std::fmt::Write as _;

use serde_json::{Value, json};
use towline_core::{Clock, Forks, Hop, Known, Order, Range};
use towline_probe::show;

use crate::Exit;
use crate::args::ClockCommand;
use crate::failure::Failure;
use crate::out::Out;

pub(crate) fn run(command: &ClockCommand, out: &mut Out) -> Exit {
    match command {
        ClockCommand::Show { header, json } => {
            let clock = read(header)?;
            if *json {
                out.json(&document(&clock));
            } else {
                out.text(&tree(&clock));
            }
        }
        ClockCommand::Compare {
            first,
            second,
            json,
        } => {
            let order = read(first)?.compare(&read(second)?);
            if *json {
                out.json(&json!({"schema": "towline.clock-order/1", "order": order.as_str()}));
            } else {
                out.text(&format!("{order}\n"));
            }
            if order == Order::Unknown {
                out.note(
                    "note: of two traces or first strands, cut for size, or joined without a clock",
                );
            }
        }
    }
    Ok(0)
}

fn read(header: &str) -> Result<Clock, Failure> {
    let text = header.trim();
    let value = match text.split_once(':') {
        Some((name, value)) if name.eq_ignore_ascii_case("raceway-clock") => value,
        _ => text,
    };
    Clock::parse(value).map_err(|error| {
        let failure = Failure::bad_input("this is not a clock").because(error);
        failure.hint(r#"it looks like: v2;t=1c80319c, ts#1/a3f9c21b:2, py#1/77b0e190:4;x="4""#)
    })
}

/// A line for each strand on the way, and under it what is not known by default.
fn tree(clock: &Clock) -> String {
    let mut out = format!("trace …{:08x}\n", clock.trace());
    for (depth, hop) in clock.hops().iter().enumerate() {
        let indent = "   ".repeat(depth);
        let branch = if depth == 0 { "" } else { "└─ " };
        let margin = indent.get(3..).unwrap_or_default();
        let _ = writeln!(out, "{margin}{branch}{}", strand(hop, depth));
        forks(&mut out, &hop.known.forks, &format!("{indent}   "));
    }
    out
}

fn strand(hop: &Hop, depth: usize) -> String {
    let mut out = format!(
        "{}  strand {:08x}, tick {}",
        show(&hop.to_string()),
        hop.nonce,
        hop.known.tick
    );
    if depth > 0 {
        let _ = write!(out, ", forked at {}", hop.fork);
    }
    let flags = [
        (hop.detached, "detached: nobody waits for it"),
        (hop.gap, "reached through a service without clocks"),
        (hop.known.ended, "ended"),
        (hop.known.lossy, "cut: more may be known"),
    ];
    for (_, words) in flags.into_iter().filter(|(set, _)| *set) {
        let _ = write!(out, ", {words}");
    }
    out
}

fn forks(out: &mut String, forks: &Forks, indent: &str) {
    for range in forks.in_flight() {
        let Range { first, last, lossy } = range;
        let which = if first == last {
            format!("call {first}")
        } else {
            format!("calls {first} to {last}")
        };
        let words = if lossy {
            "cannot be told"
        } else {
            "in flight, nothing known"
        };
        let _ = writeln!(out, "{indent}{which}: {words}");
    }
    for (tick, inner) in forks.open() {
        let _ = writeln!(out, "{indent}call {tick}: {}", known(inner));
        self::forks(out, &inner.forks, &format!("{indent}   "));
    }
    for (tick, inner) in forks.seen() {
        let _ = writeln!(out, "{indent}detached {tick}: {}", known(inner));
        self::forks(out, &inner.forks, &format!("{indent}   "));
    }
}

fn known(known: &Known) -> String {
    let end = if known.ended { ", its last" } else { "" };
    let cut = if known.lossy {
        ", more may be known"
    } else {
        ""
    };
    format!("known to its tick {}{end}{cut}", known.tick)
}

/// `towline.clock/1`: `data` are the strands on the way.
fn document(clock: &Clock) -> Value {
    let hops = clock.hops();
    json!({
        "schema": "towline.clock/1",
        "total": hops.len(),
        "truncated": false,
        "trace": format!("{:08x}", clock.trace()),
        "header": clock.as_str(),
        "data": hops.iter().map(|hop| json!({
            "service": hop.service,
            "instance": hop.instance,
            "nonce": format!("{:08x}", hop.nonce),
            "fork": hop.fork,
            "detached": hop.detached,
            "gap": hop.gap,
            "known": known_json(&hop.known),
        })).collect::<Value>(),
    })
}

fn known_json(known: &Known) -> Value {
    let forks = |(tick, known): (u32, &Known)| json!({"fork": tick, "known": known_json(known)});
    let range =
        |range: Range| json!({"first": range.first, "last": range.last, "lossy": range.lossy});
    json!({
        "tick": known.tick,
        "ended": known.ended,
        "lossy": known.lossy,
        "in_flight": known.forks.in_flight().map(range).collect::<Value>(),
        "open": known.forks.open().map(forks).collect::<Value>(),
        "seen": known.forks.seen().map(forks).collect::<Value>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_shown_as_a_tree() {
        let header = r#"raceway-clock: v2;t=1c80319c, ts#ts-1/a3f9c21b:9;f=2;x="3 5-8~", py#py-1/77b0e190:4;d;g;l;x="2.3!(1) +3.1""#;
        let clock = read(header).unwrap();
        assert_eq!(
            tree(&clock),
            "\
trace …1c80319c
ts#ts-1  strand a3f9c21b, tick 9
   call 3: in flight, nothing known
   calls 5 to 8: cannot be told
└─ py#py-1  strand 77b0e190, tick 4, forked at 2, detached: nobody waits for it, reached through a service without clocks, cut: more may be known
      call 2: known to its tick 3, its last
         call 1: in flight, nothing known
      detached 3: known to its tick 1
"
        );
    }

    #[test]
    fn the_document_has_every_strand() {
        let document =
            document(&read(r#"v2;t=1c80319c, ts#1/a3f9c21b:2, py#1/77b0e190:4;x="4""#).unwrap());
        assert_eq!(document["total"], 2);
        assert_eq!(document["data"][1]["fork"], 2);
        assert_eq!(document["data"][1]["known"]["in_flight"][0]["first"], 4);
    }

    #[test]
    fn what_is_no_clock_is_bad_input() {
        let failure = read("v1;abc").unwrap_err();
        assert_eq!(failure.exit(), 5);
        assert!(
            failure
                .to_string()
                .contains("cause: clock does not begin with v2"),
            "{failure}"
        );
    }
}
