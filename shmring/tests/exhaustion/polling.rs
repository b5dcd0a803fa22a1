//! Waits for several rings where the calls that they sleep by are refused.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use shmring::readiness::Arm;
use shmring::{Config, Consumer, Kind, Producer, Readiness, Segment, WaitMode, WaitSet};

use crate::common::child::{self, say};
use crate::common::{HANG, Name, SHORT, slots, watchdog};
use crate::refusals::{has_filters, refuse};

/// Messages for each ring.
const ROUNDS: u32 = 20;

/// In a child: waits for two rings, by a set and by descriptors, where calls are refused.
pub(crate) fn no_waitv(args: &[String]) {
    let [first, second, calls, errno] = args else { panic!("{args:?}") };
    let errno = errno.parse().unwrap();
    for call in calls.split('+') {
        let number = match call {
            "futex_waitv" => libc::SYS_futex_waitv,
            "membarrier" => libc::SYS_membarrier,
            _ => panic!("no call {call}"),
        };
        refuse(number, errno);
    }
    // SAFETY: without words there is nothing to access.
    let result = unsafe { libc::syscall(libc::SYS_futex_waitv, 0, 0, 0, 0, libc::CLOCK_MONOTONIC) };
    assert_eq!((result, std::io::Error::last_os_error().raw_os_error()), (-1, Some(errno)));
    let segments = [first, second].map(|name| Segment::attach(name).unwrap());
    let mut producers = segments.each_ref().map(|segment| segment.producer().unwrap());
    let mut consumers = segments.each_ref().map(|segment| segment.consumer().unwrap());
    for mode in [WaitMode::Block, WaitMode::Adaptive] {
        by_set(&mut producers, &mut consumers, mode);
    }
    by_descriptors(&mut producers, &mut consumers);
    say("waited");
}

/// Lets a thread send `number` to one of the rings while `wait` waits for it.
fn sending<R>(tx: &mut Producer, number: u32, wait: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(u64::from(number % 4)));
            tx.send(&number.to_ne_bytes()).unwrap();
        });
        wait()
    })
}

fn by_set(producers: &mut [Producer; 2], consumers: &mut [Consumer; 2], mode: WaitMode) {
    let mut set = WaitSet::new();
    set.set_wait_mode(mode);
    let keys = consumers.each_ref().map(|rx| set.add(rx));
    assert_eq!(set.wait(Some(SHORT)).unwrap().count(), 0);
    for number in 0..ROUNDS {
        let index = number as usize % 2;
        let wait = || set.wait(Some(HANG)).unwrap().collect::<Vec<_>>();
        assert_eq!(sending(&mut producers[index], number, wait), [keys[index]]);
        assert_eq!(consumers[index].try_recv().unwrap(), number.to_ne_bytes());
    }
    thread::scope(|scope| {
        let interrupter = set.interrupter();
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(2));
            interrupter.interrupt();
        });
        assert_eq!(set.wait(None).map(drop), Err(shmring::WaitError::Interrupted));
    });
}

fn by_descriptors(producers: &mut [Producer; 2], consumers: &mut [Consumer; 2]) {
    let all = consumers.each_ref().map(|rx| rx.readiness().unwrap());
    let readable = |timeout| {
        let mut fds = all.each_ref().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN));
        poll(&mut fds, PollTimeout::try_from(timeout).unwrap()).unwrap();
        fds.map(|fd| fd.any() == Some(true))
    };
    for number in 0..ROUNDS {
        let index = number as usize % 2;
        assert_eq!(all.each_ref().map(|one| one.arm()), [Ok(Arm::Armed), Ok(Arm::Armed)]);
        let found = sending(&mut producers[index], number, || readable(HANG));
        assert_eq!(found, [index == 0, index == 1]);
        assert_eq!(consumers[index].try_recv().unwrap(), number.to_ne_bytes());
    }
    all[1].disarm();
    assert_eq!(all[0].arm(), Ok(Arm::Armed));
    assert_eq!(readable(SHORT), [false, false]);
}

/// Waits for two rings in a process that may not make these calls.
fn wait_without(calls: &str) {
    if !has_filters() {
        return;
    }
    for errno in [libc::ENOSYS, libc::EPERM] {
        let configs = [slots(Kind::Mpmc, 8, 64), Config::spsc().capacity_bytes(4096)];
        let names = [Name::new(), Name::new()];
        for (name, config) in names.iter().zip(&configs) {
            drop(name.create(config));
        }
        let args = [&names[0], &names[1], calls, &errno.to_string()];
        assert_eq!(child::start("no-waitv", &args).finish(), ["waited"], "{calls}: {errno}");
    }
}

/// Waits of a descriptor, in a child.
fn rounds(readiness: &Readiness, tx: &mut Producer, rx: &mut Consumer) {
    for number in 0..ROUNDS {
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        sending(tx, number, || {
            let mut fds = [PollFd::new(readiness.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut fds, PollTimeout::try_from(HANG).unwrap()), Ok(1));
        });
        assert_eq!(rx.try_recv().unwrap(), number.to_ne_bytes());
    }
}

/// In a child: waits by descriptors whose waits the kernel takes no more.
pub(crate) fn no_uring(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    let readiness = rx.readiness().unwrap();
    if args[1] == "descriptors" {
        // Its waits would take another one.
        let next = fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, next, most).unwrap();
        rounds(&readiness, &mut tx, &mut rx);
    } else {
        rounds(&readiness, &mut tx, &mut rx);
        refuse(libc::SYS_io_uring_enter, libc::EPERM);
        rounds(&readiness, &mut tx, &mut rx);
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        drop(readiness);
        rounds(&rx.readiness().unwrap(), &mut tx, &mut rx);
    }
    say("waited");
}

/// Catches an event that is lost where the kernel refuses what it allowed before, or has no
/// descriptor left.
#[test]
fn without_io_uring_the_reactor_waits() {
    let _watchdog = watchdog("without_io_uring_the_reactor_waits");
    for how in ["descriptors", "calls"] {
        if how == "calls" && !has_filters() {
            continue;
        }
        let name = Name::new();
        drop(name.create(&slots(Kind::Mpmc, 8, 64)));
        assert_eq!(child::start("no-uring", &[&name, how]).finish(), ["waited"], "{how}");
    }
}

/// Catches a wait for several rings that fails, sleeps through a message, or finds one where there
/// is none, on a kernel without the call or where a filter refuses it.
#[test]
fn without_futex_waitv_sets_and_reactors_poll() {
    let _watchdog = watchdog("without_futex_waitv_sets_and_reactors_poll");
    wait_without("futex_waitv");
}

/// Catches the same where no wait can order the stores of others, either.
#[test]
fn without_barriers_as_well_they_poll() {
    let _watchdog = watchdog("without_barriers_as_well_they_poll");
    wait_without("membarrier+futex_waitv");
}
