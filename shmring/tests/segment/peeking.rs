//! Messages that are looked at without being received.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bytemuck::{Pod, Zeroable};
use shmring::info::Front;
use shmring::observe::PeekEnd;
use shmring::{Config, Consumer, Element, Kind, Observer, Peeked, Producer, Role, Segment, values};

use crate::common::{Name, SLOT_KINDS, broadcast, payload, slots, watchdog};

/// Where the words lie in the file, with the default tables.
const DATA: u64 = 32_768;

fn peek(name: &Name) -> Peeked {
    Observer::open(name).unwrap().peek(usize::MAX, usize::MAX).unwrap()
}

fn configs() -> Vec<Config> {
    let mut configs: Vec<_> = SLOT_KINDS.map(|kind| slots(kind, 16, 128)).into();
    configs.push(Config::spsc().capacity_bytes(4096));
    configs.push(broadcast());
    configs
}

/// Catches a message that is shown and not received, received and not shown, shown in
/// another order or at another position than its receiver is told, or taken by being shown;
/// also where the ring wraps, and of no length.
#[test]
fn peeked_messages_are_the_received_ones() {
    for config in configs() {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&config);
        let kind = segment.info().ring().kind;
        let mut sent = 0_u64;
        for round in 0..60 {
            while tx.try_send(&payload(sent, (sent * 31 % 121) as usize)).is_ok() {
                sent += 1;
            }
            let before = fs::read(name.path()).unwrap();
            let peeked = peek(&name);
            assert_eq!(fs::read(name.path()).unwrap(), before, "something was stored");
            assert_eq!((peeked.end, peeked.missed), (PeekEnd::Empty, 0));
            assert_eq!(peek(&name), peeked);
            assert!(peeked.messages.len() > 8);
            assert!(peeked.messages.windows(2).all(|two| two[0].end <= two[1].start));
            let mut received = Vec::new();
            rx.recv_batch(1 + round % 9, |message| {
                received.push((message.end_position(), message.to_vec()));
            })
            .unwrap();
            let mut pending = peeked.messages.iter();
            if kind == Kind::Broadcast {
                // It shows what is kept, from a mark on: some of it was received, and what is
                // before the mark is not shown.
                let ends: Vec<_> = peeked.messages.iter().map(|pending| pending.end).collect();
                received.retain(|(position, _)| ends.contains(position));
                let first = received.first().map_or(0, |(position, _)| *position);
                pending = peeked.messages[ends.iter().filter(|end| **end < first).count()..].iter();
            }
            for (pending, (position, bytes)) in pending.zip(received) {
                assert_eq!((pending.end, &pending.bytes), (position, &bytes));
                assert_eq!(pending.len, bytes.len() as u64);
            }
        }
    }
}

/// Catches limits that are not kept, and lengths that are those of what was copied.
#[test]
fn as_much_as_is_asked_for() {
    for config in configs() {
        let name = Name::new();
        let (_segment, mut tx, _rx) = name.pair_of(&config);
        for number in 0..5 {
            tx.send(&payload(number, 100)).unwrap();
        }
        let observer = Observer::open(&name).unwrap();
        let peeked = observer.peek(3, 7).unwrap();
        assert_eq!((peeked.messages.len(), peeked.end), (3, PeekEnd::Limit));
        for (number, pending) in (0..).zip(&peeked.messages) {
            assert_eq!((pending.len, &pending.bytes[..]), (100, &payload(number, 100)[..7]));
        }
        let nothing = observer.peek(0, 7).unwrap();
        assert!(nothing.messages.is_empty() && nothing.end == PeekEnd::Limit);
        let lengths = observer.peek(9, 0).unwrap();
        assert!(lengths.messages.iter().all(|one| one.len == 100 && one.bytes.is_empty()));
        assert_eq!((lengths.messages.len(), lengths.end), (5, PeekEnd::Empty));
    }
}

/// An element of a size that no word has.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable, Element)]
#[repr(C)]
struct Odd([u8; 3]);

