//! `towline demo`: the four services of `examples/`, started, found and stopped.
//!
//! Only processes that were started here are ever stopped. They are known by process id and start
//! time, kept in a folder, so that a process id that was given to another process means nothing.

mod lock;
mod logs;
mod name;
mod places;
mod process;
mod start;
mod state;

use std::time::Duration;

use clap::Parser as _;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use towline_probe::show;

pub(crate) use self::name::Name;
pub(crate) use self::places::Places;
use self::places::{Place, StartedBy};
use self::process::{ProcessId, stop_all};
use self::start::{Plan, Started};
use self::state::{Record, State};
use crate::Exit;
use crate::args::{DemoArgs, ProbeArgs, RunArgs, UpArgs};
use crate::failure::Failure;
use crate::http::{self, Found};
use crate::out::Out;
use crate::probe::{Calls, run_at};

/// The setting that makes services misbehave (`spec/services.md`, "Faults").
const FAULT: &str = "TOWLINE_DEMO_FAULT";

/// Starts what does not run yet.
pub(crate) async fn up(args: &UpArgs, out: &mut Out) -> Exit {
    let state = State::at(&args.start.state)?;
    let plan = Plan::new(&args.start, names(&args.only), args.start.free_ports, None)?;
    let started = start::start(&state, &plan, out).await?;
    warn_of_fault(&started, out);
    if args.json {
        out.json(&document(&started.places, &started.failures));
    } else {
        out.text(&table(&started.places));
    }
    for (name, reason) in &started.failures {
        out.note(format_args!("error: {name} was not started: {reason}"));
    }
    Ok(if started.failures.is_empty() { 0 } else { 4 })
}

/// Stops what `up` started, and what a `run` left that is no more.
pub(crate) async fn down(args: &DemoArgs, out: &mut Out) -> Exit {
    let state = State::at(&args.state)?;
    let only = names(&args.only);
    let lock = state.lock(out).await?;
    let records = state.records()?;
    let ours = records
        .into_iter()
        .filter(|record| only.contains(&record.name) && !record.is_of_a_run());
    let stopped = stop_records(&state, ours.collect(), out).await;
    drop(lock);
    let client = http::client().map_err(|error| Failure::system("cannot look").because(error))?;
    let left = places::look(&client, &state, &only, &args.ports).await?;
    for place in left.iter().filter(|place| place.is_healthy()) {
        out.note(format_args!(
            "note: {} at {} was not started by `towline demo up`, and stays",
            place.name, place.url
        ));
    }
    if args.json {
        out.json(&json!({
            "schema": "towline.demo-down/1",
            "total": stopped.len(),
            "truncated": false,
            "data": stopped.iter().map(|record| json!({
                "name": record.name.as_str(),
                "pid": record.process.pid(),
                "url": record.url,
            })).collect::<Value>(),
        }));
    } else {
        let lines = stopped
            .iter()
            .map(|record| format!("stopped {} (pid {})\n", record.name, record.process.pid()));
        let lines: String = lines.collect();
        out.text(if lines.is_empty() {
            "nothing to stop\n"
        } else {
            &lines
        });
    }
    Ok(0)
}

/// Says what runs.
pub(crate) async fn status(args: &DemoArgs, out: &mut Out) -> Exit {
    let state = State::at(&args.state)?;
    let client = http::client().map_err(|error| Failure::system("cannot look").because(error))?;
    let places = places::look(&client, &state, &names(&args.only), &args.ports).await?;
    if args.json {
        out.json(&document(&places, &[]));
    } else {
        out.text(&table(&places));
    }
    Ok(if places.iter().all(Place::is_healthy) {
        0
    } else {
        3
    })
}

