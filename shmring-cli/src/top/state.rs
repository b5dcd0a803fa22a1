//! The state of the screen: a pure function of the events so far.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use nix::sys::signal::Signal;
use ratatui::widgets::ListState;

use super::columns::Column;
use super::event::{Action, Event};
use super::keys::Key;
use crate::facts::{Entry, Sample};

/// The number of rates that are kept for each segment.
const MAX_HISTORY: usize = 300;
/// The maximum bytes of a filter. No name is longer.
const MAX_FILTER: usize = 255;
/// The intervals between samples, which keys select.
const INTERVALS_MS: [u64; 9] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// Messages received per second, the latest last.
pub(crate) type History = VecDeque<u64>;

/// The state of the screen.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) view: View,
    pub(crate) sort: Sort,
    /// Only segments with this text in their names are shown.
    pub(crate) filter: String,
    pub(crate) interval: Duration,
    /// Why shared memory cannot be listed.
    pub(crate) trouble: Option<String>,
    /// The first row on the screen and the selected row.
    pub(crate) list: ListState,
    /// The number of rows that fitted on the screen when it was drawn last.
    pub(crate) page: usize,
    /// The last sample of all segments. `None` before the first one.
    all: Option<Vec<Entry<Sample>>>,
    /// The indices of those that are shown, in order.
    shown: Vec<usize>,
    /// The name of the selected one.
    selected: Option<String>,
    histories: BTreeMap<String, History>,
}

/// The view on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Table,
    /// The table, while the user types a filter. Esc restores the previous one.
    Filter {
        before: String,
    },
    /// One segment.
    Segment {
        name: String,
        scroll: usize,
    },
    /// The keys, above the previous view.
    Help {
        scroll: usize,
        under: Box<View>,
    },
}

/// The order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) column: Column,
    pub(crate) is_reversed: bool,
}

