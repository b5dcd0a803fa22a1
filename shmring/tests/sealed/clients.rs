//! Clients that are slow, or mean harm.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::net::{SendFlags, send};
use shmring::sealed::Outcome;
use shmring::{AllowList, AttachOptions, OfferError, ReceiveError, Segment};

use crate::common::child::{self, pause, say};
use crate::common::{LONG, SHORT, eventually, is_root, watchdog};
use crate::support::{NOBODY, Server, Socket, connection, sealed};

/// The most connections of one user that are given something and not closed.
const MAX_OPEN: usize = 16;

/// Catches a server that a client keeps waiting: by never reading, by sending what nobody
/// asked for, by dying at once, or by coming in crowds.
#[test]
fn no_client_keeps_others_waiting() {
    let _watchdog = watchdog("no_client_keeps_others_waiting");
    let (path, segment) = (Socket::new(), sealed());
    let server = Server::of(&segment, &path, &AllowList::new());
    let idle = connection(&path);
    Segment::receive(&path).unwrap();
    let loud = connection(&path);
    for _ in 0..64 {
        // The server may have closed it by now.
        let _ = send(&loud, &[b'x'; 1024], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
    Segment::receive(&path).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| drop(connection(&path))));
        }
        // Those that wait to be closed may be as many as one user can have.
        AttachOptions::new().timeout(LONG).receive(&path).unwrap();
    });
    AttachOptions::new().timeout(LONG).receive(&path).unwrap();
    drop((idle, loud));
    eventually("an answer to each", || (server.log().len() >= 400).then_some(()));
    assert_eq!(segment.status().unwrap().attached.len(), 1);
}

/// Catches connections of one user without bound, each with files that the kernel holds on
/// to, and a bound that keeps out whoever did not reach it.
#[test]
fn open_connections_of_a_user_are_limited() {
    let _watchdog = watchdog("open_connections_of_a_user_are_limited");
    let (path, segment) = (Socket::new(), sealed());
    let server = Server::of(&segment, &path, &AllowList::new().uid(NOBODY));
    let open: Vec<OwnedFd> = (0..MAX_OPEN).map(|_| connection(&path)).collect();
    let error = Segment::receive(&path).unwrap_err();
    assert!(matches!(error, ReceiveError::Busy { .. }), "{error:?}");
    let error = AttachOptions::new().timeout(SHORT).receive(&path).unwrap_err();
    assert!(
        matches!(error, ReceiveError::Busy { .. } | ReceiveError::TimedOut { .. }),
        "{error:?}"
    );
    eventually("a refusal", || {
        server.log().iter().any(|line| line.contains("too many connections")).then_some(())
    });
    if is_root() {
        let mut child = child::start("guest", &[path.text(), "nobody"]);
        assert_eq!(child.hear(), "joined");
    } else {
        println!("skipped in part: only root can become another user");
    }
    drop(open);
    // A process that another test starts may have copies for a moment.
    AttachOptions::new().timeout(LONG).receive(&path).unwrap();
}

/// Catches a server that ends, spins or forgets pending clients when it has no descriptors left.
#[test]
fn a_server_outlives_that_it_has_no_descriptors_left() {
    let _watchdog = watchdog("a_server_outlives_that_it_has_no_descriptors_left");
    let path = Socket::new();
    let mut child = child::start("exhausted", &[path.text()]);
    assert_eq!(child.hear(), "none left");
    let waiting = thread::spawn({
        let path = path.text().to_owned();
        move || AttachOptions::new().timeout(LONG).receive(path)
    });
    child.go();
    // It could take the connection, and no more.
    assert_eq!(child.hear(), "failed");
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, ReceiveError::ServerFailed { .. }), "{error:?}");
    child.go();
    Segment::receive(&path).unwrap();
    child.finish();
}

/// Lets this process have so many more descriptors than it has.
fn allow_descriptors(more: u64) {
    let allow = |number| {
        let limit = libc::rlimit { rlim_cur: number, rlim_max: 512 };
        // SAFETY: limits this process.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    };
    allow(512);
    let next = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
    allow(next.as_raw_fd() as u64 + more);
}

/// In a child: answers with no descriptors left, with too few, and with enough.
pub(crate) fn exhausted(args: &[String]) {
    let segment = sealed();
    let mut offer = segment.offer(&args[0], &AllowList::new()).unwrap();
    allow_descriptors(64);
    let waiting = connection(&args[0]);
    allow_descriptors(0);
    let error = offer.answer(Duration::from_secs(10)).unwrap_err();
    assert!(matches!(&error, OfferError::Os(os) if os.call == "accept"), "{error:?}");
    allow_descriptors(64);
    let visit = offer.answer(Duration::from_secs(10)).unwrap().unwrap();
    assert!(matches!(visit.outcome, Outcome::Given(_)), "{visit}");
    drop(waiting);
    say("none left");
    pause();
    allow_descriptors(2);
    let visit = eventually("a visit", || offer.answer(SHORT).unwrap());
    assert!(matches!(visit.outcome, Outcome::Failed(_)), "{visit}");
    allow_descriptors(64);
    say("failed");
    pause();
    let visit = eventually("a visit", || offer.answer(SHORT).unwrap());
    assert!(matches!(visit.outcome, Outcome::Given(_)), "{visit}");
}
