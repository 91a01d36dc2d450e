//! `traceparent` and `tracestate`: what came, and what is sent.
//!
//! The rules are those of the W3C Recommendation Trace Context Level 2; where it leaves a choice,
//! spec/trace-context.md makes it. `spec/vectors/trace-context.json` pins the behaviour.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::str;
use std::sync::Arc;

use crate::clock::short;
use crate::headers::Single;
use crate::hex;
use crate::id::{SpanId, TraceFlags, TraceId};

/// The key of our own member of `tracestate`.
const OWN_KEY: &str = "towline";
/// Members of a list, ours among them.
const MEMBERS_MAX: usize = 32;
/// Bytes of a key and of a value, each.
const PART_BYTES_MAX: usize = 256;
/// Bytes of a list into which we put our member.
const LIST_BYTES_MAX: usize = 512;
/// Bytes of a `traceparent` of version 00.
const TRACEPARENT_BYTES: usize = 55;

/// What `traceparent` and `tracestate` said.
///
/// See [`read`] for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace that the caller is in.
    pub trace_id: TraceId,
    /// The caller's span.
    pub parent_id: SpanId,
    /// As received, less the bits that have no meaning.
    pub flags: TraceFlags,
    /// The members of others, to be passed on.
    pub tracestate: Tracestate,
}

/// What [`read`] found.
///
/// ```
/// let tracestate: [&[u8]; 1] = [b"towline=a3f9c21b:2x2,foo=1"];
/// let traceparent: [&[u8]; 1] = [b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"];
/// let incoming = towline_core::read(traceparent, tracestate)?;
/// assert_eq!(incoming.own, Some("a3f9c21b:2x2"));
/// assert_eq!(incoming.context.tracestate.as_str(), "foo=1");
/// assert_eq!(incoming.tracestate_dropped, None);
/// # Ok::<_, towline_core::TraceparentError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// The context to go on from.
    pub context: TraceContext,
    /// The value of our own member, the first one if there are several: 1 to 256 printable ASCII
    /// characters, not yet known to be a clock.
    pub own: Option<&'a str>,
    /// Why the whole of `tracestate` was dropped, if it was: then `own` is none and the context's
    /// list is empty.
    pub tracestate_dropped: Option<TracestateError>,
}

/// Reads all fields named `traceparent` and all fields named `tracestate` of one request, each in
/// the order in which they came.
///
/// Blanks around a value are dropped; nothing else is repaired. Reading a `traceparent` allocates
/// nothing, and reading a `tracestate` without members of others neither.
///
/// ```
/// use towline_core::{TraceFlags, TraceparentError, read};
///
/// let traceparent: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let tracestate: [&[u8]; 2] = [b"foo=1", b"bar=2"];
/// let context = read([traceparent], tracestate)?.context;
/// assert_eq!(context.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
/// assert_eq!(context.parent_id.to_string(), "b7ad6b7169203331");
/// assert_eq!(context.flags, TraceFlags::SAMPLED);
/// assert_eq!(context.tracestate.as_str(), "foo=1,bar=2");
///
/// let twice = read([traceparent, traceparent], tracestate);
/// assert_eq!(twice.unwrap_err(), TraceparentError::Duplicate);
/// # Ok::<_, TraceparentError>(())
/// ```
///
/// # Errors
///
/// Where there is not exactly one valid `traceparent`: a new trace begins, and `tracestate` and
/// the clock are dropped with the old one. A `tracestate` that is dropped is no error, see
/// [`Incoming::tracestate_dropped`].
pub fn read<'a>(
    traceparents: impl IntoIterator<Item = &'a [u8]>,
    tracestates: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Incoming<'a>, TraceparentError> {
    read_of(traceparents.into_iter().collect(), tracestates)
}

/// As [`read`].
pub(crate) fn read_of<'a>(
    traceparent: Single<'a>,
    tracestates: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Incoming<'a>, TraceparentError> {
    let (trace_id, parent_id, flags) = read_traceparent(traceparent)?;
    let (tracestate, own, tracestate_dropped) = match read_tracestate(tracestates) {
        Ok((tracestate, own)) => (tracestate, own, None),
        Err(why) => (Tracestate::default(), None, Some(why)),
    };
    let context = TraceContext {
        trace_id,
        parent_id,
        flags,
        tracestate,
    };
    Ok(Incoming {
        context,
        own,
        tracestate_dropped,
    })
}

pub(crate) type Ids = (TraceId, SpanId, TraceFlags);

