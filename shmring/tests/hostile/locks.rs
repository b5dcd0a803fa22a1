//! Locks on a segment's file held by a process that may only read it.

use std::fs::File;
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use shmring::{AttachError, Config, CreateError, Segment};

use crate::common::Name;

/// The byte of the first attach's token; see `layout`.
const FIRST_TOKEN: libc::off_t = 8192;

/// Shares the locks on `len` bytes of a file that is open for reading only; to its end if
/// `len` is 0.
fn share(file: &File, start: libc::off_t, len: libc::off_t) {
    let lock = libc::flock {
        l_type: libc::F_RDLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        l_pid: 0,
    };
    fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&lock)).unwrap();
}

/// Catches locks that a reader holds and that stop, or pass for, those that are attached;
/// that they keep others out is as the documents say.
#[test]
fn a_readers_locks_block_attaches_and_disturb_no_attachment() {
    let name = Name::new();
    let config = Config::spsc().capacity_bytes(4096);
    let (segment, mut tx, mut rx) = name.pair_of(&config);
    let reader = File::open(name.path()).unwrap();
    // All but the one that this attach holds.
    share(&reader, 0, FIRST_TOKEN);
    share(&reader, FIRST_TOKEN + 1, 0);

    assert!(matches!(Segment::attach(&name), Err(AttachError::TableFull { .. })));
    tx.try_send(b"inside").unwrap();
    assert_eq!(rx.try_recv(), Ok(b"inside".to_vec()));
    assert_eq!(segment.status().unwrap().attached.len(), 1);

    drop((tx, rx, segment));
    assert!(matches!(Segment::recreate(&name, &config), Err(CreateError::InUse { .. })));
    drop(reader);
    Segment::recreate(&name, &config).unwrap();
}
