//! Text that may be longer than the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;

use super::super::theme::Theme;

/// The mark of a text that continues below.
const MORE: &str = " more ";

/// Draws the part of `lines` that begins at `scroll`, which it corrects if that is past the last
/// page.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    lines: Vec<Line<'static>>,
    scroll: &mut usize,
    theme: Theme,
) {
    let height = usize::from(area.height);
    *scroll = (*scroll).min(lines.len().saturating_sub(height));
    let is_cut = lines.len() - *scroll > height;
    let shown: Vec<_> = lines.into_iter().skip(*scroll).take(height).collect();
    frame.render_widget(Paragraph::new(Text::from(shown)), area);
    if is_cut {
        let more = Line::styled(MORE, theme.selection()).right_aligned();
        let last = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
        frame.render_widget(more, last.intersection(area));
    }
}

/// Wraps a line. Each line after the first is indented by its indent and two more columns.
pub(super) fn wrap(line: &str, width: u16) -> Vec<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    let rest = format!("{indent}  ");
    let options = textwrap::Options::new(usize::from(width).max(1)).subsequent_indent(&rest);
    textwrap::wrap(line, options).into_iter().map(|line| line.into_owned()).collect()
}
