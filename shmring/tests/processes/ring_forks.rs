//! Fork children and the handles of slot rings and packed rings that they inherit.

use std::io::Write;

use shmring::{
    Config, Fault, JoinError, Kind, Message, RecvError, RecvTimeoutError, Segment, SendError,
    SendTimeoutError, TryRecvError, TrySendError,
};

use crate::common::child::{self, say};
use crate::common::{Name, SHORT, SLOT_KINDS, slots, watchdog};
use crate::forks::{assert_forked, in_fork};

/// In the child, which has one test thread: forks with handles of each kind. What it says,
/// it says as the parent of those forks.
pub(crate) fn fork(args: &[String]) {
    for (kind, name) in SLOT_KINDS.into_iter().zip(args) {
        let name = Name::of(name.clone());
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 8, 64));
        tx.send_batch(&["one", "two", "three"]).unwrap();
        let status = in_fork(|| {
            if rx.is_exclusive() {
                assert_forked(&mut tx, &mut rx);
            }
            let fault = Fault::Forked;
            assert_eq!(tx.send(b"x"), Err(SendError::Failed(fault)));
            assert_eq!(tx.try_send_batch(&["x"]), Err(TrySendError::Failed(fault)));
            assert_eq!(tx.try_reserve(1).map(|_| ()), Err(TrySendError::Failed(fault)));
            assert_eq!(rx.recv(), Err(RecvError::Failed(fault)));
            assert_eq!(rx.try_recv_batch(9, |_| ()), Err(TryRecvError::Failed(fault)));
            assert!(tx.try_clone().is_err() && rx.try_clone().is_err());
            for join in [segment.producer().err(), segment.consumer().err()] {
                assert!(matches!(join, Some(JoinError::Failed(Fault::Forked))), "{join:?}");
            }
            assert!(!format!("{tx:?}{rx:?}").is_empty());
        });
        say(format!("{kind} verbs {status}"));

        // What a child gives up or drops is the parent's, open tickets included.
        let mut reservation = Some(tx.reserve(6).unwrap());
        let status = in_fork(|| {
            let mut reservation = reservation.take().unwrap();
            assert!(reservation.write(b"child").is_err());
            reservation.write_at(0, b"ch");
            reservation.write_at(4, b"ld");
            assert_eq!(reservation.written(), 6);
        });
        say(format!("{kind} gives up {status}"));
        let mut reservation = reservation.unwrap();
        reservation.write_at(0, b"parent");
        reservation.commit();
        let (mut tx, mut rx) = (Some(tx), Some(rx));
        let status = in_fork(|| {
            tx.take().unwrap().close();
            drop(rx.take().unwrap().into_reader());
        });
        say(format!("{kind} drops {status}"));
        let (mut tx, mut rx) = (tx.unwrap(), rx.unwrap());
        let status = segment.status().unwrap();
        assert!(
            !status.ring().closed
                && status.ring().producers.len() == 1
                && status.ring().consumers.len() == 1
        );

        // Copies of a batch are the child's own; messages in place are not there.
        let mut forked = Vec::new();
        let visit = |message: &Message<'_>| {
            forked.push(in_fork(|| {
                let expected = if kind == Kind::Mpsc { 0 } else { message.len() };
                assert_eq!(message.to_vec().len(), expected);
            }));
        };
        assert_eq!(rx.recv_batch(9, visit), Ok(4));
        say(format!("{kind} reads {}", forked.iter().sum::<i32>()));
        tx.send(b"after").unwrap();
        assert_eq!(rx.recv().unwrap(), b"after");
        let status = segment.status().unwrap();
        assert_eq!((status.ring().tombstones, status.ring().messages_received), (0, 5));
    }
}

/// Catches a fork child that acts as its parent on a slot ring, closes its tickets, or
/// dies of a handle it inherited.
#[test]
fn a_forked_child_leaves_slot_rings_alone() {
    let _watchdog = watchdog("a_forked_child_leaves_slot_rings_alone");
    let names = SLOT_KINDS.map(|_| Name::new());
    let args: Vec<&str> = names.iter().map(|name| &**name).collect();
    let said = child::start("fork-with-slots", &args).finish();
    let facts = ["verbs", "gives up", "drops", "reads"];
    let expected: Vec<String> =
        SLOT_KINDS.iter().flat_map(|kind| facts.map(|fact| format!("{kind} {fact} 0"))).collect();
    assert_eq!(said, expected);
}

