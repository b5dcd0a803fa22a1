//! Noticing that this process is a fork child.

#![allow(unsafe_code)]

use std::io;

use memmap2::{MmapMut, MmapOptions};

use crate::error::OsError;
use crate::sync::{AtomicU32, Ordering};

const PARENT: u32 = 1;

/// A page that the kernel empties in a fork child. One load tells, with no system
/// call and no handler that a raw `clone` would skip.
#[derive(Debug)]
pub(crate) struct ForkSentinel {
    page: MmapMut,
}

impl ForkSentinel {
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
        sentinel.word().store(PARENT, Ordering::Relaxed);
        Ok(sentinel)
    }

    /// Whether the process was forked off the one that made the sentinel.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.word().load(Ordering::Relaxed) != PARENT
    }

    #[inline]
    fn word(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped, writable and aligned for as long as `self`
        // lives, and nothing but this method touches it.
        unsafe { AtomicU32::from_ptr(self.page.as_ptr().cast_mut().cast()) }
    }
}
