//! Sleeping and waking without a lost wake (I5).
//!
//! - A sleeper goes in steps: [`arm`] writes what it waits for, sets its bit and orders,
//!   [`Armed::is_ready`] checks once more, [`Armed::park`] sleeps on the handle's own park
//!   word, and dropping [`Armed`] takes the bit back.
//! - A waker publishes, orders, and loads the words: one load when nobody sleeps. Of those
//!   whose wait is over it wakes one, or [each](notify_each): clears the bit, moves the park word,
//!   wakes.
//!
//! Bits, not counts: a sleeper that is killed leaves a bit that costs one wasted
//! wake, where a count would stay too high for ever. Every sleep is bounded by
//! the caller, so that a waker (or cleaner) killed between publish and wake, or
//! between taking a bit and waking its owner, costs time only.
//!
//! # Who pays for the order
//! Either a publisher fences after each publish, or a sleeper makes all CPUs fence, which takes
//! microseconds ([`barrier`]). Which of the two follows the traffic, for each word of bits:
//!
//! ```text
//! word == 0    LIGHT, nobody sleeps     a publish: no fence    a sleeper: barrier
//! bits         LIGHT, somebody sleeps   a publish: fence       a sleeper: barrier
//! HEAVY        nobody sleeps            a publish: fence       a sleeper: fence only
//! HEAVY bits   somebody sleeps          a publish: fence       a sleeper: fence only
//!
//! LIGHT -> HEAVY   by a sleeper whose bit was set from before its barrier on
//! HEAVY -> LIGHT   by a publisher that met no sleeper for long, if no bit is set
//! ```
//!
//! HEAVY says that each publisher which found the word 0 has fenced since. The own bit proves
//! that the word was not 0 during the barrier. A killed party leaves a mode that only costs
//! fences. A process that barriers do not reach fences after each publish, in both modes; one
//! that cannot make them [settles](settle).

use core::cell::Cell;

use super::at_or_past;
use super::tables::{HANDLE_WORDS, Handle, MAX_HANDLES, handles_from};
use crate::sync::{
    AtomicU64, Deadline, Ordering, WaitWord, barrier, fence, no_fence, rule, settle,
};

/// Handles with a bit in one word, behind the mode.
pub(crate) const SLEEPERS_PER_WORD: usize = 63;
/// Bits of the mode.
const MODE_BITS: u32 = 1;
/// The mode in which a sleeper need not make a barrier.
const HEAVY: u64 = 1;

/// Publishes in a row that fence and meet no sleeper before words are relaxed. Their fences cost
/// about as much as one barrier, so no traffic pays more than about twice its best mode.
const RELAX_AFTER: u32 = 1024;

/// The sleepers of one side of a ring: words of a mode, and a bit for each handle.
#[repr(C, align(128))]
pub(crate) struct Sleepers {
    pub(crate) words: [AtomicU64; HANDLE_WORDS],
}

