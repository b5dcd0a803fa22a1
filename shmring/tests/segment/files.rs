//! Files that are no segments, or damaged ones, under a segment's name.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};

use shmring::{AttachError, Config, CreateError, Observer, Segment};

use crate::common::{ENTRY, Name, PROLOGUE_BYTES, Prologue, watchdog};

const HASH: u64 = 867_106_482_881_166_246;

/// What attaching and looking say, which must be the same; neither changes the file.
fn refusal(name: &Name) -> AttachError {
    let bytes = fs::symlink_metadata(name.path()).unwrap();
    let bytes = bytes.is_file().then(|| fs::read(name.path()).unwrap());
    let error = Segment::attach(name).unwrap_err();
    let observed = Observer::open(name).unwrap_err();
    assert_eq!(observed.to_string(), error.to_string());
    if let Some(bytes) = bytes {
        assert_eq!(fs::read(name.path()).unwrap(), bytes, "the file was changed");
    }
    error
}

fn assert_foreign(name: &Name, expected: &str) {
    let error = refusal(name);
    assert!(
        matches!(&error, AttachError::NotASegment { why, .. } if *why == expected),
        "{expected}: {error:?}"
    );
    let error = Segment::recreate(name, &Config::spsc()).unwrap_err();
    assert!(matches!(error, CreateError::Attach(AttachError::NotASegment { .. })), "{error:?}");
    let error = Segment::create(name, &Config::spsc()).unwrap_err();
    assert!(matches!(error, CreateError::Exists { .. }), "{error:?}");
    assert!(fs::symlink_metadata(name.path()).is_ok(), "someone else's file is gone");
}

/// Catches a file of someone else's that is mapped, changed, replaced or waited on.
#[test]
fn foreign_files_are_left_alone() {
    let _watchdog = watchdog("foreign_files_are_left_alone");
    let name = Name::new();
    for (content, why) in [
        (vec![], "it is too short for a header"),
        (b"shmring\0".to_vec(), "it is too short for a header"),
        (vec![0; 4095], "it is too short for a header"),
        (vec![0; 4096], "it does not start with the magic"),
        (vec![0x7F; 100_000], "it does not start with the magic"),
    ] {
        fs::write(name.path(), content).unwrap();
        assert_foreign(&name, why);
        fs::remove_file(name.path()).unwrap();
    }
    fs::create_dir(name.path()).unwrap();
    assert_foreign(&name, "it is not a file");
    fs::remove_dir(name.path()).unwrap();
}

/// Catches a link that is followed to a segment that its owner did not mean.
#[test]
fn symbolic_links_are_not_followed() {
    let (name, target) = (Name::new(), Name::new());
    let _segment = target.create(&Config::spsc().capacity_bytes(4096));
    symlink(target.path(), name.path()).unwrap();
    assert_foreign(&name, "it is a symbolic link");
    fs::remove_file(name.path()).unwrap();
    symlink("/nowhere/at/all", name.path()).unwrap();
    assert_foreign(&name, "it is a symbolic link");
}

/// Catches a verb that waits for the other end of a FIFO: one such file would stop every
/// listing on the machine.
#[test]
fn a_fifo_blocks_no_verb() {
    let _watchdog = watchdog("a_fifo_blocks_no_verb");
    let name = Name::new();
    let path = CString::new(name.path().to_str().unwrap()).unwrap();
    // SAFETY: the path is a valid string.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    assert_foreign(&name, "it is not a file");
    assert!(!shmring::list().unwrap().contains(&name.to_string()));
}

/// Catches a file that is mapped further than it reaches, which kills with SIGBUS.
#[test]
fn a_file_of_another_length_is_corrupt() {
    let name = Name::new();
    name.create(&Config::spsc().capacity_bytes(4096));
    let file = OpenOptions::new().write(true).open(name.path()).unwrap();
    for len in [8192, 32_768, 36_863, 36_865, 1 << 20] {
        file.set_len(len).unwrap();
        let error = refusal(&name);
        assert!(
            matches!(error, AttachError::CorruptHeader { what: "file length", found, .. }
                if found == len),
            "{len}: {error:?}"
        );
    }
    // The right length again: what was truncated reads as zero, which an empty ring is.
    file.set_len(36_864).unwrap();
    Segment::attach(&name).unwrap();
    // The directory is gone.
    file.set_len(4096).unwrap();
    assert!(matches!(refusal(&name), AttachError::CorruptHeader { .. }));
}

