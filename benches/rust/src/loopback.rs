//! Servers over loopback HTTP/1.1 with keep-alive: what a layer adds to all that a server does.
//!
//! Each variant is a server process; all of them stand ready at once and are called in turn, a
//! slice of requests each, so that what else happens on the machine happens to all of them.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use cpu_time::ProcessTime;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};

use crate::allocations::Allocations;
use crate::inbound::{Clocks, Inbound};
use crate::measure::{BATCH, Cost, least, median};
use crate::outbound::{Carries, Outbound, check_answer};
#[cfg(feature = "rivals")]
use crate::rivals;
use crate::stack::{Place, Setting, Stack, User};
use crate::variant::MINIMUM;
use crate::wire::{Connection, get};

/// How many connections a server has at a time.
const CONNECTIONS: usize = 8;

/// A server that is called over loopback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) over: Option<&'static str>,
    stack: Stack,
    clocks: Clocks,
    carries: Carries,
}

/// All of them, those without propagation first.
pub(crate) fn servers() -> Vec<Server> {
    let trace = Carries::Trace { sampled: true };
    let towline = Stack::Towline(Setting::Default, Place::Around);
    let server = |name, over, stack, clocks, carries| Server {
        name,
        over,
        stack,
        clocks,
        carries,
    };
    let (none, four) = (Clocks::None, Clocks::Hops(4));
    let own = [
        server("bare", None, Stack::Bare, none, Carries::Nothing),
        server(
            "bare, clock of 4",
            None,
            Stack::Bare,
            four,
            Carries::Nothing,
        ),
        server(
            MINIMUM,
            Some("bare"),
            Stack::Minimum(Place::Around),
            none,
            trace,
        ),
        server("towline", Some("bare"), towline, none, trace),
        server(
            "towline, clock of 4",
            Some("bare, clock of 4"),
            towline,
            four,
            Carries::Clock,
        ),
    ];
    own.into_iter().chain(of_rivals()).collect()
}

#[cfg(feature = "rivals")]
fn of_rivals() -> impl Iterator<Item = Server> {
    let rivals = rivals::Server::on_loopback().into_iter();
    rivals.map(|(name, rival)| Server {
        name,
        over: rival.over(),
        stack: Stack::Rival(rival),
        clocks: rival.clocks(),
        carries: rival.carries(),
    })
}

#[cfg(not(feature = "rivals"))]
fn of_rivals() -> impl Iterator<Item = Server> {
    std::iter::empty()
}

impl Server {
    /// Serves in this process until its standard input ends.
    pub(crate) fn serve(&self) -> Result<()> {
        self.stack.build(Serve)
    }
}

/// Measures all of them: `slices` of `requests` each.
pub(crate) fn measure(slices: usize, requests: usize) -> Result<Vec<(Server, Cost)>> {
    let mut runs: Vec<Run> = servers()
        .into_iter()
        .map(Run::start)
        .collect::<Result<_>>()?;
    for run in &mut runs {
        run.check()
            .with_context(|| format!("loopback: {}", run.server.name))?;
        run.slice(requests)?;
        run.slices.clear();
    }
    for _ in 0..slices {
        for run in &mut runs {
            run.slice(requests)?;
        }
    }
    Ok(runs
        .into_iter()
        .map(|run| (run.server, run.cost()))
        .collect())
}

/// A server process, and what it is called with.
struct Run {
    server: Server,
    process: Child,
    connections: Vec<Connection>,
    inbound: Vec<Inbound>,
    slices: Vec<Usage>,
}

