//! What the command line takes.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::FalseyValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};

use crate::demo::Name;

const EXITS: &str = "\
Exit status: 0 well, 1 findings, 2 wrong usage, 3 not found, 4 not reached, 5 bad input, 130 interrupted.
Data goes to standard output, everything else to standard error.";

const PROBE_AFTER: &str = "\
Examples:
  towline probe typescript --chain python,go,rust
  towline probe http://127.0.0.1:8080/orders --data '{\"item\": 7}'

A hop without a record is *: it does not know Towline, keeps its record, or does not answer; each is
said, with what helps. docs/doctor.md says how to read the table.

Exit status: 0 well, 1 findings, 2 wrong usage, 3 not found, 4 not reached, 5 bad input, 130 interrupted.
Data goes to standard output, everything else to standard error.";

/// Check that trace context and clocks come through, hop by hop.
#[derive(Debug, Parser)]
#[command(name = "towline", version, after_help = EXITS, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Probe(ProbeArgs),
    Doctor(DoctorArgs),
    Conformance(ConformanceArgs),
    /// Read and compare strand clocks.
    #[command(subcommand)]
    Clock(ClockCommand),
    /// The four demo services: TypeScript, Python, Go, Rust.
    #[command(subcommand)]
    Demo(DemoCommand),
}

impl Command {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Probe(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Conformance(args) => args.json,
            Self::Clock(ClockCommand::Show { json, .. } | ClockCommand::Compare { json, .. }) => {
                *json
            }
            Self::Demo(DemoCommand::Up(args)) => args.json,
            Self::Demo(DemoCommand::Down(args) | DemoCommand::Status(args)) => args.json,
            // The probe's own arguments decide, and are read later.
            Self::Demo(DemoCommand::Run(args)) => args.probe.iter().any(|arg| arg == "--json"),
        }
    }
}

/// Send one request through a chain of services and check every hop
///
/// A place is a URL, host:port, or one of typescript, python, go, rust: where `towline demo` runs it,
/// else its own port on 127.0.0.1.
///
/// Services that offer `POST /process` (spec/services.md) are told what to call, and every header is
/// checked. Any other service gets the request that you give, with `towline-probe`; each service that
/// runs Towline answers with what it saw. Where services have a token (TOWLINE_PROBE), set it here
/// too; without one they answer only to probes from the loopback.
#[derive(Debug, Parser)]
#[command(name = "towline probe", after_help = EXITS, after_long_help = PROBE_AFTER, verbatim_doc_comment)]
pub(crate) struct ProbeArgs {
    /// The first hop.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Ask any service what it saw; not needed where the URL has a path other than /process.
    #[arg(long, conflicts_with_all = ["chain", "calls"])]
    pub(crate) hops: bool,
    /// The method of the request to any service; GET, or POST with --data.
    #[arg(long, value_name = "METHOD", conflicts_with_all = ["chain", "calls"])]
    pub(crate) method: Option<Method>,
    /// A header of the request to any service; may be given again.
    #[arg(long = "header", value_name = "NAME: VALUE", conflicts_with_all = ["chain", "calls"])]
    pub(crate) headers: Vec<HeaderArg>,
    /// The body of the request to any service; @FILE reads a file, @- standard input.
    ///
    /// It is sent as JSON unless a content-type is given.
    #[arg(long, value_name = "BODY", conflicts_with_all = ["chain", "calls"])]
    pub(crate) data: Option<String>,
    /// The hops after it, each called by the one before.
    #[arg(
        long,
        value_name = "A,B,…",
        value_delimiter = ',',
        conflicts_with = "calls"
    )]
    pub(crate) chain: Vec<String>,
    /// The calls of the first hop, as JSON of POST /process; - reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) calls: Option<String>,
    /// The flags to send: 00 to 03, or `vary` for each in turn.
    #[arg(long, value_name = "HEX", default_value = "03")]
    pub(crate) flags: Flags,
    /// How many requests to send; all are checked, also against each other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) repeat: u32,
    /// How many of them at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) concurrency: u16,
    /// How long to wait for the answer of one request.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    /// Write one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArg,
}

impl ProbeArgs {
    /// Whether any service is asked, and not one of `spec/services.md`.
    pub(crate) fn is_of_any_service(&self) -> bool {
        let asked = self.hops || self.method.is_some() || !self.headers.is_empty();
        asked || self.data.is_some() || (self.has_no_calls() && self.is_elsewhere())
    }

    fn has_no_calls(&self) -> bool {
        self.chain.is_empty() && self.calls.is_none()
    }

    /// Whether the URL has a path, and another than `/process`.
    fn is_elsewhere(&self) -> bool {
        let rest = self
            .url
            .split_once("://")
            .map_or(&*self.url, |(_, rest)| rest);
        let path = rest.find('/').and_then(|slash| rest.get(slash..));
        path.and_then(|path| path.split(['?', '#']).next())
            .is_some_and(|path| !path.ends_with("/process"))
    }
}

