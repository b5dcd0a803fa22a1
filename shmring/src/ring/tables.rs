//! The entries of the attachment table and the handle table.
//!
//! ```text
//! attach  FREE -> ACTIVE    by the holder of its token
//!         ACTIVE -> FREE    by its owner, or by the only cleaner of a dead owner
//! handle  FREE -> HELD      by its owner's CAS
//!         HELD -> FREE      by its owner, or by the only cleaner of its attach
//! ```

use crate::sync::{AtomicU32, AtomicU64, Ordering, WaitWord};

/// Set in a state word while the entry is in use. The other bits of the low half name the owner;
/// the high half counts the uses, so that the words of two uses differ.
const IN_USE: u64 = 1;
const GENERATION: u64 = 1 << 32;
const GENERATION_MASK: u64 = !(GENERATION - 1);
const ATTACH_SHIFT: u32 = 8;
const ATTACH_MASK: u64 = 0xFFFF;
const RING_SHIFT: u32 = 24;
const RING_MASK: u64 = 0xFF;

/// One mapping of the segment. Only the holder of the entry's token writes it.
#[repr(C)]
pub(crate) struct AttachmentEntry {
    pub(crate) state: AtomicU64,
    /// Observers show the fields from here on; no algorithm depends on them.
    pub(crate) pid: AtomicU32,
    pub(crate) uid: AtomicU32,
    /// Clock ticks after boot at which the process started.
    pub(crate) start_ticks: AtomicU64,
    /// Inode number of the process's pid namespace.
    pub(crate) pid_namespace: AtomicU64,
    /// Pads the entry to 64 bytes.
    pub(crate) reserved: [AtomicU64; 4],
}

impl AttachmentEntry {
    /// Returns `true` if the entry is in use, by a living or a dead process.
    ///
    /// ORDERING: Relaxed in this type. The kernel's lock behind the token orders
    /// one holder of an entry after the other.
    pub(crate) fn is_active(&self) -> bool {
        self.state.load(Ordering::Relaxed) & IN_USE != 0
    }

    /// Marks the entry as in use. The caller holds its token alone.
    pub(crate) fn activate(&self) {
        let state = self.state.load(Ordering::Relaxed);
        let next = (state & GENERATION_MASK).wrapping_add(GENERATION) | IN_USE;
        self.state.store(next, Ordering::Relaxed);
    }

    /// Marks the entry as free. The caller holds its token alone.
    pub(crate) fn free(&self) {
        let state = self.state.load(Ordering::Relaxed);
        self.state.store(state & GENERATION_MASK, Ordering::Relaxed);
    }
}

/// The cache line of a handle that its owner writes.
#[repr(C, align(128))]
pub(crate) struct HandleOwn {
    /// The tickets that a producer of a slot ring is about to claim, as
    /// [`slot`](super::slot) encodes them.
    pub(crate) intent: AtomicU64,
    /// The position that the handle has reached, for observers. That of a gating subscriber holds
    /// the producer of its [broadcast ring](super::broadcast) up.
    pub(crate) cursor: AtomicU64,
    /// How many messages a subscriber of a broadcast ring has left behind: all before `cursor`.
    pub(crate) messages: AtomicU64,
    /// How many of those it did not receive.
    pub(crate) missed: AtomicU64,
    /// What the handle is in a broadcast ring, for observers: 0 no subscriber, 1 a gating one, 2 a
    /// lossy one, 3 one that receives the newest message, 4 a lossy one since it was evicted. An
    /// owner that has joined stores it, and whoever releases or reaps the handle stores 0.
    pub(crate) subscription: AtomicU64,
    /// Since when the producer of a broadcast ring has found no room, or a worker of a job ring has
    /// had jobs without a break, in nanoseconds of the monotonic clock, for observers; 0 if the
    /// producer has some, or the worker has none.
    pub(crate) full_since: AtomicU64,
    /// The positions of the jobs that a worker of a [job ring](super::jobs) may have; their claims
    /// say which it has.
    pub(crate) jobs: [AtomicU64; super::jobs::HANDS],
}

