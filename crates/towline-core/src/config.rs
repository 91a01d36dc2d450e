//! What an application and its environment decide.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::host_list::HostList;
use crate::limits::Limits;
use crate::observer::{Observer, Observers};
use crate::probe::ProbeMode;
use crate::propagators::Propagators;
use crate::tracer::Tracer;

/// What an application decides in its code. What it leaves open, the environment decides, and then
/// the defaults (spec/api.md, "Settings").
///
/// ```
/// use towline_core::{ClockMode, Config};
///
/// let environment = |name: &str| match name {
///     "TOWLINE_CLOCK" => Some("v1".to_owned()),
///     "OTEL_SERVICE_NAME" => Some("cart".to_owned()),
///     _ => None,
/// };
/// let settings = Config::new().clock(ClockMode::V2).resolve(environment);
/// assert_eq!(settings.clock, ClockMode::V2);
/// assert_eq!(&*settings.service_name, "cart");
/// ```
#[derive(Clone, Default)]
#[must_use = "a configuration does nothing until it is resolved"]
pub struct Config {
    service_name: Option<String>,
    instance: Option<String>,
    disabled: Option<bool>,
    clock: Option<ClockMode>,
    tracestate: Option<bool>,
    propagate_to: Option<String>,
    traceparent_to: Option<String>,
    sampled: Option<bool>,
    trace_response: Option<bool>,
    header_bytes_max: Option<usize>,
    levels_max: Option<usize>,
    forks_max: Option<u32>,
    propagators: Option<String>,
    deadlines: Option<bool>,
    hash_labels: Option<bool>,
    probe: Option<ProbeMode>,
    trust: Option<TrustFn>,
    filter: Option<FilterFn>,
    observers: Observers,
    tracer: Option<Arc<dyn Tracer>>,
}

type TrustFn = Arc<dyn Fn(&Peer) -> Trust + Send + Sync>;
type FilterFn = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

