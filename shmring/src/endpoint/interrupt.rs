//! Ending the wait of a blocking verb from outside.

use std::fmt;
use std::sync::Arc;

use crate::memory::mapped_ring::MappedRing;
use crate::ring::wake;
use crate::sync::{AtomicU32, Ordering, WaitWord};
use crate::sys::keep_errno;

/// Ends the waits of one producer or consumer, or of one [`WaitSet`](crate::WaitSet), from another thread or a signal handler.
///
/// [`interrupt`](Self::interrupt) makes the blocking verb that waits, or else the next one that
/// has to wait, return `Interrupted`, once for any number of interrupts before. A verb that
/// needs no wait does its work, and `try_` verbs never wait: the interrupt stays pending. Of a
/// verb that was interrupted nothing is visible and nothing is taken. `io::Error` has it as
/// [`ErrorKind::Interrupted`](std::io::ErrorKind::Interrupted), which the standard library's
/// `write_all`, `read_exact` and `copy` retry.
///
/// An interrupter outlives its handle, after which it does nothing. It keeps the segment
/// mapped and attached, as a [`Segment`](crate::Segment) does. In a fork child it does nothing.
///
/// ```
/// use shmring::{Config, RecvError, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let segment = Segment::create_sealed("jobs", &Config::spsc())?;
/// let _producer = segment.producer()?;
/// let mut consumer = segment.consumer()?;
/// let interrupter = consumer.interrupter();
/// let stopper = std::thread::spawn(move || interrupter.interrupt());
/// assert_eq!(consumer.recv(), Err(RecvError::Interrupted));
/// # stopper.join().unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Interrupter {
    of: Of,
}

#[derive(Clone)]
enum Of {
    Handle(Arc<Interruption>),
    Set(Arc<SetInterruption>),
}

impl Interrupter {
    pub(super) fn new(shared: &Arc<Interruption>) -> Self {
        Self { of: Of::Handle(Arc::clone(shared)) }
    }

    pub(crate) fn of_set(shared: &Arc<SetInterruption>) -> Self {
        Self { of: Of::Set(Arc::clone(shared)) }
    }

    /// Interrupts the wait of the handle, or the next one. Async-signal-safe: it stores, makes
    /// a futex call, and leaves `errno` as it was.
    pub fn interrupt(&self) {
        match &self.of {
            Of::Handle(handle) => handle.interrupt(),
            Of::Set(set) => set.interrupt(),
        }
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupter").finish_non_exhaustive()
    }
}

/// What a wait set and its interrupters share.
#[derive(Debug)]
pub(crate) struct SetInterruption {
    /// 1 if an interrupt is pending.
    pending: AtomicU32,
    /// The set sleeps on it too. Private to this process.
    pub(crate) word: WaitWord,
}

impl SetInterruption {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { pending: AtomicU32::new(0), word: WaitWord::new() })
    }

    fn interrupt(&self) {
        // ORDERING: Release, with the Acquire in take. The set reads the word before it takes
        // what is pending, so that it does not sleep once the word was moved.
        self.pending.store(1, Ordering::Release);
        self.word.add(1, Ordering::Release);
        keep_errno(|| self.word.wake());
    }

    /// Returns `true` if an interrupt is pending, which [`take`](Self::take) then takes.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// Takes the pending interrupt. Returns `false` if there is none.
    pub(crate) fn take(&self) -> bool {
        // ORDERING: Acquire, with the Release in interrupt.
        self.is_pending() && self.pending.swap(0, Ordering::Acquire) != 0
    }
}

/// What a handle and its interrupters share, inside this process only: a peer that moves the
/// park word ends a sleep, but cannot interrupt.
#[derive(Debug)]
pub(super) struct Interruption {
    /// 1 if an interrupt is pending.
    pending: AtomicU32,
    /// 1 if the handle was dropped, and its index may be another one's.
    retired: AtomicU32,
    mapped: MappedRing,
    handle: usize,
}

impl Interruption {
    pub(super) fn new(mapped: MappedRing, handle: usize) -> Arc<Self> {
        let (pending, retired) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(Self { pending, retired, mapped, handle })
    }

    fn interrupt(&self) {
        // ORDERING: Relaxed. After a drop that is not seen here, whoever has the handle's
        // index looks at the ring once for nothing.
        if self.mapped.attach().mapping().is_forked() || self.retired.load(Ordering::Relaxed) != 0 {
            return;
        }
        // ORDERING: Release, with the Acquire in take: what came before the interrupt is seen
        // by whoever returns for it. See wake::poke for the sleep.
        self.pending.store(1, Ordering::Release);
        if let Some(handle) = self.mapped.handles().get(self.handle) {
            keep_errno(|| wake::poke(handle));
        }
    }

    /// Returns `true` if an interrupt is pending.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// Takes the pending interrupt. Returns `false` if there is none.
    pub(super) fn take(&self) -> bool {
        // ORDERING: Acquire, with the Release in interrupt.
        self.is_pending() && self.pending.swap(0, Ordering::Acquire) != 0
    }

    /// From now on interrupts do nothing.
    pub(super) fn retire(&self) {
        self.retired.store(1, Ordering::Relaxed);
    }
}
