//! Sleeps that only a wake ends: the dead are looked for after an hour.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent};

use super::{Key, Look, WaitSet};
use crate::sync::Deadline;
use crate::{Config, Consumer, Producer, Segment, TryRecvError};

const HOUR: Duration = Duration::from_secs(3600);
/// A wake that takes longer is a lost one.
const HANG: Duration = Duration::from_secs(20);
/// Time for a thread to fall asleep. Without it a test sees less, and passes.
const ASLEEP: Duration = Duration::from_millis(2);

/// A set, and a ring for each of its handles.
struct Rings {
    set: WaitSet,
    keys: Vec<Key>,
    txs: Vec<Producer>,
    rxs: Vec<Consumer>,
}

/// How the kernel is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Stands,
    RefusesStanding,
}

fn rings(count: usize, kernel: Kernel) -> Rings {
    let mut set = WaitSet::new();
    set.sleeper.may_stand = kernel == Kernel::Stands;
    set.look = Look { interval: HOUR, due: Deadline::after(HOUR) };
    let config = Config::spsc().capacity_bytes(4096);
    let segment = || Segment::create_sealed("set", &config).unwrap();
    let segments: Vec<_> = (0..count).map(|_| segment()).collect();
    let txs = segments.iter().map(|segment| segment.producer().unwrap()).collect();
    let rxs: Vec<_> = segments.iter().map(|segment| segment.consumer().unwrap()).collect();
    let keys = rxs.iter().map(|rx| set.add(rx)).collect();
    Rings { set, keys, txs, rxs }
}

/// Waits for what only a wake can tell of in time: the end of the time is a look at all, too.
fn wait(set: &mut WaitSet) -> Vec<Key> {
    let start = Instant::now();
    let ready = set.wait(Some(HANG)).unwrap().collect();
    assert!(start.elapsed() < HANG / 2, "a wake was lost");
    ready
}

impl Rings {
    fn wait(&mut self) -> Vec<Key> {
        wait(&mut self.set)
    }

    /// Sends to a ring while the set sleeps, and takes what the set finds.
    fn wake(&mut self, index: usize) {
        let Self { set, keys, txs, rxs } = self;
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(ASLEEP);
                txs[index].send(b"wake").unwrap();
            });
            assert_eq!(wait(set), [keys[index]]);
        });
        assert_eq!(rxs[index].try_recv().unwrap(), b"wake");
    }
}

fn each(counts: &[usize], mut test: impl FnMut(Rings)) {
    for &count in counts {
        for kernel in [Kernel::Stands, Kernel::RefusesStanding] {
            test(rings(count, kernel));
        }
    }
}

/// Catches a word that is not slept on, in the first sleep or after others, and a bit that counts
/// as set when a waker has taken it.
#[test]
fn a_message_to_any_ring_ends_the_sleep() {
    each(&[1, 3, 12, 140], |mut rings| {
        let count = rings.keys.len();
        for round in 0..30 {
            rings.wake(round * 7 % count);
        }
    });
}

/// Catches a message that came between two waits, beside one that is found without a sleep, or to
/// a ring whose message was not taken.
#[test]
fn messages_between_waits_are_found() {
    each(&[3, 12], |mut rings| {
        rings.wake(0);
        for round in 0..30 {
            let (first, second) = (round % 3, (round + 1) % 3);
            rings.txs[first].send(b"first").unwrap();
            assert_eq!(rings.wait(), [rings.keys[first]]);
            rings.txs[second].send(b"second").unwrap();
            let mut both = [rings.keys[first], rings.keys[second]];
            both.sort();
            assert_eq!(rings.wait(), both, "the first was not taken");
            assert_eq!(rings.rxs[first].try_recv().unwrap(), b"first");
            assert_eq!(rings.wait(), [rings.keys[second]]);
            assert_eq!(rings.rxs[second].try_recv().unwrap(), b"second");
            let ready = rings.set.wait(Some(Duration::ZERO)).unwrap().next();
            assert_eq!(ready, None);
        }
    });
}

/// Catches a set that relies on a bit which a verb of the handle has taken back, and one that
/// takes the wake of such a verb.
#[test]
fn verbs_that_block_are_woken_beside_a_set() {
    each(&[3, 12], |mut rings| {
        for round in 0..6 {
            rings.wake(0);
            let (tx, rx) = (&mut rings.txs[1], &mut rings.rxs[1]);
            if round % 2 == 0 {
                assert!(rx.recv_timeout(ASLEEP).is_err());
            } else {
                thread::scope(|scope| {
                    scope.spawn(|| {
                        thread::sleep(ASLEEP);
                        tx.send(b"verb").unwrap();
                    });
                    assert_eq!(rx.recv_timeout(HANG).unwrap(), b"verb");
                });
            }
            rings.wake(1);
        }
    });
}

