//! Waiting on packed rings in each mode, and what ends it. Threads stand for processes
//! here: each side has its own attach.

use std::time::{Duration, Instant};

use shmring::{Config, RecvError, RecvTimeoutError, Segment, SendTimeoutError, WaitMode, values};

use crate::common::{LONG, MODES, Name, SHORT, watchdog};

type Producer = values::Producer<[u32; 3]>;
type Consumer = values::Consumer<[u32; 3]>;

const ONE: [u32; 3] = [1, 2, 3];
const FOUR: [[u32; 3]; 4] = [ONE; 4];

fn attaches(name: &Name) -> (Segment, Segment) {
    let first = name.create(&Config::packed::<[u32; 3]>().slots(4));
    (first, Segment::attach(name).unwrap())
}

fn receive(mut rx: Consumer, mode: WaitMode, way: usize) -> Result<usize, RecvTimeoutError> {
    rx.set_wait_mode(mode);
    match way {
        0 => rx.recv_timeout(LONG).map(|element| assert_eq!(element, ONE)).map(|()| 1),
        1 => rx.recv_slice_timeout(&mut [[0; 3]; 9], LONG),
        _ => rx.peek_timeout(9, LONG).map(|ahead| ahead.len()),
    }
}

fn send(mut tx: Producer, mode: WaitMode, way: usize) -> Result<usize, SendTimeoutError> {
    tx.set_wait_mode(mode);
    match way {
        0 => tx.send_timeout(&ONE, LONG).map(|()| 1),
        1 => tx.send_slice_timeout(&FOUR[..2], LONG).map(|()| 2),
        _ => tx.reserve_timeout(9, LONG).map(|space| space.capacity()),
    }
}

fn full(segment: &Segment) -> Producer {
    let mut tx = segment.value_producer().unwrap();
    tx.send_slice(&FOUR).unwrap();
    tx
}

/// Catches an element, an end or a close that leaves the consumer asleep.
#[test]
fn whatever_ends_the_wait_for_an_element_wakes() {
    let _watchdog = watchdog("whatever_ends_the_wait_for_an_element_wakes");
    for mode in MODES {
        for way in 0..3 {
            for cause in ["element", "end", "close", "producer closes"] {
                let name = Name::new();
                let (here, there) = attaches(&name);
                let rx: Consumer = there.value_consumer().unwrap();
                std::thread::scope(|scope| {
                    let waiting = scope.spawn(move || receive(rx, mode, way));
                    std::thread::sleep(SHORT / 2);
                    if cause == "close" {
                        here.close();
                    } else {
                        let mut tx: Producer = here.value_producer().unwrap();
                        match cause {
                            "element" => tx.send(&ONE).unwrap(),
                            "end" => drop(tx),
                            _ => tx.close(),
                        }
                    }
                    let expected =
                        if cause == "element" { Ok(1) } else { Err(RecvTimeoutError::Eof) };
                    assert_eq!(waiting.join().unwrap(), expected, "{mode:?} {way} {cause}");
                });
            }
        }
    }
}

/// Catches room, a going or a close that leaves the producer asleep, and room for less
/// than a slice that lets it continue.
#[test]
fn whatever_ends_the_wait_for_space_wakes() {
    let _watchdog = watchdog("whatever_ends_the_wait_for_space_wakes");
    for mode in MODES {
        for way in 0..3 {
            for cause in ["room", "going", "close", "consumer closes"] {
                let name = Name::new();
                let (here, there) = attaches(&name);
                let tx = full(&there);
                std::thread::scope(|scope| {
                    let waiting = scope.spawn(move || send(tx, mode, way));
                    std::thread::sleep(SHORT / 2);
                    let expected = match cause {
                        "room" => Ok([1, 2, 1][way]),
                        "going" => Err(SendTimeoutError::BrokenPipe),
                        _ => Err(SendTimeoutError::Closed),
                    };
                    if cause == "close" {
                        here.close();
                        assert_eq!(waiting.join().unwrap(), expected);
                        return;
                    }
                    let mut rx: Consumer = here.value_consumer().unwrap();
                    match cause {
                        "room" => {
                            assert_eq!(rx.recv(), Ok(ONE));
                            if way == 1 {
                                std::thread::sleep(SHORT / 2);
                                assert!(!waiting.is_finished(), "there is room for one only");
                                rx.peek(1).unwrap().release();
                            }
                        }
                        "going" => drop(rx),
                        _ => rx.close(),
                    }
                    assert_eq!(waiting.join().unwrap(), expected, "{mode:?} {way} {cause}");
                });
            }
        }
    }
}

/// Catches a timeout that is ignored, early, or that sends in part, in each mode.
#[test]
fn waits_on_packed_rings_end_at_their_timeout() {
    let _watchdog = watchdog("waits_on_packed_rings_end_at_their_timeout");
    for mode in MODES {
        let name = Name::new();
        let (here, there) = attaches(&name);
        let (mut tx, mut rx) = (full(&here), there.value_consumer::<[u32; 3]>().unwrap());
        tx.set_wait_mode(mode);
        rx.set_wait_mode(mode);
        let start = Instant::now();
        assert_eq!(tx.send_timeout(&ONE, SHORT), Err(SendTimeoutError::TimedOut));
        assert!(start.elapsed() >= SHORT);
        assert_eq!(tx.send_slice_timeout(&FOUR, Duration::ZERO), Err(SendTimeoutError::TimedOut));
        assert_eq!(here.status().unwrap().ring().used_slots, Some(4));
        assert_eq!(rx.recv_slice_timeout(&mut [[0; 3]; 9], Duration::MAX), Ok(4));
        let start = Instant::now();
        assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
        assert!(start.elapsed() >= SHORT);
        assert_eq!(rx.recv_slice_timeout(&mut [[0; 3]; 9], SHORT), Err(RecvTimeoutError::TimedOut));
        assert!(matches!(rx.peek_timeout(1, Duration::ZERO), Err(RecvTimeoutError::TimedOut)));
        tx.send_timeout(&ONE, Duration::MAX).unwrap();
        assert_eq!(rx.recv_timeout(Duration::MAX), Ok(ONE));
    }
}

/// Catches a wake that is lost under load, and elements lost or reordered between two
/// that wait for each other all the time.
#[test]
fn two_threads_in_any_modes_pass_all_elements() {
    let _watchdog = watchdog("two_threads_in_any_modes_pass_all_elements");
    const COUNT: u32 = 5000;
    for sending in MODES {
        for receiving in MODES {
            let name = Name::new();
            let (here, there) = attaches(&name);
            let mut tx: Producer = here.value_producer().unwrap();
            let mut rx: Consumer = there.value_consumer().unwrap();
            tx.set_wait_mode(sending);
            rx.set_wait_mode(receiving);
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let mut number = 0;
                    while number < COUNT {
                        let count = (1 + number % 4).min(COUNT - number);
                        let some: Vec<_> = (number..number + count).map(|n| [n, !n, n]).collect();
                        tx.send_slice(&some).unwrap();
                        number += count;
                    }
                });
                let (mut number, mut some) = (0, [[0; 3]; 3]);
                while number < COUNT {
                    let count = rx.recv_slice(&mut some).unwrap();
                    for element in &some[..count] {
                        assert_eq!(*element, [number, !number, number]);
                        number += 1;
                    }
                }
                assert_eq!(rx.recv(), Err(RecvError::Eof), "{sending:?} {receiving:?}");
            });
        }
    }
}
