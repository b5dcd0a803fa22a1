//! Waits that a ring keeps alive: there is always something to look at, and never a message.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use shmring::{Kind, RecvTimeoutError, TryRecvError};

use crate::common::{MODES, Name, slots, watchdog};

/// So many that the peer can be held up for long and still be ahead.
const SLOTS: u64 = 1 << 20;
const SLOT_BYTES: u64 = 16;
/// As many as the tables have unless a segment's creator says otherwise.
const ENTRIES: u64 = 64;
/// Where the segment's parts are: behind the header page and both tables; see `layout`.
const CONTROL: u64 = 4096 + ENTRIES * 64 + ENTRIES * 256;
const HEAD: u64 = CONTROL + 128;

/// The stamp of a position that was given up.
fn tombstone(position: u64) -> u64 {
    position.wrapping_add(1) << 24 | 1 << 21
}

/// Catches a receive that passes over all that producers gave up, however much that is,
/// when its time was over before the first of it.
#[test]
fn a_ring_of_tombstones_is_not_passed_over_after_the_timeout() {
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        for mode in MODES {
            let name = Name::new();
            let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 1024, SLOT_BYTES));
            rx.set_wait_mode(mode);
            for _ in 0..1024 {
                drop(tx.try_reserve(1).unwrap());
            }
            assert_eq!(rx.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::TimedOut));
            let passed = segment.status().unwrap().ring().tombstones;
            assert!(passed < 512, "{kind}, {mode:?}: {passed}");
            // They are only put off.
            tx.try_send(b"x").unwrap();
            let message = loop {
                match rx.try_recv() {
                    Err(TryRecvError::WouldBlock) => {}
                    result => break result,
                }
            };
            assert_eq!(message, Ok(b"x".to_vec()), "{kind}, {mode:?}");
        }
    }
}

/// Catches a receive that never looks at the clock as long as a peer puts tombstones in
/// front of it: the peer stops only when the receive has ended.
#[test]
fn a_peer_that_forges_tombstones_does_not_outlast_a_timeout() {
    let _watchdog = watchdog("a_peer_that_forges_tombstones_does_not_outlast_a_timeout");
    for mode in MODES {
        let name = Name::new();
        let segment = name.create(&slots(Kind::Mpsc, SLOTS, SLOT_BYTES));
        let mut rx = segment.consumer().unwrap();
        rx.set_wait_mode(mode);
        let file = OpenOptions::new().read(true).write(true).open(name.path()).unwrap();
        let data = segment.info().total_bytes - SLOTS * SLOT_BYTES;
        // A whole ring of them from head on, and a tail behind it: much faster than they are
        // passed over.
        let mut ring = vec![0_u64; (SLOTS * SLOT_BYTES / 8) as usize];
        let mut forge = || {
            let mut head = [0; 8];
            file.read_exact_at(&mut head, HEAD).unwrap();
            let head = u64::from_ne_bytes(head);
            for position in head..head + SLOTS {
                ring[(position % SLOTS * SLOT_BYTES / 8) as usize] = tombstone(position);
            }
            file.write_all_at(bytemuck::cast_slice(&ring), data).unwrap();
            file.write_all_at(&(head + SLOTS).to_ne_bytes(), CONTROL).unwrap();
        };
        forge();
        let over = AtomicBool::new(false);
        let received = thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    forge();
                }
            });
            let received = rx.recv_timeout(Duration::from_millis(1));
            over.store(true, Ordering::Relaxed);
            received
        });
        assert!(received.is_err(), "there was no message: {received:?}");
        assert!(
            segment.status().unwrap().ring().tombstones > 0,
            "the ring was not as it is forged here"
        );
    }
}

/// Catches a read that takes empty messages for as long as there are some.
#[test]
fn messages_without_bytes_do_not_outlast_a_timeout() {
    for kind in [Kind::Mpmc, Kind::Spmc] {
        let name = Name::new();
        let (segment, mut tx, rx) = name.pair_of(&slots(kind, 64, SLOT_BYTES));
        for _ in 0..64 {
            tx.try_send(b"").unwrap();
        }
        let mut reader = rx.into_reader();
        reader.set_timeout(Some(Duration::ZERO));
        let error = reader.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(
            segment.status().unwrap().ring().used_slots.unwrap() > 32,
            "{kind}: all were taken"
        );
    }
}
