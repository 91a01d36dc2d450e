//! What propagation costs a request: Towline beside every rival, in one run.
//!
//! Each variant is checked and measured in processes of its own, which take turns; `run.sh` builds
//! and starts it.

mod allocations;
mod callee;
mod caller;
mod calls;
mod codecs;
mod inbound;
mod loopback;
mod measure;
mod minimum;
mod outbound;
mod poll;
mod record;
mod reqwest_client;
#[cfg(feature = "rivals")]
mod rivals;
mod runner;
mod sent;
mod server;
mod stack;
mod table;
mod targets;
mod tower_client;
mod variant;
mod wire;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::allocations::Counting;
use crate::measure::Effort;
use crate::runner::Plan;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const USAGE: &str =
    "usage: towline-benches [all [ONLY] | quick | record | one VARIANT BATCHES | serve SERVER]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("towline-benches: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["all"] => all(""),
        ["all", only] => all(only),
        ["quick"] => quick(),
        ["record"] => {
            let results = runner::run(Plan::QUICK, "")?;
            std::fs::write(record::PATH, record::write(&results)?).context(record::PATH)
        }
        ["one", variant, batches] => runner::one(
            variant,
            Effort {
                batches: batches.parse()?,
            },
        ),
        ["serve", name] => {
            let server = loopback::servers()
                .into_iter()
                .find(|server| server.name == *name);
            server
                .with_context(|| format!("no server '{name}'"))?
                .serve()
        }
        _ => bail!(USAGE),
    }
}

/// Measures everything, or what has `only` in its name, and prints its section of the results.
fn all(only: &str) -> Result<()> {
    let results = runner::run(Plan::FULL, only)?;
    let Plan {
        rounds,
        effort,
        slices,
        requests,
    } = Plan::FULL;
    let batches = effort.batches;
    let batch = measure::BATCH;
    println!("## Rust\n");
    println!(
        "One process for each variant and round, {rounds} rounds in turn; {batches} batches of \
         {batch} requests in each, all with different headers, made outside the measured time. CPU \
         time of the thread in nanoseconds: of the fastest batch of all, and the median of the \
         processes' medians. Rows with `+` are over the bare row of the same headers; the cost of \
         the hand-written minimum over bare is the unit of `× minimum`. Allocations and bytes are \
         those of the thread: what a rival's exporter does in its own thread is not counted, nor \
         its time. Over loopback, {slices} slices of {requests} requests for each server process, \
         in turn.\n"
    );
    print!("{}", table::tables(&results)?);
    println!("### What is to be reached\n\nOf the least figures.\n");
    print!("{}", targets::table(&results)?);
    print!("\n{}", include_str!("../floor.md"));
    Ok(())
}

/// Checks outputs and allocations.
fn quick() -> Result<()> {
    let results = runner::run(Plan::QUICK, "")?;
    println!(
        "## Rust, quick\n\nOutputs and allocations are checked; times are of two batches only.\n"
    );
    print!("{}", table::tables(&results)?);
    let record = std::fs::read_to_string(record::PATH).context(record::PATH)?;
    record::check(&results, &record)
}
