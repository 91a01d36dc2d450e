//! Service and instance names on the wire: UTF-8, percent-encoded.

/// What may stand unescaped: RFC 9110 token characters other than `%` and `#`.
pub(crate) fn is_plain(byte: u8) -> bool {
    PLAIN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// [`is_plain`] of each byte: labels are most of a clock, and are read at every hop.
#[allow(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would refuse a panic"
)]
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut symbols: &[u8] = b"!$&'*+-.^_`|~";
    while let [symbol, rest @ ..] = symbols {
        plain[*symbol as usize] = true;
        symbols = rest;
    }
    let mut byte = 0;
    while byte < 128u8 {
        plain[byte as usize] |= byte.is_ascii_alphanumeric();
        byte += 1;
    }
    plain
};

fn is_control(c: char) -> bool {
    c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c)
}

/// Appends a label, escaped; control characters become `_`.
pub(crate) fn quote_into(out: &mut String, label: &str) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or('0');
    for c in label.chars() {
        if is_control(c) {
            out.push('_');
        } else if u8::try_from(c).is_ok_and(is_plain) {
            out.push(c);
        } else {
            for &byte in c.encode_utf8(&mut [0; 4]).as_bytes() {
                out.push('%');
                out.push(digit(byte >> 4));
                out.push(digit(byte & 15));
            }
        }
    }
}

/// Reads a label that the scanner has taken for one: plain bytes and escapes.
///
/// `None` if an escape is not two upper-case hex digits, if the bytes are not UTF-8, or if there is
/// a control character in it.
pub(crate) fn unquote(raw: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(if byte == b'%' {
            upper_hex(*rest.next()?)? << 4 | upper_hex(*rest.next()?)?
        } else {
            byte
        });
    }
    let label = String::from_utf8(bytes).ok()?;
    (!label.chars().any(is_control)).then_some(label)
}

fn upper_hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(label in "\\PC*") {
            let mut quoted = String::new();
            quote_into(&mut quoted, &label);
            prop_assert!(quoted.bytes().all(|b| is_plain(b) || b == b'%'));
            let cleaned: String = label.chars().map(|c| if is_control(c) { '_' } else { c }).collect();
            prop_assert_eq!(unquote(quoted.as_bytes()), Some(cleaned));
        }
    }
}
