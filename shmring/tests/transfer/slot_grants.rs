//! Reservations and peeks in slot rings: tickets that are given up, forgotten or slow.

use shmring::{
    Consumer, Kind, Producer, RecvError, RecvTimeoutError, Role, Segment, SendError, TryRecvError,
    TrySendError,
};

use crate::common::{LONG, MODES, Name, SHORT, SLOT_KINDS, payload, slots, watchdog};

/// Catches a write that misses its place or changes its neighbours, and a commit of less
/// than was written.
#[test]
fn a_slot_is_written_in_pieces_and_in_part() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, 2, 312));
        let bytes = payload(9, 300);
        for piece in [1, 3, 7, 8, 9, 64, 299] {
            for keep in [0, 1, 8, 150, 299, 300] {
                let mut reservation = tx.reserve(300).unwrap();
                assert_eq!(reservation.as_mut_ptr().unwrap() as usize % 8, 0);
                // From the end, so that a piece that reaches too far is seen.
                for start in (0..keep).step_by(piece).rev() {
                    reservation.write_at(start, &bytes[start..keep.min(start + piece)]);
                }
                reservation.commit();
                assert_eq!(rx.recv().unwrap(), bytes[..keep], "{kind}");
            }
        }
    }
}

/// Catches a reservation that becomes visible without a commit, one that the next message
/// waits for, and one that is not counted where consumers pass it.
#[test]
fn a_dropped_reservation_is_passed_over() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 4, 64));
        let mut given_up = 0;
        for round in 0..200 {
            for _ in 0..round % 4 {
                let mut reservation = tx.reserve(40).unwrap();
                reservation.write_at(0, &[0xFF; 40]);
                drop(reservation);
                given_up += u64::from(kind.shares(Role::Producer));
                if round % 8 > 3 {
                    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{kind}");
                }
            }
            tx.try_send(&payload(round, 30)).unwrap();
            assert_eq!(rx.recv().unwrap(), payload(round, 30), "{kind}");
        }
        let status = segment.status().unwrap();
        assert_eq!(
            (status.ring().messages_received, status.ring().tombstones),
            (200, given_up),
            "{kind}"
        );
        assert_eq!((status.ring().resolved, status.ring().used_slots), (0, Some(0)));
    }
}

/// Catches a consumer that gives up, or a sender that is woken too late, because
/// there are more tombstones than one look passes.
#[test]
fn any_number_of_tombstones_is_passed_over() {
    let _watchdog = watchdog("any_number_of_tombstones_is_passed_over");
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        for count in [63, 64, 65, 128, 1000] {
            let name = Name::new();
            let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 1024, 16));
            (0..count).for_each(|_| drop(tx.try_reserve(8).unwrap()));
            assert_eq!(segment.status().unwrap().ring().used_slots, Some(count));
            tx.send(b"behind").unwrap();
            assert_eq!(rx.recv_timeout(LONG).unwrap(), b"behind", "{kind} {count}");
            assert_eq!(segment.status().unwrap().ring().tombstones, count);
            // Those that poll get there as well.
            (0..count).for_each(|_| drop(tx.try_reserve(8).unwrap()));
            tx.send(b"again").unwrap();
            let polled = loop {
                match rx.try_recv() {
                    Err(TryRecvError::WouldBlock) => {}
                    polled => break polled,
                }
            };
            assert_eq!(polled.unwrap(), b"again", "{kind} {count}");
        }
    }
}

/// Catches a slot that a given-up ticket keeps for ever, and a sender that sleeps on
/// though the consumer has passed it.
#[test]
fn a_given_up_slot_is_room_once_it_was_passed() {
    let _watchdog = watchdog("a_given_up_slot_is_room_once_it_was_passed");
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        for mode in MODES {
            let name = Name::new();
            let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, 1, 64));
            let mut other = tx.try_clone().unwrap();
            let reservation = tx.reserve(1).unwrap();
            assert_eq!(other.try_send(b"x"), Err(TrySendError::Full));
            assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock));
            drop(reservation);
            assert_eq!(other.try_send(b"x"), Err(TrySendError::Full));
            other.set_wait_mode(mode);
            std::thread::scope(|scope| {
                let sending = scope.spawn(move || other.send_timeout(b"x", LONG));
                std::thread::sleep(SHORT / 10);
                assert_eq!(rx.recv_timeout(LONG).unwrap(), b"x", "{kind} {mode:?}");
                assert_eq!(sending.join().unwrap(), Ok(()));
            });
        }
    }
}

