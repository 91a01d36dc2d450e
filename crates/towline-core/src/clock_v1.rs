//! The clock of version 1: one counter for each service, carried along and never brought back.
//!
//! spec/strand-clocks.md, "v1"; `spec/vectors/clock-v1.json` pins the behaviour.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::Order;
use crate::hash_labels;
use crate::id::{SpanId, TraceId};

const COMPONENTS_MAX: usize = 256;
const COUNT_MAX: u32 = i32::MAX as u32;
/// Of the JSON: a number alone has one level, a list of numbers two.
const LEVELS_MAX: usize = 32;

/// A vector of counters, `service#instance` to the number of calls that it has sent.
///
/// At most 256 components, in the order in which they came, with counts of 0 to 2³¹−1. A component
/// that is not there counts 0. The default is the empty vector, of a trace that begins here.
///
/// ```
/// use towline_core::{ClockV1, SpanId, TraceId};
///
/// let trace_id = TraceId::random();
/// let mut clock = ClockV1::default();
/// clock.send("typescript#ts-1")?;
/// let header = clock.write(trace_id, SpanId::random(), SpanId::random(), "typescript", "ts-1");
/// let read = ClockV1::read(header.as_bytes(), trace_id, 4096).expect("we wrote it");
/// assert_eq!(read, clock);
/// assert_eq!(read.iter().collect::<Vec<_>>(), [("typescript#ts-1", 1)]);
/// # Ok::<_, towline_core::ClockV1Full>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockV1 {
    /// Names are not empty, have no control characters, and each is there once.
    components: Vec<(String, u32)>,
}

