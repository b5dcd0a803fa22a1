//! The producer waits for gating subscribers, and for nobody else.

use std::thread;
use std::time::{Duration, Instant};

use shmring::info::{Delay, SubscriptionMode};
use shmring::{
    Consumer, DrainError, Producer, RecvError, Segment, SendError, SendTimeoutError, Start,
    Subscribe, TryRecvError, TrySendError, WaitMode,
};

use crate::common::child::{self, Part, pause, say};
use crate::common::{LONG, MODES, Name, SHORT, eventually, watchdog};
use crate::messages::{Account, message, number_of, ring};

/// Bytes of the messages that fill the ring. Their records divide it.
const LEN: usize = 120;

/// In the child: subscribes, waits to be let go, and receives to the end.
pub(crate) fn hold(args: &[String]) {
    let mut rx = Segment::attach(&args[0]).unwrap().subscribe(Subscribe::gating()).unwrap();
    say("holds");
    pause();
    let mut account = Account::from(args[1].parse().unwrap());
    loop {
        match rx.recv() {
            Ok(message) => account.enter(number_of(&message)),
            Err(RecvError::Evicted) => say("evicted"),
            Err(RecvError::Lagged { missed }) => {
                say(format!("missed {missed}"));
                account.miss(missed);
            }
            Err(end) => {
                assert_eq!(end, RecvError::Eof);
                break;
            }
        }
    }
    say(account.received);
}

/// A child with a gating subscriber that receives nothing yet, from that message on.
pub(crate) fn holder(name: &Name, from: u64) -> Part {
    let mut child = child::start("hold", &[name, &from.to_string()]);
    assert_eq!(child.hear(), "holds");
    child
}

/// Sends messages from `next` on until the ring is full. Returns the next number.
pub(crate) fn fill(tx: &mut Producer, mut next: u64) -> u64 {
    while tx.try_send(&message(next, LEN)).is_ok() {
        next += 1;
    }
    assert_eq!(tx.try_send(&message(next, LEN)), Err(TrySendError::Full));
    next
}

fn receive(rx: &mut Consumer, expected: std::ops::Range<u64>) {
    for number in expected {
        assert_eq!(number_of(&rx.try_recv().unwrap()), number);
    }
}

/// Catches a producer that overwrites what a gating subscriber has not received, that waits for
/// more than the slowest one, or for one that left; and room that is there only some time later.
#[test]
fn the_producer_waits_for_the_slowest() {
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    let mut slow = segment.subscribe(Subscribe::gating()).unwrap();
    let mut fast = segment.subscribe(Subscribe::gating()).unwrap();
    let mut lossy = segment.subscribe(Subscribe::lossy()).unwrap();
    let first = fill(&mut tx, 0);
    assert!(first * (LEN as u64 + 8) > crate::messages::CAPACITY * 8 / 10);
    let start = Instant::now();
    let bytes = message(first, LEN);
    assert_eq!(tx.send_timeout(&bytes, SHORT), Err(SendTimeoutError::TimedOut));
    assert!(start.elapsed() >= SHORT);
    assert_eq!(tx.wait_writable(LEN, SHORT), Err(SendTimeoutError::TimedOut));
    assert!(matches!(tx.try_reserve(LEN), Err(TrySendError::Full)));
    assert_eq!(tx.try_send_batch(&[&bytes]), Err(TrySendError::Full));
    assert_eq!(tx.try_send_some(&[&bytes]), Err(TrySendError::Full));
    // Only the slowest counts, and what it has received is room at once.
    receive(&mut fast, 0..first);
    assert_eq!(tx.try_send(&bytes), Err(TrySendError::Full));
    let mut next = first;
    for number in 0..3 * first {
        receive(&mut slow, number..number + 1);
        tx.try_send(&message(next, LEN)).unwrap();
        next += 1;
        assert_eq!(tx.try_send(&message(next, LEN)), Err(TrySendError::Full), "{number}");
        receive(&mut fast, next - 1..next);
    }
    // One that leaves holds nobody up.
    drop(slow);
    next = fill(&mut tx, next);
    receive(&mut fast, next - first..next);
    drop(fast);
    (0..500).for_each(|number| tx.try_send(&message(next + number, LEN)).unwrap());
    assert!(matches!(lossy.try_recv(), Err(TryRecvError::Lagged { .. })));
}

