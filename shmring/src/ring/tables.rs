//! The entries of the attach table and the handle table.
//!
//! ```text
//! attach  FREE -> ACTIVE    by the holder of its token
//!         ACTIVE -> FREE    by its owner, or by the only cleaner of a dead owner
//! handle  FREE -> HELD      by its owner's CAS
//!         HELD -> FREE      by its owner, or by the only cleaner of its attach
//! ```

use crate::sync::{AtomicU32, AtomicU64, Ordering, WaitWord};

/// Set in a state word while the entry is in use. The other bits of the low half
/// say by whom; the high half counts the uses, so that no two look alike.
const IN_USE: u64 = 1;
const GENERATION: u64 = 1 << 32;
const GENERATION_MASK: u64 = !(GENERATION - 1);
const ATTACH_SHIFT: u32 = 8;
const ATTACH_MASK: u64 = 0xFFFF;
const RING_SHIFT: u32 = 24;
const RING_MASK: u64 = 0xFF;

/// One mapping of the segment. Only the holder of the entry's token alone writes it.
#[repr(C)]
pub(crate) struct AttachmentEntry {
    pub(crate) state: AtomicU64,
    /// The rest is for people to read; nothing is decided by it.
    pub(crate) pid: AtomicU32,
    pub(crate) uid: AtomicU32,
    /// Clock ticks after boot at which the process started.
    pub(crate) start_ticks: AtomicU64,
    /// Inode number of the process's pid namespace.
    pub(crate) pid_namespace: AtomicU64,
    /// Fills the entry up to 64 bytes.
    pub(crate) reserved: [AtomicU64; 4],
}

impl AttachmentEntry {
    /// Whether the entry is in use, by the living or the dead.
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

/// The line of a handle that its owner writes.
#[repr(C, align(128))]
pub(crate) struct HandleOwn {
    /// The tickets that a producer of a slot ring is about to claim, as
    /// [`slot`](super::slot) encodes them.
    pub(crate) intent: AtomicU64,
    /// How far the handle has come, for observers.
    pub(crate) cursor: AtomicU64,
}

/// One producer or consumer of one ring. `own` is the owner's line; the rest is shared.
#[repr(C)]
pub(crate) struct Handle {
    pub(crate) own: HandleOwn,
    /// What the owner sleeps on; wakers move it.
    pub(crate) park: WaitWord,
    pub(crate) reserved: AtomicU32,
    pub(crate) state: AtomicU64,
    /// The position of the other side that ends the owner's sleep.
    pub(crate) need: AtomicU64,
}

impl Handle {
    /// Takes a free entry for `attach` and the ring of index `ring`; whether it was free.
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

    /// Who owns the handle, if it is in use.
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

    /// The attach that owns the handle, if it is in use.
    pub(crate) fn attach(&self) -> Option<usize> {
        self.owner().map(|owner| owner.attach)
    }
}

/// Whose a handle is, by the indices that its state holds: they are whatever the segment
/// says (I6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) attach: usize,
    pub(crate) ring: usize,
}

/// Handles that a segment can have.
pub(crate) const MAX_HANDLES: usize = 256;
const BITS: usize = u64::BITS as usize;

/// A bit for each handle.
pub(crate) type HandleBits = [AtomicU64; MAX_HANDLES / BITS];

/// The word that holds a handle's bit, and the bit. The index is masked (I6).
#[inline]
#[expect(clippy::indexing_slicing, reason = "masked by the length")]
pub(super) fn handle_bit(words: &HandleBits, handle: usize) -> (&AtomicU64, u64) {
    let handle = handle % MAX_HANDLES;
    (&words[handle / BITS], 1 << (handle % BITS))
}

/// The handles whose bits are set in `bits`, the word of that index.
#[inline]
pub(super) fn handles_of(index: usize, mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        (bit < BITS).then_some(index.wrapping_mul(BITS).wrapping_add(bit))
    })
}

/// Takes a free handle for `attach` and the ring of index `ring`; `None` if the table is
/// full.
pub(crate) fn claim_handle(handles: &[Handle], attach: usize, ring: usize) -> Option<usize> {
    handles.iter().position(|handle| handle.claim(attach, ring))
}
