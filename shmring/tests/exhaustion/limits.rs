//! Limits of a process.

use std::fs;
use std::ptr;

use shmring::{AttachError, Config, CreateError, MonitorError, Observer, Segment};

use crate::common::child::{self, say};
use crate::common::{Name, is_root, watchdog};

const NOBODY: u32 = 65_534;
/// Descriptors that creating, attaching and watching need together, and some more.
const ENOUGH: usize = 16;

fn set_limit(which: libc::__rlimit_resource_t, limit: u64) {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: sets a limit of this process.
    assert_eq!(unsafe { libc::setrlimit(which, &raw const limit) }, 0);
}

fn become_nobody() {
    // SAFETY: changes this process's own identity.
    unsafe {
        assert_eq!(libc::setgroups(0, ptr::null()), 0);
        assert_eq!((libc::setgid(NOBODY), libc::setuid(NOBODY)), (0, 0));
    }
}

fn smallest() -> Config {
    Config::spsc().capacity_bytes(4096)
}

/// Whether an error says that there are too many open files.
fn is_too_many(error: &(dyn std::error::Error + 'static)) -> bool {
    // The message is complete, whatever holds the error of the call.
    error.to_string().contains(&format!("(os error {})", libc::EMFILE))
}

/// Opens files until only so many more can be.
fn leave_descriptors(count: usize) -> Vec<fs::File> {
    let mut files = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        files.push(file);
    }
    files.truncate(files.len() - count);
    files
}

/// In a child: creates, attaches, looks and watches with fewer descriptors than that takes,
/// then with enough.
pub(crate) fn few_descriptors(args: &[String]) {
    set_limit(libc::RLIMIT_NOFILE, 64);
    let [there, new] = args else {
        panic!("two names");
    };
    let segment = Segment::attach(there).unwrap();
    let (mut refused, mut done) = ([0; 4], [0; 4]);
    let mut count = |what: usize, error: Option<&(dyn std::error::Error + 'static)>| match error {
        None => done[what] += 1,
        Some(error) => {
            assert!(is_too_many(error), "{what}: {error}");
            refused[what] += 1;
        }
    };
    for free in 0..ENOUGH {
        let taken = leave_descriptors(free);
        let created = Segment::create(new, &smallest());
        let attached = Segment::attach(there);
        let observed = Observer::open(there);
        let watched = segment.monitor();
        let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        tx.send(b"needs none").unwrap();
        assert_eq!(rx.recv().unwrap(), b"needs none");
        drop(taken);
        count(0, created.as_ref().err().map(|error| error as _));
        count(1, attached.as_ref().err().map(|error| error as _));
        count(2, observed.as_ref().err().map(|error| error as _));
        count(3, watched.as_ref().err().map(|error| error as _));
        assert_eq!(fs::exists(format!("/dev/shm/{new}")).unwrap(), created.is_ok());
        if created.is_ok() {
            Segment::unlink(new).unwrap();
        }
    }
    assert!(refused.iter().all(|&count| count > 0), "{refused:?}");
    assert!(done.iter().all(|&count| count > 0), "{done:?}");
    assert_eq!(segment.status().unwrap().attached.len(), 1, "a failed attach left an entry");
    say("told");
}

/// Catches a verb that panics, leaves a half-made segment or an entry in a table, or blames
/// something else when no more files can be opened, and a transfer that opens any.
#[test]
fn without_descriptors_verbs_fail_and_leave_nothing() {
    let _watchdog = watchdog("without_descriptors_verbs_fail_and_leave_nothing");
    let (there, new) = (Name::new(), Name::new());
    drop(there.create(&smallest()));
    assert_eq!(child::start("descriptors", &[&there, &new]).finish(), ["told"]);
}

/// In a child: has no room to map anything large.
pub(crate) fn few_addresses(args: &[String]) {
    let [there, new] = args else {
        panic!("two names");
    };
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    set_limit(libc::RLIMIT_AS, pages * 4096 + (8 << 20));
    let is_mmap = |error: &AttachError| {
        matches!(error, AttachError::Os(error)
            if error.call == "mmap" && error.source.raw_os_error() == Some(libc::ENOMEM))
    };
    let error = Segment::attach(there).unwrap_err();
    assert!(is_mmap(&error), "{error:?}");
    let error = Observer::open(there).unwrap_err();
    assert!(is_mmap(&error), "{error:?}");
    let config = Config::spsc().capacity_bytes(32 << 20);
    let error = Segment::create(new, &config).unwrap_err();
    assert!(matches!(&error, CreateError::Attach(error) if is_mmap(error)), "{error:?}");
    assert!(!fs::exists(format!("/dev/shm/{new}")).unwrap());
    Segment::create(new, &smallest()).unwrap();
    Segment::unlink(new).unwrap();
    say("told");
}