/// Catches a wait for room that goes on when there is some, in each mode and each way to make it.
#[test]
fn room_ends_the_wait() {
    let _watchdog = watchdog("room_ends_the_wait");
    let ways: [fn(Consumer, &Segment); 5] = [
        |mut rx, _| {
            // It goes on to gate: what was received makes the room.
            assert!(rx.recv_batch(usize::MAX, |_| ()).unwrap() > 0);
            std::mem::forget(rx);
        },
        |mut rx, _| {
            rx.peek().unwrap().release();
            rx.recv().unwrap();
            std::mem::forget(rx);
        },
        |rx, _| drop(rx),
        |rx, segment| {
            let status = segment.status().unwrap();
            segment.evict(&status.ring().held_up_by().unwrap().holder).unwrap();
            std::mem::forget(rx);
        },
        |mut rx, _| {
            let mut ahead = rx.lookahead().unwrap();
            (0..4).for_each(|_| assert!(ahead.next().is_some()));
            ahead.release_first(2);
            std::mem::forget(rx);
        },
    ];
    for mode in MODES {
        for (index, way) in ways.into_iter().enumerate() {
            let name = Name::new();
            let segment = ring(&name);
            let mut tx = segment.producer().unwrap();
            tx.set_wait_mode(mode);
            let there = Segment::attach(&name).unwrap();
            let rx = there.subscribe(Subscribe::gating()).unwrap();
            let next = fill(&mut tx, 0);
            thread::scope(|scope| {
                let sent = scope.spawn(|| tx.send_timeout(&message(next, LEN), LONG));
                thread::sleep(Duration::from_millis(5));
                way(rx, &there);
                assert_eq!(sent.join().unwrap(), Ok(()), "{mode:?}, way {index}");
            });
        }
    }
}

/// Catches room that wakes no sleeping producer, which then finds it when its sleep ends: of some
/// rounds the soonest wake counts. Also where another subscriber is the slowest first.
#[test]
fn room_wakes_the_producer_at_once() {
    let _watchdog = watchdog("room_wakes_the_producer_at_once");
    let mut soonest = LONG;
    for _ in 0..5 {
        let name = Name::new();
        let segment = ring(&name);
        let mut tx = segment.producer().unwrap();
        tx.set_wait_mode(WaitMode::Block);
        let mut all: Vec<_> = (0..3).map(|_| segment.consumer().unwrap()).collect();
        let next = fill(&mut tx, 0);
        let took = thread::scope(|scope| {
            let sent = scope.spawn(|| {
                tx.send_timeout(&message(next, LEN), LONG).unwrap();
                Instant::now()
            });
            thread::sleep(Duration::from_millis(136));
            assert!(!sent.is_finished());
            // Not until the last of them has made room.
            let (last, others) = all.split_last_mut().unwrap();
            others.iter_mut().for_each(|rx| receive(rx, 0..5));
            thread::sleep(Duration::from_millis(1));
            let start = Instant::now();
            receive(last, 0..1);
            sent.join().unwrap().duration_since(start)
        });
        soonest = soonest.min(took);
    }
    assert!(soonest < Duration::from_millis(25), "{soonest:?} at the soonest");
}

/// Catches an end of the wait that the producer does not get: a close, by each party.
#[test]
fn a_close_ends_the_wait_for_room() {
    let _watchdog = watchdog("a_close_ends_the_wait_for_room");
    for mode in MODES {
        for by_subscriber in [false, true] {
            let name = Name::new();
            let segment = ring(&name);
            let mut tx = segment.producer().unwrap();
            tx.set_wait_mode(mode);
            let rx = segment.consumer().unwrap();
            let next = fill(&mut tx, 0);
            thread::scope(|scope| {
                let sent = scope.spawn(|| tx.send(&message(next, LEN)));
                thread::sleep(Duration::from_millis(3));
                if by_subscriber {
                    rx.close()
                } else {
                    segment.close()
                }
                assert_eq!(sent.join().unwrap(), Err(SendError::Closed), "{mode:?}");
            });
        }
    }
}

