//! The gates: which subscribers hold the producer up.
//!
//! A gating subscriber that loses its bit, for whatever reason, may be overrun. As only the
//! subscriber itself sets the bit, a bit that is set after a copy was set all the time.

use crate::ring::tables::{HANDLE_WORDS, Handle, HandleBits, HandleOwn, MAX_HANDLES};
use crate::ring::tables::{handle_bit, handles_of};
use crate::sync::{AtomicU64, Ordering, copy_fence, rule};

/// The gating subscribers of a ring.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Gates {
    /// A bit for each handle. Its owner sets it; its owner, whoever reaps that, and whoever
    /// [evicts](Gates::evict) it clear it. The producer loads the bits.
    pub(crate) bits: HandleBits,
    /// Subscribers that were evicted since creation, for observers.
    pub(crate) evictions: AtomicU64,
}

/// The word that holds a handle's bit, and the bit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    word: usize,
    bit: u64,
}

impl Gate {
    pub(super) fn of(handle: usize) -> Self {
        const BITS: usize = u64::BITS as usize;
        let handle = handle % MAX_HANDLES;
        Self { word: handle / BITS, bit: 1 << (handle % BITS) }
    }
}

impl Gates {
    /// Makes a handle gate, whose cursor is stored already.
    pub(super) fn close(&self, handle: usize) {
        let (word, bit) = handle_bit(&self.bits, handle);
        // ORDERING: Release, with the Acquire in closed: who sees the bit sees the cursor, and not
        // that of the handle's last owner, which may be a position of another ring.
        word.fetch_or(bit, Ordering::Release);
    }

    /// Takes the gate of a handle away, if it has one: its owner left, or is dead, and its cursor
    /// holds nobody up any more.
    pub(crate) fn open(&self, handle: usize) {
        let (word, bit) = handle_bit(&self.bits, handle);
        if rule(word.load(Ordering::Relaxed) & bit != 0) {
            // ORDERING: Release, with the Acquire in closed (I4).
            word.fetch_and(!bit, Ordering::Release);
        }
    }

    /// Takes the gate of a handle away from a subscriber that may still read, and counts that.
    /// Returns `true` if it had one.
    pub(super) fn evict(&self, handle: usize) -> bool {
        if handle >= MAX_HANDLES {
            return false;
        }
        let (word, bit) = handle_bit(&self.bits, handle);
        // ORDERING: Relaxed. The subscriber reads on, and this is not ordered after anything that
        // it read. That a raise missed the bit is what its owner learns, by the fences between.
        let evicted = word.fetch_and(!bit, Ordering::Relaxed) & bit != 0;
        if evicted {
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        evicted
    }

    /// Returns `true` if a gate was still closed when this was called: what its owner has copied
    /// before is whole.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "masked by the count of words, a power of two")]
    pub(super) fn is_closed(&self, gate: Gate) -> bool {
        // ORDERING: Acquire, with the fence in Producer::raise, or that of its successor: the load
        // of a raise that missed the bit comes before what was stored thereupon. An owner that has
        // loaded that misses the bit as well, as later loads of a word see no older value.
        copy_fence();
        let bits = self.bits[gate.word & (HANDLE_WORDS - 1)].load(Ordering::Relaxed);
        !rule(bits & gate.bit == 0)
    }

    /// Returns `true` if the bit of a handle is set, for observers.
    pub(super) fn is_set(&self, handle: usize) -> bool {
        let (word, bit) = handle_bit(&self.bits, handle);
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// Returns the lines of the gating subscribers.
    pub(super) fn closed<'h>(&self, handles: &'h [Handle]) -> impl Iterator<Item = &'h HandleOwn> {
        let words = handles.len().div_ceil(u64::BITS as usize);
        let bits = self.bits.iter().take(words).enumerate().flat_map(|(index, word)| {
            // ORDERING: Acquire, with the Release in close: who sees the bit sees the cursor of
            // its owner. With the Release in open (I4): who misses the bit overwrites nothing
            // that its owner still reads.
            handles_of(index, word.load(Ordering::Acquire))
        });
        bits.filter_map(|handle| handles.get(handle)).map(|handle| &handle.own)
    }
}
