//! Aligned columns of text, as `ps` and `df` print.

use unicode_width::UnicodeWidthStr;

const GAP: &str = "  ";

/// Lays out rows of cells under a header. `right` marks the columns of numbers. Cells have no
/// control characters.
pub(crate) fn layout<const N: usize>(
    header: [&str; N],
    right: [bool; N],
    rows: &[[String; N]],
) -> String {
    let mut widths = header.map(UnicodeWidthStr::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    let header = header.map(str::to_owned);
    for row in std::iter::once(&header).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let blank = " ".repeat(widths[column] - cell.width());
            let gap = if column == 0 { "" } else { GAP };
            let (before, after) = if right[column] { (&blank[..], "") } else { ("", &blank[..]) };
            line.extend([gap, before, cell, after]);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches columns that shift with the width of their cells.
    #[test]
    fn columns_line_up() {
        let rows = [["a".to_owned(), "1".to_owned()], ["größer".to_owned(), "10000".to_owned()]];
        assert_eq!(
            layout(["NAME", "USED"], [false, true], &rows),
            "NAME     USED\na           1\ngrößer  10000\n"
        );
    }
}