impl ClockV1 {
    /// Reads the value of a `raceway-clock` header that came beside a `traceparent` with this
    /// trace id. `header_bytes_max`: of the value, before blanks around it are dropped.
    ///
    /// ```
    /// use towline_core::{ClockV1, ClockV1Error, TraceId};
    ///
    /// let read = ClockV1::read(b"v2;t=1c80319c", TraceId::random(), 4096);
    /// assert_eq!(read, Err(ClockV1Error::Version));
    /// ```
    ///
    /// # Errors
    ///
    /// Where anything about the header is not as spec/strand-clocks.md, "v1", has it; it is then
    /// dropped whole.
    pub fn read(
        header: &[u8],
        trace_id: TraceId,
        header_bytes_max: usize,
    ) -> Result<Self, ClockV1Error> {
        if header.len() > header_bytes_max {
            return Err(ClockV1Error::TooLong {
                bytes: header.len(),
                bytes_max: header_bytes_max,
            });
        }
        let text = str::from_utf8(header).map_err(|_not_ascii| ClockV1Error::Malformed)?;
        let encoded = text
            .trim_matches([' ', '\t'])
            .strip_prefix("v1;")
            .ok_or(ClockV1Error::Version)?;
        // Refuses padding and stray bits.
        let json = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_not_base64| ClockV1Error::Malformed)?;
        // Refuses what is not UTF-8, unpaired surrogates and numbers beyond doubles; of equal
        // names it keeps the last.
        let payload: Value =
            serde_json::from_slice(&json).map_err(|_not_json| ClockV1Error::Malformed)?;
        if !is_plain(&payload, LEVELS_MAX) {
            return Err(ClockV1Error::Malformed);
        }
        let Value::Object(mut payload) = payload else {
            return Err(ClockV1Error::Malformed);
        };
        match payload.get("trace_id") {
            Some(Value::String(own)) if *own == uuid(trace_id) => {}
            Some(Value::String(other)) if is_uuid(other) => return Err(ClockV1Error::OtherTrace),
            _ => return Err(ClockV1Error::Malformed),
        }
        match payload.remove("clock") {
            Some(Value::Array(entries)) => Self::from_entries(entries),
            _ => Err(ClockV1Error::Malformed),
        }
    }

    fn from_entries(entries: Vec<Value>) -> Result<Self, ClockV1Error> {
        if entries.len() > COMPONENTS_MAX {
            return Err(ClockV1Error::OverLimits);
        }
        let components = entries
            .into_iter()
            .map(component)
            .collect::<Result<Vec<_>, _>>()?;
        let mut names = HashSet::with_capacity(components.len());
        if !components
            .iter()
            .all(|(name, _)| names.insert(name.as_str()))
        {
            return Err(ClockV1Error::Malformed);
        }
        Ok(Self { components })
    }

    /// The value of the `raceway-clock` header of a call. `span_id`: the call's client span, which
    /// v1 gives to the callee; `parent_span_id`: the caller's own span.
    ///
    /// It may be longer than a receiver takes: one of 256 components is, with the usual limit of
    /// 4,096 bytes. What is longer than the limit is not to be sent.
    ///
    /// ```
    /// use towline_core::{ClockV1, SpanId, TraceId};
    ///
    /// let header = ClockV1::default().write(TraceId::random(), SpanId::random(), SpanId::random(), "web", "w1");
    /// assert!(header.starts_with("v1;"));
    /// ```
    #[must_use]
    pub fn write(
        &self,
        trace_id: TraceId,
        span_id: SpanId,
        parent_span_id: SpanId,
        service: &str,
        instance: &str,
    ) -> String {
        let clock: Value = self
            .components
            .iter()
            .map(|(name, count)| Value::from(vec![name.as_str().into(), Value::from(*count)]))
            .collect();
        let json = format!(
            r#"{{"trace_id":"{}","span_id":"{span_id}","parent_span_id":"{parent_span_id}","service":{},"instance":{},"clock":{clock}}}"#,
            uuid(trace_id),
            Value::from(service),
            Value::from(instance),
        );
        let mut header = "v1;".to_owned();
        URL_SAFE_NO_PAD.encode_string(json, &mut header);
        header
    }

    /// Counts a call of the component `own` (`service#instance`): its counter is raised by one,
    /// the others stay as they came. Control characters in `own` become `_`, since every reader
    /// would refuse them.
    ///
    /// ```
    /// use towline_core::ClockV1;
    ///
    /// let mut clock = ClockV1::default();
    /// clock.send("web#w1")?;
    /// clock.send("web#w1")?;
    /// assert_eq!(clock.iter().collect::<Vec<_>>(), [("web#w1", 2)]);
    /// # Ok::<_, towline_core::ClockV1Full>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Where every reader would refuse the outcome: the counter is at 2³¹−1, or `own` would be the
    /// 257th component. The vector is then as it was, and no clock is to be sent.
    pub fn send(&mut self, own: &str) -> Result<(), ClockV1Full> {
        let own = if own.is_empty() {
            "_".to_owned()
        } else {
            own.replace(char::is_control, "_")
        };
        let component_count = self.components.len();
        match self.components.iter_mut().find(|(name, _)| *name == own) {
            Some((_, count)) if *count < COUNT_MAX => *count += 1,
            None if component_count < COMPONENTS_MAX => self.components.push((own, 1)),
            Some(_) | None => return Err(ClockV1Full),
        }
        Ok(())
    }

    /// The same counts with a hash in place of each name.
    pub(crate) fn with_hashed_labels(&self) -> Self {
        let hashed = |(name, count)| (hash_labels::hashed_component(name), count);
        Self {
            components: self.iter().map(hashed).collect(),
        }
    }

    /// How this vector stands to the other one: never [`Order::Unknown`], and true *per service*
    /// only, since v1 cannot tell two handlers of one service apart. Both must be of one trace.
    ///
    /// ```
    /// use towline_core::{ClockV1, Order};
    ///
    /// let (mut a, mut b) = (ClockV1::default(), ClockV1::default());
    /// a.send("web#w1")?;
    /// assert_eq!(a.compare(&b), Order::After);
    /// b.send("cart#c1")?;
    /// assert_eq!(a.compare(&b), Order::Concurrent);
    /// # Ok::<_, towline_core::ClockV1Full>(())
    /// ```
    #[must_use]
    pub fn compare(&self, other: &Self) -> Order {
        match (self.is_within(other), other.is_within(self)) {
            (true, true) => Order::Equal,
            (true, false) => Order::Before,
            (false, true) => Order::After,
            (false, false) => Order::Concurrent,
        }
    }

    fn is_within(&self, other: &Self) -> bool {
        self.iter().all(|(name, count)| count <= other.count(name))
    }

    fn count(&self, name: &str) -> u32 {
        self.iter()
            .find(|(other, _)| *other == name)
            .map_or(0, |(_, count)| count)
    }

    /// The components and their counts, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, u32)> {
        self.components
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
    }
}