impl Config {
    /// Nothing decided.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the service, in clocks and events. Empty: not decided.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// The name of this instance of the service: two that run side by side should differ. Empty:
    /// not decided; by default 8 random hex digits.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// True: nothing is read, sent or counted, requests pass untouched.
    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = Some(disabled);
        self
    }

    /// Which clock is sent.
    pub fn clock(mut self, mode: ClockMode) -> Self {
        self.clock = Some(mode);
        self
    }

    /// False: our member of `tracestate` is not written (and still taken out).
    pub fn tracestate(mut self, on: bool) -> Self {
        self.tracestate = Some(on);
        self
    }

    /// Hosts that clocks go to beside the local ones, as [`HostList::parse`] reads them.
    ///
    /// ```
    /// # use towline_core::Config;
    /// let settings = Config::new().propagate_to("example.com").resolve(|_| None);
    /// assert!(settings.propagate_to.allows("api.example.com"));
    /// assert!(settings.propagate_to.allows("localhost"));
    /// ```
    pub fn propagate_to(mut self, hosts: impl Into<String>) -> Self {
        self.propagate_to = Some(hosts.into());
        self
    }

    /// The hosts that `traceparent` and the `tracestate` of others go to, as [`HostList::parse`]
    /// reads them; by default all.
    ///
    /// ```
    /// # use towline_core::Config;
    /// let settings = Config::new().traceparent_to("example.com").resolve(|_| None);
    /// assert!(!settings.traceparent_to.allows("localhost"));
    /// ```
    pub fn traceparent_to(mut self, hosts: impl Into<String>) -> Self {
        self.traceparent_to = Some(hosts.into());
        self
    }

    /// Are traces that begin here flagged as sampled?
    pub fn sampled(mut self, sampled: bool) -> Self {
        self.sampled = Some(sampled);
        self
    }

    /// What is believed of a peer's headers, asked once for each request.
    ///
    /// ```
    /// use towline_core::{Config, Peer, Trust};
    ///
    /// let settings = Config::new()
    ///     .trust(|peer| match peer.address {
    ///         Some(address) if address.is_loopback() => Trust::Continue,
    ///         _ => Trust::Restart,
    ///     })
    ///     .resolve(|_| None);
    /// assert_eq!(settings.trust(&Peer::default()), Trust::Restart);
    /// ```
    pub fn trust(mut self, trust: impl Fn(&Peer) -> Trust + Send + Sync + 'static) -> Self {
        self.trust = Some(Arc::new(trust));
        self
    }

    /// True: responses carry `traceresponse` and `Server-Timing: trace;desc=…`.
    pub fn trace_response(mut self, on: bool) -> Self {
        self.trace_response = Some(on);
        self
    }

    /// Bytes of a clock that is read or written, [`Limits::header_bytes_max`].
    pub fn header_bytes_max(mut self, bytes: usize) -> Self {
        self.header_bytes_max = Some(bytes);
        self
    }

    /// Levels of a clock, [`Limits::levels_max`]. More than the default becomes the default.
    ///
    /// ```
    /// # use towline_core::Config;
    /// let limits = Config::new().levels_max(8).forks_max(1_000_000).resolve(|_| None).limits;
    /// assert_eq!((limits.levels_max, limits.forks_max), (8, 65_536));
    /// ```
    pub fn levels_max(mut self, levels: usize) -> Self {
        self.levels_max = Some(levels);
        self
    }

    /// Forks named by a clock, [`Limits::forks_max`]. More than the default becomes the default.
    pub fn forks_max(mut self, forks: u32) -> Self {
        self.forks_max = Some(forks);
        self
    }

    /// The formats that are read and written beside Trace Context, as `OTEL_PROPAGATORS` names them.
    ///
    /// ```
    /// # use towline_core::Config;
    /// let settings = Config::new().propagators("tracecontext,b3").resolve(|_| None);
    /// assert!(settings.propagators.b3() && !settings.propagators.baggage());
    /// ```
    pub fn propagators(mut self, names: impl Into<String>) -> Self {
        self.propagators = Some(names.into());
        self
    }

    /// True: the time that a caller still waits is read, kept to and passed on.
    pub fn deadlines(mut self, on: bool) -> Self {
        self.deadlines = Some(on);
        self
    }

    /// True: hosts that only [`propagate_to`](Self::propagate_to) allows see no names of services
    /// and instances in clocks, but hashes of them.
    pub fn hash_labels(mut self, on: bool) -> Self {
        self.hash_labels = Some(on);
        self
    }

    /// Who may ask what was seen of a request: a token, or `off`. Empty: not decided.
    pub fn probe(mut self, token: impl AsRef<str>) -> Self {
        let token = token.as_ref();
        self.probe = (!token.is_empty()).then(|| ProbeMode::parse(token));
        self
    }

    /// Which requests are traced, by method and path (as on the request line, without the query):
    /// the others pass untouched.
    ///
    /// ```
    /// # use towline_core::Config;
    /// let settings = Config::new().filter(|_method, path| path != "/health").resolve(|_| None);
    /// assert!(settings.traces("GET", "/") && !settings.traces("GET", "/health"));
    /// ```
    pub fn filter(mut self, filter: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// Adds an observer, behind those that are there.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Another tracer of this process, whose spans stand in the place of ours.
    pub fn tracer(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// The settings that this and the environment of the process give.
    ///
    /// ```
    /// # use towline_core::Config;
    /// let settings = Config::new().service_name("cart").resolve_env();
    /// assert_eq!(&*settings.service_name, "cart");
    /// ```
    pub fn resolve_env(self) -> Settings {
        // What is not UTF-8 is understood by no setting but a name, and there it is readable.
        self.resolve(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// The settings that this and an environment give; `lookup` gives the value of a variable.
    ///
    /// Values that are not understood are warned of (`tracing`, target `towline`) and ignored.
    /// Blanks around the value of a variable do not matter, and an empty one is not set.
    pub fn resolve(self, lookup: impl Fn(&str) -> Option<String>) -> Settings {
        self.decide(
            lookup,
            |warning| tracing::warn!(target: "towline", "{warning}"),
        )
    }

    fn decide(
        self,
        lookup: impl Fn(&str) -> Option<String>,
        mut warn: impl FnMut(String),
    ) -> Settings {
        let mut environment = Environment {
            lookup: &lookup,
            warn: &mut warn,
        };
        let name = |name: Option<String>| name.filter(|name| !name.is_empty());

        let service_name = name(self.service_name)
            .or_else(|| environment.text("TOWLINE_SERVICE_NAME"))
            .or_else(|| environment.text("OTEL_SERVICE_NAME"));
        let instance = name(self.instance).or_else(|| environment.text("TOWLINE_INSTANCE"));
        let mut attributes = match (&service_name, &instance) {
            (Some(_), Some(_)) => HashMap::new(),
            (None, _) | (_, None) => environment.resource_attributes("OTEL_RESOURCE_ATTRIBUTES"),
        };
        let service_name = service_name
            .or_else(|| name(attributes.remove("service.name")))
            .unwrap_or_else(|| "unknown_service".to_owned());
        let instance = instance
            .or_else(|| name(attributes.remove("service.instance.id")))
            .unwrap_or_else(|| format!("{:08x}", fastrand::u32(..)));

        let mut propagate_to = HostList::local();
        if let Some((from, text)) =
            environment.hosts("propagate_to", self.propagate_to, "TOWLINE_PROPAGATE_TO")
        {
            environment.add_hosts(&mut propagate_to, from, &text);
        }
        let mut traceparent_to = HostList::default();
        if let Some((from, text)) = environment.hosts(
            "traceparent_to",
            self.traceparent_to,
            "TOWLINE_TRACEPARENT_TO",
        ) {
            environment.add_hosts(&mut traceparent_to, from, &text);
        }
        if traceparent_to == HostList::default() {
            traceparent_to = HostList::any();
        }

        let limits = Limits::DEFAULT;
        Settings {
            service_name: service_name.into(),
            instance: instance.into(),
            disabled: self
                .disabled
                .or_else(|| environment.boolean("TOWLINE_DISABLED"))
                .unwrap_or(false),
            clock: self
                .clock
                .or_else(|| environment.word("TOWLINE_CLOCK", &ClockMode::WORDS))
                .unwrap_or_default(),
            tracestate: self
                .tracestate
                .or_else(|| environment.word("TOWLINE_TRACESTATE", &ON_OFF))
                .unwrap_or(true),
            propagate_to,
            traceparent_to,
            sampled: self
                .sampled
                .or_else(|| environment.boolean("TOWLINE_SAMPLED"))
                .unwrap_or(true),
            trace_response: self
                .trace_response
                .or_else(|| environment.boolean("TOWLINE_TRACE_RESPONSE"))
                .unwrap_or(false),
            limits: Limits {
                header_bytes_max: self
                    .header_bytes_max
                    .or_else(|| environment.bytes("TOWLINE_HEADER_BYTES_MAX"))
                    .unwrap_or(limits.header_bytes_max),
                levels_max: environment.downwards("levels_max", self.levels_max, limits.levels_max),
                forks_max: environment.downwards("forks_max", self.forks_max, limits.forks_max),
            },
            propagators: environment.propagators(self.propagators, "OTEL_PROPAGATORS"),
            deadlines: self
                .deadlines
                .or_else(|| environment.boolean("TOWLINE_DEADLINES"))
                .unwrap_or(false),
            hash_labels: self
                .hash_labels
                .or_else(|| environment.boolean("TOWLINE_HASH_LABELS"))
                .unwrap_or(false),
            probe: self.probe.unwrap_or_else(|| {
                let token = environment.text("TOWLINE_PROBE");
                ProbeMode::parse(token.as_deref().unwrap_or_default())
            }),
            observers: self.observers,
            tracer: self.tracer,
            trust: self.trust,
            filter: self.filter,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("service_name", &self.service_name)
            .field("instance", &self.instance)
            .field("disabled", &self.disabled)
            .field("clock", &self.clock)
            .field("tracestate", &self.tracestate)
            .field("propagate_to", &self.propagate_to)
            .field("traceparent_to", &self.traceparent_to)
            .field("sampled", &self.sampled)
            .field("trace_response", &self.trace_response)
            .field("header_bytes_max", &self.header_bytes_max)
            .field("levels_max", &self.levels_max)
            .field("forks_max", &self.forks_max)
            .field("propagators", &self.propagators)
            .field("deadlines", &self.deadlines)
            .field("hash_labels", &self.hash_labels)
            .field("probe", &self.probe)
            .field("observers", &self.observers)
            .finish_non_exhaustive()
    }
}

/// The environment, and who is told of what is not understood in it or in the code.
struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    warn: &'a mut dyn FnMut(String),
}

impl Environment<'_> {
    fn text(&self, variable: &str) -> Option<String> {
        let value = (self.lookup)(variable)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn warn(&mut self, name: &str, value: impl fmt::Display, why: impl fmt::Display) {
        (self.warn)(format!("{name} is `{value}`: {why}"));
    }

    fn boolean(&mut self, variable: &str) -> Option<bool> {
        let value = self.text(variable)?;
        let is_true = value.eq_ignore_ascii_case("true");
        if !is_true && !value.eq_ignore_ascii_case("false") {
            self.warn(
                variable,
                value,
                "neither `true` nor `false`, taken for `false`",
            );
        }
        Some(is_true)
    }

    fn word<T: Copy>(&mut self, variable: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.text(variable)?;
        let found = words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(&value));
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.warn(
                variable,
                value,
                format_args!("not one of {}, ignored", known.join(", ")),
            );
        }
        found.map(|(_, meaning)| *meaning)
    }

    fn bytes(&mut self, variable: &str) -> Option<usize> {
        let value = self.text(variable)?;
        let bytes = value.parse().ok();
        if bytes.is_none() {
            self.warn(variable, value, "not a number of bytes, ignored");
        }
        bytes
    }

    /// A list of hosts, and the name of where it stands.
    fn hosts(
        &self,
        option: &'static str,
        in_code: Option<String>,
        variable: &'static str,
    ) -> Option<(&'static str, String)> {
        match in_code {
            Some(text) => Some((option, text)),
            None => self.text(variable).map(|text| (variable, text)),
        }
    }

    fn propagators(&mut self, in_code: Option<String>, variable: &'static str) -> Propagators {
        let (from, text) = match in_code.filter(|text| !text.trim().is_empty()) {
            Some(text) => ("propagators", text),
            None => match self.text(variable) {
                Some(text) => (variable, text),
                None => return Propagators::default(),
            },
        };
        let (propagators, unknown) = Propagators::parse(&text);
        for word in unknown {
            self.warn(from, &text, format_args!("`{word}` is not known, ignored"));
        }
        if propagators.lacks_trace_context() {
            let why = "traceparent and tracestate are read and sent all the same";
            self.warn(from, &text, why);
        }
        propagators
    }

    fn add_hosts(&mut self, list: &mut HostList, from: &str, text: &str) {
        for bad in list.add(text) {
            self.warn(from, text, format_args!("{bad}, ignored"));
        }
    }

    fn downwards<T: Ord + Copy + fmt::Display>(
        &mut self,
        option: &str,
        in_code: Option<T>,
        max: T,
    ) -> T {
        let value = in_code.unwrap_or(max);
        if value > max {
            self.warn(
                option,
                value,
                format_args!("the limit is {max}, taken instead"),
            );
        }
        value.min(max)
    }

    /// `key=value` pairs, comma-separated and percent-encoded (OpenTelemetry specification,
    /// "Specifying resource information via an environment variable"). Of equal keys the last
    /// counts; where one pair is broken, "the entire environment variable value SHOULD be
    /// discarded".
    fn resource_attributes(&mut self, variable: &str) -> HashMap<String, String> {
        let Some(value) = self.text(variable) else {
            return HashMap::new();
        };
        let pairs = value
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty());
        let attributes = pairs.map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((percent_decoded(key.trim())?, percent_decoded(value.trim())?))
        });
        let attributes: Option<HashMap<_, _>> = attributes.collect();
        attributes.unwrap_or_else(|| {
            self.warn(
                variable,
                value,
                "not percent-encoded `key=value` pairs, ignored",
            );
            HashMap::new()
        })
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (hex, plain) = piece.split_at_checked(2)?;
        // A sign is no digit, though `from_str_radix` takes it for one.
        if hex.starts_with('+') {
            return None;
        }
        decoded.push(u8::from_str_radix(hex, 16).ok()?);
        decoded.extend_from_slice(plain.as_bytes());
    }
    String::from_utf8(decoded).ok()
}

