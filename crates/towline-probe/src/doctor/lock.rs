//! Two versions of one crate in a `Cargo.lock`, where that breaks traces without an error.

use std::error::Error;
use std::fmt;

use super::ailment::{Ailment, Diagnosis};
use crate::show::show;

/// The longest lock file that is read, in bytes.
const BYTES_MAX: usize = 16 << 20;
/// The most dependants that are named.
const NAMED_MAX: usize = 6;
/// Crates that keep the current context, or the globals, of a process.
const SINGLE: [&str; 4] = [
    "opentelemetry",
    "opentelemetry_sdk",
    "towline-core",
    "tracing-core",
];

/// A file that is no `Cargo.lock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockError {
    /// It is longer than 16 MiB.
    TooLong,
    /// There is no package in it.
    NoPackages,
    /// A package without a name or a version, at this line, counted from 1.
    Incomplete(usize),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("it is longer than 16 MiB"),
            Self::NoPackages => f.write_str("there is no [[package]] in it"),
            Self::Incomplete(line) => {
                write!(f, "the package at line {line} has no name or no version")
            }
        }
    }
}

impl Error for LockError {}

/// A `[[package]]`.
#[derive(Debug, Default)]
struct Package<'a> {
    line: usize,
    name: &'a str,
    version: &'a str,
    /// `name`, or `name version`, or `name version (source)`.
    dependencies: Vec<&'a str>,
}

/// What is off with the lock file `name`.
pub(super) fn of_lock(name: &str, text: &str) -> Result<Vec<Diagnosis>, LockError> {
    if text.len() > BYTES_MAX {
        return Err(LockError::TooLong);
    }
    let packages = packages(text)?;
    let mut diagnoses = Vec::new();
    for single in SINGLE {
        let versions: Vec<&str> = packages
            .iter()
            .filter(|package| package.name == single)
            .map(|package| package.version)
            .collect();
        if versions.len() < 2 {
            continue;
        }
        let wanted: Vec<String> = versions
            .iter()
            .map(|version| {
                format!(
                    "{} for {}",
                    show(version),
                    dependants(&packages, single, version)
                )
            })
            .collect();
        diagnoses.push(Diagnosis {
            ailment: Ailment::TwoVersions,
            subject: show(name),
            what: format!("{single} is there in {} versions: {}", versions.len(), wanted.join("; ")),
            fix: format!(
                "bring those that depend on {single} to releases that take the same one (`cargo tree --invert {single}@VERSION` shows the way, `cargo update` often is enough); a bridge crate must be of the release that fits"
            ),
        });
    }
    Ok(diagnoses)
}

/// Lock files are written by cargo, one key in a line: no more of TOML is needed.
fn packages(text: &str) -> Result<Vec<Package<'_>>, LockError> {
    let mut packages: Vec<Package<'_>> = Vec::new();
    let (mut is_package, mut is_dependencies) = (false, false);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            is_dependencies = false;
            is_package = line == "[[package]]";
            if is_package {
                packages.push(Package {
                    line: number + 1,
                    ..Package::default()
                });
            }
            continue;
        }
        let Some(package) = packages.last_mut().filter(|_| is_package) else {
            continue;
        };
        if is_dependencies {
            match quoted(line.trim_end_matches(',')) {
                Some(dependency) => package.dependencies.push(dependency),
                None => is_dependencies = !line.starts_with(']'),
            }
            continue;
        }
        match line.split_once(" = ") {
            Some(("name", value)) => package.name = quoted(value).unwrap_or_default(),
            Some(("version", value)) => package.version = quoted(value).unwrap_or_default(),
            Some(("dependencies", value)) => is_dependencies = value == "[",
            _ => {}
        }
    }
    if packages.is_empty() {
        return Err(LockError::NoPackages);
    }
    let incomplete = |package: &&Package<'_>| package.name.is_empty() || package.version.is_empty();
    match packages.iter().find(incomplete) {
        Some(package) => Err(LockError::Incomplete(package.line)),
        None => Ok(packages),
    }
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// Who depends on this version.
fn dependants(packages: &[Package<'_>], name: &str, version: &str) -> String {
    let depends = |package: &&Package<'_>| {
        package.dependencies.iter().any(|dependency| {
            let mut parts = dependency.split(' ');
            parts.next() == Some(name) && parts.next() == Some(version)
        })
    };
    let all: Vec<&Package<'_>> = packages.iter().filter(depends).collect();
    let mut named: Vec<String> = all
        .iter()
        .take(NAMED_MAX)
        .map(|package| show(&format!("{} {}", package.name, package.version)))
        .collect();
    match all.len().checked_sub(NAMED_MAX) {
        None if named.is_empty() => "nobody".to_owned(),
        None | Some(0) => named.join(", "),
        Some(more) => {
            named.push(format!("{more} more"));
            named.join(", ")
        }
    }
}
