//! Gating subscribers that an operator makes lossy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shmring::info::{Holder, SubscriptionMode};
use shmring::{
    Config, Consumer, EvictError, RecvError, RecvIntoError, RecvTimeoutError, Role, Segment,
    Subscribe, TryRecvError, TrySendError, WaitMode,
};

use crate::common::{LONG, MODES, Name, SHORT, watchdog};
use crate::gates::{fill, holder};
use crate::messages::{Account, message, number_of, ring};

/// The subscribers as an observer sees them.
fn subscribers(segment: &Segment) -> Vec<Holder> {
    segment.status().unwrap().ring().holders_of(Role::Consumer).cloned().collect()
}

/// Evicts the only subscriber.
fn evict(segment: &Segment) {
    segment.evict(&subscribers(segment)[0]).unwrap();
}

/// Catches a subscriber that goes on as if nothing had happened, that is told twice, or by one kind
/// of verb only; and an account that is wrong from then on.
#[test]
fn an_eviction_is_told_once() {
    type Verb = fn(&mut Consumer) -> Option<RecvError>;
    let verbs: [Verb; 12] = [
        |rx| rx.recv().err(),
        |rx| rx.try_recv().err().map(of_try),
        |rx| rx.recv_timeout(LONG).err().map(of_timeout),
        |rx| match rx.recv_into(&mut [0; 400]) {
            Err(RecvIntoError::Recv(error)) => Some(error),
            other => panic!("{other:?}"),
        },
        |rx| rx.recv_into_vec(&mut Vec::new()).err(),
        |rx| rx.recv_batch(9, |_| panic!("visited")).err(),
        |rx| rx.try_recv_batch(9, |_| panic!("visited")).err().map(of_try),
        |rx| rx.peek().err(),
        |rx| rx.try_peek().err().map(of_try),
        |rx| rx.peek_timeout(LONG).err().map(of_timeout),
        |rx| rx.iter().next().unwrap().err(),
        |rx| rx.wait_readable(LONG).err().map(of_timeout),
    ];
    for (index, verb) in verbs.into_iter().enumerate() {
        // With messages that are kept, and with some that are overwritten by then.
        for behind in [3, 200] {
            let name = Name::new();
            let segment = ring(&name);
            let mut tx = segment.producer().unwrap();
            let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
            tx.try_send(&message(0, 50)).unwrap();
            let mut account = Account::from(0);
            assert_eq!(account.drain(&mut rx), TryRecvError::Empty);
            evict(&segment);
            (1..behind).for_each(|number| tx.try_send(&message(number, 50)).unwrap());
            assert_eq!(subscribers(&segment)[0].subscription.unwrap().lag_messages, behind - 1);
            if let Ok(mut ahead) = rx.lookahead() {
                assert!(ahead.next().is_none(), "looked at what may be overwritten");
            }
            assert_eq!(verb(&mut rx), Some(RecvError::Evicted), "verb {index}");
            let mode = subscribers(&segment)[0].subscription.unwrap().mode;
            assert_eq!((mode, rx.is_exclusive()), (SubscriptionMode::Evicted, false));
            assert_eq!(account.drain(&mut rx), TryRecvError::Empty);
            assert_eq!(account.received + account.missed, behind, "verb {index}");
            assert_eq!((account.missed, account.missed > 0), (rx.missed(), behind == 200));
            assert_eq!(segment.status().unwrap().ring().evictions, 1);
        }
    }
}

fn of_timeout(error: RecvTimeoutError) -> RecvError {
    match error {
        RecvTimeoutError::Evicted => RecvError::Evicted,
        RecvTimeoutError::Lagged { missed } => RecvError::Lagged { missed },
        error => panic!("{error}"),
    }
}

fn of_try(error: TryRecvError) -> RecvError {
    of_timeout(error.into())
}

