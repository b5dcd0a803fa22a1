//! Other users, a narrow umask, a full /dev/shm: in child processes.

use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::ptr;

use shmring::{AttachError, AttachOptions, Config, CreateError, Observer, Segment, UnlinkError};

use crate::common::child::{self, say};
use crate::common::{Name, is_root, watchdog};

const NOBODY: u32 = 65_534;

/// Catches a segment that others may use against its mode, and one that they may not use
/// though its mode says so.
#[test]
fn the_mode_decides_which_users_may_attach() {
    let _watchdog = watchdog("the_mode_decides_which_users_may_attach");
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let names: Vec<Name> = (0..4).map(|_| Name::new()).collect();
    let mut segments = Vec::new();
    for (name, mode) in names.iter().zip([0o600, 0o644, 0o666]) {
        segments.push(name.create(&Config::spsc().capacity_bytes(4096).mode(mode)));
        assert_eq!(fs::metadata(name.path()).unwrap().permissions().mode() & 0o7777, mode);
    }
    let args: Vec<&str> = names.iter().map(|name| &**name).collect();
    let said = child::start("other-user", &args).finish();
    let expected = [
        "private: denied, denied, denied",
        "readable: denied, 1 attached and alive, denied",
        "shared: sent, denied",
        "own: made",
    ];
    assert_eq!(said, expected);
    assert_eq!(segments[2].consumer().unwrap().recv().unwrap(), b"from nobody");
}

/// In the child: becomes another user and tries everything.
pub(crate) fn other_user(args: &[String]) {
    // SAFETY: changes this process's own identity.
    unsafe {
        assert_eq!(libc::setgroups(0, ptr::null()), 0);
        assert_eq!((libc::setgid(NOBODY), libc::setuid(NOBODY)), (0, 0));
    }
    let attach = |name: &str| match Segment::attach(name) {
        Err(AttachError::Denied { .. }) => "denied".to_owned(),
        other => format!("{other:?}"),
    };
    let observe = |name: &str| match Observer::open(name) {
        Err(AttachError::Denied { .. }) => "denied".to_owned(),
        Ok(observer) => {
            let attached = observer.status().unwrap().attached;
            let alive = attached.iter().all(|participant| participant.alive);
            format!("{} attached{}", attached.len(), if alive { " and alive" } else { "" })
        }
        other => format!("{other:?}"),
    };
    let unlink = |name: &str| match Segment::unlink(name) {
        Err(UnlinkError::Denied { .. }) => "denied".to_owned(),
        other => format!("{other:?}"),
    };
    let [private, readable, shared, own] = args else {
        panic!("four names");
    };
    say(format!("private: {}, {}, {}", attach(private), observe(private), unlink(private)));
    say(format!("readable: {}, {}, {}", attach(readable), observe(readable), unlink(readable)));
    assert!(matches!(Segment::attach(shared), Err(AttachError::WorldWritable { .. })));
    let segment = AttachOptions::new().accept_world_writable(true).attach(shared).unwrap();
    segment.producer().unwrap().send(b"from nobody").unwrap();
    assert!(segment.status().unwrap().attached.iter().any(|p| p.uid == NOBODY && p.alive));
    say(format!("shared: sent, {}", unlink(shared)));
    // A process that changed its user still reaches its own descriptors.
    let made = Segment::create(own, &Config::spsc().capacity_bytes(4096)).unwrap();
    assert_eq!(made.info().owner_uid, NOBODY);
    Segment::attach(own).unwrap();
    Segment::unlink(own).unwrap();
    say("own: made");
}

/// Catches a segment that is created without its memory, whose users would die of SIGBUS,
/// and leftovers of one that found no room.
#[test]
fn a_full_shared_memory_refuses_a_segment() {
    let _watchdog = watchdog("a_full_shared_memory_refuses_a_segment");
    let said = child::start("full", &[]).finish();
    if let [reason] = &said[..]
        && reason.starts_with("skipped")
    {
        println!("{reason}");
        return;
    }
    assert_eq!(said, ["refused", "made", "refused", "made", "raced"]);
}

/// Catches a shared memory without inodes that is taken for one without space.
#[test]
fn without_inodes_the_error_is_no_inodes() {
    let _watchdog = watchdog("without_inodes_the_error_is_no_inodes");
    let said = child::start("inodes", &[]).finish();
    if said[0].starts_with("skipped") {
        return println!("{}", said[0]);
    }
    assert_eq!(said, ["said"]);
}

/// In the child: a /dev/shm of its own, with few inodes.
pub(crate) fn no_inodes() {
    if !mount(c"size=64m,nr_inodes=20") {
        return;
    }
    for number in 0..21 {
        match Segment::create(&number.to_string(), &Config::spsc().capacity_bytes(4096)) {
            Ok(_) => assert!(number < 20),
            Err(error @ CreateError::NoInodes { .. }) => {
                assert!(error.to_string().contains("nr_inodes"), "{error}");
                return say("said");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// In a child: mounts a /dev/shm of its own, or says why it cannot.
fn mount(options: &CStr) -> bool {
    // SAFETY: gives this thread a mount namespace of its own; the strings are valid.
    let mounted = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                ptr::null(),
            ) == 0
            && libc::mount(
                c"tmpfs".as_ptr(),
                c"/dev/shm".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                options.as_ptr().cast(),
            ) == 0
    };
    if !mounted {
        say(format!("skipped: no mount namespace: {}", std::io::Error::last_os_error()));
    }
    mounted
}

/// In the child: a /dev/shm of its own, of one MiB.
pub(crate) fn full() {
    if !mount(c"size=1m") {
        return;
    }
    let attempt = |name: &str, capacity: u64| match Segment::create(
        name,
        &Config::spsc().capacity_bytes(capacity),
    ) {
        Ok(segment) => {
            say("made");
            Some(segment)
        }
        Err(CreateError::NoSpace { needed_bytes, free_bytes, .. }) => {
            assert_eq!(needed_bytes, 32_768 + capacity);
            assert!(free_bytes < needed_bytes && free_bytes <= 1 << 20);
            say("refused");
            None
        }
        Err(error) => panic!("{error}"),
    };
    let files = || fs::read_dir("/dev/shm").unwrap().count();
    assert!(attempt("too-large", 1 << 20).is_none() && files() == 0);
    let first = attempt("first", 1 << 19).unwrap();
    assert!(attempt("second", 1 << 19).is_none() && files() == 1);
    // Every page of the first is there to be written.
    let mut producer = first.producer().unwrap();
    while producer.try_send(&[1; 1000]).is_ok() {}
    drop((producer, first));
    Segment::unlink("first").unwrap();
    drop(attempt("second", 1 << 19));
    assert_eq!(files(), 1);
    Segment::unlink("second").unwrap();
    // Each finds room enough when it asks, and there is room for one.
    let config = Config::spsc().capacity_bytes(1 << 19);
    for _ in 0..50 {
        let made = ["left", "right"].map(|name| {
            let config = config.clone();
            std::thread::spawn(move || match Segment::create(name, &config) {
                Ok(_) => Some(name),
                Err(CreateError::NoSpace { .. }) => None,
                Err(error) => panic!("{error}"),
            })
        });
        let made: Vec<&str> = made.into_iter().filter_map(|one| one.join().unwrap()).collect();
        assert!(made.len() <= 1 && files() == made.len(), "{made:?}");
        made.into_iter().for_each(|name| Segment::unlink(name).unwrap());
    }
    say("raced");
}