/// One producer or consumer of one ring. Only the owner writes `own`; the rest is shared.
#[repr(C)]
pub(crate) struct Handle {
    pub(crate) own: HandleOwn,
    /// The word that the owner sleeps on; wakers change it.
    pub(crate) park: WaitWord,
    pub(crate) reserved: AtomicU32,
    pub(crate) state: AtomicU64,
    /// The position of the other side that ends the owner's sleep.
    pub(crate) need: AtomicU64,
}

impl Handle {
    /// Claims the entry for `attach` and the ring of index `ring`. Returns `false` if it is in use.
    fn claim(&self, attach: usize, ring: usize) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        if state & IN_USE != 0 {
            return false;
        }
        let next = (state & GENERATION_MASK).wrapping_add(GENERATION)
            | (attach as u64 & ATTACH_MASK) << ATTACH_SHIFT
            | (ring as u64 & RING_MASK) << RING_SHIFT
            | IN_USE;
        // ORDERING: Acquire, with the Release in free: the entry is as its last
        // owner left it.
        self.state.compare_exchange(state, next, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    pub(super) fn free(&self) {
        let state = self.state.load(Ordering::Relaxed);
        // ORDERING: Release, with the Acquire in claim and in attach.
        self.state.store(state & GENERATION_MASK, Ordering::Release);
    }

    /// Returns the owner of the handle, if the handle is in use.
    #[inline]
    pub(crate) fn owner(&self) -> Option<Owner> {
        // ORDERING: Acquire, with the Release in free: who sees the handle free sees
        // all that its owner published.
        let state = self.state.load(Ordering::Acquire);
        (state & IN_USE != 0).then_some(Owner {
            attach: (state >> ATTACH_SHIFT & ATTACH_MASK) as usize,
            ring: (state >> RING_SHIFT & RING_MASK) as usize,
        })
    }

    /// Returns the attachment that owns the handle, if the handle is in use.
    pub(crate) fn attach(&self) -> Option<usize> {
        self.owner().map(|owner| owner.attach)
    }
}

/// The owner of a handle, by the indices in its state. They come from the segment: check them
/// before use (I6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) attach: usize,
    pub(crate) ring: usize,
}

/// Words of a bitmap of handles.
pub(crate) const HANDLE_WORDS: usize = 4;
/// How many handles a segment has at most: as many as
/// [`Sleepers`](super::wake::Sleepers) has bits for.
pub(crate) const MAX_HANDLES: usize = HANDLE_WORDS * super::wake::SLEEPERS_PER_WORD;
const BITS: usize = u64::BITS as usize;

/// One bit for each handle.
pub(crate) type HandleBits = [AtomicU64; HANDLE_WORDS];

/// Returns the word that holds a handle's bit, and the bit. Masks the index (I6).
#[inline]
#[expect(clippy::indexing_slicing, reason = "masked by the length")]
pub(super) fn handle_bit(words: &HandleBits, handle: usize) -> (&AtomicU64, u64) {
    let handle = handle % MAX_HANDLES;
    (&words[handle / BITS], 1 << (handle % BITS))
}

/// Returns the handles whose bits are set in `bits`, the word of index `index`.
#[inline]
pub(super) fn handles_of(index: usize, bits: u64) -> impl Iterator<Item = usize> {
    handles_from(index.wrapping_mul(BITS), bits)
}

/// Returns the handles whose bits are set in `bits`, of which the lowest is that of `first`.
#[inline]
pub(super) fn handles_from(first: usize, mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        (bit < BITS).then_some(first.wrapping_add(bit))
    })
}

/// Claims a free handle for `attach` and the ring of index `ring`. Returns `None` if the table is
/// full.
pub(crate) fn claim_handle(handles: &[Handle], attach: usize, ring: usize) -> Option<usize> {
    handles.iter().position(|handle| handle.claim(attach, ring))
}
