//! Runs all variants, each in processes of its own, in turn.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::measure::{Cost, Effort};
use crate::variant::{Row, Table, Variant};
use crate::{calls, codecs, loopback, reqwest_client, server, tower_client};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How often each variant has its turn.
    pub(crate) rounds: usize,
    pub(crate) effort: Effort,
    pub(crate) slices: usize,
    pub(crate) requests: usize,
}

impl Plan {
    pub(crate) const FULL: Self = Self {
        rounds: 10,
        effort: Effort { batches: 50 },
        slices: 30,
        requests: 2_000,
    };

    /// Enough to see that outputs are right and what is allocated; too little for times.
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        effort: Effort { batches: 2 },
        slices: 1,
        requests: 512,
    };
}

/// What was measured of one line of a table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) table: Table,
    pub(crate) name: String,
    /// The name of the line that does the same without propagation.
    pub(crate) over: Option<String>,
    pub(crate) cost: Cost,
}

impl Line {
    /// Its name in records, unlike that of any other.
    pub(crate) fn key(&self) -> String {
        format!("{}: {}", self.table.key(), self.name)
    }
}

/// All lines of a run.
#[derive(Clone, Debug)]
pub(crate) struct Results(pub(crate) Vec<Line>);

impl Results {
    pub(crate) fn get(&self, table: Table, name: &str) -> Option<&Line> {
        self.0
            .iter()
            .find(|line| line.table == table && line.name == name)
    }

    /// What a line costs beyond its bare one, or all if it has none.
    pub(crate) fn beyond_bare(&self, line: &Line) -> Cost {
        let bare = line
            .over
            .as_deref()
            .and_then(|over| self.get(line.table, over));
        bare.map_or(line.cost, |bare| line.cost.beyond(&bare.cost))
    }
}

/// All variants that have a process of their own for each round.
pub(crate) fn variants() -> Vec<Variant> {
    [
        server::variants(),
        calls::variants(),
        codecs::variants(),
        reqwest_client::variants(),
        tower_client::variants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Measures the variants whose key contains `only`.
pub(crate) fn run(plan: Plan, only: &str) -> Result<Results> {
    let chosen: Vec<Variant> = variants()
        .into_iter()
        .filter(|variant| variant.key().contains(only))
        .collect();
    let mut rounds: Vec<Vec<Vec<Row>>> = chosen.iter().map(|_| Vec::new()).collect();
    for round in 1..=plan.rounds {
        eprintln!(
            "round {round} of {}: {} processes",
            plan.rounds,
            chosen.len()
        );
        for (variant, rounds) in chosen.iter().zip(&mut rounds) {
            rounds.push(in_a_process(variant, plan.effort)?);
        }
    }
    let mut lines: Vec<Line> = chosen
        .iter()
        .zip(&rounds)
        .flat_map(|(variant, rounds)| lines(variant, rounds))
        .collect();
    if Table::Loopback.key().contains(only) {
        eprintln!(
            "loopback: {} slices of {} requests",
            plan.slices, plan.requests
        );
        let measured = loopback::measure(plan.slices, plan.requests)?;
        lines.extend(measured.into_iter().map(|(server, cost)| Line {
            table: Table::Loopback,
            name: server.name.to_owned(),
            over: server.over.map(str::to_owned),
            cost,
        }));
    }
    Ok(Results(lines))
}

fn in_a_process(variant: &Variant, effort: Effort) -> Result<Vec<Row>> {
    let key = variant.key();
    let output = Command::new(std::env::current_exe()?)
        .args(["one", &key, &effort.batches.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{key}: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let rows = text.lines().map(|line| {
        let (part, cost) = line
            .split_once('\t')
            .context("a row has a name and a cost")?;
        Ok(Row {
            part: part.to_owned(),
            cost: cost.parse()?,
        })
    });
    rows.collect::<Result<_>>().with_context(|| key)
}

/// In the child: measures one variant and tells the rows.
pub(crate) fn one(key: &str, effort: Effort) -> Result<()> {
    let variant = variants().into_iter().find(|variant| variant.key() == key);
    let variant = variant.with_context(|| format!("no variant '{key}'"))?;
    for Row { part, cost } in variant.measure(effort).with_context(|| key.to_owned())? {
        println!("{part}\t{cost}");
    }
    Ok(())
}

/// Row by row, over all rounds.
fn lines(variant: &Variant, rounds: &[Vec<Row>]) -> Vec<Line> {
    let parts = rounds.first().into_iter().flatten().map(|row| &row.part);
    let line = |(number, part): (usize, &String)| {
        let costs: Vec<Cost> = rounds
            .iter()
            .filter_map(|rows| Some(rows.get(number)?.cost))
            .collect();
        let name = match part.as_str() {
            "" => variant.name.clone(),
            part => format!("{}: {part}", variant.name),
        };
        Line {
            table: variant.table,
            name,
            over: variant.over.clone(),
            cost: Cost::over_rounds(&costs),
        }
    };
    parts.enumerate().map(line).collect()
}
