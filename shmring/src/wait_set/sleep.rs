//! One sleep of a set, in the steps of every sleep: set the bits, order, look once more, sleep.

use std::iter;

use super::entry::Entry;
use super::sleeper::{POLL, Slept, Word};
use super::{Key, WaitSet};
use crate::error::WaitError;
use crate::ring::wake::{self, Armed};
use crate::sync::{Deadline, Ordering};

/// The set's own word among those that it sleeps on.
const INTERRUPTS: u64 = u64::MAX - 1;

impl WaitSet {
    /// Sleeps until a handle may be ready, an interrupt, or the time of the next look for the dead.
    /// Returns `false` if it is noted what has come to handles whose bits were left set.
    pub(super) fn sleep(&mut self, deadline: Deadline) -> Result<bool, WaitError> {
        let until = deadline.min(self.next_look());
        let interrupts = self.interruption.word.load(Ordering::Acquire);
        if self.interruption.take() {
            return Err(WaitError::Interrupted);
        }
        self.sleeper.begin();
        let set_bit = |entry| Some((entry, Entry::set_bit(entry, self.keeper)?));
        let (entries, mut armed): (Vec<_>, Vec<_>) =
            self.entries.iter().filter_map(set_bit).unzip();
        wake::order(&mut armed);
        let finds = entries.iter().any(|entry| entry.watch().is_ready());
        let mut slept = Slept::Untold;
        if !finds {
            let own = iter::once((INTERRUPTS, (&self.interruption.word, interrupts)));
            let keys = entries.iter().map(|entry| entry.key().0);
            let fresh = self.entries.iter().filter(|entry| !self.sleeper.stands_for(entry.key().0));
            let words: Vec<_> = own
                .chain(keys.zip(armed.iter().map(Armed::park_word)))
                .chain(fresh.filter_map(|entry| Some((entry.key().0, entry.kept_word()?))))
                .map(|(key, (word, seen))| Word { key, word, seen })
                .collect();
            let is_ordered = armed.iter().all(Armed::is_ordered);
            let polls = if is_ordered { Deadline::NEVER } else { Deadline::after(POLL) };
            slept = self.sleeper.sleep(self.entries.len() + 1, &words, until.min(polls));
            if !is_ordered && polls.passed() {
                // As long as stores take to become visible.
                armed.iter_mut().for_each(Armed::ordered);
            }
        }
        let keeper = (!finds).then_some(self.keeper);
        let keep =
            |(entry, armed): (&Entry, _)| Some((entry.key(), entry.watch().disarm(armed, keeper)?));
        let kept: Vec<_> = entries.into_iter().zip(armed).filter_map(keep).collect();
        for (key, seen) in kept {
            self.entry(key).into_iter().for_each(|entry| entry.set_kept(seen));
        }
        match slept {
            Slept::Told(keys) => {
                for key in keys {
                    self.entry(Key(key)).into_iter().for_each(Entry::note_wake);
                }
                return Ok(false);
            }
            Slept::Untold => {}
            Slept::Unmapped => self.release(),
        }
        Ok(true)
    }

    /// Handles are in the order in which they came, as their keys are.
    fn entry(&mut self, key: Key) -> Option<&mut Entry> {
        let index = self.entries.binary_search_by_key(&key, Entry::key).ok()?;
        self.entries.get_mut(index)
    }
}