pub(crate) fn read_traceparent(field: Single<'_>) -> Result<Ids, TraceparentError> {
    let field = match field {
        Single::Absent => return Err(TraceparentError::Absent),
        Single::Several => return Err(TraceparentError::Duplicate),
        Single::One(field) => field,
    };
    let text = trim_blanks(field);
    let ids = parse_traceparent(text);
    // Several fields that were joined on the way. What was read out of 55 bytes has no comma.
    if (ids.is_err() || text.len() > TRACEPARENT_BYTES) && text.contains(&b',') {
        return Err(TraceparentError::Duplicate);
    }
    ids
}

fn parse_traceparent(text: &[u8]) -> Result<Ids, TraceparentError> {
    let (ids, more) = text
        .split_first_chunk::<TRACEPARENT_BYTES>()
        .ok_or(TraceparentError::Malformed)?;
    let parts = split(ids).ok_or(TraceparentError::Malformed)?;
    let version = hex::read2(parts.version).ok_or(TraceparentError::Malformed)?;
    let trace_id = hex::read32(parts.trace_id).ok_or(TraceparentError::Malformed)?;
    let parent_id = hex::read16(parts.parent_id).ok_or(TraceparentError::Malformed)?;
    let flags = hex::read2(parts.flags).ok_or(TraceparentError::Malformed)?;
    let well_formed = match (version, more) {
        (0xff, _) => false,
        (_, []) => true,
        (0x00, _) => false,
        // A later version may say more, behind a dash. (A line break cannot come through HTTP.)
        (_, [first, rest @ ..]) => *first == b'-' && !rest.contains(&b'\n'),
    };
    if !well_formed {
        return Err(TraceparentError::Malformed);
    }
    let trace_id = TraceId::from_number(trace_id);
    let parent_id = SpanId::from_bytes(parent_id.to_be_bytes());
    let (Some(trace_id), Some(parent_id)) = (trace_id, parent_id) else {
        return Err(TraceparentError::ZeroId);
    };
    Ok((trace_id, parent_id, TraceFlags::from_bits_truncate(flags)))
}

/// The parts of a `traceparent` that stand between its dashes.
struct Parts<'a> {
    version: &'a [u8; 2],
    trace_id: &'a [u8; 32],
    parent_id: &'a [u8; 16],
    flags: &'a [u8; 2],
}

/// None where a dash is not in its place. All lengths are known when compiled: nothing else is
/// looked at.
fn split(ids: &[u8; TRACEPARENT_BYTES]) -> Option<Parts<'_>> {
    let (version, rest) = ids.split_first_chunk()?;
    let (trace_id, rest) = rest.strip_prefix(b"-")?.split_first_chunk()?;
    let (parent_id, rest) = rest.strip_prefix(b"-")?.split_first_chunk()?;
    let flags = rest.strip_prefix(b"-")?.first_chunk()?;
    Some(Parts {
        version,
        trace_id,
        parent_id,
        flags,
    })
}

fn read_tracestate<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Tracestate, Option<&'a str>), TracestateError> {
    let mut others = String::new();
    let mut own = None;
    let mut member_count = 0_usize;
    for field in fields {
        let members = field.split(|&byte| byte == b',').map(trim_blanks);
        for member in members.filter(|member| !member.is_empty()) {
            let (key, value) = split_member(member).ok_or(TracestateError::Malformed)?;
            member_count += 1;
            if key == OWN_KEY {
                own = own.or(Some(value));
            } else if member_count <= MEMBERS_MAX {
                if others.is_empty() {
                    others.reserve(field.len());
                } else {
                    others.push(',');
                }
                others.extend([key, "=", value]);
            }
        }
    }
    if member_count > MEMBERS_MAX {
        return Err(TracestateError::TooManyMembers);
    }
    let others = (!others.is_empty()).then(|| Arc::new(others));
    Ok((Tracestate { others }, own))
}

/// Key and value of a member that keeps the grammar of Level 2, "tracestate Header Field Values".
fn split_member(member: &[u8]) -> Option<(&str, &str)> {
    let equals = member.iter().position(|&byte| byte == b'=')?;
    let (key, value) = member.split_at_checked(equals)?;
    let value = value.strip_prefix(b"=")?;
    if !(is_key(key) && is_value(value)) {
        return None;
    }
    Some((str::from_utf8(key).ok()?, str::from_utf8(value).ok()?))
}

fn is_key(key: &[u8]) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.len() <= PART_BYTES_MAX
        && key.first().is_some_and(is_alphanumeric)
        && key
            .iter()
            .all(|byte| is_alphanumeric(byte) || b"_-*/@".contains(byte))
}

