//! Wakes that a task got and did not use, where others have the same role.

use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::Stream;
use shmring::{Config, Segment, WaitMode};

use crate::common::{LONG, eventually, watchdog};
use crate::stage::{Rx, Wakes, configs, mpmc, poll, ring, rx, tx};

/// Far above what a wake takes, and far below the 100 ms after which the reactor and sleepers look.
const SOON: Duration = Duration::from_millis(25);
/// The looks of a sleeper come after 2, 6, 14, 30, 62, 126 and 226 ms.
const ASLEEP: Duration = Duration::from_millis(136);
const ROUNDS: u32 = 8;

/// Waits until the reactor sleeps: a waker that finds nobody asleep goes on to the next waiter.
fn settle() {
    thread::sleep(Duration::from_millis(3));
}

/// How a task that was woken gives its wait up.
const WAYS: [&str; 3] = ["future", "stream", "handle"];

/// Catches a message that waits for the next look of the second consumer, since the first was woken
/// for it and dropped its future, or its handle, or uses the handle otherwise. The second is a
/// thread that sleeps, and another task.
#[test]
fn a_consumer_hands_off_the_wake_of_a_dropped_wait() {
    let _watchdog = watchdog("a_consumer_hands_off_the_wake_of_a_dropped_wait");
    for way in WAYS {
        for second_is_task in [false, true] {
            let soonest = (0..ROUNDS).map(|_| receive_after_drop(way, second_is_task)).min();
            assert!(soonest.unwrap() < SOON, "{way}, {second_is_task}: {soonest:?}");
        }
    }
}

/// Returns how long the second consumer took from the drop.
fn receive_after_drop(way: &str, second_is_task: bool) -> Duration {
    let segment = Segment::create_sealed("hand off", &mpmc()).unwrap();
    let (mut tx, mut first) = (tx(&segment), rx(&segment));
    let (wakes, waker) = Wakes::new();
    let (other_wakes, other_waker) = Wakes::new();
    let (done, is_done) = mpsc::channel();
    let mut second = segment.consumer().unwrap();
    second.set_wait_mode(WaitMode::Block);
    thread::scope(|scope| {
        // The one that armed first is woken first, or the other receives at once.
        let mut future = Box::pin(async {
            if way == "future" {
                first.recv().await.map(|_| ()).unwrap();
            } else {
                futures_util::StreamExt::next(&mut first).await.unwrap().unwrap();
            }
        });
        assert!(poll(future.as_mut(), &waker).is_pending());
        let mut second_task = None;
        if second_is_task {
            let mut second = second.into_async().unwrap();
            let mut second = Box::pin(async move { second.recv().await.unwrap() });
            assert!(poll(second.as_mut(), &other_waker).is_pending());
            second_task = Some(second);
            settle();
        } else {
            scope.spawn(move || {
                second.recv_timeout(LONG).unwrap();
                done.send(()).unwrap();
            });
            thread::sleep(ASLEEP);
        }
        tx.try_send(1).unwrap();
        let is_second = || other_wakes.count() > 0 || is_done.try_recv().is_ok();
        let second_was_first = eventually("a wake", || {
            (wakes.count() > 0).then_some(false).or_else(|| is_second().then_some(true))
        });
        let start = Instant::now();
        drop(future);
        match way {
            "future" => {}
            "stream" => match &mut first {
                Rx::Bytes(first) => drop(first.get_mut()),
                Rx::Values(_) => unreachable!(),
            },
            _ => drop(first),
        }
        if second_was_first {
            return LONG;
        }
        eventually("the hand-off", || is_second().then_some(()));
        if let Some(mut second) = second_task {
            assert_eq!(poll(second.as_mut(), &other_waker).map(|_| ()), Poll::Ready(()));
        }
        start.elapsed()
    })
}

/// Catches room that waits for the next look of the second producer, since the first was woken for
/// it and dropped its future.
#[test]
fn a_producer_hands_off_the_wake_of_a_dropped_wait() {
    let _watchdog = watchdog("a_producer_hands_off_the_wake_of_a_dropped_wait");
    for config in [mpmc(), Config::mpmc().slots(4).values::<u64>()] {
        let mut soonest = LONG;
        for _ in 0..ROUNDS {
            let (segment, mut first, mut rx) = ring(&config);
            let mut second = tx(&segment);
            let count = first.fill();
            let ((wakes, waker), (other_wakes, other_waker)) = (Wakes::new(), Wakes::new());
            let mut one = Box::pin(first.send(count));
            let mut other = Box::pin(second.send(count + 1));
            assert!(poll(one.as_mut(), &waker).is_pending());
            assert!(poll(other.as_mut(), &other_waker).is_pending());
            settle();
            assert_eq!(rx.try_recv(), Ok(0));
            let woken = || wakes.count() + other_wakes.count() > 0;
            eventually("a wake", || woken().then_some(()));
            if other_wakes.count() > 0 {
                continue;
            }
            let start = Instant::now();
            drop(one);
            eventually("the hand-off", || (other_wakes.count() > 0).then_some(()));
            soonest = soonest.min(start.elapsed());
            assert_eq!(poll(other.as_mut(), &other_waker), Poll::Ready(Ok(())));
        }
        assert!(soonest < SOON, "{soonest:?}");
    }
}