/// In the child: forks with the handles of a packed ring.
pub(crate) fn fork_packed(args: &[String]) {
    let name = Name::of(args[0].clone());
    let segment = name.create(&Config::packed::<u64>().slots(8));
    let mut tx = segment.value_producer::<u64>().unwrap();
    let mut rx = segment.value_consumer::<u64>().unwrap();
    tx.send_slice(&[1, 2, 3]).unwrap();
    let status = in_fork(|| {
        let fault = Fault::Forked;
        assert_eq!(tx.send(&1), Err(SendError::Failed(fault)));
        assert_eq!(tx.try_send(&1), Err(TrySendError::Failed(fault)));
        assert_eq!(tx.send_timeout(&1, SHORT), Err(SendTimeoutError::Failed(fault)));
        assert_eq!(tx.send_slice(&[1, 2]), Err(SendError::Failed(fault)));
        assert_eq!(tx.send_slice(&[]), Err(SendError::Failed(fault)));
        assert_eq!(tx.try_send_some(&[1, 2]), Err(TrySendError::Failed(fault)));
        assert_eq!(tx.reserve(1).map(|_| ()), Err(SendError::Failed(fault)));
        assert_eq!(rx.recv(), Err(RecvError::Failed(fault)));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Failed(fault)));
        assert_eq!(rx.recv_slice(&mut [0; 9]), Err(RecvError::Failed(fault)));
        assert_eq!(rx.peek(1).map(|_| ()), Err(RecvError::Failed(fault)));
        assert_eq!(rx.try_peek(1).map(|_| ()), Err(TryRecvError::Failed(fault)));
        let joined = segment.value_producer::<u64>();
        assert!(matches!(joined, Err(JoinError::Failed(Fault::Forked))));
        assert!(!format!("{tx:?}{rx:?}").is_empty());
    });
    say(format!("verbs {status}"));

    let mut space = Some(tx.reserve(2).unwrap());
    let mut ahead = Some(rx.peek(9).unwrap());
    let status = in_fork(|| {
        let space = space.as_mut().unwrap();
        (0..2).for_each(|index| space.write(index, u64::MAX));
        assert_eq!(space.written(), 2);
        assert_eq!(space.as_mut_ptrs().map(|(_, count)| count), [0, 0]);
    });
    say(format!("write {status}"));
    let status = in_fork(|| {
        let mut space = space.take().unwrap();
        space.push(u64::MAX);
        space.commit();
    });
    say(format!("commit {status}"));
    let status = in_fork(|| {
        assert!(ahead.as_ref().unwrap().get(0).unwrap().is_none());
        assert!(ahead.as_ref().unwrap().to_vec().unwrap().is_empty());
        assert_eq!(ahead.as_ref().unwrap().as_ptrs().map(|(_, count)| count), [0, 0]);
    });
    say(format!("read {status}"));
    say(format!("release {}", in_fork(|| ahead.take().unwrap().release())));
    assert_eq!(ahead.unwrap().to_vec().unwrap(), [1, 2, 3]);
    let mut space = space.unwrap();
    space.write_slice(0, &[4, 5]);
    space.commit();

    let (mut tx, mut rx) = (Some(tx), Some(rx));
    let status = in_fork(|| {
        tx.take().unwrap().close();
        drop(rx.take());
    });
    say(format!("drop {status}"));
    let (mut tx, mut rx) = (tx.unwrap(), rx.unwrap());
    assert!(!segment.status().unwrap().ring().closed);
    let mut all = [0; 9];
    assert_eq!(rx.recv_slice(&mut all), Ok(5));
    assert_eq!(all[..5], [1, 2, 3, 4, 5]);
    let status = in_fork(|| {
        let own = Segment::attach(&name).unwrap();
        assert!(matches!(own.value_producer::<u64>(), Err(JoinError::RoleTaken { .. })));
    });
    say(format!("attach {status}"));
    tx.send(&6).unwrap();
    assert_eq!(rx.recv(), Ok(6));
}

/// Catches a fork child that sends, releases or closes for its parent on a packed ring, or
/// that dies of what it inherited.
#[test]
fn a_forked_child_leaves_packed_rings_alone() {
    let _watchdog = watchdog("a_forked_child_leaves_packed_rings_alone");
    let name = Name::new();
    let said = child::start("fork-with-elements", &[&name]).finish();
    let expected = ["verbs", "write", "commit", "read", "release", "drop", "attach"];
    assert_eq!(said, expected.map(|fact| format!("{fact} 0")));
}

