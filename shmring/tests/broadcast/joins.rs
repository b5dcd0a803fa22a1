//! Where subscribers start: at the next message, at the oldest one, at a position.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shmring::{
    Config, Consumer, Eof, JoinError, Kind, RecvError, RecvTimeoutError, Segment, Start, Subscribe,
    TryRecvError, TrySendError,
};

use crate::common::{HANG, Name, SHORT, watchdog};
use crate::messages::{Account, CAPACITY, CHUNK, message, number_of, ring};

fn number(rx: &mut Consumer) -> u64 {
    number_of(&rx.try_recv().unwrap())
}

/// Catches a subscriber that changes what another one of its ring receives, and one that starts
/// elsewhere than it asked for: all three ways on one ring, at the same time.
#[test]
fn three_ways_to_subscribe_share_a_ring() {
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    (0..3).for_each(|number| tx.try_send(&message(number, 30)).unwrap());
    let mut gating = segment.subscribe(Subscribe::gating()).unwrap();
    let mut plain = segment.consumer().unwrap();
    let mut lossy = segment.subscribe(Subscribe::lossy().from(Start::Oldest)).unwrap();
    let mut latest = segment.subscribe(Subscribe::latest()).unwrap();
    assert_eq!(gating.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(latest.try_recv(), Err(TryRecvError::Empty));
    (3..6).for_each(|number| tx.try_send(&message(number, 30)).unwrap());
    for expected in 3..6 {
        assert_eq!((number(&mut gating), number(&mut plain)), (expected, expected));
    }
    (0..6).for_each(|expected| assert_eq!(number(&mut lossy), expected));
    assert_eq!((number(&mut latest), latest.missed()), (5, 2));
    for rx in [&mut gating, &mut plain, &mut lossy, &mut latest] {
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
        assert!(rx.is_empty());
    }
    assert_eq!((gating.missed(), lossy.missed()), (0, 0));
    // Only what no producer overwrites can be read in place.
    assert!(gating.is_exclusive() && !lossy.is_exclusive() && !latest.is_exclusive());
    assert!(matches!(lossy.try_peek(), Err(TryRecvError::NotExclusive)));
    assert!(matches!(latest.peek(), Err(RecvError::NotExclusive)));
    // Each is cloned as what it is, from the next message on.
    let mut clones =
        [gating.try_clone(), lossy.try_clone(), latest.try_clone()].map(Result::unwrap);
    (6..8).for_each(|number| tx.try_send(&message(number, 30)).unwrap());
    assert_eq!(clones.each_mut().map(number), [6, 6, 7]);
    assert_eq!(
        clones.map(|rx| (rx.is_exclusive(), rx.missed())),
        [(true, 0), (false, 0), (false, 1)]
    );
}

/// Catches an oldest message that is overwritten, or is not as old as the ring allows: all but a
/// chunk or two, and what one message takes, must be there.
#[test]
fn the_oldest_message_is_nearly_a_ring_old() {
    for how in [Subscribe::gating(), Subscribe::lossy()] {
        let name = Name::new();
        let segment = ring(&name);
        let mut tx = segment.producer().unwrap();
        let record = 48 + 8;
        for sent in 1..500 {
            tx.try_send(&message(sent - 1, 48)).unwrap();
            let mut rx = segment.subscribe(how.from(Start::Oldest)).unwrap();
            let first = number(&mut rx);
            let kept = (sent - first) * record;
            assert!(first == 0 || kept >= CAPACITY - 3 * CHUNK, "{kept} bytes of {sent} messages");
            assert!(kept <= CAPACITY);
            let mut account = Account::from(first + 1);
            assert_eq!(account.drain(&mut rx), TryRecvError::Empty);
            assert_eq!((account.received, rx.missed()), (sent - first - 1, 0));
        }
    }
    // The newest one is the oldest that counts.
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    (0..5).for_each(|number| tx.try_send(&message(number, 30)).unwrap());
    let mut rx = segment.subscribe(Subscribe::latest().from(Start::Oldest)).unwrap();
    assert_eq!((number(&mut rx), rx.missed()), (4, 4));
}

/// Catches a subscriber that comes back and misses a message, or gets one again; and one that gets
/// something at a position that is none.
#[test]
fn a_subscriber_goes_on_where_another_one_ended() {
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    let mut position = segment.subscribe(Subscribe::lossy()).unwrap().position();
    let (mut next, mut expected) = (0, 0);
    for round in 0..300_u64 {
        // Less than what is kept.
        for _ in 0..round % 30 {
            tx.try_send(&message(next, 8 + (next % 90) as usize)).unwrap();
            next += 1;
        }
        let how = if round % 2 == 0 { Subscribe::lossy() } else { Subscribe::gating() };
        let mut rx = segment.subscribe(how.from(Start::Position(position))).unwrap();
        assert_eq!(rx.position(), position);
        let few = if next - expected > 20 { next - expected } else { round % 28 };
        for _ in 0..(next - expected).min(few) {
            assert_eq!(number(&mut rx), expected);
            expected += 1;
        }
        assert_eq!(rx.missed(), 0);
        position = rx.position();
    }
    assert!(expected > 1000, "{expected}");
    let from = |position| segment.subscribe(Subscribe::gating().from(Start::Position(position)));
    // Within a record, past the end, and far off.
    for off in [1, 4, 8, 16, CAPACITY, 1 << 40, u64::MAX / 2, u64::MAX] {
        let error = from(tx_end(&segment).wrapping_add(off)).err();
        assert!(matches!(error, Some(JoinError::Gone)), "{off} off: {error:?}");
    }
    assert!(from(tx_end(&segment)).unwrap().is_empty());
}

/// The position of the next message.
fn tx_end(segment: &Segment) -> u64 {
    segment.status().unwrap().ring().tail
}

/// Catches a start at what was overwritten, which would be bytes of later messages, and a refusal
/// that keeps the handle or holds the producer up.
#[test]
fn a_position_that_was_overwritten_is_gone() {
    let name = Name::new();
    let segment = name.create(&Config::broadcast().capacity_bytes(CAPACITY).max_handles(3));
    let mut tx = segment.producer().unwrap();
    let first = segment.subscribe(Subscribe::lossy()).unwrap().position();
    let from_first = |how: Subscribe| segment.subscribe(how.from(Start::Position(first)));
    let mut gone = 0;
    for number in 0..400 {
        for how in [Subscribe::gating(), Subscribe::lossy(), Subscribe::latest()] {
            match from_first(how) {
                Ok(mut rx) if how == Subscribe::latest() => {
                    assert!(number == 0 || number_of(&rx.try_recv().unwrap()) == number - 1);
                }
                Ok(mut rx) => assert!(number == 0 || number_of(&rx.try_recv().unwrap()) == 0),
                Err(JoinError::Gone) => gone += 1,
                Err(error) => panic!("{error}"),
            }
        }
        // More handles than the table has would be taken, and a gate would keep the room.
        tx.try_send(&message(number, 80)).unwrap();
    }
    assert!(gone > 900 && gone % 3 == 0, "{gone}");
    let error = from_first(Subscribe::gating()).unwrap_err().to_string();
    assert!(error.contains("start at the oldest or the next one"), "{error}");
}

/// Catches a subscriber of a ring that has none, and a role or an error that are mixed up.
#[test]
fn other_rings_have_no_subscribers() {
    for kind in Kind::ALL.into_iter().filter(|&kind| kind != Kind::Broadcast) {
        let config = if kind == Kind::Packed { Config::packed::<u64>() } else { Config::new(kind) };
        let name = Name::new();
        let segment = name.create(&config);
        let refused = segment.subscribe(Subscribe::lossy()).unwrap_err();
        assert!(matches!(refused, JoinError::WrongKind { kind: found, .. } if found == kind));
        assert_eq!(segment.status().unwrap().handles, 0);
    }
    let name = Name::new();
    let segment = ring(&name);
    let _tx = segment.producer().unwrap();
    assert!(matches!(segment.producer(), Err(JoinError::RoleTaken { .. })));
}

/// Catches a producer that waits for subscribers that are not there, and messages of a ring
/// without any that cannot be sent: broadcast is not a pipe, unless one asks for that.
#[test]
fn a_producer_goes_on_without_subscribers() {
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    let mut next = 0;
    let mut send = |count| {
        for _ in 0..count {
            tx.try_send(&message(next, 100)).unwrap();
            next += 1;
        }
    };
    send(200);
    let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
    send(5);
    drop(rx);
    send(200);
    rx = segment.subscribe(Subscribe::gating()).unwrap();
    send(1);
    assert_eq!(number(&mut rx), 405);
    drop(rx);
    tx.set_require_consumer(true);
    assert_eq!(tx.try_send(b"x"), Err(TrySendError::BrokenPipe));
    let mut rx = segment.subscribe(Subscribe::latest()).unwrap();
    tx.try_send(&message(1, 9)).unwrap();
    assert_eq!(number(&mut rx), 1);
}

/// Catches an end of the stream that one subscriber gets and another one does not, or that comes
/// before the last message; and subscribers that do not go on with the next producer.
#[test]
fn each_subscriber_gets_the_end() {
    let name = Name::new();
    let segment = ring(&name);
    let hows = [Subscribe::gating(), Subscribe::lossy(), Subscribe::latest()];
    let mut all = hows.map(|how| segment.subscribe(how).unwrap());
    let mut patient = segment.subscribe(Subscribe::lossy()).unwrap();
    patient.set_eof(Eof::NextProducer);
    for round in 0..4 {
        let mut tx = segment.producer().unwrap();
        assert!(all.iter_mut().all(|rx| rx.try_recv() == Err(TryRecvError::Empty)));
        tx.send(&message(round, 20)).unwrap();
        drop(tx);
        // One that comes after the end: to it what was sent before is the stream, or nothing is.
        let mut next = segment.subscribe(Subscribe::gating()).unwrap();
        assert_eq!(next.try_recv(), Err(TryRecvError::Empty));
        let mut oldest = segment.subscribe(Subscribe::gating().from(Start::Oldest)).unwrap();
        assert_eq!(number(&mut oldest), 0);
        (0..round).for_each(|_| drop(oldest.try_recv().unwrap()));
        assert_eq!(oldest.try_recv(), Err(TryRecvError::Eof));
        for rx in &mut all {
            assert_eq!(number(rx), round);
            for _ in 0..2 {
                assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
                assert_eq!(rx.recv(), Err(RecvError::Eof));
            }
        }
        assert_eq!(number(&mut patient), round);
        assert_eq!(patient.try_recv(), Err(TryRecvError::Empty));
        drop(segment.producer().unwrap());
        assert!(all.iter_mut().all(|rx| rx.recv() == Err(RecvError::Eof)));
    }
    segment.close();
    assert_eq!(patient.recv(), Err(RecvError::Eof));
}

/// Catches a subscriber that joins beside a producer at full speed and is overrun, or that starts
/// in the middle of a message or at one that is not there any more: thousands of joins, each in a
/// way of its own, and a few messages each.
#[test]
fn subscribers_join_at_full_speed() {
    let _watchdog = watchdog("subscribers_join_at_full_speed");
    let name = Name::new();
    let segment = ring(&name);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut tx = segment.producer().unwrap();
            let mut next = 0;
            while !over.load(Ordering::Relaxed) {
                let bytes = message(next, 8 + (next * 31 % 200) as usize);
                next += u64::from(tx.send_timeout(&bytes, SHORT).is_ok());
            }
        });
        let mut known = None;
        for round in 0..6000_u64 {
            let start = match (round % 3, known) {
                (0, _) => Start::Next,
                (1, Some(position)) => Start::Position(position),
                _ => Start::Oldest,
            };
            let gating = round % 2 == 0;
            let how = if gating { Subscribe::gating() } else { Subscribe::lossy() };
            let mut rx = match segment.subscribe(how.from(start)) {
                Err(JoinError::Gone) if matches!(start, Start::Position(_)) => continue,
                joined => joined.unwrap(),
            };
            let mut account: Option<Account> = None;
            for _ in 0..round % 13 {
                match rx.recv_timeout(HANG) {
                    Ok(message) => {
                        let number = number_of(&message);
                        account.get_or_insert(Account::from(number)).enter(number);
                    }
                    Err(RecvTimeoutError::Lagged { missed }) if !gating => {
                        account.iter_mut().for_each(|account| account.miss(missed));
                    }
                    Err(error) => panic!("{error}, {how:?}"),
                }
            }
            assert!(!gating || rx.missed() == 0);
            known = Some(rx.position());
        }
        over.store(true, Ordering::Relaxed);
        sender.join().unwrap();
    });
}