/// Catches a segment that is left behind because its creator could not map it, and an error
/// that does not name the call.
#[test]
fn without_addresses_nothing_is_mapped_or_left() {
    let _watchdog = watchdog("without_addresses_nothing_is_mapped_or_left");
    let (there, new) = (Name::new(), Name::new());
    drop(there.create(&Config::spsc().capacity_bytes(32 << 20)));
    assert_eq!(child::start("addresses", &[&there, &new]).finish(), ["told"]);
    assert!(Observer::open(&there).unwrap().status().unwrap().attached.is_empty());
}

/// In a child: may not lock memory.
pub(crate) fn no_locked_memory(args: &[String]) {
    if is_root() {
        // Root is not limited.
        become_nobody();
    }
    set_limit(libc::RLIMIT_MEMLOCK, 0);
    let segment = Segment::create(&args[0], &smallest().lock(true).prefault(true)).unwrap();
    let obtained = segment.obtained();
    assert_eq!((obtained.lock, obtained.prefault.is_some()), (Some(false), true));
    assert_eq!(Segment::attach(&args[0]).unwrap().obtained().lock, Some(false));
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    tx.send(b"works").unwrap();
    assert_eq!(rx.recv().unwrap(), b"works");
    Segment::unlink(&args[0]).unwrap();
    say("told");
}

/// Catches locked memory that is a condition and not a wish, or that is said to be locked
/// when it is not.
#[test]
fn without_locked_memory_it_works_and_reports_it() {
    let name = Name::new();
    assert_eq!(child::start("unlocked", &[&name]).finish(), ["told"]);
}

/// In a child: may not start threads.
pub(crate) fn no_more_threads(args: &[String]) {
    if is_root() {
        become_nobody();
    }
    let segment = Segment::create(&args[0], &smallest()).unwrap();
    set_limit(libc::RLIMIT_NPROC, 0);
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    let error = segment.monitor().unwrap_err();
    assert!(
        matches!(&error, MonitorError::Os(error) if error.call == "pthread_create"),
        "{error:?}"
    );
    assert!(error.to_string().contains("more slowly"), "{error}");
    assert_eq!(fs::read_dir("/proc/self/fd").unwrap().count(), before);
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    tx.send(b"works").unwrap();
    assert_eq!(rx.recv().unwrap(), b"works");
    Segment::unlink(&args[0]).unwrap();
    say("told");
}

/// Catches a watch that panics without its thread, or leaves descriptors open.
#[test]
fn without_threads_there_is_no_monitor() {
    let _watchdog = watchdog("without_threads_there_is_no_monitor");
    let name = Name::new();
    assert_eq!(child::start("threads", &[&name]).finish(), ["told"]);
}

/// In a child: may make files of one MiB at most.
pub(crate) fn small_files(args: &[String]) {
    set_limit(libc::RLIMIT_FSIZE, 1 << 20);
    let large = Config::spsc().capacity_bytes(1 << 20);
    for made in [Segment::create(&args[0], &large), Segment::create_sealed("sealed", &large)] {
        match made.unwrap_err() {
            CreateError::FileSizeLimit { needed_bytes, max_bytes, .. } => {
                assert_eq!((needed_bytes, max_bytes), ((1 << 20) + 32_768, 1 << 20));
            }
            error => panic!("{error}"),
        }
    }
    Segment::create(&args[0], &Config::spsc().capacity_bytes(1 << 19)).unwrap();
    say("refused, made");
}

/// Catches a process that the kernel ends, by SIGXFSZ, for a segment that is too large.
#[test]
fn a_limit_of_file_sizes_is_an_error() {
    let _watchdog = watchdog("a_limit_of_file_sizes_is_an_error");
    let name = Name::new();
    assert_eq!(child::start("file-size", &[&name]).finish(), ["refused, made"]);
}
