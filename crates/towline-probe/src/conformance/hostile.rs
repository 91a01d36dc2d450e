//! Requests of strangers who mean no good.

use towline_core::{SpanId, TraceId};

use super::case::Case;
use super::check::Parent;
use super::check::continued;
use super::rule::Rule;

/// A counter of a service's status, and the reason in it; none where nothing is counted for sure.
type Counted = Option<(&'static str, &'static str)>;

/// A kind of hostile request, for a service that offers `POST /test`.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// What is wrong with it.
    pub name: &'static str,
    /// All its bytes.
    pub request: Vec<u8>,
    /// What a service that answers 200 counts for it: a counter of its status, and the reason.
    pub counted: Counted,
    /// Whether it ends before it is whole, so that whoever sends it has to close its side.
    pub breaks_off: bool,
}

/// One request of each kind, made anew: the ids in them are random.
///
/// `host`: what stands in its `host` field.
#[must_use]
pub fn hostile(host: &str) -> Vec<Hostile> {
    let (trace, span) = (TraceId::random(), SpanId::random());
    let parent = format!("traceparent: 00-{trace}-{span}-03");
    let low = trace.low32();
    let clock =
        |rest: &str| format!("{parent}\r\nraceway-clock: v2;t={low:08x}, a#b/00000007{rest}");
    let state = |list: &str| format!("{parent}\r\ntracestate: {list}");
    let with = |more: &str| format!("{parent}\r\n{more}");
    let restarted = |reason| Some(("restarted", reason));
    let dropped = |reason| Some(("clock_dropped", reason));
    let kinds: Vec<(&'static str, String, Counted)> = vec![
        (
            "no traceparent",
            "tracestate: a=1".to_owned(),
            restarted("absent"),
        ),
        ("two traceparents", with(&parent), restarted("duplicate")),
        (
            "fifty traceparents",
            vec![parent.as_str(); 50].join("\r\n"),
            restarted("duplicate"),
        ),
        (
            "traceparents joined",
            format!("{parent}, 00-{trace}-{span}-03"),
            restarted("duplicate"),
        ),
        (
            "an empty traceparent",
            "traceparent:".to_owned(),
            restarted("malformed"),
        ),
        (
            "a long traceparent",
            format!("{parent}-{}", "0".repeat(4000)),
            restarted("malformed"),
        ),
        (
            "capitals",
            format!("traceparent: 00-{}-{span}-03", "A".repeat(32)),
            restarted("malformed"),
        ),
        (
            "version ff",
            format!("traceparent: ff-{trace}-{span}-03"),
            restarted("malformed"),
        ),
        (
            "a zero trace id",
            format!("traceparent: 00-{}-{span}-03", "0".repeat(32)),
            restarted("zero_id"),
        ),
        (
            "a zero parent id",
            format!("traceparent: 00-{trace}-{}-03", "0".repeat(16)),
            restarted("zero_id"),
        ),
        (
            "signs for digits",
            format!("traceparent: 00-{trace}-+{}-03", "1".repeat(15)),
            restarted("malformed"),
        ),
        (
            "other digits",
            format!("traceparent: 00-{}-{span}-03", "\u{ff11}".repeat(32)),
            restarted("malformed"),
        ),
        ("control characters", format!("{parent}\x01"), None),
        ("a NUL", format!("{parent}\0"), None),
        (
            "100 members",
            state(
                &(0..100)
                    .map(|n| format!("k{n}=1"))
                    .collect::<Vec<_>>()
                    .join(","),
            ),
            None,
        ),
        (
            "a member of 5,000 bytes",
            state(&format!("a={}", "v".repeat(5000))),
            None,
        ),
        (
            "a member of ours that is none",
            state("towline=hello"),
            dropped("malformed"),
        ),
        (
            "two clocks",
            format!(
                "{}\r\nraceway-clock: v2;t={low:08x}, a#b/00000007:2",
                clock(":2")
            ),
            dropped("duplicate"),
        ),
        (
            "a clock of 5,000 bytes",
            clock(&format!(":2;x=\"{}\"", "1 ".repeat(2500))),
            dropped("too_long"),
        ),
        (
            "a clock to come",
            with(&format!("raceway-clock: v9;t={low:08x}, a#b/00000007:2")),
            dropped("version"),
        ),
        (
            "a clock of another trace",
            with(&format!("raceway-clock: v2;t={:08x}, a#b/00000007:2", !low)),
            dropped("other_trace"),
        ),
        (
            "a clock that is none",
            clock(";;;=\"\\"),
            dropped("malformed"),
        ),
        (
            "a clock without end of levels",
            clock(&format!(
                ":2;x=\"{}1.1{}\"",
                "1.2(".repeat(500),
                ")".repeat(500)
            )),
            dropped("over_limits"),
        ),
        (
            "a clock with a bomb of ranges",
            clock(":2147483647;x=\"1-2147483646\""),
            dropped("over_limits"),
        ),
        (
            "a tick above all",
            clock(":2147483648"),
            dropped("over_limits"),
        ),
        (
            "a clock without traceparent",
            format!("raceway-clock: v2;t={low:08x}, a#b/00000007:2"),
            dropped("no_traceparent"),
        ),
        (
            "a v1 clock of lists in lists",
            with(&format!("raceway-clock: v1;{}", "W1tb".repeat(900))),
            dropped("malformed"),
        ),
        (
            "a v1 clock of bytes",
            with(&format!("raceway-clock: v1;{}", "_".repeat(3000))),
            dropped("malformed"),
        ),
        (
            "baggage of 9,000 bytes",
            with(&format!("baggage: a={}", "b".repeat(9000))),
            None,
        ),
        (
            "baggage that is none",
            with("baggage: ;;==,,\"\\\"=%zz%"),
            None,
        ),
        (
            "timeouts that are none",
            with("towline-timeout: -1\r\ngrpc-timeout: 99999999999999H\r\ntowline-timeout: 1e9"),
            None,
        ),
        (
            "B3 that is none",
            "b3: 0-0-0-0-0\r\nx-b3-traceid: zz".to_owned(),
            restarted("absent"),
        ),
        (
            "a probe with another token",
            with(&format!("towline-probe: {}", "x".repeat(2000))),
            None,
        ),
        (
            "answers' headers in a request",
            with(
                "towline-hops: {\"service\": []}\r\ntraceresponse: 00-0-0-0\r\nserver-timing: trace;desc=",
            ),
            None,
        ),
    ];
    let mut all: Vec<Hostile> = kinds
        .into_iter()
        .map(|(name, fields, counted)| Hostile {
            name,
            request: request(host, &fields, "[]"),
            counted,
            breaks_off: false,
        })
        .collect();
    all.extend(broken(host, &parent));
    all
}