impl State {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            view: View::Table,
            sort: Sort { column: Column::Name, is_reversed: false },
            filter: String::new(),
            interval,
            trouble: None,
            list: ListState::default(),
            page: 1,
            all: None,
            shown: Vec::new(),
            selected: None,
            histories: BTreeMap::new(),
        }
    }

    /// The rows of the table.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Entry<Sample>> {
        let all = self.all.as_deref().unwrap_or_default();
        self.shown.iter().filter_map(|index| all.get(*index))
    }

    /// Returns the number of segments; `None` before the first sample.
    pub(crate) fn count(&self) -> Option<usize> {
        self.all.as_ref().map(Vec::len)
    }

    pub(crate) fn segment(&self, name: &str) -> Option<&Entry<Sample>> {
        self.all.iter().flatten().find(|entry| entry.name() == name)
    }

    /// Returns the segment whose row is selected.
    pub(crate) fn selected(&self) -> Option<&Entry<Sample>> {
        self.rows().nth(self.list.selected()?)
    }

    pub(crate) fn history(&self, name: &str) -> Option<&History> {
        self.histories.get(name)
    }

    /// Applies an event. Returns the action that it asks for.
    pub(crate) fn handle(&mut self, event: Event) -> Option<Action> {
        match event {
            Event::Key(key) => self.key(key),
            Event::Looked(Ok(entries)) => {
                self.remember(&entries);
                self.trouble = None;
                self.all = Some(entries);
                self.arrange();
                None
            }
            Event::Looked(Err(trouble)) => {
                self.trouble = Some(trouble);
                None
            }
            Event::Signal(Signal::SIGTSTP) => Some(Action::Suspend),
            Event::Signal(Signal::SIGCONT) => Some(Action::Restore),
            // The next drawing reads the size of the window.
            Event::Signal(Signal::SIGWINCH) => None,
            Event::Signal(signal) => Some(Action::Die(signal)),
            Event::Closed => Some(Action::Die(Signal::SIGHUP)),
            Event::Failed(why) => Some(Action::Fail(why)),
        }
    }

    /// Extends the histories of existing segments, and removes those of others.
    fn remember(&mut self, entries: &[Entry<Sample>]) {
        let mut before = std::mem::take(&mut self.histories);
        for entry in entries {
            let Entry::Sound(sample) = entry else {
                continue;
            };
            let mut history = before.remove(entry.name()).unwrap_or_default();
            match &sample.rates {
                Some(rates) => history.push_back(rates.messages_received_per_s),
                // Another segment has the name.
                None => history.clear(),
            }
            if history.len() > MAX_HISTORY {
                history.pop_front();
            }
            self.histories.insert(entry.name().to_owned(), history);
        }
    }

    /// Filters and sorts the rows. The selected segment stays selected when its row moves; if it
    /// is gone, the segment that has its place is selected.
    fn arrange(&mut self) {
        let all = self.all.as_deref().unwrap_or_default();
        let Sort { column, is_reversed } = self.sort;
        let is_shown = |index: &usize| all[*index].name().contains(&self.filter);
        let mut shown: Vec<_> = (0..all.len()).filter(is_shown).collect();
        shown.sort_by(|one, other| {
            let (one, other) = (&all[*one], &all[*other]);
            let order = column.compare(one, other);
            let order = if is_reversed { order.reverse() } else { order };
            order.then_with(|| one.name().cmp(other.name()))
        });
        let name = |row: usize| shown.get(row).map(|index| all[*index].name());
        let row = match &self.selected {
            Some(selected) => (0..shown.len()).find(|row| name(*row) == Some(selected)),
            None => None,
        };
        let row = row.unwrap_or_else(|| self.list.selected().unwrap_or(0));
        let row = row.min(shown.len().saturating_sub(1));
        self.selected = name(row).map(str::to_owned);
        self.list.select(self.selected.is_some().then_some(row));
        self.shown = shown;
    }

    fn select(&mut self, row: usize) {
        let row = row.min(self.shown.len().saturating_sub(1));
        self.list.select((!self.shown.is_empty()).then_some(row));
        self.selected = self.selected().map(|entry| entry.name().to_owned());
    }

    fn key(&mut self, key: Key) -> Option<Action> {
        match (key, &mut self.view) {
            (Key::Ctrl('c'), _) => return Some(Action::Die(Signal::SIGINT)),
            (Key::Ctrl('z'), _) => return Some(Action::Suspend),
            (Key::Ctrl('l'), _) => return Some(Action::Restore),
            (_, View::Filter { .. }) => self.type_filter(key),
            (Key::Char('q'), _) => return Some(Action::Quit),
            (Key::Char('+'), _) => return self.pace(true),
            (Key::Char('-'), _) => return self.pace(false),
            (
                Key::Char('?' | 'h') | Key::Esc | Key::Backspace | Key::Left,
                View::Help { under, .. },
            ) => {
                self.view = (**under).clone();
            }
            (Key::Char('?' | 'h'), view) => {
                self.view = View::Help { scroll: 0, under: Box::new(view.clone()) };
            }
            (_, View::Table) => self.table_key(key),
            (Key::Esc | Key::Backspace | Key::Left, View::Segment { .. }) => {
                self.view = View::Table;
            }
            (_, View::Segment { scroll, .. } | View::Help { scroll, .. }) => {
                *scroll = moved(key, *scroll, self.page).unwrap_or(*scroll);
            }
        }
        None
    }

    fn table_key(&mut self, key: Key) {
        match key {
            Key::Enter | Key::Right => {
                if let Some(entry) = self.selected() {
                    let name = entry.name().to_owned();
                    self.view = View::Segment { name, scroll: 0 };
                }
            }
            Key::Char('/') => self.view = View::Filter { before: self.filter.clone() },
            Key::Esc => self.set_filter(String::new()),
            Key::Char('r') => self.set_sort(self.sort.column),
            Key::Char(letter) if letter.is_ascii_uppercase() && letter != 'G' => {
                let column = Column::ALL.into_iter().find(|column| column.key() == letter);
                column.into_iter().for_each(|column| self.set_sort(column));
            }
            _ => {
                let row = moved(key, self.list.selected().unwrap_or(0), self.page);
                row.into_iter().for_each(|row| self.select(row));
            }
        }
    }

    fn type_filter(&mut self, key: Key) {
        let View::Filter { before } = &mut self.view else {
            return;
        };
        match key {
            Key::Esc => {
                let before = std::mem::take(before);
                self.view = View::Table;
                self.set_filter(before);
            }
            Key::Enter => self.view = View::Table,
            Key::Backspace => {
                let mut filter = self.filter.clone();
                filter.pop();
                self.set_filter(filter);
            }
            Key::Ctrl('u') => self.set_filter(String::new()),
            Key::Char(letter) if self.filter.len() < MAX_FILTER && !letter.is_control() => {
                self.set_filter(format!("{}{letter}", self.filter));
            }
            _ => {}
        }
    }

    fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.arrange();
    }

    /// Sorts by a column, or reverses the order if the rows are sorted by it.
    fn set_sort(&mut self, column: Column) {
        let is_reversed = self.sort.column == column && !self.sort.is_reversed;
        self.sort = Sort { column, is_reversed };
        self.arrange();
    }

    /// Selects the next shorter or longer interval.
    fn pace(&mut self, slower: bool) -> Option<Action> {
        let mut steps = INTERVALS_MS.map(Duration::from_millis).into_iter();
        let next = match slower {
            true => steps.find(|step| *step > self.interval),
            false => steps.rfind(|step| *step < self.interval),
        };
        self.interval = next?;
        Some(Action::Every(self.interval))
    }
}

/// Returns the position that a key moves to from `at`; `None` if it does not move. The caller
/// limits it to the last position.
fn moved(key: Key, at: usize, page: usize) -> Option<usize> {
    let page = page.max(1);
    Some(match key {
        Key::Down | Key::Char('j') => at.saturating_add(1),
        Key::Up | Key::Char('k') => at.saturating_sub(1),
        Key::PageDown | Key::Char(' ') | Key::Ctrl('f') => at.saturating_add(page),
        Key::PageUp | Key::Ctrl('b') => at.saturating_sub(page),
        Key::Home | Key::Char('g') => 0,
        Key::End | Key::Char('G') => usize::MAX,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