fn component(entry: Value) -> Result<(String, u32), ClockV1Error> {
    let Value::Array(entry) = entry else {
        return Err(ClockV1Error::Malformed);
    };
    let Ok([Value::String(name), Value::Number(count)]) = <[Value; 2]>::try_from(entry) else {
        return Err(ClockV1Error::Malformed);
    };
    // None for what is negative or has a fraction or an exponent, `-0` and `1e0` among them.
    let count = count.as_u64().ok_or(ClockV1Error::Malformed)?;
    if name.is_empty() || name.contains(char::is_control) {
        return Err(ClockV1Error::Malformed);
    }
    match u32::try_from(count) {
        Ok(count) if count <= COUNT_MAX => Ok((name, count)),
        Ok(_) | Err(_) => Err(ClockV1Error::OverLimits),
    }
}

/// Has the value at most so many levels, and only numbers that are finite as doubles? (The JSON
/// reader refuses others itself, unless the application builds it with arbitrary precision.)
fn is_plain(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Array(values) => values.iter().all(|value| is_plain(value, below)),
        Value::Object(fields) => fields.values().all(|value| is_plain(value, below)),
        Value::Number(number) => number.as_f64().is_some_and(f64::is_finite),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

fn uuid(trace_id: TraceId) -> String {
    let hex = trace_id.to_string();
    let mut rest = hex.as_str();
    let groups = UUID_GROUPS.map(|len| {
        let (group, behind) = rest.split_at_checked(len).unwrap_or((rest, ""));
        rest = behind;
        group
    });
    groups.join("-")
}

fn is_uuid(text: &str) -> bool {
    let is_lower_hex = |group: &str| {
        group
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    text.split('-').map(str::len).eq(UUID_GROUPS) && text.split('-').all(is_lower_hex)
}

/// Why a clock of version 1 was dropped.
///
/// ```
/// use towline_core::{ClockV1, TraceId};
///
/// let refused = ClockV1::read(b"v1;e30", TraceId::random(), 5).unwrap_err();
/// assert_eq!(refused.to_string(), "clock has 6 bytes, the limit is 5");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockV1Error {
    /// The header is longer than the limit.
    TooLong {
        /// Of the header.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The header does not begin with `v1;`.
    Version,
    /// Its trace id is not that of `traceparent`.
    OtherTrace,
    /// Not base64url without padding of JSON with at most 32 levels, or not the JSON of a clock.
    Malformed,
    /// More than 256 components, or a counter above 2³¹−1.
    OverLimits,
}

impl fmt::Display for ClockV1Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes, bytes_max } => {
                write!(f, "clock has {bytes} bytes, the limit is {bytes_max}")
            }
            Self::Version => f.write_str("clock does not begin with `v1;`"),
            Self::OtherTrace => f.write_str("clock is of another trace than traceparent"),
            Self::Malformed => write!(
                f,
                "clock is not base64url of the JSON of a v1 clock of at most {LEVELS_MAX} levels"
            ),
            Self::OverLimits => {
                write!(
                    f,
                    "clock has more than {COMPONENTS_MAX} components, or a counter above {COUNT_MAX}"
                )
            }
        }
    }
}

impl Error for ClockV1Error {}

/// A call that a clock of version 1 cannot count: every reader would refuse the outcome.
///
/// ```
/// use towline_core::{ClockV1, ClockV1Full};
///
/// let mut clock = ClockV1::default();
/// for nth in 0..256 {
///     clock.send(&format!("web#{nth}"))?;
/// }
/// assert_eq!(clock.send("web#256"), Err(ClockV1Full));
/// # Ok::<_, ClockV1Full>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockV1Full;

impl fmt::Display for ClockV1Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "clock has its limit of {COMPONENTS_MAX} components, or the own counter its limit of {COUNT_MAX}"
        )
    }
}

