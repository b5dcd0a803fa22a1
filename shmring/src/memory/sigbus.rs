//! Survives a peer that truncates the file of a mapping.
//!
//! An access to a page that the file no longer reaches raises SIGBUS. The handler here maps zeroed
//! memory where a guarded mapping lost its pages, stores that in the mapping's sentinel, and
//! returns, so that the instruction runs again. It passes other faults to the previous handler.
//!
//! A signal handler may interrupt any code. This one reads atomics and makes system calls; it
//! takes no lock and allocates nothing. If the faulting thread blocks SIGBUS, the kernel kills
//! the process.

#![allow(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of this process's own mappings and table"
)]

use std::ffi::{CStr, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;

use libc::{c_int, siginfo_t};
use nix::errno::Errno;
use nix::unistd::{SysconfVar, sysconf};

use crate::error::OsError;
use crate::memory::sentinel::{Sentinel, mark_truncated};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// How many mappings one process can guard at once.
const MAX_GUARDS: usize = 1024;
/// The smallest page size of any machine.
const MIN_PAGE_BYTES: u64 = 4096;

/// Low bits of an entry's state; above them it counts the uses of the entry.
const FREE: u64 = 0;
const CHANGING: u64 = 1;
const ACTIVE: u64 = 2;
const STATE_BITS: u32 = 2;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;

/// A guarded mapping, or a free entry. A reader accepts the fields only if the entry is active, in
/// the same use, before and after it loads them.
struct Entry {
    state: AtomicU64,
    start: AtomicU64,
    end: AtomicU64,
    protection: AtomicU64,
    /// The address of the sentinel's word.
    sentinel: AtomicU64,
}

/// The handler searches it, so its size is fixed and it is never freed.
static ENTRIES: [Entry; MAX_GUARDS] = [const { Entry::new() }; MAX_GUARDS];
/// The previous handler of the signal.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
static PAGE_BYTES: AtomicU64 = AtomicU64::new(MIN_PAGE_BYTES);

/// Guards a mapping until it is dropped. The owner drops it before the mapping and its sentinel.
#[derive(Debug)]
pub(crate) struct Guard {
    index: usize,
}

impl Guard {
    /// Guards the mapping at the addresses in `range`, which begins at a page.
    pub(crate) fn new(
        range: Range<usize>,
        writable: bool,
        sentinel: &Sentinel,
    ) -> Result<Self, OsError> {
        install()?;
        let page_bytes = PAGE_BYTES.load(Ordering::Relaxed);
        let end = (range.end as u64).next_multiple_of(page_bytes);
        let write = if writable { libc::PROT_WRITE } else { 0 };
        let word = ptr::from_ref(sentinel.word()).expose_provenance();
        for (index, entry) in ENTRIES.iter().enumerate() {
            let Some(state) = entry.claim() else {
                continue;
            };
            entry.start.store(range.start as u64, Ordering::Relaxed);
            entry.end.store(end, Ordering::Relaxed);
            entry.protection.store((libc::PROT_READ | write) as u64, Ordering::Relaxed);
            entry.sentinel.store(word as u64, Ordering::Relaxed);
            // Release, with the Acquire in `covering`.
            entry.state.store(state | ACTIVE, Ordering::Release);
            return Ok(Self { index });
        }
        let full = format!("this process has {MAX_GUARDS} guarded mappings already");
        Err(OsError::new("guard", "the segment", io::Error::other(full)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let state = &ENTRIES[self.index].state;
        let uses = (state.load(Ordering::Relaxed) >> STATE_BITS).wrapping_add(1);
        state.store(uses << STATE_BITS | FREE, Ordering::Release);
    }
}

impl Entry {
    const fn new() -> Self {
        Self {
            state: AtomicU64::new(FREE),
            start: AtomicU64::new(0),
            end: AtomicU64::new(0),
            protection: AtomicU64::new(0),
            sentinel: AtomicU64::new(0),
        }
    }

    /// Takes a free entry for writing. Returns its count of uses, shifted into place.
    fn claim(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Relaxed);
        if state & STATE_MASK != FREE {
            return None;
        }
        let changing = state | CHANGING;
        self.state.compare_exchange(state, changing, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // Release, with the fence in `covering`: whoever reads what is written next also
        // reads that the entry is changing.
        fence(Ordering::Release);
        Some(state)
    }

    /// Returns the mapping if it covers `address`.
    fn covering(&self, address: u64) -> Option<Mapped> {
        // Acquire, with the Release in `Guard::new`.
        let state = self.state.load(Ordering::Acquire);
        if state & STATE_MASK != ACTIVE {
            return None;
        }
        let start = self.start.load(Ordering::Relaxed);
        let mapped = Mapped {
            end: self.end.load(Ordering::Relaxed),
            protection: self.protection.load(Ordering::Relaxed) as c_int,
            sentinel: self.sentinel.load(Ordering::Relaxed),
        };
        // Acquire, with the fence in `claim`.
        fence(Ordering::Acquire);
        let same = self.state.load(Ordering::Relaxed) == state;
        (same && (start..mapped.end).contains(&address)).then_some(mapped)
    }
}

/// A guarded mapping that contains the address of a fault.
struct Mapped {
    end: u64,
    protection: c_int,
    sentinel: u64,
}

impl Mapped {
    /// Maps zeroed memory from the page of `address` to the end of the mapping. Returns `true` on
    /// success. Stores of another thread to the same pages after its own fault are lost, which is
    /// acceptable since the segment is lost.
    fn mend(&self, address: u64) -> bool {
        let word = ptr::with_exposed_provenance_mut::<u32>(self.sentinel as usize);
        // SAFETY: the entry was active after its address was read, and stays so until the mapping,
        // in which this thread faults, is about to be unmapped. A fork child keeps the page of the
        // sentinel.
        if !mark_truncated(unsafe { AtomicU32::from_ptr(word) }) {
            return false;
        }
        let page_bytes = PAGE_BYTES.load(Ordering::Relaxed);
        let from = address & !(page_bytes - 1);
        let len = (self.end - from) as usize;
        let from = ptr::with_exposed_provenance_mut::<c_void>(from as usize);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
        // SAFETY: the range is the rest of a mapping that this process guards, which is
        // used as atomics only, for which any bytes will do. It stays mapped throughout.
        let mended = unsafe { libc::mmap(from, len, self.protection, flags, -1, 0) } == from;
        if mended {
            // SAFETY: as above. As with the lost mapping, a child does not inherit it.
            unsafe { libc::madvise(from, len, libc::MADV_DONTFORK) };
        }
        mended
    }
}

/// Keeps the code of the handler in memory for good. The code may be part of a library that the
/// program opened with `dlopen` and closes later, while the handler stays installed.
fn pin() -> Result<(), OsError> {
    let library_of = |address: *const c_void| {
        let mut library = MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: any address may be passed; the call fills the info if it returns nonzero.
        let found = unsafe { libc::dladdr(address, library.as_mut_ptr()) } != 0;
        // SAFETY: the call succeeded.
        found.then(|| unsafe { library.assume_init() })
    };
    let handler = handle as extern "C" fn(_, _, _) as *const c_void;
    // Statically linked: no library can be closed.
    let Some(library) = library_of(handler) else {
        return Ok(());
    };
    // SAFETY: reads a value that the kernel passed to the program.
    let program = unsafe { libc::getauxval(libc::AT_PHDR) };
    let program = library_of(ptr::with_exposed_provenance(program as usize));
    if program.is_some_and(|program| program.dli_fbase == library.dli_fbase) {
        return Ok(());
    }
    let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
    // SAFETY: the name is a string of the loader. The library is loaded already, so no initialiser
    // runs. The handle is never closed.
    if unsafe { libc::dlopen(library.dli_fname, flags) }.is_null() {
        // SAFETY: as above.
        let name = unsafe { CStr::from_ptr(library.dli_fname) }.to_string_lossy().into_owned();
        let refused = io::Error::other("the library cannot be kept loaded");
        return Err(OsError::new("dlopen(RTLD_NODELETE)", name, refused));
    }
    Ok(())
}

/// Installs the handler, once per process.
fn install() -> Result<(), OsError> {
    static INSTALLED: OnceLock<Result<(), Errno>> = OnceLock::new();
    static PINNED: OnceLock<()> = OnceLock::new();
    if PINNED.get().is_none() {
        pin()?;
        let _ = PINNED.set(());
    }
    let installed = INSTALLED.get_or_init(|| {
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        let page_bytes = page_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        PAGE_BYTES.store(page_bytes.unwrap_or(MIN_PAGE_BYTES), Ordering::Relaxed);
        let mut previous = MaybeUninit::uninit();
        // SAFETY: queries the action, which the call writes to memory that is large enough.
        let asked = unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), previous.as_mut_ptr()) };
        Errno::result(asked)?;
        // SAFETY: the call succeeded.
        let previous = PREVIOUS.get_or_init(|| unsafe { previous.assume_init() });
        let own = libc::SA_SIGINFO | libc::SA_ONSTACK;
        let kept = libc::SA_NODEFER | libc::SA_RESTART;
        let action = libc::sigaction {
            sa_sigaction: handle as extern "C" fn(_, _, _) as usize,
            sa_flags: own | previous.sa_flags & kept,
            ..*previous
        };
        // SAFETY: the handler is async-signal-safe.
        Errno::result(unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) })
            .map(drop)
    });
    installed.map_err(|errno| OsError::new("sigaction(SIGBUS)", "this process", errno))
}

extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the kernel passes a valid siginfo; that of a fault has an address.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().expose_provenance()) };
    let address = address as u64;
    let is_ours = code == libc::BUS_ADRERR
        && ENTRIES
            .iter()
            .find_map(|entry| entry.covering(address))
            .is_some_and(|mapped| mapped.mend(address));
    Errno::set_raw(errno);
    if !is_ours {
        hand_off(signal, info, context);
    }
}

/// Does what the process would have done without this handler.
fn hand_off(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let (action, flags) = PREVIOUS
        .get()
        .map_or((libc::SIG_DFL, 0), |previous| (previous.sa_sigaction, previous.sa_flags));
    // SAFETY: as in `handle`. The kernel's own signals have positive codes.
    let is_fault = unsafe { (*info).si_code } > 0;
    if action == libc::SIG_IGN && !is_fault {
        return;
    }
    if action == libc::SIG_DFL || action == libc::SIG_IGN {
        // SAFETY: both calls are async-signal-safe. The process ends when the handler returns: by
        // the same fault again, or by the signal raised here.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            if !is_fault {
                libc::raise(signal);
            }
        }
    } else if flags & libc::SA_SIGINFO != 0 {
        // SAFETY: the flag says that the action is such a function.
        let action: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
            unsafe { std::mem::transmute(action) };
        action(signal, info, context);
    } else {
        // SAFETY: without the flag, any other value is such a function.
        let action: extern "C" fn(c_int) = unsafe { std::mem::transmute(action) };
        action(signal);
    }
}
