//! Jobs: taken by one worker, acknowledged or given back.

use std::thread;
use std::time::Duration;

use shmring::{
    Config, JoinError, RecvError, RecvTimeoutError, Segment, TryRecvError, TrySendError, Worker,
};

use crate::common::payload;

const SHORT: Duration = Duration::from_millis(20);
/// A bound for what would hang.
const LONG: Duration = Duration::from_secs(120);

fn segment(slots: u64, slot_bytes: u64) -> Segment {
    let config = Config::jobs().slots(slots).slot_bytes(slot_bytes);
    Segment::create_sealed("jobs", &config).unwrap()
}

/// Catches a job that comes out of order, twice or torn, of any length.
#[test]
fn acknowledged_jobs_come_once_and_in_order() {
    let segment = segment(16, 40);
    let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
    for round in 0..2000_u64 {
        let len = round as usize % (tx.max_message_bytes() + 1);
        tx.send(&payload(round, len)).unwrap();
        let job = worker.take_timeout(LONG).unwrap();
        assert_eq!((job.len(), job.attempts()), (len, 1));
        assert_eq!(job.to_vec(), payload(round, len));
        assert!(job.acknowledge());
    }
    assert_eq!(worker.try_take().unwrap_err(), TryRecvError::Empty);
    assert_eq!((worker.len(), tx.len()), (0, 0));
}

/// Catches a job that is lost or passed when it comes back, and one that counts wrong.
#[test]
fn a_job_that_is_given_back_comes_before_new_ones() {
    let segment = segment(8, 64);
    let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
    for number in 0..4 {
        tx.send(&payload(number, 20)).unwrap();
    }
    let first = worker.try_take().unwrap();
    let second = worker.try_take().unwrap();
    assert_eq!(worker.in_hand(), 2);
    let position = first.position();
    first.give_back();
    for attempt in 2..100 {
        let again = worker.try_take().unwrap();
        assert_eq!((again.position(), again.attempts()), (position, attempt));
        assert_eq!(again.to_vec(), payload(0, 20));
        drop(again);
    }
    assert!(second.acknowledge());
    for number in [0, 2, 3] {
        let job = worker.try_take().unwrap();
        assert_eq!(job.to_vec(), payload(number, 20));
        assert!(job.acknowledge());
    }
    assert_eq!(worker.try_take().unwrap_err(), TryRecvError::Empty);
}

/// Catches space that is reused while a job in it is in somebody's hands, and a producer that is
/// not told when it is free.
#[test]
fn the_oldest_job_in_hand_holds_the_ring_up() {
    let segment = segment(4, 64);
    let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
    for number in 0..4 {
        tx.send(&payload(number, 20)).unwrap();
    }
    let oldest = worker.try_take().unwrap();
    for _ in 1..4 {
        assert!(worker.try_take().unwrap().acknowledge());
    }
    assert_eq!(tx.try_send(b"more"), Err(TrySendError::Full));
    assert_eq!(oldest.to_vec(), payload(0, 20));
    thread::scope(|scope| {
        let sender = scope.spawn(move || tx.send_timeout(b"more", LONG));
        thread::sleep(SHORT);
        assert!(oldest.acknowledge());
        sender.join().unwrap().unwrap();
    });
    assert_eq!(worker.try_take().unwrap().to_vec(), b"more");
}

/// Catches a worker that takes more than it can note.
#[test]
fn a_worker_has_so_many_jobs_at_most() {
    let segment = segment(32, 64);
    let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
    for number in 0..20 {
        tx.send(&payload(number, 8)).unwrap();
    }
    let max = Worker::MAX_IN_HAND;
    let mut jobs: Vec<_> = (0..max).map(|_| worker.try_take().unwrap()).collect();
    assert_eq!(worker.try_take().unwrap_err(), TryRecvError::HandsFull { max });
    assert_eq!(worker.take().unwrap_err(), RecvError::HandsFull { max });
    assert!(jobs.swap_remove(3).acknowledge());
    let next = worker.try_take().unwrap();
    assert_eq!(next.to_vec(), payload(max as u64, 8));
}

