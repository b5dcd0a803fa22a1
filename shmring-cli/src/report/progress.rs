//! The draw target of progress lines: stderr, if it is a terminal.

use std::io;

use console::Term;
use indicatif::{ProgressDrawTarget, ProgressStyle, TermLike};

/// Returns the draw target of a bar, which is hidden if stderr is not a terminal.
pub(crate) fn draw_target() -> ProgressDrawTarget {
    let terminal = Term::buffered_stderr();
    if !terminal.is_term() {
        return ProgressDrawTarget::hidden();
    }
    ProgressDrawTarget::term_like_with_hz(Box::new(Line(terminal)), REDRAWS_PER_SECOND)
}

const REDRAWS_PER_SECOND: u8 = 20;

/// Returns a style in ASCII.
pub(crate) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("##-")
        .tick_chars("|/-\\ ")
}

/// The terminal echoes Ctrl-C as `^C` at the cursor. In a row that is filled to its end, the echo
/// would go to the next row, which clearing the first one misses.
const ECHO_COLUMNS: u16 = 3;

#[derive(Debug)]
struct Line(Term);

impl TermLike for Line {
    fn width(&self) -> u16 {
        self.0.size().1.saturating_sub(ECHO_COLUMNS).max(1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