impl Sleepers {
    /// Returns the word that holds a handle's bit, and the bit. Masks the index (I6).
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "masked by the length")]
    pub(crate) fn bit(&self, handle: usize) -> (&AtomicU64, u64) {
        let handle = handle % MAX_HANDLES;
        let bit = 1 << (handle % SLEEPERS_PER_WORD) << MODE_BITS;
        (&self.words[handle / SLEEPERS_PER_WORD], bit)
    }

    /// The words that hold bits of a table of `handles`.
    #[inline]
    fn words(&self, handles: &[Handle]) -> impl Iterator<Item = &AtomicU64> {
        self.words.iter().take(handles.len().div_ceil(SLEEPERS_PER_WORD))
    }

    /// Whether a publisher has to fence, and to look who sleeps.
    #[inline]
    fn is_marked(&self, handles: &[Handle]) -> bool {
        let [first, ..] = &self.words;
        first.load(Ordering::Relaxed) != 0
            || handles.len() > SLEEPERS_PER_WORD && self.is_marked_beyond(handles)
    }

    #[cold]
    fn is_marked_beyond(&self, handles: &[Handle]) -> bool {
        self.words(handles).skip(1).any(|word| word.load(Ordering::Relaxed) != 0)
    }

    /// Returns `true` if the bit of a handle is set, for observers.
    pub(crate) fn is_armed(&self, handle: usize) -> bool {
        let (word, bit) = self.bit(handle);
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// How many bits are set, for observers.
    pub(crate) fn count(&self) -> u64 {
        // ORDERING: Relaxed. For people to read.
        let ones =
            |word: &AtomicU64| u64::from((word.load(Ordering::Relaxed) >> MODE_BITS).count_ones());
        self.words.iter().map(ones).sum()
    }

    /// Takes back the bit of a handle that does not sleep (any more). Returns `true` if it was set.
    pub(crate) fn disarm(&self, handle: usize) -> bool {
        let (word, bit) = self.bit(handle);
        word.fetch_and(!bit, Ordering::Relaxed) & bit != 0
    }

    /// Lets every publisher fence from the start, for a segment that nobody has attached yet and
    /// whose creator cannot make barriers.
    pub(crate) fn start_heavy(&self) {
        self.words.iter().for_each(|word| word.store(HEAVY, Ordering::Relaxed));
    }

    /// Makes every word LIGHT in which nobody sleeps.
    #[cold]
    fn relax(&self, handles: &[Handle]) {
        for (index, word) in self.words(handles).enumerate() {
            let found = word.load(Ordering::Relaxed);
            let asleep = |found| handles_in(index, found).any(|me| me < handles.len());
            // A sleeper that found HEAVY relies on it as long as its bit is set. Bits beyond the
            // table are nobody's.
            if rule(asleep(found)) || found == 0 {
                continue;
            }
            // ORDERING: Relaxed. A sleeper that finds LIGHT makes a barrier, which reaches
            // whoever found the word 0.
            let _ = word.compare_exchange(found, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// The handles whose bits are set in `found`, the word of index `index`.
#[inline]
fn handles_in(index: usize, found: u64) -> impl Iterator<Item = usize> {
    handles_from(index.wrapping_mul(SLEEPERS_PER_WORD), found >> MODE_BITS)
}

/// How the publishes of one handle are ordered before their looks for sleepers.
#[derive(Debug)]
pub(crate) struct PublishFences {
    /// Whether barriers of other processes do not reach this one. It leaves the mode alone: where
    /// barriers are missing, words stay HEAVY.
    always: bool,
    /// Publishes in a row that fenced and met no sleeper.
    unmet: Cell<u32>,
    relax_after: u32,
}

impl PublishFences {
    /// `reached` says whether barriers of all others reach this process.
    pub(crate) fn new(reached: bool) -> Self {
        Self::relaxing_after(RELAX_AFTER, reached)
    }

    /// As [`new`](Self::new), for models, whose publishers relax sooner.
    pub(crate) fn relaxing_after(relax_after: u32, reached: bool) -> Self {
        Self { always: !reached, unmet: Cell::new(0), relax_after }
    }

    /// Counts a publish that fenced for a word. Returns `true` if words without sleepers are to be
    /// relaxed.
    fn is_enough(&self, met_sleeper: bool) -> bool {
        let unmet = if met_sleeper { 0 } else { self.unmet.get().saturating_add(1) };
        let enough = unmet >= self.relax_after && !self.always;
        self.unmet.set(if enough { 0 } else { unmet });
        enough
    }
}

/// A handle whose bit is set, so that wakers see it. Dropping it takes the bit back.
///
/// A waker that takes the bit of a handle that has not parked goes on to the next sleeper. One
/// that wakes a parked handle has spent its wake: whoever shares the role and has parked must
/// call [`hand_off`] after dropping this and its next attempt, or at once if it makes none.
#[must_use = "a handle that is armed takes wakes from others"]
pub(crate) struct Armed<'a> {
    sleepers: &'a Sleepers,
    handle: &'a Handle,
    me: usize,
    /// The park word from before the bit was set.
    seen: u32,
    /// Whether every publish is ordered: it sees the bit, or is seen by the check.
    ordered: bool,
}

/// First step of a sleep: sets the bit of handle `me`, which waits for the other side to pass
/// `need`, and orders. `None` if there is no such handle.
pub(crate) fn arm<'a>(
    sleepers: &'a Sleepers,
    handles: &'a [Handle],
    me: usize,
    need: u64,
) -> Option<Armed<'a>> {
    let mut armed = set_bit(sleepers, handles, me, need)?;
    order(core::slice::from_mut(&mut armed));
    Some(armed)
}

/// Orders handles whose bits are [set](set_bit), with one barrier for all that need one. Only then
/// [`Armed::is_ready`] decides.
pub(crate) fn order(armed: &mut [Armed<'_>]) {
    // A waker that found 0 did not fence, but for this barrier.
    if armed.iter().any(|armed| !armed.ordered) && barrier() {
        armed.iter_mut().for_each(Armed::ordered);
    }
}

/// As [`arm`], before it orders: for who waits at many rings, and orders once.
pub(crate) fn set_bit<'a>(
    sleepers: &'a Sleepers,
    handles: &'a [Handle],
    me: usize,
    need: u64,
) -> Option<Armed<'a>> {
    let handle = handles.get(me)?;
    let (word, bit) = sleepers.bit(me);
    handle.need.store(need, Ordering::Relaxed);
    let seen = handle.park.load(Ordering::Relaxed);
    // ORDERING: Release, with the Acquire half of the fetch_and in each_armed: the park
    // word is read before anyone can move it for this sleep. Acquire, with the Release in
    // raise: the barrier behind a HEAVY that is found was made.
    let old = word.fetch_or(bit, Ordering::AcqRel);
    // Either the check in is_ready sees what the waker published, or the waker sees the bit
    // and the need (I5).
    // ORDERING: SeqCst, with the fence of a waker that found the word other than 0, or always
    // fences.
    fence(Ordering::SeqCst);
    Some(Armed { sleepers, handle, me, seen, ordered: old & HEAVY != 0 })
}

