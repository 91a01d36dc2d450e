//! `towline probe`: one request, or many, and what they came to.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::task::JoinSet;
use towline_core::TraceFlags;
use towline_probe::{
    Ids, Load, Outcome, Probe, REQUEST_BYTES_MAX, Report, Topology, TopologyError, target,
};

use crate::Exit;
use crate::args::ProbeArgs;
use crate::demo::{Name, Places};
use crate::failure::Failure;
use crate::http;
use crate::out::Out;
use crate::trail;

/// Runs the command; services that are named are looked up among those of `towline demo`.
pub(crate) async fn run(args: &ProbeArgs, out: &mut Out) -> Exit {
    if args.is_of_any_service() {
        return trail::run(args, out).await;
    }
    let calls = Calls::read(args)?;
    let places = Places::known(&args.state)?;
    let topology = calls.topology(args, &places)?;
    run_at(args, topology, out).await
}

/// Probes a topology.
pub(crate) async fn run_at(args: &ProbeArgs, topology: Topology, out: &mut Out) -> Exit {
    let client = http::client().map_err(|error| Failure::system("cannot send").because(error))?;
    let wait = Duration::from_secs(args.timeout);
    let outcome = if args.repeat == 1 {
        let report = one(&client, &topology, args.flags.of(0), wait).await;
        if args.json {
            out.json(&report.json());
        } else {
            out.data(&report.text(out.charset));
        }
        report.outcome()
    } else {
        many(args, &client, topology, wait, out).await?
    };
    Ok(exit(outcome))
}

/// The exit status that says so.
pub(crate) const fn exit(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Kept => 0,
        Outcome::Findings => 1,
        Outcome::Unreachable => 4,
    }
}

async fn one(client: &Client, topology: &Topology, flags: u8, wait: Duration) -> Report {
    let probe = Probe::new(
        topology,
        Ids::random(),
        TraceFlags::from_bits_truncate(flags),
    );
    let begun = Instant::now();
    let answer = http::send(client, &probe, wait).await;
    let took = begun.elapsed();
    let report = match answer {
        Ok(answer) => probe.finish(&answer),
        Err(error) => probe.failed(&format!("{error:#}")),
    };
    report.took(took)
}

async fn many(
    args: &ProbeArgs,
    client: &Client,
    topology: Topology,
    wait: Duration,
    out: &mut Out,
) -> Result<Outcome, Failure> {
    let topology = Arc::new(topology);
    let begun = Instant::now();
    let mut load = Load::default();
    let mut under_way = JoinSet::new();
    for request in 0..args.repeat {
        if under_way.len() >= usize::from(args.concurrency) {
            take(&mut load, under_way.join_next().await)?;
        }
        let (client, topology) = (client.clone(), Arc::clone(&topology));
        let flags = args.flags.of(request);
        under_way.spawn(async move { one(&client, &topology, flags, wait).await });
    }
    while !under_way.is_empty() {
        take(&mut load, under_way.join_next().await)?;
    }
    let summary = load.finish(begun.elapsed(), args.concurrency.into());
    if args.json {
        out.json(&summary.json());
    } else {
        out.data(&summary.text(out.charset));
    }
    Ok(summary.outcome())
}

fn take(
    load: &mut Load,
    joined: Option<Result<Report, tokio::task::JoinError>>,
) -> Result<(), Failure> {
    match joined {
        Some(Ok(report)) => load.add(report),
        Some(Err(error)) => return Err(Failure::system("a request was broken off").because(error)),
        None => {}
    }
    Ok(())
}

/// What a probe calls, before it is known where services are.
#[derive(Debug)]
pub(crate) enum Calls {
    Chain,
    File(Vec<u8>),
}

impl Calls {
    /// Reads `--calls`, if there are any.
    pub(crate) fn read(args: &ProbeArgs) -> Result<Self, Failure> {
        let Some(path) = &args.calls else {
            return Ok(Self::Chain);
        };
        let mut body = Vec::new();
        // One byte more than may be, so that the topology can say that it is too long.
        let limit = REQUEST_BYTES_MAX as u64 + 1;
        let read = if path == "-" {
            std::io::stdin().lock().take(limit).read_to_end(&mut body)
        } else {
            std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut body))
        };
        match read {
            Ok(_) => Ok(Self::File(body)),
            Err(error) => Err(Failure::not_found(format!("cannot read {path}")).because(error)),
        }
    }

    /// The demo services that are called by name.
    pub(crate) fn names(&self, args: &ProbeArgs) -> Result<Vec<Name>, Failure> {
        let seen = std::cell::RefCell::new(Vec::new());
        self.resolve(args, |name| {
            let mut seen = seen.borrow_mut();
            if !seen.contains(&name) {
                seen.push(name);
            }
            name.own_url()
        })?;
        Ok(seen.into_inner())
    }

    /// The topology, services being where `places` has them.
    pub(crate) fn topology(&self, args: &ProbeArgs, places: &Places) -> Result<Topology, Failure> {
        self.resolve(args, |name| places.url(name))
    }

    fn resolve(&self, args: &ProbeArgs, url: impl Fn(Name) -> String) -> Result<Topology, Failure> {
        let place = |entry: &str| entry.parse().ok().map(&url);
        match self {
            Self::Chain => {
                let entry = |entry: &String| place(entry).unwrap_or_else(|| entry.clone());
                let topology = Topology::chain(&entry(&args.url), args.chain.iter().map(entry));
                topology.map_err(|error| Failure::usage(error.to_string()).hint(PLACES))
            }
            Self::File(body) => {
                // The URL is an argument, what it calls is input.
                let first = place(&args.url).unwrap_or_else(|| args.url.clone());
                target(&first).map_err(|error| Failure::usage(error.to_string()).hint(PLACES))?;
                Topology::from_calls(&first, body, place).map_err(|error| match error {
                    TopologyError::Json(_) => Failure::bad_input(error.to_string()).hint(FORM),
                    _ => Failure::bad_input(error.to_string()),
                })
            }
        }
    }
}

pub(crate) const PLACES: &str =
    "a hop is http://host:port/path, host:port, or one of typescript, python, go, rust";
const FORM: &str = r#"{"calls": [{"url": "python", "calls": [{"url": "go"}, {"url": "rust"}], "mode": "parallel"}]}"#;
