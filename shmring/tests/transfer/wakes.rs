//! How soon each wake comes. Every sleep has a bound, so a lost wake shows only in time: in
//! these tests a sleeper has slept for so long that its next check for dead peers is some 90 ms
//! off, and of several rounds the soonest counts.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use shmring::{
    Config, Consumer, Kind, Producer, RecvTimeoutError, Role, Segment, SendTimeoutError,
    TryRecvError, WaitMode,
};

use crate::common::{LONG, Name, SLOT_KINDS, broadcast, slots, watchdog};

/// The looks of a sleeper come after 2, 6, 14, 30, 62, 126 and 226 ms.
const ASLEEP: Duration = Duration::from_millis(136);
/// Far above what a wake takes, and far below what is left of the sleep.
const SOON: Duration = Duration::from_millis(25);
const ROUNDS: u32 = 5;

/// Lets everyone in `waits` wait for long, does `wake`, and says how long it took for the last
/// one to come back: at least once, that must be soon.
fn soon<H: Send>(
    what: &str,
    config: &Config,
    waiters: impl Fn(&Segment) -> Vec<H>,
    wait: impl Fn(&mut H) + Sync,
    mut wake: impl FnMut(&Segment),
) {
    let mut soonest = Duration::MAX;
    for _ in 0..ROUNDS {
        let name = Name::new();
        let here = name.create(config);
        let mut waiters = waiters(&Segment::attach(&name).unwrap());
        let (back, came_back) = mpsc::channel();
        std::thread::scope(|scope| {
            let count = waiters.len();
            for waiter in &mut waiters {
                let (wait, back) = (&wait, back.clone());
                scope.spawn(move || {
                    wait(waiter);
                    back.send(Instant::now()).unwrap();
                });
            }
            std::thread::sleep(ASLEEP);
            let start = Instant::now();
            wake(&here);
            let last = (0..count).map(|_| came_back.recv().unwrap()).max().unwrap();
            soonest = soonest.min(last - start);
        });
        if soonest < SOON {
            return;
        }
    }
    panic!("{what}: {soonest:?} at the soonest");
}

fn consumers(segment: &Segment, count: usize) -> Vec<Consumer> {
    let consumer = |_| {
        let mut rx = segment.consumer().unwrap();
        rx.set_wait_mode(WaitMode::Block);
        rx
    };
    (0..count).map(consumer).collect()
}

fn producers(segment: &Segment, count: usize) -> Vec<Producer> {
    let mut all: Vec<_> = (0..count).map(|_| segment.producer().unwrap()).collect();
    all.iter_mut().for_each(|tx| tx.set_wait_mode(WaitMode::Block));
    while all[0].try_send(&[0; 32]).is_ok() {}
    all
}

fn kinds() -> Vec<(Kind, Config)> {
    let slots = SLOT_KINDS.map(|kind| (kind, slots(kind, 4, 64)));
    let records = (Kind::Spsc, Config::spsc().capacity_bytes(4096));
    slots.into_iter().chain([records, (Kind::Broadcast, broadcast())]).collect()
}

/// Those whose producers wait where no consumer is there yet.
fn pipes() -> impl Iterator<Item = (Kind, Config)> {
    kinds().into_iter().filter(|&(kind, _)| kind != Kind::Broadcast)
}

/// Catches messages that wake no waiter, one or a batch.
#[test]
fn messages_wake_at_once() {
    let _watchdog = watchdog("messages_wake_at_once");
    for (_, config) in kinds() {
        for batch in [1, 2] {
            soon(
                &format!("{config:?}, {batch} messages"),
                &config,
                |segment| consumers(segment, 1),
                |rx| drop(rx.recv_timeout(LONG).unwrap()),
                |here| {
                    let mut tx = here.producer().unwrap();
                    if batch == 1 {
                        tx.send(b"x").unwrap();
                    } else {
                        tx.send_batch(&["x"; 2]).unwrap();
                    }
                    // Its end must not be what wakes.
                    std::mem::forget(tx);
                },
            );
        }
    }
}

/// Catches a wake for two that ends with one, whichever verb receives.
#[test]
fn a_batch_wakes_two_receivers() {
    let _watchdog = watchdog("a_batch_wakes_two_receivers");
    let verbs: [fn(&mut Consumer); 3] = [
        |rx| drop(rx.recv_timeout(LONG).unwrap()),
        |rx| assert_eq!(rx.recv_into_timeout(&mut [0; 1], LONG), Ok(1)),
        |rx| assert_eq!(rx.recv_batch_timeout(1, LONG, |_| ()), Ok(1)),
    ];
    for (index, verb) in verbs.into_iter().enumerate() {
        soon(
            &format!("receiving, verb {index}"),
            &slots(Kind::Mpmc, 4, 64),
            |segment| consumers(segment, 2),
            verb,
            |here| {
                let mut tx = here.producer().unwrap();
                tx.send_batch(&["x"; 2]).unwrap();
                std::mem::forget(tx);
            },
        );
    }
}

/// Catches room that wakes no waiter, and room for two that wakes one.
#[test]
fn room_wakes_at_once() {
    let _watchdog = watchdog("room_wakes_at_once");
    for (kind, config) in pipes() {
        for senders in if kind.shares(Role::Producer) { 1..=2 } else { 1..=1 } {
            soon(
                &format!("{config:?}, {senders} senders"),
                &config,
                |segment| producers(segment, senders),
                |tx| tx.send_timeout(&[1; 32], LONG).unwrap(),
                |here| {
                    let mut rx = here.consumer().unwrap();
                    assert_eq!(rx.recv_batch(2, |_| ()), Ok(2));
                    std::mem::forget(rx);
                },
            );
        }
    }
}

