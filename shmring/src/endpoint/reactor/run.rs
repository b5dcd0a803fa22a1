//! The reactor's thread: looks for the dead, visits all entries, sleeps for all of them.

use std::sync::Arc;
use std::thread;

use super::entry::Entry;
use super::{LOOK, POLL, Shared, lock};
use crate::sync::{Deadline, Ordering, WaitAny, WaitWord};
use crate::sys::refused;

struct Thread<'a> {
    shared: &'a Shared,
    entries: Vec<Arc<Entry>>,
    /// When the dead are looked for.
    look: Deadline,
    /// Whether something was armed since the last look.
    was_active: bool,
    /// Whether the kernel has a call that waits for many words.
    waits_for_many: bool,
}

/// Serves all entries until there is none.
pub(super) fn run(shared: &Shared) {
    let mut thread = Thread {
        shared,
        entries: Vec::new(),
        look: Deadline::NEVER,
        was_active: false,
        waits_for_many: true,
    };
    loop {
        // ORDERING: Acquire, with the Release in poke. It comes before the visits: who changes an
        // entry after its visit moves the word from here on, so that there is no sleep.
        let seen = shared.word.load(Ordering::Acquire);
        if !thread.take_over() {
            return;
        }
        thread.round(seen);
        if refused::take().is_some() {
            // The visits go on, without sleeps that somebody can end.
            thread::sleep(POLL);
        }
    }
}

impl Thread<'_> {
    /// Takes over what was registered, and lets go what is not any more. Returns `false` if nothing
    /// is left.
    fn take_over(&mut self) -> bool {
        let entries = lock(&self.shared.entries);
        self.entries.clone_from(&entries);
        self.shared.taken_over.notify_all();
        !entries.is_empty()
    }

    /// Visits all entries, then sleeps for as long as none of their words is moved.
    fn round(&mut self, own: u32) {
        if self.look == Deadline::NEVER {
            self.look = Deadline::after(LOOK);
        }
        let is_look_due = self.look.passed();
        if is_look_due && self.entries.iter().any(|entry| entry.is_armed()) {
            self.look_for_the_dead();
        }
        let waited_for = self.entries.iter().filter(|entry| entry.is_waited_for()).count();
        let polls = !self.waits_for_many || waited_for >= WaitWord::MOST_WORDS;
        let mut words = vec![(&self.shared.word, own)];
        let (mut is_armed, mut until) = (false, Deadline::NEVER);
        for entry in &self.entries {
            let visit = entry.visit(polls, is_look_due);
            is_armed |= visit.is_armed;
            self.was_active |= visit.was_armed;
            until = until.min(visit.settled);
            words.extend(entry.park_word().zip(visit.seen));
        }
        let is_idle = !is_armed && (polls || is_look_due && !self.was_active);
        if is_look_due {
            self.look = Deadline::after(LOOK);
            self.was_active = false;
        }
        if is_idle {
            if self.entries.iter().all(|entry| entry.leave()) {
                self.shared.word.wait(own, Deadline::NEVER);
                self.look = Deadline::NEVER;
            }
            return;
        }
        let until = until.min(self.look);
        if polls {
            self.shared.word.wait(own, until.min(Deadline::after(POLL)));
        } else {
            let ended = WaitWord::wait_any(words.into_iter(), until);
            self.waits_for_many = ended != WaitAny::Refused;
        }
    }

    /// Reaps dead processes in the segments of armed entries, which ends the waits for them.
    fn look_for_the_dead(&self) {
        let mut seen: Vec<&Entry> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.is_armed()) {
            let attachment = entry.attachment();
            if !seen.iter().any(|seen| seen.is_of(attachment)) {
                seen.push(entry);
                if let Err(fault) = attachment.reap() {
                    let same = self.entries.iter().filter(|entry| entry.is_of(attachment));
                    same.for_each(|entry| entry.fail(fault));
                }
            }
            if let Err(fault) = entry.resolve() {
                entry.fail(fault);
            }
        }
    }
}
