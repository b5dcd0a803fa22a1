//! Waiting for several rings at once.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "of the number of handles in a set, and of intervals with a limit"
)]

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::element::Element;
use crate::endpoint::interrupt::{Interrupter, SetInterruption};
use crate::endpoint::park::WaitMode;
use crate::endpoint::watch::Watch;
use crate::error::{Fault, WaitError};
use crate::ring::wake;
use crate::sync::{Deadline, Ordering, WaitWord, spin_loop};
use crate::{Consumer, Producer, values};

/// Looks at all handles before an adaptive wait goes to sleep, divided by their number: some 25 us.
const ADAPTIVE_SPINS: usize = 1000;
/// Looks at all handles between two looks at the clock.
const SPINS_PER_CLOCK: usize = 256;
/// The time until the dead are looked for: in the first wait for something new, for each segment,
/// and at most. It doubles with each look.
const LOOK_MIN: Duration = Duration::from_millis(2);
const LOOK_MAX: Duration = Duration::from_millis(100);
/// How long a sleep lasts that not every waker can end: where the kernel cannot wait for several
/// words, or not for as many.
const POLL: Duration = Duration::from_millis(1);

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
/// dead peers at least every 100 ms, as a handle does. The kernel wakes it for up to 127 handles
/// (`futex_waitv`, Linux 5.16); beyond that, and where this call is missing or refused, it looks at
/// all of them every millisecond.
///
/// # Wakes that are not used
/// Where consumers compete, a message wakes one of them. If that was a handle of a set, and the
/// caller does not take the message, another consumer is woken for it: by the handle's next verb,
/// the set's next wait, or when the handle or the set is dropped.
///
/// # Handles
/// A handle stays the caller's, and can be in several sets. A dropped handle leaves its sets; a
/// set keeps the segment attached until its next wait, or until it is dropped. While a set waits
/// in one thread, a verb of one of its handles that blocks in another may be up to 100 ms late.
/// In a fork child a set returns [`Fault::Forked`].
pub struct WaitSet {
    entries: Vec<Entry>,
    /// The ring of one handle for each segment.
    segments: Vec<Arc<Watch>>,
    next_key: u64,
    mode: WaitMode,
    interruption: Arc<SetInterruption>,
    look: Look,
}

struct Entry {
    key: Key,
    watch: Arc<Watch>,
    is_ready: bool,
}