impl Error for ClockV1Full {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const UUID: &str = "0af76519-16cd-43dd-8448-eb211c80319c";

    fn trace_id() -> TraceId {
        TraceId::parse(b"0af7651916cd43dd8448eb211c80319c").unwrap()
    }

    fn read(json: &str) -> Result<ClockV1, ClockV1Error> {
        let header = format!("v1;{}", URL_SAFE_NO_PAD.encode(json));
        ClockV1::read(header.as_bytes(), trace_id(), 4096)
    }

    fn read_clock(clock: &str) -> Result<ClockV1, ClockV1Error> {
        read(&format!(r#"{{"trace_id":"{UUID}","clock":{clock}}}"#))
    }

    #[test]
    fn each_reason_is_told() {
        let many: Vec<_> = (0..257).map(|nth| format!(r#"["{nth}",1]"#)).collect();
        let over = ClockV1Error::OverLimits;
        for (clock, expected) in [
            (format!("[{}]", many.join(",")), over),
            (r#"[["a",2147483648]]"#.to_owned(), over),
            (r#"[["a",18446744073709551615]]"#.to_owned(), over),
            (r#"[["a",-0]]"#.to_owned(), ClockV1Error::Malformed),
            (r#"[["a",1e0]]"#.to_owned(), ClockV1Error::Malformed),
            (r#"[["a",1.0]]"#.to_owned(), ClockV1Error::Malformed),
            (r#"[["a",01]]"#.to_owned(), ClockV1Error::Malformed),
            (r#"[["\u007f",1]]"#.to_owned(), ClockV1Error::Malformed),
            (r#"[["\u009f",1]]"#.to_owned(), ClockV1Error::Malformed),
            (
                r#"[["a",1],["\u0061",2]]"#.to_owned(),
                ClockV1Error::Malformed,
            ),
        ] {
            assert_eq!(read_clock(&clock), Err(expected), "{clock}");
        }
        let other = UUID.replace('0', "1");
        assert_eq!(
            read(&format!(r#"{{"trace_id":"{other}","clock":[]}}"#)),
            Err(ClockV1Error::OtherTrace)
        );
        assert_eq!(
            ClockV1::read(b"v1;\xff", trace_id(), 4096),
            Err(ClockV1Error::Malformed)
        );
        assert_eq!(
            ClockV1::read(b"V1;e30", trace_id(), 4096),
            Err(ClockV1Error::Version)
        );
    }

    #[test]
    fn numbers_near_the_greatest_double_are_judged_as_doubles() {
        let with = |number: &str| {
            read(&format!(
                r#"{{"trace_id":"{UUID}","clock":[],"more":{number}}}"#
            ))
        };
        for finite in [
            "1.7976931348623157e308",
            "-1.7976931348623157e308",
            "1e308",
            "1e-400",
            "-0",
            "18446744073709551616",
        ] {
            assert_eq!(with(finite), Ok(ClockV1::default()), "{finite}");
        }
        for infinite in ["1.8e308", "-1e309", "1e99999999999999999999"] {
            assert_eq!(with(infinite), Err(ClockV1Error::Malformed), "{infinite}");
        }
    }

    #[test]
    fn levels_are_counted_to_the_innermost_value() {
        let with = |more: String| {
            read(&format!(
                r#"{{"trace_id":"{UUID}","clock":[],"more":{more}}}"#
            ))
        };
        assert_eq!(
            with("[".repeat(31) + &"]".repeat(31)),
            Ok(ClockV1::default())
        );
        assert_eq!(
            with("[".repeat(31) + "1" + &"]".repeat(31)),
            Err(ClockV1Error::Malformed)
        );
        assert_eq!(
            with(r#"{"a":"#.repeat(30) + "1" + &"}".repeat(30)),
            Ok(ClockV1::default())
        );
        assert_eq!(
            with(r#"{"a":"#.repeat(31) + "1" + &"}".repeat(31)),
            Err(ClockV1Error::Malformed)
        );
    }

    #[test]
    fn components_keep_their_order() {
        let mut clock = read_clock(r#"[["z",1],["a",0],["m",2]]"#).unwrap();
        clock.send("b").unwrap();
        clock.send("a").unwrap();
        assert_eq!(
            clock.iter().collect::<Vec<_>>(),
            [("z", 1), ("a", 1), ("m", 2), ("b", 1)]
        );
    }

    #[test]
    fn the_limit_is_of_the_header_with_its_blanks() {
        let header = format!(
            "  v1;{} ",
            URL_SAFE_NO_PAD.encode(format!(r#"{{"trace_id":"{UUID}","clock":[]}}"#))
        );
        assert!(ClockV1::read(header.as_bytes(), trace_id(), header.len()).is_ok());
        let too_long = ClockV1Error::TooLong {
            bytes: header.len(),
            bytes_max: header.len() - 1,
        };
        assert_eq!(
            ClockV1::read(header.as_bytes(), trace_id(), header.len() - 1),
            Err(too_long)
        );
    }

    #[test]
    fn a_full_vector_stays_as_it_is() {
        let mut clock = read_clock(r#"[["a",2147483647]]"#).unwrap();
        assert_eq!(clock.send("a"), Err(ClockV1Full));
        assert_eq!(clock.iter().collect::<Vec<_>>(), [("a", 2_147_483_647)]);
    }

    #[test]
    fn what_is_written_is_byte_for_byte_that_of_the_other_ports() {
        let mut clock = ClockV1::default();
        clock.send("ü \"#1").unwrap();
        let span = |hex: &[u8]| SpanId::parse(hex).unwrap();
        let header = clock.write(
            trace_id(),
            span(b"53995c3f42cd8ad8"),
            span(b"b7ad6b7169203331"),
            "ü \"",
            "1\n\u{1}",
        );
        let json = URL_SAFE_NO_PAD
            .decode(header.strip_prefix("v1;").unwrap())
            .unwrap();
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r##"{"trace_id":"0af76519-16cd-43dd-8448-eb211c80319c","span_id":"53995c3f42cd8ad8","parent_span_id":"b7ad6b7169203331","service":"ü \"","instance":"1\n\u0001","clock":[["ü \"#1",1]]}"##,
        );
    }

    /// A JSON text that is often nearly a clock.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "[", "]", "{", "}", "\"", ",", ":", "1", "-0", "1e999", "\\ud800", "\"a\"", "null"
            ])
            .prop_map(str::to_owned),
            ".{0,4}",
        ];
        vec(piece, 0..20).prop_map(|pieces| {
            let more = pieces.concat();
            format!(r#"{{"trace_id":"{UUID}","clock":[{more}]}}"#)
        })
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in vec(any::<u8>(), 0..200), json in hostile()) {
            let header = [&b"v1;"[..], &bytes].concat();
            prop_assert!(ClockV1::read(&header, trace_id(), 4096).is_err());
            if let Ok(clock) = read(&json) {
                prop_assert!(clock.iter().all(|(name, count)| !name.is_empty() && count <= COUNT_MAX));
            }
        }

        #[test]
        fn what_is_written_is_read(names in vec(".{0,8}", 0..20), service in ".{0,8}", instance in ".{0,8}") {
            let mut clock = ClockV1::default();
            for name in &names {
                clock.send(name).unwrap();
            }
            let header = clock.write(trace_id(), SpanId::random(), SpanId::random(), &service, &instance);
            prop_assert_eq!(ClockV1::read(header.as_bytes(), trace_id(), header.len()), Ok(clock));
        }

        #[test]
        fn order_turns_with_its_sides(a in vec(0..4_u8, 0..6), b in vec(0..4_u8, 0..6)) {
            let of = |names: &[u8]| {
                let mut clock = ClockV1::default();
                for name in names {
                    clock.send(&name.to_string()).unwrap();
                }
                clock
            };
            let (a, b) = (of(&a), of(&b));
            let turned = match a.compare(&b) {
                Order::Before => Order::After,
                Order::After => Order::Before,
                same => same,
            };
            prop_assert_eq!(b.compare(&a), turned);
            prop_assert_eq!(a.compare(&a), Order::Equal);
        }
    }
}
