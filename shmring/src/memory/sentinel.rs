//! Detects when a mapping may not be used any more: in a fork child, which has no mapping, and
//! after a peer truncated the file.

#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::OnceLock;

use memmap2::{MmapMut, MmapOptions};

use crate::error::OsError;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The value of the word in a fork child, whose page the kernel zeroes.
const FORKED: u32 = 0;
const WHOLE: u32 = 1;
const TRUNCATED: u32 = 2;
/// The mapping must not be used any more.
const SHUT: u32 = 3;

/// A value that no sentinel writes, so it never counts as whole.
pub(crate) static NEVER_WHOLE: AtomicU32 = AtomicU32::new(SHUT);

/// Returns `true` if a sentinel's word says that the mapping is whole.
#[inline(always)]
pub(crate) fn is_whole(word: &AtomicU32) -> bool {
    word.load(Ordering::Relaxed) == WHOLE
}

/// A word that reports both with one load and no system call. The kernel zeroes its page in a
/// fork child. Where the kernel refuses that (gVisor does), a handler that the C library calls
/// stores the same value. A raw `clone` calls no handler, so its child must not use the segment
/// there.
#[derive(Debug)]
pub(crate) struct Sentinel {
    page: MmapMut,
    /// The index in [`HANDLED`], if the kernel does not zero the page.
    handled: Option<usize>,
}

/// How many sentinels the handler serves at most.
const MAX_HANDLED: usize = 1024;
/// The addresses of the words that the handler stores to in a fork child; 0 in a free entry. The
/// handler must not take a lock, as a thread that does not exist in the child may hold it.
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

/// Registers the handler, which stores what the kernel does not. Returns the index in [`HANDLED`].
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
        // SAFETY: the range is the page just mapped, which is empty; the call affects child
        // processes only.
        let is_wiped = unsafe { libc::madvise(start.cast(), len, libc::MADV_WIPEONFORK) } == 0;
        let mut sentinel = Self { page, handled: None };
        if !is_wiped {
            sentinel.handled = Some(handle_forks(sentinel.word())?);
        }
        sentinel.word().store(WHOLE, Ordering::Relaxed);
        Ok(sentinel)
    }

    /// Returns `true` if this process has the mapping, and its file is not truncated.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        is_whole(self.word())
    }

    /// Returns `true` in a fork child of the process that created the sentinel.
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

/// Stores in a sentinel's word that the file is truncated. Returns `false` in a fork child, which
/// has no mapping. Safe in a signal handler.
pub(crate) fn mark_truncated(word: &AtomicU32) -> bool {
    let exchanged = word.compare_exchange(WHOLE, TRUNCATED, Ordering::Relaxed, Ordering::Relaxed);
    exchanged != Err(FORKED)
}
