//! The headers of B3, single and multi (spec/edge.md, "Beside other propagators").
//!
//! `spec/vectors/carriers.json` pins what is read.

use std::error::Error;
use std::fmt;

use crate::headers::{Field, Headers, Single};
use crate::trace_context::trim_blanks;
use crate::{SpanId, TraceFlags, TraceId};

/// What the headers of B3 said.
///
/// ```
/// use towline_core::B3;
///
/// let headers = [("b3", "8448eb211c80319c-b7ad6b7169203331-d")];
/// let b3 = B3::read(headers.as_slice())?.expect("there is some");
/// let (trace_id, span_id) = b3.ids.expect("with ids");
/// assert_eq!(trace_id.to_string(), "00000000000000008448eb211c80319c");
/// assert_eq!(span_id.to_string(), "b7ad6b7169203331");
/// assert_eq!(b3.sampled, Some(true));
/// # Ok::<_, towline_core::B3Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct B3 {
    /// The trace, and the caller's span; none where only the decision came.
    pub ids: Option<(TraceId, SpanId)>,
    /// The decision; none where nothing was said.
    pub sampled: Option<bool>,
}

/// The headers are not B3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct B3Error;

impl fmt::Display for B3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the headers of B3 are not two ids in lower-case hex and a decision")
    }
}

impl Error for B3Error {}

impl B3 {
    /// Reads both forms, the single one first; none where there is none.
    ///
    /// # Errors
    ///
    /// Where the fields break the format: a new trace begins.
    pub fn read<H: Headers + ?Sized>(headers: &H) -> Result<Option<Self>, B3Error> {
        let field = |field| match headers.fields(field).collect() {
            Single::Absent => Ok(None),
            Single::One(value) => Ok(Some(trim_blanks(value))),
            Single::Several => Err(B3Error),
        };
        if let Some(single) = field(Field::B3)? {
            return read_single(single).map(Some);
        }
        let (trace, span) = (field(Field::B3TraceId)?, field(Field::B3SpanId)?);
        let (sampled, flags) = (field(Field::B3Sampled)?, field(Field::B3Flags)?);
        if [trace, span, sampled, flags].iter().all(Option::is_none) {
            return Ok(None);
        }
        let said = match sampled {
            None => None,
            Some(b"1" | b"true") => Some(true),
            Some(b"0" | b"false") => Some(false),
            Some(_) => return Err(B3Error),
        };
        let sampled = match flags {
            None | Some(b"0") => said,
            Some(b"1") => Some(true),
            Some(_) => return Err(B3Error),
        };
        let ids = match (trace, span) {
            (None, None) => None,
            (trace, span) => Some(ids(trace.unwrap_or_default(), span.unwrap_or_default())?),
        };
        Ok(Some(Self { ids, sampled }))
    }
}

fn read_single(text: &[u8]) -> Result<B3, B3Error> {
    let decision = |text: &[u8]| match text {
        b"1" | b"d" => Ok(true),
        b"0" => Ok(false),
        _ => Err(B3Error),
    };
    let mut parts = text.split(|&byte| byte == b'-');
    let first = parts.next().unwrap_or_default();
    let Some(span) = parts.next() else {
        return Ok(B3 {
            ids: None,
            sampled: Some(decision(first)?),
        });
    };
    let sampled = parts.next().map(decision).transpose()?;
    let parent = parts.next();
    if parent.is_some_and(|parent| !is_hex(parent, 16)) || parts.next().is_some() {
        return Err(B3Error);
    }
    Ok(B3 {
        ids: Some(ids(first, span)?),
        sampled,
    })
}

fn ids(trace: &[u8], span: &[u8]) -> Result<(TraceId, SpanId), B3Error> {
    let mut filled = [b'0'; 32];
    let long = match trace.len() {
        32 => trace,
        16 => {
            let (_, low) = filled.split_at_mut(16);
            low.copy_from_slice(trace);
            &filled
        }
        _ => return Err(B3Error),
    };
    let trace_id = TraceId::parse(long).ok_or(B3Error)?;
    let span_id = SpanId::parse(span).ok_or(B3Error)?;
    Ok((trace_id, span_id))
}

fn is_hex(text: &[u8], digits: usize) -> bool {
    text.len() == digits
        && text
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The value of the header `b3`.
pub(crate) fn single(trace_id: TraceId, span_id: SpanId, flags: TraceFlags) -> String {
    format!("{trace_id}-{span_id}-{}", sampled(flags))
}

/// The digit for a decision.
pub(crate) fn sampled(flags: TraceFlags) -> &'static str {
    if flags.sampled() { "1" } else { "0" }
}