fn is_value(value: &[u8]) -> bool {
    value.len() <= PART_BYTES_MAX
        && value.last().is_some_and(|&byte| byte != b' ')
        && value
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~') && !b",=".contains(byte))
}

pub(crate) fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The members that others put into `tracestate`, as one list; ours is not among them.
///
/// At most 32 members, in their order and byte for byte as they came; blanks around members and
/// empty members are gone. A clone shares the text.
///
/// ```
/// use towline_core::Tracestate;
///
/// let none = Tracestate::default();
/// assert_eq!(none.as_str(), "");
/// assert_eq!(none.with_own(None), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracestate {
    /// Never an empty text. One word wide: it moves with every request, which seldom has any.
    others: Option<Arc<String>>,
}

impl Tracestate {
    /// The list as it is sent when we have nothing to add; empty if there are no members.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.others().unwrap_or_default()
    }

    fn others(&self) -> Option<&str> {
        self.others.as_deref().map(String::as_str)
    }

    /// Are there no members of others?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.others.is_none()
    }

    /// The list to send: our member with the value `own` in front, if there is one and it
    /// [fits](Self::fits), and those of others always. None: no `tracestate` is sent.
    ///
    /// ```
    /// use towline_core::{TraceparentError, read};
    ///
    /// let traceparent: [&[u8]; 1] = [b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"];
    /// let tracestate: [&[u8]; 1] = [b"foo=1"];
    /// let others = read(traceparent, tracestate)?.context.tracestate;
    /// assert_eq!(others.with_own(Some("77b0e190:4")).as_deref(), Some("towline=77b0e190:4,foo=1"));
    /// assert_eq!(others.with_own(None).as_deref(), Some("foo=1"));
    /// # Ok::<_, TraceparentError>(())
    /// ```
    #[must_use]
    pub fn with_own(&self, own: Option<&str>) -> Option<Cow<'_, str>> {
        match (own.filter(|own| self.fits(own)), self.others()) {
            (None, others) => others.map(Cow::Borrowed),
            (Some(own), None) => Some(Cow::Owned([OWN_KEY, "=", own].concat())),
            (Some(own), Some(others)) => {
                Some(Cow::Owned([OWN_KEY, "=", own, ",", others].concat()))
            }
        }
    }

    /// As [`with_own`](Self::with_own), our member being that of this clock; and whether it is in it.
    pub(crate) fn with_clock(&self, clock: &str) -> (Option<String>, bool) {
        let others = self.others().unwrap_or_default();
        let mut list = [OWN_KEY.as_bytes(), b"="].concat();
        // The value is made of valid characters: its length alone has to be judged.
        let is_short = short::shorten(&mut list, clock);
        if !is_short || !self.leaves_room_for(list.len()) {
            return (self.others().map(str::to_owned), false);
        }
        if !others.is_empty() {
            list.push(b',');
            list.extend_from_slice(others.as_bytes());
        }
        (String::from_utf8(list).ok(), true)
    }

    /// May our member with the value `own` stand in front of the others? It must be a valid value
    /// (1 to 256 printable ASCII characters without `,` and `=`), and leave the list within 32
    /// members and 512 bytes.
    ///
    /// ```
    /// use towline_core::Tracestate;
    ///
    /// assert!(Tracestate::default().fits("77b0e190:4"));
    /// assert!(!Tracestate::default().fits(&"4".repeat(257)));
    /// ```
    #[must_use]
    pub fn fits(&self, own: &str) -> bool {
        is_value(own.as_bytes()) && self.leaves_room_for(OWN_KEY.len() + 1 + own.len())
    }

    /// Whether a member of so many bytes may stand in front of the others.
    fn leaves_room_for(&self, own_bytes: usize) -> bool {
        self.others().is_none_or(|others| {
            let other_count = 1 + others.bytes().filter(|&byte| byte == b',').count();
            other_count < MEMBERS_MAX && own_bytes + 1 + others.len() <= LIST_BYTES_MAX
        })
    }
}

/// The text of a `traceparent` to send: 55 bytes of ASCII, version 00.
///
/// ```
/// use towline_core::{SpanId, TraceFlags, TraceId, Traceparent};
///
/// let trace_id = TraceId::parse(b"0af7651916cd43dd8448eb211c80319c").expect("a trace id");
/// let span_id = SpanId::parse(b"b7ad6b7169203331").expect("a span id");
/// let traceparent = Traceparent::new(trace_id, span_id, TraceFlags::SAMPLED);
/// assert_eq!(
///     traceparent.as_str(),
///     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
/// );
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Traceparent([u8; TRACEPARENT_BYTES]);

