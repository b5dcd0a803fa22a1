//! What peers cannot do to a sealed segment.

use std::io::Error;
use std::os::fd::AsRawFd;

use shmring::{CreateError, NameError, Segment, ShareError};

use crate::common::{Name, broadcast};
use crate::support::{file_of, sealed, smallest};

fn errno(result: libc::c_int) -> Option<i32> {
    (result == -1).then(|| Error::last_os_error().raw_os_error().unwrap())
}

/// Catches a segment that a peer can truncate, lengthen or unseal, and traffic that ends
/// because one tried.
#[test]
fn no_peer_changes_the_size_or_the_seals() {
    let segment = sealed();
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    let file = file_of(&segment);
    let len = file.metadata().unwrap().len();
    assert_eq!(len, segment.info().total_bytes);
    for other in [0, 4096, len - 1, len + 1, 2 * len] {
        let error = file.set_len(other).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "length {other}");
        tx.send(b"goes on").unwrap();
        assert_eq!(rx.recv().unwrap(), b"goes on");
    }
    let fd = file.as_raw_fd();
    for seal in [libc::F_SEAL_WRITE, libc::F_SEAL_FUTURE_WRITE, libc::F_SEAL_SHRINK, 0] {
        // SAFETY: asks for seals, which the kernel refuses.
        let refused = errno(unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, seal) });
        assert_eq!(refused, Some(libc::EPERM), "seal {seal:#x}");
    }
    Segment::from_fd(file.into()).unwrap();
    assert_eq!(file_of(&segment).metadata().unwrap().len(), len);
}

/// Catches a hole that a peer punches and that kills processes which access it.
#[test]
fn a_hole_kills_no_process() {
    for config in [smallest(), broadcast()] {
        let segment = Segment::create_sealed("sealed", &config).unwrap();
        let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        tx.send(b"before").unwrap();
        let file = file_of(&segment);
        let flags = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let len = segment.info().total_bytes as i64;
        // SAFETY: empties a file of this test's own, which is mapped as atomics only.
        assert_eq!(unsafe { libc::fallocate(file.as_raw_fd(), flags, 0, len) }, 0);
        // Any answer will do but a signal.
        let _ = (rx.try_recv(), tx.try_send(b"after"), segment.status());
    }
}

/// Catches a segment that leaves a name behind, or goes under another one.
#[test]
fn the_label_is_no_name() {
    let label = Name::new();
    let segment = Segment::create_sealed(&label, &smallest()).unwrap();
    assert_eq!(segment.info().name, *label);
    assert!(!label.path().exists());
    assert!(!shmring::list().unwrap().contains(&label.to_string()));
    // Not unique: it is for people.
    let other = Segment::create_sealed(&label, &smallest()).unwrap();
    let received = Segment::from_fd(other.share().unwrap()).unwrap();
    assert_eq!(received.info().name, *label);
    assert_eq!(received.status().unwrap().attached.len(), 2);
    assert_eq!(segment.status().unwrap().attached.len(), 1);

    Segment::create_sealed(&"x".repeat(249), &smallest()).unwrap();
    let error = Segment::create_sealed(&"x".repeat(250), &smallest()).unwrap_err();
    let expected = NameError::TooLong { len: 250, max: 249 };
    assert!(matches!(&error, CreateError::Name(name) if *name == expected), "{error:?}");
}

/// Catches a segment that can be truncated being passed to those that must not be able to,
/// and one that differs from what a name would have been given.
#[test]
fn a_named_segment_is_not_shared() {
    let name = Name::new();
    let named = name.create(&smallest());
    for error in [named.share().unwrap_err(), named.share_read_only().unwrap_err()] {
        assert!(matches!(&error, ShareError::NotSealed { name: n } if *n == *name), "{error:?}");
    }
    let sealed = sealed();
    let (one, other) = (named.info(), sealed.info());
    assert_eq!((one.ring().kind, one.total_bytes), (other.ring().kind, other.total_bytes));
    assert_eq!(other.mode, 0o644);
    assert_eq!(file_of(&sealed).metadata().unwrap().len(), one.total_bytes);
}
