//! What an instance says of itself (spec/edge.md, "Status").

use std::time::Instant;

use serde_json::{Value, json};

use crate::{Settings, Towline};

/// Where the status is, unless the application mounts it elsewhere.
pub const STATUS_PATH: &str = "/.well-known/towline";

impl Towline {
    /// The status: settings and counters as JSON, without any secret.
    ///
    /// ```
    /// use towline_core::{Config, Towline};
    ///
    /// let status = Towline::new(Config::new().service_name("stock").probe("s3cret")).status();
    /// let status: serde_json::Value = serde_json::from_str(&status)?;
    /// assert_eq!(status["service"], "stock");
    /// assert_eq!(status["settings"]["probe"], "token");
    /// assert_eq!(status["counters"]["received"], 0);
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn status(&self) -> String {
        let settings = self.settings();
        let uptime = Instant::now().saturating_duration_since(self.made_at());
        json!({
            "towline": env!("CARGO_PKG_VERSION"),
            "language": "rust",
            "service": *settings.service_name,
            "instance": *settings.instance,
            "uptime_ms": u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
            "settings": decided(settings),
            "counters": self.counters().summary().to_json(),
        })
        .to_string()
    }
}

fn decided(settings: &Settings) -> Value {
    json!({
        "disabled": settings.disabled,
        "clock": settings.clock.as_str(),
        "tracestate": settings.tracestate,
        "propagators": settings.propagators.names(),
        "propagate_to": settings.propagate_to.to_string(),
        "traceparent_to": settings.traceparent_to.to_string(),
        "sampled": settings.sampled,
        "trust": if settings.asks_for_trust() { "function" } else { "continue" },
        "trace_response": settings.trace_response,
        "deadlines": settings.deadlines,
        "hash_labels": settings.hash_labels,
        "probe": settings.probe.as_str(),
        "header_bytes_max": settings.limits.header_bytes_max,
        "levels_max": settings.limits.levels_max,
        "forks_max": settings.limits.forks_max,
    })
}