/// Catches a subscriber that sleeps through its eviction, in each mode, and one that is not woken
/// for it: the soonest of some rounds counts.
#[test]
fn an_eviction_ends_the_wait_for_a_message() {
    let _watchdog = watchdog("an_eviction_ends_the_wait_for_a_message");
    for mode in MODES {
        let mut soonest = LONG;
        for _ in 0..4 {
            let name = Name::new();
            let segment = ring(&name);
            let there = Segment::attach(&name).unwrap();
            let mut rx = there.subscribe(Subscribe::gating()).unwrap();
            rx.set_wait_mode(mode);
            let took = thread::scope(|scope| {
                let received = scope.spawn(|| (rx.recv(), Instant::now()));
                thread::sleep(Duration::from_millis(136));
                assert!(!received.is_finished());
                let start = Instant::now();
                evict(&segment);
                let (received, came) = received.join().unwrap();
                assert_eq!(received, Err(RecvError::Evicted), "{mode:?}");
                came - start
            });
            soonest = soonest.min(took);
            assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
        }
        assert!(soonest < Duration::from_millis(25), "{mode:?}: {soonest:?}");
    }
}

/// Catches the wrong subscriber that is evicted: one that took the handle since, one that is none,
/// or was evicted already.
#[test]
fn only_gating_subscribers_that_are_there_are_evicted() {
    let name = Name::new();
    let segment = name.create(&Config::broadcast().capacity_bytes(4096).max_handles(2));
    let mut tx = segment.producer().unwrap();
    let mut gone = segment.subscribe(Subscribe::gating()).unwrap();
    let old = subscribers(&segment).remove(0);
    assert_eq!(segment.evict(&old), Ok(()));
    assert_eq!(segment.evict(&old), Err(EvictError::NotGating { handle: old.handle }));
    assert_eq!(gone.try_recv(), Err(TryRecvError::Evicted));
    drop(gone);
    assert_eq!(segment.evict(&old), Err(EvictError::Gone { handle: old.handle }));
    let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
    assert_eq!(subscribers(&segment)[0].handle, old.handle);
    assert_eq!(segment.evict(&old), Err(EvictError::Gone { handle: old.handle }));
    fill(&mut tx, 0);
    assert_eq!(tx.try_send(&[0; 120]), Err(TrySendError::Full));
    assert_eq!(number_of(&rx.try_recv().unwrap()), 0);
    drop(rx);
    let _lossy = segment.subscribe(Subscribe::lossy()).unwrap();
    let lossy = subscribers(&segment).remove(0);
    let refused = segment.evict(&lossy).unwrap_err();
    assert_eq!(refused, EvictError::NotGating { handle: lossy.handle });
    assert!(refused.to_string().contains("no producer waits for it"), "{refused}");
    let producer = segment.status().unwrap().ring().holders_of(Role::Producer).next().cloned();
    assert!(matches!(segment.evict(&producer.unwrap()), Err(EvictError::NotGating { .. })));
    let other = Name::new();
    let slots = other.create(&Config::mpmc().slots(4).slot_bytes(64));
    let _rx = slots.consumer().unwrap();
    assert!(matches!(slots.evict(&subscribers(&slots)[0]), Err(EvictError::NotGating { .. })));
    assert_eq!(segment.status().unwrap().ring().evictions, 1);
}

/// Catches a release by an evicted subscriber that takes messages which were overwritten while it
/// looked at them, or that moves the cursor behind the floor.
#[test]
fn what_was_looked_at_in_place_is_not_taken_after_an_eviction() {
    for overwritten in [false, true] {
        for verb in 0..3 {
            let name = Name::new();
            let segment = ring(&name);
            let mut tx = segment.producer().unwrap();
            let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
            let mut next = fill(&mut tx, 0);
            let mut during = || {
                evict(&segment);
                for _ in 0..if overwritten { 200 } else { 1 } {
                    tx.try_send(&message(next, 100)).unwrap();
                    next += 1;
                }
            };
            match verb {
                0 => {
                    let peek = rx.peek().unwrap();
                    during();
                    peek.release();
                }
                1 => {
                    let mut ahead = rx.lookahead().unwrap();
                    (0..3).for_each(|_| assert!(ahead.next().is_some()));
                    during();
                    ahead.release();
                }
                _ => {
                    let mut visited = 0;
                    let result = rx.recv_batch(3, |_| {
                        if visited == 0 {
                            during();
                        }
                        visited += 1;
                    });
                    assert!(result.is_err() || visited > 0, "{result:?}");
                    if result == Err(RecvError::Evicted) {
                        // Told by this verb.
                        let mut account = Account::from(0);
                        assert_eq!(account.drain(&mut rx), TryRecvError::Empty);
                        assert_eq!(account.received + account.missed, next);
                        continue;
                    }
                }
            }
            assert_eq!(rx.try_recv(), Err(TryRecvError::Evicted), "verb {verb}");
            let mut account = Account::from(0);
            assert_eq!(account.drain(&mut rx), TryRecvError::Empty);
            assert_eq!(account.received + account.missed, next, "verb {verb}, {overwritten}");
        }
    }
}

