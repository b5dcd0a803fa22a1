//! The futex, modelled: a lock around "compare and go to sleep", as the kernel
//! has one around its queue.

use std::panic::Location;
use std::sync::Arc;

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
    /// Sleepers of several words at once, in the order in which they came.
    of_many: Vec<Arc<Many>>,
    /// Whether waits return without a wake, as when a bounded sleep is over.
    slices_end: bool,
}

/// A thread that sleeps on several words.
#[derive(Debug)]
struct Many {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Many {
    fn wake(&self) {
        *self.is_woken.lock().expect("nobody dies in the kernel") = true;
        self.woken.notify_one();
    }
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

    /// Sleeps until someone wakes one of `words`; returns at once if one is not what it was seen
    /// as. As the kernel does: compares and queues up one word after the other, and until it has
    /// left all queues may be woken, and counted, once by each.
    #[track_caller]
    pub(crate) fn wait_any<'a>(words: impl Iterator<Item = (&'a Self, u32)>, _until: Deadline) {
        let words: Vec<_> = words.collect();
        crash::tick();
        let many = Arc::new(Many { is_woken: Mutex::new(false), woken: Condvar::new() });
        let may_sleep = words.iter().all(|(word, seen)| {
            let mut queue = word.queue.lock().expect("nobody dies in the kernel");
            let value = word.word.word.load(Ordering::Relaxed);
            let queues = value == *seen && !queue.slices_end;
            if queues {
                queue.of_many.push(Arc::clone(&many));
            }
            let what = if queues { "queue up" } else { "no sleep" };
            trace::word(
                Location::caller(),
                &word.word,
                format_args!("{what} at {value:#x}, seen {seen:#x}"),
            );
            queues
        });
        if may_sleep {
            let mut is_woken = many.is_woken.lock().expect("nobody dies in the kernel");
            if !*is_woken {
                barrier::idle(|| {
                    while !*is_woken {
                        is_woken = many.woken.wait(is_woken).expect("nobody dies in the kernel");
                    }
                });
            }
        } else {
            loom::thread::yield_now();
        }
        for (word, _) in words {
            let mut queue = word.queue.lock().expect("nobody dies in the kernel");
            queue.of_many.retain(|other| !Arc::ptr_eq(other, &many));
        }
        trace::event(Some(Location::caller()), "end of sleep on many");
        // Killed between the wake and its use.
        crash::tick();
    }

    /// Wakes all sleepers; how many were woken.
    #[track_caller]
    pub(crate) fn wake(&self) -> usize {
        crash::tick();
        let mut queue = self.queue.lock().expect("nobody dies in the kernel");
        let woken = queue.sleepers + queue.of_many.len();
        trace::word(Location::caller(), &self.word, format_args!("wake: {woken} woken"));
        queue.of_many.drain(..).for_each(|many| many.wake());
        if queue.sleepers > 0 {
            queue.signals += queue.sleepers;
            queue.sleepers = 0;
            self.woken.notify_all();
        }
        woken
    }

    /// Lets every sleep on this word end without a wake, now and from now on. For
    /// models in which a waker dies: callers bound every sleep for this case.
    pub(crate) fn end_slices(&self) {
        let mut queue = self.queue.lock().expect("nobody dies in the kernel");
        queue.slices_end = true;
        queue.sleepers = 0;
        queue.of_many.drain(..).for_each(|many| many.wake());
        self.woken.notify_all();
    }
}