/// Catches a producer that is named somebody who does not hold it up, or for the wrong reason:
/// slow, stopped, or dead and not reaped. One that is stopped for long stays a gating subscriber.
#[test]
fn a_full_ring_names_who_holds_it_up() {
    let _watchdog = watchdog("a_full_ring_names_who_holds_it_up");
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    assert_eq!(tx.held_up_by(), Ok(None));
    let mut fast = segment.subscribe(Subscribe::gating()).unwrap();
    let mut child = holder(&name, 0);
    let mut next = fill(&mut tx, 0);
    receive(&mut fast, 0..next);
    let pid = child.pid() as u32;
    let held = |tx: &Producer| {
        let held = tx.held_up_by().unwrap().unwrap();
        assert_eq!(held.holder.participant.pid, pid);
        let subscription = held.holder.subscription.unwrap();
        assert_eq!((subscription.mode, subscription.missed), (SubscriptionMode::Gating, 0));
        (held.why, subscription.lag_messages, held.since)
    };
    let (why, lag, since) = held(&tx);
    assert_eq!((why, lag), (Delay::Slow, next));
    thread::sleep(SHORT);
    assert!(held(&tx).2 >= since + SHORT);
    child.signal(libc::SIGSTOP);
    eventually("it is stopped", || (held(&tx).0 == Delay::Stopped).then_some(()));
    // Longer than several looks after the dead.
    assert_eq!(
        tx.send_timeout(&message(next, LEN), Duration::from_millis(400)),
        Err(SendTimeoutError::TimedOut)
    );
    assert_eq!((held(&tx).0, segment.status().unwrap().ring().evictions), (Delay::Stopped, 0));
    child.signal(libc::SIGCONT);
    eventually("it goes on", || (held(&tx).0 == Delay::Slow).then_some(()));
    child.go();
    for _ in 0..100 {
        tx.send_timeout(&message(next, LEN), LONG).unwrap();
        receive(&mut fast, next..next + 1);
        next += 1;
    }
    drop(tx);
    assert_eq!(child.finish(), [next.to_string()]);

    let mut tx = segment.producer().unwrap();
    let mut child = holder(&name, next);
    let from = next;
    next = fill(&mut tx, next);
    receive(&mut fast, from..next);
    let pid = child.pid() as u32;
    child.kill();
    eventually("it is dead", || {
        let held = segment.status().unwrap().ring().held_up_by()?;
        assert_eq!(held.holder.participant.pid, pid);
        (held.why == Delay::Dead).then_some(())
    });
    assert_eq!(segment.status().unwrap().ring().consumers.len(), 2, "looking reaps nobody");
}

/// Catches a producer that a dead subscriber holds up for ever, in each mode; and a living one that
/// loses its gate with it.
#[test]
fn a_dead_subscriber_holds_nobody_up() {
    let _watchdog = watchdog("a_dead_subscriber_holds_nobody_up");
    for mode in MODES {
        let name = Name::new();
        let segment = ring(&name);
        let mut tx = segment.producer().unwrap();
        tx.set_wait_mode(mode);
        let mut fast = segment.subscribe(Subscribe::gating()).unwrap();
        let mut child = holder(&name, 0);
        let next = fill(&mut tx, 0);
        receive(&mut fast, 0..next - 10);
        thread::scope(|scope| {
            let sent = scope.spawn(|| {
                tx.send_timeout(&message(next, LEN), LONG)?;
                Ok::<_, SendTimeoutError>(fill(&mut tx, next + 1))
            });
            thread::sleep(SHORT);
            assert!(!sent.is_finished());
            child.kill();
            let next = sent.join().unwrap().unwrap();
            receive(&mut fast, next.min(30)..30);
            let mut account = Account::from(number_of(&fast.try_recv().unwrap()) + 1);
            assert_eq!(account.drain(&mut fast), TryRecvError::Empty);
            assert_eq!((account.missed, fast.missed()), (0, 0));
        });
        assert_eq!(segment.status().unwrap().repairs, 1, "{mode:?}");
    }
}

/// Catches messages that count as received although a gating subscriber lacks them, and a drain
/// that waits for a lossy one, or for nobody.
#[test]
fn draining_waits_for_gating_subscribers() {
    let _watchdog = watchdog("draining_waits_for_gating_subscribers");
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    let _lossy = segment.subscribe(Subscribe::lossy()).unwrap();
    let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
    (0..5).for_each(|number| tx.try_send(&message(number, LEN)).unwrap());
    receive(&mut rx, 0..2);
    assert_eq!((tx.len(), rx.len()), (3, 3));
    assert_eq!(tx.close_and_drain(SHORT), Err(DrainError::TimedOut { unreceived: 3 }));
    let mut account = Account::from(2);
    assert_eq!(account.drain(&mut rx), TryRecvError::Eof);

    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
    (0..5).for_each(|number| tx.try_send(&message(number, LEN)).unwrap());
    thread::scope(|scope| {
        let drained = scope.spawn(|| tx.close_and_drain(LONG));
        thread::sleep(Duration::from_millis(5));
        assert!(!drained.is_finished());
        receive(&mut rx, 0..5);
        assert_eq!(drained.join().unwrap(), Ok(()));
    });
    assert!(segment.subscribe(Subscribe::gating().from(Start::Oldest)).is_ok());
}
