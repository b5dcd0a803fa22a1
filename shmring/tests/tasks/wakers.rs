//! Wakers of other executors, which the reactor calls.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Instant;

use shmring::{Kind, RecvError};

use crate::common::{HANG, eventually, watchdog};
use crate::stage::{Wakes, configs, mpmc, poll, ring};

type Wait = Pin<Box<dyn Future<Output = Result<u64, RecvError>> + Send>>;

/// Ends its task when it is woken.
struct Ends(Mutex<Option<Wait>>);

impl Wake for Ends {
    fn wake(self: Arc<Self>) {
        let wait = self.0.lock().unwrap().take();
        drop(wait);
    }
}

/// Catches a reactor that waits for itself when a waker drops the handle: the only one, and one of
/// several.
#[test]
fn a_waker_may_drop_the_handle() {
    let _watchdog = watchdog("a_waker_may_drop_the_handle");
    for others in [0, 1] {
        let _others: Vec<_> = (0..others).map(|_| ring(&mpmc())).collect();
        for config in configs() {
            let (segment, mut tx, mut rx) = ring(&config);
            let task = Arc::new(Ends(Mutex::new(None)));
            let waker = Waker::from(Arc::clone(&task));
            let mut wait: Wait = Box::pin(async move { rx.recv().await });
            assert!(poll(wait.as_mut(), &waker).is_pending());
            *task.0.lock().unwrap() = Some(wait);
            let start = Instant::now();
            tx.try_send(1).unwrap();
            eventually("the end of the task", || {
                task.0.try_lock().is_ok_and(|task| task.is_none()).then_some(())
            });
            // The consumer is gone, and its message is left to the next.
            eventually("the end of the consumer", || {
                let joined = match segment.info().ring().element {
                    Some(_) => segment.value_consumer::<u64>().map(drop),
                    None => segment.consumer().map(drop),
                };
                joined.ok()
            });
            assert!(start.elapsed() < HANG / 2);
            // And the reactor serves others.
            let mut rx = crate::stage::rx(&segment);
            if segment.info().ring().kind == Kind::Broadcast {
                // A subscriber leaves nothing to the next.
                tx.try_send(1).unwrap();
            }
            let (wakes, waker) = Wakes::new();
            assert!(poll(pin!(rx.recv()), &waker).is_ready());
            assert!(poll(pin!(rx.recv()), &waker).is_pending());
            assert_eq!(wakes.count(), 0);
        }
    }
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("as an executor might"));
    }
}

/// Catches a reactor that a waker's panic ends.
#[test]
fn a_waker_that_panics_ends_no_other_wait() {
    let _watchdog = watchdog("a_waker_that_panics_ends_no_other_wait");
    let (_segment, mut tx, mut rx) = ring(&mpmc());
    let (_other_segment, mut other_tx, mut other_rx) = ring(&mpmc());
    let waker = Waker::from(Arc::new(Panics));
    let mut wait = pin!(rx.recv());
    assert!(poll(wait.as_mut(), &waker).is_pending());
    tx.try_send(1).unwrap();
    for number in 0..5 {
        let (wakes, waker) = Wakes::new();
        let mut wait = pin!(other_rx.recv());
        assert!(poll(wait.as_mut(), &waker).is_pending());
        other_tx.try_send(number).unwrap();
        eventually("a wake", || (wakes.count() == 1).then_some(()));
        assert!(poll(wait.as_mut(), &waker).is_ready());
    }
    let (_, waker) = Wakes::new();
    assert!(poll(wait, &waker).is_ready());
}
