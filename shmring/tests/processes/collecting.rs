//! Collecting what the dead left, beside the living.

use std::fs::{self, File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::thread;

use nix::fcntl::{FcntlArg, fcntl};
use shmring::gc::{Collected, Fate};
use shmring::info::Front;
use shmring::{
    AttachError, CollectError, Collector, Config, CreateError, Kind, RecvError, Segment,
};

use crate::common::child::{self, Part, pause, say};
use crate::common::{Name, eventually, is_root, slots, watchdog};

/// Where the handle table starts in a segment with 64 attaches.
const HANDLES: u64 = 12_288;
const NOBODY: u32 = 65_534;

fn collect(collector: Collector, name: &Name) -> Collected {
    collector.collect(name).unwrap()
}

/// What would become of it, messages or not: if abandoned, or if only unattached.
fn fates(name: &Name) -> [Fate; 2] {
    fates_with(Collector::new().unread(true), name)
}

fn fates_with(collector: Collector, name: &Name) -> [Fate; 2] {
    let dry = collector.dry_run(true);
    [dry, dry.unattached(true)].map(|collector| collect(collector, name).fate)
}

/// A child that has the producer.
fn holding(name: &Name) -> Part {
    let mut child = child::start("hold", &[name, "producer"]);
    assert_eq!(child.hear(), "holds");
    child
}

/// Dies in the segment.
fn die_in(name: &Name) {
    let mut child = holding(name);
    child.kill();
    eventually("it is told dead", || {
        let attached = collect(Collector::new().dry_run(true), name).status.attached;
        attached.iter().any(|participant| !participant.alive).then_some(())
    });
}

/// Catches garbage that is made of a segment in use, of one that waits for its users, or of one
/// that they left in good order; messages that no consumer received and that go; and an abandoned
/// one that is not found, or is removed though only a look was asked for.
#[test]
fn only_abandoned_segments_are_garbage() {
    let _watchdog = watchdog("only_abandoned_segments_are_garbage");
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    assert_eq!(fates(&name), [Fate::Kept, Fate::Kept], "somebody is attached");
    drop(segment);
    eventually("nobody is attached", || {
        (fates(&name) == [Fate::Kept, Fate::RemovedUnattached]).then_some(())
    });
    let mut segment = Segment::attach(&name).unwrap();
    die_in(&name);
    assert_eq!(fates(&name), [Fate::Cleaned, Fate::Cleaned], "somebody else is attached");
    drop(segment);
    eventually("it was abandoned", || {
        (fates(&name) == [Fate::Removed, Fate::Removed]).then_some(())
    });
    // A process comes back to it.
    segment = Segment::attach(&name).unwrap();
    assert_eq!(fates(&name), [Fate::Kept, Fate::Kept]);
    drop(segment);
    eventually("it was left in good order", || (fates(&name)[0] == Fate::Kept).then_some(()));

    die_in(&name);
    for collector in [Collector::new(), Collector::new().unattached(true)] {
        let kept = collect(collector, &name);
        assert_eq!(kept.fate, Fate::KeptUnread);
        assert!(kept.status.attached.iter().any(|one| !one.alive), "it is as it was");
    }
    let all = Collector::new().unread(true);
    let looked = collect(all.dry_run(true), &name);
    assert_eq!(looked.fate, Fate::Removed);
    assert!(name.path().exists(), "a look removed it");
    let done = collect(all.guard(true), &name);
    assert_eq!((done.fate, &done.status.attached), (Fate::Removed, &looked.status.attached));
    assert_eq!(done.info.name, *name);
    assert!(done.status.ring().used_bytes > 0, "what was lost is told");
    assert!(!name.path().exists());
    let gone = Collector::new().collect(&name).unwrap_err();
    assert!(matches!(gone, CollectError::Attach(AttachError::NotFound { .. })), "{gone:?}");
}

/// Catches messages that nobody has received being removed without a word: also one that is
/// not at head, behind a ticket of the dead. A ticket without a message is no reason to stay.
#[test]
fn unread_messages_stay_unless_asked_for() {
    let _watchdog = watchdog("unread_messages_stay_unless_asked_for");
    let plain = |name: &Name| fates_with(Collector::new(), name);
    for config in [Config::spsc().capacity_bytes(4096), slots(Kind::Mpmc, 16, 256)] {
        let name = Name::new();
        let segment = name.create(&config);
        segment.producer().unwrap().send(b"data").unwrap();
        drop(segment);
        eventually("nobody is attached", || {
            (plain(&name) == [Fate::Kept, Fate::KeptUnread]).then_some(())
        });
        die_in(&name);
        eventually("it is kept", || {
            (plain(&name) == [Fate::KeptUnread, Fate::KeptUnread]).then_some(())
        });
        let kept = collect(Collector::new(), &name);
        assert_eq!(kept.fate, Fate::KeptUnread);
        assert!(kept.status.ring().used_bytes > 0 && name.path().exists());
        let mut rx = Segment::attach(&name).unwrap().consumer().unwrap();
        assert_eq!(rx.recv().unwrap(), b"data");
        while rx.try_recv().is_ok() {}
        drop(rx);
        eventually("it is empty", || {
            (plain(&name) == [Fate::Kept, Fate::RemovedUnattached]).then_some(())
        });
    }
    let name = Name::new();
    drop(name.create(&slots(Kind::Mpmc, 8, 64)));
    // As left by a sender that died with a ticket: tail is past a slot without a stamp.
    let (tail, data) = (HANDLES + 63 * 256, HANDLES + 64 * 256 + 4096);
    name.poke(tail, 1);
    assert_eq!(plain(&name), [Fate::Kept, Fate::RemovedUnattached]);
    name.poke(tail, 2);
    name.poke(data + 64, 2 << 24 | 1 << 20 | 3);
    let status = collect(Collector::new().dry_run(true), &name).status;
    assert_eq!(
        (status.ring().front, status.ring().used_slots),
        (Front::InFlight { position: 0 }, Some(2))
    );
    assert_eq!(plain(&name), [Fate::Kept, Fate::KeptUnread]);
}

/// Catches a ring that is taken for an unfinished segment, as it has a name of theirs.
#[test]
fn a_ring_with_a_temporary_name_is_not_unfinished() {
    let _watchdog = watchdog("a_ring_with_a_temporary_name_is_not_unfinished");
    let (name, odd) = (Name::new(), Name::of(format!(".shmring-{}-902", std::process::id())));
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    fs::rename(name.path(), odd.path()).unwrap();
    let is_collected =
        |collector: Collector| collector.collect_unfinished().unwrap().contains(&odd.to_string());
    let stays = || !is_collected(Collector::new().dry_run(true)) && !is_collected(Collector::new());
    assert!(stays() && odd.path().exists(), "it is in use");
    segment.producer().unwrap().send(b"data").unwrap();
    drop(segment);
    assert!(stays() && odd.path().exists(), "it holds a message");
    assert!(!shmring::list().unwrap().contains(&odd.to_string()));
}

/// Catches dead participants that stay, and survivors that get no error, or are reaped
/// as well.
#[test]
fn dead_processes_are_reaped_beside_living_ones() {
    let _watchdog = watchdog("dead_processes_are_reaped_beside_living_ones");
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    let mut rx = segment.consumer().unwrap();
    die_in(&name);
    let done = collect(Collector::new(), &name);
    assert_eq!((done.fate, done.status.attached.len()), (Fate::Cleaned, 2));
    let after = segment.status().unwrap();
    assert_eq!((after.attached.len(), after.repairs, after.ring().producers.len()), (1, 1, 0));
    assert_eq!(fates(&name), [Fate::Kept, Fate::Kept]);
    while rx.try_recv().is_ok() {}
    assert_eq!(rx.recv(), Err(RecvError::Eof));
    segment.producer().unwrap().send(b"on").unwrap();
    assert_eq!(rx.recv().unwrap(), b"on");
}

/// Catches damage, other people's segments and other files that are removed.
#[test]
fn damaged_and_foreign_segments_are_kept() {
    let _watchdog = watchdog("damaged_and_foreign_segments_are_kept");
    let all = Collector::new().unattached(true);
    let (damaged, foreign) = (Name::new(), Name::new());
    drop(damaged.create(&Config::spsc().capacity_bytes(4096)));
    damaged.poke(8, 77);
    fs::write(foreign.path(), [0; 10_000]).unwrap();
    for name in [&damaged, &foreign] {
        let refused = all.collect(name).unwrap_err();
        assert!(matches!(refused, CollectError::Attach(_)) && name.path().exists());
    }
    let refused = all.collect("a/b").unwrap_err();
    assert!(matches!(refused, CollectError::Attach(AttachError::Name(_))), "{refused:?}");
    if !is_root() {
        return println!("skipped: only root can give files away");
    }
    let theirs = Name::new();
    drop(theirs.create(&Config::spsc().capacity_bytes(4096)));
    chown(theirs.path(), Some(NOBODY), None).unwrap();
    assert_eq!(collect(all, &theirs).fate, Fate::Kept);
    die_in(&theirs);
    assert_eq!(collect(all, &theirs).fate, Fate::Cleaned);
    assert!(theirs.path().exists());
    fs::set_permissions(theirs.path(), Permissions::from_mode(0o666)).unwrap();
    let refused = all.collect(&theirs).unwrap_err();
    assert!(matches!(refused, CollectError::Attach(AttachError::WorldWritable { .. })));
}

/// What a name means at the moment.
fn inode(name: &str) -> Option<u64> {
    fs::metadata(Path::new("/dev/shm").join(name)).ok().map(|stat| stat.ino())
}

/// Attaches, making the segment if there is none. Whether it did.
fn come(name: &str) -> (Segment, bool) {
    loop {
        match Segment::create(name, &Config::spsc().capacity_bytes(4096)) {
            Ok(segment) => return (segment, true),
            Err(CreateError::Exists { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        match Segment::attach(name) {
            Ok(segment) => return (segment, false),
            Err(AttachError::NotFound { .. } | AttachError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// In the child: comes, sees that it keeps the name, and leaves, sometimes by dying in a
/// child of its own. How often it made the segment.
pub(crate) fn come_and_go(args: &[String]) {
    let (name, rounds): (_, u32) = (&*args[0], args[1].parse().unwrap());
    say("ready");
    pause();
    let mut made = 0;
    for round in 0..rounds {
        if round % 3 == 0 {
            // SAFETY: no other thread of this process is at work.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                let (segment, is_new) = come(name);
                std::mem::forget(segment);
                // SAFETY: ends the process without a farewell.
                unsafe { libc::_exit(i32::from(is_new)) };
            }
            let mut status = 0;
            // SAFETY: the child is this process's own.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            made += libc::WEXITSTATUS(status);
        } else {
            let (segment, is_new) = come(name);
            let mine = inode(name);
            assert!(mine.is_some(), "the name was taken from who just attached");
            segment.producer().map(drop).ok();
            thread::yield_now();
            assert_eq!(inode(name), mine, "the name was taken from who is attached");
            made += i32::from(is_new);
        }
    }
    say(made);
}

/// In the child: collects until the parent ends it. Reports how often it removed the segment.
pub(crate) fn collect_all(args: &[String]) {
    let collector = Collector::new();
    let stop = thread::spawn(pause);
    say("ready");
    let mut removed = 0;
    while !stop.is_finished() {
        match collector.collect(&args[0]) {
            Ok(Collected { fate: Fate::Removed, .. }) => removed += 1,
            Ok(Collected { fate, .. }) => assert_ne!(fate, Fate::RemovedUnattached),
            Err(CollectError::Attach(AttachError::NotFound { .. } | AttachError::Busy { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
    say(removed);
}

/// Catches collectors that take the name of a segment from a process that is attached, or about
/// to be, that remove one twice, or that stop at each other; and garbage that stays.
#[test]
fn collectors_race_with_users_that_come_and_go() {
    let _watchdog = watchdog("collectors_race_with_users_that_come_and_go");
    let name = Name::new();
    let start = |part: &str, args: &[&str]| {
        let mut child = child::start(part, args);
        assert_eq!(child.hear(), "ready");
        child
    };
    let mut collectors: Vec<_> = (0..3).map(|_| start("collect", &[&name])).collect();
    let mut users: Vec<_> = (0..3).map(|_| start("come-and-go", &[&name, "400"])).collect();
    users.iter_mut().for_each(Part::go);
    let sum = |children: Vec<Part>| -> u32 {
        let said = children.into_iter().flat_map(Part::finish);
        said.map(|number| number.parse::<u32>().unwrap()).sum()
    };
    let made = sum(users);
    collectors.iter_mut().for_each(Part::go);
    let removed = sum(collectors);
    let left = u32::from(name.path().exists());
    assert_eq!(made, removed + left, "names were removed that were not garbage");
    assert!(removed > 0, "nothing was collected");
    if left == 1 {
        // The last to die may have come after the last look.
        eventually("the rest is collected or was left in good order", || {
            match Collector::new().collect(&name).unwrap().fate {
                Fate::Removed | Fate::Kept => Some(()),
                _ => None,
            }
        });
    }
}

/// Opens the file of that name, and has the lock on one byte of it alone.
fn lock(name: &Name, byte: libc::off_t) -> File {
    let file = File::options().read(true).write(true).open(name.path()).unwrap();
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    file
}

/// Catches files of makers that died before they gave them their names, and those of makers
/// who are at it.
#[test]
fn unfinished_segments_of_the_dead_are_collected() {
    let _watchdog = watchdog("unfinished_segments_of_the_dead_are_collected");
    let left = Name::of(format!(".shmring-{}-900", std::process::id()));
    let locked = Name::of(format!(".shmring-{}-901", std::process::id()));
    let other = Name::of(format!(".shmring-{}-x", std::process::id()));
    for name in [&left, &locked, &other] {
        fs::write(name.path(), [0; 100]).unwrap();
    }
    let maker = lock(&locked, 1);
    let found = Collector::new().dry_run(true).collect_unfinished().unwrap();
    let is_listed = |found: &[String], name: &Name| found.contains(&name.to_string());
    assert!(is_listed(&found, &left) && !is_listed(&found, &locked) && !is_listed(&found, &other));
    assert!(left.path().exists());
    let found = Collector::new().collect_unfinished().unwrap();
    assert!(is_listed(&found, &left) && !is_listed(&found, &locked) && !is_listed(&found, &other));
    assert!(!left.path().exists() && locked.path().exists() && other.path().exists());
    drop(maker);
    assert!(is_listed(&Collector::new().collect_unfinished().unwrap(), &locked));
}
