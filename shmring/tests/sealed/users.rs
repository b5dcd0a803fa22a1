//! What other users are given, and what they can make of it.

use std::fs::{self, OpenOptions};
use std::io::Error;
use std::os::fd::BorrowedFd;
use std::ptr;

use shmring::{AllowList, AttachError, Observer, ReceiveError, RecvTimeoutError, Segment};

use crate::common::child::{self, pause, say};
use crate::common::{LONG, Name, eventually, is_root, watchdog};
use crate::support::{NOBODY, Server, Socket, become_nobody, sealed, smallest};

/// In a child: takes part in what it is given, as a user that an argument names.
pub(crate) fn guest(args: &[String]) {
    if args[1] == "nobody" {
        become_nobody();
    }
    match Segment::receive(&args[0]) {
        Ok(segment) => {
            assert!(args[1] != "nobody" || memfds().iter().all(|fd| !can_be_opened(*fd)));
            let _monitor = segment.monitor().unwrap();
            let mut tx = segment.producer().unwrap();
            tx.send(b"from the guest").unwrap();
            say("joined");
            pause();
        }
        Err(ReceiveError::Denied { .. }) => say("denied"),
        Err(error @ ReceiveError::Refused { .. }) => say(error),
        Err(ReceiveError::ReadOnly { .. }) => say("read only"),
        Err(error) => panic!("{error:?}"),
    }
}

/// The numbers of this process's descriptors of sealed segments.
fn memfds() -> Vec<i32> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        if fs::read_link(&path).is_ok_and(|link| link.to_string_lossy().contains("/memfd:sealed "))
        {
            numbers.push(path.file_name().unwrap().to_str().unwrap().parse().unwrap());
        }
    }
    assert!(!numbers.is_empty(), "the descriptors were not found");
    numbers
}

/// Whether a descriptor's file can be opened for writing.
fn can_be_opened(number: i32) -> bool {
    OpenOptions::new().read(true).write(true).open(format!("/proc/self/fd/{number}")).is_ok()
}

fn child_of_nobody(part: &str, path: &Socket) -> child::Part {
    child::start(part, &[path.text(), "nobody"])
}

/// Catches an unlisted user that gets anything, or no reason, or a listed user that is
/// refused, cannot take part, or is not seen to die.
#[test]
fn the_list_decides_which_users_take_part() {
    let _watchdog = watchdog("the_list_decides_which_users_take_part");
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    for (list, said) in [
        (AllowList::new(), "denied"),
        (AllowList::new().uid(NOBODY - 1).gid(NOBODY - 1), "refused: uid 65534 with gid 65534"),
        (AllowList::new().uid(NOBODY), "joined"),
        (AllowList::new().gid(NOBODY), "joined"),
        (AllowList::new().observer_uid(NOBODY).gid(NOBODY), "read only"),
    ] {
        let (path, segment) = (Socket::new(), sealed());
        let server = Server::of(&segment, &path, &list);
        let mut child = child_of_nobody("guest", &path);
        let heard = child.hear();
        assert!(heard.starts_with(said), "{said}: {heard}");
        if said == "joined" {
            let mut rx = segment.consumer().unwrap();
            assert_eq!(rx.recv_timeout(LONG).unwrap(), b"from the guest");
            let attached = segment.status().unwrap().attached;
            assert!(attached.iter().any(|one| one.uid == NOBODY && one.alive), "{attached:?}");
            child.kill();
            assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
        } else {
            assert_eq!(segment.status().unwrap().attached.len(), 1);
        }
        if said == "denied" {
            assert!(server.log().is_empty(), "{:?}", server.log());
            continue;
        }
        let log = eventually("a visit", || Some(server.log()).filter(|log| !log.is_empty()));
        match said {
            "joined" => assert!(log[0].starts_with("given to pid"), "{log:?}"),
            "read only" => assert!(log[0].starts_with("given for reading only"), "{log:?}"),
            _ => assert!(log[0].contains("not on the list"), "{log:?}"),
        }
    }
}

/// Catches an observer of another user that can write, or make itself one that can.
#[test]
fn an_observer_of_another_user_stays_one() {
    let _watchdog = watchdog("an_observer_of_another_user_stays_one");
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let (path, segment) = (Socket::new(), sealed());
    let _server = Server::of(&segment, &path, &AllowList::new().observer_uid(NOBODY));
    let mut tx = segment.producer().unwrap();
    tx.send(b"seen").unwrap();
    let before = format!("{:?}", segment.status().unwrap());
    child_of_nobody("observe", &path).finish();
    assert_eq!(format!("{:?}", segment.status().unwrap()), before);
}

/// In a child: looks on, and tries to do more.
pub(crate) fn observe(args: &[String]) {
    become_nobody();
    let observer = Observer::receive(&args[0]).unwrap();
    assert_eq!(observer.status().unwrap().ring().used_bytes, 16);
    let refused = |result: i64, call: &str| {
        assert_eq!(result, -1, "{call}");
        Error::last_os_error().raw_os_error().unwrap()
    };
    for number in memfds() {
        assert!(!can_be_opened(number));
        // SAFETY: the observer has it open.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: maps memory that no process uses, if it is mapped at all.
        let map = unsafe { libc::mmap(ptr::null_mut(), 4096, prot, libc::MAP_SHARED, number, 0) };
        assert_eq!(map, libc::MAP_FAILED, "mmap");
        // SAFETY: the calls change the file at most, which others use as atomics only.
        unsafe {
            let byte = [0_u8];
            let written = libc::pwrite(number, byte.as_ptr().cast(), 1, 0);
            assert_eq!(refused(written as i64, "pwrite"), libc::EBADF);
            assert_eq!(refused(libc::fchmod(number, 0o666).into(), "fchmod"), libc::EPERM);
            refused(libc::ftruncate(number, 0).into(), "ftruncate");
            let hole = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            assert_eq!(
                refused(libc::fallocate(number, hole, 0, 4096).into(), "fallocate"),
                libc::EBADF
            );
        }
        let error = Segment::from_fd(fd.try_clone_to_owned().unwrap()).unwrap_err();
        assert!(matches!(error, AttachError::Denied { .. }), "{error:?}");
    }
}

/// Catches an attach to what was given that needs /proc, or one that needs it and fails
/// without saying so.
#[test]
fn a_received_segment_works_without_proc() {
    let _watchdog = watchdog("a_received_segment_works_without_proc");
    if !is_root() {
        println!("skipped: only root can take /proc away");
        return;
    }
    let (path, name, segment) = (Socket::new(), Name::new(), sealed());
    let _named = name.create(&smallest());
    let _server = Server::of(&segment, &path, &AllowList::new());
    for said in child::start("no-proc", &[path.text(), &name]).finish() {
        println!("{said}");
    }
}

/// In a child: does without /proc.
pub(crate) fn no_proc(args: &[String]) {
    let none = ptr::null();
    // SAFETY: gives this process mounts of its own, and takes /proc from them.
    let gone = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast())
                == 0
            && libc::umount2(c"/proc".as_ptr(), libc::MNT_DETACH) == 0
    };
    if !gone {
        return say(format!("skipped: /proc stays: {}", Error::last_os_error()));
    }
    let segment = Segment::receive(&args[0]).unwrap();
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    tx.send(b"without").unwrap();
    assert_eq!(rx.recv().unwrap(), b"without");
    Observer::receive(&args[0]).unwrap().status().unwrap();
    let error = Segment::attach(&args[1]).unwrap_err();
    assert!(
        matches!(&error, AttachError::Os(os) if os.call.contains("/proc/thread-self/fd")),
        "{error:?}"
    );
}