/// Starts what a probe needs, runs it, and stops what was started, whatever happens.
pub(crate) async fn run(args: &RunArgs, out: &mut Out) -> Exit {
    let line = std::iter::once("towline probe").chain(args.probe.iter().map(String::as_str));
    let probe = ProbeArgs::try_parse_from(line).unwrap_or_else(|error| error.exit());
    if probe.is_of_any_service() {
        let failure = Failure::usage("`demo run` probes by POST /process");
        return Err(
            failure.hint("`towline demo up`, and then `towline probe` with these arguments")
        );
    }
    let calls = Calls::read(&probe)?;
    let named = calls.names(&probe)?;
    let wanted = if args.only.is_empty() {
        named
    } else {
        names(&args.only)
    };
    let state = State::at(&args.start.state)?;
    let me = ProcessId::own()
        .ok_or_else(|| Failure::system("this process cannot be told from others"))?;
    // Services that run already would not misbehave.
    let own_instances =
        args.start.free_ports || std::env::var_os(FAULT).is_some_and(|fault| !fault.is_empty());
    let plan = Plan::new(&args.start, wanted, own_instances, Some(me.clone()))?;
    let places = Places::known(&args.start.state)?;
    let interrupted = interrupted()?;
    let exit = {
        let work = async {
            let started = start::start(&state, &plan, out).await?;
            if let Some(((name, reason), others)) = started.failures.split_first() {
                for (name, reason) in others {
                    out.note(format_args!("error: {name} was not started: {reason}"));
                }
                let failure = Failure::not_reached(format!("{name} was not started"));
                return Err(failure
                    .because(reason)
                    .hint("a probe needs every service that it names"));
            }
            let topology = calls.topology(&probe, &places.with(&started.places))?;
            run_at(&probe, topology, out).await
        };
        tokio::select! {
            exit = work => exit,
            () = interrupted => Err(Failure::interrupted()),
        }
    };
    let mine = state
        .records()?
        .into_iter()
        .filter(|record| record.owner.as_ref() == Some(&me));
    stop_records(&state, mine.collect(), out).await;
    exit
}

/// Done when a signal asks the program to stop.
fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::system("signals cannot be heard").because(error))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

/// Stops processes, and forgets them; gives those that were still there.
async fn stop_records(state: &State, records: Vec<Record>, out: &mut Out) -> Vec<Record> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let (alive, gone): (Vec<Record>, Vec<Record>) = records
        .into_iter()
        .partition(|record| record.process.is_alive());
    let processes: Vec<ProcessId> = alive.iter().map(|record| record.process.clone()).collect();
    let left = stop_all(&processes, PATIENCE).await;
    let mut stopped = Vec::new();
    for record in alive {
        if left.contains(&record.process) {
            out.note(format_args!(
                "error: {} (pid {}) does not stop",
                record.name,
                record.process.pid()
            ));
            continue;
        }
        state.forget_with_log(&record);
        stopped.push(record);
    }
    gone.iter().for_each(|record| state.forget_with_log(record));
    stopped
}

/// A fault reaches only services that are started with it.
fn warn_of_fault(started: &Started, out: &mut Out) {
    if std::env::var_os(FAULT).is_none_or(|fault| fault.is_empty()) {
        return;
    }
    for place in started
        .places
        .iter()
        .filter(|place| !started.names.contains(&place.name))
    {
        out.note(format_args!(
            "warning: {} ran already, so {FAULT} does not reach it",
            place.name
        ));
    }
}

fn names(only: &[Name]) -> Vec<Name> {
    if only.is_empty() {
        Name::ALL.to_vec()
    } else {
        only.to_vec()
    }
}

fn table(places: &[Place]) -> String {
    let mut lines = vec![
        [
            "service",
            "address",
            "instance",
            "pid",
            "state",
            "started by",
        ]
        .map(str::to_owned),
    ];
    for place in places {
        let (instance, state) = match &place.found {
            Found::Healthy(health) => (
                show(&format!("{}#{}", health.service, health.instance)),
                "healthy".to_owned(),
            ),
            Found::Nobody => ("–".to_owned(), "not running".to_owned()),
            Found::Other(said) => ("–".to_owned(), format!("something else: {}", show(said))),
        };
        lines.push([
            place.name.to_string(),
            place.url.clone(),
            instance,
            place
                .pid
                .map_or_else(|| "–".to_owned(), |pid| pid.to_string()),
            state,
            place.by.map_or("–", StartedBy::as_str).to_owned(),
        ]);
    }
    let mut out = String::new();
    let mut widths = [0; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in &lines {
        let cells = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}  "));
        out.push_str(cells.collect::<String>().trim_end());
        out.push('\n');
    }
    out
}

/// `towline.demo/1`: `data` are the services.
fn document(places: &[Place], failures: &[(Name, String)]) -> Value {
    json!({
        "schema": "towline.demo/1",
        "total": places.len(),
        "truncated": false,
        "data": places.iter().map(|place| {
            let (health, said) = match &place.found {
                Found::Healthy(health) => (Some(health), None),
                Found::Nobody => (None, None),
                Found::Other(said) => (None, Some(show(said))),
            };
            json!({
                "name": place.name.as_str(),
                "url": place.url,
                "healthy": health.is_some(),
                "service": health.map(|health| &health.service),
                "instance": health.map(|health| &health.instance),
                "said": said,
                "pid": place.pid,
                "started_by": place.by.map(StartedBy::as_str),
                "log": place.log,
            })
        }).collect::<Value>(),
        "failures": failures.iter().map(|(name, reason)| json!({
            "name": name.as_str(),
            "reason": reason,
        })).collect::<Value>(),
    })
}
