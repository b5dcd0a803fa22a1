//! Handles in an event loop, which waits for descriptors.

use std::fs;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use shmring::readiness::Arm;
use shmring::{
    Config, Consumer, Eof, Kind, Producer, Readiness, Segment, TryRecvError, TrySendError,
};

use crate::common::{HANG, Name, SHORT, broadcast, eventually};

/// All tests of a process share the reactor, and one of them counts threads.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One ring of each kind of messages, small.
fn configs() -> Vec<Config> {
    let slots = [Config::mpmc(), Config::mpsc(), Config::spmc()];
    let slots = slots.map(|config| config.slots(4).slot_bytes(64));
    slots.into_iter().chain([Config::spsc().capacity_bytes(4096), broadcast()]).collect()
}

struct Ring {
    _name: Name,
    segment: Segment,
    tx: Producer,
    rx: Consumer,
}

fn rings() -> Vec<Ring> {
    let ring = |config| {
        let name = Name::new();
        let (segment, tx, rx) = name.pair_of(&config);
        Ring { _name: name, segment, tx, rx }
    };
    configs().into_iter().map(ring).collect()
}

/// Waits for the descriptors; returns those that are readable.
fn readable(all: &[&Readiness], timeout: Duration) -> Vec<usize> {
    let mut fds: Vec<_> =
        all.iter().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut fds, PollTimeout::try_from(timeout).unwrap()).unwrap();
    (0..all.len()).filter(|&index| fds[index].any() == Some(true)).collect()
}

fn is_readable(one: &Readiness, timeout: Duration) -> bool {
    !readable(&[one], timeout).is_empty()
}

fn reactors() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.trim() == "shmring-reactor").count()
}

/// Catches a message that makes no event, makes two, or is missed between the last verb and the arm.
#[test]
fn a_message_makes_one_event_for_each_arm() {
    let _alone = alone();
    for mut ring in rings() {
        let readiness = ring.rx.readiness().unwrap();
        ring.tx.send(b"early").unwrap();
        assert!(!is_readable(&readiness, SHORT), "not armed");
        assert_eq!(readiness.arm(), Ok(Arm::Ready));
        assert_eq!(ring.rx.try_recv().unwrap(), b"early");
        for round in 0..40 {
            assert_eq!(readiness.arm(), Ok(Arm::Armed));
            thread::scope(|scope| {
                scope.spawn(|| {
                    if round % 2 == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                    ring.tx.send(b"one").unwrap();
                });
                let start = Instant::now();
                assert!(is_readable(&readiness, HANG));
                // A look finds it after 100 ms, a wake at once.
                assert!(start.elapsed() < Duration::from_millis(90) || round == 0);
            });
            readiness.clear();
            ring.tx.send(b"two").unwrap();
            assert_eq!(ring.rx.try_recv().unwrap(), b"one");
            assert_eq!(ring.rx.try_recv().unwrap(), b"two");
            assert!(!is_readable(&readiness, Duration::ZERO), "an event without an arm");
        }
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        readiness.disarm();
        ring.tx.send(b"late").unwrap();
        assert!(!is_readable(&readiness, SHORT), "disarmed");
    }
}

/// Catches room, or a broken pipe, that makes no event.
#[test]
fn room_makes_an_event() {
    let _alone = alone();
    for mut ring in rings() {
        let readiness = ring.tx.readiness().unwrap();
        assert_eq!(readiness.arm(), Ok(Arm::Ready), "never tried");
        for _ in 0..10 {
            while ring.tx.try_send(&[0; 40]).is_ok() {}
            assert_eq!(readiness.arm(), Ok(Arm::Armed));
            assert!(!is_readable(&readiness, Duration::ZERO));
            while ring.rx.try_recv().is_ok() {}
            assert!(is_readable(&readiness, HANG));
        }
        while ring.tx.try_send(&[0; 40]).is_ok() {}
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        drop(ring.rx);
        assert!(is_readable(&readiness, HANG));
        assert_eq!(ring.tx.try_send(&[0; 40]), Err(TrySendError::BrokenPipe));
        assert_eq!(readiness.arm(), Ok(Arm::Ready));
        ring.tx.set_require_consumer(false);
        // Where there is no subscriber, there is room.
        let has_room = ring.segment.info().ring().kind == Kind::Broadcast;
        let expected = if has_room { Arm::Ready } else { Arm::Armed };
        assert_eq!(readiness.arm(), Ok(expected));
        if has_room {
            continue;
        }
        ring.segment.close();
        assert!(is_readable(&readiness, HANG), "closed");
    }
}