/// Catches a wake for two that ends with one: two messages come at once, and one is taken.
#[test]
fn a_task_that_takes_one_of_two_messages_wakes_another() {
    let _watchdog = watchdog("a_task_that_takes_one_of_two_messages_wakes_another");
    let mut soonest = LONG;
    for _ in 0..ROUNDS {
        let segment = Segment::create_sealed("two", &mpmc()).unwrap();
        let mut tx = segment.producer().unwrap();
        let mut all: Vec<_> =
            (0..2).map(|_| segment.consumer().unwrap().into_async().unwrap()).collect();
        let wakers: Vec<_> = (0..2).map(|_| Wakes::new()).collect();
        let mut waits: Vec<_> = all.iter_mut().map(|rx| Box::pin(rx.recv())).collect();
        for (wait, (_, waker)) in waits.iter_mut().zip(&wakers) {
            assert!(poll(wait.as_mut(), waker).is_pending());
        }
        settle();
        let start = Instant::now();
        tx.send_batch(&["one", "two"]).unwrap();
        let mut open = vec![0, 1];
        while !open.is_empty() {
            let next =
                eventually("a wake", || open.iter().position(|&index| wakers[index].0.count() > 0));
            let index = open.remove(next);
            assert!(poll(waits[index].as_mut(), &wakers[index].1).is_ready());
        }
        soonest = soonest.min(start.elapsed());
    }
    assert!(soonest < SOON, "{soonest:?}");
}

/// Catches a wake that comes by a look only, for each kind of ring and each side.
#[test]
fn tasks_are_woken_at_once() {
    let _watchdog = watchdog("tasks_are_woken_at_once");
    for config in configs() {
        let (_segment, mut tx, mut rx) = ring(&config);
        let (mut received, mut sent) = (LONG, LONG);
        for number in 0..u64::from(ROUNDS) {
            let (wakes, waker) = Wakes::new();
            assert!(Pin::new(&mut rx).poll_next(&mut Context::from_waker(&waker)).is_pending());
            let start = Instant::now();
            tx.try_send(number).unwrap();
            eventually("a wake", || (wakes.count() > 0).then_some(()));
            received = received.min(start.elapsed());
            assert_eq!(rx.try_recv(), Ok(number));
        }
        for _ in 0..ROUNDS {
            let count = tx.fill();
            let (wakes, waker) = Wakes::new();
            let mut send = pin!(tx.send(count));
            assert!(poll(send.as_mut(), &waker).is_pending());
            let start = Instant::now();
            while rx.try_recv().is_ok() {}
            eventually("a wake", || (wakes.count() > 0).then_some(()));
            sent = sent.min(start.elapsed());
            assert!(poll(send, &waker).is_ready());
            while rx.try_recv().is_ok() {}
        }
        assert!(received < SOON && sent < SOON, "{config:?}: {received:?}, {sent:?}");
    }
}

/// Catches one message that wakes all tasks that wait for one.
#[test]
fn one_message_wakes_one_task() {
    let _watchdog = watchdog("one_message_wakes_one_task");
    let mut fewest = u32::MAX;
    for _ in 0..ROUNDS {
        let segment = Segment::create_sealed("one", &mpmc()).unwrap();
        let mut tx = segment.producer().unwrap();
        let mut all: Vec<_> = (0..8).map(|_| rx(&segment)).collect();
        let (wakes, waker) = Wakes::new();
        let mut waits: Vec<_> = all.iter_mut().map(|rx| Box::pin(rx.recv())).collect();
        for wait in &mut waits {
            assert!(poll(wait.as_mut(), &waker).is_pending());
        }
        settle();
        tx.send(b"one").unwrap();
        eventually("a wake", || (wakes.count() > 0).then_some(()));
        thread::sleep(Duration::from_millis(10));
        // More if a look came in between, which finds the message for each of them.
        fewest = fewest.min(wakes.count());
    }
    assert_eq!(fewest, 1);
}

/// Catches a stream that has returned an item and is still armed: it would get the next wake, and
/// nothing waits for it.
#[test]
fn a_stream_that_returned_an_item_is_not_armed() {
    let _watchdog = watchdog("a_stream_that_returned_an_item_is_not_armed");
    let mut fewest = u32::MAX;
    for _ in 0..ROUNDS {
        let (segment, mut tx, one) = ring(&mpmc());
        let mut streams = [one, rx(&segment)];
        let wakers = [Wakes::new(), Wakes::new()];
        let next = |rx: &mut Rx, waker| Pin::new(rx).poll_next(&mut Context::from_waker(waker));
        for (stream, (_, waker)) in streams.iter_mut().zip(&wakers) {
            assert!(next(stream, waker).is_pending());
        }
        settle();
        tx.try_send(1).unwrap();
        let woken = eventually("a wake", || wakers.iter().position(|(wakes, _)| wakes.count() > 0));
        // The other one is faster, and its bit is still set.
        let other = 1 - woken;
        assert_eq!(next(&mut streams[other], &wakers[other].1), Poll::Ready(Some(Ok(1))));
        tx.try_send(2).unwrap();
        thread::sleep(Duration::from_millis(20));
        // A look may have woken it for the first one.
        fewest = fewest.min(wakers[other].0.count());
        assert_eq!(next(&mut streams[woken], &wakers[woken].1), Poll::Ready(Some(Ok(2))));
    }
    assert_eq!(fewest, 0);
}
