//! How the golden files were made.

use std::fs;
use std::ops::Range;

use shmring::{Config, Element, Kind, RecvError, Role, Segment, Subscribe};

use crate::common::Name;

/// A segment in a certain state.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// Plays the scene under that name and returns the segment's bytes.
    pub(crate) make: fn(&Name) -> Vec<u8>,
    /// What the format leaves to the writer: byte ranges of the file, besides what
    /// [`normalise`](crate::image::normalise) knows.
    pub(crate) open: &'static [Range<usize>],
}

/// Where the parts of all of them lie: two attaches, four handles.
const HANDLES: usize = 12_288;
/// A segment with two rings, which a unit test of the library makes: nothing else can.
pub(crate) const TWO_RINGS: &str = "two";

const CONTROL: usize = HANDLES + 4 * 256;
pub(crate) const DATA: usize = 16_384;

/// The intent of a handle whose tickets are published.
const fn intent(handle: usize) -> Range<usize> {
    HANDLES + handle * 256..HANDLES + handle * 256 + 8
}

/// Since when a worker has jobs.
const fn since(handle: usize) -> Range<usize> {
    HANDLES + handle * 256 + 40..HANDLES + handle * 256 + 48
}

/// A tail that is a hint.
const TAIL: Range<usize> = CONTROL..CONTROL + 8;

const fn data(start: usize, end: usize) -> Range<usize> {
    DATA + start..DATA + end
}

pub(crate) const ALL: [Scene; 7] = [
    Scene {
        name: "spsc",
        make: spsc,
        // Free space, and what is behind a payload of five bytes.
        open: &[TAIL, data(64, 4040), data(4053, 4056)],
    },
    Scene {
        name: "mpmc",
        make: mpmc,
        // Slot 7 and six bytes of 0 hold a message, 1 holds none, 2 is full, 3 is in flight, 4
        // holds six bytes, and 5 and 6 are consumed.
        open: &[
            intent(0),
            data(14, 32),
            data(40, 64),
            data(104, 128),
            data(142, 160),
            data(168, 192),
            data(200, 224),
        ],
    },
    Scene {
        name: "mpsc",
        make: mpsc,
        // Slots 3 and 0 are consumed, 1 and 2 hold twelve bytes.
        open: &[intent(0), intent(1), data(8, 24), data(44, 48), data(68, 72), data(80, 96)],
    },
    Scene {
        name: "spmc",
        make: spmc,
        // Slot 2 is consumed, 3 holds one byte, 0 and four bytes of 1 hold a message.
        open: &[TAIL, data(28, 32), data(40, 48), data(57, 64)],
    },
    Scene {
        name: "packed",
        make: packed,
        // Free space, up to the end of the page behind the ring.
        open: &[data(36, 72), data(96, 4096)],
    },
    Scene {
        name: "broadcast",
        make: broadcast,
        // Free space: from the word behind tail to the floor.
        open: &[data(BROADCAST_FREE.start, BROADCAST_FREE.end)],
    },
    Scene {
        name: "jobs",
        make: jobs,
        // Slots 6, 7, 0 and 4 hold three to five bytes, 1 and 14 bytes of 2 a job, 3 holds none,
        // and 5 is consumed.
        open: &[
            intent(0),
            intent(2),
            data(20, 32),
            data(94, 96),
            data(112, 128),
            data(149, 160),
            data(176, 192),
            data(211, 224),
            data(245, 256),
        ],
    },
];

/// Of the scene `broadcast`: what no message is in any more.
pub(crate) const BROADCAST_FREE: Range<usize> = 1376..1536;

/// The names of all golden files.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|scene| scene.name).chain([TWO_RINGS])
}

fn config(kind: Kind) -> Config {
    small(Config::new(kind))
}

fn small(config: Config) -> Config {
    config.max_attachments(2).max_handles(4)
}

fn bytes(name: &Name) -> Vec<u8> {
    fs::read(name.path()).unwrap()
}

/// Records around the end of the ring, with both sides attached, as if both were killed.
fn spsc(name: &Name) -> Vec<u8> {
    let here = Segment::create(name, &config(Kind::Spsc).capacity_bytes(4096)).unwrap();
    let there = Segment::attach(name).unwrap();
    let (mut tx, mut rx) = (here.producer().unwrap(), there.consumer().unwrap());
    for message in [&b"one"[..], b"", &[b'x'; 2000], &[b'y'; 2000]] {
        tx.send(message).unwrap();
        assert_eq!(rx.recv().unwrap(), message);
    }
    tx.send(b"short").unwrap();
    tx.send(b"forty bytes do not fit before the end...").unwrap();
    tx.send(b"").unwrap();
    assert_eq!(rx.peek().unwrap().to_vec(), b"short");
    bytes(name)
}

/// The second lap of eight slots, with producers that were killed.
fn mpmc(name: &Name) -> Vec<u8> {
    let config = config(Kind::Mpmc).slots(8).slot_bytes(32);
    let here = Segment::create(name, &config).unwrap();
    let there = Segment::attach(name).unwrap();
    let (mut tx, mut rx) = (here.producer().unwrap(), here.consumer().unwrap());
    let mut other = there.producer().unwrap();
    for message in [&[0; 7][..], &[1; 7], &[2; 7], &[3; 7], &[4; 7], &[5; 40]] {
        tx.send(message).unwrap();
        assert_eq!(rx.recv().unwrap(), message);
    }
    tx.send(b"six goes on in another slot...").unwrap();
    drop(other.reserve(24).unwrap());
    tx.send(b"all of the 24 bytes fit.").unwrap();
    let mut open = other.reserve(5).unwrap();
    open.write_at(0, b"lost?");
    tx.send(b"behind").unwrap();
    bytes(name)
}

