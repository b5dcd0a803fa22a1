//! Processes that close all descriptors after they attached, and wait for others.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use shmring::{
    AttachOptions, Config, Fault, JoinError, Kind, RecvError, Segment, SendError, WaitMode,
};

use crate::common::child::{self, pause, say};
use crate::common::{MODES, Name, broadcast, is_root, slots, watchdog};
use crate::strangers::become_nobody;

const LOST: Fault = Fault::ProbeRefused { call: "fstat", errno: libc::EBADF };

fn close_range() {
    // SAFETY: this process owns no descriptor that it needs.
    assert_eq!(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) }, 0);
}

/// In a child: has the consumer of a ring, closes all descriptors as the user that the second
/// argument names, perhaps beside a monitor, and waits for a message without an end.
pub(crate) fn wait_closed(args: &[String]) {
    let segment = AttachOptions::new().accept_world_writable(true).attach(&args[0]).unwrap();
    let mut rx = segment.consumer().unwrap();
    rx.set_wait_mode(MODES[args[2].parse::<usize>().unwrap()]);
    let _monitor = (args[3] == "monitor").then(|| segment.monitor().unwrap());
    if args[1] == "nobody" {
        become_nobody();
    }
    say("attached");
    pause();
    close_range();
    say("closed");
    pause();
    let mut received = 0;
    let end = loop {
        match rx.recv() {
            Ok(_) => received += 1,
            Err(end) => break end,
        }
    };
    if end != RecvError::Eof {
        assert_eq!(end, RecvError::Failed(LOST));
        // Verbs that do not wait still work, as far as they need no liveness check.
        assert!(rx.try_recv().is_err());
        assert_eq!(segment.status().unwrap_err(), LOST);
        let refused = segment.consumer().unwrap_err();
        assert!(matches!(refused, JoinError::Failed(LOST)), "{refused:?}");
    }
    say(format!("{received} {end:?}"));
}

/// What a consumer that closed its descriptors gets after its producer's death, where
/// `prepare` was done to the name before.
fn end_of_wait(config: &Config, args: [&str; 4], prepare: impl Fn(&Name)) -> String {
    let [user, mode, monitor, part] = args;
    let name = Name::new();
    drop(name.create(config));
    let mut holder = child::start(part, &[&name]);
    holder.hear();
    let mut waiter = child::start("wait-closed", &[&name, user, mode, monitor]);
    assert_eq!(waiter.hear(), "attached");
    fs::set_permissions(name.path(), Permissions::from_mode(0o666)).unwrap();
    prepare(&name);
    waiter.go();
    assert_eq!(waiter.hear(), "closed");
    waiter.go();
    holder.kill();
    waiter.finish().pop().unwrap()
}

fn keep(_: &Name) {}

fn unlink(name: &Name) {
    Segment::unlink(name).unwrap();
}

fn replace(name: &Name) {
    unlink(name);
    drop(name.create(&Config::spsc().capacity_bytes(4096)));
}

/// Catches an endless wait for the dead by a process that closed its descriptors, however it
/// waits, with and without a monitor, also behind a position that the dead has claimed.
#[test]
fn a_receiver_that_closed_all_descriptors_sees_deaths() {
    let _watchdog = watchdog("a_receiver_that_closed_all_descriptors_sees_deaths");
    let user = if is_root() { "nobody" } else { "same" };
    for mode in ["0", "1", "2"] {
        for records in [Config::spsc().capacity_bytes(4096), broadcast()] {
            for monitor in ["none", "monitor"] {
                let args = [user, mode, monitor, "hold"];
                assert_eq!(end_of_wait(&records, args, keep), "0 Eof", "mode {mode}, {monitor}");
            }
        }
        let args = [user, mode, "none", "reserve"];
        assert_eq!(end_of_wait(&slots(Kind::Mpsc, 8, 64), args, keep), "1 Eof", "mode {mode}");
    }
}

/// Catches an endless wait where the name does not lead to the segment any more: who may
/// follow the mapping sees the death, and one that may not gets an error.
#[test]
fn a_waiter_that_cannot_reopen_the_segment_gets_an_error() {
    let _watchdog = watchdog("a_waiter_that_cannot_reopen_the_segment_gets_an_error");
    let records = Config::spsc().capacity_bytes(4096);
    let tickets = slots(Kind::Mpsc, 8, 64);
    if !is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    for prepare in [unlink, replace] {
        assert_eq!(end_of_wait(&records, ["root", "2", "none", "hold"], prepare), "0 Eof");
        for mode in ["0", "1", "2"] {
            let end = end_of_wait(&records, ["nobody", mode, "none", "hold"], prepare);
            assert_eq!(end, format!("0 {:?}", RecvError::Failed(LOST)), "mode {mode}");
            let end = end_of_wait(&tickets, ["nobody", mode, "none", "reserve"], prepare);
            assert_eq!(end, format!("1 {:?}", RecvError::Failed(LOST)), "mode {mode}");
        }
    }
}

/// In a child: as above, but sends until there is no room.
pub(crate) fn send_closed(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let mut tx = segment.producer().unwrap();
    tx.set_require_consumer(true);
    tx.set_wait_mode(WaitMode::Block);
    say("attached");
    pause();
    close_range();
    let end = loop {
        if let Err(end) = tx.send(b"message") {
            break end;
        }
    };
    say(if end == SendError::BrokenPipe { "broken pipe".to_owned() } else { end.to_string() });
}

/// In a child: has the consumer, and receives nothing.
pub(crate) fn hold_consumer(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let _rx = segment.consumer().unwrap();
    say("holds");
    pause();
}

/// Catches the same on the sending side.
#[test]
fn a_sender_that_closed_all_descriptors_sees_deaths() {
    let _watchdog = watchdog("a_sender_that_closed_all_descriptors_sees_deaths");
    for config in [Config::spsc().capacity_bytes(4096), slots(Kind::Mpmc, 8, 64), broadcast()] {
        let name = Name::new();
        drop(name.create(&config));
        let mut holder = child::start("hold-consumer", &[&name]);
        assert_eq!(holder.hear(), "holds");
        let mut sender = child::start("send-closed", &[&name]);
        assert_eq!(sender.hear(), "attached");
        sender.go();
        holder.kill();
        assert_eq!(sender.hear(), "broken pipe");
    }
}
