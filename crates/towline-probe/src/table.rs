//! Lines of cells, each column as wide as its widest cell.

use std::fmt::Write as _;

/// Writes the lines, without blanks at their ends.
pub(crate) fn table<const N: usize>(out: &mut String, lines: &[[String; N]]) {
    let mut widths = [0; N];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
}