/// Ask running services what is off, and look for what breaks traces in lock files
///
/// Running services are asked for what they say at /.well-known/towline: where one is disabled, has
/// its clock off, has received nothing, calls without context, withholds clocks, loses answers or
/// restarts traces, that is said, with why it matters and what cures it.
///
/// Without a URL, the lock file of this folder is looked at: two versions of `opentelemetry` in one
/// program break traces without any error.
#[derive(Debug, ClapArgs)]
#[command(after_help = DOCTOR_EXITS, after_long_help = DOCTOR_AFTER, verbatim_doc_comment)]
pub(crate) struct DoctorArgs {
    /// Services to ask: a URL, host:port, or one of typescript, python, go, rust.
    #[arg(value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Lock files of Cargo to look at; Cargo.lock here where no service is asked.
    #[arg(long = "lock", value_name = "FILE", num_args = 1..)]
    pub(crate) locks: Vec<PathBuf>,
    /// How long to wait for the answer of one service.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    /// Write one JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArg,
}

/// Run the project's own cases against a service, in any language, and judge every rule
///
/// The service has to offer `POST /test` (spec/services.md): it is asked to call a server that is
/// started on a free port of 127.0.0.1, and what arrives there is judged: trace context, clocks, their
/// answers, fields that are there twice, and what strangers may send. Nothing else is asked of it.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXITS, after_long_help = CONFORMANCE_AFTER, verbatim_doc_comment)]
pub(crate) struct ConformanceArgs {
    /// The service: a URL, host:port, or one of typescript, python, go, rust.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Only rules whose names begin so, such as clock or traceparent/flags; may be given again.
    #[arg(long = "rule", value_name = "RULE")]
    pub(crate) rules: Vec<String>,
    /// How long one case may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,
    /// Write one JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArg,
}

const CONFORMANCE_AFTER: &str = "\
Examples:
  towline conformance 127.0.0.1:6003
  towline conformance go --rule clock --rule answer --json

Exit status: 0 every rule is kept, 1 one is not, 2 wrong usage, 3 no POST /test there, 4 not reached.
Data goes to standard output, everything else to standard error.";

const DOCTOR_EXITS: &str = "\
Exit status: 0 nothing worse than a note, 1 warnings or errors, 2 wrong usage, 3 a file is not there,
4 no service answers, 5 a file is no lock file.
Data goes to standard output, everything else to standard error.";

const DOCTOR_AFTER: &str = "\
Examples:
  towline doctor 127.0.0.1:6001 127.0.0.1:6003
  towline doctor --lock Cargo.lock tools/Cargo.lock

Exit status: 0 nothing worse than a note, 1 warnings or errors, 2 wrong usage, 3 a file is not there,
4 no service answers, 5 a file is no lock file.
Data goes to standard output, everything else to standard error.";

/// Which flags a probe sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flags {
    These(u8),
    Vary,
}

impl Flags {
    /// Those of the request with this number.
    pub(crate) fn of(self, request: u32) -> u8 {
        match self {
            Self::These(flags) => flags,
            Self::Vary => [3, 2, 1, 0]
                .into_iter()
                .cycle()
                .nth((request % 4) as usize)
                .unwrap_or(3),
        }
    }
}

impl FromStr for Flags {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "00" => Ok(Self::These(0)),
            "01" => Ok(Self::These(1)),
            "02" => Ok(Self::These(2)),
            "03" => Ok(Self::These(3)),
            "vary" => Ok(Self::Vary),
            _ => Err("flags are 00, 01, 02, 03 or vary"),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClockCommand {
    /// Show a clock as a tree: its strands, their ticks, the calls in flight.
    #[command(after_help = EXITS)]
    Show {
        /// The value of raceway-clock.
        #[arg(value_name = "HEADER")]
        header: String,
        /// Write one JSON document instead.
        #[arg(long)]
        json: bool,
    },
    /// Say how one clock stands to another: before, after, equal, concurrent or unknown.
    #[command(after_help = EXITS)]
    Compare {
        /// The value of raceway-clock.
        #[arg(value_name = "HEADER")]
        first: String,
        /// Another one.
        #[arg(value_name = "HEADER")]
        second: String,
        /// Write one JSON document instead.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// Set up and start the services that do not run yet, and wait until they are healthy.
    Up(UpArgs),
    /// Stop the services that `up` started, and no others.
    Down(DemoArgs),
    /// Say which services run, where, and who started them. Exit status 3 if one does not.
    Status(DemoArgs),
    /// Start what a probe needs, run it, and stop what was started.
    Run(RunArgs),
}

/// Where `towline demo` keeps what it has to know of its services.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct StateArg {
    /// Where process ids are kept.
    #[arg(
        long = "state",
        value_name = "DIR",
        env = "TOWLINE_DEMO_STATE",
        hide_short_help = true
    )]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = EXITS)]