impl<'a> Armed<'a> {
    /// After a barrier, or after stores have [settled](settle), that was made with the bit set.
    pub(crate) fn ordered(&mut self) {
        if !self.ordered {
            self.ordered = true;
            self.raise();
        }
    }

    /// Returns whether every publish sees the bit, or is seen by a check from now on. If not,
    /// stores take as long as [`settle`] to become visible.
    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// Returns the park word, and what it held before the bit was set: for a sleep on many.
    pub(crate) fn park_word(&self) -> (&'a WaitWord, u32) {
        (&self.handle.park, self.seen)
    }

    /// Takes the bit back. Returns `true` if a waker has taken it: the wake may have been meant for
    /// more than this handle takes, or for another one; see [`hand_off`].
    pub(crate) fn disarm(self) -> bool {
        let was_taken = !self.sleepers.disarm(self.me);
        core::mem::forget(self);
        was_taken
    }

    /// Leaves the bit set, and returns the park word from before it was. As long as the park word
    /// holds that and nobody else takes the bit back, a check that found nothing still holds: a
    /// waker that has published since then is about to move the word.
    ///
    /// For sole roles only: a bit that is set takes wakes from other handles of the role.
    pub(crate) fn keep(self) -> u32 {
        let seen = self.seen;
        core::mem::forget(self);
        seen
    }

    /// Makes the word HEAVY after a barrier, if it was not 0 meanwhile.
    fn raise(&self) {
        let (word, bit) = self.sleepers.bit(self.me);
        let found = word.load(Ordering::Relaxed);
        // Once the bit is taken, publishers may have found the word 0 since the barrier.
        if rule(found & bit == 0) || found & HEAVY != 0 {
            return;
        }
        let raised = found | HEAVY;
        // ORDERING: Release, with the Acquire of the fetch_or in arm. If it fails, the next
        // sleeper makes a barrier.
        let _ = word.compare_exchange(found, raised, Ordering::Release, Ordering::Relaxed);
    }

