//! The waits of one entry that need no thread: the kernel writes the eventfd.

use std::thread::{self, ThreadId};

use crate::sync::WaitWord;
use crate::sys::event::Event;
use crate::sys::event_wait::EventWait;

/// Arms in a row in another thread, after which the waits are that thread's. Until then the reactor
/// waits: to move costs some 50 us, as much as a few wakes of the reactor.
const MOVE_AFTER: u32 = 8;

/// What the kernel does for an entry.
#[derive(Debug)]
pub(super) struct KernelWait {
    wait: Option<EventWait>,
    /// Whether the kernel has refused.
    is_refused: bool,
    /// The last thread that armed, if the waits are another one's, and how often in a row.
    stranger: Option<(ThreadId, u32)>,
}

impl KernelWait {
    pub(super) fn new() -> Self {
        Self { wait: None, is_refused: false, stranger: None }
    }

    /// Lets the kernel signal `event` when somebody wakes `word`, or at once if the word is not
    /// `seen`. Returns `false` if the kernel does not.
    pub(super) fn begin(&mut self, event: &Event, word: &WaitWord, seen: u32) -> bool {
        if self.is_refused || !self.is_here() {
            return false;
        }
        self.wait = self.wait.take().or_else(|| EventWait::new(event));
        let begins = self.wait.as_mut().is_some_and(|wait| wait.begin(word, seen));
        if !begins {
            self.wait = None;
            self.is_refused = true;
        }
        begins
    }

    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Returns `true` if this thread can begin a wait.
    fn is_here(&mut self) -> bool {
        if self.wait.as_ref().is_none_or(EventWait::is_of_this_thread) {
            self.stranger = None;
            return true;
        }
        let here = thread::current().id();
        let before =
            self.stranger.map_or(0, |(thread, arms)| if thread == here { arms } else { 0 });
        let arms = before.saturating_add(1);
        self.stranger = Some((here, arms));
        if arms < MOVE_AFTER {
            return false;
        }
        self.wait = None;
        self.stranger = None;
        true
    }

    /// Returns `true` if the wait has ended, and the event was or is about to be signaled.
    pub(super) fn has_ended(&mut self) -> bool {
        self.wait.as_mut().is_some_and(EventWait::has_ended)
    }

    /// Lets the wait end without a signal from now on.
    pub(super) fn mute(&mut self) {
        if let Some(wait) = &mut self.wait {
            wait.mute();
        }
    }
}
