//! The reactor: one thread of a process that waits for all handles of its event loops.
//!
//! An event loop waits for descriptors, and a ring has none: its wakers move a word in the segment
//! and wake who sleeps on it. Where it can, the kernel sleeps on that word in the place of a thread,
//! and writes the eventfd of the handle when the word is woken (see [below](self#waits-of-the-kernel)).
//! Otherwise the reactor's thread sleeps on the park words of all handles that have a
//! [`Readiness`](crate::Readiness), with `futex_waitv`, and writes to the eventfd of a handle whose
//! wait is over. The thread starts with the first of them and ends with the last.
//!
//! # How an arm reaches the reactor without waking it
//! To arm, the caller's thread sets the handle's bit, orders and looks at the ring once more, as a
//! waiter does that is going to sleep. The reactor sleeps in its place, most often since before:
//! it waits for words of handles that are not armed too. All that both know of an entry is under
//! the entry's lock:
//!
//! ```text
//! arm      s = park word; set the bit; order; the ring is ready -> disarm, Ready
//!          armed = true, seen = s; the reactor waits at another value than s -> poke it
//! visit    armed, and the bit was taken -> disarm, write the eventfd
//!          it waits at v = seen if armed, else at v = park word
//! reactor  w = own word; visit all; sleep while each park word is v, and the own word is w
//! ```
//!
//! No wake is lost (I5). Let a waker take the bit that an arm set. It then moves the park word, so
//! that the word is never s again, and wakes a sleeper on it.
//!
//! - The reactor visits the entry after the arm: it finds the bit taken, or waits at v = s. The
//!   kernel compares the word before it sleeps, and so returns if the waker has moved it; else the
//!   waker finds the reactor asleep.
//! - The last visit was before the arm, and v = s: the same holds, as the reactor need not know that
//!   the entry is armed to be woken. Then it visits the entry.
//! - The last visit was before the arm, and v is not s: the arm moves the reactor's own word, from
//!   w or later. So the reactor does not sleep, or not on, and visits the entry.
//!
//! A visit looks at the ring itself only every [`LOOK`], for wakers that were killed before they woke
//! anybody: one message wakes one handle of those that share a role. More if the thread is awake: a waker that
//! finds nobody asleep takes the next bit.
//!
//! A published message whose waker saw no bit is seen by the look in arm; that is the work of the
//! order there. Where barriers are refused, the arm pokes the reactor, which looks again when
//! stores have settled.
//!
//! When nothing was armed for as long as [`LOOK`], the reactor says in all entries that it waits
//! for none, under their locks, and sleeps on its own word alone: the next arm pokes it.
//!
//! # Waits of the kernel
//! An entry with an eventfd has an `io_uring` of its own, in which the arm begins a wait for the park
//! word. Whoever wakes the word ends it, and writes the eventfd in the same system call. The thread
//! that armed notices nothing until it takes the end, at its next arm (`IORING_SETUP_DEFER_TASKRUN`).
//!
//! ```text
//! arm      mute; set the bit; order; the ring is ready -> disarm, Ready
//!          take the end of the wait before, or cancel it; unmute; begin a wait at s = park word
//!          the wait has ended -> mute, clear the eventfd, disarm, Ready
//! visit    armed: look at the ring every LOOK only; ready, or the bit was taken, and the wait has
//!          not ended -> mute, disarm, write the eventfd
//! ```
//!
//! No wake is lost (I5): the waker moves the word after it took the bit, then wakes. Either the kernel
//! finds the word moved as it begins the wait, and the wait ends at once, or the waker finds the wait.
//! No end is left over when a wait begins, so each end that is signaled is that of the arm. A wait is
//! muted while nothing is armed: the word is also that of blocking verbs of the handle. The reactor
//! does not wait for such an entry, and an arm need not wake it, unless it waits for nothing at all.
//!
//! The rings of the kernel belong to one thread each. An arm in another thread is the reactor's; see
//! [`KernelWait`](kernel::KernelWait).
//!
//! # Tasks
//! A wait can also be that of a task, whose waker the arm leaves in the entry. The reactor calls it
//! where it would write an eventfd.
//!
//! A blocking verb of the same handle sleeps on the same word, and a waker wakes one sleeper. A
//! visit of an entry that is not armed and whose word was moved passes that wake on.

mod entry;
mod kernel;
mod run;

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::endpoint::watch::Watch;
use crate::error::{Fault, ReadinessError};
use crate::memory::sentinel::Sentinel;
use crate::sync::{Ordering, WaitWord};
use crate::sys::event::Event;
use crate::sys::fork;
use crate::sys::thread::spawn;
use entry::{Entry, Outcome};

/// The time until the dead are looked for.
const LOOK: Duration = Duration::from_millis(100);
/// How long a sleep lasts that not every waker can end, while something is armed.
const POLL: Duration = Duration::from_millis(1);
/// The longest wait for the thread to let a removed entry go; it takes microseconds, or a look for
/// the dead.
const LET_GO: Duration = Duration::from_secs(1);

