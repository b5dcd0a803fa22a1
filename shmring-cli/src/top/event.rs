//! All that can happen, and all that can be asked for.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::keys::Key;
use crate::facts::{Entry, Sample};

/// What happens. Threads tell, the screen's thread acts.
#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody typed.
    Key(Key),
    /// All segments were looked at, or could not be.
    Looked(Result<Vec<Entry<Sample>>, String>),
    /// A signal came.
    Signal(Signal),
    /// Nobody can type any more.
    Closed,
    /// A thread ended that should not.
    Failed(String),
}

/// What an event asks for, besides being shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// To end.
    Quit,
    /// To end as that signal ends a process.
    Die(Signal),
    /// To end, as this went wrong.
    Fail(String),
    /// To stand still until somebody lets the process go on.
    Suspend,
    /// To draw all anew, as something else may have drawn meanwhile.
    Restore,
    /// To look so often.
    Every(Duration),
}
