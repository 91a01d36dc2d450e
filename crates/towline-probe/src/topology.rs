//! Which service calls which: the shape of one request.

use std::error::Error;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::target::{TargetError, target};

/// The most calls that one hop makes (`spec/services.md`, "`POST /process`").
pub const CALLS_MAX: usize = 64;
/// The most hops below one another: a clock has 64 levels, and the prober is the first.
pub const LEVELS_MAX: usize = 63;
/// The most hops of one request.
pub const HOPS_MAX: usize = 512;
/// The longest body of a request, in bytes (`spec/services.md`, "`POST /process`").
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// How a hop makes its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One after the other, each after the answer of the one before.
    #[default]
    Sequential,
    /// All at once.
    Parallel,
}

/// A hop as it is meant to be; hop 0 is the prober.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) url: String,
    pub(crate) caller: usize,
    /// Which call of its caller it is.
    pub(crate) place: usize,
    /// How many hops lie above it; the prober has 0.
    pub(crate) level: usize,
    pub(crate) payload: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) calls: Vec<usize>,
}

/// The shape of a probe's request: hop 0, the prober, calls hop 1, which calls others. Hops are
/// numbered as they stand in the request, each before those that it calls.
///
/// ```
/// use towline_probe::Topology;
///
/// let chain = Topology::chain("127.0.0.1:6001", ["127.0.0.1:6002", "127.0.0.1:6003"]).unwrap();
/// assert_eq!(chain.hop_count(), 3);
/// assert_eq!(chain.url(), "http://127.0.0.1:6001/process");
///
/// let calls = br#"{"mode": "parallel", "calls": [{"url": "b:1"}, {"url": "c:1"}]}"#;
/// let fan = Topology::from_calls("a:1", calls, |_| None).unwrap();
/// assert_eq!(fan.to_string(), "1 → (2 ∥ 3)");
/// ```
#[derive(Clone, Debug)]
pub struct Topology {
    hops: Vec<Planned>,
    /// Asked for in the second form of `/process`: `downstream`, `next_downstream`, …
    shifted: bool,
}