/// Catches an end that comes while a job may come back, one that never comes, and a worker that
/// sleeps through it.
#[test]
fn the_stream_ends_when_all_jobs_are_acknowledged() {
    let segment = segment(8, 64);
    let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
    tx.send(b"one").unwrap();
    let held = worker.try_take().unwrap();
    drop(tx);
    let other = segment.worker().unwrap();
    assert_eq!(other.try_take().unwrap_err(), TryRecvError::WouldBlock);
    assert_eq!(other.take_timeout(SHORT).unwrap_err(), RecvTimeoutError::TimedOut);
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let job = other.take_timeout(LONG).unwrap();
            assert_eq!((job.to_vec(), job.attempts()), (b"one".to_vec(), 2));
            assert!(job.acknowledge());
            other.take_timeout(LONG).unwrap_err()
        });
        thread::sleep(SHORT);
        held.give_back();
        assert_eq!(waiting.join().unwrap(), RecvTimeoutError::Eof);
    });
    assert_eq!(worker.take().unwrap_err(), RecvError::Eof);
}

/// Catches a worker that sleeps through the end because another one brought it.
#[test]
fn the_last_acknowledgement_wakes_those_who_wait_for_the_end() {
    for _ in 0..20 {
        let segment = segment(8, 64);
        let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
        tx.send(b"one").unwrap();
        let held = worker.try_take().unwrap();
        drop(tx);
        thread::scope(|scope| {
            let other = segment.worker().unwrap();
            let waiting = scope.spawn(move || other.take_timeout(LONG).map(drop));
            thread::sleep(Duration::from_millis(2));
            assert!(held.acknowledge());
            assert_eq!(waiting.join().unwrap(), Err(RecvTimeoutError::Eof));
        });
    }
}

/// Catches a job that a worker takes with it when it leaves.
#[test]
fn jobs_of_a_worker_that_leaves_come_back() {
    let segment = segment(8, 64);
    let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
    tx.send_batch(&["one", "two"]).unwrap();
    let leaver = segment.worker().unwrap();
    std::mem::forget(leaver.try_take().unwrap());
    drop(leaver);
    let back = worker.take_timeout(LONG).unwrap();
    assert_eq!((back.to_vec(), back.attempts()), (b"one".to_vec(), 2));
}

/// Catches a job that two workers have, one that nobody gets, and a count of attempts that is not
/// that of the takes.
#[test]
fn each_job_is_acknowledged_once_by_one_of_many() {
    const JOBS: u64 = 20_000;
    let segment = segment(64, 32);
    let counts: Vec<_> = thread::scope(|scope| {
        for part in 0..2 {
            let mut tx = segment.producer().unwrap();
            scope.spawn(move || {
                for number in (part..JOBS).step_by(2) {
                    let len = if number % 7 == 0 { 100 } else { 9 };
                    let mut bytes = number.to_le_bytes().to_vec();
                    bytes.resize(len, number as u8);
                    tx.send_timeout(&bytes, LONG).unwrap();
                }
            });
        }
        let workers: Vec<_> = (0..3)
            .map(|number| {
                let worker = segment.worker().unwrap();
                scope.spawn(move || {
                    let (mut done, mut takes) = (Vec::new(), 0);
                    loop {
                        match worker.take_timeout(LONG) {
                            Ok(job) => {
                                takes += 1;
                                let bytes = job.to_vec();
                                let id = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                                assert!(bytes[8..].iter().all(|&byte| byte == id as u8));
                                if (id + takes + number) % 5 == 0 && job.attempts() < 9 {
                                    job.give_back();
                                } else {
                                    done.push((id, job.attempts()));
                                    assert!(job.acknowledge());
                                }
                            }
                            Err(error) => {
                                assert_eq!(error, RecvTimeoutError::Eof);
                                return (done, takes);
                            }
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let mut done: Vec<_> = counts.iter().flat_map(|(done, _)| done.clone()).collect();
    done.sort_unstable();
    assert!(done.iter().map(|(id, _)| *id).eq(0..JOBS));
    let attempts: u64 = done.iter().map(|(_, attempts)| attempts).sum();
    assert_eq!(attempts, counts.iter().map(|(_, takes)| takes).sum());
}

/// Catches a handle that does not fit the ring.
#[test]
fn only_workers_take_jobs() {
    let segment = segment(8, 64);
    assert!(matches!(segment.consumer(), Err(JoinError::WrongKind { .. })));
    let plain = Segment::create_sealed("plain", &Config::mpmc()).unwrap();
    assert!(matches!(plain.worker(), Err(JoinError::WrongKind { .. })));
}
