//! Strangers' text, made safe to print: names, addresses and errors come from services.

/// The most characters that are shown of one piece of text.
const SHOWN_MAX: usize = 200;

/// `text` with what could move a cursor or turn the reading direction escaped, cut after 200
/// characters.
///
/// ```
/// assert_eq!(towline_probe::show("go\u{1b}[2J"), "go\\u{1b}[2J");
/// ```
#[must_use]
pub fn show(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4 * SHOWN_MAX));
    for (n, char) in text.chars().enumerate() {
        if n == SHOWN_MAX {
            out.push('…');
            break;
        }
        if is_plain(char) {
            out.push(char);
        } else {
            out.extend(char.escape_unicode());
        }
    }
    out
}

fn is_plain(char: char) -> bool {
    !char.is_control()
        && !matches!(char,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_is_escaped() {
        assert_eq!(show("a\x1b[2J\r\nb"), r"a\u{1b}[2J\u{d}\u{a}b");
        assert_eq!(show("\u{9b}1m \u{202e}x"), r"\u{9b}1m \u{202e}x");
        assert_eq!(show("grün#ö-1 → 世界"), "grün#ö-1 → 世界");
    }

    #[test]
    fn long_text_is_cut() {
        let shown = show(&"é".repeat(10_000));
        assert_eq!(shown.chars().count(), SHOWN_MAX + 1);
        assert!(shown.ends_with('…'));
    }
}
