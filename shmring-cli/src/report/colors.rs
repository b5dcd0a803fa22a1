//! Colours. Reports always contain them. They are removed if they are not wanted: by
//! `anstream`, at a pipe or file, with NO_COLOR, or with `--color never`.

use anstyle::{AnsiColor, Style};

pub(crate) const HEADING: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const NOTE: Style = AnsiColor::Cyan.on_default();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const PROBLEM: Style = AnsiColor::Red.on_default().bold();

/// Returns `text` in a style.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
