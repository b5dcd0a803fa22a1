//! Today's library reads the golden segments, and goes on with them.

use std::fs;

use shmring::info::Front;
use shmring::{
    Observer, RecvError, RecvTimeoutError, Role, Segment, Start, Subscribe, TryRecvError,
};

use crate::common::{LONG, Name, watchdog};
use crate::image::{golden, path, place};
use crate::listing::listing;
use crate::scenes::{Point, names, point};

fn placed(name: &str) -> (Name, Segment) {
    let placed = place(&golden(name));
    let segment = Segment::attach(&placed).unwrap();
    (placed, segment)
}

/// Catches facts and messages that are read otherwise than they were.
#[test]
fn golden_segments_are_listed_as_they_always_were() {
    for name in names() {
        let expected = fs::read_to_string(path(&format!("{name}.txt"))).unwrap();
        assert_eq!(listing(&place(&golden(name))), expected, "{name}");
    }
}

/// Catches records that are not found behind a pad, the dead that are not reaped,
/// and a redelivery without the mark.
#[test]
fn records_are_received_and_followed_by_others() {
    let _watchdog = watchdog("records_are_received_and_followed_by_others");
    let (name, segment) = placed("spsc");
    let status = segment.status().unwrap();
    assert_eq!((status.ring().head, status.ring().tail, status.repairs), (4040, 4152, 2));
    assert!(status.ring().producers.is_empty() && status.ring().consumers.is_empty());
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    tx.send(b"more").unwrap();
    drop(tx);
    let mut received = Vec::new();
    rx.recv_batch(10, |message| {
        received.push((message.to_vec(), message.end_position(), message.is_redelivered()));
    })
    .unwrap();
    let forty = b"forty bytes do not fit before the end...".to_vec();
    let expected = [
        (b"short".to_vec(), 4056, true),
        (forty, 4144, false),
        (Vec::new(), 4152, false),
        (b"more".to_vec(), 4168, false),
    ];
    assert_eq!(received, expected);
    assert_eq!(rx.recv(), Err(RecvError::Eof));
    assert_eq!(Observer::open(&name).unwrap().status().unwrap().ring().messages_received, 8);
}

/// Catches a tombstone that is delivered, a ticket of the dead that is not closed, and a message
/// behind it that is lost.
#[test]
fn slots_are_received_past_the_tickets_of_the_dead() {
    let _watchdog = watchdog("slots_are_received_past_the_tickets_of_the_dead");
    let name = place(&golden("mpmc"));
    let seen = Observer::open(&name).unwrap().status().unwrap();
    assert_eq!((seen.ring().front, seen.ring().used_slots), (Front::Message, Some(6)));
    let tickets: Vec<_> =
        seen.ring().holders_of(Role::Producer).map(|holder| holder.announced.clone()).collect();
    assert_eq!(tickets, [Some(12..13), Some(11..12)]);

    let segment = Segment::attach(&name).unwrap();
    let mut rx = segment.consumer().unwrap();
    assert_eq!(rx.recv_timeout(LONG).unwrap(), b"six goes on in another slot...");
    assert_eq!(rx.recv_timeout(LONG).unwrap(), b"all of the 24 bytes fit.");
    assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock));
    assert_eq!(rx.recv_timeout(LONG).unwrap(), b"behind");
    assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
    let after = segment.status().unwrap();
    assert_eq!(
        (after.ring().tombstones, after.ring().resolved, after.ring().messages_received),
        (2, 1, 9)
    );
    segment.producer().unwrap().send(b"eleven").unwrap();
    assert_eq!(rx.recv_timeout(LONG).unwrap(), b"eleven");
}

/// Catches elements in slots that are taken apart, and a ring that is open again.
#[test]
fn elements_in_slots_are_received_from_a_closed_ring() {
    let (_name, segment) = placed("mpsc");
    assert!(segment.value_producer::<Point>().is_err() && segment.consumer().is_ok());
    let mut rx = segment.value_consumer::<Point>().unwrap();
    assert_eq!(rx.iter().collect::<Result<Vec<_>, _>>().unwrap(), [point(6), point(7)]);
}

