//! Segments with two rings: the state of each, and the state that they share.

use std::fmt::Write;
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};

use super::*;
use crate::endpoint::RecvEndpoint;
use crate::endpoint::subscribe::Subscribe;
use crate::error::{PeekError, Role, SendError, TryRecvError};
use crate::info::Kind;
use crate::observe::{PeekEnd, has_unread};
use crate::sync::Ordering;
use crate::{Consumer, Observer, Producer, RecvTimeoutError};

/// Longer than anything takes on the slowest machine.
const LONG: Duration = Duration::from_secs(60);
/// An unused entry of the attachment table.
const DEAD: usize = 9;

fn slots() -> Config {
    Config::mpmc().slots(4).slot_bytes(64)
}

fn records_and_slots() -> Config {
    Config::spsc().capacity_bytes(4096).with_ring(slots())
}

fn sealed(config: &Config) -> Segment {
    Segment::create_sealed("two", config).unwrap()
}

fn another(segment: &Segment) -> Segment {
    Segment::from_fd(segment.share().unwrap()).unwrap()
}

fn ring(segment: &Segment, index: usize) -> MappedRing {
    MappedRing::new(Arc::clone(&segment.attachment), index).unwrap()
}

fn producer(segment: &Segment, index: usize) -> Producer {
    Producer::join(ring(segment, index)).unwrap()
}

fn consumer(segment: &Segment, index: usize) -> Consumer {
    Consumer::new(RecvEndpoint::join(ring(segment, index), Subscribe::gating()).unwrap()).unwrap()
}

/// Makes all handles of an attachment those of a dead one, whose entry is in use and whose token is
/// free. The caller has forgotten the handles.
fn kill(segment: &Segment) {
    let (mapping, victim) = (segment.attachment.mapping(), segment.attachment.index());
    mapping.attachments()[DEAD].activate();
    for handle in mapping.handles().iter().filter(|handle| handle.attach() == Some(victim)) {
        let state = handle.state.load(Ordering::Relaxed) & !(0xFFFF << 8) | (DEAD as u64) << 8;
        handle.state.store(state, Ordering::Relaxed);
    }
}

/// Catches positions, messages or roles that two rings share.
#[test]
fn each_ring_has_messages_and_roles_of_its_own() {
    let segment = sealed(&records_and_slots());
    let (mut tx, mut rx) = (producer(&segment, 0), consumer(&segment, 0));
    let (mut other_tx, mut other_rx) = (producer(&segment, 1), consumer(&segment, 1));
    tx.send(b"records").unwrap();
    for number in 0..4 {
        other_tx.send(&[number]).unwrap();
    }
    assert!(other_tx.try_send(b"no room").is_err());
    assert_eq!(rx.recv().unwrap(), b"records");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    (0..4).for_each(|number| assert_eq!(other_rx.recv().unwrap(), [number]));
    // The sole role of one ring is taken, and that of the other one is shared.
    assert!(matches!(Producer::join(ring(&segment, 0)), Err(JoinError::RoleTaken { .. })));
    drop((producer(&segment, 1), consumer(&segment, 1)));
    assert!(MappedRing::new(Arc::clone(&segment.attachment), 2).is_none());
}

