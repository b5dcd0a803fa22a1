//! Descriptors that are passed on, and those that are not of a sealed segment.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write, pipe};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use shmring::{AttachError, AttachOptions, Observer, RecvTimeoutError, Segment, SendError};

use crate::common::child::{self, pause, say};
use crate::common::{LONG, Name, is_root, watchdog};
use crate::support::{become_nobody, file_of, inheritable, sealed, smallest};

/// A memfd with these bytes in it and these seals on it.
fn memfd(bytes: &[u8], seals: i32) -> OwnedFd {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: makes a descriptor that nothing else has.
    let fd = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"foreign".as_ptr(), flags)) };
    File::from(fd.try_clone().unwrap()).write_all(bytes).unwrap();
    // SAFETY: seals the file just made.
    assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) }, 0);
    fd
}

/// Catches an attach through a descriptor that its giver can still make fault, or that
/// means no segment, and an error without the reason.
#[test]
fn only_sealed_segments_are_attached_to() {
    const SHRINK: i32 = libc::F_SEAL_SHRINK;
    const GROW: i32 = libc::F_SEAL_GROW;
    const SEAL: i32 = libc::F_SEAL_SEAL;
    let mut whole = Vec::new();
    file_of(&sealed()).read_to_end(&mut whole).unwrap();
    for (seals, lacks) in [
        (0, "F_SEAL_SHRINK"),
        (GROW | SEAL, "F_SEAL_SHRINK"),
        (SHRINK | SEAL, "F_SEAL_GROW"),
        (SHRINK | GROW, "F_SEAL_SEAL"),
    ] {
        let error = Segment::from_fd(memfd(&whole, seals)).unwrap_err();
        assert!(
            matches!(&error, AttachError::NotSealed { name, missing }
                if name == "foreign" && *missing == lacks),
            "{error:?}"
        );
        assert!(Observer::from_fd(memfd(&whole, seals)).is_err());
        assert!(error.to_string().contains(lacks), "{error}");
    }
    let all = SHRINK | GROW | SEAL;
    Segment::from_fd(memfd(&whole, all)).unwrap();
    let is_none = |error| matches!(error, AttachError::NotASegment { .. });
    assert!(is_none(Segment::from_fd(memfd(b"", all)).unwrap_err()));
    assert!(is_none(Segment::from_fd(memfd(&whole[..4095], all)).unwrap_err()));
    assert!(is_none(Segment::from_fd(memfd(&[7; 8192], all)).unwrap_err()));
    for len in [4096, whole.len() - 1, whole.len() + 1] {
        let mut other = whole.clone();
        other.resize(len, 0);
        let error = Segment::from_fd(memfd(&other, all)).unwrap_err();
        assert!(matches!(error, AttachError::CorruptHeader { .. }), "{len}: {error:?}");
    }
}

/// Catches a descriptor of something else that is mapped, waited on or called a segment.
#[test]
fn other_descriptors_are_refused() {
    let _watchdog = watchdog("other_descriptors_are_refused");
    let (reader, writer) = pipe().unwrap();
    let (socket, _other) = UnixStream::pair().unwrap();
    let directory = File::open("/dev/shm").unwrap();
    for fd in [reader.into(), writer.into(), socket.into()] {
        let error = Observer::from_fd(fd).unwrap_err();
        assert!(matches!(error, AttachError::NotASegment { .. }), "{error:?}");
    }
    let error = Segment::from_fd(directory.into()).unwrap_err();
    assert!(matches!(error, AttachError::Denied { .. }), "{error:?}");
    // A process that may write to a named segment can truncate it.
    let name = Name::new();
    let _named = name.create(&smallest());
    let file = OpenOptions::new().read(true).write(true).open(name.path()).unwrap();
    let error = Segment::from_fd(file.into()).unwrap_err();
    assert!(matches!(error, AttachError::NotSealed { .. }), "{error:?}");
}

/// Catches a descriptor for reading only that lets its holder take part, and an observer
/// that cannot use it or leaves a trace.
#[test]
fn a_descriptor_for_reading_is_for_observing() {
    let segment = sealed();
    let mut tx = segment.producer().unwrap();
    let before = segment.status().unwrap();
    let observer = Observer::from_fd(segment.share_read_only().unwrap()).unwrap();
    tx.send(b"seen").unwrap();
    assert_eq!(observer.status().unwrap().ring().used_bytes, before.ring().used_bytes + 16);
    assert_eq!(observer.status().unwrap().attached, before.attached);
    let text = |description| format!("{description:?}");
    assert_eq!(text(observer.info()), text(segment.info()));
    let error = Segment::from_fd(segment.share_read_only().unwrap()).unwrap_err();
    assert!(matches!(error, AttachError::Denied { .. }), "{error:?}");
    let me = segment.info().owner_uid;
    AttachOptions::new().owner(me).attach_fd(segment.share().unwrap()).unwrap();
    for error in [
        AttachOptions::new().owner(me + 1).attach_fd(segment.share().unwrap()).unwrap_err(),
        AttachOptions::new().owner(me + 1).observe_fd(segment.share().unwrap()).unwrap_err(),
    ] {
        assert!(matches!(error, AttachError::WrongOwner { .. }), "{error:?}");
    }
}

/// Catches a death that is not seen through an inherited descriptor, whoever has copies of
/// it, or a stream that does not end with it.
#[test]
fn a_process_that_inherits_a_descriptor_takes_part_and_is_seen_to_die() {
    let _watchdog = watchdog("a_process_that_inherits_a_descriptor_takes_part_and_is_seen_to_die");
    // Other children inherit the descriptor too, and look for those of their own.
    let segment = Segment::create_sealed("inherited", &smallest()).unwrap();
    let kept = segment.share().unwrap();
    let mut child = child::start("inherit", &[&inheritable(&kept)]);
    assert_eq!(child.hear(), "joined");
    let mut rx = segment.consumer().unwrap();
    assert_eq!(rx.recv_timeout(LONG).unwrap(), b"from the heir");
    assert_eq!(segment.status().unwrap().attached.iter().filter(|one| one.alive).count(), 2);
    child.kill();
    assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
    let mut tx = segment.producer().unwrap();
    drop(rx);
    assert_eq!(tx.send(b"nobody"), Err(SendError::BrokenPipe));
}

/// Catches another user that opens more than the mode allows, is refused without a word, or
/// is kept out though the mode lets all write.
#[test]
fn the_mode_decides_which_users_may_reopen_it() {
    let _watchdog = watchdog("the_mode_decides_which_users_may_reopen_it");
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    for (mode, expected) in [(0o600, "denied"), (0o666, "joined")] {
        let segment = Segment::create_sealed("inherited", &smallest().mode(mode)).unwrap();
        let fd = segment.share().unwrap();
        let mut child = child::start("inherit", &[&inheritable(&fd), "nobody"]);
        assert_eq!(child.hear(), expected, "{mode:#o}");
    }
}

/// In a child: joins through a descriptor that it inherited.
pub(crate) fn inherit(args: &[String]) {
    if args.len() > 1 {
        become_nobody();
    }
    // SAFETY: the parent left it open for this.
    let fd = unsafe { OwnedFd::from_raw_fd(args[0].parse().unwrap()) };
    let segment = match Segment::from_fd(fd) {
        Ok(segment) => segment,
        Err(AttachError::Denied { .. }) => return say("denied"),
        Err(error) => panic!("{error:?}"),
    };
    let mut tx = segment.producer().unwrap();
    tx.send(b"from the heir").unwrap();
    say("joined");
    pause();
}