fn incompatible(what: &str, found: u64, expected: u64) -> impl Fn(&AttachError) -> bool {
    let what = what.to_owned();
    move |error| {
        matches!(error, AttachError::Incompatible { what: w, found: f, expected: e, .. }
            if (*w, *f, *e) == (&*what, found, expected))
    }
}

fn corrupt(what: &str) -> impl Fn(&AttachError) -> bool {
    let what = what.to_owned();
    move |error| matches!(error, AttachError::CorruptHeader { what: w, .. } if *w == what)
}

/// Catches a header field that is believed, and a refusal for the wrong reason.
#[test]
fn each_header_field_is_checked() {
    type Check = Box<dyn Fn(&AttachError) -> bool>;
    let cases: Vec<(usize, u64, bool, Check)> = vec![
        (1, 3, true, Box::new(incompatible("version", 3, 4))),
        (2, 77, true, Box::new(incompatible("layout hash", 77, HASH))),
        (3, 36_865, true, Box::new(corrupt("total length"))),
        (4, 0, true, Box::new(corrupt("number of rings"))),
        (5, 4, true, Box::new(corrupt("a word that has no meaning here"))),
        (6, 0, true, Box::new(corrupt("geometry"))),
        (7, 1000, true, Box::new(corrupt("geometry"))),
        (8, 8, true, Box::new(corrupt("memory flags"))),
        (10, 1 << 32, true, Box::new(corrupt("creator pid"))),
        (11, 1025, true, Box::new(corrupt("length of the metadata"))),
        (300, 1, true, Box::new(corrupt("a word that has no meaning here"))),
        (ENTRY, 8, true, Box::new(incompatible("kind", 8, 7))),
        (ENTRY, 2, true, Box::new(corrupt("geometry"))),
        (ENTRY + 2, 4095, true, Box::new(corrupt("geometry"))),
        (ENTRY + 2, 1 << 33, true, Box::new(corrupt("total length"))),
        (ENTRY + 3, 64, true, Box::new(corrupt("a word that has no meaning here"))),
        (ENTRY + 9, 0, true, Box::new(corrupt("a word that has no meaning here"))),
        (ENTRY + 10, 4096, true, Box::new(corrupt("a word that has no meaning here"))),
        // Without a checksum to match, the same is damage; so it is in any other word.
        (3, 36_865, false, Box::new(corrupt("checksum"))),
        (10, 1, false, Box::new(corrupt("checksum"))),
        (300, 1, false, Box::new(corrupt("checksum"))),
        (ENTRY + 2, 8192, false, Box::new(corrupt("checksum"))),
        (1023, 1, false, Box::new(corrupt("checksum"))),
        (511, 1, false, Box::new(corrupt("checksum"))),
    ];
    let name = Name::new();
    name.create(&Config::spsc().capacity_bytes(4096));
    let sound = fs::read(name.path()).unwrap();
    for (word, value, signed, is_right) in cases {
        let mut page = Prologue::of(&sound);
        page.set(word, value);
        if signed {
            page.sign();
        }
        let file = OpenOptions::new().write(true).open(name.path()).unwrap();
        file.write_all_at(&page.0, 0).unwrap();
        let error = refusal(&name);
        assert!(is_right(&error), "word {word} = {value}: {error:?}");
        assert!(error.to_string().contains(&*name));
        assert!(shmring::list().unwrap().contains(&name.to_string()), "damaged is still listed");
        file.write_all_at(&sound[..PROLOGUE_BYTES], 0).unwrap();
        Segment::attach(&name).unwrap();
    }
}

/// Catches a segment that is more than an ordinary object of shared memory, which other
/// tools could not see or remove.
#[test]
fn a_segment_is_an_ordinary_shared_memory_object() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    let total_bytes = segment.info().total_bytes;
    let object = CString::new(format!("/{}", &*name)).unwrap();
    // SAFETY: the name is a valid string; the descriptor is wrapped below.
    let fd = unsafe { libc::shm_open(object.as_ptr(), libc::O_RDONLY, 0) };
    assert!(fd >= 0);
    // SAFETY: the descriptor was just opened and only this test uses it.
    let opened: File = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) };
    assert_eq!(opened.metadata().unwrap().len(), total_bytes);
    let bytes = fs::read(name.path()).unwrap();
    assert_eq!((bytes.len() as u64, &bytes[..8]), (total_bytes, b"shmring\0".as_slice()));
    // SAFETY: the name is a valid string.
    assert_eq!(unsafe { libc::shm_unlink(object.as_ptr()) }, 0);
    assert!(matches!(Segment::attach(&name).unwrap_err(), AttachError::NotFound { .. }));
    drop(segment);
}
