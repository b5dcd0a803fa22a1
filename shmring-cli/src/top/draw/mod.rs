//! Draws the screen from the state alone.

mod detail;
mod help;
mod overview;
mod text;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::columns::{Standing, Tone};
use super::state::{State, View};
use super::theme::Theme;
use crate::facts::Entry;
use crate::report;

/// Draws the screen, and stores in the state how many rows fit, for the next key.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &mut State, theme: Theme) {
    let rows = [Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
    let [top, middle, bottom] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(title(state, theme), top);
    match state.view.clone() {
        View::Table | View::Filter { .. } => overview::draw(frame, middle, state, theme),
        View::Segment { name, .. } => detail::draw(frame, middle, state, &name, theme),
        View::Help { .. } => help::draw(frame, middle, state, theme),
    }
    frame.render_widget(foot(state, theme), bottom);
    put_cursor(frame, bottom, state);
}

fn title(state: &State, theme: Theme) -> Line<'static> {
    let interval = humantime::format_duration(state.interval);
    let count = state.count().map(|count| report::count(count as u64, "segment"));
    let mut words = vec![count.unwrap_or_else(|| "looking".to_owned())];
    let shown = state.rows().count();
    if state.count().is_some_and(|count| count != shown) {
        words.push(format!("{shown} shown"));
    }
    let stuck = state.rows().filter(|entry| Standing::of(entry).tone <= Tone::Stuck).count();
    if stuck > 0 {
        words.push(format!("{stuck} in trouble"));
    }
    words.push(format!("every {interval}"));
    let turned = if state.sort.is_reversed { ", turned round" } else { "" };
    words.push(format!("by {}{turned}", state.sort.column.header()));
    let name = Span::styled("shmring top", theme.heading());
    Line::from(vec![name, Span::raw(format!("  {}", words.join(", ")))])
}

/// Returns the last line: keys, or an error.
fn foot(state: &State, theme: Theme) -> Line<'static> {
    if let View::Filter { .. } = state.view {
        return Line::from(prompt(state));
    }
    if let Some(trouble) = &state.trouble {
        return Line::styled(report::printable(trouble), theme.tone(Tone::Bad));
    }
    let keys = match state.view {
        View::Segment { .. } => "q quit  ? help  Esc back",
        View::Help { .. } => "q quit  Esc back",
        _ => match state.selected() {
            Some(Entry::Broken { error, .. }) => {
                return Line::styled(report::printable(error), theme.tone(Tone::Bad));
            }
            _ => "q quit  ? help  / filter  Enter one segment",
        },
    };
    Line::styled(keys, theme.aside())
}

fn prompt(state: &State) -> String {
    format!("/{}", report::printable(&state.filter))
}

/// Places the cursor in the filter.
fn put_cursor(frame: &mut Frame<'_>, area: Rect, state: &State) {
    if let View::Filter { .. } = state.view
        && !area.is_empty()
    {
        let typed = u16::try_from(Line::from(prompt(state)).width()).unwrap_or(u16::MAX);
        let column = area.x.saturating_add(typed.min(area.width - 1));
        frame.set_cursor_position((column, area.y));
    }
}

#[cfg(test)]
mod tests;
