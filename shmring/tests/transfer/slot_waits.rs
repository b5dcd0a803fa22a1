//! Several waiters on one slot ring, and what wakes them. Threads stand for processes
//! here: the two sides have their own attaches.

use std::time::{Duration, Instant};

use shmring::{
    Consumer, Kind, Message, Producer, RecvError, RecvTimeoutError, Role, Segment,
    SendTimeoutError, TryRecvError, WaitMode,
};

use crate::common::{LONG, MODES, Name, SHORT, SLOT_KINDS, slots, watchdog};

/// Lets as many wait as may have the role, up to three, in each mode, and does `wake`.
/// Whether they slept already depends on the machine; either way all must come back.
fn wake_all<H: Send, R: Send>(
    kind: Kind,
    role: Role,
    join: impl Fn(&Segment) -> H,
    wait: impl Fn(H, WaitMode) -> R + Copy + Send,
    wake: impl Fn(&Segment),
    check: impl Fn(R),
) {
    for mode in MODES {
        for pause in [Duration::ZERO, SHORT] {
            let name = Name::new();
            let here = name.create(&slots(kind, 4, 64));
            let there = Segment::attach(&name).unwrap();
            let count = if kind.shares(role) { 3 } else { 1 };
            let handles: Vec<H> = (0..count).map(|_| join(&there)).collect();
            std::thread::scope(|scope| {
                let waiting: Vec<_> = handles
                    .into_iter()
                    .map(|handle| scope.spawn(move || wait(handle, mode)))
                    .collect();
                std::thread::sleep(pause);
                wake(&here);
                waiting.into_iter().for_each(|thread| check(thread.join().unwrap()));
            });
        }
    }
}

fn receive(mut rx: Consumer, mode: WaitMode) -> Result<Vec<u8>, RecvTimeoutError> {
    rx.set_wait_mode(mode);
    rx.recv_timeout(LONG)
}

fn send(mut tx: Producer, mode: WaitMode) -> Result<(), SendTimeoutError> {
    tx.set_wait_mode(mode);
    tx.send_timeout(b"last", LONG)
}

fn consumer(segment: &Segment) -> Consumer {
    segment.consumer().unwrap()
}

/// A producer of a full ring.
fn full(segment: &Segment) -> Producer {
    let mut tx = segment.producer().unwrap();
    while tx.try_send(b"full").is_ok() {}
    tx
}

/// Catches a message that wakes no waiter, and a batch that wakes only as many as it has
/// messages less one: a woken waiter hands off the wake.
#[test]
fn messages_wake_as_many_consumers() {
    let _watchdog = watchdog("messages_wake_as_many_consumers");
    for kind in SLOT_KINDS {
        let messages = vec!["x"; if kind.shares(Role::Consumer) { 3 } else { 1 }];
        for batch in [true, false] {
            wake_all(
                kind,
                Role::Consumer,
                consumer,
                receive,
                |here| {
                    let mut tx = here.producer().unwrap();
                    if batch {
                        tx.send_batch(&messages).unwrap();
                    } else {
                        messages.iter().for_each(|message| tx.send(message.as_bytes()).unwrap());
                    }
                    // Its end must not be what wakes the rest.
                    std::mem::forget(tx);
                },
                |received| assert_eq!(received.unwrap(), b"x"),
            );
        }
    }
}

/// Catches a going, without a word, of the last producer that leaves a consumer asleep.
#[test]
fn the_last_producers_going_wakes_every_consumer() {
    let _watchdog = watchdog("the_last_producers_going_wakes_every_consumer");
    for kind in SLOT_KINDS {
        let wake = |here: &Segment| {
            let tx = here.producer().unwrap();
            let other = tx.try_clone();
            drop((tx, other));
        };
        let check = |received| assert_eq!(received, Err(RecvTimeoutError::Eof));
        wake_all(kind, Role::Consumer, consumer, receive, wake, check);
    }
}