/// Which clock is sent. Both versions are always read.
///
/// ```
/// assert_eq!(towline_core::ClockMode::default().as_str(), "auto");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClockMode {
    /// Version 2, and inside a request that came with version 1 that.
    #[default]
    Auto,
    /// Version 2: strand clocks.
    V2,
    /// Version 1: one counter for each service.
    V1,
    /// None.
    Off,
}

impl ClockMode {
    const WORDS: [(&'static str, Self); 4] = [
        ("auto", Self::Auto),
        ("v2", Self::V2),
        ("v1", Self::V1),
        ("off", Self::Off),
    ];

    /// The word for it in `TOWLINE_CLOCK`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::V2 => "v2",
            Self::V1 => "v1",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for ClockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const ON_OFF: [(&str, bool); 2] = [("on", true), ("off", false)];

/// What is believed of a peer's headers (spec/trace-context.md, "traceparent in").
///
/// See [`Config::trust`] for an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// All: the trace goes on.
    #[default]
    Continue,
    /// All but `tracestate`, ours and that of others: the trace goes on without it.
    DropTracestate,
    /// Nothing: a new trace begins, and the received one is kept as a link.
    Restart,
    /// Nothing: a new trace begins, and nothing of the received one is kept.
    Ignore,
}

/// Who sent a request, as far as the server knows.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use towline_core::Peer;
///
/// let peer = Peer::new(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
/// assert!(peer.address.is_some_and(|address| address.is_loopback()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The other end of the connection, which may be a proxy; none where the server does not tell.
    pub address: Option<IpAddr>,
}

