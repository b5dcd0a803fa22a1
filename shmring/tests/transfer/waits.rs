//! Waiting in each mode, and what ends it. Threads stand for processes here: each side
//! has its own attach.

use std::sync::mpsc;
use std::time::Duration;

use shmring::{
    Config, Consumer, Producer, RecvError, Segment, SendError, SendTimeoutError, WaitMode,
};

use crate::common::{Name, SHORT, payload, watchdog};

const MODES: [WaitMode; 3] = [WaitMode::Spin, WaitMode::Adaptive, WaitMode::Block];

/// Two attaches to one ring of 4 KiB.
fn attaches(name: &Name) -> (Segment, Segment) {
    let first = name.create(&Config::spsc().capacity_bytes(4096));
    (first, Segment::attach(name).unwrap())
}

/// Lets `sleeper` wait in each mode, does `wake`, and returns what the sleeper got.
/// Whether it slept already depends on the machine; either way it must come back.
fn in_each_mode<H: Send + 'static, R: Send + 'static>(
    join: impl Fn(&Segment) -> H,
    set: impl Fn(&mut H, WaitMode),
    wait: impl Fn(&mut H) -> R + Send + Copy + 'static,
    mut wake: impl FnMut(Segment, Segment),
    check: impl Fn(R),
) {
    for mode in MODES {
        for pause in [Duration::ZERO, SHORT] {
            let name = Name::new();
            let (here, there) = attaches(&name);
            let mut handle = join(&there);
            set(&mut handle, mode);
            let (started, is_started) = mpsc::channel();
            let sleeper = std::thread::spawn(move || {
                started.send(()).unwrap();
                wait(&mut handle)
            });
            is_started.recv().unwrap();
            std::thread::sleep(pause);
            wake(here, there);
            check(sleeper.join().unwrap());
        }
    }
}

fn consumer(segment: &Segment) -> Consumer {
    segment.consumer().unwrap()
}

/// A producer whose ring is full.
fn full(segment: &Segment) -> Producer {
    let mut producer = segment.producer().unwrap();
    while producer.try_send(&[1; 1000]).is_ok() {}
    producer
}

/// Catches a message that wakes no waiter.
#[test]
fn a_message_ends_the_wait_for_one() {
    let _watchdog = watchdog("a_message_ends_the_wait_for_one");
    in_each_mode(
        consumer,
        Consumer::set_wait_mode,
        |rx| rx.recv(),
        |here, _| here.producer().unwrap().send(b"wake up").unwrap(),
        |received| assert_eq!(received.unwrap(), b"wake up"),
    );
}

/// Catches the first producer leaving without a wake.
#[test]
fn the_producers_going_ends_the_wait_for_a_message() {
    let _watchdog = watchdog("the_producers_going_ends_the_wait_for_a_message");
    in_each_mode(
        consumer,
        Consumer::set_wait_mode,
        |rx| rx.recv(),
        |here, _| drop(here.producer().unwrap()),
        |received| assert_eq!(received, Err(RecvError::Eof)),
    );
}

/// Catches a close that leaves the consumer asleep, by a producer and by the segment.
#[test]
fn a_close_ends_the_wait_for_a_message() {
    let _watchdog = watchdog("a_close_ends_the_wait_for_a_message");
    let mut by_segment = false;
    in_each_mode(
        consumer,
        Consumer::set_wait_mode,
        |rx| rx.recv(),
        |here, _| {
            by_segment = !by_segment;
            if by_segment { here.close() } else { here.producer().unwrap().close() }
        },
        |received| assert_eq!(received, Err(RecvError::Eof)),
    );
}

/// Catches room that wakes no waiter.
#[test]
fn room_ends_the_wait_for_it() {
    let _watchdog = watchdog("room_ends_the_wait_for_it");
    in_each_mode(
        full,
        Producer::set_wait_mode,
        |tx| tx.send(&[2; 2000]),
        |here, _| {
            let mut rx = here.consumer().unwrap();
            while rx.recv_timeout(Duration::from_secs(100)).unwrap() != [2; 2000] {}
        },
        |sent| assert_eq!(sent, Ok(())),
    );
}

/// Catches a consumer's going that leaves its producer asleep.
#[test]
fn the_consumers_going_ends_the_wait_for_room() {
    let _watchdog = watchdog("the_consumers_going_ends_the_wait_for_room");
    in_each_mode(
        full,
        Producer::set_wait_mode,
        |tx| tx.send(&[2; 2000]),
        |here, _| drop(here.consumer().unwrap()),
        |sent| assert_eq!(sent, Err(SendError::BrokenPipe)),
    );
}

/// Catches a close that leaves the producer asleep, by a consumer and by the segment.
#[test]
fn a_close_ends_the_wait_for_room() {
    let _watchdog = watchdog("a_close_ends_the_wait_for_room");
    let mut by_segment = false;
    in_each_mode(
        full,
        Producer::set_wait_mode,
        |tx| tx.send(&[2; 2000]),
        |here, _| {
            by_segment = !by_segment;
            if by_segment { here.close() } else { here.consumer().unwrap().close() }
        },
        |sent| assert_eq!(sent, Err(SendError::Closed)),
    );
}

/// Catches a timeout that is ignored, early, or that sends in part, in each mode.
#[test]
fn waits_end_at_their_timeout() {
    let _watchdog = watchdog("waits_end_at_their_timeout");
    for mode in MODES {
        let name = Name::new();
        let (here, _there) = attaches(&name);
        let (mut tx, mut rx) = (full(&here), here.consumer().unwrap());
        tx.set_wait_mode(mode);
        let used = here.status().unwrap().ring().used_bytes;
        let start = std::time::Instant::now();
        assert_eq!(tx.send_timeout(&[2; 2000], SHORT), Err(SendTimeoutError::TimedOut));
        assert!(start.elapsed() >= SHORT);
        assert_eq!(tx.send_timeout(&[2; 2000], Duration::ZERO), Err(SendTimeoutError::TimedOut));
        assert!(matches!(tx.reserve_timeout(2000, SHORT), Err(SendTimeoutError::TimedOut)));
        assert_eq!(here.status().unwrap().ring().used_bytes, used);
        // A timeout beyond the clock is none.
        while rx.try_recv().is_ok() {}
        tx.send_timeout(b"now", Duration::MAX).unwrap();
        assert_eq!(rx.recv_timeout(Duration::MAX).unwrap(), b"now");
    }
}

/// Catches a wake that is lost under load, which shows as a stall of a slice each, and
/// messages lost or reordered between two that wait for each other all the time.
#[test]
fn two_threads_in_any_modes_pass_all_messages() {
    let _watchdog = watchdog("two_threads_in_any_modes_pass_all_messages");
    const COUNT: u64 = 3000;
    for sending in MODES {
        for receiving in MODES {
            let name = Name::new();
            let (here, there) = attaches(&name);
            let (mut tx, mut rx) = (here.producer().unwrap(), there.consumer().unwrap());
            tx.set_wait_mode(sending);
            rx.set_wait_mode(receiving);
            let sender = std::thread::spawn(move || {
                for number in 0..COUNT {
                    tx.send(&payload(number, (number * 7 % 900) as usize)).unwrap();
                }
            });
            for number in 0..COUNT {
                let expected = payload(number, (number * 7 % 900) as usize);
                assert_eq!(rx.recv().unwrap(), expected, "{sending:?} {receiving:?}");
            }
            assert_eq!(rx.recv(), Err(RecvError::Eof));
            sender.join().unwrap();
        }
    }
}
