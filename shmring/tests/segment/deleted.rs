//! Segments that lost their names while processes use them.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use shmring::{AttachOptions, Config, Deleted, Segment, list_deleted};

use crate::common::{Name, eventually, is_root};

fn found(inode: u64) -> Option<Deleted> {
    list_deleted().unwrap().into_iter().find(|one| one.inode == inode)
}

/// Catches memory that no listing accounts for, and a listed segment that has a name or
/// that no process uses.
#[test]
fn a_segment_is_found_until_its_last_user_detaches() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    segment.producer().unwrap().send(b"kept").unwrap();
    let other = Segment::attach(&name).unwrap();
    let inode = name.path().metadata().unwrap().ino();
    assert!(found(inode).is_none(), "it has its name");
    Segment::unlink(&name).unwrap();
    let deleted = found(inode).expect("a deleted segment");
    assert_eq!(deleted.name, *name);
    assert_eq!(deleted.pids, [std::process::id()]);
    assert!(deleted.allocated_bytes >= 4096);
    let observer = deleted.observe(&AttachOptions::new()).unwrap();
    assert_eq!(observer.peek(1, 10).unwrap().messages[0].bytes, b"kept");
    drop((segment, other, observer));
    eventually("nobody uses it", || found(inode).is_none().then_some(()));
}

/// Catches a user that closed its descriptors and that is not seen, where only the mapping
/// tells.
#[test]
fn a_mapping_is_a_use() {
    if !is_root() {
        return println!("skipped: only root may open mappings of others");
    }
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(4096)));
    let file = File::open(name.path()).unwrap();
    let inode = file.metadata().unwrap().ino();
    let length = 4096.try_into().unwrap();
    // SAFETY: a new mapping, which nothing reads.
    let at = unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, &file, 0) };
    let at = at.unwrap();
    drop(file);
    Segment::unlink(&name).unwrap();
    eventually("only the mapping is left", || {
        (found(inode)?.pids == [std::process::id()]).then_some(())
    });
    // SAFETY: the mapping of above, which nothing refers to.
    unsafe { munmap(at, 4096) }.unwrap();
    eventually("nobody uses it", || found(inode).is_none().then_some(()));
}