/// An element of three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(C)]
pub(crate) struct Point(pub(crate) [u32; 3]);

pub(crate) fn point(number: u32) -> Point {
    Point([number, number + 1, 0x0100_0000 * number])
}

/// Elements in slots, two producers, and everyone has left.
fn mpsc(name: &Name) -> Vec<u8> {
    let config = config(Kind::Mpsc).slots(4).values::<Point>();
    let here = Segment::create(name, &config).unwrap();
    let mut tx = here.value_producer::<Point>().unwrap();
    let mut other = tx.try_clone().unwrap();
    let mut rx = here.value_consumer::<Point>().unwrap();
    for number in 0..2 {
        tx.send(&point(number)).unwrap();
        other.send(&point(number)).unwrap();
        assert_eq!(rx.recv_slice(&mut [point(0); 2]).unwrap(), 2);
    }
    other.send_slice(&[point(5), point(6)]).unwrap();
    tx.send(&point(7)).unwrap();
    assert_eq!(rx.recv().unwrap(), point(5));
    tx.close();
    drop((other, rx, here));
    bytes(name)
}

/// The messages of a second producer, after a consumer got the end of the first one's stream.
fn spmc(name: &Name) -> Vec<u8> {
    let config = config(Kind::Spmc).slots(4).slot_bytes(16);
    let here = Segment::create(name, &config).unwrap();
    let (mut tx, mut rx) = (here.producer().unwrap(), here.consumer().unwrap());
    let other = rx.try_clone().unwrap();
    for message in ["a", "", "c"] {
        tx.send(message.as_bytes()).unwrap();
        assert_eq!(rx.recv().unwrap(), message.as_bytes());
    }
    drop(tx);
    assert_eq!(rx.recv(), Err(RecvError::Eof));
    let mut tx = here.producer().unwrap();
    tx.send_batch(&["d", "eight and 4."]).unwrap();
    drop((tx, other));
    let left = bytes(name);
    drop(rx);
    left
}

/// Elements that lie around the end of the ring, the first two of them shown.
fn packed(name: &Name) -> Vec<u8> {
    let config = small(Config::packed::<Point>()).slots(8);
    let here = Segment::create(name, &config).unwrap();
    let mut tx = here.value_producer::<Point>().unwrap();
    let mut rx = here.value_consumer::<Point>().unwrap();
    tx.send_slice(&[0, 1, 2, 3, 4, 5].map(point)).unwrap();
    assert_eq!(rx.recv_slice(&mut [point(0); 6]).unwrap(), 6);
    tx.send_slice(&[6, 7, 8, 9, 10].map(point)).unwrap();
    assert_eq!(rx.peek(2).unwrap().len(), 2);
    drop((tx, rx, here));
    bytes(name)
}

/// The second lap of records, with a producer and subscribers of each kind that were killed: one
/// that holds the producer up, one that was evicted, and one that missed some.
fn broadcast(name: &Name) -> Vec<u8> {
    let config = config(Kind::Broadcast).capacity_bytes(4096).max_handles(5);
    let here = Segment::create(name, &config).unwrap();
    let there = Segment::attach(name).unwrap();
    let mut tx = here.producer().unwrap();
    let mut evicted = there.subscribe(Subscribe::gating()).unwrap();
    let subscribers = here.status().unwrap();
    let holder = subscribers.ring().holders_of(Role::Consumer).next().unwrap();
    here.evict(holder).unwrap();
    assert_eq!(evicted.recv(), Err(RecvError::Evicted));
    let mut gating = here.subscribe(Subscribe::gating()).unwrap();
    let mut lossy = there.subscribe(Subscribe::lossy()).unwrap();
    let mut latest = there.subscribe(Subscribe::latest()).unwrap();
    for number in 0..24 {
        tx.send(&[number; 211]).unwrap();
        if number < 20 {
            assert_eq!(gating.recv().unwrap(), [number; 211]);
        }
    }
    tx.send(b"").unwrap();
    tx.send(b"last").unwrap();
    assert!(matches!(lossy.recv(), Err(RecvError::Lagged { .. })));
    lossy.recv().unwrap();
    assert_eq!(latest.recv().unwrap(), b"last");
    bytes(name)
}

/// The second lap of eight slots, with workers that were killed: jobs that one and that the other
/// has, that is done behind them, that came back twice, and that nobody ever had.
fn jobs(name: &Name) -> Vec<u8> {
    let config = config(Kind::Jobs).slots(8).slot_bytes(32);
    let here = Segment::create(name, &config).unwrap();
    let there = Segment::attach(name).unwrap();
    let (mut tx, worker) = (here.producer().unwrap(), here.worker().unwrap());
    let (mut other, another) = (there.producer().unwrap(), there.worker().unwrap());
    for number in 0..6 {
        tx.send(&[number; 16]).unwrap();
        worker.take().unwrap().acknowledge();
    }
    for message in [&b"six"[..], b"seven", b"done", b"nine goes on in another slot.."] {
        tx.send(message).unwrap();
    }
    drop(other.reserve(16).unwrap());
    other.send(b"fresh").unwrap();
    let _six = worker.take().unwrap();
    let _seven = another.take().unwrap();
    assert!(worker.take().unwrap().acknowledge());
    for worker in [&another, &worker] {
        worker.take().unwrap().give_back();
    }
    let mut image = bytes(name);
    for handle in [1, 3] {
        assert_ne!(image[since(handle)], [0; 8], "since when it has jobs");
        image[since(handle)].copy_from_slice(&1_000_000_000_u64.to_le_bytes());
    }
    image
}