/// Requests whose HTTP is broken.
fn broken(host: &str, parent: &str) -> Vec<Hostile> {
    let head = format!(
        "POST /test HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n{parent}\r\n"
    );
    let requests = [
        (
            "a field over two lines",
            request(host, &format!("{parent}\r\n -01"), "[]"),
        ),
        (
            "a field without a colon",
            request(host, &format!("{parent}\r\nraceway-clock"), "[]"),
        ),
        ("a head that breaks off", head.clone().into_bytes()),
        (
            "a body that breaks off",
            format!("{head}content-length: 100\r\n\r\n[").into_bytes(),
        ),
        (
            "a chunk that is none",
            format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n").into_bytes(),
        ),
        (
            "a length that is none",
            format!("{head}content-length: -2\r\n\r\n[]").into_bytes(),
        ),
        (
            "fields without end",
            request(
                host,
                &vec![format!("{parent}\r\ntracestate: a={}", "v".repeat(200)); 300].join("\r\n"),
                "[]",
            ),
        ),
        (
            "a body that is none",
            request(host, parent, &format!("{}1", "[".repeat(5000))),
        ),
        (
            "a call to nowhere",
            request(
                host,
                parent,
                r#"[{"url": "http://127.0.0.1:1/\u0000", "arguments": []}]"#,
            ),
        ),
    ];
    let whole = |(name, request)| Hostile {
        name,
        request,
        counted: None,
        breaks_off: name.ends_with(" breaks off"),
    };
    requests.into_iter().map(whole).collect()
}

fn request(host: &str, fields: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /test HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{fields}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One case for each kind, and a good request behind them.
pub(super) fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = hostile("service")
        .into_iter()
        .map(|kind| Case::new(Rule::Hostile, kind.name, Vec::new(), |_| Ok(())).raw(kind.request))
        .collect();
    let from = Parent {
        trace_id: TraceId::random(),
        parent_id: SpanId::random(),
        flags: 3,
    };
    let parent = format!("00-{}-{}-03", from.trace_id, from.parent_id);
    let fields = vec![("traceparent".to_owned(), parent)];
    all.push(Case::new(
        Rule::Hostile,
        "a good request after all of them",
        fields,
        move |exchange| continued(exchange.call(0)?, from),
    ));
    all
}
