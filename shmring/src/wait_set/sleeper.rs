//! Asks the kernel for a sleep on many words.

use std::thread;
use std::time::Duration;

use crate::sync::{Deadline, WaitAny, WaitWord};
use crate::sys::standing::Standing;

/// How long a sleep lasts that not every waker can end: where the kernel cannot wait for several
/// words, or not for as many.
pub(super) const POLL: Duration = Duration::from_millis(1);
/// So many words cost more in one `futex_waitv`, some 0.3 us each, than waits that stand.
const STANDING_FROM: usize = 8;

/// A word to sleep on.
pub(super) struct Word<'a> {
    /// Tells the words of a set apart.
    pub(super) key: u64,
    pub(super) word: &'a WaitWord,
    pub(super) seen: u32,
}

/// How a sleep ended.
pub(super) enum Slept {
    /// The keys of all words that were woken, or are not what they were seen as.
    Told(Vec<u64>),
    /// Any word may have been woken.
    Untold,
    /// The file behind a word was truncated.
    Unmapped,
}

/// What a set keeps of its sleeps.
pub(super) struct Sleeper {
    pub(super) standing: Option<Standing>,
    /// Of the waits that stand, in ascending order.
    keys: Vec<u64>,
    /// Whether the kernel has not refused waits that stand.
    pub(super) may_stand: bool,
}

impl Sleeper {
    pub(super) fn new() -> Self {
        Self { standing: None, keys: Vec::new(), may_stand: true }
    }

    /// Returns `true` if waits stand, so that [`sleep`](Self::sleep) says what has come, unless
    /// this is a fork child.
    pub(super) fn stands(&self) -> bool {
        self.standing.is_some()
    }

    /// Returns `true` if this is a fork child, and waits stand in its parent.
    pub(super) fn is_forked(&self) -> bool {
        self.standing.as_ref().is_some_and(Standing::is_forked)
    }

    /// Before the words of a sleep are collected: forgets waits that stand in another thread, with
    /// which they may end.
    pub(super) fn begin(&mut self) {
        if self.standing.as_ref().is_some_and(|standing| !standing.is_of_this_thread()) {
            *self = Self::new();
        }
    }

    /// Returns `true` if a wait for this word stands.
    pub(super) fn stands_for(&self, key: u64) -> bool {
        self.keys.binary_search(&key).is_ok()
    }

    /// Sleeps until one of `words`, or one for which a wait stands, was woken, `until`, or a
    /// signal. Returns at once if one is not what it was seen as. There are `count` of both.
    pub(super) fn sleep(&mut self, count: usize, words: &[Word<'_>], until: Deadline) -> Slept {
        if self.stands() || self.may_stand && count >= STANDING_FROM {
            let mut woken = Vec::new();
            return match self.stand(words, until, &mut woken) {
                WaitAny::Ended => Slept::Told(woken),
                WaitAny::Unmapped => Slept::Unmapped,
                WaitAny::Refused => {
                    *self = Self { may_stand: false, ..Self::new() };
                    Slept::Untold
                }
            };
        }
        let polls = || until.min(Deadline::after(POLL));
        let limit = if count <= WaitWord::MOST_WORDS { until } else { polls() };
        let words = words.iter().map(|word| (word.word, word.seen));
        let outcome = WaitWord::wait_any(words, limit);
        if outcome == WaitAny::Refused {
            thread::sleep(polls().remaining().unwrap_or(POLL));
        }
        if outcome == WaitAny::Unmapped { Slept::Unmapped } else { Slept::Untold }
    }

    fn stand(&mut self, words: &[Word<'_>], until: Deadline, woken: &mut Vec<u64>) -> WaitAny {
        let Some(standing) = self.standing.take().or_else(Standing::new) else {
            return WaitAny::Refused;
        };
        let (standing, keys) = (self.standing.insert(standing), &mut self.keys);
        for &Word { key, word, seen } in words {
            if let Err(index) = keys.binary_search(&key) {
                if !standing.begin(key, word, seen) {
                    return WaitAny::Refused;
                }
                keys.insert(index, key);
            }
        }
        standing.sleep(until, |key| {
            if let Ok(index) = keys.binary_search(&key) {
                keys.remove(index);
                woken.push(key);
            }
        })
    }

    /// Forgets a word that is not slept on again.
    pub(super) fn forget(&mut self, key: u64) {
        if let Ok(index) = self.keys.binary_search(&key)
            && let Some(standing) = &mut self.standing
        {
            self.keys.remove(index);
            standing.cancel(key);
        }
    }
}