/// Catches an end of a stream without an event, and an event for an end that means nothing.
#[test]
fn an_end_makes_an_event() {
    let _alone = alone();
    for mut ring in rings() {
        let readiness = ring.rx.readiness().unwrap();
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        drop(ring.tx);
        assert!(is_readable(&readiness, HANG));
        assert_eq!(ring.rx.try_recv(), Err(TryRecvError::Eof));
        assert_eq!(readiness.arm(), Ok(Arm::Ready));
        ring.rx.set_eof(Eof::NextProducer);
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        // A join wakes all, and is nothing to receive.
        let mut tx = ring.segment.producer().unwrap();
        if is_readable(&readiness, SHORT) {
            assert_eq!(readiness.arm(), Ok(Arm::Armed));
        }
        tx.send(b"next").unwrap();
        assert!(is_readable(&readiness, HANG));
        assert_eq!(ring.rx.try_recv().unwrap(), b"next");
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        ring.segment.close();
        assert!(is_readable(&readiness, HANG));
    }
}

/// Catches a kind of handle without a descriptor.
#[test]
fn handles_of_values_make_events() {
    let _alone = alone();
    for config in [Config::packed::<u64>(), Config::mpmc().values::<u64>()] {
        let segment = Segment::create_sealed("values", &config.slots(2)).unwrap();
        let mut tx = segment.value_producer::<u64>().unwrap();
        let mut rx = segment.value_consumer::<u64>().unwrap();
        let (readable, writable) = (rx.readiness().unwrap(), tx.readiness().unwrap());
        assert_eq!(readable.arm(), Ok(Arm::Armed));
        tx.send_slice(&[1, 2]).unwrap();
        assert!(is_readable(&readable, HANG));
        assert_eq!(tx.try_send(&3), Err(TrySendError::Full));
        assert_eq!(writable.arm(), Ok(Arm::Armed));
        assert_eq!(rx.try_recv(), Ok(1));
        assert!(is_readable(&writable, HANG));
    }
}

/// Catches more handles than the kernel waits for at once, and a wrong descriptor among many.
#[test]
fn there_may_be_any_number_of_descriptors() {
    let _alone = alone();
    let config = Config::mpmc().slots(2).slot_bytes(64).max_attachments(2).max_handles(2);
    let mut handles: Vec<_> = (0..140)
        .map(|_| {
            let segment = Segment::create_sealed("many", &config).unwrap();
            (segment.producer().unwrap(), segment.consumer().unwrap())
        })
        .collect();
    for count in [20, 127, 128, 140] {
        let all: Vec<_> = handles[..count].iter().map(|(_, rx)| rx.readiness().unwrap()).collect();
        let all: Vec<_> = all.iter().collect();
        for index in [0, 3, count - 1] {
            for one in &all {
                assert_eq!(one.arm(), Ok(Arm::Armed));
            }
            handles[index].0.send(b"here").unwrap();
            assert_eq!(readable(&all, HANG), [index]);
            handles[index].1.try_recv().unwrap();
            assert_eq!(all[index].arm(), Ok(Arm::Armed));
            assert_eq!(readable(&all, Duration::ZERO), [0; 0]);
        }
        for one in &all {
            one.disarm();
        }
        // The reactor sleeps where nothing is armed; the next arm reaches it.
        thread::sleep(Duration::from_millis(5));
        assert_eq!(all[0].arm(), Ok(Arm::Armed));
        handles[0].0.send(b"here").unwrap();
        assert_eq!(readable(&all, HANG), [0]);
        handles[0].1.try_recv().unwrap();
    }
}