/// Writes two digits for each byte, four bytes at a time.
fn spell(digits: &mut [u8], bytes: &[u8]) {
    for (digits, bytes) in digits.chunks_exact_mut(8).zip(bytes.chunks_exact(4)) {
        if let Some(bytes) = bytes.first_chunk() {
            digits.copy_from_slice(&hex::write8(u32::from_be_bytes(*bytes)));
        }
    }
}

impl Traceparent {
    /// The text for a call in this trace; `span_id`: the client span of the attempt.
    #[must_use]
    pub fn new(trace_id: TraceId, span_id: SpanId, flags: TraceFlags) -> Self {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let (trace_id, span_id) = (trace_id.to_bytes(), span_id.to_bytes());
        spell(&mut text[3..35], &trace_id);
        spell(&mut text[36..52], &span_id);
        text[54] = b'0' + flags.bits();
        Self(text)
    }

    /// The value of the header field.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; TRACEPARENT_BYTES] {
        &self.0
    }

    /// The value of the header field as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // `new` writes hex digits and dashes only.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a request begins a new trace (spec/trace-context.md, "traceparent in").
///
/// ```
/// use towline_core::{TraceparentError, read};
///
/// let short: [&[u8]; 1] = [b"00-0af7651916cd43dd-01"];
/// assert_eq!(read(short, []).unwrap_err(), TraceparentError::Malformed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceparentError {
    /// No field of that name.
    Absent,
    /// More than one field, or several joined by commas.
    Duplicate,
    /// Not `00-` and two ids and flags of the right length in lower-case hex, and not the same of
    /// a later version.
    Malformed,
    /// Well formed, but the trace id or the parent id is all zero.
    ZeroId,
}

impl fmt::Display for TraceparentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "no traceparent",
            Self::Duplicate => "more than one traceparent",
            Self::Malformed => "traceparent is not a version, two ids and flags in 55 bytes of lower-case hex and dashes",
            Self::ZeroId => "traceparent has an id that is all zero",
        })
    }
}

impl Error for TraceparentError {}

/// Why a `tracestate` was dropped whole (spec/trace-context.md, "tracestate in").
///
/// ```
/// use towline_core::{TracestateError, TraceparentError, read};
///
/// let traceparent: [&[u8]; 1] = [b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"];
/// let tracestate: [&[u8]; 1] = [b"good=1,Bad=2"];
/// let incoming = read(traceparent, tracestate)?;
/// assert_eq!(incoming.tracestate_dropped, Some(TracestateError::Malformed));
/// assert!(incoming.context.tracestate.is_empty());
/// # Ok::<_, TraceparentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TracestateError {
    /// A member breaks the grammar of keys or of values.
    Malformed,
    /// More than 32 members, ours among them.
    TooManyMembers,
}

impl fmt::Display for TracestateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str(
                "tracestate has a member that is not a valid key, `=` and a valid value",
            ),
            Self::TooManyMembers => write!(f, "tracestate has more than {MEMBERS_MAX} members"),
        }
    }
}

