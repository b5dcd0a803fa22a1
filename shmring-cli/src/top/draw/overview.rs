//! Draws a row for each segment, with as many columns as fit.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::List;
use unicode_width::UnicodeWidthStr;

use super::super::columns::{Column, Standing, Tone};
use super::super::state::{Sort, State};
use super::super::theme::Theme;
use crate::facts::{Entry, Sample};
use crate::report;

const GAP: &str = " ";
/// The minimum and the maximum width of a name.
const NAME_WIDTHS: (usize, usize) = (10, 32);
/// What to remove if there is too little room, in this order, and the width that remains.
const DISPENSABLE: [(Column, usize); 9] = [
    (Column::Capacity, 0),
    (Column::Used, 0),
    (Column::Out, 0),
    (Column::In, 0),
    (Column::Dead, 0),
    (Column::Alive, 0),
    (Column::Kind, 0),
    (Column::Fill, PERCENT_WIDTH),
    (Column::Messages, 0),
];
const PERCENT_WIDTH: usize = 4;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &mut State, theme: Theme) {
    let rows = [Constraint::Length(1), Constraint::Min(0)];
    let [head, body] = Layout::vertical(rows).areas(area);
    let columns = Columns::fitting(state, usize::from(area.width));
    frame.render_widget(columns.header(state.sort, theme), head);
    let lines: Vec<_> = state.rows().map(|entry| columns.row(entry, theme)).collect();
    if lines.is_empty() {
        frame.render_widget(nothing(state, theme), body);
    }
    let list = List::new(lines).highlight_style(theme.selection());
    frame.render_stateful_widget(list, body, &mut state.list);
    state.page = usize::from(body.height);
}

fn nothing(state: &State, theme: Theme) -> Line<'static> {
    let words = match state.count() {
        None => "",
        Some(0) => "no segments; `shmring create NAME` makes one",
        Some(_) => "no name has that in it; Esc shows all",
    };
    Line::styled(words, theme.aside())
}

/// Columns and their widths.
struct Columns(Vec<(Column, usize)>);

impl Columns {
    fn fitting(state: &State, width: usize) -> Self {
        let longest = |column: Column| {
            state.rows().map(|entry| column.cell(entry).width()).max().unwrap_or(0)
        };
        let (least, most) = NAME_WIDTHS;
        let mut columns = Column::ALL.map(|column| match column {
            Column::Kind => (column, column_width(column).max(longest(column))),
            _ => (column, column_width(column)),
        });
        let needed = |columns: &[(Column, usize)]| {
            let widths = columns.iter().filter(|(_, width)| *width > 0);
            widths.map(|(_, width)| width + GAP.len()).sum::<usize>() - GAP.len()
        };
        for (dispensable, left) in DISPENSABLE {
            if needed(&columns) > width {
                let column = columns.iter_mut().find(|(column, _)| *column == dispensable);
                column.into_iter().for_each(|(_, width)| *width = left);
            }
        }
        let spare = width.saturating_sub(needed(&columns));
        columns[0].1 = (least + spare).min(longest(Column::Name).clamp(least, most));
        Self(columns.into_iter().filter(|(_, width)| *width > 0).collect())
    }

    fn header(&self, sort: Sort, theme: Theme) -> Line<'static> {
        let mut spans = Vec::new();
        for (column, width) in &self.0 {
            let style = match sort.column == *column {
                true => theme.heading().patch(theme.selection()),
                false => theme.heading(),
            };
            let at_right = column.is_number() && !has_bar(*column, *width);
            let text = fit(column.header(), *width, at_right);
            spans.push(Span::styled(text, style));
            spans.push(Span::raw(GAP));
        }
        Line::from(spans)
    }

    fn row(&self, entry: &Entry<Sample>, theme: Theme) -> Line<'static> {
        let tone = theme.tone(Standing::of(entry).tone);
        let mut spans = Vec::new();
        for (column, width) in &self.0 {
            let (text, style) = match (column, entry) {
                (_, Entry::Sound(sample)) if has_bar(*column, *width) => {
                    (bar(sample, *width, theme), Style::new())
                }
                (Column::State, _) => (fit(&column.cell(entry), *width, false), tone),
                _ => (fit(&column.cell(entry), *width, column.is_number()), Style::new()),
            };
            spans.push(Span::styled(text, style));
            if let (Column::Name, Entry::Broken { state, error, .. }) = (column, entry) {
                // The error replaces the cells that are unknown.
                let what = format!("{GAP}{state}: {}", report::printable(error));
                spans.push(Span::styled(what, theme.tone(Tone::Bad)));
                break;
            }
            spans.push(Span::raw(GAP));
        }
        Line::from(spans)
    }
}

fn has_bar(column: Column, width: usize) -> bool {
    column == Column::Fill && width > PERCENT_WIDTH
}

/// Returns the minimum width of a name, and the width of other columns, which their usual cells
/// fit in.
fn column_width(column: Column) -> usize {
    match column {
        Column::Name => NAME_WIDTHS.0,
        Column::Kind => 6,
        Column::Capacity => 14,
        Column::Used => 10,
        Column::Fill => 13,
        Column::Messages | Column::In | Column::Out => 7,
        Column::Alive => 5,
        Column::Dead => 4,
        Column::State => 9,
    }
}

/// Returns `[####    ]  50%`: the percentage, and a bar in the rest of the width.
fn bar(sample: &Sample, width: usize, theme: Theme) -> String {
    let percent = sample.facts.status.fill_percent.min(100);
    let room = width.saturating_sub("[] ".len() + PERCENT_WIDTH);
    // Any message fills a part of the bar, and only a full ring fills all of it.
    let filled = (percent as usize * room).div_ceil(100);
    let filled = if percent < 100 { filled.min(room.saturating_sub(1)) } else { room };
    let full = theme.bars().full.repeat(filled);
    format!("[{full}{}] {percent:>3}%", " ".repeat(room - filled))
}

/// Pads or cuts a text to a width.
fn fit(text: &str, width: usize, at_right: bool) -> String {
    let mut cut = String::new();
    for letter in text.chars() {
        cut.push(letter);
        if cut.width() > width {
            cut.pop();
            break;
        }
    }
    let blank = " ".repeat(width.saturating_sub(cut.width()));
    if at_right { blank + &cut } else { cut + &blank }
}
