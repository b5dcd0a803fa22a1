//! Sleepers among others that are stopped or killed: no wake may end with them.

use shmring::{Config, Kind, Role, Segment, WaitMode};

use crate::common::child::{self, Part, say};
use crate::common::{LONG, Name, SHORT, payload, slots, watchdog};

fn ring(kind: Kind) -> Config {
    slots(kind, 16, 64)
}

/// In the child: sleeps in the kernel as the named role, and tells what it woke with.
pub(crate) fn sleep(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    if args[1] == Role::Consumer.to_string() {
        let mut rx = segment.consumer().unwrap();
        rx.set_wait_mode(WaitMode::Block);
        say("sleeps");
        say(format!("{:?}", rx.recv().map(|message| message.len())));
    } else {
        let mut tx = segment.producer().unwrap();
        tx.set_wait_mode(WaitMode::Block);
        while tx.try_send(b"full").is_ok() {}
        say("sleeps");
        say(format!("{:?}", tx.send(b"late")));
    }
}

fn sleeper(name: &Name, role: Role) -> Part {
    let mut child = child::start("ring-sleep", &[name, &role.to_string()]);
    assert_eq!(child.hear(), "sleeps");
    child
}

/// Catches a stopped consumer that swallows a wake for good: others that sleep receive
/// what it was woken for.
#[test]
fn a_stopped_sleeper_keeps_no_message() {
    let _watchdog = watchdog("a_stopped_sleeper_keeps_no_message");
    for kind in [Kind::Mpmc, Kind::Spmc] {
        let name = Name::new();
        let segment = name.create(&ring(kind));
        let mut child = sleeper(&name, Role::Consumer);
        std::thread::sleep(SHORT);
        child.signal(libc::SIGSTOP);
        let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        rx.set_wait_mode(WaitMode::Block);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| rx.recv_timeout(LONG));
            std::thread::sleep(SHORT);
            tx.send(b"for whoever runs").unwrap();
            assert_eq!(waiting.join().unwrap().unwrap(), b"for whoever runs");
        });
        child.signal(libc::SIGCONT);
        tx.send(&[0; 7]).unwrap();
        assert_eq!(child.hear(), "Ok(7)");
    }
}

/// Catches sleepers that were killed among others and whose bits swallow the wakes of
/// those that live, on both sides.
#[test]
fn sleepers_that_were_killed_keep_no_wake() {
    let _watchdog = watchdog("sleepers_that_were_killed_keep_no_wake");
    for role in [Role::Consumer, Role::Producer] {
        let name = Name::new();
        let segment = name.create(&ring(Kind::Mpmc));
        let mut children: Vec<_> = (0..3).map(|_| sleeper(&name, role)).collect();
        std::thread::sleep(SHORT);
        let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        children.iter_mut().for_each(Part::kill);
        while rx.try_recv().is_ok() {}
        tx.set_wait_mode(WaitMode::Block);
        rx.set_wait_mode(WaitMode::Block);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..500).for_each(|n| tx.send_timeout(&payload(n, 50), LONG).unwrap()));
            (0..500).for_each(|n| assert_eq!(rx.recv_timeout(LONG).unwrap(), payload(n, 50)));
        });
    }
}