/// Catches elements that are read across each other, or from the wrong end of the ring.
#[test]
fn elements_of_any_size() {
    fn check<T: Element + Pod + PartialEq>(make: impl Fn(u64) -> T) {
        let name = Name::new();
        let segment = name.create(&Config::packed::<T>().slots(8));
        let mut tx: values::Producer<T> = segment.value_producer().unwrap();
        let mut rx: values::Consumer<T> = segment.value_consumer().unwrap();
        for round in 0..20 {
            let all: Vec<T> = (0..5).map(|index| make(round * 5 + index)).collect();
            tx.send_slice(&all).unwrap();
            let peeked = peek(&name);
            assert_eq!(peeked.end, PeekEnd::Empty);
            let shown: Vec<_> = peeked.messages.iter().map(|one| &one.bytes[..]).collect();
            let expected: Vec<_> = all.iter().map(bytemuck::bytes_of).collect();
            assert_eq!(shown, expected);
            assert_eq!(peeked.messages[0].start, round * 5);
            rx.recv_slice(&mut [make(0); 5]).unwrap();
        }
    }
    check(|number| number);
    check(|number| number as u8);
    check(|number| Odd([number as u8, 2, 3]));
    check(|number| [number as u32; 31]);
}

/// Catches a look that waits at, passes, or shows what is claimed and not published, or
/// that shows what was given up.
#[test]
fn a_claimed_position_is_the_end() {
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 256, 64));
        let mut other = segment.producer().unwrap();
        tx.send(b"first").unwrap();
        // More than a consumer passes at once.
        for _ in 0..100 {
            drop(tx.reserve(8).unwrap());
        }
        tx.send(b"second").unwrap();
        let mut reservation = tx.reserve(8).unwrap();
        reservation.write_at(0, b"reserved");
        other.send(b"behind").unwrap();
        let peeked = peek(&name);
        let shown: Vec<_> = peeked.messages.iter().map(|one| (one.start, &one.bytes[..])).collect();
        assert_eq!(shown, [(0, &b"first"[..]), (101, b"second")]);
        assert_eq!((peeked.end, peeked.missed), (PeekEnd::InFlight { position: 102 }, 0));
        reservation.commit();
        assert_eq!(peek(&name).messages.len(), 4);
        rx.recv().unwrap();
        assert_eq!(peek(&name).messages[0].bytes, b"second");
    }
}

/// Catches damage that passes for a message or for the end, and hides what is before it.
#[test]
fn damage_is_the_end() {
    for (config, second) in
        [(Config::spsc().capacity_bytes(4096), 24), (slots(Kind::Mpmc, 16, 64), 64)]
    {
        let name = Name::new();
        let (_segment, mut tx, _rx) = name.pair_of(&config);
        tx.send(&[1; 16]).unwrap();
        tx.send(&[2; 16]).unwrap();
        name.poke(DATA + second, 0xDEAD_BEEF_DEAD_BEEF);
        let peeked = peek(&name);
        assert_eq!((peeked.messages.len(), &peeked.messages[0].bytes[..]), (1, &[1; 16][..]));
        assert!(matches!(peeked.end, PeekEnd::Corrupt(corrupt)
            if corrupt.found == 0xDEAD_BEEF_DEAD_BEEF));
    }
}

fn number_of(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes[..8].try_into().unwrap())
}

/// A message that tells its number, and whether it is whole.
fn numbered(number: u64) -> Vec<u8> {
    let mut bytes = payload(number, 8 + (number * 7 % 113) as usize);
    bytes[..8].copy_from_slice(&number.to_ne_bytes());
    bytes
}

