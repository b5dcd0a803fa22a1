//! What became of a mapping without its process doing anything: it is not there in a fork
//! child, and no longer whole when a peer cut its file short.

#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::OnceLock;

use memmap2::{MmapMut, MmapOptions};

use crate::error::OsError;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

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

/// A word that tells both with one load and no system call. The kernel empties its page in a
/// fork child. Where it refuses to (gVisor does), a handler that the C library calls stores the
/// same; a raw `clone` calls none, so there its child must not use the segment.
#[derive(Debug)]
pub(crate) struct Sentinel {
    page: MmapMut,
    /// The entry for the handler, if there has to be one.
    handled: Option<usize>,
}

/// How many sentinels the handler can have.
const MAX_HANDLED: usize = 1024;
/// The addresses of the words that the handler stores to in a fork child; 0 where none is. It
/// may not take a lock, as a thread that is not in the child may have it.
static HANDLED: [AtomicU64; MAX_HANDLED] = [const { AtomicU64::new(0) }; MAX_HANDLED];

extern "C" fn mark_forked() {
    for entry in &HANDLED {
        // ORDERING: Relaxed: the child has one thread, and the memory of its parent as of the
        // fork. An entry is emptied before its page is unmapped, and to unmap waits for a fork
        // to end: what an entry of the child names is mapped in the child.
        let address = entry.load(Ordering::Relaxed);
        if address != 0 {
            let word = ptr::with_exposed_provenance_mut::<u32>(address as usize);
            // SAFETY: the word is mapped, as just said, and only ever used as an atomic.
            unsafe { AtomicU32::from_ptr(word) }.store(FORKED, Ordering::Relaxed);
        }
    }
}

/// Lets a handler store what the kernel does not; the entry.
fn handle_forks(word: &AtomicU32) -> Result<usize, OsError> {
    static REGISTERED: OnceLock<libc::c_int> = OnceLock::new();
    // SAFETY: the handler may be called in any fork child: it takes no lock and allocates nothing.
    let register = || unsafe { libc::pthread_atfork(None, None, Some(mark_forked)) };
    let failed = *REGISTERED.get_or_init(register);
    if failed != 0 {
        let error = io::Error::from_raw_os_error(failed);
        return Err(OsError::new("pthread_atfork", "this process", error));
    }
    let address = ptr::from_ref(word).expose_provenance() as u64;
    let is_taken = |entry: &AtomicU64| {
        entry.compare_exchange(0, address, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    };
    HANDLED.iter().position(is_taken).ok_or_else(|| {
        let full = format!(
            "madvise(MADV_WIPEONFORK) is refused, and this process has {MAX_HANDLED} mappings \
             without it already"
        );
        OsError::new("map", "the segment", io::Error::other(full))
    })
}

impl Sentinel {
    pub(crate) fn new() -> Result<Self, OsError> {
        let error = |call| move |source| OsError::new(call, "a page of memory", source);
        let mut page =
            MmapOptions::new().len(size_of::<u32>()).map_anon().map_err(error("mmap"))?;
        let (start, len) = (page.as_mut_ptr(), page.len());
        // SAFETY: the range is the page just mapped, and empty; what becomes of it in a
        // child is no business of this process.
        let is_wiped = unsafe { libc::madvise(start.cast(), len, libc::MADV_WIPEONFORK) } == 0;
        let mut sentinel = Self { page, handled: None };
        if !is_wiped {
            sentinel.handled = Some(handle_forks(sentinel.word())?);
        }
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

impl Drop for Sentinel {
    fn drop(&mut self) {
        if let Some(entry) = self.handled.and_then(|index| HANDLED.get(index)) {
            // Release: before the page is unmapped, see `mark_forked`.
            entry.store(0, Ordering::Release);
        }
    }
}

/// Notes in a sentinel's word that the mapping is cut short; false in a fork child, which
/// has no mapping. May be called in a signal handler.
pub(crate) fn mark_truncated(word: &AtomicU32) -> bool {
    let exchanged = word.compare_exchange(WHOLE, TRUNCATED, Ordering::Relaxed, Ordering::Relaxed);
    exchanged != Err(FORKED)
}
