//! Styles and characters for this terminal.

use std::env;
use std::io;

use anstream::{AutoStream, ColorChoice};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::bar;

use super::columns::Tone;

/// Bars for terminals that have only ASCII.
const PLAIN_BARS: bar::Set<'_> = bar::Set {
    full: "#",
    seven_eighths: "#",
    three_quarters: "+",
    five_eighths: "+",
    half: "=",
    three_eighths: "-",
    one_quarter: "-",
    one_eighth: ".",
    empty: " ",
};

/// The abilities of a terminal and the wishes of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) has_colors: bool,
    pub(crate) has_unicode: bool,
}

impl Theme {
    /// Returns the theme by `--color`, NO_COLOR, TERM, COLORTERM and the locale.
    pub(crate) fn of_terminal() -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(env::var_os);
        let locale = locale.map(|value| value.to_string_lossy().to_ascii_lowercase());
        // The first one that is set decides.
        let locale = locale.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
        Self {
            has_colors: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            has_unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    pub(super) fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn selection(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Returns the style of secondary text.
    pub(super) fn aside(self) -> Style {
        self.color(Color::Cyan)
    }

    pub(super) fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Bad => self.color(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Stuck => self.color(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Good => self.color(Color::Green),
            Tone::Resting => Style::new(),
            Tone::Unused => self.color(Color::DarkGray),
        }
    }

    fn color(self, color: Color) -> Style {
        if self.has_colors { Style::new().fg(color) } else { Style::new() }
    }

    pub(super) fn bars(self) -> bar::Set<'static> {
        if self.has_unicode { bar::NINE_LEVELS } else { PLAIN_BARS }
    }
}