/// In the child: forks with what leads to values in a slot ring that producers share.
pub(crate) fn fork_with_values(_: &[String]) {
    let config = Config::mpsc().slots(4).values::<[bool; 9]>();
    let segment = Segment::create_sealed("forked", &config).unwrap();
    let mut tx = segment.value_producer::<[bool; 9]>().unwrap();
    let mut rx = segment.value_consumer::<[bool; 9]>().unwrap();
    tx.send(&[true; 9]).unwrap();
    let mut space = Some(tx.reserve(1).unwrap());
    let mut ahead = Some(rx.peek(1).unwrap());
    let status = in_fork(|| {
        let space = space.as_mut().unwrap();
        space.push([true; 9]);
        space.write_slice(0, &[[true; 9]]);
        assert_eq!(space.as_mut_ptrs().map(|(_, count)| count), [0, 0]);
    });
    say(format!("write {status}"));
    let status = in_fork(|| {
        let mut space = space.take().unwrap();
        space.push([true; 9]);
        space.commit();
    });
    say(format!("commit {status}"));
    say(format!("give-up {}", in_fork(|| drop(space.take()))));
    let status = in_fork(|| {
        let ahead = ahead.as_ref().unwrap();
        assert_eq!((ahead.get(0), ahead.to_vec()), (Ok(None), Ok(Vec::new())));
        assert_eq!(ahead.read_at(0, &mut [[false; 9]]), Ok(0));
        assert_eq!(ahead.as_ptrs().map(|(_, count)| count), [0, 0]);
    });
    say(format!("read {status}"));
    say(format!("release {}", in_fork(|| ahead.take().unwrap().release())));
    assert_eq!(ahead.unwrap().to_vec(), Ok(vec![[true; 9]]));
    let mut space = space.unwrap();
    space.push([false; 9]);
    space.commit();
    assert_eq!((rx.recv(), rx.recv()), (Ok([true; 9]), Ok([false; 9])));
    assert_eq!(segment.status().unwrap().ring().tombstones, 0);
}

/// Catches a fork child that sends, gives up or releases for its parent on a slot ring of values,
/// or that dies of what it inherited.
#[test]
fn a_forked_child_leaves_slots_of_values_alone() {
    let _watchdog = watchdog("a_forked_child_leaves_slots_of_values_alone");
    let said = child::start("fork-with-values", &[]).finish();
    let expected = ["write", "commit", "give-up", "read", "release"];
    assert_eq!(said, expected.map(|fact| format!("{fact} 0")));
}

/// In the child, which has one test thread: forks with handles whose last wait was in vain, a
/// fork for each verb. Such a handle owes others of its role a look for more.
pub(crate) fn fork_after_waits(_: &[String]) {
    const FAULT: Fault = Fault::Forked;
    let sealed = |config: &Config| Segment::create_sealed("waited", config).unwrap();
    let segment = sealed(&slots(Kind::Mpmc, 1, 64));
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
    tx.send(b"x").unwrap();
    assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendTimeoutError::TimedOut));
    let say_how = |what: &str, status| say(format!("{what} {status}"));
    say_how("send", in_fork(|| assert_eq!(tx.send(b"x"), Err(SendError::Failed(FAULT)))));
    let failed = SendTimeoutError::Failed(FAULT);
    say_how("room", in_fork(|| assert_eq!(tx.wait_writable(1, SHORT), Err(failed))));
    say_how("reserve", in_fork(|| assert!(tx.reserve(1).is_err())));
    say_how("recv", in_fork(|| assert_eq!(rx.recv(), Err(RecvError::Failed(FAULT)))));
    say_how("try", in_fork(|| assert_eq!(rx.try_recv(), Err(TryRecvError::Failed(FAULT)))));

    let segment = sealed(&Config::mpmc().slots(1).values::<u64>());
    let mut tx = segment.value_producer::<u64>().unwrap();
    let mut rx = segment.value_consumer::<u64>().unwrap();
    assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
    tx.send(&1).unwrap();
    assert_eq!(tx.send_timeout(&2, SHORT), Err(SendTimeoutError::TimedOut));
    say_how("send", in_fork(|| assert_eq!(tx.send(&3), Err(SendError::Failed(FAULT)))));
    say_how("room", in_fork(|| assert_eq!(tx.wait_writable(SHORT), Err(failed))));
    say_how("reserve", in_fork(|| assert!(tx.reserve(1).is_err())));
    say_how("recv", in_fork(|| assert_eq!(rx.recv(), Err(RecvError::Failed(FAULT)))));
    let mut some = [0; 2];
    let failed = TryRecvError::Failed(FAULT);
    say_how("try", in_fork(|| assert_eq!(rx.try_recv_slice(&mut some), Err(failed))));
}

/// Catches a fork child that dies where its verb ends: it looks for others to wake, in a ring
/// that it does not have.
#[test]
fn a_forked_child_owes_nobody_a_wake() {
    let _watchdog = watchdog("a_forked_child_owes_nobody_a_wake");
    let said = child::start("fork-after-waits", &[]).finish();
    let one = ["send 0", "room 0", "reserve 0", "recv 0", "try 0"];
    assert_eq!(said, [one, one].concat());
}