impl Run {
    fn start(server: Server) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", server.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        let address: SocketAddr = line.trim().parse().context("it says where it listens")?;
        Ok(Self {
            server,
            process,
            connections: (0..CONNECTIONS)
                .map(|_| Connection::open(address))
                .collect::<Result<_>>()?,
            inbound: Inbound::batch(server.clocks),
            slices: Vec::new(),
        })
    }

    fn check(&mut self) -> Result<()> {
        let connection = self
            .connections
            .first_mut()
            .context("there are connections")?;
        for inbound in &self.inbound {
            let answer = connection.exchange(&get("/", Some(inbound)))?;
            ensure!(answer.body == "ok", "answered: {}", answer.body);
            check_answer(&answer.headers, inbound, self.server.carries)?;
            let told = connection.exchange(&get("/out", Some(inbound)))?;
            Outbound::of_text(&told.body)?.check(inbound, self.server.carries)?;
        }
        Ok(())
    }

    /// A slice of requests: one on each connection, then their answers, and again.
    fn slice(&mut self, requests: usize) -> Result<()> {
        let texts: Vec<Vec<u8>> = self
            .inbound
            .iter()
            .map(|inbound| get("/", Some(inbound)))
            .collect();
        let mut texts = texts.iter().cycle();
        let before = self.usage()?;
        let turns = requests.max(BATCH) / CONNECTIONS;
        for _ in 0..turns {
            for (connection, text) in self.connections.iter_mut().zip(&mut texts) {
                connection.send(text)?;
            }
            for connection in &mut self.connections {
                connection.skip_answer()?;
            }
        }
        let spent = self.usage()?.since(before, turns * CONNECTIONS);
        self.slices.push(spent);
        Ok(())
    }

    fn usage(&mut self) -> Result<Usage> {
        let connection = self
            .connections
            .first_mut()
            .context("there are connections")?;
        Usage::of_text(&connection.exchange(&get("/usage", None))?.body)
    }

    fn cost(&self) -> Cost {
        let each = |part: fn(&Usage) -> f64| self.slices.iter().map(part).collect::<Vec<_>>();
        let times = each(|slice| slice.nanoseconds);
        Cost {
            least: least(&times),
            median: median(times),
            allocations: median(each(|slice| slice.allocations)),
            bytes: median(each(|slice| slice.bytes)),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The end of its input ends it; this is for one that hangs.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a server process has used up.
#[derive(Clone, Copy, Debug)]
struct Usage {
    /// CPU time, of all its threads, in and out of the kernel.
    nanoseconds: f64,
    allocations: f64,
    bytes: f64,
}

impl Usage {
    fn of_this_process() -> String {
        let Allocations { count, bytes } = Allocations::so_far();
        format!(
            "{} {count} {bytes}",
            ProcessTime::now().as_duration().as_nanos()
        )
    }

    fn of_text(text: &str) -> Result<Self> {
        let mut numbers = text.split(' ').map(str::parse);
        let mut next = || anyhow::Ok(numbers.next().context("three numbers")??);
        Ok(Self {
            nanoseconds: next()?,
            allocations: next()?,
            bytes: next()?,
        })
    }

    /// For one of so many requests.
    fn since(self, before: Self, requests: usize) -> Self {
        let requests = requests as f64;
        Self {
            nanoseconds: (self.nanoseconds - before.nanoseconds) / requests,
            allocations: (self.allocations - before.allocations) / requests,
            bytes: (self.bytes - before.bytes) / requests,
        }
    }
}

/// Serves on one thread, until standard input ends.
struct Serve;

impl User for Serve {
    type Output = Result<()>;

    fn with<S, B>(self, service: S) -> Result<()>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        end_with_input();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("{}", listener.local_addr()?);
            std::io::stdout().flush()?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let service = service.clone();
                let handler = hyper::service::service_fn(move |request: Request<Incoming>| {
                    respond(service.clone(), request)
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), handler);
                tokio::task::spawn_local(connection);
            }
        })
    }
}

/// `/usage` tells what this process has used up; all else is the service's.
async fn respond<S, B>(
    service: S,
    request: Request<Incoming>,
) -> Result<Response<http_body_util::Either<B, http_body_util::Full<Bytes>>>, Infallible>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    if request.uri().path() == "/usage" {
        let usage = Bytes::from(Usage::of_this_process());
        return Ok(Response::new(http_body_util::Either::Right(usage.into())));
    }
    let response = service.oneshot(request.map(Body::new)).await?;
    Ok(response.map(http_body_util::Either::Left))
}

/// Ends the process when whoever started it is gone.
fn end_with_input() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