/// Catches the end of one ring that ends another one.
#[test]
fn closing_one_ring_leaves_the_other() {
    let segment = sealed(&records_and_slots());
    let (tx, mut rx) = (producer(&segment, 0), consumer(&segment, 0));
    let (mut other_tx, mut other_rx) = (producer(&segment, 1), consumer(&segment, 1));
    tx.close();
    assert!(matches!(Producer::join(ring(&segment, 0)), Err(JoinError::Closed)));
    assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
    other_tx.send(b"y").unwrap();
    assert_eq!(other_rx.recv().unwrap(), b"y");
    let status = segment.status().unwrap();
    assert_eq!(status.rings.iter().map(|ring| ring.closed).collect::<Vec<_>>(), [true, false]);
    drop(rx);
    other_tx.send(b"z").unwrap();
    assert_eq!(other_rx.recv().unwrap(), b"z");
    // The segment closes all of its rings.
    segment.close();
    assert_eq!(other_tx.send(b"x"), Err(SendError::Closed));
    assert_eq!(other_rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
}

/// Catches a handle of another ring that is taken for the owner of a ticket: a receiver would
/// wait for it for ever.
#[test]
fn a_handle_of_one_ring_does_not_block_another() {
    let segment = sealed(&slots().with_ring(slots()));
    let victim = another(&segment);
    let (mut tx, mut rx) = (producer(&segment, 0), consumer(&segment, 0));
    let (mut other_tx, mut other_rx) = (producer(&segment, 1), consumer(&segment, 1));
    let mut lost = producer(&victim, 0);
    mem::forget(lost.reserve(8).unwrap());
    // The same ticket of the other ring, announced by a living producer.
    let held = other_tx.reserve(8).unwrap();
    tx.send(b"behind").unwrap();
    mem::forget(lost);
    kill(&victim);
    assert_eq!(rx.recv_timeout(LONG).unwrap(), b"behind");
    let resolved = |index: usize| segment.status().unwrap().rings[index].resolved;
    assert_eq!((resolved(0), resolved(1)), (1, 0));
    drop(held);
    other_tx.send(b"own").unwrap();
    assert_eq!(other_rx.recv_timeout(LONG).unwrap(), b"own");
}

/// Catches handles that are left behind, or roles that stay taken, in a ring behind the first.
#[test]
fn the_dead_are_reaped_in_all_rings() {
    let segment = sealed(&records_and_slots());
    let mut receivers = [consumer(&segment, 0), consumer(&segment, 1)];
    let victim = another(&segment);
    for index in 0..2 {
        let mut tx = producer(&victim, index);
        tx.send(&[index as u8]).unwrap();
        mem::forget(tx);
    }
    kill(&victim);
    for (index, rx) in receivers.iter_mut().enumerate() {
        assert_eq!(rx.recv_timeout(LONG).unwrap(), [index as u8]);
        assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof), "ring {index}");
    }
    let status = segment.status().unwrap();
    assert_eq!((status.repairs, status.handles), (1, 2));
    assert!(status.rings.iter().all(|ring| ring.producers.is_empty()));
    drop((producer(&segment, 0), producer(&segment, 1)));
}

/// Catches an observer that shows the first ring for another one, or misses its messages.
#[test]
fn each_ring_is_observed() {
    let segment = sealed(&records_and_slots());
    let observer = Observer::from_fd(segment.share_read_only().unwrap()).unwrap();
    let kinds: Vec<_> = observer.info().rings.iter().map(|ring| ring.kind).collect();
    assert_eq!(kinds, [Kind::Spsc, Kind::Mpmc]);
    let geometry = records_and_slots().geometry().unwrap();
    let has_unread = || has_unread(segment.attachment.mapping(), &geometry).unwrap();
    assert!(!has_unread());
    let (mut tx, rx) = (producer(&segment, 1), consumer(&segment, 0));
    tx.send(b"one").unwrap();
    tx.send(b"two").unwrap();
    assert!(has_unread());
    let status = observer.status().unwrap();
    let used: Vec<_> = status.rings.iter().map(|ring| ring.used_slots).collect();
    assert_eq!(used, [None, Some(2)]);
    let holders = |index: usize| {
        let holders = status.rings[index].holders.iter();
        holders.map(|holder| (holder.role, holder.handle)).collect::<Vec<_>>()
    };
    assert_eq!(holders(0), [(Role::Consumer, 1)]);
    assert_eq!(holders(1), [(Role::Producer, 0)]);
    let peeked = observer.peek_ring(1, 10, 10).unwrap();
    let bytes: Vec<_> = peeked.messages.iter().map(|message| &message.bytes[..]).collect();
    assert_eq!(bytes, [b"one", b"two"]);
    let peeked = observer.peek(10, 10).unwrap();
    assert_eq!((peeked.messages.len(), peeked.end), (0, PeekEnd::Empty));
    let error = observer.peek_ring(2, 10, 10).unwrap_err();
    assert!(matches!(error, PeekError::NoRing { ring: 2, rings: 2 }), "{error}");
    drop(rx);
}

/// Catches an open_or_create that compares the first ring only.
#[test]
fn a_segment_fits_if_all_its_rings_do() {
    let name = format!("shmring-test-{}-two", std::process::id());
    let segment = Segment::create(&name, &records_and_slots()).unwrap();
    let guard = segment.unlink_on_drop();
    Segment::open_or_create(&name, &records_and_slots()).unwrap();
    for (config, expected) in [
        (Config::spsc(), "number of rings"),
        (records_and_slots().with_ring(slots()), "number of rings"),
        (Config::spsc().with_ring(Config::mpsc()), "kind"),
        (Config::spsc().with_ring(slots().slots(8)), "number of slots"),
    ] {
        let error = Segment::open_or_create(&name, &config).unwrap_err();
        assert!(matches!(error, CreateError::Differs { what, .. } if what == expected), "{error}");
    }
    drop(guard);
}

