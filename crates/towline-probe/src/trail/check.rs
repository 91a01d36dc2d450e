//! Each call of a trail: what the caller sent against what the callee says it saw.

use towline_core::TraceId;

use super::record::Record;
use super::stop::{Answer, Call, Seen, Step, Stop};
use crate::Cause;
use crate::finding::{Findings, New, Place};
use crate::row::Cell;
use crate::show::show;

/// Checks all calls. `stops` begins with the prober.
pub(super) fn check(stops: &mut Vec<Stop>, steps: &[Step<'_>], findings: &mut Findings) {
    for (number, step) in steps.iter().enumerate() {
        let caller_number = step.caller.map_or(0, |caller| caller + 1);
        let Some(caller) = stops.get(caller_number) else {
            continue;
        };
        let mut edge = Edge {
            caller_number,
            callee_number: number + 1,
            caller_label: caller.label(),
            caller_service: caller.service.clone().unwrap_or_default(),
            is_caller_unclocked: matches!(caller.answer, Cell::Bad(_)),
            trace_id: caller.trace_id,
            flags: caller.flags,
            call: &step.call,
            stop: Stop {
                hop: number + 1,
                caller: Some(caller_number),
                host: step.call.host.clone(),
                status: step.call.status,
                ..Stop::default()
            },
            findings,
        };
        match &step.seen {
            Seen::Record(record) => edge.record(record),
            Seen::Strange(reason) => edge.strange(reason),
            Seen::Nothing => edge.nothing(),
        }
        let stop = edge.stop;
        stops.push(stop);
    }
}

/// One call.
struct Edge<'a> {
    caller_number: usize,
    callee_number: usize,
    caller_label: String,
    caller_service: String,
    /// Whether the caller's own answer brought no clock.
    is_caller_unclocked: bool,
    trace_id: Option<TraceId>,
    flags: Option<u8>,
    call: &'a Call,
    stop: Stop,
    findings: &'a mut Findings,
}

