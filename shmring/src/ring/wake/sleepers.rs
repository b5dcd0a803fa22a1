//! The words of bits that sleepers set and wakers clear.

use crate::ring::tables::{HANDLE_WORDS, Handle, MAX_HANDLES, handles_from};
use crate::sync::{AtomicU64, Ordering, rule};

/// Handles with a bit in one word, behind the mode.
pub(crate) const SLEEPERS_PER_WORD: usize = 63;
/// Bits of the mode.
const MODE_BITS: u32 = 1;
/// The mode in which a sleeper need not make a barrier.
pub(super) const HEAVY: u64 = 1;

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
    pub(super) fn words(&self, handles: &[Handle]) -> impl Iterator<Item = &AtomicU64> {
        self.words.iter().take(handles.len().div_ceil(SLEEPERS_PER_WORD))
    }

    /// Whether a publisher has to fence, and to look who sleeps.
    pub(super) fn is_marked(&self, handles: &[Handle]) -> bool {
        self.words(handles).any(|word| word.load(Ordering::Relaxed) != 0)
    }

    /// As [`is_marked`](Self::is_marked), by the first word alone.
    #[inline(always)]
    pub(super) fn is_first_marked(&self) -> bool {
        let [first, ..] = &self.words;
        first.load(Ordering::Relaxed) != 0
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
    pub(super) fn relax(&self, handles: &[Handle]) {
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
pub(super) fn handles_in(index: usize, found: u64) -> impl Iterator<Item = usize> {
    handles_from(index.wrapping_mul(SLEEPERS_PER_WORD), found >> MODE_BITS)
}
