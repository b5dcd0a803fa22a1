//! Owners and modes of segments.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::ptr;

use shmring::{AttachError, AttachOptions, Config, CreateError, Observer, Segment, UnlinkError};

use crate::common::child::{self, say};
use crate::common::{Name, is_root, watchdog};

const NOBODY: u32 = 65_534;

fn smallest() -> Config {
    Config::spsc().capacity_bytes(4096)
}

fn become_nobody() {
    // SAFETY: changes this process's own identity.
    unsafe {
        assert_eq!(libc::setgroups(0, ptr::null()), 0);
        assert_eq!((libc::setgid(NOBODY), libc::setuid(NOBODY)), (0, 0));
    }
}

/// Catches an attach to a segment that anybody may have written to, without a word, and a
/// refusal that cannot be overruled or that looks at more than that permission.
#[test]
fn a_world_writable_segment_is_refused_unless_accepted() {
    let accepting = AttachOptions::new().accept_world_writable(true);
    for mode in [0o602, 0o622, 0o666, 0o777] {
        let name = Name::new();
        let made = name.create(&smallest().mode(mode));
        let refused = Segment::attach(&name).unwrap_err();
        assert!(
            matches!(&refused, AttachError::WorldWritable { name: n, mode: m }
                if *n == *name && *m == mode),
            "{refused:?}"
        );
        assert!(refused.to_string().contains(&format!("{mode:#o}")), "{refused}");
        // Nothing of it was touched: the creator is still alone.
        assert_eq!(made.status().unwrap().attached.len(), 1);
        accepting.attach(&name).unwrap();
        Observer::open(&name).unwrap();
    }
    for mode in [0o600, 0o660, 0o664, 0o675] {
        let name = Name::new();
        let _made = name.create(&smallest().mode(mode));
        Segment::attach(&name).unwrap();
    }
    // It is the mode that the file has now that counts.
    let name = Name::new();
    let _made = name.create(&smallest());
    fs::set_permissions(name.path(), Permissions::from_mode(0o606)).unwrap();
    let refused = Segment::attach(&name).unwrap_err();
    assert!(matches!(refused, AttachError::WorldWritable { mode: 0o606, .. }), "{refused:?}");
}

/// Catches an owner that is not checked, or one that is refused although no option requires it.
#[test]
fn the_owner_is_the_one_asked_for() {
    let name = Name::new();
    let made = name.create(&smallest());
    let me = made.info().owner_uid;
    AttachOptions::new().owner(me).attach(&name).unwrap();
    let refused = AttachOptions::new().owner(me + 1).attach(&name).unwrap_err();
    assert!(
        matches!(refused, AttachError::WrongOwner { expected, found, .. }
            if (expected, found) == (me + 1, me)),
        "{refused:?}"
    );
    assert_eq!(made.status().unwrap().attached.len(), 1);
    if !is_root() {
        println!("skipped in part: only root can give a file away");
        return;
    }
    chown(name.path(), Some(NOBODY), None).unwrap();
    assert_eq!(Segment::attach(&name).unwrap().info().owner_uid, NOBODY);
    let refused = AttachOptions::new().owner(me).attach(&name).unwrap_err();
    assert!(
        matches!(refused, AttachError::WrongOwner { expected, found: NOBODY, .. }
            if expected == me),
        "{refused:?}"
    );
}

/// Catches a umask that narrows the mode that was asked for.
#[test]
fn the_mode_is_exact_whatever_the_umask() {
    for mask in ["0", "77", "777"] {
        let names = [Name::new(), Name::new(), Name::new()];
        child::start("umask", &[mask, &names[0], &names[1], &names[2]]).finish();
        for (name, mode) in names.iter().zip([0o600, 0o640, 0o666]) {
            let found = fs::metadata(name.path()).unwrap().permissions().mode() & 0o7777;
            assert_eq!(found, mode, "umask {mask}: {found:o}");
        }
    }
}

/// In the child: makes segments under a umask.
pub(crate) fn umask(args: &[String]) {
    let mask = u32::from_str_radix(&args[0], 8).unwrap();
    // SAFETY: the mask is this process's.
    unsafe { libc::umask(mask) };
    for (name, mode) in args[1..].iter().zip([0o600, 0o640, 0o666]) {
        Segment::create(name, &smallest().mode(mode)).unwrap();
    }
}

/// Catches an open that could make a file: where `fs.protected_regular` is set, the kernel
/// refuses that for what others left in a sticky directory, to root as well.
#[test]
fn a_leftover_can_be_opened_in_a_sticky_directory() {
    let _watchdog = watchdog("a_leftover_can_be_opened_in_a_sticky_directory");
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    if fs::read_to_string("/proc/sys/fs/protected_regular").is_ok_and(|set| set.trim() == "0") {
        println!("shows less: fs.protected_regular is off");
    }
    let name = Name::new();
    child::start("leave", &[&name]).finish();
    assert_eq!(fs::metadata(name.path()).unwrap().uid(), NOBODY);
    assert_eq!(Segment::attach(&name).unwrap().consumer().unwrap().recv().unwrap(), b"left");
    Observer::open(&name).unwrap();
    let exists = Segment::create(&name, &smallest()).unwrap_err();
    assert!(matches!(exists, CreateError::Exists { .. }), "{exists:?}");
    Segment::recreate(&name, &smallest()).unwrap();
    assert_eq!(fs::metadata(name.path()).unwrap().uid(), 0);
    Segment::unlink(&name).unwrap();
}

/// In the child: leaves a segment of another user.
pub(crate) fn leave(args: &[String]) {
    become_nobody();
    let segment = Segment::create(&args[0], &smallest()).unwrap();
    segment.producer().unwrap().send(b"left").unwrap();
}

/// Catches a leftover of another user that is reported as an unnamed failure of some call,
/// or that stops who may use it from going on with it.
#[test]
fn only_its_owner_removes_a_leftover() {
    let _watchdog = watchdog("only_its_owner_removes_a_leftover");
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let (private, shared) = (Name::new(), Name::new());
    private.create(&smallest());
    shared.create(&smallest().mode(0o666));
    let before = fs::metadata(shared.path()).unwrap().ino();
    child::start("replace", &[&private, &shared]).finish();
    assert_eq!(fs::metadata(shared.path()).unwrap().ino(), before, "it was replaced");
    assert_eq!(Segment::attach(&private).unwrap().status().unwrap().ring().messages_received, 0);
}

/// In the child: tries to get rid of root's segments, and uses what it may.
pub(crate) fn replace(args: &[String]) {
    become_nobody();
    let [private, shared] = args else {
        panic!("two names");
    };
    let error = Segment::attach(private).unwrap_err();
    assert!(matches!(error, AttachError::Denied { .. }), "{error:?}");
    let error = Segment::recreate(private, &smallest()).unwrap_err();
    assert!(matches!(error, CreateError::Attach(AttachError::Denied { .. })), "{error:?}");
    let error = Segment::recreate(shared, &smallest()).unwrap_err();
    assert!(matches!(&error, CreateError::Denied { name } if name == shared), "{error:?}");
    assert!(error.to_string().contains("only its owner can"), "{error}");
    for name in [private, shared] {
        let error = Segment::unlink(name).unwrap_err();
        assert!(matches!(&error, UnlinkError::Denied { name: n } if n == name), "{error:?}");
    }
    let segment = AttachOptions::new().accept_world_writable(true).attach(shared).unwrap();
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    tx.send(b"goes on").unwrap();
    assert_eq!(rx.recv().unwrap(), b"goes on");
    say("done");
}
