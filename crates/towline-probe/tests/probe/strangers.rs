//! What strangers send is read without a panic, and printed without a control character.

use proptest::prelude::*;
use towline_core::TraceFlags;
use towline_probe::{Checkup, Head, Ids, Status, Trail, TrailAnswer};

const RECORD: &str = r#"{"service": "a", "instance": "1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "77b0e19012345678", "parent_id": null, "flags": "03", "restarted": null, "clock": "first", "cut": true, "calls": [{"host": "b", "span_id": "77b0e19012345678", "status": 200, "answer": "joined", "hops": {"service": "c", "calls": []}}]}"#;
const LOCK: &str =
    "[[package]]\nname = \"opentelemetry\"\nversion = \"1\"\ndependencies = [\n \"a 1\",\n]\n";

/// A text with some bytes of it changed, or any text.
fn broken(text: &'static str) -> impl Strategy<Value = String> {
    let changes = prop::collection::vec((0..text.len(), any::<u8>()), 0..6);
    let changed = changes.prop_map(move |changes| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    prop_oneof![changed, any::<String>()]
}

proptest! {
    #[test]
    fn records(hops in prop::collection::vec(broken(RECORD), 0..3), clock in prop::option::of(any::<String>()), status in any::<u16>()) {
        let trail = Trail::new("http://a:1/", Ids::random(), TraceFlags::SAMPLED, "1");
        let report = trail.finish(&TrailAnswer { status, clock, hops });
        prop_assert!(!report.text(Default::default()).contains(|c: char| c.is_control() && c != '\n'));
        prop_assert!(report.kept_count() <= report.hop_count());
        prop_assert_eq!(report.json()["total"].as_u64(), Some(report.stops().len() as u64));
    }

    #[test]
    fn lock_files(text in broken(LOCK), name in any::<String>()) {
        let mut checkup = Checkup::default();
        if checkup.lock(&name, &text).is_ok() {
            prop_assert!(!checkup.text(Default::default()).contains(|c: char| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn statuses_and_heads(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Status::read(&bytes).is_err());
        let head = Head::read(&bytes);
        prop_assert!(head.fields.iter().all(|(name, _)| !name.contains(':')));
    }
}
