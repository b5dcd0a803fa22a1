//! Draws the details of one segment.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{RenderDirection, Sparkline};

use super::super::columns::{Standing, Tone};
use super::super::state::{History, State, View};
use super::super::theme::Theme;
use super::text;
use crate::facts::{Entry, Sample};
use crate::report;
use crate::report::description;

/// The rows of the history, if there is room for it and for the rest.
const HISTORY_ROWS: u16 = 2;
/// A screen with fewer rows has no history.
const MIN_ROWS: u16 = 12;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &mut State, name: &str, theme: Theme) {
    let history_rows = if area.height < MIN_ROWS { 0 } else { HISTORY_ROWS + 1 };
    let rows = [Constraint::Min(0), Constraint::Length(history_rows)];
    let [above, below] = Layout::vertical(rows).areas(area);
    let entry = state.segment(name);
    let lines = lines(name, entry, area.width, theme);
    if let (Some(Entry::Sound(_)), Some(history)) = (entry, state.history(name)) {
        draw_history(frame, below, history, theme);
    }
    state.page = usize::from(above.height);
    if let View::Segment { scroll, .. } = &mut state.view {
        text::draw(frame, above, lines, scroll, theme);
    }
}

fn lines(
    name: &str,
    entry: Option<&Entry<Sample>>,
    width: u16,
    theme: Theme,
) -> Vec<Line<'static>> {
    let sample = match entry {
        Some(Entry::Sound(sample)) => sample,
        Some(Entry::Broken { error, .. }) => {
            let error = report::printable(error);
            let style = theme.tone(Tone::Bad);
            return text::wrap(&error, width).into_iter().map(|l| Line::styled(l, style)).collect();
        }
        None => {
            let gone = format!("there is no segment {} any more", report::printable(name));
            return text::wrap(&gone, width).into_iter().map(Line::raw).collect();
        }
    };
    let mut lines = Vec::new();
    for (label, value) in description::rows(sample) {
        let row = format!("{label:<9} {value}");
        lines.extend(text::wrap(&row, width).into_iter().map(Line::raw));
    }
    let stall = sample.stall.as_ref().map(description::stall).unwrap_or_default();
    for part in [stall, description::held_up(sample)].into_iter().filter(|part| !part.is_empty()) {
        let tone = theme.tone(entry.map_or(Tone::Resting, |entry| Standing::of(entry).tone));
        lines.push(Line::default());
        for line in part {
            let style = if line.starts_with(' ') { Style::new() } else { tone };
            lines.extend(text::wrap(&line, width).into_iter().map(|l| Line::styled(l, style)));
        }
    }
    let participants = description::participants(sample);
    let mut rows = participants.lines().map(str::to_owned);
    if let Some(header) = rows.next() {
        lines.push(Line::default());
        lines.push(Line::styled(header, theme.heading()));
        lines.extend(rows.map(Line::raw));
    }
    lines
}

/// Draws the history of rates, the latest at the right.
fn draw_history(frame: &mut Frame<'_>, area: Rect, history: &History, theme: Theme) {
    let rows = [Constraint::Length(1), Constraint::Min(0)];
    let [head, body] = Layout::vertical(rows).areas(area);
    let latest: Vec<u64> = history.iter().rev().take(usize::from(body.width)).copied().collect();
    let most = latest.iter().max().copied().unwrap_or(0);
    let heading = Span::styled("messages/s", theme.heading());
    let most_words = Span::raw(format!("  at most {} of late", report::short(most)));
    frame.render_widget(Line::from(vec![heading, most_words]), head);
    let sparkline = Sparkline::default()
        .data(&latest)
        .max(most.max(1))
        .direction(RenderDirection::RightToLeft)
        .bar_set(theme.bars())
        .style(theme.tone(Tone::Good));
    frame.render_widget(sparkline, body);
}
