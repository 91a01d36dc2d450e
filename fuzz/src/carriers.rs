//! Any fields of a deadline, of B3, of baggage and of probes.
//!
//! Fields are separated by NUL, and begin with a letter for their name ([`NAMES`]). What is read is
//! what a slow reading of the rules in `spec/edge.md` gives; what is made of all of it at once is
//! within its limits, and reads again.

use std::collections::HashMap;

use serde_json::Value;
use towline_core::{
    B3, B3Error, Baggage, BaggageError, Config, Outcome, Peer, TimeoutError, Towline, read_timeout,
};

/// Letters, and the names that they stand for.
const NAMES: [(u8, &str); 12] = [
    (b'p', "traceparent"),
    (b's', "tracestate"),
    (b'c', "raceway-clock"),
    (b't', "towline-timeout"),
    (b'g', "grpc-timeout"),
    (b'b', "b3"),
    (b'1', "x-b3-traceid"),
    (b'2', "x-b3-spanid"),
    (b'3', "x-b3-sampled"),
    (b'4', "x-b3-flags"),
    (b'B', "baggage"),
    (b'?', "towline-probe"),
];

type Fields<'a> = Vec<(&'static str, &'a [u8])>;

/// Checks one input.
pub fn check(data: &[u8]) {
    let fields: Fields<'_> = data
        .split(|&byte| byte == 0)
        .filter_map(|field| {
            let (letter, value) = field.split_first()?;
            let (_, name) = NAMES.iter().find(|(other, _)| other == letter)?;
            Some((*name, value))
        })
        .collect();
    let of = |name| {
        let fields = fields.iter().filter(move |(other, _)| *other == name);
        fields.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let timeout = timeout(&of("towline-timeout"), &of("grpc-timeout"));
    assert_eq!(read_timeout(&fields), timeout);
    let multi = NAMES[6..10].iter().map(|(_, name)| of(name));
    let b3 = b3(&of("b3"), &multi.collect::<Vec<_>>());
    assert_eq!(B3::read(&fields).map(|b3| b3.map(spelt)), b3);
    let read = Baggage::read(of("baggage"));
    assert_eq!(
        read.map(|it| it.map_or(String::new(), |it| it.to_string())),
        baggage(&of("baggage"))
    );
    all_at_once(&fields);
}

fn text(value: &[u8]) -> String {
    // What is not ASCII is a character that no rule has.
    let chars = value.iter().map(|&byte| {
        if byte.is_ascii() {
            char::from(byte)
        } else {
            '\u{fffd}'
        }
    });
    chars
        .collect::<String>()
        .trim_matches([' ', '\t'])
        .to_owned()
}

fn timeout(own: &[&[u8]], grpc: &[&[u8]]) -> Result<Option<u64>, TimeoutError> {
    let (fields, is_own) = if own.is_empty() {
        (grpc, false)
    } else {
        (own, true)
    };
    let value = match fields {
        [] => return Ok(None),
        [field] => text(field),
        _ => return Err(TimeoutError),
    };
    let (digits, nanoseconds) = if is_own {
        (value.as_str(), 1_000_000)
    } else {
        let units = [('H', 3600), ('M', 60), ('S', 1)]
            .map(|(unit, seconds)| (unit, seconds * 1_000_000_000_u64));
        let small = [('m', 1_000_000), ('u', 1000), ('n', 1)];
        let unit = value.chars().last().ok_or(TimeoutError)?;
        let known = units
            .into_iter()
            .chain(small)
            .find(|(other, _)| *other == unit);
        let (_, nanoseconds) = known.ok_or(TimeoutError)?;
        (value.strip_suffix(unit).unwrap_or_default(), nanoseconds)
    };
    let is_number = digits.chars().all(|c| c.is_ascii_digit()) && digits.len() <= 8;
    let number: u64 = Some(digits)
        .filter(|_| is_number)
        .and_then(|digits| digits.parse().ok())
        .ok_or(TimeoutError)?;
    if is_own && number == 0 {
        return Err(TimeoutError);
    }
    let total = u128::from(number) * u128::from(nanoseconds) / 1_000_000;
    Ok(Some(
        u64::try_from(total).expect("eight digits of hours are fewer"),
    ))
}

type Spelt = (Option<(String, String)>, Option<bool>);

fn spelt(b3: B3) -> Spelt {
    let ids = b3
        .ids
        .map(|(trace_id, span_id)| (trace_id.to_string(), span_id.to_string()));
    (ids, b3.sampled)
}

fn b3(single: &[&[u8]], multi: &[Vec<&[u8]>]) -> Result<Option<Spelt>, B3Error> {
    let hex = |text: &str, length| {
        text.len() == length && text.chars().all(|c| "0123456789abcdef".contains(c))
    };
    let ids = |trace: &str, span: &str| {
        let good = (hex(trace, 16) || hex(trace, 32)) && hex(span, 16);
        let zero = |text: &str| text.trim_matches('0').is_empty();
        if !good || zero(trace) || zero(span) {
            return Err(B3Error);
        }
        Ok(Some((format!("{trace:0>32}"), span.to_owned())))
    };
    let decision = |word: &str| match word {
        "1" | "d" => Ok(Some(true)),
        "0" => Ok(Some(false)),
        _ => Err(B3Error),
    };
    if single.len() > 1 || single.is_empty() && multi.iter().any(|fields| fields.len() > 1) {
        return Err(B3Error);
    }
    if let [field] = single {
        let field = text(field);
        return Ok(Some(match field.split('-').collect::<Vec<_>>()[..] {
            [word] => (None, decision(word)?),
            [trace, span] => (ids(trace, span)?, None),
            [trace, span, word] => (ids(trace, span)?, decision(word)?),
            [trace, span, word, parent] if hex(parent, 16) => (ids(trace, span)?, decision(word)?),
            _ => return Err(B3Error),
        }));
    }
    let mut values = multi
        .iter()
        .map(|fields| fields.first().map(|field| text(field)));
    let mut next = || values.next().flatten();
    let (trace, span, sampled, flags) = (next(), next(), next(), next());
    if [&trace, &span, &sampled, &flags]
        .iter()
        .all(|value| value.is_none())
    {
        return Ok(None);
    }
    let said = match sampled.as_deref() {
        None => None,
        Some("1" | "true") => Some(true),
        Some("0" | "false") => Some(false),
        Some(_) => return Err(B3Error),
    };
    let said = match flags.as_deref() {
        None | Some("0") => said,
        Some("1") => Some(true),
        Some(_) => return Err(B3Error),
    };
    if trace.is_none() && span.is_none() {
        return Ok(Some((None, said)));
    }
    Ok(Some((
        ids(&trace.unwrap_or_default(), &span.unwrap_or_default())?,
        said,
    )))
}

fn baggage(fields: &[&[u8]]) -> Result<String, BaggageError> {
    let whole = fields.join(&b","[..]);
    if whole.len() > 8192 {
        return Err(BaggageError::TooLong);
    }
    let members: Vec<String> = whole
        .split(|&byte| byte == b',')
        .map(text)
        .filter(|member| !member.is_empty())
        .collect();
    if members.len() > 64 {
        return Err(BaggageError::TooManyMembers);
    }
    let trim = |text: &str| text.trim_matches([' ', '\t']).to_owned();
    let token = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    };
    let value = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_graphic() && !"\",;\\".contains(c))
    };
    let pair = |text: &str, needs_value: bool| match text.split_once('=') {
        Some((key, rest)) => token(&trim(key)) && value(&trim(rest)),
        None => !needs_value && token(&trim(text)),
    };
    let good = |member: &String| {
        let mut parts = member.split(';');
        parts.next().is_some_and(|first| pair(first, true))
            && parts.all(|property| pair(property, false))
    };
    if members.iter().all(good) {
        Ok(members.join(","))
    } else {
        Err(BaggageError::Malformed)
    }
}

