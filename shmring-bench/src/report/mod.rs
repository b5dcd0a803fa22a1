//! Results as text, as a page, and one session held against another. As data they serialise as they
//! are.

mod columns;
mod comparison;
mod html;
mod svg;
mod tables;
mod units;
mod versus;

use std::fmt::Write;

pub use comparison::text;
pub use html::html;
pub use tables::tables;
pub use versus::versus;

/// So many runs were what; nothing if there were none.
fn counted(runs: u32, what: &str) -> Option<String> {
    match runs {
        0 => None,
        1 => Some(format!("One run was {what}.")),
        runs => Some(format!("{runs} runs were {what}.")),
    }
}

/// Aligns rows in columns, the first one to the left.
pub fn table<R: AsRef<[String]>>(rows: &[R]) -> String {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.as_ref().iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Breaks a line at 90 columns and indents what follows the first.
pub fn wrapped(line: &str) -> String {
    const COLUMNS: usize = 90;
    let mut text = String::new();
    let mut used = 0;
    for word in line.split(' ') {
        let len = word.chars().count();
        if used > 0 && used + 1 + len > COLUMNS {
            text.push_str("\n  ");
            used = 2;
        } else if used > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += len;
    }
    text.push('\n');
    text
}

/// Formats `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
