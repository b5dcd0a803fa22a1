//! The futex, modelled: a lock around "compare and go to sleep", as the kernel
//! has one around its queue.

use std::panic::Location;

use loom::sync::{Condvar, Mutex};

use super::{AtomicU32, Deadline, Ordering, barrier, crash, trace};

/// A word that threads sleep on.
///
/// Like the kernel's, the lock orders a waker before the sleeper it woke, which
/// the interface does not promise: what must hold without a sleep is therefore
/// checked by models without one.
#[derive(Debug)]
pub(crate) struct WaitWord {
    word: AtomicU32,
    queue: Mutex<Queue>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    sleepers: usize,
    /// Sleepers that were woken and have not noticed yet.
    signals: usize,
    /// Whether waits return without a wake, as when a bounded sleep is over.
    slices_end: bool,
}

impl WaitWord {
    pub(crate) fn new(value: u32) -> Self {
        Self {
            word: AtomicU32::new(value),
            queue: Mutex::new(Queue::default()),
            woken: Condvar::new(),
        }
    }

    #[track_caller]
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.word.load(order)
    }

    #[track_caller]
    pub(crate) fn add(&self, value: u32, order: Ordering) -> u32 {
        self.word.fetch_add(value, order)
    }

    /// Sleeps until someone wakes this word; returns at once if it is not `seen`.
    #[track_caller]
    pub(crate) fn wait(&self, seen: u32, _until: Deadline) {
        crash::tick();
        let mut queue = self.queue.lock().expect("nobody dies in the kernel");
        let (value, caller) = (self.word.word.load(Ordering::Relaxed), Location::caller());
        if value != seen {
            trace::word(caller, &self.word, format_args!("no sleep: {value:#x}, not {seen:#x}"));
            return;
        }
        trace::word(caller, &self.word, format_args!("sleep at {seen:#x}"));
        if queue.slices_end {
            drop(queue);
            loom::thread::yield_now();
        } else {
            queue.sleepers += 1;
            queue = barrier::idle(|| {
                while queue.signals == 0 && !queue.slices_end {
                    queue = self.woken.wait(queue).expect("nobody dies in the kernel");
                }
                queue
            });
            queue.signals = queue.signals.saturating_sub(1);
            drop(queue);
        }
        trace::word(caller, &self.word, format_args!("end of sleep"));
        // Killed between the wake and its use.
        crash::tick();
    }

    /// Wakes one sleeper; how many were woken.
    #[track_caller]
    pub(crate) fn wake(&self) -> usize {
        crash::tick();
        let mut queue = self.queue.lock().expect("nobody dies in the kernel");
        let woken = queue.sleepers.min(1);
        trace::word(Location::caller(), &self.word, format_args!("wake: {woken} woken"));
        if queue.sleepers == 0 {
            return 0;
        }
        queue.sleepers -= 1;
        queue.signals += 1;
        self.woken.notify_one();
        1
    }

    /// Lets every sleep on this word end without a wake, now and from now on. For
    /// models in which a waker dies: callers bound every sleep for this case.
    pub(crate) fn end_slices(&self) {
        let mut queue = self.queue.lock().expect("nobody dies in the kernel");
        queue.slices_end = true;
        queue.sleepers = 0;
        self.woken.notify_all();
    }
}
