//! Waiting for several rings at once.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of and with the number of handles in a set, and of intervals with a limit"
)]

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::endpoint::interrupt::{Interrupter, SetInterruption};
use crate::endpoint::park::WaitMode;
use crate::endpoint::watch::{self, Keeper, Watch};
use crate::error::{Fault, WaitError};
use crate::sync::{Deadline, spin_loop};

mod entry;
mod handles;
mod sleep;
mod sleeper;
#[cfg(test)]
mod tests;

use entry::Entry;
pub use handles::{Readable, Writable};
use sleeper::Sleeper;

/// Looks at all handles before an adaptive wait goes to sleep, divided by their number: some 25 us.
const ADAPTIVE_SPINS: usize = 1000;
/// Waits in a row that find something ready at once, between two looks at the clock.
const BUSY_PER_LOOK: u32 = 64;
/// Looks at all handles between two looks at the clock.
const SPINS_PER_CLOCK: usize = 256;
/// The time until the dead are looked for: in the first wait for something new, for each segment,
/// and at most. It doubles with each look.
const LOOK_MIN: Duration = Duration::from_millis(4);
const LOOK_MAX: Duration = Duration::from_millis(100);

/// Waits for any number of producers and consumers, of rings of any kind in any segments, in one
/// thread.
///
/// [`wait`](Self::wait) is level-triggered: it returns each consumer that can receive, and each
/// producer that can send, and again if the caller does not. A consumer is ready if a message is
/// there, or the stream has ended. A producer is ready unless its last verb found no room, and
/// there is still none for that message; nothing of a set knows how long the next one is. Both are
/// ready if the verb would return an error. So try the handle that is ready with a `try_` verb,
/// until that finds nothing: where handles share a role, another one may have been faster.
///
/// ```
/// use std::time::Duration;
///
/// use shmring::{Config, Segment, TryRecvError, WaitSet};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let [quotes, orders] = [
///     Segment::create_sealed("quotes", &Config::spsc())?,
///     Segment::create_sealed("orders", &Config::mpmc())?,
/// ];
/// let (mut quotes_rx, mut orders_rx) = (quotes.consumer()?, orders.consumer()?);
///
/// let mut set = WaitSet::new();
/// let quote = set.add(&quotes_rx);
/// let order = set.add(&orders_rx);
/// orders.producer()?.send(b"buy 5")?;
///
/// for ready in set.wait(Some(Duration::from_secs(10)))? {
///     let rx = if ready == quote { &mut quotes_rx } else { &mut orders_rx };
///     assert_eq!(ready, order);
///     while let Ok(message) = rx.try_recv() {
///         assert_eq!(message, b"buy 5");
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Sleeping
/// A set sleeps at once ([`WaitMode::Block`]) unless told otherwise. While it sleeps it looks for
/// dead peers at least every 100 ms, as a handle does. With 7 handles or more, the kernel keeps
/// what the set waits for from wait to wait (`io_uring`, Linux 6.7), so a wait costs no more for
/// handles to which nothing comes. Where that is missing or refused, or a system call filter is
/// installed, the kernel wakes the set for up to 127 handles (`futex_waitv`, Linux 5.16). Beyond
/// that, and where this call is missing or refused, the set looks at all of them every
/// millisecond.
///
/// # Wakes that are not used
/// Where consumers compete, a message wakes one of them. If that was a handle of a set, and the
/// caller does not take the message, another consumer is woken for it: by the handle's next verb,
/// the set's next wait, or when the handle or the set is dropped.
///
/// # Handles
/// A handle stays the caller's, and can be in several sets. A dropped handle leaves its sets; a
/// set keeps the segment attached until its next wait, or until it is dropped. While a set waits
/// in one thread, a verb of one of its handles that blocks in another may be up to 100 ms late, and
/// so may the set.
/// In a fork child a set returns [`Fault::Forked`].
pub struct WaitSet {
    entries: Vec<Entry>,
    /// The ring of one handle for each segment.
    segments: Vec<Arc<Watch>>,
    next_key: u64,
    mode: WaitMode,
    keeper: Keeper,
    /// As of the last look at every handle.
    changes: u64,
    /// Waits in a row that did not sleep.
    busy: u32,
    interruption: Arc<SetInterruption>,
    look: Look,
    sleeper: Sleeper,
}