impl Topology {
    /// A chain: hop 1 is `url`, and each entry of `others` is called by the one before it.
    ///
    /// # Errors
    ///
    /// When an entry is not a URL or `host:port` (see [`target`]), or the chain has more than
    /// [`LEVELS_MAX`] hops.
    pub fn chain<I>(url: &str, others: I) -> Result<Self, TopologyError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut topology = Self::one(url)?;
        for entry in others {
            let last = topology.hops.len() - 1;
            topology.add(last, target(entry.as_ref())?, None, Mode::Sequential)?;
        }
        Ok(topology)
    }

    /// What a body of `/process` asks of the service at `url`, in either of its forms
    /// (`spec/services.md`, "`POST /process`"). `names` gives the entry that a name of a
    /// service stands for.
    ///
    /// # Errors
    ///
    /// When `body` is not of these forms, has a field that they do not have, names a place that
    /// is none, or asks for more than [`CALLS_MAX`], [`LEVELS_MAX`], [`HOPS_MAX`] or
    /// [`REQUEST_BYTES_MAX`].
    pub fn from_calls(
        url: &str,
        body: &[u8],
        names: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TopologyError> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(TopologyError::TooLong(body.len()));
        }
        let asked: Asked = serde_json::from_slice(body).map_err(TopologyError::Json)?;
        let place = |entry: &str| target(&names(entry).unwrap_or_else(|| entry.to_owned()));
        let mut topology = Self::one(&place(url)?)?;
        topology.edit(1, |hop| hop.payload.clone_from(&asked.payload));
        let shifted = [
            asked.downstream,
            asked.next_downstream,
            asked.next_next_downstream,
        ];
        if shifted.iter().any(Option::is_some) {
            if asked.calls.is_some() || asked.mode.is_some() {
                return Err(TopologyError::TwoForms);
            }
            topology.shifted = true;
            let mut entries = shifted.into_iter();
            for entry in entries.by_ref().map_while(|entry| entry) {
                let last = topology.hops.len() - 1;
                topology.add(last, place(&entry)?, None, Mode::Sequential)?;
            }
            if entries.any(|entry| entry.is_some()) {
                return Err(TopologyError::Skips);
            }
            return Ok(topology);
        }
        topology.edit(1, |hop| hop.mode = asked.mode.unwrap_or_default());
        topology.add_all(1, asked.calls.unwrap_or_default(), &place)?;
        Ok(topology)
    }

    /// The URL of hop 1, which the prober calls.
    #[must_use]
    pub fn url(&self) -> &str {
        self.hops.get(1).map_or("", |hop| &hop.url)
    }

    /// How many hops the request has, without the prober.
    #[must_use]
    pub fn hop_count(&self) -> usize {
        self.hops.len() - 1
    }

    /// The body for hop 1, with `payload` where the topology has none of its own.
    pub(crate) fn body(&self, payload: &str) -> Vec<u8> {
        let mut body = self.entry(1);
        body.remove("url");
        body.entry("payload").or_insert_with(|| json!(payload));
        if self.shifted {
            body.remove("calls");
            body.remove("mode");
            let names = ["downstream", "next_downstream", "next_next_downstream"];
            for (name, hop) in names.into_iter().zip(self.hops.iter().skip(2)) {
                body.insert(name.to_owned(), json!(hop.url));
            }
        }
        Value::Object(body).to_string().into_bytes()
    }

    fn entry(&self, number: usize) -> Map<String, Value> {
        let mut entry = Map::new();
        let Some(hop) = self.hops.get(number) else {
            return entry;
        };
        entry.insert("url".to_owned(), json!(hop.url));
        if let Some(payload) = &hop.payload {
            entry.insert("payload".to_owned(), json!(payload));
        }
        if !hop.calls.is_empty() {
            let calls = hop
                .calls
                .iter()
                .map(|&call| Value::Object(self.entry(call)));
            entry.insert("calls".to_owned(), calls.collect());
            if hop.mode == Mode::Parallel {
                entry.insert("mode".to_owned(), json!("parallel"));
            }
        }
        entry
    }

    /// The payload that a hop is sent: its own, else its caller's, else `payload`.
    pub(crate) fn payload<'a>(&'a self, number: usize, payload: &'a str) -> &'a str {
        let mut at = number;
        while let Some(hop) = self.hops.get(at).filter(|_| at > 0) {
            if let Some(own) = &hop.payload {
                return own;
            }
            at = hop.caller;
        }
        payload
    }

    pub(crate) fn is_shifted(&self) -> bool {
        self.shifted
    }

    /// Hop 0, the prober, and the others.
    pub(crate) fn hops(&self) -> &[Planned] {
        &self.hops
    }

    /// Where the ways to `a` and `b` part: the hop that both come from, and its calls that they
    /// go through; `None` where one lies above the other.
    pub(crate) fn parting(&self, a: usize, b: usize) -> Option<Parting> {
        let (mut x, mut y) = (a, b);
        let (mut left, mut right) = (None, None);
        while x != y {
            // A hop is numbered after those above it.
            if x > y {
                left = Some(x);
                x = self.hops.get(x)?.caller;
            } else {
                right = Some(y);
                y = self.hops.get(y)?.caller;
            }
        }
        Some(Parting {
            above: x,
            left: left?,
            right: right?,
        })
    }

    fn one(url: &str) -> Result<Self, TopologyError> {
        let prober = Planned {
            url: String::new(),
            caller: 0,
            place: 0,
            level: 0,
            payload: None,
            mode: Mode::Sequential,
            calls: Vec::new(),
        };
        let mut topology = Self {
            hops: vec![prober],
            shifted: false,
        };
        topology.add(0, target(url)?, None, Mode::Sequential)?;
        Ok(topology)
    }

    fn add_all(
        &mut self,
        caller: usize,
        calls: Vec<AskedCall>,
        place: &impl Fn(&str) -> Result<String, TargetError>,
    ) -> Result<(), TopologyError> {
        for call in calls {
            let mode = call.mode.unwrap_or_default();
            let number = self.add(caller, place(&call.url)?, call.payload, mode)?;
            self.add_all(number, call.calls, place)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        caller: usize,
        url: String,
        payload: Option<String>,
        mode: Mode,
    ) -> Result<usize, TopologyError> {
        let number = self.hops.len();
        if number > HOPS_MAX {
            return Err(TopologyError::TooManyHops);
        }
        let (mut level, mut place) = (1, 0);
        self.edit(caller, |hop| {
            (level, place) = (hop.level + 1, hop.calls.len());
            hop.calls.push(number);
        });
        if level > LEVELS_MAX {
            return Err(TopologyError::TooDeep);
        }
        if place >= CALLS_MAX {
            return Err(TopologyError::TooManyCalls(caller));
        }
        self.hops.push(Planned {
            url,
            caller,
            place,
            level,
            payload,
            mode,
            calls: Vec::new(),
        });
        Ok(number)
    }

    fn edit(&mut self, number: usize, change: impl FnOnce(&mut Planned)) {
        if let Some(hop) = self.hops.get_mut(number) {
            change(hop);
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, number: usize) -> fmt::Result {
        const SHOWN_MAX: usize = 8;
        write!(f, "{number}")?;
        let Some(hop) = self.hops.get(number) else {
            return Ok(());
        };
        if let [only] = hop.calls.as_slice() {
            f.write_str(" → ")?;
            return self.write(f, *only);
        }
        if hop.calls.is_empty() {
            return Ok(());
        }
        let between = match hop.mode {
            Mode::Sequential => ", then ",
            Mode::Parallel => " ∥ ",
        };
        f.write_str(" → (")?;
        for (i, &call) in hop.calls.iter().enumerate() {
            if i > 0 {
                f.write_str(between)?;
            }
            if i + 1 == SHOWN_MAX && hop.calls.len() > SHOWN_MAX {
                write!(f, "{} more", hop.calls.len() - i)?;
                break;
            }
            self.write(f, call)?;
        }
        f.write_str(")")
    }
}

/// The shape in hop numbers: `1 → (2 → 3 ∥ 4)`, `1 → (2, then 3)`.
impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 1)
    }
}