impl Peer {
    /// A peer at this address.
    #[must_use]
    pub const fn new(address: Option<IpAddr>) -> Self {
        Self { address }
    }
}

/// All settings, decided.
///
/// ```
/// use towline_core::{ClockMode, Config};
///
/// let settings = Config::new().resolve(|_| None);
/// assert_eq!(&*settings.service_name, "unknown_service");
/// assert_eq!(settings.instance.len(), 8);
/// assert_eq!(settings.clock, ClockMode::Auto);
/// assert!(settings.sampled && settings.tracestate && !settings.disabled);
/// assert_eq!(settings.traceparent_to.to_string(), "*");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The name of the service; not empty.
    pub service_name: Arc<str>,
    /// The name of this instance; not empty.
    pub instance: Arc<str>,
    /// Is everything off?
    pub disabled: bool,
    /// Which clock is sent.
    pub clock: ClockMode,
    /// Is our member of `tracestate` written?
    pub tracestate: bool,
    /// The hosts that clocks and our member of `tracestate` go to: the local ones, and those that
    /// were added.
    pub propagate_to: HostList,
    /// The hosts that `traceparent` and the `tracestate` of others go to.
    pub traceparent_to: HostList,
    /// The flag of traces that begin here.
    pub sampled: bool,
    /// Do responses carry `traceresponse` and `Server-Timing`?
    pub trace_response: bool,
    /// What a clock may cost.
    pub limits: Limits,
    /// The formats that are read and written beside Trace Context.
    pub propagators: Propagators,
    /// Is the time that a caller still waits read, kept to and passed on?
    pub deadlines: bool,
    /// Are names hashed in clocks to hosts that are not local?
    pub hash_labels: bool,
    /// Who may ask what was seen of a request.
    pub probe: ProbeMode,
    /// Those beside the counters.
    pub observers: Observers,
    pub(crate) tracer: Option<Arc<dyn Tracer>>,
    trust: Option<TrustFn>,
    filter: Option<FilterFn>,
}

