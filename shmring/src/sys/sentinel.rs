//! What became of a mapping without its process doing anything: it is not there in a fork
//! child, and no longer whole when a peer cut its file short.

#![allow(unsafe_code)]

use std::io;

use memmap2::{MmapMut, MmapOptions};

use crate::error::OsError;
use crate::sync::{AtomicU32, Ordering};

/// What the kernel leaves of the word in a fork child.
const FORKED: u32 = 0;
const WHOLE: u32 = 1;
const TRUNCATED: u32 = 2;
/// Of a mapping that is not to be used any more.
const SHUT: u32 = 3;

/// A word that no sentinel writes.
pub(crate) static NEVER_WHOLE: AtomicU32 = AtomicU32::new(SHUT);

/// Whether a sentinel's word says that nothing happened to the mapping.
#[inline(always)]
pub(crate) fn is_whole(word: &AtomicU32) -> bool {
    word.load(Ordering::Relaxed) == WHOLE
}

/// A word that tells both with one load: no system call, and no handler that a raw `clone`
/// would skip. The kernel empties its page in a fork child.
#[derive(Debug)]
pub(crate) struct Sentinel {
    page: MmapMut,
}

impl Sentinel {
    pub(crate) fn new() -> Result<Self, OsError> {
        let error = |call| move |source| OsError::new(call, "a page of memory", source);
        let mut page =
            MmapOptions::new().len(size_of::<u32>()).map_anon().map_err(error("mmap"))?;
        let (start, len) = (page.as_mut_ptr(), page.len());
        // SAFETY: the range is the page just mapped, and empty; what becomes of it in a
        // child is no business of this process.
        if unsafe { libc::madvise(start.cast(), len, libc::MADV_WIPEONFORK) } != 0 {
            return Err(error("madvise(MADV_WIPEONFORK)")(io::Error::last_os_error()));
        }
        let sentinel = Self { page };
        sentinel.word().store(WHOLE, Ordering::Relaxed);
        Ok(sentinel)
    }

    /// Whether nothing of the kind happened.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        is_whole(self.word())
    }

    /// Whether the process was forked off the one that made the sentinel.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.word().load(Ordering::Relaxed) == FORKED
    }

    #[inline]
    pub(crate) fn word(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped, writable and aligned for as long as `self`
        // lives, and is only ever used as this word.
        unsafe { AtomicU32::from_ptr(self.page.as_ptr().cast_mut().cast()) }
    }
}

/// Notes in a sentinel's word that the mapping is cut short; false in a fork child, which
/// has no mapping. May be called in a signal handler.
pub(super) fn mark_truncated(word: &AtomicU32) -> bool {
    let exchanged = word.compare_exchange(WHOLE, TRUNCATED, Ordering::Relaxed, Ordering::Relaxed);
    exchanged != Err(FORKED)
}