/// Catches an eviction that does not let the producer go on, or that a stopped process keeps off:
/// it is told when it goes on, and gets what is kept then.
#[test]
fn a_stopped_subscriber_is_evicted_by_hand() {
    let _watchdog = watchdog("a_stopped_subscriber_is_evicted_by_hand");
    for mode in MODES {
        let name = Name::new();
        let segment = ring(&name);
        let mut tx = segment.producer().unwrap();
        tx.set_wait_mode(mode);
        let mut child = holder(&name, 0);
        let next = fill(&mut tx, 0);
        child.signal(libc::SIGSTOP);
        thread::scope(|scope| {
            let sent = scope.spawn(|| {
                (next..next + 200)
                    .try_for_each(|number| tx.send_timeout(&message(number, 100), LONG))
            });
            thread::sleep(SHORT);
            assert!(!sent.is_finished());
            evict(&segment);
            assert_eq!(sent.join().unwrap(), Ok(()), "{mode:?}");
        });
        drop(tx);
        child.signal(libc::SIGCONT);
        child.go();
        let said = child.finish();
        let [evicted, missed, received] = &said[..] else { panic!("{said:?}") };
        let missed: u64 = missed.strip_prefix("missed ").unwrap().parse().unwrap();
        assert_eq!(
            (&**evicted, missed + received.parse::<u64>().unwrap()),
            ("evicted", next + 200)
        );
    }
}

/// Catches a subscriber that takes a torn message, or loses one without a word, when it is evicted
/// in the midst of a receive; and a producer that waits for one that was evicted.
#[test]
fn evictions_under_load_are_told_and_counted() {
    let _watchdog = watchdog("evictions_under_load_are_told_and_counted");
    let name = Name::new();
    let segment = ring(&name);
    let over = AtomicBool::new(false);
    let mut evicted = 0;
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut tx = segment.producer().unwrap();
            let mut next = 0;
            while !over.load(Ordering::Relaxed) {
                let bytes = message(next, 8 + (next * 31 % 300) as usize);
                next += u64::from(tx.send_timeout(&bytes, SHORT).is_ok());
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for subscriber in subscribers(&segment) {
                    // It may be evicted, or have left, by now.
                    let _ = segment.evict(&subscriber);
                }
                thread::sleep(Duration::from_micros(200));
            }
        });
        while evicted < 400 {
            let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
            rx.set_wait_mode(MODES[evicted as usize % 3]);
            let mut account: Option<Account> = None;
            let mut told = 0;
            // Past the eviction, as far as it is interesting.
            for _ in 0..200 {
                match rx.recv_timeout(LONG) {
                    Ok(bytes) => {
                        let number = number_of(&bytes);
                        account.get_or_insert(Account::from(number)).enter(number);
                    }
                    Err(RecvTimeoutError::Evicted) => told += 1,
                    Err(RecvTimeoutError::Lagged { missed }) => {
                        assert_eq!(told, 1);
                        account.iter_mut().for_each(|account| account.miss(missed));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(told <= 1);
            evicted += told;
        }
        over.store(true, Ordering::Relaxed);
        sender.join().unwrap();
    });
    assert!(segment.status().unwrap().ring().evictions >= evicted);
}

/// Catches an eviction that a subscriber overlooks because it waits by a set.
#[test]
fn an_eviction_makes_a_subscriber_ready() {
    let _watchdog = watchdog("an_eviction_makes_a_subscriber_ready");
    let name = Name::new();
    let segment = ring(&name);
    let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
    rx.set_wait_mode(WaitMode::Block);
    let mut set = shmring::WaitSet::new();
    let key = set.add(&rx);
    assert_eq!(set.wait(Some(Duration::ZERO)).unwrap().count(), 0);
    thread::scope(|scope| {
        let ready = scope.spawn(|| set.wait(Some(LONG)).unwrap().collect::<Vec<_>>());
        thread::sleep(SHORT);
        evict(&segment);
        assert_eq!(ready.join().unwrap(), [key]);
    });
    assert_eq!(rx.try_recv(), Err(TryRecvError::Evicted));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}