/// Catches room behind tombstones that wakes no waiter.
#[test]
fn tombstones_that_are_passed_wake_senders() {
    let _watchdog = watchdog("tombstones_that_are_passed_wake_senders");
    let tombstones = |segment: &Segment| {
        let tx = segment.producer().unwrap();
        let mut all: Vec<_> = (0..4).map(|_| tx.try_clone().unwrap()).collect();
        drop(all.iter_mut().map(|tx| tx.reserve(1).unwrap()).collect::<Vec<_>>());
        let mut sender = tx.try_clone().unwrap();
        sender.set_wait_mode(WaitMode::Block);
        vec![sender]
    };
    soon(
        "tombstones",
        &slots(Kind::Mpmc, 4, 64),
        tombstones,
        |tx| tx.send_timeout(b"x", LONG).unwrap(),
        |here| {
            let mut rx = here.consumer().unwrap();
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            std::mem::forget(rx);
        },
    );
}

/// Catches a last handle that goes, and a close, without a word to the other side.
#[test]
fn an_end_wakes_at_once() {
    let _watchdog = watchdog("an_end_wakes_at_once");
    for (kind, config) in kinds() {
        let receivers = if kind.shares(Role::Consumer) { 2 } else { 1 };
        let end = |rx: &mut Consumer| assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
        let all = |segment: &Segment| consumers(segment, receivers);
        soon("going", &config, all, end, |here| drop(here.producer().unwrap()));
        soon("closing", &config, all, end, Segment::close);
        if kind == Kind::Broadcast {
            continue;
        }
        let senders = if kind.shares(Role::Producer) { 2 } else { 1 };
        let all = |segment: &Segment| producers(segment, senders);
        let end = |expected| {
            move |tx: &mut Producer| assert_eq!(tx.send_timeout(&[1; 32], LONG), Err(expected))
        };
        let pipe = end(SendTimeoutError::BrokenPipe);
        soon("going", &config, all, pipe, |here| drop(here.consumer().unwrap()));
        soon("closing", &config, all, end(SendTimeoutError::Closed), Segment::close);
    }
}

/// Catches elements of a packed ring, room for them, and ends that wake no waiter.
#[test]
fn packed_rings_wake_at_once() {
    let _watchdog = watchdog("packed_rings_wake_at_once");
    let config = Config::packed::<u64>().slots(4);
    let consumer = |segment: &Segment| {
        let mut rx = segment.value_consumer::<u64>().unwrap();
        rx.set_wait_mode(WaitMode::Block);
        vec![rx]
    };
    let producer = |segment: &Segment| {
        let mut tx = segment.value_producer::<u64>().unwrap();
        tx.set_wait_mode(WaitMode::Block);
        tx.send_slice(&[0; 4]).unwrap();
        vec![tx]
    };
    for slice in [false, true] {
        soon(
            "elements",
            &config,
            consumer,
            |rx| assert!(rx.recv_timeout(LONG).is_ok()),
            |here| {
                let mut tx = here.value_producer::<u64>().unwrap();
                if slice {
                    tx.send_slice(&[1, 2]).unwrap()
                } else {
                    tx.send(&1).unwrap()
                }
                std::mem::forget(tx);
            },
        );
        soon(
            "room",
            &config,
            producer,
            |tx| tx.send_timeout(&1, LONG).unwrap(),
            |here| {
                let mut rx = here.value_consumer::<u64>().unwrap();
                let count = if slice { 2 } else { 1 };
                assert_eq!(rx.recv_slice(&mut [0; 2][..count]), Ok(count));
                std::mem::forget(rx);
            },
        );
    }
    soon(
        "going",
        &config,
        consumer,
        |rx| assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof)),
        |here| drop(here.value_producer::<u64>().unwrap()),
    );
    soon(
        "going",
        &config,
        producer,
        |tx| assert_eq!(tx.send_timeout(&1, LONG), Err(SendTimeoutError::BrokenPipe)),
        |here| drop(here.value_consumer::<u64>().unwrap()),
    );
}

/// Catches a refused join that wakes everybody: nothing was given up. A thread that sleeps
/// goes to sleep again for each wake.
#[test]
fn a_refused_join_wakes_no_waiter() {
    let _watchdog = watchdog("a_refused_join_wakes_no_waiter");
    let name = Name::new();
    let (here, _tx, mut rx) = name.pair(4096);
    rx.set_wait_mode(WaitMode::Block);
    let joins = 2000;
    let sleeps = std::thread::scope(|scope| {
        let sleeper = scope.spawn(move || {
            let before = sleeps_of_this_thread();
            assert_eq!(
                rx.recv_timeout(Duration::from_millis(500)),
                Err(RecvTimeoutError::TimedOut)
            );
            sleeps_of_this_thread() - before
        });
        std::thread::sleep(Duration::from_millis(50));
        for _ in 0..joins {
            assert!(here.producer().is_err());
        }
        sleeper.join().unwrap()
    });
    assert!(sleeps < joins / 20, "slept {sleeps} times");
}

/// How often this thread gave the CPU up to wait.
fn sleeps_of_this_thread() -> i64 {
    // SAFETY: a plain struct of integers, which the call fills.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
        usage.ru_nvcsw
    }
}
