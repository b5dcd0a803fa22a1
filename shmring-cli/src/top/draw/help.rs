//! The help: a list of keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::super::columns::Column;
use super::super::state::{State, View};
use super::super::theme::Theme;
use super::text;

/// The keys besides those of the columns, in lines that fit on small screens.
const KEYS: [(&str, &str); 12] = [
    ("Up Down, k j", "another segment"),
    ("PgUp PgDn", "a screen up or down"),
    ("Home End, g G", "the first, the last"),
    ("Enter, Right", "one segment"),
    ("Esc, Left", "back"),
    ("/", "only names with a text"),
    ("Esc", "all names again"),
    ("+ -", "sample less or more often"),
    ("r", "the other way round"),
    ("Ctrl-L", "draw anew"),
    ("Ctrl-Z", "stop; fg continues"),
    ("q, Ctrl-C", "quit"),
];
const KEY_COLUMNS: usize = 14;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &mut State, theme: Theme) {
    let line = |key: &str, does: &str| Line::raw(format!("{key:KEY_COLUMNS$} {does}"));
    let mut lines: Vec<_> = KEYS.iter().map(|(key, does)| line(key, does)).collect();
    lines.push(Line::styled("Sort by a column, and again to turn round:", theme.heading()));
    lines.extend(
        Column::ALL
            .map(|column| line(&format!("{} {}", column.key(), column.header()), column.about())),
    );
    state.page = usize::from(area.height);
    if let View::Help { scroll, .. } = &mut state.view {
        text::draw(frame, area, lines, scroll, theme);
    }
}