/// Catches a reactor that outlives its last user, keeps a segment attached, or forgets an entry
/// after it was idle.
#[test]
fn the_reactor_lives_as_long_as_it_is_needed() {
    let _alone = alone();
    let mut rings = rings();
    assert_eq!(reactors(), 0);
    let first = rings[0].rx.readiness().unwrap();
    eventually("a reactor", || (reactors() == 1).then_some(()));
    let second = rings[1].rx.readiness().unwrap();
    // Longer than it waits for what is not armed.
    thread::sleep(Duration::from_millis(250));
    assert_eq!(first.arm(), Ok(Arm::Armed));
    rings[0].tx.send(b"after").unwrap();
    assert!(is_readable(&first, HANG));
    assert_eq!(reactors(), 1);

    let Ring { _name: name, segment, tx, rx } = rings.remove(1);
    drop((segment, tx, rx));
    let attached = || shmring::Observer::open(&name).unwrap().status().unwrap().attached.len();
    assert_eq!(attached(), 1, "by what is left of it");
    assert_eq!(second.arm(), Ok(Arm::Ready), "the handle is gone");
    drop(second);
    assert_eq!(attached(), 0);
    drop(first);
    assert_eq!(reactors(), 0);
    let again = rings[0].rx.readiness().unwrap();
    assert_eq!(again.arm(), Ok(Arm::Ready));
}

/// Catches a wake that the reactor takes from a verb that blocks.
#[test]
fn a_verb_that_blocks_beside_the_reactor_is_woken() {
    let _alone = alone();
    for mut ring in rings() {
        let readiness = ring.rx.readiness().unwrap();
        ring.rx.set_wait_mode(shmring::WaitMode::Block);
        for _ in 0..5 {
            assert_eq!(readiness.arm(), Ok(Arm::Armed));
            readiness.disarm();
            thread::scope(|scope| {
                let tx = &mut ring.tx;
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(70));
                    tx.send(b"wake").unwrap();
                });
                let start = Instant::now();
                assert_eq!(ring.rx.recv().unwrap(), b"wake");
                // Its own looks come after 62 and 126 ms.
                assert!(start.elapsed() < Duration::from_millis(115), "{:?}", start.elapsed());
            });
        }
    }
}

/// Catches two events for one arm, or an event without one, in a loop that sees each signal.
#[test]
fn a_loop_that_sees_each_signal_sees_one_for_each_arm() {
    let _alone = alone();
    for mut ring in rings() {
        let readiness = ring.rx.readiness().unwrap();
        let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
        epoll
            .add(&readiness, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 7))
            .unwrap();
        let events = |timeout: Duration| {
            let mut events = [EpollEvent::empty(); 4];
            epoll.wait(&mut events, EpollTimeout::try_from(timeout).unwrap()).unwrap()
        };
        for round in 0..40 {
            assert_eq!(readiness.arm(), Ok(Arm::Armed));
            assert_eq!(events(Duration::ZERO), 0, "armed");
            ring.tx.send(b"one").unwrap();
            assert_eq!(events(HANG), 1);
            if round % 3 == 0 {
                readiness.clear();
            }
            ring.tx.send(b"two").unwrap();
            assert_eq!(ring.rx.try_recv().unwrap(), b"one");
            assert_eq!(readiness.arm(), Ok(Arm::Ready));
            assert_eq!(ring.rx.try_recv().unwrap(), b"two");
            assert_eq!(events(Duration::ZERO), 0, "not armed");
            if round % 4 == 0 {
                assert_eq!(readiness.arm(), Ok(Arm::Armed));
                readiness.disarm();
            }
        }
    }
}

/// Arms, and lets `send` make an event within far less time than until a look, most often. Returns
/// how long it took.
fn time_of_event(readiness: &Readiness, send: impl FnOnce()) -> Duration {
    assert_eq!(readiness.arm(), Ok(Arm::Armed));
    // The reactor sleeps by then, if it waits.
    thread::sleep(Duration::from_millis(1));
    let start = Instant::now();
    send();
    assert!(is_readable(readiness, HANG));
    start.elapsed()
}

