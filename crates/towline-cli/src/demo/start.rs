//! Starting what does not run yet: setting up one after the other, then starting all at once.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::Client;
use tokio::time::{Instant, sleep, timeout};

use super::lock::Lock;
use super::logs;
use super::name::Name;
use super::places::{Place, StartedBy, look, port};
use super::process::{ProcessId, stop_all};
use super::state::{Record, State};
use super::stop_records;
use crate::args::{PortOf, StartArgs};
use crate::failure::Failure;
use crate::http::{self, Found, health};
use crate::out::Out;

/// How long setting up one service may take: the first time it downloads and compiles.
const SETUP_WAIT: Duration = Duration::from_secs(15 * 60);
/// How often services that start are looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// The exit status of a `setup.sh` whose toolchain is missing (`spec/services.md`).
const NO_TOOLCHAIN: i32 = 3;

/// What is to be started, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    names: Vec<Name>,
    free_ports: bool,
    ports: Vec<PortOf>,
    log_dir: Option<PathBuf>,
    examples: PathBuf,
    wait: Duration,
    owner: Option<ProcessId>,
}

impl Plan {
    /// `owner`: the `run` that will stop what it starts.
    pub(crate) fn new(
        args: &StartArgs,
        names: Vec<Name>,
        free_ports: bool,
        owner: Option<ProcessId>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            names,
            free_ports,
            ports: args.ports.clone(),
            log_dir: args.log_dir.clone(),
            examples: examples(args.examples.as_deref())?,
            wait: Duration::from_secs(args.wait),
            owner,
        })
    }
}

/// What runs afterwards.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// Services that are healthy, in the order asked for.
    pub(crate) places: Vec<Place>,
    /// Those of them that were started now.
    pub(crate) names: Vec<Name>,
    /// Services that are not, and why.
    pub(crate) failures: Vec<(Name, String)>,
}

/// A service that was started and is not known to be healthy yet.
struct Starting {
    child: Child,
    record: Record,
    /// What was last found at its address.
    last: Option<String>,
}

/// Makes the services of a plan run.
pub(crate) async fn start(state: &State, plan: &Plan, out: &mut Out) -> Result<Started, Failure> {
    let client = http::client().map_err(|error| Failure::system("cannot look").because(error))?;
    let lock = state.lock(out).await?;
    let orphans = state.records()?.into_iter().filter(Record::is_orphan);
    stop_records(state, orphans.collect(), out).await;
    let mut started = Started::default();
    let mut missing = Vec::new();
    for place in look(&client, state, &plan.names, &plan.ports).await? {
        let free = plan.free_ports && place.by != Some(StartedBy::Up);
        match (place.by, &place.found) {
            _ if free || (plan.free_ports && plan.owner.is_some()) => missing.push((place.name, 0)),
            // It stops when that run ends.
            (Some(StartedBy::Run), _) if plan.owner.is_some() => missing.push((place.name, 0)),
            (Some(StartedBy::Run), _) => {
                let reason = format!(
                    "{} is held by a `towline demo run` that is under way",
                    place.url
                );
                started.failures.push((place.name, reason));
            }
            (Some(StartedBy::Up), Found::Nobody | Found::Other(_)) => {
                let reason = "it runs and is not healthy: `towline demo down`, then `up` again";
                started.failures.push((place.name, reason.to_owned()));
            }
            (_, Found::Healthy(_)) => started.places.push(place),
            (_, Found::Nobody) => missing.push((place.name, port(place.name, &plan.ports))),
            (_, Found::Other(said)) => {
                let reason = format!("{} is taken by something else: {said}", place.url);
                started.failures.push((place.name, reason));
            }
        }
    }
    let mut starting = Vec::new();
    for (name, port) in missing {
        match set_up(state, plan, name, out)
            .await
            .and_then(|log| spawn(state, plan, name, port, log))
        {
            Ok(service) => starting.push(service),
            Err(error) => started.failures.push((name, format!("{error:#}"))),
        }
    }
    wait_until_healthy(&client, state, plan, starting, &mut started).await;
    drop(lock);
    let order = |name: Name| plan.names.iter().position(|&other| other == name);
    started.places.sort_by_key(|place| order(place.name));
    Ok(started)
}

/// Runs `setup.sh`; gives the log that it wrote to, for the service to go on with.
async fn set_up(state: &State, plan: &Plan, name: Name, out: &mut Out) -> anyhow::Result<PathBuf> {
    const SILENCE: Duration = Duration::from_secs(1);
    let folder = folder(plan, name);
    let here = || format!("cannot set up in {}", folder.display());
    // Whatever its state folder, another command would install into the same place.
    let _lock = Lock::of(&folder, out).await.with_context(here)?;
    let log = log_path(state, plan, name)?;
    let file =
        logs::create(&log).with_context(|| format!("cannot write the log {}", log.display()))?;
    let script = folder.join("setup.sh");
    let mut setup = tokio::process::Command::new(&script);
    setup
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .kill_on_drop(true);
    let mut child = setup
        .spawn()
        .with_context(|| format!("cannot run {}", script.display()))?;
    let status = match timeout(SILENCE, child.wait()).await {
        Ok(status) => status?,
        Err(_) => {
            out.note(format_args!(
                "note: setting up {name}, see {}",
                log.display()
            ));
            let status = timeout(SETUP_WAIT, child.wait()).await;
            status
                .map_err(|_| anyhow!("setting up took more than {} s", SETUP_WAIT.as_secs()))??
        }
    };
    if status.code() == Some(NO_TOOLCHAIN) {
        bail!(
            "{}",
            logs::last_line(&log).unwrap_or_else(|| "its toolchain is missing".to_owned())
        );
    }
    if !status.success() {
        bail!(
            "setting up failed with {status}, see {}{}",
            log.display(),
            logs::tail(&log)
        );
    }
    Ok(log)
}