/// A handle in a [`WaitSet`]. No two of one set are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

/// When the dead are looked for: kept from wait to wait, as [`Patience`] of a handle is.
///
/// [`Patience`]: crate::endpoint::park::Patience
#[derive(Clone, Copy, Debug)]
struct Look {
    interval: Duration,
    due: Deadline,
}

impl WaitSet {
    /// Returns a set without handles.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            segments: Vec::new(),
            next_key: 0,
            mode: WaitMode::Block,
            keeper: Keeper::new(),
            changes: 0,
            busy: 0,
            interruption: SetInterruption::new(),
            look: Look { interval: LOOK_MIN, due: Deadline::NEVER },
            sleeper: Sleeper::new(),
        }
    }

    /// Adds a consumer, which is ready when it can receive.
    pub fn add(&mut self, consumer: &impl Readable) -> Key {
        self.insert(consumer.shared())
    }

    /// Adds a producer, which is ready when it can send.
    pub fn add_writable(&mut self, producer: &impl Writable) -> Key {
        self.insert(producer.shared())
    }

    fn insert(&mut self, handles::Shared(watch): handles::Shared) -> Key {
        let key = Key(self.next_key);
        self.next_key += 1;
        self.entries.push(Entry::new(key, watch));
        self.find_segments();
        key
    }

    /// Removes a handle. Returns `false` if it is not in the set, because it was removed or dropped.
    pub fn remove(&mut self, key: Key) -> bool {
        let Some(index) = self.entries.iter().position(|entry| entry.key() == key) else {
            return false;
        };
        self.entries.remove(index).leave(self.keeper);
        self.sleeper.forget(key.0);
        self.find_segments();
        true
    }

    fn find_segments(&mut self) {
        let attachment = |watch: &Watch| std::ptr::from_ref(watch.mapped().attach());
        self.segments.clear();
        for watch in self.entries.iter().map(Entry::watch) {
            let known = |known: &Arc<Watch>| attachment(known) == attachment(watch);
            if !self.segments.iter().any(known) {
                self.segments.push(Arc::clone(watch));
            }
        }
    }

    /// Returns how many handles are in the set.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns `true` if no handle is in the set.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns how the set waits.
    pub fn wait_mode(&self) -> WaitMode {
        self.mode
    }

    /// Sets how the set waits; [`WaitMode::Block`] unless set.
    pub fn set_wait_mode(&mut self, mode: WaitMode) {
        self.mode = mode;
    }

    /// Returns an object that ends the waits of this set from another thread or a signal handler.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter::of_set(&self.interruption)
    }

    /// Blocks until a handle is ready, for at most `timeout` if there is one. Returns those that
    /// are ready; none after the timeout. A timeout of zero does not block.
    ///
    /// # Errors
    /// See [`WaitError`].
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Ready<'_>, WaitError> {
        let deadline = timeout.map_or(Deadline::NEVER, Deadline::after);
        // A sleep says what has come to handles whose bits were left set.
        let sleeps = self.mode == WaitMode::Block && timeout != Some(Duration::ZERO);
        let is_told = sleeps && self.sleeper.stands() && self.changes == watch::changes();
        self.clean_up(!is_told)?;
        let (mut whole, mut has_slept) = (!is_told, false);
        loop {
            if self.interruption.take() {
                return Err(WaitError::Interrupted);
            }
            if self.look_at(whole) || self.spin(deadline) {
                self.look.interval = LOOK_MIN;
                if !whole && !has_slept {
                    self.look_at(true);
                }
                break;
            }
            if self.next_look().passed() {
                self.look_for_the_dead()?;
                whole = true;
                if self.look_at(whole) {
                    break;
                }
            }
            if deadline.passed() {
                self.look_at(true);
                break;
            }
            if self.mode != WaitMode::Spin {
                whole = self.sleep(deadline)?;
                has_slept = true;
            }
        }
        self.busy = if has_slept { 0 } else { self.busy + 1 };
        if self.busy == BUSY_PER_LOOK {
            self.busy = 0;
            if self.next_look().passed() {
                self.look_for_the_dead()?;
                self.look_at(true);
            }
        }
        Ok(Ready { entries: self.entries.iter() })
    }

    /// Removes dropped handles, and pays what was not used since the last wait. Of handles whose
    /// bits were left set it knows unless `all` are to be visited.
    fn clean_up(&mut self, all: bool) -> Result<(), Fault> {
        let is_forked = |segment: &Arc<Watch>| segment.is_forked();
        if self.sleeper.is_forked() || all && self.segments.iter().any(is_forked) {
            return Err(Fault::Forked);
        }
        if all {
            self.changes = watch::changes();
        }
        let mut is_retired = false;
        for entry in self.entries.iter().filter(|entry| all || !entry.is_kept()) {
            entry.watch().pay();
            is_retired |= entry.watch().is_retired();
        }
        if is_retired {
            let dropped = self.entries.extract_if(.., |entry| entry.watch().is_retired());
            dropped.for_each(|entry| self.sleeper.forget(entry.key().0));
            self.find_segments();
        }
        Ok(())
    }

    /// Looks at the handles to which something may have come; at all if the `whole` truth is
    /// wanted. Returns `true` if one is ready.
    fn look_at(&mut self, whole: bool) -> bool {
        let mut any = false;
        for entry in &mut self.entries {
            any |= entry.look(self.keeper, whole);
        }
        any
    }

    /// Looks at all handles for some time, as the mode says. Returns `true` if one is ready.
    fn spin(&mut self, deadline: Deadline) -> bool {
        let spins = match self.mode {
            WaitMode::Block => return false,
            WaitMode::Adaptive => ADAPTIVE_SPINS / self.entries.len().max(1),
            WaitMode::Spin => usize::MAX,
        };
        let until = deadline.min(self.next_look());
        for spin in 1..=spins {
            spin_loop();
            if self.look_at(true) {
                return true;
            }
            if spin % SPINS_PER_CLOCK == 0 {
                if until.passed() || self.interruption.is_pending() {
                    break;
                }
                // The one it waits for may be waiting for this CPU.
                thread::yield_now();
            }
        }
        false
    }

    /// Returns when the dead are looked for next, if nothing comes before.
    fn next_look(&mut self) -> Deadline {
        if self.look.due == Deadline::NEVER {
            let each = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
            let interval = self.look.interval.saturating_mul(each.max(1)).min(LOOK_MAX);
            self.look.due = Deadline::after(interval);
        }
        self.look.due
    }

    /// Takes all bits back, so that each handle is looked at.
    fn release(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.release(self.keeper));
    }

    /// Reaps dead processes in all segments, which ends the waits for them.
    fn look_for_the_dead(&mut self) -> Result<(), Fault> {
        self.look.due = Deadline::NEVER;
        self.look.interval = (self.look.interval * 2).min(LOOK_MAX);
        for segment in &self.segments {
            segment.mapped().attach().reap()?;
        }
        // The dead may have taken a bit and not have woken its owner.
        self.release();
        self.entries.iter().try_for_each(|entry| entry.watch().resolve())
    }
}

impl Default for WaitSet {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WaitSet {
    fn drop(&mut self) {
        for entry in &mut self.entries {
            entry.leave(self.keeper);
        }
    }
}

impl fmt::Debug for WaitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitSet").field("handles", &self.entries.len()).finish_non_exhaustive()
    }
}

/// The handles that are ready, from [`WaitSet::wait`].
#[must_use = "handles that are ready are to be tried"]
pub struct Ready<'a> {
    entries: std::slice::Iter<'a, Entry>,
}

impl Iterator for Ready<'_> {
    type Item = Key;

    fn next(&mut self) -> Option<Key> {
        self.entries.find(|entry| entry.is_ready()).map(Entry::key)
    }
}

impl fmt::Debug for Ready<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = self.entries.clone().filter(|entry| entry.is_ready()).map(Entry::key);
        f.debug_list().entries(ready).finish()
    }
}