    /// Second step: looks at the ring once more. Returns `true` if the caller must not park.
    pub(crate) fn is_ready(&self, ready: impl FnOnce() -> bool) -> bool {
        ready()
    }

    /// Third step: sleeps until a waker moves the park word, a signal comes, or `until`.
    /// Returns at once if a waker moved the word since [`arm`]. May return early where barriers
    /// are refused.
    pub(crate) fn park(&self, until: Deadline) {
        if self.ordered {
            self.handle.park.wait(self.seen, until);
        } else if settle(&self.handle.park, self.seen, until) {
            self.raise();
        }
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.sleepers.disarm(self.me);
    }
}

/// Sleeps as handle `me` until the other side passes position `need`, a waker
/// wakes everyone, or `until`; returns at once if `ready`. May return early: the
/// caller checks and comes back.
pub(crate) fn sleep(
    sleepers: &Sleepers,
    handles: &[Handle],
    me: usize,
    need: u64,
    until: Deadline,
    ready: impl FnOnce() -> bool,
) {
    if let Some(armed) = arm(sleepers, handles, me, need)
        && !armed.is_ready(ready)
    {
        armed.park(until);
    }
}

/// Wakes one sleeper that waits for `reached` or less. To be called after the
/// position `reached` was published.
#[inline(always)]
pub(crate) fn notify(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: u64,
    fences: &PublishFences,
) {
    // One call, as two would cost the verbs registers.
    if is_due(sleepers, handles, fences) {
        notify_fenced(sleepers, handles, reached, fences);
    }
}

/// As [`notify`], but wakes every sleeper that waits for `reached` or less: for a message that all of
/// them receive.
#[inline(always)]
pub(crate) fn notify_each(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: u64,
    fences: &PublishFences,
) {
    if is_due(sleepers, handles, fences) {
        notify_each_fenced(sleepers, handles, reached, fences);
    }
}

/// As [`notify`], where several parties store positions and the least of them counts: `reached`
/// computes it, only if somebody sleeps, and after the fence. So of parties that publish at the
/// same time one computes with the positions of all. `None` holds nobody up.
#[inline(always)]
pub(crate) fn notify_at(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: impl FnOnce() -> Option<u64>,
    fences: &PublishFences,
) {
    if is_due(sleepers, handles, fences) {
        notify_at_fenced(sleepers, handles, reached, fences);
    }
}

/// Returns `true` if a waker that has published must call [`notify`], [`notify_each`] or
/// [`notify_at`]: for callers that choose among them.
#[inline(always)]
pub(crate) fn is_due(sleepers: &Sleepers, handles: &[Handle], fences: &PublishFences) -> bool {
    fences.always || is_marked_unfenced(sleepers, handles)
}

#[inline(always)]
fn is_marked_unfenced(sleepers: &Sleepers, handles: &[Handle]) -> bool {
    no_fence();
    sleepers.is_marked(handles)
}

#[cold]
#[inline(never)]
fn notify_fenced(sleepers: &Sleepers, handles: &[Handle], reached: u64, fences: &PublishFences) {
    fenced(sleepers, handles, fences, || wake_one(sleepers, handles, Some(reached)));
}

#[cold]
#[inline(never)]
fn notify_each_fenced(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: u64,
    fences: &PublishFences,
) {
    fenced(sleepers, handles, fences, || wake_each(sleepers, handles, reached));
}

#[cold]
#[inline(never)]
fn notify_at_fenced(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: impl FnOnce() -> Option<u64>,
    fences: &PublishFences,
) {
    fenced(sleepers, handles, fences, || wake_one(sleepers, handles, reached()));
}

/// Fences, and then lets `wake` look for sleepers. It returns `true` if anyone sleeps.
#[inline(always)]
fn fenced(
    sleepers: &Sleepers,
    handles: &[Handle],
    fences: &PublishFences,
    wake: impl FnOnce() -> bool,
) {
    // ORDERING: SeqCst, with the fence in arm (I5): what was loaded before says nothing.
    fence(Ordering::SeqCst);
    if fences.is_enough(wake()) {
        sleepers.relax(handles);
    }
}