/// A verb of a producer that forgot a reservation; `true` if it sends `"verb"`.
type Verb = (&'static str, bool, fn(Producer) -> Option<Producer>);

fn verbs() -> Vec<Verb> {
    fn after(mut tx: Producer, verb: impl FnOnce(&mut Producer)) -> Option<Producer> {
        verb(&mut tx);
        Some(tx)
    }
    vec![
        ("send", true, |tx| after(tx, |tx| tx.send(b"verb").unwrap())),
        ("try_send", true, |tx| after(tx, |tx| tx.try_send(b"verb").unwrap())),
        ("send_timeout", true, |tx| after(tx, |tx| tx.send_timeout(b"verb", SHORT).unwrap())),
        ("send_batch", true, |tx| after(tx, |tx| tx.send_batch(&["verb"]).unwrap())),
        ("no batch", false, |tx| after(tx, |tx| tx.send_batch::<&[u8]>(&[]).unwrap())),
        ("too long", false, |tx| after(tx, |tx| assert!(tx.send(&[0; 999]).is_err()))),
        ("too many", false, |tx| after(tx, |tx| assert!(tx.send_batch(&[[0]; 99]).is_err()))),
        ("reserve", false, |tx| after(tx, |tx| drop(tx.reserve(9).unwrap()))),
        ("try_reserve", false, |tx| after(tx, |tx| drop(tx.try_reserve(9).unwrap()))),
        ("drop", false, |tx| {
            drop(tx);
            None
        }),
        ("into_writer", false, |tx| {
            drop(tx.into_writer());
            None
        }),
    ]
}

/// Catches a forgotten reservation that holds the ring up for longer than until its
/// producer's next verb, whichever that is, or a consumer that goes on behind it before:
/// its owner is alive, and could still write into the slot.
#[test]
fn a_forgotten_reservation_holds_up_until_the_next_verb() {
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        for (verb, sends, act) in verbs() {
            let name = Name::new();
            let (segment, mut other, mut rx) = name.pair_of(&slots(kind, 16, 64));
            let mut tx = other.try_clone().unwrap();
            other.send(b"before").unwrap();
            forget(&mut tx);
            other.send_batch(&["behind", "last"]).unwrap();
            assert_eq!(rx.recv().unwrap(), b"before");
            for _ in 0..3 {
                assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock), "{kind} {verb}");
                assert_eq!(
                    rx.recv_timeout(SHORT / 4),
                    Err(RecvTimeoutError::TimedOut),
                    "{kind} {verb}"
                );
                assert_eq!(rx.try_recv_batch(9, |_| ()), Err(TryRecvError::WouldBlock));
            }
            let left = act(tx);
            assert_eq!(rx.try_recv().unwrap(), b"behind", "{kind} {verb}");
            assert_eq!(rx.try_recv().unwrap(), b"last", "{kind} {verb}");
            if sends {
                assert_eq!(rx.try_recv().unwrap(), b"verb", "{kind} {verb}");
            }
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{kind} {verb}");
            let status = segment.status().unwrap();
            assert_eq!(
                (status.ring().resolved, status.ring().used_slots),
                (0, Some(0)),
                "{kind} {verb}"
            );
            drop(left);
        }
    }
}

fn forget(tx: &mut Producer) {
    let mut reservation = tx.reserve(40).unwrap();
    reservation.write_at(0, &[0xFF; 40]);
    std::mem::forget(reservation);
}

/// Catches a sole producer whose forgotten reservation takes anything away.
#[test]
fn a_sole_producers_forgotten_reservation_is_harmless() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair_of(&slots(Kind::Spmc, 2, 64));
    for round in 0..100 {
        forget(&mut tx);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        forget(&mut tx);
        tx.try_send_batch(&[payload(round, 10), payload(round, 11)]).unwrap();
        assert_eq!(rx.recv().unwrap(), payload(round, 10));
        assert_eq!(rx.recv().unwrap(), payload(round, 11));
        if round % 10 == 0 {
            forget(&mut tx);
            drop(tx);
            tx = segment.producer().unwrap();
        }
    }
    assert_eq!(segment.status().unwrap().ring().tombstones, 0);
}

/// Catches an order other than that of the claims, where the later claim is committed
/// first.
#[test]
fn messages_come_in_the_order_of_their_claims() {
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        let name = Name::new();
        let (_segment, mut first, mut rx) = name.pair_of(&slots(kind, 4, 64));
        let mut second = first.try_clone().unwrap();
        for round in 0..100 {
            let mut early = first.reserve(20).unwrap();
            let mut late = second.try_reserve(20).unwrap();
            late.write_at(0, &payload(round, 20));
            late.commit();
            second.send(b"last").unwrap();
            assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock));
            early.write_at(0, &payload(round + 1, 20));
            early.commit();
            assert_eq!(rx.try_recv().unwrap(), payload(round + 1, 20));
            assert_eq!(rx.try_recv().unwrap(), payload(round, 20));
            assert_eq!(rx.try_recv().unwrap(), b"last");
        }
    }
}