/// Where two ways part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parting {
    pub(crate) above: usize,
    pub(crate) left: usize,
    pub(crate) right: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    payload: Option<String>,
    calls: Option<Vec<AskedCall>>,
    mode: Option<Mode>,
    downstream: Option<String>,
    next_downstream: Option<String>,
    next_next_downstream: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedCall {
    url: String,
    payload: Option<String>,
    #[serde(default)]
    calls: Vec<Self>,
    mode: Option<Mode>,
}

/// Why a topology cannot be probed.
#[derive(Debug)]
#[non_exhaustive]
pub enum TopologyError {
    /// An entry is not a place to call.
    Target(TargetError),
    /// Not JSON, or not of the form that `/process` reads.
    Json(serde_json::Error),
    /// Both `calls` and `downstream`.
    TwoForms,
    /// `next_downstream` without the ones before it.
    Skips,
    /// The body has this many bytes.
    TooLong(usize),
    /// More than [`CALLS_MAX`] calls of this hop.
    TooManyCalls(usize),
    /// More than [`LEVELS_MAX`] hops below one another.
    TooDeep,
    /// More than [`HOPS_MAX`] hops.
    TooManyHops,
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => error.fmt(f),
            Self::Json(error) => write!(f, "calls are not a body of /process: {error}"),
            Self::TwoForms => f.write_str("calls are given both as `calls` and as `downstream`"),
            Self::Skips => f.write_str("a `next_downstream` is given without the one before it"),
            Self::TooLong(bytes) => {
                write!(
                    f,
                    "calls have {bytes} bytes, the limit is {REQUEST_BYTES_MAX}"
                )
            }
            Self::TooManyCalls(hop) => write!(f, "hop {hop} has more than {CALLS_MAX} calls"),
            Self::TooDeep => write!(f, "more than {LEVELS_MAX} hops below one another"),
            Self::TooManyHops => write!(f, "more than {HOPS_MAX} hops"),
        }
    }
}

// The text of an inner error is part of this one, so there is no source to print again.
impl Error for TopologyError {}

impl From<TargetError> for TopologyError {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(body: &str) -> Result<Topology, TopologyError> {
        Topology::from_calls("a", body.as_bytes(), |name| {
            (name.len() == 1).then(|| format!("{name}:1"))
        })
    }

    fn body(topology: &Topology) -> Value {
        serde_json::from_slice(&topology.body("p")).unwrap()
    }

    #[test]
    fn a_chain_is_sent_as_nested_calls() {
        let chain = Topology::chain("a:1", ["b:1", "c:1"]).unwrap();
        assert_eq!(
            body(&chain),
            json!({"payload": "p", "calls": [
                {"url": "http://b:1/process", "calls": [{"url": "http://c:1/process"}]}
            ]})
        );
        assert_eq!(chain.to_string(), "1 → 2 → 3");
    }