/// Wakes one sleeper that waits for the position that `reached` tells, if it tells
/// one. To be called by one of many who came out of a wait, after its next attempt: the
/// wake that it got may have been meant for more than it took, or for someone else.
#[inline]
pub(crate) fn hand_off(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: impl FnOnce() -> Option<u64>,
) {
    // ORDERING: SeqCst, with the fence in arm (I5): what was published, or taken,
    // before comes before the look at what is there and who sleeps.
    fence(Ordering::SeqCst);
    let Some(reached) = reached() else {
        return;
    };
    if sleepers.is_marked(handles) {
        wake_one(sleepers, handles, Some(reached));
    }
}

/// Wakes one sleeper that waits for `reached` or less, or for anything. Returns `true` if anyone
/// sleeps.
#[cold]
#[inline(never)]
fn wake_one(sleepers: &Sleepers, handles: &[Handle], reached: Option<u64>) -> bool {
    each_armed(sleepers, handles, |handle, take| {
        reached.is_none_or(|reached| is_met(handle, reached)) && take() && wake(handle)
    })
}

/// Wakes every sleeper that waits for `reached` or less. Returns `true` if anyone sleeps.
fn wake_each(sleepers: &Sleepers, handles: &[Handle], reached: u64) -> bool {
    each_armed(sleepers, handles, |handle, take| {
        if is_met(handle, reached) && take() {
            wake(handle);
        }
        false
    })
}

/// Returns `true` if a sleeper waits for `reached` or less.
fn is_met(handle: &Handle, reached: u64) -> bool {
    at_or_past(reached, handle.need.load(Ordering::Relaxed))
}

/// Wakes every sleeper, whatever it waits for. To be called after a change that
/// ends waits: a close, a role given up.
pub(crate) fn notify_all(sleepers: &Sleepers, handles: &[Handle]) {
    // ORDERING: SeqCst, with the fence in arm (I5).
    fence(Ordering::SeqCst);
    each_armed(sleepers, handles, |handle, take| {
        if take() {
            wake(handle);
        }
        false
    });
}

/// Moves the park word, so that a sleeper that is on its way to sleep turns
/// back, and wakes one that is there. Whether one was.
fn wake(handle: &Handle) -> bool {
    handle.park.add(1, Ordering::Relaxed);
    handle.park.wake() > 0
}

/// Ends a sleep of `handle` without taking its bit, or the next if it is on its way to one:
/// its check of the ring sees what was stored before.
pub(crate) fn poke(handle: &Handle) {
    // ORDERING: Release, with the fence in arm: a sleeper that read the park word after this
    // sees in its check what was stored before, and one that read it before does not sleep.
    handle.park.add(1, Ordering::Release);
    handle.park.wake();
}

/// Visits the handles whose bits are set in one snapshot of the words, until a
/// visit returns true. `take` clears the bit; whoever cleared it owes the wake. Returns `true`
/// if there were such handles.
fn each_armed(
    sleepers: &Sleepers,
    handles: &[Handle],
    mut visit: impl FnMut(&Handle, &dyn Fn() -> bool) -> bool,
) -> bool {
    let mut met = false;
    for (index, word) in sleepers.words(handles).enumerate() {
        loop {
            for me in handles_in(index, word.load(Ordering::Relaxed)) {
                let Some(handle) = handles.get(me) else {
                    continue;
                };
                met = true;
                let (_, bit) = sleepers.bit(me);
                // ORDERING: Acquire, with the Release of the fetch_or in arm. Release,
                // with the fetch_and in disarm and the fence in hand_off after it: a sleeper
                // whose bit was taken sees what it was taken for, or hands nothing off.
                let take = || word.fetch_and(!bit, Ordering::AcqRel) & bit != 0;
                if visit(handle, &take) {
                    return true;
                }
            }
            // Never a second snapshot: who is still or again armed in it may wait for
            // something that only this waker could bring.
            if rule(true) {
                break;
            }
        }
    }
    met
}
