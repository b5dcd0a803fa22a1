//! Calls that checking on peers takes, and that a filter refuses after the attach.

use std::time::Duration;

use shmring::{
    Config, Fault, JoinError, Kind, RecvError, RecvTimeoutError, Segment, SendError, TrySendError,
};

use crate::common::child::{self, say};
use crate::common::{LONG, MODES, Name, broadcast, slots, watchdog};
use crate::refusals::{has_filters, refuse};

/// Long enough for a look at the peers.
const SOON: Duration = Duration::from_secs(1);

/// In a child: waits where a call that checking takes is refused.
pub(crate) fn no_probe(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let other = Segment::attach(&args[0]).unwrap();
    let (mut tx, mut rx) = (other.producer().unwrap(), segment.consumer().unwrap());
    let (call, numbers): (_, &[_]) = match &*args[1] {
        "fcntl" => ("fcntl(F_OFD_GETLK)", &[libc::SYS_fcntl]),
        "fstat" => ("fstat", &[libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx]),
        _ => ("lseek", &[libc::SYS_lseek]),
    };
    for &number in numbers {
        refuse(number, libc::EPERM);
    }
    let refused = Fault::ProbeRefused { call, errno: libc::EPERM };
    for mode in MODES {
        tx.set_wait_mode(mode);
        rx.set_wait_mode(mode);
        // Without an end, so that only the refusal ends it.
        assert_eq!(rx.recv(), Err(RecvError::Failed(refused)));
        assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Failed(refused)));
        // What need not wait goes on.
        tx.send(b"works").unwrap();
        assert_eq!(rx.recv().unwrap(), b"works");
        while tx.try_send(b"fill").is_ok() {}
        assert_eq!(tx.send(b"more"), Err(SendError::Failed(refused)));
        assert_eq!(tx.try_send(b"more"), Err(TrySendError::Full));
        while rx.try_recv().is_ok() {}
    }
    let taken = segment.consumer();
    if segment.info().ring().kind == Kind::Spsc {
        assert!(matches!(taken, Err(JoinError::Failed(fault)) if fault == refused), "{taken:?}");
    } else {
        // No process can check whether the owner of the claimed position is alive.
        drop(taken);
        std::mem::forget(tx.reserve(4).unwrap());
        assert_eq!(rx.recv(), Err(RecvError::Failed(refused)));
        assert_eq!(rx.recv_timeout(SOON), Err(RecvTimeoutError::Failed(refused)));
    }
    assert_eq!(segment.status().unwrap_err(), refused);
    say("told");
}

/// Catches a wait that may be endless because its process cannot check whether peers are alive, and
/// an error that does not name the call.
#[test]
fn a_waiter_that_may_not_check_on_peers_gets_an_error() {
    let _watchdog = watchdog("a_waiter_that_may_not_check_on_peers_gets_an_error");
    if !has_filters() {
        return;
    }
    for config in [Config::spsc().capacity_bytes(4096), slots(Kind::Mpmc, 8, 64), broadcast()] {
        for call in ["fcntl", "fstat", "lseek"] {
            let name = Name::new();
            drop(name.create(&config));
            assert_eq!(child::start("no-probe", &[&name, call]).finish(), ["told"], "{call}");
        }
    }
}