/// The running reactor. Only locked while forks are held off, so that no child finds it locked.
static RUNNING: Mutex<Option<Reactor>> = Mutex::new(None);

struct Reactor {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    /// Says whether the thread is one of the parent.
    sentinel: Sentinel,
}

/// What the thread shares with those who register.
#[derive(Debug)]
struct Shared {
    /// Empty once the thread is to end.
    entries: Mutex<Vec<Arc<Entry>>>,
    /// Notified when the thread has taken over the entries.
    taken_over: Condvar,
    /// The thread sleeps on it too. Private to this process.
    word: WaitWord,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Ends a sleep of the thread, or the next.
    fn poke(&self) {
        // ORDERING: Release, with the Acquire in run: what was changed before is seen by the
        // visits after it.
        self.word.add(1, Ordering::Release);
        self.word.wake();
    }
}

/// A handle that the reactor waits for, until this is dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    entry: Arc<Entry>,
    shared: Arc<Shared>,
}

impl Registered {
    /// Registers a handle, and starts the reactor if there is none.
    ///
    /// `event` is signaled at the end of each wait, where it is one of an event loop.
    pub(crate) fn new(
        watch: &Arc<Watch>,
        event: Option<Arc<Event>>,
    ) -> Result<Self, ReadinessError> {
        watch.mapped().attach().mapping().check()?;
        let entry = Arc::new(Entry::new(watch, event));
        let _forks = fork::hold().map_err(ReadinessError::Os)?;
        let mut running = lock(&RUNNING);
        if running.as_ref().is_some_and(|reactor| reactor.sentinel.is_forked()) {
            // The thread does not exist in a fork child, so its handle is not valid.
            mem::forget(running.take());
        }
        if let Some(reactor) = &*running {
            let shared = Arc::clone(&reactor.shared);
            lock(&shared.entries).push(Arc::clone(&entry));
            shared.poke();
            return Ok(Self { entry, shared });
        }
        let sentinel = Sentinel::new().map_err(ReadinessError::Os)?;
        let shared = Arc::new(Shared {
            entries: Mutex::new(vec![Arc::clone(&entry)]),
            taken_over: Condvar::new(),
            word: WaitWord::new(),
        });
        let thread = spawn("shmring-reactor", {
            let shared = Arc::clone(&shared);
            move || run::run(&shared)
        })
        .map_err(ReadinessError::Os)?;
        *running = Some(Reactor { shared: Arc::clone(&shared), thread, sentinel });
        Ok(Self { entry, shared })
    }

    /// Lets the descriptor become readable, or the task of `waker` be woken, once a verb would not
    /// find nothing. Returns `true` if it would not now.
    pub(crate) fn arm(&self, waker: Option<&Waker>) -> Result<bool, Fault> {
        if self.entry.is_forked() {
            return Err(Fault::Forked);
        }
        let outcome = self.entry.arm(waker)?;
        if outcome == Outcome::ArmedUnseen {
            self.shared.poke();
        }
        Ok(outcome == Outcome::Ready)
    }

    /// Takes an arm back, and pays what the handle owes.
    pub(crate) fn disarm(&self) {
        if !self.entry.is_forked() {
            self.entry.disarm();
        }
    }

    /// Makes the descriptor not readable.
    pub(crate) fn clear(&self) {
        if !self.entry.is_forked() {
            self.entry.clear();
        }
    }

    /// Lets the end of the wait that the handle is armed for wake the task of `waker`. Returns
    /// `false` if it is not armed.
    #[cfg(feature = "tokio")]
    pub(crate) fn set_waker(&self, waker: &Waker) -> bool {
        !self.entry.is_forked() && self.entry.set_waker(waker)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.entry.is_forked() {
            return;
        }
        self.entry.disarm();
        let (ended, is_here) = {
            // Where forks cannot be held off, no reactor was started.
            let _forks = fork::hold();
            let mut running = lock(&RUNNING);
            let here = thread::current().id();
            let is_here =
                running.as_ref().is_some_and(|reactor| reactor.thread.thread().id() == here);
            let mut entries = lock(&self.shared.entries);
            entries.retain(|entry| !Arc::ptr_eq(entry, &self.entry));
            (if entries.is_empty() { running.take() } else { None }, is_here)
        };
        self.shared.poke();
        if is_here {
            // The reactor woke a task, which ended. It lets the entry go when this has returned.
            return;
        }
        match ended {
            // A thread that panicked has ended as well.
            Some(reactor) => drop(reactor.thread.join()),
            // So that the segment is released when this returns.
            None => {
                let is_held = |_: &mut _| Arc::strong_count(&self.entry) > 1;
                let entries = lock(&self.shared.entries);
                drop(self.shared.taken_over.wait_timeout_while(entries, LET_GO, is_held));
            }
        }
    }
}