/// Catches a close that leaves someone asleep, on either side.
#[test]
fn a_close_wakes_everyone() {
    let _watchdog = watchdog("a_close_wakes_everyone");
    for kind in SLOT_KINDS {
        let check = |received| assert_eq!(received, Err(RecvTimeoutError::Eof));
        wake_all(kind, Role::Consumer, consumer, receive, Segment::close, check);
        let check = |sent| assert_eq!(sent, Err(SendTimeoutError::Closed));
        wake_all(kind, Role::Producer, full, send, Segment::close, check);
        let check = |sent| assert_eq!(sent, Err(SendTimeoutError::Closed));
        let wake = |here: &Segment| here.consumer().unwrap().close();
        wake_all(kind, Role::Producer, full, send, wake, check);
    }
}

/// Catches room that wakes no waiter, and room for several that wakes one.
#[test]
fn room_wakes_as_many_producers() {
    let _watchdog = watchdog("room_wakes_as_many_producers");
    for kind in SLOT_KINDS {
        for batch in [true, false] {
            let wake = |here: &Segment| {
                let mut rx = here.consumer().unwrap();
                let check = |message: &Message<'_>| assert_eq!(message.to_vec(), b"full");
                if batch {
                    assert_eq!(rx.recv_batch(3, check), Ok(3));
                } else {
                    (0..3).for_each(|_| assert_eq!(rx.recv_batch(1, check), Ok(1)));
                }
                // Its going must not be what wakes the rest.
                std::mem::forget(rx);
            };
            wake_all(kind, Role::Producer, full, send, wake, |sent| assert_eq!(sent, Ok(())));
        }
    }
}

/// Catches a going of the last consumer that leaves a producer asleep.
#[test]
fn the_last_consumers_going_wakes_every_producer() {
    let _watchdog = watchdog("the_last_consumers_going_wakes_every_producer");
    for kind in SLOT_KINDS {
        let wake = |here: &Segment| {
            let rx = here.consumer().unwrap();
            let other = rx.try_clone();
            drop((rx, other));
        };
        let check = |sent| assert_eq!(sent, Err(SendTimeoutError::BrokenPipe));
        wake_all(kind, Role::Producer, full, send, wake, check);
    }
}

/// Catches a producer that waits for room for many and swallows the wakes of those that
/// wait for room for one.
#[test]
fn those_that_wait_for_less_are_not_held_up() {
    let _watchdog = watchdog("those_that_wait_for_less_are_not_held_up");
    for mode in MODES {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(Kind::Mpmc, 4, 64));
        let mut greedy = segment.producer().unwrap();
        (0..4).for_each(|_| tx.send(b"full").unwrap());
        greedy.set_wait_mode(mode);
        tx.set_wait_mode(mode);
        std::thread::scope(|scope| {
            let all = scope.spawn(move || greedy.send_batch_timeout(&["greedy"; 4], LONG));
            std::thread::sleep(SHORT / 2);
            let one = scope.spawn(move || tx.send_timeout(b"modest", LONG));
            std::thread::sleep(SHORT / 2);
            assert_eq!(rx.recv().unwrap(), b"full");
            assert_eq!(one.join().unwrap(), Ok(()));
            for expected in ["full", "full", "full", "modest"] {
                assert_eq!(rx.recv_timeout(LONG).unwrap(), expected.as_bytes());
            }
            assert_eq!(all.join().unwrap(), Ok(()));
            assert_eq!(rx.recv_batch(9, |_| ()), Ok(4));
        });
    }
}