/// Catches a consumer that sleeps on when the ticket that it waited behind is committed
/// or given up.
#[test]
fn a_slow_commit_wakes_waiters_behind_it() {
    let _watchdog = watchdog("a_slow_commit_wakes_waiters_behind_it");
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        for mode in MODES {
            for commits in [true, false] {
                let name = Name::new();
                let (_segment, mut slow, mut rx) = name.pair_of(&slots(kind, 4, 64));
                let mut fast = slow.try_clone().unwrap();
                rx.set_wait_mode(mode);
                let mut reservation = slow.reserve(4).unwrap();
                fast.send(b"fast").unwrap();
                std::thread::scope(|scope| {
                    let waiting = scope.spawn(|| (rx.recv_timeout(LONG), rx.try_recv()));
                    std::thread::sleep(SHORT);
                    reservation.write_at(0, b"slow");
                    let expected = if commits {
                        reservation.commit();
                        (Ok(b"slow".to_vec()), Ok(b"fast".to_vec()))
                    } else {
                        drop(reservation);
                        (Ok(b"fast".to_vec()), Err(TryRecvError::Empty))
                    };
                    assert_eq!(waiting.join().unwrap(), expected, "{kind} {mode:?}");
                });
            }
        }
    }
}

/// Catches a look in place at a message that another consumer may take meanwhile, and a
/// sole consumer that is refused one.
#[test]
fn only_a_sole_consumer_reads_in_place() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 8, 64));
        tx.send_batch(&[payload(1, 20), payload(2, 30), payload(3, 40)]).unwrap();
        assert_eq!(rx.is_exclusive(), kind == Kind::Mpsc);
        if !rx.is_exclusive() {
            assert_eq!(rx.peek().map(|_| ()), Err(RecvError::NotExclusive));
            assert_eq!(rx.try_peek().map(|_| ()), Err(TryRecvError::NotExclusive));
            assert_eq!(rx.peek_timeout(LONG).map(|_| ()), Err(RecvTimeoutError::NotExclusive));
            assert_eq!(rx.lookahead().map(|_| ()), Err(TryRecvError::NotExclusive));
            let text = rx.peek().map(|_| ()).unwrap_err().to_string();
            assert!(text.contains("may take the messages"), "{text}");
            assert_eq!(rx.recv().unwrap(), payload(1, 20));
            continue;
        }
        for _ in 0..3 {
            assert_eq!(rx.peek().unwrap().to_vec(), payload(1, 20));
            assert_eq!(segment.status().unwrap().ring().messages_received, 0);
        }
        look_ahead(&mut tx, &mut rx);
        // A new consumer finds what the old one only looked at.
        assert_eq!(rx.peek().unwrap().to_vec(), payload(2, 30));
        let mut rx = successor(&segment, rx);
        rx.peek_timeout(SHORT).unwrap().release();
        assert_eq!(rx.recv().unwrap(), payload(3, 40));
        assert_eq!(rx.recv().unwrap(), payload(4, 50));
        assert_eq!(rx.try_peek().map(|_| ()), Err(TryRecvError::Empty));
        assert_eq!(segment.status().unwrap().ring().messages_received, 4);
    }
}

/// Looks past a tombstone and up to an open ticket, and releases the first message.
fn look_ahead(tx: &mut Producer, rx: &mut Consumer) {
    drop(tx.reserve(1).unwrap());
    tx.send(&payload(4, 50)).unwrap();
    let mut other = tx.try_clone().unwrap();
    let open = other.reserve(1).unwrap();
    let mut ahead = rx.lookahead().unwrap();
    for (number, len) in [(1, 20), (2, 30), (3, 40), (4, 50)] {
        assert_eq!(ahead.next().unwrap().to_vec(), payload(number, len));
    }
    assert!(ahead.next().is_none() && ahead.next().is_none());
    ahead.release_first(1);
    drop(open);
}

fn successor(segment: &Segment, rx: Consumer) -> Consumer {
    drop(rx);
    segment.consumer().unwrap()
}

/// Catches a reservation that was granted before a close and is lost, or that keeps the
/// stream from ending when it is given up.
#[test]
fn a_ticket_that_is_open_when_the_ring_closes_is_settled_first() {
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        for commits in [true, false] {
            let name = Name::new();
            let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 4, 64));
            let mut reservation = tx.reserve(4).unwrap();
            segment.close();
            assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock), "{kind}");
            assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut), "{kind}");
            reservation.write_at(0, b"last");
            if commits {
                reservation.commit();
                assert_eq!(rx.recv().unwrap(), b"last");
            } else {
                drop(reservation);
            }
            assert_eq!(rx.recv(), Err(RecvError::Eof), "{kind}");
            assert_eq!(tx.send(b"x"), Err(SendError::Closed));
        }
    }
}
