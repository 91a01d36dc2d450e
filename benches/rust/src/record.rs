//! The allocations that are known: more is a failure, and a change that is meant is recorded.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use anyhow::{Context as _, Result, bail};

use crate::runner::{Line, Results};
use crate::variant::Table;

/// The record, beside this crate's manifest.
pub(crate) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/allocations.txt");

/// Blocks that grow are shared by many things, and do not divide evenly.
const TOLERANCE: f64 = 0.02;

/// What is recorded of a run: all but what goes over the wire, where buffers grow by chance.
pub(crate) fn write(results: &Results) -> Result<String, fmt::Error> {
    let mut text = String::from(
        "# Allocations of one request, call or header beyond the bare one's.\n\
         # `benches/run.sh --quick` fails where there are more; `benches/rust/run.sh --record` writes this.\n",
    );
    for line in recorded(results) {
        let allocations = results.beyond_bare(line).allocations;
        // A difference of none may come out as -0.
        writeln!(text, "{} = {:.2}", line.key(), allocations + 0.0)?;
    }
    Ok(text)
}

fn recorded(results: &Results) -> impl Iterator<Item = &Line> {
    results
        .0
        .iter()
        .filter(|line| line.table != Table::Loopback)
}

/// Compares a run with the record.
///
/// # Errors
///
/// Names what allocates more than is recorded, or is not recorded.
pub(crate) fn check(results: &Results, record: &str) -> Result<()> {
    let record = read(record)?;
    let mut failures = String::new();
    let mut fewer = 0;
    for line in recorded(results) {
        let allocations = results.beyond_bare(line).allocations;
        match record.get(line.key().as_str()) {
            None => writeln!(
                failures,
                "{}: {allocations:.2} allocations, none recorded",
                line.key()
            )?,
            Some(known) if allocations > known + TOLERANCE => {
                writeln!(
                    failures,
                    "{}: {allocations:.2} allocations, {known} recorded",
                    line.key()
                )?;
            }
            Some(known) => fewer += usize::from(allocations < known - TOLERANCE),
        }
    }
    if fewer > 0 {
        eprintln!("{fewer} lines allocate less than is recorded: benches/rust/run.sh --record");
    }
    if !failures.is_empty() {
        bail!(
            "more allocations than recorded (if that is meant: benches/rust/run.sh --record)\n{failures}"
        );
    }
    Ok(())
}

fn read(record: &str) -> Result<HashMap<&str, f64>> {
    let lines = record.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| {
        let (key, count) = line
            .rsplit_once(" = ")
            .with_context(|| format!("bad line: {line}"))?;
        Ok((key, count.parse()?))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Cost;

    fn results(allocations: f64) -> Results {
        Results(vec![Line {
            table: Table::Server,
            name: "towline".to_owned(),
            over: None,
            cost: Cost {
                least: 1.0,
                median: 1.0,
                allocations,
                bytes: 0.0,
            },
        }])
    }

    #[test]
    fn what_was_recorded_passes_and_one_more_fails() {
        let record = write(&results(2.0)).unwrap();
        assert!(record.ends_with("server: towline = 2.00\n"));
        assert!(check(&results(2.0), &record).is_ok());
        assert!(check(&results(1.0), &record).is_ok());
        let error = check(&results(3.0), &record).unwrap_err().to_string();
        assert!(
            error.contains("server: towline: 3.00 allocations, 2 recorded"),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_recorded_fails() {
        assert!(check(&results(0.0), "# nothing\n").is_err());
    }
}