impl Edge<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.stop.service = Some(show(&record.service));
        self.stop.instance = Some(show(&record.instance));
        self.stop.trace_id = Some(record.trace_id);
        self.stop.span_id = Some(record.span_id);
        self.stop.parent_id = record.parent_id.as_deref().map(show);
        self.stop.flags = Some(record.flags);
        let is_continued = self.traceparent(record);
        if is_continued {
            self.parent(record);
            self.sampled(record);
        }
        let has_clock = self.clock(record, is_continued);
        self.answer(has_clock);
        if record.cut {
            let what = format!("{} leaves out what its callees saw", self.label());
            self.at(Cause::RecordCut, what);
        }
    }

    fn traceparent(&mut self, record: &Record<'_>) -> bool {
        let (label, caller) = (self.label(), self.caller_label.clone());
        let Some(reason) = record.restarted.as_deref() else {
            if self.trace_id == Some(record.trace_id) {
                self.stop.traceparent = Cell::Ok("same");
                return true;
            }
            self.stop.traceparent = Cell::Bad("OTHER TRACE");
            let what = format!(
                "{caller} sent the trace …{}, and {label} received that of …{}",
                self.trace_id.map(tail).unwrap_or_default(),
                tail(record.trace_id)
            );
            self.between(Cause::TraceparentAltered, what);
            return false;
        };
        let (word, cause, what) = match reason {
            "absent" => (
                "MISSING",
                Cause::TraceparentStripped,
                format!(
                    "{caller} sent traceparent to {}, and {label} received none",
                    self.call.host
                ),
            ),
            "duplicate" => (
                "DOUBLED",
                Cause::TraceparentDoubled,
                format!("{caller} sent one traceparent, and {label} received more than one"),
            ),
            "malformed" | "zero_id" | "b3_malformed" => (
                "MALFORMED",
                Cause::TraceparentAltered,
                format!(
                    "{caller} sent a good traceparent, and {label} received one that nobody may read ({reason})"
                ),
            ),
            _ => {
                self.stop.traceparent = Cell::Bad("NEW TRACE");
                let what = format!(
                    "{label} received traceparent and began a new trace ({})",
                    show(reason)
                );
                self.at(Cause::TraceRestarted, what);
                return false;
            }
        };
        self.stop.traceparent = Cell::Bad(word);
        self.between(cause, what);
        false
    }

    /// A callee that saw another parent than was sent has something between itself and its caller.
    fn parent(&mut self, record: &Record<'_>) {
        if record.parent_id.as_ref() == Some(&self.call.span_id) {
            self.stop.parent = Cell::Ok("ok");
            return;
        }
        self.stop.parent = Cell::Bad("OTHER");
        let what = format!(
            "{} sent the parent {}, and {} received {}: something between them has a span of its own",
            self.caller_label,
            self.call.span_id,
            self.label(),
            self.stop.parent_id.as_deref().unwrap_or("none"),
        );
        self.between(Cause::TraceparentAltered, what);
    }

    fn sampled(&mut self, record: &Record<'_>) {
        let Some(sent) = self.flags.filter(|&flags| flags != record.flags) else {
            self.stop.sampled = Cell::Ok("ok");
            return;
        };
        self.stop.sampled = Cell::Bad("CHANGED");
        let what = format!(
            "{} has the flags {sent:02x}, and {} received {:02x}",
            self.caller_label,
            self.label(),
            record.flags
        );
        self.between(Cause::FlagsChanged, what);
    }

    /// Whether the clock came.
    fn clock(&mut self, record: &Record<'_>, is_continued: bool) -> bool {
        let (label, caller) = (self.label(), self.caller_label.clone());
        let reason = record.clock.as_str();
        if reason == "continued" {
            self.stop.clock = Cell::Ok("continued");
            return true;
        }
        if !is_continued {
            self.stop.clock = Cell::Follows(match reason {
                "first" => "first",
                "member" => "member",
                _ => "dropped",
            });
            return false;
        }
        // Neither the header nor the member came, and nothing went back: there was none.
        if reason == "first" && self.is_caller_unclocked {
            self.stop.clock = Cell::Bad("NOT SENT");
            self.findings.add(New {
                cause: Cause::ClockOff,
                place: Place::At(self.caller_number),
                hop: Some(self.caller_number),
                what: format!("{caller} neither calls nor answers with a clock"),
                fix: Cause::ClockOff.fix(&self.caller_service),
            });
            return false;
        }
        let (word, cause, what) = match reason {
            "first" => (
                "MISSING",
                Cause::ClockStripped,
                format!(
                    "{caller} called {}, and {label} received no clock",
                    self.call.host
                ),
            ),
            "member" => (
                "STRIPPED",
                Cause::ClockStripped,
                format!(
                    "{caller} called {}, and {label} received the clock in tracestate alone",
                    self.call.host
                ),
            ),
            "duplicate" => (
                "DOUBLED",
                Cause::ClockDoubled,
                format!("{caller} sent one clock, and {label} received more than one"),
            ),
            "malformed" | "version" | "other_trace" => (
                "ALTERED",
                Cause::ClockAltered,
                format!("{caller} sent a clock, and {label} received another ({reason})"),
            ),
            _ => {
                self.stop.clock = Cell::Bad("DROPPED");
                let what = format!("{label} dropped the clock that came ({})", show(reason));
                self.at(Cause::ClockIgnored, what);
                return false;
            }
        };
        self.stop.clock = Cell::Bad(word);
        self.between(cause, what);
        false
    }

    fn answer(&mut self, has_clock: bool) {
        match (self.call.answer, has_clock) {
            (Answer::Joined, _) => self.stop.answer = Cell::Ok("joined"),
            // Without a clock in the request there is none in the answer.
            (Answer::Lost | Answer::None, false) => self.stop.answer = Cell::Follows("lost"),
            (Answer::None, true) => self.stop.answer = Cell::None,
            (Answer::Lost, true) => {
                self.stop.answer = Cell::Bad("LOST");
                let what = format!(
                    "{} was answered by {} without a clock that it can use",
                    self.caller_label,
                    self.label()
                );
                self.between(Cause::AnswerWithoutClock, what);
            }
        }
    }

    fn strange(&mut self, reason: &str) {
        let what = format!(
            "{} called {}, whose hop record cannot be read: {reason}",
            self.caller_label, self.call.host
        );
        self.between(Cause::RecordMalformed, what);
    }

    fn nothing(&mut self) {
        let (caller, host) = (&self.caller_label, &self.call.host);
        let (cause, what) = match (self.call.status, self.call.answer) {
            (None, _) => {
                let reason = self
                    .call
                    .error
                    .as_ref()
                    .map_or_else(String::new, |error| format!(": {error}"));
                (
                    Cause::NoAnswer,
                    format!("{caller} got no answer from {host}{reason}"),
                )
            }
            (_, Answer::Joined) => {
                self.stop.answer = Cell::Ok("joined");
                (
                    Cause::RecordWithheld,
                    format!(
                        "{caller} was answered by {host} with a clock, and without a hop record"
                    ),
                )
            }
            (Some(status), Answer::Lost | Answer::None) => (
                Cause::NotTowline,
                format!(
                    "{caller} called {host}, which answered {status} with neither clock nor hop record"
                ),
            ),
        };
        self.between(cause, what);
    }

    fn label(&self) -> String {
        self.stop.label()
    }

    /// Something on the way between the two.
    fn between(&mut self, cause: Cause, what: String) {
        let service = if cause == Cause::NotTowline {
            ""
        } else {
            &self.caller_service
        };
        self.findings.add(New {
            cause,
            place: Place::Between {
                caller: self.caller_number,
                callees: vec![self.callee_number],
            },
            hop: None,
            what,
            fix: cause.fix(service),
        });
    }

    /// Something that the callee did.
    fn at(&mut self, cause: Cause, what: String) {
        let fix = cause.fix(self.stop.service.as_deref().unwrap_or_default());
        self.findings.add(New {
            cause,
            place: Place::At(self.callee_number),
            hop: Some(self.callee_number),
            what,
            fix,
        });
    }
}

/// The end of an id, by which it is recognised.
fn tail(id: TraceId) -> String {
    format!("{:08x}", id.low32())
}