pub(crate) struct DemoArgs {
    /// Only these services.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) only: Vec<Name>,
    /// The ports of services: typescript=6101,go=6103.
    #[arg(
        long,
        value_name = "NAME=PORT,…",
        value_delimiter = ',',
        env = "TOWLINE_DEMO_PORTS"
    )]
    pub(crate) ports: Vec<PortOf>,
    /// Write one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArg,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = EXITS)]
pub(crate) struct UpArgs {
    /// Only these services.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) only: Vec<Name>,
    /// Write one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) start: StartArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = EXITS)]
pub(crate) struct RunArgs {
    /// Start these services, and not those that the probe names.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) only: Vec<Name>,
    #[command(flatten)]
    pub(crate) start: StartArgs,
    /// The arguments of `towline probe`.
    #[arg(last = true, required = true, value_name = "PROBE ARGS")]
    pub(crate) probe: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StartArgs {
    /// Start new instances on free ports, whatever runs already.
    #[arg(long, env = "TOWLINE_DEMO_FREE_PORTS", value_parser = FalseyValueParser::new(), conflicts_with = "ports")]
    pub(crate) free_ports: bool,
    /// The ports of services: typescript=6101,go=6103.
    #[arg(
        long,
        value_name = "NAME=PORT,…",
        value_delimiter = ',',
        env = "TOWLINE_DEMO_PORTS"
    )]
    pub(crate) ports: Vec<PortOf>,
    /// Where the services' logs go; /tmp by default.
    #[arg(long, value_name = "DIR", env = "TOWLINE_DEMO_LOG_DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// The folder with the services; found from here upwards by default.
    #[arg(long, value_name = "DIR", env = "TOWLINE_EXAMPLES")]
    pub(crate) examples: Option<PathBuf>,
    /// How long a service that was started may take until it is healthy.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) wait: u64,
    #[command(flatten)]
    pub(crate) state: StateArg,
}

/// `go=6103`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortOf {
    pub(crate) name: Name,
    pub(crate) port: u16,
}

impl FromStr for PortOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, port) = text.split_once('=').ok_or("a port is given as NAME=PORT")?;
        let port = port.parse().ok().filter(|&port| port > 0);
        Ok(Self {
            name: name.parse()?,
            port: port.ok_or("a port is 1 to 65535")?,
        })
    }
}

/// A header of a request: `NAME: VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderArg {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
}

impl FromStr for HeaderArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const OURS: [&str; 5] = [
            "traceparent",
            "tracestate",
            "raceway-clock",
            "towline-probe",
            "towline-hops",
        ];
        let (name, value) = text
            .split_once(':')
            .ok_or("a header is given as NAME: VALUE")?;
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|_| "that is no name of a header")?;
        if OURS.contains(&name.as_str()) {
            return Err(format!("{name} is what the probe sends itself"));
        }
        let mut value = HeaderValue::from_str(value.trim())
            .map_err(|_| "a header's value is one line of ASCII")?;
        // May be a password: it is shown nowhere.
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
        ProbeArgs::command().debug_assert();
    }

    #[test]
    fn ports_are_read_strictly() {
        assert_eq!(
            "go=6103".parse(),
            Ok(PortOf {
                name: Name::Go,
                port: 6103
            })
        );
        for bad in ["go", "go=", "go=0", "go=65536", "ruby=1", "=1"] {
            assert!(bad.parse::<PortOf>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_of_its_own_means_any_service() {
        let is_of_any = |line: &str| {
            let args = ProbeArgs::try_parse_from(line.split(' ')).unwrap();
            args.is_of_any_service()
        };
        for line in [
            "probe a:1/orders",
            "probe http://a/",
            "probe http://a:1/processes?x=/process",
            "probe typescript --hops",
            "probe a:1 --data x",
            "probe a:1 --method PUT",
        ] {
            assert!(is_of_any(line), "{line}");
        }
        for line in [
            "probe typescript",
            "probe a:1",
            "probe http://a/process",
            "probe http://a/v2/process?x=/orders",
            "probe http://a/orders --chain go",
        ] {
            assert!(!is_of_any(line), "{line}");
        }
    }

    #[test]
    fn headers_are_read_strictly() {
        let header: HeaderArg = "X-Key:  a b ".parse().unwrap();
        assert_eq!(
            (header.name.as_str(), header.value.as_bytes()),
            ("x-key", &b"a b"[..])
        );
        assert!(!format!("{header:?}").contains("a b"));
        for bad in [
            "x",
            ": y",
            "x y: z",
            "x: a\nb",
            "Traceparent: 00",
            "towline-probe: 1",
        ] {
            assert!(bad.parse::<HeaderArg>().is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_vary_by_request() {
        assert_eq!([0, 1, 2, 3, 4].map(|n| Flags::Vary.of(n)), [3, 2, 1, 0, 3]);
        assert_eq!("02".parse(), Ok(Flags::These(2)));
        assert!("04".parse::<Flags>().is_err());
    }
}