/// Looks again and again until the traffic is over, and checks where the ring is and every
/// message that is shown. How many that were.
fn look_at(name: &Name, is_over: &AtomicBool, expected: impl Fn(u64) -> Vec<u8>) -> usize {
    let observer = Observer::open(name).unwrap();
    let description = observer.info();
    let capacity = description.ring().slots.unwrap_or(description.ring().capacity_bytes);
    let (mut shown, mut last) = (0, 0);
    while !is_over.load(Ordering::Relaxed) {
        let status = observer.status().unwrap();
        assert!(!matches!(status.ring().front, Front::Corrupt(_)), "{:?}", status.ring().front);
        assert!(
            (status.ring().head..=status.ring().head + capacity).contains(&status.ring().tail),
            "{status:?}"
        );
        assert!(status.ring().head >= last, "head went back");
        let peeked = observer.peek(64, usize::MAX).unwrap();
        assert!(!matches!(peeked.end, PeekEnd::Corrupt(_)), "{:?}", peeked.end);
        last = status.ring().head;
        // A broadcast ring shows what was received as well, as long as it is kept.
        let mut end = if description.ring().kind == Kind::Broadcast { 0 } else { last };
        for pending in &peeked.messages {
            assert!(pending.start >= end, "out of order");
            end = pending.end;
            let number = number_of(&pending.bytes);
            assert!(pending.bytes == expected(number), "message {number} is not as it was sent");
        }
        shown += peeked.messages.len();
    }
    shown
}

const MESSAGES: u64 = 30_000;

/// Now and then a receiver pauses, so that the ring is full at some times and empty at others.
fn pause(number: u64) {
    if number.is_multiple_of(1000) {
        thread::sleep(Duration::from_micros(200));
    }
}

fn send_all(mut tx: Producer) {
    for number in 0..MESSAGES {
        tx.send(&numbered(number)).unwrap();
    }
}

fn receive_all(mut rx: Consumer) {
    for number in 0.. {
        if rx.recv().is_err() {
            return;
        }
        pause(number);
    }
}

/// Catches a message that was overwritten while it was copied and is shown nevertheless,
/// damage that is seen where there is none, and messages that are out of order.
#[test]
fn under_full_traffic_every_peeked_message_is_whole() {
    let _watchdog = watchdog("under_full_traffic_every_peeked_message_is_whole");
    // Small rings, so that they are overwritten all the time.
    for config in configs() {
        let name = Name::new();
        let kind = name.create(&config).info().ring().kind;
        let attaches = |role| {
            let count = if kind.shares(role) { 2 } else { 1 };
            (0..count).map(|_| Segment::attach(&name).unwrap())
        };
        // Everyone joins before anyone is done.
        let receivers: Vec<_> =
            attaches(Role::Consumer).map(|one| one.consumer().unwrap()).collect();
        let senders: Vec<_> = attaches(Role::Producer).map(|one| one.producer().unwrap()).collect();
        let is_over = AtomicBool::new(false);
        let shown = thread::scope(|scope| {
            let looking = scope.spawn(|| look_at(&name, &is_over, numbered));
            for tx in senders {
                scope.spawn(move || send_all(tx));
            }
            let receivers: Vec<_> =
                receivers.into_iter().map(|rx| scope.spawn(move || receive_all(rx))).collect();
            receivers.into_iter().for_each(|receiver| receiver.join().unwrap());
            is_over.store(true, Ordering::Relaxed);
            looking.join().unwrap()
        });
        assert!(shown > 0, "{kind}: nothing was shown");
    }
}

/// As above, of elements in slices.
#[test]
fn under_full_traffic_every_peeked_element_is_whole() {
    let _watchdog = watchdog("under_full_traffic_every_peeked_element_is_whole");
    let name = Name::new();
    let segment = name.create(&Config::packed::<[u64; 5]>().slots(16));
    let mut tx = segment.value_producer::<[u64; 5]>().unwrap();
    let mut rx = segment.value_consumer::<[u64; 5]>().unwrap();
    let is_over = AtomicBool::new(false);
    let expected = |number| [number; 5].map(u64::to_ne_bytes).concat();
    let shown = thread::scope(|scope| {
        let looking = scope.spawn(|| look_at(&name, &is_over, expected));
        scope.spawn(move || {
            for number in (0..5 * MESSAGES).step_by(5) {
                tx.send_slice(&[0, 1, 2, 3, 4].map(|more| [number + more; 5])).unwrap();
            }
        });
        for number in 0..5 * MESSAGES {
            assert_eq!(rx.recv().unwrap(), [number; 5]);
            pause(number);
        }
        is_over.store(true, Ordering::Relaxed);
        looking.join().unwrap()
    });
    assert!(shown > 0, "nothing was shown");
}