/// Catches a timeout that is ignored, early, or that sends in part, in each mode.
#[test]
fn waits_end_at_their_timeout_on_each_kind() {
    let _watchdog = watchdog("waits_end_at_their_timeout_on_each_kind");
    for kind in SLOT_KINDS {
        for mode in MODES {
            let name = Name::new();
            let here = name.create(&slots(kind, 4, 64));
            let (mut tx, mut rx) = (full(&here), here.consumer().unwrap());
            tx.set_wait_mode(mode);
            rx.set_wait_mode(mode);
            let start = Instant::now();
            assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendTimeoutError::TimedOut));
            assert!(start.elapsed() >= SHORT);
            assert_eq!(tx.send_timeout(b"x", Duration::ZERO), Err(SendTimeoutError::TimedOut));
            assert!(matches!(tx.reserve_timeout(1, SHORT), Err(SendTimeoutError::TimedOut)));
            let batch = tx.send_batch_timeout(&["x"; 4], SHORT);
            assert_eq!(batch, Err(SendTimeoutError::TimedOut));
            assert_eq!(here.status().unwrap().ring().used_slots, Some(4));
            // A timeout beyond the clock is none.
            while rx.try_recv().is_ok() {}
            tx.send_timeout(b"now", Duration::MAX).unwrap();
            assert_eq!(rx.recv_timeout(Duration::MAX).unwrap(), b"now");
            assert_eq!(rx.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::TimedOut));
            if kind.shares(Role::Producer) {
                // Behind a ticket that is not committed in time.
                let mut slow = tx.try_clone().unwrap();
                let reservation = slow.reserve(1).unwrap();
                tx.send(b"behind").unwrap();
                let start = Instant::now();
                assert_eq!(
                    rx.recv_timeout(SHORT),
                    Err(RecvTimeoutError::TimedOut),
                    "{kind} {mode:?}"
                );
                assert!(start.elapsed() >= SHORT);
                assert_eq!(rx.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::TimedOut));
                assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock));
                drop(reservation);
                assert_eq!(rx.recv().unwrap(), b"behind");
            }
        }
    }
}

/// Catches a wake that is lost under load, and messages that are lost, doubled or
/// reordered between many that wait for each other all the time, in mixed modes.
#[test]
fn threads_in_any_modes_pass_all_messages() {
    let _watchdog = watchdog("threads_in_any_modes_pass_all_messages");
    const COUNT: u64 = 2000;
    for kind in SLOT_KINDS {
        for slot_count in [1, 2, 16] {
            for shift in 0..3 {
                let name = Name::new();
                let here = name.create(&slots(kind, slot_count, 32));
                let there = Segment::attach(&name).unwrap();
                let many = |role| if kind.shares(role) { 3 } else { 1 };
                let consumers: Vec<_> =
                    (0..many(Role::Consumer)).map(|_| consumer(&there)).collect();
                let producers: Vec<_> =
                    (0..many(Role::Producer)).map(|_| here.producer().unwrap()).collect();
                let senders = producers.len();
                let mut numbers: Vec<Vec<u64>> = vec![Vec::new(); senders];
                std::thread::scope(|scope| {
                    for (sender, mut tx) in producers.into_iter().enumerate() {
                        scope.spawn(move || {
                            tx.set_wait_mode(MODES[sender % 3]);
                            for number in 0..COUNT {
                                let words = [sender as u64, number];
                                tx.send(bytemuck::bytes_of(&words)).unwrap();
                            }
                        });
                    }
                    let receive = move |(index, mut rx): (usize, Consumer)| {
                        rx.set_wait_mode(MODES[(index + shift) % 3]);
                        let mut mine: Vec<Vec<u64>> = vec![Vec::new(); senders];
                        let mut words = [0_u64; 2];
                        while rx.recv_into(bytemuck::bytes_of_mut(&mut words)).is_ok() {
                            mine[words[0] as usize].push(words[1]);
                        }
                        assert_eq!(rx.recv(), Err(RecvError::Eof));
                        assert!(mine.iter().all(|numbers| numbers.is_sorted()), "out of order");
                        mine
                    };
                    let receiving: Vec<_> = consumers
                        .into_iter()
                        .enumerate()
                        .map(|consumer| scope.spawn(move || receive(consumer)))
                        .collect();
                    for thread in receiving {
                        for (all, mine) in numbers.iter_mut().zip(thread.join().unwrap()) {
                            all.extend(mine);
                        }
                    }
                });
                for all in &mut numbers {
                    all.sort_unstable();
                    assert!(all.iter().copied().eq(0..COUNT), "{kind} {slot_count} {shift}");
                }
            }
        }
    }
}