impl Error for TracestateError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const PARENT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn with_state<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Incoming<'a> {
        read([PARENT], fields).expect("the traceparent is good")
    }

    #[test]
    fn a_later_version_with_a_comma_behind_counts_as_several_fields() {
        let text = b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-a,b";
        assert_eq!(read([&text[..]], []), Err(TraceparentError::Duplicate));
    }

    #[test]
    fn a_malformed_member_behind_the_33rd_is_what_is_told() {
        let mut list = "k=1,".repeat(33);
        list.push_str("Bad");
        assert_eq!(
            with_state([list.as_bytes()]).tracestate_dropped,
            Some(TracestateError::Malformed)
        );
    }

    #[test]
    fn our_own_member_counts_among_the_32() {
        let list = format!("towline=1{}", ",k=1".repeat(32));
        assert_eq!(
            with_state([list.as_bytes()]).tracestate_dropped,
            Some(TracestateError::TooManyMembers)
        );
    }

    #[test]
    fn our_member_fits_up_to_512_bytes_and_32_members() {
        let others = |list: &str| Tracestate {
            others: Some(Arc::new(list.to_owned())),
        };
        let long = |len: usize| {
            format!(
                "k={},{}",
                "v".repeat(200),
                format_args!("l={}", "v".repeat(len - 205))
            )
        };
        // towline=77b0e190:4 and its comma are 19 bytes.
        assert!(others(&long(493)).fits("77b0e190:4"));
        assert!(!others(&long(494)).fits("77b0e190:4"));
        assert!(others("k=1,".repeat(31).trim_end_matches(',')).fits("1:1"));
        assert!(!others("k=1,".repeat(32).trim_end_matches(',')).fits("1:1"));
    }

    #[test]
    fn a_value_that_would_break_the_list_is_left_out() {
        for own in ["", "a,b", "a=b", "a ", "a\n", "ä"] {
            assert_eq!(Tracestate::default().with_own(Some(own)), None, "{own:?}");
        }
    }

    /// Bytes of the alphabet of the two headers, so that the readers come far.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let near = prop_oneof![
            vec(
                prop::sample::select(&b"0123456789abcdef-, \tF=@*~\x00\xff\n"[..]),
                0..80
            ),
            Just(PARENT.to_vec()),
        ];
        (near, vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)).prop_map(
            |(mut text, changes)| {
                for (at, byte) in changes {
                    if !text.is_empty() {
                        let at = at.index(text.len());
                        text[at] = byte;
                    }
                }
                text
            },
        )
    }

    proptest! {
        #[test]
        fn no_input_panics(parents in vec(hostile(), 0..3), states in vec(vec(any::<u8>(), 0..600), 0..4)) {
            let read = read(parents.iter().map(Vec::as_slice), states.iter().map(Vec::as_slice));
            if let Ok(incoming) = read {
                let out = incoming.context.tracestate.with_own(incoming.own);
                prop_assert!(out.is_none_or(|list| list.len() <= states.iter().map(|s| s.len() + 1).sum()));
            }
        }

        #[test]
        fn what_is_written_is_read(trace in 1..=u128::MAX, span in 1..=u64::MAX, flags in 0..4_u8) {
            let trace_id = TraceId::from_bytes(trace.to_be_bytes()).unwrap();
            let span_id = SpanId::from_bytes(span.to_be_bytes()).unwrap();
            let flags = TraceFlags::from_bits_truncate(flags);
            let traceparent = Traceparent::new(trace_id, span_id, flags);
            prop_assert_eq!(traceparent.to_string(), format!("00-{trace_id}-{span_id}-{flags}"));
            let context = read([&traceparent.as_bytes()[..]], []).unwrap().context;
            prop_assert_eq!((context.trace_id, context.parent_id, context.flags), (trace_id, span_id, flags));
        }

        #[test]
        fn one_changed_byte_of_an_id_changes_it_or_is_refused(at in 3..52_usize, byte in any::<u8>()) {
            let mut text = PARENT.to_vec();
            text[at] = byte;
            if let Ok(incoming) = read([&text[..]], []) {
                let context = incoming.context;
                let again = Traceparent::new(context.trace_id, context.parent_id, context.flags);
                prop_assert_eq!(&again.as_bytes()[..], &text[..]);
            }
        }

        #[test]
        fn members_of_others_are_never_changed(
            members in vec("[a-z0-9][a-z0-9_*/@-]{0,20}=[ -+\\--<>-~]{0,40}[!-+\\--<>-~]", 0..34),
            own in prop::option::of("[0-9a-f]{8}:[0-9x. ]{1,300}"),
        ) {
            let list = members.join(" ,, ");
            let incoming = with_state([list.as_bytes()]);
            let others: Vec<_> = members.iter().filter(|m| !m.starts_with("towline=")).map(String::as_str).collect();
            if members.len() > MEMBERS_MAX {
                prop_assert_eq!(incoming.tracestate_dropped, Some(TracestateError::TooManyMembers));
            } else {
                let tracestate = incoming.context.tracestate;
                prop_assert_eq!(tracestate.as_str(), others.join(","));
                let sent = tracestate.with_own(own.as_deref());
                let fits = own.as_deref().is_some_and(|own| tracestate.fits(own));
                let expected: Vec<_> = own.iter().filter(|_| fits).map(|own| format!("towline={own}"))
                    .chain(others.iter().map(ToString::to_string)).collect();
                prop_assert_eq!(sent.as_deref().unwrap_or_default(), expected.join(","));
                prop_assert!(!fits || sent.is_some_and(|sent| sent.len() <= LIST_BYTES_MAX));
                // What we send is taken apart again in the same way.
                let again = with_state([expected.join(",").as_bytes()]).context.tracestate;
                prop_assert_eq!(again, tracestate);
            }
        }
    }
}
