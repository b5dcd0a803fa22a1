//! Producers that stand still for half a minute between their claim and their commit: not
//! dead, however long it lasts.

use std::time::Duration;

use shmring::{
    Config, JoinError, Kind, RecvTimeoutError, Role, Segment, TryRecvError, TrySendError,
};

use crate::common::child::{self, Part};
use crate::common::{LONG, MODES, Name, payload, slots, watchdog};

const STANDSTILL: Duration = Duration::from_secs(30);
/// A receive in each wait mode, repeated to fill the time.
const ROUNDS: u32 = 10;
const SLOTS: u64 = 16;

/// A child that has sent something, holds a reservation, and stands still.
fn stopped(part: &str, name: &Name, role: &str) -> Part {
    let mut child = child::start(part, &[name, role]);
    assert_eq!(child.hear(), "holds");
    child.signal(libc::SIGSTOP);
    child
}

/// How long one receive of a stall lasts.
fn turn() -> Duration {
    STANDSTILL / (ROUNDS * MODES.len() as u32)
}

/// Catches a ticket that is closed because its owner does not move, by whatever number of
/// looks; messages of others that are lost behind it or pass it; and a ring that does not
/// get going again.
#[test]
#[ignore = "stands still for 30 s"]
fn a_producer_that_is_stopped_for_long_keeps_its_slot() {
    let _watchdog = watchdog("a_producer_that_is_stopped_for_long_keeps_its_slot");
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair_of(&slots(Kind::Mpmc, SLOTS, 64));
    let mut child = stopped("ring-hold", &name, "reservation");
    assert_eq!(rx.recv().unwrap(), b"sent");
    // The others go on until the ring is full.
    let mut behind = 0;
    while tx.try_send(&payload(behind, 40)).is_ok() {
        behind += 1;
    }
    assert_eq!(behind, SLOTS - 1);
    for _ in 0..ROUNDS {
        for mode in MODES {
            rx.set_wait_mode(mode);
            assert_eq!(rx.recv_timeout(turn()), Err(RecvTimeoutError::TimedOut), "{mode:?}");
            assert_eq!(rx.try_recv(), Err(TryRecvError::WouldBlock));
        }
        assert_eq!(tx.try_send(b"full"), Err(TrySendError::Full));
        // A newcomer checks for dead peers as well.
        drop(Segment::attach(&name).unwrap().producer().unwrap());
        let status = segment.status().unwrap();
        assert_eq!((status.ring().tombstones, status.ring().resolved, status.repairs), (0, 0, 0));
        assert_eq!((status.ring().producers.len(), status.ring().used_slots), (2, Some(SLOTS)));
    }
    child.signal(libc::SIGCONT);
    child.go();
    assert_eq!(rx.recv_timeout(LONG).unwrap(), [0xFF; 40]);
    for number in 0..behind {
        assert_eq!(rx.recv_timeout(LONG).unwrap(), payload(number, 40));
    }
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    child.finish();
    let status = segment.status().unwrap();
    assert_eq!((status.ring().tombstones, status.ring().resolved, status.repairs), (0, 0, 0));
}

/// Catches a sole role that someone else gets because its holder does not move, and an
/// end of the stream that comes meanwhile.
#[test]
#[ignore = "stands still for 30 s"]
fn a_sole_producer_that_is_stopped_for_long_keeps_its_role() {
    let _watchdog = watchdog("a_sole_producer_that_is_stopped_for_long_keeps_its_role");
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    let mut rx = segment.consumer().unwrap();
    let mut child = stopped("hold", &name, "producer");
    for number in 0..10 {
        assert_eq!(rx.recv().unwrap(), payload(number, 100));
    }
    for _ in 0..ROUNDS {
        for mode in MODES {
            rx.set_wait_mode(mode);
            assert_eq!(rx.recv_timeout(turn()), Err(RecvTimeoutError::TimedOut), "{mode:?}");
        }
        for asking in [&segment, &Segment::attach(&name).unwrap()] {
            let taken = asking.producer().unwrap_err();
            assert!(
                matches!(&taken, JoinError::RoleTaken { role: Role::Producer, holder: Some(holder) }
                    if holder.pid as i32 == child.pid() && holder.alive),
                "{taken:?}"
            );
        }
        assert_eq!(segment.status().unwrap().repairs, 0);
    }
    child.signal(libc::SIGCONT);
    child.go();
    assert_eq!(rx.recv_timeout(LONG).unwrap(), [0xFF; 200]);
    assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
    child.finish();
    assert_eq!(segment.status().unwrap().repairs, 0);
}
