//! A request that asks what each service on its way saw of it (spec/edge.md, "Probe").

use std::fmt;
use std::fmt::Write as _;
use std::str;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::context::Identity;
use crate::observer::Reason;
use crate::{Peer, SpanId};

/// Bytes of a record that is written, or taken from an answer.
const RECORD_BYTES_MAX: usize = 6000;

/// Who may ask for a record by `towline-probe` (spec/edge.md, "Probe").
///
/// ```
/// use towline_core::ProbeMode;
///
/// assert_eq!(ProbeMode::default().as_str(), "loopback");
/// assert_eq!(ProbeMode::parse("OFF").as_str(), "off");
/// assert_eq!(ProbeMode::parse("Loopback"), ProbeMode::Loopback);
/// // The token itself is never printed.
/// assert_eq!(format!("{:?}", ProbeMode::parse("s3cret")), "token");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub enum ProbeMode {
    /// Nobody.
    Off,
    /// Peers on this machine, with the value `1`.
    #[default]
    Loopback,
    /// Whoever has this token.
    Token(Box<str>),
}

impl ProbeMode {
    /// `off` and `loopback` in any case, else a token. Empty: nothing is decided.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "" => Self::default(),
            word if word.eq_ignore_ascii_case("off") => Self::Off,
            word if word.eq_ignore_ascii_case("loopback") => Self::Loopback,
            token => Self::Token(token.into()),
        }
    }

    /// The word for it in the status.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Loopback => "loopback",
            Self::Token(_) => "token",
        }
    }

    /// Whether a request with this value of `towline-probe` is answered.
    pub(crate) fn allows(&self, value: &[u8], peer: &Peer) -> bool {
        match self {
            Self::Off => false,
            Self::Loopback => {
                let address = peer.address.map(|address| address.to_canonical());
                value == b"1" && address.is_some_and(|address| address.is_loopback())
            }
            Self::Token(token) => is_equal(token.as_bytes(), value),
        }
    }
}

impl fmt::Debug for ProbeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Compares in a time that tells nothing of the token but its length.
fn is_equal(token: &[u8], value: &[u8]) -> bool {
    let pairs = token.iter().zip(value);
    let differing = pairs.fold(0, |differing, (a, b)| differing | (a ^ b));
    std::hint::black_box(differing) == 0 && token.len() == value.len()
}

/// What was made of the headers of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// Why the trace began anew.
    pub(crate) restarted: Option<Reason>,
    pub(crate) clock: ClockVerdict,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ClockVerdict {
    First,
    Continued,
    Member,
    Refused(Reason),
}

impl ClockVerdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Continued => "continued",
            Self::Member => "member",
            Self::Refused(reason) => reason.reason(),
        }
    }
}

/// A request that is to be answered with a record of what was seen.
pub(crate) struct Probing {
    /// What the header said: passed on with calls.
    value: Box<str>,
    verdict: Verdict,
    /// As received, also where it was not continued.
    parent_id: Option<SpanId>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    /// Records as JSON, separated by commas.
    text: String,
    /// Whether there were more than a record can hold.
    is_cut: bool,
}

/// One call, as its caller saw it.
pub(crate) struct CallRecord<'a> {
    pub(crate) host: &'a str,
    pub(crate) span_id: SpanId,
    pub(crate) status: Option<u16>,
    /// Whether the answer was joined; none without an answer.
    pub(crate) joined: Option<bool>,
    /// The callee's record, as it came.
    pub(crate) hops: Option<&'a str>,
}

impl Probing {
    pub(crate) fn new(value: &str, verdict: Verdict, parent_id: Option<SpanId>) -> Self {
        Self {
            value: value.into(),
            verdict,
            parent_id,
            calls: Mutex::default(),
        }
    }