/// Catches an event that is lost, or late, after another thread has armed than before: in turn, and
/// for good.
#[test]
fn any_thread_may_arm() {
    let _alone = alone();
    for mut ring in rings() {
        let readiness = ring.rx.readiness().unwrap();
        let mut times = Vec::new();
        for turn in [1, 1, 1, 30, 30, 2] {
            let (tx, rx, readiness) = (&mut ring.tx, &mut ring.rx, &readiness);
            let mut here = || {
                for _ in 0..turn {
                    times.push(time_of_event(readiness, || tx.send(b"here").unwrap()));
                    assert_eq!(rx.try_recv().unwrap(), b"here");
                }
            };
            here();
            thread::scope(|scope| scope.spawn(here).join().unwrap());
        }
        times.sort();
        // A look comes up to 100 ms later.
        assert!(times[times.len() * 9 / 10] < Duration::from_millis(40), "{times:?}");
    }
}

/// Catches an arm that ends with its thread.
#[test]
fn an_arm_outlives_its_thread() {
    let _alone = alone();
    for mut ring in rings() {
        let readiness = ring.rx.readiness().unwrap();
        for _ in 0..5 {
            thread::scope(|scope| {
                let arm = || assert_eq!(readiness.arm(), Ok(Arm::Armed));
                scope.spawn(arm).join().unwrap();
            });
            ring.tx.send(b"after").unwrap();
            assert!(is_readable(&readiness, HANG));
            readiness.clear();
            assert_eq!(ring.rx.try_recv().unwrap(), b"after");
        }
    }
}

/// Catches a readiness that is dropped while it is armed, and leaves something behind.
#[test]
fn a_readiness_may_be_dropped_while_it_is_armed() {
    let _alone = alone();
    for mut ring in rings() {
        let readiness = ring.rx.readiness().unwrap();
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        drop(readiness);
        ring.tx.send(b"one").unwrap();
        let readiness = ring.rx.readiness().unwrap();
        assert!(!is_readable(&readiness, SHORT));
        assert_eq!(readiness.arm(), Ok(Arm::Ready));
        assert_eq!(ring.rx.try_recv().unwrap(), b"one");
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        drop((ring.rx, readiness));
        assert_eq!(ring.tx.try_send(b"two"), Err(TrySendError::BrokenPipe));
    }
    assert_eq!(reactors(), 0);
}

/// Catches a wake that a loop takes from a verb that blocks, or the other way round, when they wait
/// for the same handle in turn.
#[test]
fn loops_and_verbs_that_block_take_turns() {
    let _alone = alone();
    for mut ring in rings() {
        let readiness = ring.rx.readiness().unwrap();
        ring.rx.set_wait_mode(shmring::WaitMode::Block);
        let (mut by_loop, mut by_verb) = (HANG, HANG);
        for _ in 0..20 {
            let tx = &mut ring.tx;
            by_loop = by_loop.min(time_of_event(&readiness, || tx.send(b"loop").unwrap()));
            assert_eq!(ring.rx.try_recv().unwrap(), b"loop");
            readiness.clear();
            assert_eq!(readiness.arm(), Ok(Arm::Armed));
            readiness.disarm();
            by_verb = by_verb.min(thread::scope(|scope| {
                let sender = scope.spawn(|| {
                    thread::sleep(Duration::from_millis(2));
                    let sent = Instant::now();
                    ring.tx.send(b"verb").unwrap();
                    sent
                });
                assert_eq!(ring.rx.recv().unwrap(), b"verb");
                let received = Instant::now();
                received.duration_since(sender.join().unwrap())
            }));
            assert!(!is_readable(&readiness, Duration::ZERO), "not armed");
        }
        // Looks come after 16 ms at the soonest.
        assert!(by_loop.max(by_verb) < Duration::from_millis(10), "{by_loop:?}, {by_verb:?}");
    }
}
