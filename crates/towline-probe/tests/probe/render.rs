//! The table and the document, to the letter.

use std::time::Duration;

use serde_json::json;
use towline_probe::{Charset, Load, Outcome};

use crate::healthy::linear;
use crate::simulation::{Fault, World};

#[test]
fn a_good_chain_is_a_table() {
    let report = World::default()
        .probe(&linear())
        .took(Duration::from_micros(7_940));
    let text = report.text(Charset::Unicode);
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(
        first,
        format!(
            "trace {} · one request · 4 hops · 7.9 ms",
            report.trace_id()
        )
    );
    assert_eq!(
        rest,
        "\
hop  service                  traceparent  parent  flags  tracestate  answer  clock
 0   towline#probe            sent         –       03     sent        –       towline:3
 1   typescript#typescript-1  same         ok      03     kept        joined  typescript:3
 2   python#python-1          same         ok      03     kept        joined  typescript:2 python:3
 3   go#go-1                  same         ok      03     kept        joined  typescript:2 python:2 go:3
 4   rust#rust-1              same         ok      03     kept        joined  typescript:2 python:2 go:2 rust:1
components  [typescript#typescript-1, python#python-1, go#go-1, rust#rust-1] in the clock of hop 4
order       1 → 2 → 3 → 4: the clocks prove it for 10 of 10 pairs of hops
ok: 4 of 4 hops kept the context
"
    );
}

#[test]
fn a_fault_is_named_with_its_cause_and_its_cure() {
    let report = World::with("go", Fault::DropTraceparent).probe(&linear());
    let text = report.text(Charset::Unicode);
    let from = text.find("4   rust#rust-1 ").unwrap();
    assert_eq!(
        &text[from..],
        "\
4   rust#rust-1              NOT SENT     –       03     dropped     lost    new rust:1
components  [rust#rust-1] in the clock of hop 4
order       1 → 2 → 3 → 4: the clocks prove it for 6 of 10 pairs of hops
LOST between 3 and 4: go#go-1 called rust:1 without traceparent                   TW-P003
  why   the client that made the call has no Towline middleware (it received the header, did not send it)
  fix   client.Transport = towline.Transport(client.Transport)
  then  the order of 4 pairs of hops is not proved
failed: 3 of 4 hops kept the context
"
    );
}

#[test]
fn the_table_can_be_ascii() {
    let text = World::with("go", Fault::StaleClock)
        .probe(&linear())
        .text(Charset::Ascii);
    assert!(
        text.is_ascii() && text.contains("1 -> 2 -> 3 -> 4"),
        "{text}"
    );
}

#[test]
fn the_document_says_the_same() {
    let report = World::with("python", Fault::WrongParent)
        .probe(&linear())
        .took(Duration::from_millis(2));
    let document = report.json();
    assert_eq!(document["schema"], "towline.probe/1");
    assert_eq!(document["total"], 5);
    assert_eq!(document["truncated"], false);
    assert_eq!(document["outcome"], "findings");
    assert_eq!(document["took_us"], 2_000);
    assert_eq!(
        document["order"],
        json!({"pair_count": 10, "proved_count": 10})
    );
    let third = &document["data"][3];
    assert_eq!(
        (&third["hop"], &third["caller"], &third["ok"]),
        (&json!(3), &json!(2), &json!(false))
    );
    assert_eq!(
        third["checks"]["parent"],
        json!({"state": "bad", "word": "NOT UPDATED"})
    );
    assert_eq!(
        third["checks"]["clock"],
        json!({"state": "ok", "word": "ok"})
    );
    let finding = &document["findings"][0];
    assert_eq!(finding["code"], "TW-P009");
    assert_eq!(
        (&finding["by_hop"], &finding["hops"]),
        (&json!(2), &json!([3]))
    );
    assert_eq!(document["data"][0]["url"], json!(null));
}

#[test]
fn a_load_counts_and_shows_the_first_that_failed() {
    let mut world = World::default();
    let mut load = Load::default();
    for n in 0..20 {
        if n == 7 {
            world
                .faults
                .insert("go".to_owned(), vec![Fault::FlipSampled]);
        }
        load.add(world.probe(&linear()).took(Duration::from_millis(n)));
        world.faults.clear();
    }
    let summary = load.finish(Duration::from_millis(100), 5);
    assert_eq!(summary.outcome(), Outcome::Findings);
    let text = summary.text(Charset::Unicode);
    assert!(text.contains("FLAGS CHANGED between 3 and 4"), "{text}");
    assert!(
        text.contains("20 requests, 5 at once, 80 hops answered, in 100.0 ms"),
        "{text}"
    );
    assert!(
        text.contains("20 trace ids and 180 span ids, all distinct"),
        "{text}"
    );
    assert!(
        text.ends_with("failed: 19 of 20 requests kept the context\n"),
        "{text}"
    );
    assert_eq!(summary.json()["total"], 1);
}

#[test]
fn a_load_sees_ids_that_come_twice() {
    let mut load = Load::default();
    load.add(World::default().probe(&linear()));
    load.add(World::default().probe(&linear()));
    let summary = load.finish(Duration::ZERO, 1);
    assert_eq!(summary.outcome(), Outcome::Findings);
    assert_eq!(summary.json()["repeated_id_count"], 10);
}
