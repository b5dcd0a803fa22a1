//! Processes that are killed or stopped at the worst moments that a test can choose.

use shmring::{
    Config, CreateError, JoinError, Observer, RecvError, RecvTimeoutError, Role, Segment,
    SendTimeoutError, TryRecvError, WaitMode,
};

use crate::common::child::{self, Part, pause, say};
use crate::common::{LONG, Name, SHORT, eventually, payload, watchdog};

/// In the child: takes a role, does what the arguments say, and waits to be killed.
pub(crate) fn hold(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    match &*args[1] {
        "nothing" => {
            say("holds");
            pause();
        }
        // Ten messages sent, and one reserved and written but not committed.
        "producer" => {
            let mut tx = segment.producer().unwrap();
            (0..10).for_each(|number| tx.send(&payload(number, 100)).unwrap());
            let mut reservation = tx.reserve(200).unwrap();
            reservation.write_at(0, &[0xFF; 200]);
            say("holds");
            pause();
            reservation.commit();
        }
        // Three received, and some more looked at but not released.
        "consumer" => {
            let mut rx = segment.consumer().unwrap();
            (0..3).for_each(|number| assert_eq!(rx.recv().unwrap(), payload(number, 100)));
            let mut ahead = rx.lookahead().unwrap();
            (3..6).for_each(|number| {
                assert_eq!(ahead.next().unwrap().to_vec(), payload(number, 100));
            });
            say("holds");
            pause();
            ahead.release();
        }
        other => panic!("no role {other}"),
    }
}

/// In the child: sleeps in the kernel as the named role until it is killed.
pub(crate) fn sleep(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    if args[1] == "consumer" {
        let mut rx = segment.consumer().unwrap();
        rx.set_wait_mode(WaitMode::Block);
        say("sleeps");
        rx.recv().unwrap();
    } else {
        let mut tx = segment.producer().unwrap();
        tx.set_wait_mode(WaitMode::Block);
        while tx.try_send(&[1; 1000]).is_ok() {}
        say("sleeps");
        tx.send(&[1; 2000]).unwrap();
    }
    say("woke");
}

fn holder(name: &Name, role: &str) -> Part {
    let mut child = child::start("hold", &[name, role]);
    assert_eq!(child.hear(), "holds");
    child
}

fn smallest() -> Config {
    Config::spsc().capacity_bytes(4096)
}

/// Catches a role that is taken for ever after a kill, messages that die with their
/// sender, and half a message that is received.
#[test]
fn a_killed_producer_leaves_what_it_sent_and_its_role() {
    let _watchdog = watchdog("a_killed_producer_leaves_what_it_sent_and_its_role");
    let name = Name::new();
    let segment = name.create(&smallest());
    let mut rx = segment.consumer().unwrap();
    let mut child = holder(&name, "producer");
    let taken = segment.producer().unwrap_err();
    assert!(
        matches!(&taken, JoinError::RoleTaken { role: Role::Producer, holder: Some(holder) }
            if holder.pid as i32 == child.pid() && holder.alive),
        "{taken:?}"
    );
    child.kill();
    let mut tx = segment.producer().unwrap();
    tx.send(b"from the successor").unwrap();
    for number in 0..10 {
        assert_eq!(rx.recv().unwrap(), payload(number, 100));
    }
    assert_eq!(rx.recv().unwrap(), b"from the successor");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(segment.status().unwrap().attached.len(), 1);
}

/// Catches an end of stream that never comes because the producer could not say goodbye.
#[test]
fn a_killed_producer_ends_the_stream() {
    let _watchdog = watchdog("a_killed_producer_ends_the_stream");
    for mode in [WaitMode::Spin, WaitMode::Adaptive, WaitMode::Block] {
        let name = Name::new();
        let segment = name.create(&smallest());
        let mut rx = segment.consumer().unwrap();
        rx.set_wait_mode(mode);
        let mut child = holder(&name, "producer");
        for number in 0..10 {
            assert_eq!(rx.recv().unwrap(), payload(number, 100));
        }
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| rx.recv_timeout(LONG));
            child.kill();
            assert_eq!(waiting.join().unwrap(), Err(RecvTimeoutError::Eof), "{mode:?}");
        });
    }
}

/// Catches peeked messages that are lost with the dead consumer, or that come twice
/// though they were released.
#[test]
fn a_killed_consumer_leaves_what_it_did_not_release() {
    let _watchdog = watchdog("a_killed_consumer_leaves_what_it_did_not_release");
    let name = Name::new();
    let segment = name.create(&smallest());
    let mut tx = segment.producer().unwrap();
    (0..10).for_each(|number| tx.send(&payload(number, 100)).unwrap());
    let mut child = holder(&name, "consumer");
    assert!(matches!(segment.consumer(), Err(JoinError::RoleTaken { .. })));
    child.kill();
    // A new attach takes over just as well as one that was there before.
    let mut rx = Segment::attach(&name).unwrap().consumer().unwrap();
    for number in 3..10 {
        let peek = rx.peek().unwrap();
        assert_eq!(peek.to_vec(), payload(number, 100));
        assert_eq!(peek.is_redelivered(), number < 6, "{number}");
        peek.release();
    }
    tx.send(b"goes on").unwrap();
    assert_eq!(rx.recv().unwrap(), b"goes on");
    assert_eq!(segment.status().unwrap().ring().messages_received, 11);
}