/// All that there is at once: no input does harm, and what goes on can be read.
fn all_at_once(fields: &Fields<'_>) {
    thread_local! {
        static ALL: Towline = Towline::new(
            Config::new()
                .service_name("f\u{fc}zz")
                .instance("1")
                .propagators("tracecontext,baggage,b3,b3multi")
                .deadlines(true)
                .hash_labels(true)
                .propagate_to("example.com"),
        );
    }
    let towline = ALL.with(Towline::clone);
    let peer = Peer::new(Some([127, 0, 0, 1].into()));
    let mut slot = towline.serve(fields, &peer);
    let context = slot.context().expect("it is not current").clone();
    let hops = b"{\"service\":\"x\"}".as_slice();
    for host in ["cart", "api.example.com", "other.example"] {
        let mut call = context.call(host);
        let sent: HashMap<_, _> = call.beside().collect();
        let trusted = host != "other.example";
        assert!(trusted || !sent.contains_key("baggage") && !sent.contains_key("towline-probe"));
        let headers: Vec<(&str, String)> = sent.into_iter().collect();
        assert!(B3::read(&headers).is_ok_and(|b3| b3.is_some_and(|b3| b3.ids.is_some())));
        assert!(read_timeout(&headers).is_ok());
        call.answered_by(200, [("towline-hops", hops)].as_slice());
    }
    if let Some(record) = slot.hops() {
        assert!(record.is_ascii() && record.len() <= 6000, "{record}");
        let record: Value = serde_json::from_str(&record).expect("it is JSON");
        assert_eq!(record["service"], "f\u{fc}zz");
        assert_eq!(record["calls"][0]["hops"]["service"], "x");
    }
    let mut message: HashMap<String, String> = HashMap::new();
    let span_id = context.send_message(&mut message);
    let received = towline.receive_message(&message);
    assert_eq!(
        (received.trace_id(), received.parent_id()),
        (context.trace_id(), Some(span_id))
    );
    slot.end(Outcome::Cancelled);
    let summary = towline.counters().summary();
    let restarts: u64 = summary.restarted.iter().map(|(_, count)| count).sum();
    assert_eq!(summary.received, summary.continued + restarts);
}
