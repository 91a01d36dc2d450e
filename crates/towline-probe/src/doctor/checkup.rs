//! All that was asked, and what it came to.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ailment::{Ailment, Diagnosis, Severity};
use super::lock::{LockError, of_lock};
use super::service::of_service;
use super::status::Status;
use super::together::between;
use crate::show::show;
use crate::text::Charset;

/// Services and lock files, and what is off with them.
#[derive(Clone, Debug, Default)]
pub struct Checkup {
    services: Vec<(String, Status)>,
    locks: Vec<String>,
    unreached_count: usize,
    diagnoses: Vec<Diagnosis>,
}

impl Checkup {
    /// Adds what a service answered.
    pub fn service(&mut self, url: &str, status: Status) {
        let subject = show(&format!("{}#{} at {url}", status.service, status.instance));
        self.diagnoses.extend(of_service(&subject, &status));
        self.services.push((url.to_owned(), status));
    }

    /// Adds a place where nothing answers.
    pub fn not_reached(&mut self, url: &str, reason: &str) {
        self.unreached_count += 1;
        self.diagnoses.push(Diagnosis {
            ailment: Ailment::NotReached,
            subject: show(url),
            what: format!("it does not answer: {}", show(reason)),
            fix: "start it, or correct the address".to_owned(),
        });
    }

    /// Adds a place where something else answers.
    pub fn no_status(&mut self, url: &str, said: &str) {
        self.diagnoses.push(Diagnosis {
            ailment: Ailment::NoStatus,
            subject: show(url),
            what: format!("/.well-known/towline is no status: {}", show(said)),
            fix: "mount Towline's status handler there (its README says how), or correct the port"
                .to_owned(),
        });
    }

    /// Adds a lock file.
    ///
    /// # Errors
    ///
    /// When the text is no `Cargo.lock`.
    pub fn lock(&mut self, name: &str, text: &str) -> Result<(), LockError> {
        self.diagnoses.extend(of_lock(name, text)?);
        self.locks.push(show(name));
        Ok(())
    }

    /// What is off, the worst first, else in the order in which it was asked.
    #[must_use]
    pub fn diagnoses(&self) -> Vec<Diagnosis> {
        let services: Vec<(&str, &Status)> = self
            .services
            .iter()
            .map(|(url, status)| (url.as_str(), status))
            .collect();
        let mut all = self.diagnoses.clone();
        all.extend(between(&services));
        all.sort_by_key(|diagnosis| std::cmp::Reverse(diagnosis.ailment.severity()));
        all
    }

    /// Whether there is nothing worse than a note.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let worst = self
            .diagnoses()
            .iter()
            .map(|diagnosis| diagnosis.ailment.severity())
            .max();
        worst.is_none_or(|worst| worst <= Severity::Note)
    }

    /// Whether services were asked, and none of them answered.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        let asked_only_those = self.diagnoses.len() == self.unreached_count;
        self.unreached_count > 0
            && self.services.is_empty()
            && self.locks.is_empty()
            && asked_only_those
    }

    /// A line for each service and file, then what is off; ends with a line break.
    #[must_use]
    pub fn text(&self, charset: Charset) -> String {
        let mut out = String::new();
        for (url, status) in &self.services {
            let counters = &status.counters;
            let line = format!(
                "{}#{} at {url} · towline {} ({}) · up {} s · received {} · continued {} · sent {} · joined {}",
                status.service,
                status.instance,
                status.towline,
                status.language,
                status.uptime_ms / 1000,
                counters.received,
                counters.continued,
                counters.sent,
                counters.joined
            );
            let _ = writeln!(out, "{}", show(&line));
        }
        for lock in &self.locks {
            let _ = writeln!(out, "{lock}");
        }
        let diagnoses = self.diagnoses();
        let mut last = None;
        for diagnosis in &diagnoses {
            let Diagnosis {
                ailment,
                subject,
                what,
                fix,
            } = diagnosis;
            let line = format!("{}: {subject}: {what}", ailment.severity());
            let _ = writeln!(out, "{line:<80}  {}", ailment.code());
            // Of one ailment with several reasons, once.
            if last.replace(*ailment) != Some(*ailment) {
                let _ = writeln!(out, "  why   {}", ailment.why());
            }
            let _ = writeln!(out, "  fix   {fix}");
        }
        let some = |severity: Severity| {
            let of = |diagnosis: &&Diagnosis| diagnosis.ailment.severity() == severity;
            match diagnoses.iter().filter(of).count() {
                1 => format!("1 {severity}"),
                count => format!("{count} {severity}s"),
            }
        };
        let _ = writeln!(
            out,
            "{}: {}, {}, {}",
            if self.is_well() { "ok" } else { "failed" },
            some(Severity::Error),
            some(Severity::Warning),
            some(Severity::Note)
        );
        charset.write(&out)
    }

    /// One JSON document of the schema `towline.doctor/1`: `data` are the diagnoses.
    #[must_use]
    pub fn json(&self) -> Value {
        let diagnoses = self.diagnoses();
        json!({
            "schema": "towline.doctor/1",
            "total": diagnoses.len(),
            "truncated": false,
            "data": diagnoses.iter().map(|diagnosis| json!({
                "code": diagnosis.ailment.code(),
                "severity": diagnosis.ailment.severity().as_str(),
                "subject": diagnosis.subject,
                "what": diagnosis.what,
                "why": diagnosis.ailment.why(),
                "fix": diagnosis.fix,
            })).collect::<Value>(),
            "well": self.is_well(),
            "services": self.services.iter().map(|(url, status)| json!({
                "url": url,
                "service": status.service,
                "instance": status.instance,
                "towline": status.towline,
                "language": status.language,
            })).collect::<Value>(),
            "locks": self.locks,
        })
    }
}