    #[test]
    fn calls_keep_modes_and_payloads() {
        let text = r#"{"payload": "x", "mode": "parallel", "calls": [
            {"url": "b", "mode": "sequential", "calls": [{"url": "c"}, {"url": "d:1"}]},
            {"url": "b", "payload": "y"}]}"#;
        let topology = from(text).unwrap();
        assert_eq!(topology.to_string(), "1 → (2 → (3, then 4) ∥ 5)");
        assert_eq!(
            body(&topology),
            json!({"payload": "x", "mode": "parallel", "calls": [
                {"url": "http://b:1/process", "calls": [
                    {"url": "http://c:1/process"}, {"url": "http://d:1/process"}]},
                {"url": "http://b:1/process", "payload": "y"}]})
        );
        assert_eq!(topology.payload(4, "p"), "x");
        assert_eq!(topology.payload(5, "p"), "y");
    }

    #[test]
    fn the_second_form_stays_the_second_form() {
        let topology = from(r#"{"downstream": "b", "next_downstream": "c"}"#).unwrap();
        assert!(topology.is_shifted());
        assert_eq!(topology.to_string(), "1 → 2 → 3");
        assert_eq!(
            body(&topology),
            json!({"payload": "p", "downstream": "http://b:1/process",
                   "next_downstream": "http://c:1/process"})
        );
    }

    #[test]
    fn the_parting_of_two_hops_is_where_their_ways_part() {
        let text =
            r#"{"calls": [{"url": "b", "calls": [{"url": "c"}, {"url": "d"}]}, {"url": "e"}]}"#;
        let topology = from(text).unwrap();
        assert_eq!(
            topology.parting(3, 4),
            Some(Parting {
                above: 2,
                left: 3,
                right: 4
            })
        );
        assert_eq!(
            topology.parting(3, 5),
            Some(Parting {
                above: 1,
                left: 2,
                right: 5
            })
        );
        assert_eq!(
            topology.parting(5, 3),
            Some(Parting {
                above: 1,
                left: 5,
                right: 2
            })
        );
        assert_eq!(topology.parting(1, 4), None);
        assert_eq!(topology.parting(4, 4), None);
    }

    #[test]
    fn bad_calls_are_refused_with_their_reason() {
        for (text, reason) in [
            (
                "",
                "calls are not a body of /process: EOF while parsing a value at line 1 column 0",
            ),
            ("[]", "calls are not a body of /process: invalid"),
            (
                r#"{"call": []}"#,
                "calls are not a body of /process: unknown field `call`",
            ),
            (
                r#"{"calls": [{"url": "b", "mode": "both"}]}"#,
                "calls are not a body of /process: unknown variant",
            ),
            (r#"{"calls": [{"url": "bb"}]}"#, "`bb` is neither"),
            (
                r#"{"calls": [], "downstream": "b"}"#,
                "calls are given both",
            ),
            (
                r#"{"downstream": "b", "next_next_downstream": "c"}"#,
                "a `next_downstream` is given without",
            ),
        ] {
            let error = from(text).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }

    #[test]
    fn limits_are_kept() {
        let chain = |hops| Topology::chain("a:1", vec!["a:1"; hops - 1]);
        assert_eq!(chain(LEVELS_MAX).unwrap().hop_count(), LEVELS_MAX);
        assert!(matches!(chain(LEVELS_MAX + 1), Err(TopologyError::TooDeep)));

        let wide = |calls: usize, each: usize| {
            let inner = vec![r#"{"url": "c"}"#; each].join(",");
            let outer = vec![format!(r#"{{"url": "b", "calls": [{inner}]}}"#); calls];
            from(&format!(r#"{{"calls": [{}]}}"#, outer.join(",")))
        };
        assert_eq!(wide(CALLS_MAX, 0).unwrap().hop_count(), 1 + CALLS_MAX);
        assert!(matches!(
            wide(CALLS_MAX + 1, 0),
            Err(TopologyError::TooManyCalls(1))
        ));
        assert!(matches!(
            wide(CALLS_MAX, 8),
            Err(TopologyError::TooManyHops)
        ));

        let deep = format!(
            "{}{}",
            r#"{"calls": [{"url": "b", "calls": ["#.repeat(200),
            "]}]}".repeat(200)
        );
        assert!(matches!(from(&deep), Err(TopologyError::Json(_))));
        let long = format!(r#"{{"payload": "{}"}}"#, "x".repeat(REQUEST_BYTES_MAX));
        assert!(matches!(from(&long), Err(TopologyError::TooLong(_))));
    }

    #[test]
    fn a_wide_shape_is_shortened() {
        let calls = vec![r#"{"url": "b"}"#; 50].join(",");
        let topology = from(&format!(r#"{{"mode": "parallel", "calls": [{calls}]}}"#)).unwrap();
        assert_eq!(
            topology.to_string(),
            "1 → (2 ∥ 3 ∥ 4 ∥ 5 ∥ 6 ∥ 7 ∥ 8 ∥ 43 more)"
        );
    }
}
