//! What is off between services that are each well.

use std::collections::BTreeMap;

use super::ailment::{Ailment, Diagnosis};
use super::status::Status;
use crate::show::show;

/// The most services that one diagnosis names.
const NAMED_MAX: usize = 8;

/// What differs between services that should agree, and agrees between those that should differ.
/// Each is given as its URL and its status.
pub(super) fn between(services: &[(&str, &Status)]) -> Vec<Diagnosis> {
    let mut diagnoses = Vec::new();
    let mut add = |ailment, subject: String, what: String, fix: &str| {
        diagnoses.push(Diagnosis {
            ailment,
            subject,
            what,
            fix: fix.to_owned(),
        });
    };
    let versions = grouped(services, |status| status.towline.clone());
    if versions.len() > 1 {
        let fix = "bring all services to the newest of them, one at a time";
        add(
            Ailment::VersionsDiffer,
            all(services),
            differ("run Towline", &versions),
            fix,
        );
    }
    // A service whose status does not say it has none that could differ.
    let sized: Vec<(&str, &Status)> = services
        .iter()
        .copied()
        .filter(|(_, status)| status.settings.header_bytes_max > 0)
        .collect();
    let sizes = grouped(&sized, |status| {
        status.settings.header_bytes_max.to_string()
    });
    if sizes.len() > 1 {
        let fix = "set TOWLINE_HEADER_BYTES_MAX to the same in all of them";
        add(
            Ailment::LimitsDiffer,
            all(services),
            differ("take clocks of at most", &sizes),
            fix,
        );
    }
    let names = grouped(services, |status| {
        format!("{}#{}", status.service, status.instance)
    });
    for (name, urls) in names.iter().filter(|(_, urls)| urls.len() > 1) {
        let what = format!("{} are both {}", list(urls), show(name));
        let fix = "give each instance a name of its own: TOWLINE_INSTANCE, or leave it out for a random one; one service behind two addresses is asked once";
        add(Ailment::SameName, show(name), what, fix);
    }
    diagnoses
}

type Groups<'a> = BTreeMap<String, Vec<&'a str>>;

fn grouped<'a>(services: &[(&'a str, &Status)], of: impl Fn(&Status) -> String) -> Groups<'a> {
    let mut groups = Groups::new();
    for (url, status) in services {
        groups.entry(of(status)).or_default().push(url);
    }
    groups
}

fn all(services: &[(&str, &Status)]) -> String {
    format!("{} services", services.len())
}

/// `2 run Towline 0.1.0 (a, b), 1 runs …` in short: `run Towline 0.1.0: a, b; 0.2.0: c`.
fn differ(what: &str, groups: &Groups<'_>) -> String {
    let parts: Vec<String> = groups
        .iter()
        .take(NAMED_MAX)
        .map(|(value, urls)| format!("{}: {}", show(value), list(urls)))
        .collect();
    format!("they {what} {}", parts.join("; "))
}

fn list(urls: &[&str]) -> String {
    let mut named: Vec<String> = urls.iter().take(NAMED_MAX).map(|url| show(url)).collect();
    if let Some(more) = urls.len().checked_sub(NAMED_MAX).filter(|&more| more > 0) {
        named.push(format!("{more} more"));
    }
    named.join(", ")
}
