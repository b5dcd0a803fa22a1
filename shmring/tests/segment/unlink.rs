//! Removing names, of unused segments and of others.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::thread;

use shmring::{AttachError, Config, Segment, UnlinkError, Unlinked};

use crate::common::{Name, SHORT, eventually, watchdog};

const MAGIC: u64 = u64::from_le_bytes(*b"shmring\0");

fn smallest() -> Config {
    Config::spsc().capacity_bytes(4096)
}

/// A process that another thread starts may hold on to an attach for a moment.
fn unlink_unused(name: &Name) {
    eventually("nobody is attached", || {
        (Segment::unlink_stale(name).unwrap() == Unlinked::Removed).then_some(())
    });
}

/// Catches a name that is removed while the segment is in use, or left when it is not.
#[test]
fn a_name_stays_while_a_process_is_attached() {
    let name = Name::new();
    let (segment, mut producer, consumer) = name.pair(4096);
    producer.send(b"kept").unwrap();
    drop((segment, consumer));
    match Segment::unlink_stale(&name).unwrap() {
        Unlinked::InUse { by } => assert_eq!((by.len(), by[0].pid), (1, std::process::id())),
        Unlinked::Removed => panic!("a handle alone is use enough"),
    }
    assert_eq!(Segment::attach(&name).unwrap().consumer().unwrap().recv().unwrap(), b"kept");
    drop(producer);
    unlink_unused(&name);
    assert!(!name.path().exists());
    let gone = Segment::unlink_stale(&name).unwrap_err();
    assert!(matches!(&gone, UnlinkError::NotFound { name: n } if **n == *name), "{gone:?}");
    assert!(matches!(Segment::unlink_stale("a/b"), Err(UnlinkError::Name(_))));
}

/// Catches a damaged segment that cannot be removed, and one that hides its attachments.
#[test]
fn a_damaged_segment_is_removed_once_unused() {
    for (offset, byte) in [(8, 9), (16, 9), (4095, 9)] {
        let name = Name::new();
        let segment = name.create(&smallest());
        let file = OpenOptions::new().write(true).open(name.path()).unwrap();
        file.write_all_at(&[byte], offset).unwrap();
        assert!(Segment::attach(&name).is_err());
        assert!(matches!(Segment::unlink_stale(&name).unwrap(), Unlinked::InUse { .. }));
        drop(segment);
        unlink_unused(&name);
        assert!(!name.path().exists());
    }
}

/// Catches the removal of what others keep in shared memory.
#[test]
fn other_files_are_left_alone() {
    let (file, link, directory) = (Name::new(), Name::new(), Name::new());
    fs::write(file.path(), vec![1; 10_000]).unwrap();
    std::os::unix::fs::symlink(file.path(), link.path()).unwrap();
    fs::create_dir(directory.path()).unwrap();
    for name in [&file, &link, &directory] {
        for refused in
            [Segment::unlink_stale(name), Segment::unlink(name).map(|()| Unlinked::Removed)]
        {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, UnlinkError::NotASegment { .. }), "{refused:?}");
            assert!(fs::symlink_metadata(name.path()).is_ok());
        }
    }
    for name in [&link, &file] {
        Segment::unlink_forced(name).unwrap();
        assert!(fs::symlink_metadata(name.path()).is_err());
    }
    let gone = Segment::unlink_forced(&file).unwrap_err();
    assert!(matches!(gone, UnlinkError::NotFound { .. }), "{gone:?}");
    Segment::unlink_forced(&directory).unwrap_err();
}

/// Catches a segment that the plain verb takes for a foreign file, as it is damaged, of
/// another version or from another machine.
#[test]
fn every_segment_can_be_removed() {
    let versions = [(0, MAGIC.swap_bytes()), (8, 99), (16, 99), (4088, 99)];
    for (offset, word) in versions {
        let name = Name::new();
        drop(name.create(&smallest()));
        name.poke(offset, word);
        assert!(Segment::attach(&name).is_err());
        Segment::unlink(&name).unwrap();
        assert!(!name.path().exists());
    }
    let cut = Name::new();
    drop(cut.create(&smallest()));
    OpenOptions::new().write(true).open(cut.path()).unwrap().set_len(100).unwrap();
    Segment::unlink(&cut).unwrap();
}

/// Catches a lease on the file that is reported as a temporary lack of something.
#[test]
fn a_leased_file_is_named_as_such() {
    let name = Name::new();
    drop(name.create(&smallest()));
    let file = File::open(name.path()).unwrap();
    // SAFETY: asks for a lease on a file that is open.
    let leased = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
    if leased != 0 {
        return println!("skipped: this file system has no leases");
    }
    // The kernel tells the holder of the lease by SIGIO, unless it is ignored.
    // SAFETY: the signal has no other use here.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    let refused = Segment::attach(&name).unwrap_err();
    assert!(matches!(&refused, AttachError::Leased { name: n } if *n == *name), "{refused:?}");
    assert!(refused.to_string().contains("lease"), "{refused}");
}

/// Holds the lock of a process that replaces or removes the segment, as another process would.
fn hold_lifecycle_lock(file: &File) {
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and the lock is read only during the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &lock) };
    assert_eq!(result, 0);
}

/// Catches a name that is removed, and so can be given to another segment, under a process that
/// has just proven that no process uses this one: it would remove that other one.
#[test]
fn unlinking_waits_for_a_process_that_removes_an_unused_segment() {
    let _watchdog = watchdog("unlinking_waits_for_a_process_that_removes_an_unused_segment");
    let name = Name::new();
    drop(name.create(&smallest()));
    let file = OpenOptions::new().read(true).write(true).open(name.path()).unwrap();
    hold_lifecycle_lock(&file);
    thread::scope(|scope| {
        let unlink = scope.spawn(|| Segment::unlink(&name));
        thread::sleep(SHORT);
        assert!(name.path().exists(), "it did not wait");
        drop(file);
        unlink.join().unwrap().unwrap();
    });
    assert!(!name.path().exists());
}