    /// The value of `towline-probe` for calls.
    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        // A list of records is whole between any two of its acts.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, call: &CallRecord<'_>) {
        let mut calls = self.calls();
        if calls.is_cut {
            return;
        }
        let mut record = String::new();
        let answer = call
            .joined
            .map(|joined| if joined { "joined" } else { "lost" });
        // Writing to a text cannot fail.
        let _ = write!(
            record,
            r#"{{"host":{},"span_id":"{}","status":{},"answer":{},"hops":{}}}"#,
            Value::from(call.host),
            call.span_id,
            Value::from(call.status),
            Value::from(answer),
            call.hops.unwrap_or("null"),
        );
        if calls.text.len() + record.len() > RECORD_BYTES_MAX {
            calls.is_cut = true;
            calls.text = String::new();
        } else {
            let comma = if calls.text.is_empty() { "" } else { "," };
            calls.text.extend([comma, &record]);
        }
    }

    /// The record: JSON in ASCII, within the limit of bytes. None where the names of the service
    /// are too long for any.
    pub(crate) fn record(&self, identity: &Identity) -> Option<String> {
        let settings = identity.towline.settings();
        let restarted = self.verdict.restarted.map(Reason::reason);
        let parent_id = self.parent_id.map(|parent_id| parent_id.to_string());
        let head = format!(
            r#"{{"service":{},"instance":{},"trace_id":"{}","span_id":"{}","parent_id":{},"flags":"{}","restarted":{},"clock":"{}","#,
            Value::from(&*settings.service_name),
            Value::from(&*settings.instance),
            identity.trace_id,
            identity.span_id,
            Value::from(parent_id),
            identity.flags,
            Value::from(restarted),
            self.verdict.clock.as_str(),
        );
        let calls = self.calls();
        let fits = |record: &String| record.len() <= RECORD_BYTES_MAX;
        let whole = || Some(ascii(&format!(r#"{head}"calls":[{}]}}"#, calls.text))).filter(fits);
        let short = || Some(ascii(&format!(r#"{head}"calls":[],"cut":true}}"#))).filter(fits);
        (!calls.is_cut).then(whole).flatten().or_else(short)
    }
}

/// The same JSON in ASCII: other characters can only stand in texts, where they may be escaped.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a text cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// The record of a callee, if it is one: an object of JSON in ASCII within the limit.
pub(crate) fn hops_of(field: &[u8]) -> Option<&str> {
    let is_short = field.len() <= RECORD_BYTES_MAX && field.is_ascii();
    let text = str::from_utf8(field).ok().filter(|_| is_short)?;
    let record: Value = serde_json::from_str(text).ok()?;
    record.is_object().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn peer(address: &str) -> Peer {
        Peer::new(Some(address.parse::<IpAddr>().unwrap()))
    }

    #[test]
    fn a_token_is_for_everybody_who_has_it_and_one_is_for_loopback() {
        let token = ProbeMode::parse("s3cret");
        assert!(token.allows(b"s3cret", &peer("8.8.8.8")));
        for value in [&b"s3cre"[..], b"s3cret ", b"1", b"", b"S3cret"] {
            assert!(!token.allows(value, &peer("127.0.0.1")), "{value:?}");
        }
        let loopback = ProbeMode::default();
        for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(loopback.allows(b"1", &peer(address)), "{address}");
            assert!(!loopback.allows(b"2", &peer(address)));
            assert!(!ProbeMode::Off.allows(b"1", &peer(address)));
        }
        assert!(!loopback.allows(b"1", &peer("10.0.0.1")));
        assert!(!loopback.allows(b"1", &Peer::default()));
    }

    #[test]
    fn what_is_no_ascii_is_escaped() {
        assert_eq!(
            ascii("{\"\u{fc}\u{1f980}\u{7f}\"}"),
            r#"{"\u00fc\ud83e\udd80\u007f"}"#
        );
    }

    #[test]
    fn only_an_object_in_ascii_is_a_record() {
        assert_eq!(hops_of(br#"{"service":"a"}"#), Some(r#"{"service":"a"}"#));
        for bad in [&b"[]"[..], b"", b"{", b"{}{}", "{\"\u{fc}\":1}".as_bytes()] {
            assert_eq!(hops_of(bad), None, "{bad:?}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "b".repeat(RECORD_BYTES_MAX));
        assert_eq!(hops_of(long.as_bytes()), None);
        let deep = format!("{}{}", "{\"a\":".repeat(1000), "}".repeat(1000));
        assert_eq!(hops_of(deep.as_bytes()), None);
    }
}
