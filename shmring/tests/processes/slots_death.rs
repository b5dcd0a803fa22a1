//! Producers and consumers of slot rings that are killed or stopped where they hold
//! something: a ticket that is open, a batch half sent, the last place on a side.

use shmring::{
    Consumer, JoinError, Kind, Observer, Producer, RecvTimeoutError, Segment, SendTimeoutError,
    TryRecvError, WaitMode,
};

use crate::common::child::{self, Part};
use crate::common::{LONG, MODES, Name, SHORT, eventually, payload, watchdog};
use crate::slots_hold::{KINDS, holder, ring};

/// A way to receive one message, however long that takes.
type Way = (&'static str, fn(&mut Consumer) -> Vec<u8>);

fn poll<E>(mut attempt: impl FnMut() -> Result<Vec<u8>, E>) -> Vec<u8> {
    loop {
        match attempt() {
            Ok(message) => return message,
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn ways() -> Vec<Way> {
    fn in_mode(rx: &mut Consumer, mode: WaitMode) -> Vec<u8> {
        rx.set_wait_mode(mode);
        rx.recv_timeout(LONG).unwrap()
    }
    vec![
        ("spinning", |rx| in_mode(rx, WaitMode::Spin)),
        ("adaptive", |rx| in_mode(rx, WaitMode::Adaptive)),
        ("blocking", |rx| in_mode(rx, WaitMode::Block)),
        ("polling", |rx| poll(|| rx.try_recv())),
        ("polling with no time", |rx| poll(|| rx.recv_timeout(std::time::Duration::ZERO))),
        ("polling with little time", |rx| poll(|| rx.recv_timeout(SHORT / 100))),
        ("polling in batches", |rx| {
            poll(|| {
                let mut received = Vec::new();
                rx.try_recv_batch(1, |message| received = message.to_vec()).map(|_| received)
            })
        }),
        ("into a buffer", |rx| {
            let mut buffer = [0; 64];
            let len = rx.recv_into_timeout(&mut buffer, LONG).unwrap();
            buffer[..len].to_vec()
        }),
    ]
}

/// Catches a ticket of the dead that is never closed, whichever way the consumer
/// receives, half a message that is received, and messages behind it that are lost.
#[test]
fn a_killed_producers_reservation_is_passed_over() {
    let _watchdog = watchdog("a_killed_producers_reservation_is_passed_over");
    for kind in KINDS {
        for (way, receive) in ways() {
            let name = Name::new();
            let (segment, mut tx, mut rx) = name.pair_of(&ring(kind));
            let mut child = holder(&name, "reservation");
            tx.send_batch(&["behind", "last"]).unwrap();
            assert_eq!(rx.recv().unwrap(), b"sent");
            assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock));
            assert_eq!(rx.recv_timeout(SHORT / 4), Err(RecvTimeoutError::TimedOut));
            assert_eq!(segment.status().unwrap().ring().resolved, 0, "closed behind a living one");
            child.kill();
            assert_eq!(receive(&mut rx), b"behind", "{kind}, {way}");
            assert_eq!(receive(&mut rx), b"last", "{kind}, {way}");
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            let status = segment.status().unwrap();
            assert_eq!((status.ring().resolved, status.ring().tombstones), (1, 1), "{kind}, {way}");
            assert_eq!((status.ring().messages_received, status.ring().used_slots), (3, Some(0)));
        }
    }
}

/// Catches a slot that a sole producer had not finished and that is delivered, or lost to its
/// successor: no other producer can have claimed one, so there is nothing to pass over.
#[test]
fn a_killed_sole_producers_slot_is_its_successors() {
    let _watchdog = watchdog("a_killed_sole_producers_slot_is_its_successors");
    let name = Name::new();
    let segment = name.create(&ring(Kind::Spmc));
    let mut rx = segment.consumer().unwrap();
    for round in 1..=5 {
        let mut child = holder(&name, "reservation");
        assert!(matches!(segment.producer(), Err(JoinError::RoleTaken { .. })));
        child.kill();
        let mut tx = segment.producer().unwrap();
        tx.send(b"in its place").unwrap();
        assert_eq!(rx.recv().unwrap(), b"sent");
        let mut position = 0;
        rx.recv_batch(1, |message| {
            assert_eq!(message.to_vec(), b"in its place");
            position = message.end_position();
        })
        .unwrap();
        assert_eq!(position, 2 * round);
        assert_eq!(segment.status().unwrap().ring().tombstones, 0);
    }
}

/// Catches peeked messages in slots that are lost with the dead consumer, or that come twice
/// though they were received.
#[test]
fn a_killed_sole_consumer_leaves_what_it_did_not_release() {
    let _watchdog = watchdog("a_killed_sole_consumer_leaves_what_it_did_not_release");
    let name = Name::new();
    let (segment, mut tx, rx) = name.pair_of(&ring(Kind::Mpsc));
    drop(rx);
    tx.set_require_consumer(false);
    (0..5).for_each(|number| tx.send(&payload(number, 40)).unwrap());
    let mut child = holder(&name, "peeks");
    assert!(matches!(segment.consumer(), Err(JoinError::RoleTaken { .. })));
    child.kill();
    let mut rx = segment.consumer().unwrap();
    for number in 1..5 {
        let peek = rx.peek().unwrap();
        assert_eq!(peek.to_vec(), payload(number, 40));
        assert_eq!(peek.is_redelivered(), number < 3, "{number}");
        peek.release();
    }
}

/// Catches a consumer that looks at messages in place and is stuck behind the dead.
#[test]
fn a_peek_gets_past_a_killed_producer() {
    let _watchdog = watchdog("a_peek_gets_past_a_killed_producer");
    for polls in [true, false] {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&ring(Kind::Mpsc));
        let mut child = holder(&name, "reservation");
        tx.send(b"behind").unwrap();
        rx.peek().unwrap().release();
        child.kill();
        if polls {
            while rx.try_peek().is_err() {}
        }
        let peek = rx.peek_timeout(LONG).unwrap();
        assert_eq!(peek.to_vec(), b"behind");
        peek.release();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Catches a batch of the dead of which the rest holds up the ring, and one that comes
/// with messages that were never sent.
#[test]
fn a_killed_producers_batch_is_received_as_far_as_it_was_sent() {
    let _watchdog = watchdog("a_killed_producers_batch_is_received_as_far_as_it_was_sent");
    for kind in KINDS {
        for mode in MODES {
            let name = Name::new();
            let (segment, mut tx, mut rx) = name.pair_of(&ring(kind));
            rx.set_wait_mode(mode);
            let mut child = holder(&name, "batch");
            tx.send(b"behind").unwrap();
            for expected in [b"1", b"2", b"3"] {
                assert_eq!(rx.recv().unwrap(), expected);
            }
            assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock));
            child.kill();
            assert_eq!(rx.recv_timeout(LONG).unwrap(), b"behind", "{kind}, {mode:?}");
            let status = segment.status().unwrap();
            assert_eq!(
                (status.ring().resolved, status.ring().tombstones),
                (3, 3),
                "{kind}, {mode:?}"
            );
        }
    }
}

/// Catches an end of the stream that the dead keep from coming, or that comes over a
/// ticket which is not settled, for each of several consumers.
#[test]
fn the_stream_ends_when_the_last_producer_was_killed() {
    let _watchdog = watchdog("the_stream_ends_when_the_last_producer_was_killed");
    for kind in KINDS {
        for mode in MODES {
            let name = Name::new();
            let (segment, tx, rx) = name.pair_of(&ring(kind));
            let mut consumers: Vec<Consumer> = rx.try_clone().ok().into_iter().collect();
            consumers.push(rx);
            let mut child = holder(&name, "reservation");
            assert_eq!(consumers[0].recv().unwrap(), b"sent");
            drop(tx);
            std::thread::scope(|scope| {
                let waiting: Vec<_> = consumers
                    .iter_mut()
                    .map(|rx| {
                        rx.set_wait_mode(mode);
                        scope.spawn(|| rx.recv_timeout(LONG))
                    })
                    .collect();
                std::thread::sleep(SHORT);
                assert!(waiting.iter().all(|thread| !thread.is_finished()), "it is alive");
                child.kill();
                for thread in waiting {
                    assert_eq!(
                        thread.join().unwrap(),
                        Err(RecvTimeoutError::Eof),
                        "{kind}, {mode:?}"
                    );
                }
            });
            let status = segment.status().unwrap();
            assert_eq!((status.ring().resolved, status.ring().producers.len()), (1, 0));
        }
    }
}

/// Catches a pipe that breaks while a consumer lives, or never breaks because the last
/// one was killed.
#[test]
fn the_pipe_breaks_when_the_last_consumer_was_killed() {
    let _watchdog = watchdog("the_pipe_breaks_when_the_last_consumer_was_killed");
    for kind in [Kind::Mpmc, Kind::Spmc, Kind::Mpsc] {
        for mode in MODES {
            let name = Name::new();
            let segment = name.create(&ring(kind));
            let mut producers: Vec<Producer> =
                if kind == Kind::Spmc { vec![] } else { vec![segment.producer().unwrap()] };
            producers.push(segment.producer().unwrap());
            producers[0].send(&payload(0, 40)).unwrap();
            let mut children = vec![holder(&name, "consumer")];
            if kind != Kind::Mpsc {
                producers[0].send(&payload(0, 40)).unwrap();
                children.push(holder(&name, "consumer"));
            }
            while producers[0].try_send(b"full").is_ok() {}
            if let [first, _] = &mut children[..] {
                first.kill();
                let sent = producers[0].send_timeout(b"x", SHORT * 10);
                assert_eq!(sent, Err(SendTimeoutError::TimedOut), "one is left");
            }
            std::thread::scope(|scope| {
                let waiting: Vec<_> = producers
                    .iter_mut()
                    .map(|tx| {
                        tx.set_wait_mode(mode);
                        scope.spawn(|| tx.send_timeout(b"x", LONG))
                    })
                    .collect();
                children.last_mut().unwrap().kill();
                for thread in waiting {
                    let sent = thread.join().unwrap();
                    assert_eq!(sent, Err(SendTimeoutError::BrokenPipe), "{kind}, {mode:?}");
                }
            });
            // The unread messages are still there.
            let mut rx = segment.consumer().unwrap();
            assert_eq!(rx.recv_batch(99, |message| assert_eq!(message.to_vec(), b"full")), Ok(16));
        }
    }
}

/// Catches a producer that is taken for dead because it does not move: what it holds is
/// its own until it runs again, and then arrives.
#[test]
fn a_stopped_producer_holds_up_and_is_not_passed_over() {
    let _watchdog = watchdog("a_stopped_producer_holds_up_and_is_not_passed_over");
    for kind in KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&ring(kind));
        let mut child = holder(&name, "reservation");
        child.signal(libc::SIGSTOP);
        tx.send_batch(&["behind", "last"]).unwrap();
        assert_eq!(rx.recv().unwrap(), b"sent");
        for mode in MODES {
            rx.set_wait_mode(mode);
            assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock));
            // Longer than a slice of sleep, after which the dead are looked for.
            assert_eq!(
                rx.recv_timeout(SHORT * 15),
                Err(RecvTimeoutError::TimedOut),
                "{kind}, {mode:?}"
            );
        }
        let status = segment.status().unwrap();
        assert_eq!((status.ring().resolved, status.ring().tombstones, status.repairs), (0, 0, 0));
        assert_eq!((status.ring().producers.len(), status.ring().used_slots), (2, Some(3)));
        child.signal(libc::SIGCONT);
        child.go();
        assert_eq!(rx.recv_timeout(LONG).unwrap(), [0xFF; 40]);
        assert_eq!(rx.recv_timeout(LONG).unwrap(), b"behind");
        assert_eq!(rx.recv_timeout(LONG).unwrap(), b"last");
        child.finish();
        assert_eq!(segment.status().unwrap().ring().resolved, 0);
    }
}