/// Catches waits that end with the thread which began them, or that another thread relies on.
#[test]
fn a_set_may_wait_in_one_thread_after_another() {
    each(&[3, 12], |mut rings| {
        for _ in 0..3 {
            rings.wake(1);
            rings = thread::spawn(move || {
                rings.wake(2);
                rings
            })
            .join()
            .unwrap();
            rings.wake(0);
        }
    });
}

/// Catches a wake that is used up by a wait which stands in a set that does not wait.
#[test]
fn two_sets_may_wait_for_the_same_handles_in_turn() {
    each(&[3, 12], |mut rings| {
        let mut other = WaitSet::new();
        other.sleeper.may_stand = rings.set.sleeper.may_stand;
        let keys = rings.rxs.iter().map(|rx| other.add(rx)).collect();
        other.look = Look { interval: HOUR, due: Deadline::after(HOUR) };
        let mut other = (other, keys);
        for index in [0, 1, 1, 2, 0, 1] {
            rings.wake(index);
            std::mem::swap(&mut rings.set, &mut other.0);
            std::mem::swap(&mut rings.keys, &mut other.1);
        }
    });
}

/// Catches a handle that was removed or dropped and is slept on, and others that are not after it.
#[test]
fn handles_come_and_go_between_sleeps() {
    each(&[6, 12], |mut rings| {
        for _ in 0..5 {
            rings.wake(2);
            assert!(rings.set.remove(rings.keys.remove(1)));
            let (tx, rx) = (rings.txs.remove(1), rings.rxs.remove(1));
            rings.wake(1);
            rings.keys.push(rings.set.add(&rx));
            rings.txs.push(tx);
            rings.rxs.push(rx);
            rings.wake(rings.keys.len() - 1);
        }
        // The ends of the dropped rings are no longer looked at.
        rings.keys.truncate(2);
        rings.rxs.truncate(2);
        rings.txs.truncate(2);
        rings.wake(1);
        assert_eq!(rings.set.len(), 2);
        drop(rings.txs.remove(0));
        assert_eq!(rings.wait(), [rings.keys[0]]);
        assert_eq!(rings.rxs[0].try_recv(), Err(TryRecvError::Eof));
    });
}

/// Catches an interrupt that does not end a sleep, in the first or after others.
#[test]
fn an_interrupt_ends_the_sleep() {
    each(&[3, 12], |mut rings| {
        let interrupter = rings.set.interrupter();
        for _ in 0..5 {
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(ASLEEP);
                    interrupter.interrupt();
                });
                assert!(rings.set.wait(Some(HANG)).is_err());
            });
            rings.wake(1);
        }
    });
}

/// Catches messages that the kernel tells of only after others were taken.
#[test]
fn all_that_came_before_a_sleep_is_found() {
    each(&[140, 300], |mut rings| {
        rings.wake(0);
        for _ in 0..3 {
            // So that each bit is left set.
            assert_eq!(rings.set.wait(Some(ASLEEP)).unwrap().next(), None);
            for tx in &mut rings.txs {
                tx.send(b"before").unwrap();
            }
            assert_eq!(rings.wait(), rings.keys);
            for rx in &mut rings.rxs {
                assert_eq!(rx.try_recv().unwrap(), b"before");
            }
        }
    });
}

/// Catches a wake that ends a system call which has nothing to do with the set.
#[test]
fn a_wake_interrupts_no_other_system_call() {
    let mut rings = rings(12, Kernel::Stands);
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    for _ in 0..5 {
        rings.wake(0);
        // So that each bit is left set.
        assert_eq!(rings.set.wait(Some(ASLEEP)).unwrap().next(), None);
        let tx = &mut rings.txs[1];
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(ASLEEP);
                tx.send(b"wake").unwrap();
            });
            let events = &mut [EpollEvent::empty()];
            assert_eq!(epoll.wait(events, 20_u8), Ok(0));
        });
        assert_eq!(rings.wait(), [rings.keys[1]]);
        assert_eq!(rings.rxs[1].try_recv().unwrap(), b"wake");
    }
}

/// Catches a fork child that writes to the queue which it shares with its parent, over what the
/// parent writes there.
#[test]
fn a_fork_child_ends_no_wait_of_its_parent() {
    let mut rings = rings(12, Kernel::Stands);
    assert_eq!(rings.set.wait(Some(ASLEEP)).unwrap().next(), None);
    let Some(standing) = &mut rings.set.sleeper.standing else {
        // The kernel refuses it: there is nothing to share.
        return;
    };
    standing.set_forked();
    for &key in &rings.keys {
        assert!(rings.set.remove(key));
    }
    let queued = rings.set.sleeper.standing.as_mut().map(|standing| standing.queued());
    assert_eq!(queued, Some(0));
}