impl Entry {
    fn set_bit(&self) -> Option<wake::Armed<'_>> {
        self.watch.set_bit()
    }
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
            interruption: SetInterruption::new(),
            look: Look { interval: LOOK_MIN, due: Deadline::NEVER },
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

    fn insert(&mut self, sealed::Shared(watch): sealed::Shared) -> Key {
        let key = Key(self.next_key);
        self.next_key += 1;
        self.entries.push(Entry { key, watch, is_ready: false });
        self.find_segments();
        key
    }

    /// Removes a handle. Returns `false` if it is not in the set, because it was removed or dropped.
    pub fn remove(&mut self, key: Key) -> bool {
        let Some(index) = self.entries.iter().position(|entry| entry.key == key) else {
            return false;
        };
        let removed = self.entries.remove(index);
        if !removed.watch.is_forked() {
            removed.watch.pay();
        }
        self.find_segments();
        true
    }

    fn find_segments(&mut self) {
        let attachment = |watch: &Watch| std::ptr::from_ref(watch.mapped().attach());
        self.segments.clear();
        for entry in &self.entries {
            let known = |known: &Arc<Watch>| attachment(known) == attachment(&entry.watch);
            if !self.segments.iter().any(known) {
                self.segments.push(Arc::clone(&entry.watch));
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
        self.clean_up()?;
        loop {
            if self.interruption.take() {
                return Err(WaitError::Interrupted);
            }
            if self.look_at_all() || self.spin(deadline) {
                self.look.interval = LOOK_MIN;
                break;
            }
            if self.next_look().passed() {
                self.look_for_the_dead()?;
                if self.look_at_all() {
                    break;
                }
            }
            if deadline.passed() {
                break;
            }
            if self.mode != WaitMode::Spin {
                self.sleep(deadline)?;
            }
        }
        Ok(Ready { entries: self.entries.iter() })
    }

    /// Removes dropped handles, and pays what was not used since the last wait.
    fn clean_up(&mut self) -> Result<(), Fault> {
        if self.entries.iter().any(|entry| entry.watch.is_forked()) {
            return Err(Fault::Forked);
        }
        self.entries.iter().for_each(|entry| entry.watch.pay());
        let before = self.entries.len();
        self.entries.retain(|entry| !entry.watch.is_retired());
        if self.entries.len() != before {
            self.find_segments();
        }
        Ok(())
    }

    fn look_at_all(&mut self) -> bool {
        let mut any = false;
        for entry in &mut self.entries {
            entry.is_ready = entry.watch.is_ready();
            any |= entry.is_ready;
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
            if self.look_at_all() {
                return true;
            }
            if spin % SPINS_PER_CLOCK == 0 {
                if until.passed() {
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

    /// Sleeps until a handle may be ready, an interrupt, or the time of the next look for the dead.
    fn sleep(&mut self, deadline: Deadline) -> Result<(), WaitError> {
        let until = deadline.min(self.next_look());
        let interrupts = self.interruption.word.load(Ordering::Acquire);
        if self.interruption.take() {
            return Err(WaitError::Interrupted);
        }
        let set_bit = |entry| Some((entry, Entry::set_bit(entry)?));
        let (entries, mut armed): (Vec<_>, Vec<_>) =
            self.entries.iter().filter_map(set_bit).unzip();
        wake::order(&mut armed);
        if !self.entries.iter().any(|entry| entry.watch.is_ready()) {
            let mut words = vec![(&self.interruption.word, interrupts)];
            words.extend(armed.iter().map(wake::Armed::park_word));
            let is_ordered = armed.iter().all(wake::Armed::is_ordered);
            let most = WaitWord::MOST_WORDS;
            let polls = Deadline::after(POLL);
            let sleeps_long = is_ordered && words.len() <= most;
            let until = if sleeps_long { until } else { until.min(polls) };
            if !WaitWord::wait_any(&words, until) {
                thread::sleep(until.min(polls).remaining().unwrap_or(POLL));
            }
            if !is_ordered && polls.passed() {
                // As long as stores take to become visible.
                armed.iter_mut().for_each(wake::Armed::ordered);
            }
        }
        for (entry, armed) in entries.into_iter().zip(armed) {
            entry.watch.disarm(armed);
        }
        Ok(())
    }

    /// Reaps dead processes in all segments, which ends the waits for them.
    fn look_for_the_dead(&mut self) -> Result<(), Fault> {
        self.look.due = Deadline::NEVER;
        self.look.interval = (self.look.interval * 2).min(LOOK_MAX);
        for segment in &self.segments {
            segment.mapped().attach().reap()?;
        }
        self.entries.iter().try_for_each(|entry| entry.watch.resolve())
    }
}

impl Default for WaitSet {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WaitSet {
    fn drop(&mut self) {
        for entry in &self.entries {
            if !entry.watch.is_forked() {
                entry.watch.pay();
            }
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
        self.entries.find(|entry| entry.is_ready).map(|entry| entry.key)
    }
}

impl fmt::Debug for Ready<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = self.entries.clone().filter(|entry| entry.is_ready).map(|entry| entry.key);
        f.debug_list().entries(ready).finish()
    }
}

mod sealed {
    use std::sync::Arc;

    use super::Watch;

    /// What a set shares with a handle.
    #[derive(Debug)]
    pub struct Shared(pub(super) Arc<Watch>);

    pub trait Watched {
        #[doc(hidden)]
        fn shared(&self) -> Shared;
    }
}

/// A consumer of any kind.
pub trait Readable: sealed::Watched {}

/// A producer of any kind.
pub trait Writable: sealed::Watched {}

macro_rules! watched {
    ([$($value:ident)?] $handle:ty as $kind:ident) => {
        impl$(<$value: Element>)? sealed::Watched for $handle {
            fn shared(&self) -> sealed::Shared {
                sealed::Shared(Arc::clone(self.watched()))
            }
        }

        impl$(<$value: Element>)? $kind for $handle {}
    };
}

watched!([] Consumer as Readable);
watched!([] Producer as Writable);
watched!([T] values::Consumer<T> as Readable);
watched!([T] values::Producer<T> as Writable);
