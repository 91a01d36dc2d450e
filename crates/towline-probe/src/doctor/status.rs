//! What a service says of itself: `GET /.well-known/towline`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// The most reasons that one counter may have.
const REASONS_MAX: usize = 64;

/// A service's status (`spec/edge.md`, "Status").
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// The version of Towline.
    pub towline: String,
    /// `rust`, `typescript`, `python` or `go`.
    pub language: String,
    /// The service's name.
    pub service: String,
    /// Which instance of the service.
    pub instance: String,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// What it is set to.
    pub settings: StatusSettings,
    /// What it has counted since it started.
    pub counters: StatusCounters,
}

impl Status {
    /// Reads the body of an answer.
    ///
    /// # Errors
    ///
    /// When it is not a status; the reason is one line.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }
}

/// What a service is set to, as far as it matters between services.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StatusSettings {
    /// Is everything switched off?
    pub disabled: bool,
    /// `auto`, `v2`, `v1` or `off`.
    pub clock: String,
    /// Is the own tracestate member written?
    pub tracestate: bool,
    /// What is read and written beside the clock.
    #[serde(default)]
    pub propagators: Vec<String>,
    /// What was added to the allow-list of clocks.
    #[serde(default)]
    pub propagate_to: String,
    /// Where `traceparent` goes.
    #[serde(default = "everywhere")]
    pub traceparent_to: String,
    /// The longest clock, in bytes.
    #[serde(default)]
    pub header_bytes_max: u64,
}

fn everywhere() -> String {
    "*".to_owned()
}

/// How often something happened, by reason.
pub type Counts = BTreeMap<String, u64>;

/// What a service has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct StatusCounters {
    /// Requests that were read.
    pub received: u64,
    /// Those whose trace went on.
    pub continued: u64,
    /// Those where it began anew.
    #[serde(default, deserialize_with = "counts")]
    pub restarted: Counts,
    /// Strands that ended because the caller went.
    #[serde(default)]
    pub cancelled: u64,
    /// Clocks that came and were not used.
    #[serde(default, deserialize_with = "counts")]
    pub clock_dropped: Counts,
    /// Clocks that were sent shortened.
    #[serde(default)]
    pub clock_cut: u64,
    /// Calls with a clock.
    pub sent: u64,
    /// Calls without one that should have had one.
    #[serde(default, deserialize_with = "counts")]
    pub not_sent: Counts,
    /// Calls without a current context.
    #[serde(default)]
    pub no_context: u64,
    /// Calls whose answer was joined.
    #[serde(default)]
    pub joined: u64,
    /// Calls whose answer could not be.
    #[serde(default, deserialize_with = "counts")]
    pub lost: Counts,
}

fn counts<'de, D: Deserializer<'de>>(from: D) -> Result<Counts, D::Error> {
    let counts = Counts::deserialize(from)?;
    if counts.len() > REASONS_MAX {
        return Err(serde::de::Error::custom("a counter has too many reasons"));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of `spec/edge.md`, "Status".
    const EXAMPLE: &str = r#"{
      "towline": "0.1.0", "language": "python", "service": "stock", "instance": "s-1", "uptime_ms": 51423,
      "settings": {
        "disabled": false, "clock": "auto", "tracestate": true, "propagators": ["tracecontext", "baggage"],
        "propagate_to": "local", "traceparent_to": "*", "sampled": true, "trust": "continue",
        "trace_response": false, "deadlines": false, "hash_labels": false, "probe": "loopback",
        "header_bytes_max": 4096, "levels_max": 64, "forks_max": 65536
      },
      "counters": {
        "received": 9, "continued": 7, "restarted": {"absent": 2}, "cancelled": 0,
        "clock_dropped": {"malformed": 1}, "clock_cut": 0,
        "sent": 14, "not_sent": {"withheld": 3}, "no_context": 0, "joined": 13, "lost": {"absent": 1}
      }
    }"#;

    #[test]
    fn the_example_is_read() {
        let status = Status::read(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(status.settings.clock, "auto");
        assert_eq!(status.counters.restarted["absent"], 2);
        assert_eq!(status.counters.lost["absent"], 1);
    }

    #[test]
    fn what_is_no_status_is_refused_with_a_reason() {
        let without = EXAMPLE.replace("\"received\": 9,", "");
        for (body, reason) in [
            (without.as_str(), "missing field `received`"),
            ("<h1>hello</h1>", "expected value"),
            (
                &EXAMPLE.replace("\"absent\": 2", "\"absent\": -2"),
                "invalid value",
            ),
        ] {
            let error = Status::read(body.as_bytes()).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn a_stranger_cannot_count_without_end() {
        let many: Vec<String> = (0..100).map(|n| format!("\"r{n}\": 1")).collect();
        let body = EXAMPLE.replace("\"absent\": 2", &many.join(","));
        let error = Status::read(body.as_bytes()).unwrap_err();
        assert!(
            error.starts_with("a counter has too many reasons"),
            "{error}"
        );
    }
}