/// Catches a successor that writes over what its predecessor sent, and an end that was reported
/// and is reported again to a consumer that came later.
#[test]
fn a_sole_producer_follows_another_among_slots() {
    let _watchdog = watchdog("a_sole_producer_follows_another_among_slots");
    let (_name, segment) = placed("spmc");
    let mut rx = segment.consumer().unwrap();
    let mut tx = segment.producer().unwrap();
    tx.send(b"f").unwrap();
    assert!(tx.try_send(b"no room").is_err());
    drop(tx);
    let messages = rx.iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(messages, [&b"d"[..], b"eight and 4.", b"f"]);
}

/// Catches elements that are read from the wrong end of the ring.
#[test]
fn elements_are_received_around_the_end() {
    let (_name, segment) = placed("packed");
    let mut rx = segment.value_consumer::<Point>().unwrap();
    let elements = rx.peek(10).unwrap();
    assert_eq!(
        (elements.redelivered(), elements.to_vec().unwrap()),
        (2, [6, 7, 8, 9, 10].map(point).into())
    );
    elements.release();
    let mut tx = segment.value_producer::<Point>().unwrap();
    tx.send(&point(11)).unwrap();
    assert_eq!(rx.recv().unwrap(), point(11));
}

/// Catches a producer that does not go on where the dead one stopped, or that its dead subscribers
/// hold up; and messages that a new subscriber does not find.
#[test]
fn records_are_broadcast_to_subscribers_that_come_later() {
    let _watchdog = watchdog("records_are_broadcast_to_subscribers_that_come_later");
    let (name, segment) = placed("broadcast");
    let status = segment.status().unwrap();
    assert_eq!((status.repairs, status.ring().evictions), (2, 1));
    assert!(status.ring().holders.is_empty());
    let mut rx = segment.subscribe(Subscribe::gating().from(Start::Oldest)).unwrap();
    let mut tx = segment.producer().unwrap();
    tx.send(b"more").unwrap();
    let peeked = Observer::open(&name).unwrap().peek(usize::MAX, usize::MAX).unwrap();
    let ends: Vec<_> = peeked.messages.iter().map(|message| message.end).collect();
    let first = rx.recv().unwrap();
    let number = first[0];
    assert_eq!(first, [number; 211]);
    (number + 1..24).for_each(|number| assert_eq!(rx.recv().unwrap(), [number; 211]));
    assert!(ends.contains(&rx.position()));
    for expected in [&b""[..], b"last", b"more"] {
        assert_eq!(rx.recv().unwrap(), expected);
    }
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    (0..100).for_each(|_| {
        tx.try_send(&[7; 300]).unwrap();
        rx.recv().unwrap();
    });
}

/// Catches jobs that stay with workers that died, and that come behind new ones or with a wrong
/// number of attempts.
#[test]
fn jobs_of_the_dead_come_back() {
    let _watchdog = watchdog("jobs_of_the_dead_come_back");
    let (_name, segment) = placed("jobs");
    let jobs = segment.status().unwrap().ring().jobs.unwrap();
    assert_eq!((jobs.waiting, jobs.returned, jobs.in_hand), (4, 3, 0));
    let (mut tx, worker) = (segment.producer().unwrap(), segment.worker().unwrap());
    tx.send(b"new").unwrap();
    for (position, attempts, bytes) in [
        (6, 2, &b"six"[..]),
        (7, 2, b"seven"),
        (9, 3, b"nine goes on in another slot.."),
        (12, 1, b"fresh"),
        (13, 1, b"new"),
    ] {
        let job = worker.take().unwrap();
        assert_eq!(
            (job.position(), job.attempts(), &job.to_vec()[..]),
            (position, attempts, bytes)
        );
        assert!(job.acknowledge());
    }
    drop(tx);
    assert_eq!(worker.take().map(drop), Err(RecvError::Eof));
    let status = segment.status().unwrap();
    assert_eq!((status.ring().messages_received, status.ring().tombstones), (12, 1));
}