/// Catches a change of the format of several rings that goes unnoticed. The listing of the
/// golden file, and that of the independent reader, are tested in `tests/golden`.
#[cfg(target_endian = "little")]
#[test]
fn two_rings_have_the_bytes_of_the_golden_file() {
    let image = dump(&mut two_rings());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/two.hex");
    if std::env::var_os("SHMRING_WRITE_GOLDEN").is_some() {
        fs::write(&path, &image).unwrap();
    }
    assert_eq!(image, fs::read_to_string(&path).unwrap());
}

/// The bytes of a segment with a record ring and a slot ring, all of whose users were killed:
/// messages in both, and a ticket in flight.
fn two_rings() -> Vec<u8> {
    let config = Config::spsc()
        .capacity_bytes(4096)
        .max_attachments(2)
        .max_handles(4)
        .metadata(b"two/v1")
        .with_ring(slots());
    let name = format!("shmring-test-{}-golden", std::process::id());
    let here = Segment::create(&name, &config).unwrap();
    let _guard = here.unlink_on_drop();
    let there = Segment::attach(&name).unwrap();
    let (mut tx, mut rx) = (producer(&here, 0), consumer(&there, 0));
    let (mut other_tx, mut other_rx) = (producer(&there, 1), consumer(&here, 1));
    tx.send(b"received").unwrap();
    assert_eq!(rx.recv().unwrap(), b"received");
    tx.send(b"records.").unwrap();
    other_tx.send(b"received").unwrap();
    assert_eq!(other_rx.recv().unwrap(), b"received");
    other_tx.send(b"slots in").unwrap();
    let open = other_tx.reserve(8).unwrap();
    let image = fs::read(PathBuf::from("/dev/shm").join(&name)).unwrap();
    drop(open);
    image
}

/// Lines of an offset and sixteen bytes, without lines of zeros but for the last one. Values
/// that differ from run to run are replaced as in all golden files.
fn dump(image: &mut [u8]) -> String {
    const PROLOGUE_BYTES: usize = 8192;
    let mut set = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    set(72, &1_700_000_000_000_000_000_u64.to_ne_bytes());
    set(80, &4321_u64.to_ne_bytes());
    for entry in 0..2 {
        let at = PROLOGUE_BYTES + 64 * entry;
        set(at + 8, &(4321 + entry as u32).to_ne_bytes());
        set(at + 12, &1000_u32.to_ne_bytes());
        set(at + 16, &5678_u64.to_ne_bytes());
        set(at + 24, &0xF000_0000_u64.to_ne_bytes());
    }
    let words = image[..4088].chunks(8).chain(image[4096..PROLOGUE_BYTES].chunks(8));
    let hash = words.fold(14_695_981_039_346_656_037_u64, |hash, word| {
        (hash ^ u64::from_ne_bytes(word.try_into().unwrap())).wrapping_mul(1_099_511_628_211)
    });
    image[4088..4096].copy_from_slice(&hash.to_ne_bytes());
    let mut text = String::new();
    for (index, line) in image.chunks(16).enumerate() {
        if index == image.len() / 16 - 1 || line.iter().any(|byte| *byte != 0) {
            write!(text, "{:08x}:", index * 16).unwrap();
            line.chunks(2).for_each(|two| write!(text, " {:02x}{:02x}", two[0], two[1]).unwrap());
            text.push('\n');
        }
    }
    text
}

/// Catches a subscriber that takes a producer which is faster at each try for damage, or keeps a
/// handle after that.
#[test]
fn a_subscriber_that_is_outrun_may_try_again() {
    let segment = sealed(&Config::broadcast().capacity_bytes(4096).max_handles(2));
    let mut tx = producer(&segment, 0);
    tx.send(b"x").unwrap();
    let view = ring(&segment, 0);
    let hint = &view.control().producer.tail;
    // No mark is as new as this, as if the producer had laid another one over it each time.
    hint.store(4096, Ordering::Relaxed);
    for how in [Subscribe::gating(), Subscribe::lossy(), Subscribe::latest()] {
        assert!(matches!(segment.subscribe(how), Err(JoinError::Outrun)), "{how:?}");
    }
    hint.store(0, Ordering::Relaxed);
    let mut rx = segment.subscribe(Subscribe::lossy()).unwrap();
    tx.send(b"y").unwrap();
    assert_eq!(rx.recv().unwrap(), b"y");
}
