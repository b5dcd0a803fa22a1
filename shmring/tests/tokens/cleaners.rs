//! Cleaners that come to a stop halfway, with their share of a dead process's token.

use std::fs::OpenOptions;
use std::mem::forget;
use std::os::fd::AsRawFd;

use shmring::{Config, Kind, RecvTimeoutError, Segment};

use crate::common::child::{self, Part, pause, say};
use crate::common::{LONG, Name, broadcast, eventually, slots, watchdog};
use crate::scene::{Orphans, descriptors, fork_sleeper};

/// Where the attachment table begins, and how far its entries are apart; the first byte of each
/// is its token.
const TABLE: i64 = 8192;
const ENTRY_BYTES: i64 = 64;
/// The test, the cleaner and the one that dies: the table is full.
const ATTACHES: u64 = 3;

/// In a child: claims a position after a message, and sends nothing there.
pub(crate) fn reserve(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let mut tx = segment.producer().unwrap();
    tx.send(b"sent").unwrap();
    forget(tx.reserve(4).unwrap());
    say("holds");
    pause();
}

/// In a child: shares the token of the entry that the second argument names when its owner
/// is dead, as cleaners do, and gets no further. The third argument says through which open
/// of the file.
pub(crate) fn share_token(args: &[String]) {
    let before = descriptors();
    let _segment = Segment::attach(&args[0]).unwrap();
    let own = descriptors().into_iter().filter(|number| !before.contains(number));
    let own: Vec<_> = own.collect();
    assert_eq!(own.len(), 1);
    say("attached");
    pause();
    let path = Name::of(args[0].clone());
    let file = OpenOptions::new().read(true).write(true).open(path.path()).unwrap();
    forget(path);
    let (number, kind) = match &*args[2] {
        "another" => (file.as_raw_fd(), libc::F_RDLCK),
        "shares" => (own[0], libc::F_RDLCK),
        _ => (own[0], libc::F_WRLCK),
    };
    // SAFETY: a lock of zeros is a valid one.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    (lock.l_type, lock.l_start, lock.l_len) = (kind as i16, token(&args[1]), 1);
    eventually("the owner is dead", || {
        // SAFETY: locks a byte through a descriptor of this process; the lock is valid.
        let result = unsafe { libc::fcntl(number, libc::F_OFD_SETLK, &raw const lock) };
        (result == 0).then_some(())
    });
    // It has the description, and the lock with it, when this process is dead.
    Orphans::say(&[fork_sleeper()]);
    pause();
}

fn token(index: &str) -> i64 {
    TABLE + ENTRY_BYTES * index.parse::<i64>().unwrap()
}

/// A segment whose table is full: with this test, a cleaner to be, and a process that plays
/// `part` and holds what the others want.
struct Scene {
    name: Name,
    segment: Segment,
    cleaner: Part,
    holder: Part,
}

impl Scene {
    fn new(config: &Config, part: &str, how: &str) -> Self {
        let name = Name::new();
        let segment = name.create(&config.clone().max_attachments(ATTACHES));
        let mut cleaner = child::start("share-token", &[&name, "2", how]);
        assert_eq!(cleaner.hear(), "attached");
        let mut holder = child::start(part, &[&name]);
        holder.hear();
        assert_eq!(segment.status().unwrap().attached[2].pid as i32, holder.pid());
        Self { name, segment, cleaner, holder }
    }

    /// Kills the holder, and lets the cleaner get stuck behind it: stopped, or dead with a
    /// fork child that goes on. Until the child ends, its lock is there.
    fn get_stuck(&mut self, stopped: bool) -> Orphans {
        self.holder.kill();
        self.cleaner.go();
        let orphan = Orphans::heard_of(&mut self.cleaner);
        if stopped {
            self.cleaner.signal(libc::SIGSTOP);
        } else {
            self.cleaner.kill();
        }
        orphan
    }

    /// How many can attach now.
    fn room(&self) -> usize {
        let attaches = std::iter::from_fn(|| Segment::attach(&self.name).ok());
        attaches.take(ATTACHES as usize).collect::<Vec<_>>().len()
    }

    /// The holder's entry is not reused before the reaper's lock is gone.
    fn assert_entry_is_kept_for(mut self, stopped: bool, orphan: Orphans) {
        let pid = self.holder.pid() as u32;
        let attached = self.segment.status().unwrap().attached;
        assert!(attached.iter().any(|other| other.pid == pid && !other.alive), "{attached:?}");
        assert_eq!(self.room(), usize::from(!stopped), "stopped {stopped}");
        orphan.assert_alive();
        self.cleaner.kill();
        drop(orphan);
        eventually("the entries are free", || (self.room() == 2).then_some(()));
    }
}

/// Catches a death that is not noticed because a cleaner stopped halfway, and an entry that
/// a newcomer gets under that cleaner's hands.
#[test]
fn a_stuck_reaper_keeps_no_role_and_no_end_from_others() {
    let _watchdog = watchdog("a_stuck_reaper_keeps_no_role_and_no_end_from_others");
    let spsc = Config::spsc().capacity_bytes(4096);
    for (stopped, config) in
        [(true, &spsc), (false, &spsc), (true, &broadcast()), (false, &broadcast())]
    {
        let mut scene = Scene::new(config, "hold", "another");
        let mut rx = scene.segment.consumer().unwrap();
        let orphan = scene.get_stuck(stopped);
        assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
        let mut tx = scene.segment.producer().unwrap();
        tx.send(b"from the successor").unwrap();
        assert_eq!(rx.recv_timeout(LONG).unwrap(), b"from the successor");
        scene.assert_entry_is_kept_for(stopped, orphan);
    }
}

/// Catches a dead producer's position that stays open because a reaper stopped halfway.
#[test]
fn a_stuck_reaper_keeps_no_position_from_others() {
    let _watchdog = watchdog("a_stuck_reaper_keeps_no_position_from_others");
    for stopped in [true, false] {
        let mut scene = Scene::new(&slots(Kind::Mpsc, 8, 64), "reserve", "another");
        let segment = &scene.segment;
        let (mut rx, mut tx) = (segment.consumer().unwrap(), segment.producer().unwrap());
        tx.send(b"after").unwrap();
        let orphan = scene.get_stuck(stopped);
        assert_eq!(rx.recv_timeout(LONG).unwrap(), b"sent");
        assert_eq!(rx.recv_timeout(LONG).unwrap(), b"after");
        assert_eq!(scene.segment.status().unwrap().ring().tombstones, 1);
        // A process that is refused a role has checked for dead peers first.
        assert!(scene.segment.consumer().is_err());
        assert_eq!(scene.segment.status().unwrap().ring().producers.len(), 1);
        scene.assert_entry_is_kept_for(stopped, orphan);
    }
}

/// Catches a cleaner's lock that its fork child keeps when it is killed halfway: the dead
/// would look alive, or keep its entry, for as long as the child lives.
#[test]
fn a_killed_reaper_leaves_no_lock_to_its_children() {
    let _watchdog = watchdog("a_killed_reaper_leaves_no_lock_to_its_children");
    let rings = [Config::spsc().capacity_bytes(4096), broadcast()];
    for (how, config) in ["shares", "alone"].into_iter().zip(rings) {
        let mut scene = Scene::new(&config, "hold", how);
        let mut rx = scene.segment.consumer().unwrap();
        let orphan = scene.get_stuck(false);
        assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof), "{how}");
        eventually("the entries are free", || (scene.room() == 2).then_some(()));
        orphan.assert_alive();
    }
}
