//! Baggage, passed on as it came (spec/edge.md, "Beside other propagators").

use std::error::Error;
use std::fmt;
use std::str;
use std::sync::Arc;

use crate::trace_context::trim_blanks;

const BYTES_MAX: usize = 8192;
const MEMBERS_MAX: usize = 64;

/// The members of `baggage`, as they came; blanks around members and empty members are gone.
///
/// ```
/// use towline_core::Baggage;
///
/// let fields: [&[u8]; 2] = [b"user=%C3%A4, tier = gold;private", b"user=b"];
/// let baggage = Baggage::read(fields)?.expect("there are members");
/// assert_eq!(baggage.as_str(), "user=%C3%A4,tier = gold;private,user=b");
/// assert_eq!(baggage.value("user").as_deref(), Some("\u{e4}"));
/// assert_eq!(baggage.value("tier").as_deref(), Some("gold"));
/// assert_eq!(baggage.value("else"), None);
/// # Ok::<_, towline_core::BaggageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baggage {
    /// Never empty, and by the grammar.
    text: Arc<str>,
}

impl Baggage {
    /// Reads all fields named `baggage` of one request, in their order; none where there is no
    /// member.
    ///
    /// # Errors
    ///
    /// Where it is too long, or a member breaks the grammar of W3C Baggage; it is then dropped
    /// whole.
    pub fn read<'a>(
        fields: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, BaggageError> {
        let (mut text, mut bytes) = (String::new(), 0);
        let mut fault = None;
        let mut members = 0_usize;
        for (nth, field) in fields.into_iter().enumerate() {
            // All fields count, with the commas that join them.
            bytes += field.len() + usize::from(nth > 0);
            if bytes > BYTES_MAX {
                return Err(BaggageError::TooLong);
            }
            let split = field.split(|&byte| byte == b',').map(trim_blanks);
            for member in split.filter(|member| !member.is_empty()) {
                members += 1;
                match Member::read(member) {
                    Some(_) if text.is_empty() => {}
                    Some(_) => text.push(','),
                    None => fault = Some(BaggageError::Malformed),
                }
                text.push_str(str::from_utf8(member).unwrap_or_default());
            }
        }
        if members > MEMBERS_MAX {
            return Err(BaggageError::TooManyMembers);
        }
        match fault {
            Some(fault) => Err(fault),
            None => Ok((!text.is_empty()).then(|| Self { text: text.into() })),
        }
    }

    /// The list, as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The members, as keys and values; values are percent-decoded: what is no escape stays as it
    /// is, what is not UTF-8 becomes U+FFFD.
    pub fn members(&self) -> impl Iterator<Item = (&str, String)> {
        let members = self.text.split(',');
        members.filter_map(|member| {
            let member = Member::read(member.as_bytes())?;
            Some((str::from_utf8(member.key).ok()?, decoded(member.value)))
        })
    }

    /// The value of the first member with this key, percent-decoded.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<String> {
        let mut members = self.members();
        members
            .find(|(other, _)| *other == key)
            .map(|(_, value)| value)
    }
}

impl fmt::Display for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why `baggage` was dropped whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaggageError {
    /// More than 8,192 bytes.
    TooLong,
    /// More than 64 members.
    TooManyMembers,
    /// A member breaks the grammar.
    Malformed,
}

impl fmt::Display for BaggageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "baggage has more than {BYTES_MAX} bytes"),
            Self::TooManyMembers => write!(f, "baggage has more than {MEMBERS_MAX} members"),
            Self::Malformed => {
                f.write_str("baggage has a member that is not a token, `=` and a valid value")
            }
        }
    }
}

impl Error for BaggageError {}

struct Member<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Member<'a> {
    /// `key=value` and properties, by the grammar of W3C Baggage.
    fn read(text: &'a [u8]) -> Option<Self> {
        let mut parts = text.split(|&byte| byte == b';');
        let (key, value) = split_pair(parts.next()?)?;
        let value = value?;
        for property in parts {
            split_pair(property)?;
        }
        Some(Self { key, value })
    }
}

/// A token, and behind `=` a value if there is one; blanks around both are gone.
fn split_pair(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let equals = text.iter().position(|&byte| byte == b'=');
    let (key, value) = match equals.and_then(|at| text.split_at_checked(at)) {
        Some((key, value)) => (key, value.strip_prefix(b"=").map(trim_blanks)),
        None => (text, None),
    };
    let key = trim_blanks(key);
    let is_pair = !key.is_empty()
        && key.iter().copied().all(is_token)
        && value.unwrap_or_default().iter().copied().all(is_value);
    is_pair.then_some((key, value))
}

/// RFC 9110, "Tokens".
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// W3C Baggage, "baggage-octet".
fn is_value(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

fn decoded(value: &[u8]) -> String {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = match behind {
            [high, low, ..] if byte == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