/// Catches a forgotten reservation of a living process that someone closes for it, or
/// that it does not close itself.
#[test]
fn a_living_process_closes_what_it_forgot() {
    let _watchdog = watchdog("a_living_process_closes_what_it_forgot");
    for kind in KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&ring(kind));
        let mut child = holder(&name, "forgotten");
        tx.send(b"behind").unwrap();
        assert_eq!(rx.recv_timeout(SHORT * 10), Err(RecvTimeoutError::TimedOut));
        assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock));
        child.go();
        assert_eq!(child.hear(), "closed");
        assert_eq!(rx.recv_timeout(LONG).unwrap(), b"behind");
        assert_eq!(rx.recv_timeout(LONG).unwrap(), b"its next verb");
        let status = segment.status().unwrap();
        assert_eq!((status.ring().resolved, status.ring().tombstones), (0, 1));
        child.kill();
    }
}

/// Catches a ring that is stuck after everyone died: a new attach finds what was sent,
/// passes what was not, and has room for everyone again.
#[test]
fn a_slot_ring_outlives_everyone() {
    let _watchdog = watchdog("a_slot_ring_outlives_everyone");
    for kind in KINDS {
        let name = Name::new();
        {
            let _quiet = child::quiet();
            let config = ring(kind).max_attachments(4).max_handles(4);
            let segment = name.create(&config);
            let mut tx = segment.producer().unwrap();
            (0..2).for_each(|number| tx.send(&payload(number, 40)).unwrap());
        }
        let mut children = vec![holder(&name, "consumer"), holder(&name, "reservation")];
        children.push(holder(&name, "batch"));
        children.push(holder(&name, "forgotten"));
        children.iter_mut().for_each(Part::kill);
        eventually("the kernel told of all deaths", || {
            let attached = Observer::open(&name).unwrap().status().unwrap().attached;
            assert_eq!(attached.len(), 4);
            attached.iter().all(|participant| !participant.alive).then_some(())
        });
        let segment = Segment::attach(&name).unwrap();
        let status = segment.status().unwrap();
        assert_eq!((status.attached.len(), status.ring().producers.len()), (1, 0));
        let mut rx = segment.consumer().unwrap();
        assert_eq!(rx.recv_timeout(LONG).unwrap(), payload(1, 40), "{kind}");
        for expected in ["sent", "1", "2", "3"] {
            assert_eq!(rx.recv_timeout(LONG).unwrap(), expected.as_bytes(), "{kind}");
        }
        assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof), "{kind}");
        let status = segment.status().unwrap();
        assert_eq!(
            (status.ring().resolved, status.ring().tombstones, status.ring().used_slots),
            (5, 5, Some(0))
        );
        let producers: Vec<_> = (0..3).map(|_| segment.producer().unwrap()).collect();
        drop(producers);
    }
}