/// Catches a producer that waits for ever for a dead consumer's room.
#[test]
fn a_killed_consumer_breaks_the_pipe() {
    let _watchdog = watchdog("a_killed_consumer_breaks_the_pipe");
    for mode in [WaitMode::Spin, WaitMode::Adaptive, WaitMode::Block] {
        let name = Name::new();
        let segment = name.create(&smallest());
        let mut tx = segment.producer().unwrap();
        tx.set_wait_mode(mode);
        (0..10).for_each(|number| tx.send(&payload(number, 100)).unwrap());
        let mut child = holder(&name, "consumer");
        while tx.try_send(&[0; 100]).is_ok() {}
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| tx.send_timeout(&[0; 100], LONG));
            child.kill();
            assert_eq!(waiting.join().unwrap(), Err(SendTimeoutError::BrokenPipe), "{mode:?}");
        });
    }
}

/// Catches a sleeper's bit that a kill leaves behind and that swallows the wakes of its
/// successor.
#[test]
fn a_sleeper_that_was_killed_keeps_no_wake() {
    let _watchdog = watchdog("a_sleeper_that_was_killed_keeps_no_wake");
    for role in ["consumer", "producer"] {
        let name = Name::new();
        let segment = name.create(&smallest());
        let mut child = child::start("sleep", &[&name, role]);
        assert_eq!(child.hear(), "sleeps");
        std::thread::sleep(SHORT);
        child.kill();
        let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        while rx.try_recv().is_ok() {}
        tx.set_wait_mode(WaitMode::Block);
        rx.set_wait_mode(WaitMode::Block);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..200).for_each(|n| tx.send(&payload(n, 900)).unwrap()));
            (0..200).for_each(|n| assert_eq!(rx.recv_timeout(LONG).unwrap(), payload(n, 900)));
        });
    }
}

/// Catches a segment that is stuck after everyone died: a new attach adopts it with its
/// messages, or a new segment replaces it.
#[test]
fn a_segment_outlives_everyone() {
    let _watchdog = watchdog("a_segment_outlives_everyone");
    for round in 0..4 {
        let name = Name::new();
        {
            let _quiet = child::quiet();
            drop(name.create(&smallest().max_attachments(3).max_handles(2)));
        }
        let mut children = vec![holder(&name, "producer"), holder(&name, "consumer")];
        children.push(holder(&name, "nothing"));
        let in_use = Segment::recreate(&name, &smallest()).unwrap_err();
        let CreateError::InUse { by, .. } = in_use else {
            panic!("{in_use:?}");
        };
        assert_eq!((by.len(), by.iter().all(|participant| participant.alive)), (3, true));
        children.iter_mut().for_each(Part::kill);
        let dead = || Observer::open(&name).unwrap().status().unwrap().attached;
        eventually("the kernel told of all deaths", || {
            dead().iter().all(|participant| !participant.alive).then_some(())
        });
        assert_eq!(dead().len(), 3);
        if round % 2 == 0 {
            let segment = Segment::attach(&name).unwrap();
            assert_eq!(segment.status().unwrap().attached.len(), 1);
            let mut rx = segment.consumer().unwrap();
            for number in 3..10 {
                assert_eq!(rx.recv().unwrap(), payload(number, 100));
            }
            assert_eq!(rx.recv(), Err(RecvError::Eof));
            assert!(segment.producer().is_ok());
        } else {
            let segment = Segment::recreate(&name, &smallest()).unwrap();
            assert_eq!(segment.status().unwrap().ring().used_bytes, 0);
        }
    }
}

/// Catches a process that is taken for dead because it does not move.
#[test]
fn a_stopped_process_is_not_dead() {
    let _watchdog = watchdog("a_stopped_process_is_not_dead");
    let name = Name::new();
    let segment = name.create(&smallest());
    let mut rx = segment.consumer().unwrap();
    let mut child = holder(&name, "producer");
    child.signal(libc::SIGSTOP);
    for number in 0..10 {
        assert_eq!(rx.recv().unwrap(), payload(number, 100));
    }
    // Longer than a slice of sleep, after which the dead are looked for.
    assert_eq!(rx.recv_timeout(SHORT * 15), Err(RecvTimeoutError::TimedOut));
    assert!(matches!(segment.producer(), Err(JoinError::RoleTaken { .. })));
    drop((rx, segment));
    let in_use = Segment::recreate(&name, &smallest());
    assert!(matches!(in_use, Err(CreateError::InUse { .. })), "{in_use:?}");
    let segment = Segment::attach(&name).unwrap();
    assert!(segment.status().unwrap().ring().producers[0].alive);
    child.signal(libc::SIGCONT);
    child.go();
    let mut rx = segment.consumer().unwrap();
    assert_eq!(rx.recv_timeout(LONG).unwrap(), [0xFF; 200]);
    assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
    child.finish();
}

/// Catches a handle table that dead processes fill for ever: a joining process takes over.
#[test]
fn a_dead_owners_handle_is_taken_over_when_there_is_no_other() {
    let _watchdog = watchdog("a_dead_owners_handle_is_taken_over_when_there_is_no_other");
    let name = Name::new();
    let segment = name.create(&smallest().max_handles(1));
    let mut child = holder(&name, "producer");
    child.kill();
    let joined = eventually("the kernel told of the death", || {
        let alive = Observer::open(&name).unwrap().status().unwrap().attached;
        alive.iter().any(|participant| !participant.alive).then(|| segment.producer())
    });
    assert!(joined.is_ok(), "{joined:?}");
}