fn spawn(
    state: &State,
    plan: &Plan,
    name: Name,
    port: u16,
    log: PathBuf,
) -> anyhow::Result<Starting> {
    let folder = folder(plan, name);
    let script = folder.join("start.sh");
    let file =
        logs::create(&log).with_context(|| format!("cannot write the log {}", log.display()))?;
    let mut command = Command::new(&script);
    command
        .current_dir(&folder)
        .env("PORT", port.to_string())
        .stdin(Stdio::null());
    // A group of its own: what stops this program at a terminal does not stop the service.
    command
        .stdout(file.try_clone()?)
        .stderr(file)
        .process_group(0);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", script.display()))?;
    let Some(process) = ProcessId::of(child.id()) else {
        let status = child.wait()?;
        bail!("it ended at once with {status}{}", logs::tail(&log));
    };
    let url = (port != 0).then(|| format!("http://127.0.0.1:{port}"));
    let record = Record {
        name,
        process,
        url,
        log,
        owner: plan.owner.clone(),
    };
    if let Err(failure) = state.remember(&record) {
        // What cannot be remembered could not be stopped later.
        let _ = child.kill();
        let _ = child.wait();
        bail!("{failure}");
    }
    Ok(Starting {
        child,
        record,
        last: None,
    })
}

async fn wait_until_healthy(
    client: &Client,
    state: &State,
    plan: &Plan,
    mut starting: Vec<Starting>,
    started: &mut Started,
) {
    let deadline = Instant::now() + plan.wait;
    while !starting.is_empty() {
        let late = Instant::now() >= deadline;
        let mut still = Vec::new();
        for mut service in starting {
            match service.look(client, state).await {
                Ok(Some(place)) => {
                    started.names.push(place.name);
                    started.places.push(place);
                }
                Ok(None) if !late => still.push(service),
                Ok(None) => {
                    let last = service
                        .last
                        .take()
                        .unwrap_or_else(|| "it does not listen".to_owned());
                    let tail = logs::tail(&service.record.log);
                    let reason =
                        format!("not healthy within {} s: {last}{tail}", plan.wait.as_secs());
                    give_up(state, service, reason, started).await;
                }
                Err(error) => give_up(state, service, format!("{error:#}"), started).await,
            }
        }
        starting = still;
        if !starting.is_empty() {
            sleep(GLANCE).await;
        }
    }
}

async fn give_up(state: &State, mut service: Starting, reason: String, started: &mut Started) {
    stop_all(
        std::slice::from_ref(&service.record.process),
        Duration::from_secs(2),
    )
    .await;
    // Collects it, where it has ended.
    let _ = service.child.try_wait();
    state.forget(&service.record);
    started.failures.push((service.record.name, reason));
}

impl Starting {
    /// Its place, if it is healthy by now.
    async fn look(&mut self, client: &Client, state: &State) -> anyhow::Result<Option<Place>> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "it ended early with {status}, see {}{}",
                self.record.log.display(),
                logs::tail(&self.record.log)
            );
        }
        // Until it says that it listens, whoever answers at its port is somebody else.
        let Some(port) = logs::port(&self.record.log) else {
            return Ok(None);
        };
        let url = format!("http://127.0.0.1:{port}");
        if self.record.url.as_ref() != Some(&url) {
            self.record.url = Some(url.clone());
            state
                .remember(&self.record)
                .map_err(|failure| anyhow!("{failure}"))?;
        }
        match health(client, &url).await {
            Found::Nobody => Ok(None),
            Found::Other(said) => {
                self.last = Some(said);
                Ok(None)
            }
            found @ Found::Healthy(_) => {
                Ok(Some(Place::of_record(self.record.clone(), url, found)))
            }
        }
    }
}

/// `--examples`, else the folder beside the first `examples/services.sh` from here upwards, or from
/// where this program lies.
fn examples(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(given) = given {
        return match given.is_dir() {
            true => Ok(absolute(given)),
            false => Err(Failure::not_found(format!(
                "{} is not a folder",
                given.display()
            ))),
        };
    }
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let above = starts.iter().flatten().flat_map(|start| start.ancestors());
    let mut folders = above.map(|folder| folder.join("examples"));
    let found = folders.find(|folder| folder.join("services.sh").is_file());
    found.ok_or_else(|| {
        let failure = Failure::not_found("the demo services are not here");
        failure.hint("run it in the repository, or give their folder with --examples")
    })
}

fn folder(plan: &Plan, name: Name) -> PathBuf {
    plan.examples.join(format!("{name}-service"))
}

/// The documented name, unless a service that runs already writes there.
fn log_path(state: &State, plan: &Plan, name: Name) -> anyhow::Result<PathBuf> {
    let dir = match &plan.log_dir {
        Some(dir) => std::path::absolute(dir)?,
        None if plan.free_ports => state.dir().to_owned(),
        None => PathBuf::from("/tmp"),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let log = dir.join(format!("{}.log", name.log_stem()));
    let records = state.records().map_err(|failure| anyhow!("{failure}"))?;
    if !records
        .iter()
        .any(|record| record.log == log && record.process.is_alive())
    {
        return Ok(log);
    }
    Ok(dir.join(format!("{}-{}.log", name.log_stem(), std::process::id())))
}
