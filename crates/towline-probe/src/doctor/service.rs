//! What is off with one service.

use super::ailment::{Ailment, Diagnosis};
use super::reason;
use super::status::{Counts, Status, StatusCounters, StatusSettings};
use crate::show::show;

/// The propagators of `spec/edge.md`, "Beside other propagators".
const PROPAGATORS: [&str; 5] = ["tracecontext", "baggage", "b3", "b3multi", "towline"];

/// All that its status tells.
pub(super) fn of_service(subject: &str, status: &Status) -> Vec<Diagnosis> {
    let mut found = Found {
        subject,
        diagnoses: Vec::new(),
    };
    found.settings(&status.settings);
    if status.service.is_empty() || status.service == "unknown_service" {
        found.add(
            Ailment::Unnamed,
            "it has no name".to_owned(),
            "give it one: TOWLINE_SERVICE_NAME or OTEL_SERVICE_NAME",
        );
    }
    // What is switched off counts nothing.
    if !status.settings.disabled {
        found.requests(&status.counters);
        found.calls(&status.counters);
    }
    found.diagnoses
}

struct Found<'a> {
    subject: &'a str,
    diagnoses: Vec<Diagnosis>,
}

impl Found<'_> {
    fn add(&mut self, ailment: Ailment, what: String, fix: &str) {
        self.diagnoses.push(Diagnosis {
            ailment,
            subject: self.subject.to_owned(),
            what,
            fix: fix.to_owned(),
        });
    }

    fn settings(&mut self, settings: &StatusSettings) {
        if settings.disabled {
            self.add(
                Ailment::Disabled,
                "Towline is switched off".to_owned(),
                "unset TOWLINE_DISABLED, or leave the option `disabled` out",
            );
        }
        match settings.clock.as_str() {
            "off" => self.add(
                Ailment::ClockOff,
                "clocks are switched off".to_owned(),
                "TOWLINE_CLOCK=auto, or leave the option `clock` out",
            ),
            "v1" => self.add(
                Ailment::ClockV1,
                "every call carries a clock of v1".to_owned(),
                "TOWLINE_CLOCK=auto writes v2, and v1 only inside a request that came with v1",
            ),
            _ => {}
        }
        if !settings.tracestate {
            self.add(
                Ailment::TracestateOff,
                "the tracestate member is not written".to_owned(),
                "TOWLINE_TRACESTATE=on, or leave the option `tracestate` out",
            );
        }
        if settings.traceparent_to.trim() != "*" {
            let what = format!(
                "traceparent goes to {} alone",
                show(&settings.traceparent_to)
            );
            self.add(
                Ailment::TraceparentNarrowed,
                what,
                "TOWLINE_TRACEPARENT_TO=* unless strangers must not see trace ids",
            );
        }
        self.propagators(&settings.propagators);
    }

    fn propagators(&mut self, named: &[String]) {
        let unknown: Vec<String> = named
            .iter()
            .filter(|name| !PROPAGATORS.contains(&name.as_str()))
            .take(8)
            .map(|name| show(name))
            .collect();
        let what = if !unknown.is_empty() {
            format!("the propagators name {}", unknown.join(", "))
        } else if !named.is_empty() && !named.iter().any(|name| name == "tracecontext") {
            "the propagators leave tracecontext out".to_owned()
        } else {
            return;
        };
        self.add(
            Ailment::Propagators,
            what,
            "OTEL_PROPAGATORS=tracecontext,baggage, and b3 or b3multi where others need it",
        );
    }

    fn requests(&mut self, counters: &StatusCounters) {
        if counters.received == 0 {
            self.add(
                Ailment::NothingReceived,
                "it has read no request".to_owned(),
                "send it one; if this stays, put the server middleware outside all others",
            );
        }
        for (reason, count) in counted(&counters.restarted) {
            let of = format!("of {} requests", counters.received);
            if reason == "absent" {
                self.add(
                    Ailment::Began,
                    format!("{count} {of} came without traceparent"),
                    "if a service of yours calls it, give that one's client the middleware; `towline probe` through the chain names it",
                );
            } else {
                let what = format!(
                    "{count} {of} had a traceparent that was not used: {}",
                    show(reason)
                );
                self.add(Ailment::Restarted, what, reason::restarted(reason));
            }
        }
        for (reason, count) in counted(&counters.clock_dropped) {
            let what = format!(
                "{} came and {} not used: {}",
                some(count, "clock"),
                was(count),
                show(reason)
            );
            self.add(Ailment::ClockDropped, what, reason::clock_dropped(reason));
        }
        if counters.cancelled > 0 {
            let what = format!(
                "{} went away before the answer was complete",
                some(counters.cancelled, "caller")
            );
            self.add(
                Ailment::Cancelled,
                what,
                "compare the callers' timeouts with how long it takes; `deadlines` stops such work early",
            );
        }
    }

    fn calls(&mut self, counters: &StatusCounters) {
        let without: u64 = counters
            .not_sent
            .values()
            .fold(0, |sum, &count| sum.saturating_add(count));
        if counters.received > 0 && counters.sent == 0 && without == 0 && counters.no_context == 0 {
            self.add(
                Ailment::NothingSent,
                "it has made no call with a clock".to_owned(),
                "if it calls others, send those calls through the client middleware",
            );
        }
        if counters.no_context > 0 {
            let what = format!(
                "{} made where no context was current",
                calls_were(counters.no_context)
            );
            self.add(
                Ailment::NoContext,
                what,
                "carry the context over to what runs later or elsewhere: `fork`, `detach` or `bind`",
            );
        }
        for (reason, count) in counted(&counters.not_sent) {
            if reason == "withheld" {
                self.add(
                    Ailment::Withheld,
                    format!("{} made to hosts that may not have the clock", calls_were(count)),
                    "add your own hosts to `propagate_to` (TOWLINE_PROPAGATE_TO); the log names each host once",
                );
            } else {
                let what = format!(
                    "{} made without a clock: {}",
                    calls_were(count),
                    show(reason)
                );
                self.add(Ailment::NotSent, what, reason::not_sent(reason));
            }
        }
        if counters.clock_cut > 0 {
            let what = format!("{} sent shortened", clocks_were(counters.clock_cut));
            self.add(
                Ailment::Cut,
                what,
                "raise TOWLINE_HEADER_BYTES_MAX on both sides, or `fork` what runs at once",
            );
        }
        for (reason, count) in counted(&counters.lost) {
            if reason == "absent" {
                self.add(
                    Ailment::AnswersWithout,
                    format!("{} answered without a clock", calls_were(count)),
                    "give the callee Towline's server middleware, and let proxies pass raceway-clock back",
                );
            } else {
                let what = format!(
                    "{} answered with a clock that was not used: {}",
                    calls_were(count),
                    show(reason)
                );
                self.add(Ailment::Lost, what, reason::lost(reason));
            }
        }
    }
}

fn counted(counts: &Counts) -> impl Iterator<Item = (&str, u64)> {
    counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(reason, &count)| (reason.as_str(), count))
}

/// `1 caller`, `2 callers`.
fn some(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

const fn was(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

fn calls_were(count: u64) -> String {
    format!("{} {}", some(count, "call"), was(count))
}

fn clocks_were(count: u64) -> String {
    format!("{} {}", some(count, "clock"), was(count))
}