impl Settings {
    /// What is believed of this peer's headers.
    #[inline]
    #[must_use]
    pub fn trust(&self, peer: &Peer) -> Trust {
        self.trust
            .as_ref()
            .map_or(Trust::Continue, |trust| trust(peer))
    }

    /// Whether a function says what is believed.
    pub(crate) fn asks_for_trust(&self) -> bool {
        self.trust.is_some()
    }

    /// Is a request of this method and path (without the query) traced?
    #[inline]
    #[must_use]
    pub fn traces(&self, method: &str, path: &str) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter(method, path))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("service_name", &self.service_name)
            .field("instance", &self.instance)
            .field("disabled", &self.disabled)
            .field("clock", &self.clock)
            .field("tracestate", &self.tracestate)
            .field("propagate_to", &self.propagate_to)
            .field("traceparent_to", &self.traceparent_to)
            .field("sampled", &self.sampled)
            .field("trace_response", &self.trace_response)
            .field("limits", &self.limits)
            .field("propagators", &self.propagators)
            .field("deadlines", &self.deadlines)
            .field("hash_labels", &self.hash_labels)
            .field("probe", &self.probe)
            .field("observers", &self.observers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Settings and warnings of a configuration in an environment.
    fn decided(config: Config, environment: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let lookup = |name: &str| {
            environment
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let mut warnings = Vec::new();
        let settings = config.decide(lookup, |warning| warnings.push(warning));
        (settings, warnings)
    }

    fn understood(config: Config, environment: &[(&str, &str)]) -> Settings {
        let (settings, warnings) = decided(config, environment);
        assert_eq!(warnings, [""; 0], "{environment:?}");
        settings
    }

    #[test]
    fn names_are_taken_from_code_then_ours_then_those_of_opentelemetry() {
        let all = [
            ("TOWLINE_SERVICE_NAME", "ours"),
            ("TOWLINE_INSTANCE", "ours-1"),
            ("OTEL_SERVICE_NAME", "otel"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=attribute,service.instance.id=a%201",
            ),
        ];
        let names = |config, environment| {
            let settings = understood(config, environment);
            format!("{}#{}", settings.service_name, settings.instance)
        };
        assert_eq!(
            names(Config::new().service_name("code").instance("c1"), &all),
            "code#c1"
        );
        assert_eq!(
            names(Config::new().service_name("").instance(""), &all),
            "ours#ours-1"
        );
        assert_eq!(names(Config::new(), &all[2..]), "otel#a 1");
        assert_eq!(names(Config::new(), &all[3..]), "attribute#a 1");
        let empty = [
            ("TOWLINE_SERVICE_NAME", ""),
            ("OTEL_SERVICE_NAME", " "),
            ("TOWLINE_INSTANCE", ""),
        ];
        assert!(names(Config::new(), &empty).starts_with("unknown_service#"));
    }

    #[test]
    fn an_instance_that_nobody_names_is_eight_random_digits() {
        let instance = || understood(Config::new(), &[]).instance;
        let first = instance();
        assert!(
            first.len() == 8
                && first
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            "{first}"
        );
        assert_ne!(first, instance());
    }

    #[test]
    fn propagators_are_read_and_what_they_leave_out_is_warned_of() {
        let decided = |text| decided(Config::new(), &[("OTEL_PROPAGATORS", text)]);
        for (text, names, warning_count) in [
            ("", "tracecontext,baggage", 0),
            (" tracecontext , B3 ,b3,", "tracecontext,b3", 0),
            (
                "tracecontext,b3multi,towline",
                "tracecontext,b3multi,towline",
                0,
            ),
            ("tracecontext,jaeger,xray", "tracecontext", 2),
            ("b3", "b3", 1),
            ("none", "none", 1),
            ("jaeger", "", 2),
        ] {
            let (settings, warnings) = decided(text);
            assert_eq!(settings.propagators.to_string(), names, "{text}");
            assert_eq!(warnings.len(), warning_count, "{text}: {warnings:?}");
        }
        assert!(!decided("none").0.propagators.baggage());
        let in_code = Config::new().propagators("tracecontext");
        let settings = understood(in_code, &[("OTEL_PROPAGATORS", "b3")]);
        assert_eq!(settings.propagators.names(), ["tracecontext"]);
    }

    #[test]
    fn deadlines_hashes_and_probes_are_decided_like_all_else() {
        let all = [
            ("TOWLINE_DEADLINES", "TRUE"),
            ("TOWLINE_HASH_LABELS", "true"),
            ("TOWLINE_PROBE", " s3cret "),
        ];
        let settings = understood(Config::new(), &all);
        assert!(settings.deadlines && settings.hash_labels);
        assert_eq!(settings.probe, ProbeMode::Token("s3cret".into()));
        let in_code = Config::new()
            .deadlines(false)
            .hash_labels(false)
            .probe("Off");
        let settings = understood(in_code, &all);
        assert!(!settings.deadlines && !settings.hash_labels);
        assert_eq!(settings.probe, ProbeMode::Off);
        let settings = understood(Config::new().probe(""), &[]);
        assert!(!settings.deadlines && !settings.hash_labels);
        assert_eq!(settings.probe, ProbeMode::Loopback);
    }

    #[test]
    fn resource_attributes_are_read_whole_or_not_at_all() {
        let name = |attributes| {
            decided(
                Config::new().instance("i"),
                &[("OTEL_RESOURCE_ATTRIBUTES", attributes)],
            )
        };
        for (attributes, expected) in [
            ("service.name=a", "a"),
            (" a=1 , service.name = b%2Cc ,", "b,c"),
            ("service.name=%c3%BC", "\u{fc}"),
            ("service.name=a,service.name=b", "b"),
            ("service%2Ename=a=b", "a=b"),
            ("service.name=", "unknown_service"),
            ("other=1", "unknown_service"),
        ] {
            let (settings, warnings) = name(attributes);
            assert_eq!(
                (&*settings.service_name, warnings.len()),
                (expected, 0),
                "{attributes}"
            );
        }
        for attributes in [
            "service.name=a,b",
            "service.name=%",
            "service.name=%4",
            "service.name=%+4",
            "service.name=%zz",
            "service.name=%ff",
            "service.name=a%\u{fc}",
        ] {
            let (settings, warnings) = name(attributes);
            assert_eq!(&*settings.service_name, "unknown_service", "{attributes}");
            assert_eq!(
                warnings,
                [format!(
                    "OTEL_RESOURCE_ATTRIBUTES is `{attributes}`: not percent-encoded `key=value` pairs, ignored"
                )]
            );
        }
    }

    #[test]
    fn attributes_that_are_not_needed_are_not_warned_of() {
        understood(
            Config::new().service_name("a").instance("b"),
            &[("OTEL_RESOURCE_ATTRIBUTES", "?")],
        );
    }

    #[test]
    fn booleans_are_true_only_for_true() {
        for (value, expected, warning_count) in [
            ("true", true, 0),
            ("TRUE", true, 0),
            ("False", false, 0),
            ("1", false, 1),
            ("yes", false, 1),
        ] {
            let names = [
                "TOWLINE_DISABLED",
                "TOWLINE_SAMPLED",
                "TOWLINE_TRACE_RESPONSE",
            ];
            let (settings, warnings) = decided(Config::new(), &names.map(|name| (name, value)));
            assert_eq!(
                [settings.disabled, settings.sampled, settings.trace_response],
                [expected; 3],
                "{value}"
            );
            assert_eq!(warnings.len(), 3 * warning_count, "{warnings:?}");
        }
        let settings = understood(
            Config::new(),
            &[("TOWLINE_SAMPLED", ""), ("TOWLINE_DISABLED", "")],
        );
        assert!(settings.sampled && !settings.disabled);
        let code = Config::new()
            .disabled(false)
            .sampled(true)
            .trace_response(false);
        let settings = understood(
            code,
            &[
                ("TOWLINE_DISABLED", "true"),
                ("TOWLINE_SAMPLED", "false"),
                ("TOWLINE_TRACE_RESPONSE", "true"),
            ],
        );
        assert!(!settings.disabled && settings.sampled && !settings.trace_response);
    }

    #[test]
    fn words_are_read_in_any_case_and_others_are_warned_of() {
        for mode in [
            ClockMode::Auto,
            ClockMode::V2,
            ClockMode::V1,
            ClockMode::Off,
        ] {
            assert_eq!(
                understood(Config::new(), &[("TOWLINE_CLOCK", mode.as_str())]).clock,
                mode
            );
            assert_eq!(
                understood(Config::new().clock(mode), &[("TOWLINE_CLOCK", "v9")]).clock,
                mode
            );
        }
        assert!(!understood(Config::new(), &[("TOWLINE_TRACESTATE", " OFF ")]).tracestate);
        assert!(
            understood(
                Config::new().tracestate(true),
                &[("TOWLINE_TRACESTATE", "off")]
            )
            .tracestate
        );
        let (settings, warnings) = decided(
            Config::new(),
            &[("TOWLINE_CLOCK", "v3"), ("TOWLINE_TRACESTATE", "true")],
        );
        assert_eq!(
            (settings.clock, settings.tracestate),
            (ClockMode::Auto, true)
        );
        assert_eq!(
            warnings,
            [
                "TOWLINE_CLOCK is `v3`: not one of auto, v2, v1, off, ignored",
                "TOWLINE_TRACESTATE is `true`: not one of on, off, ignored",
            ]
        );
    }

    #[test]
    fn hosts_for_clocks_are_added_and_those_for_traceparent_replaced() {
        let settings = understood(
            Config::new(),
            &[
                ("TOWLINE_PROPAGATE_TO", "a.example, 203.0.113.0/24"),
                ("TOWLINE_TRACEPARENT_TO", "b.example"),
            ],
        );
        assert_eq!(
            settings.propagate_to.to_string(),
            "local, a.example, 203.0.113.0/24"
        );
        assert_eq!(settings.traceparent_to.to_string(), "b.example");
        let code = Config::new().propagate_to("").traceparent_to("c.example");
        let settings = understood(
            code,
            &[
                ("TOWLINE_PROPAGATE_TO", "a.example"),
                ("TOWLINE_TRACEPARENT_TO", "b.example"),
            ],
        );
        assert_eq!(settings.propagate_to, HostList::local());
        assert_eq!(settings.traceparent_to.to_string(), "c.example");
    }

    #[test]
    fn hosts_that_are_not_understood_are_warned_of() {
        let (settings, warnings) = decided(
            Config::new().traceparent_to("a b"),
            &[("TOWLINE_PROPAGATE_TO", "a.example,10/8")],
        );
        assert_eq!(settings.propagate_to.to_string(), "local, a.example");
        assert_eq!(settings.traceparent_to, HostList::any());
        assert_eq!(
            warnings,
            [
                "TOWLINE_PROPAGATE_TO is `a.example,10/8`: `10/8` is not a host name, an address, a CIDR block or `*`, ignored",
                "traceparent_to is `a b`: `a b` is not a host name, an address, a CIDR block or `*`, ignored",
            ]
        );
    }

    #[test]
    fn limits_go_downwards_and_bytes_upwards_too() {
        let bytes = |value| {
            understood(Config::new(), &[("TOWLINE_HEADER_BYTES_MAX", value)])
                .limits
                .header_bytes_max
        };
        assert_eq!(
            [bytes("100"), bytes("65536"), bytes("")],
            [100, 65_536, 4096]
        );
        let (settings, warnings) = decided(
            Config::new().levels_max(65).forks_max(70_000),
            &[("TOWLINE_HEADER_BYTES_MAX", "4k")],
        );
        assert_eq!(settings.limits, Limits::DEFAULT);
        assert_eq!(
            warnings,
            [
                "TOWLINE_HEADER_BYTES_MAX is `4k`: not a number of bytes, ignored",
                "levels_max is `65`: the limit is 64, taken instead",
                "forks_max is `70000`: the limit is 65536, taken instead",
            ]
        );
        let settings = understood(
            Config::new()
                .header_bytes_max(8192)
                .levels_max(3)
                .forks_max(0),
            &[("TOWLINE_HEADER_BYTES_MAX", "1")],
        );
        assert_eq!(
            settings.limits,
            Limits {
                header_bytes_max: 8192,
                levels_max: 3,
                forks_max: 0
            }
        );
    }

    #[test]
    fn without_functions_every_peer_is_trusted_and_every_request_traced() {
        let settings = understood(Config::new(), &[]);
        assert_eq!(settings.trust(&Peer::default()), Trust::Continue);
        assert!(settings.traces("GET", "/health"));
    }

    #[test]
    fn debug_shows_the_settings() {
        let config = Config::new().service_name("cart");
        assert!(format!("{config:?}").contains("cart"));
        assert!(format!("{:?}", understood(config, &[])).contains("header_bytes_max: 4096"));
    }

    proptest! {
        #[test]
        fn no_environment_panics(value in ".{0,40}|[%=,a-f0-9+-]{0,40}") {
            let mut warning_count = 0;
            let settings = Config::new().decide(|_| Some(value.clone()), |_| warning_count += 1);
            prop_assert!(!settings.service_name.is_empty() && !settings.instance.is_empty());
            prop_assert!(warning_count <= 9 + 3 * (1 + value.len()));
        }

        #[test]
        fn percent_encoding_is_undone(text in ".{0,20}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(percent_decoded(&encoded), Some(text));
        }
    }
}
