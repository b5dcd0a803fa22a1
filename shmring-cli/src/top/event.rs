//! Events and actions.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::keys::Key;
use crate::facts::{Entry, Sample};

/// An event. Other threads send it to the thread of the screen.
#[derive(Debug)]
pub(crate) enum Event {
    /// The user typed.
    Key(Key),
    /// A sample of all segments, or why there is none.
    Looked(Result<Vec<Entry<Sample>>, String>),
    /// A signal came.
    Signal(Signal),
    /// The input has ended.
    Closed,
    /// A thread ended by mistake.
    Failed(String),
}

/// An action that an event asks for, besides a drawing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// End.
    Quit,
    /// End as that signal ends a process.
    Die(Signal),
    /// End with this error.
    Fail(String),
    /// Stop until SIGCONT.
    Suspend,
    /// Redraw everything, as another program may have drawn meanwhile.
    Restore,
    /// Sample at this interval.
    Every(Duration),
}
