//! Waits for the dead that something interrupts before their next look, again and again; and
//! how soon a look of others ends them.

use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shmring::{Config, Kind, RecvTimeoutError, Segment, SendTimeoutError, WaitMode};

use crate::common::child::{self, Part, pause, say};
use crate::common::{LONG, MODES, Name, broadcast, slots, watchdog};

/// Looks for the dead come after 2, 6, 14, 30, 62, 126 and 226 ms of waiting.
const ASLEEP: Duration = Duration::from_millis(136);
/// Without a look, nothing else ends these waits.
const GIVE_UP: Duration = Duration::from_secs(20);

const RINGS: [&str; 4] = ["records", "slots", "packed", "broadcast"];

fn config(ring: &str) -> Config {
    match ring {
        "records" => Config::spsc().capacity_bytes(4096),
        "slots" => slots(Kind::Mpmc, 4, 64),
        "broadcast" => broadcast(),
        _ => Config::packed::<u64>().slots(4),
    }
}

/// In the child: takes a role and waits to be killed.
pub(crate) fn hold(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    match (&*args[1], &*args[2]) {
        ("packed", "producer") => std::mem::forget(segment.value_producer::<u64>().unwrap()),
        ("packed", _) => std::mem::forget(segment.value_consumer::<u64>().unwrap()),
        (_, "producer") => std::mem::forget(segment.producer().unwrap()),
        _ => std::mem::forget(segment.consumer().unwrap()),
    }
    say("holds");
    pause();
}

fn holder(name: &Name, ring: &str, role: &str) -> Part {
    let mut child = child::start("interrupted-hold", &[name, ring, role]);
    assert_eq!(child.hear(), "holds");
    child
}

/// Waits for the other side to end; returns `true` if it did.
fn wait_for_end(segment: &Segment, ring: &str, dead: &str, mode: WaitMode) -> bool {
    match (ring, dead) {
        ("packed", "producer") => {
            let mut rx = segment.value_consumer::<u64>().unwrap();
            rx.set_wait_mode(mode);
            rx.recv_timeout(GIVE_UP) == Err(RecvTimeoutError::Eof)
        }
        ("packed", _) => {
            let mut tx = segment.value_producer::<u64>().unwrap();
            tx.set_wait_mode(mode);
            tx.set_require_consumer(true);
            while tx.try_send(&1).is_ok() {}
            tx.send_timeout(&1, GIVE_UP) == Err(SendTimeoutError::BrokenPipe)
        }
        (_, "producer") => {
            let mut rx = segment.consumer().unwrap();
            rx.set_wait_mode(mode);
            rx.recv_timeout(GIVE_UP) == Err(RecvTimeoutError::Eof)
        }
        _ => {
            let mut tx = segment.producer().unwrap();
            tx.set_wait_mode(mode);
            tx.set_require_consumer(true);
            while tx.try_send(&[1; 32]).is_ok() {}
            tx.send_timeout(&[1; 32], GIVE_UP) == Err(SendTimeoutError::BrokenPipe)
        }
    }
}

extern "C" fn handle(_: libc::c_int) {}

/// Lets an alarm be handled, by nothing.
fn handle_alarms(flags: libc::c_int) {
    // SAFETY: the handler does nothing; the struct is a plain one that is filled first.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()), 0);
    }
}

/// Catches signals that put the check for dead peers off for ever.
#[test]
fn signals_keep_no_death_from_a_waiter() {
    let _watchdog = watchdog("signals_keep_no_death_from_a_waiter");
    for ring in RINGS {
        for dead in ["producer", "consumer"] {
            for (mode, flags) in [(WaitMode::Adaptive, libc::SA_RESTART), (WaitMode::Block, 0)] {
                handle_alarms(flags);
                let name = Name::new();
                let segment = name.create(&config(ring));
                let mut child = holder(&name, ring, dead);
                let waiter = std::thread::spawn(move || wait_for_end(&segment, ring, dead, mode));
                let start = Instant::now();
                let mut killed = false;
                while !waiter.is_finished() {
                    // SAFETY: the thread was not joined, so it can be named.
                    unsafe { libc::pthread_kill(waiter.as_pthread_t(), libc::SIGALRM) };
                    std::thread::sleep(Duration::from_millis(10));
                    if !killed && start.elapsed() > ASLEEP {
                        child.kill();
                        killed = true;
                    }
                }
                assert!(waiter.join().unwrap(), "{ring} {mode:?}: the {dead} died");
            }
        }
    }
}

/// Catches wakes meant for others that put the check for dead peers off for ever: here whenever
/// a handle of another attachment is dropped.
#[test]
fn handles_that_go_keep_no_death_from_a_waiter() {
    let _watchdog = watchdog("handles_that_go_keep_no_death_from_a_waiter");
    for dead in ["producer", "consumer"] {
        for mode in MODES {
            let name = Name::new();
            let segment = name.create(&config("slots"));
            let other = Segment::attach(&name).unwrap();
            let mut child = holder(&name, "slots", dead);
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(25));
                        match dead {
                            "producer" => drop(other.consumer().unwrap()),
                            _ => drop(other.producer().unwrap()),
                        }
                    }
                });
                let waiter = scope.spawn(|| wait_for_end(&segment, "slots", dead, mode));
                std::thread::sleep(ASLEEP);
                child.kill();
                let ended = waiter.join().unwrap();
                done.store(true, Ordering::Relaxed);
                assert!(ended, "{mode:?}: the {dead} died");
            });
        }
    }
}

/// Catches timeouts that are shorter than the time until the next look, and start it anew;
/// and sends whose sizes, and so the room that they wait for, change each time.
#[test]
fn short_timeouts_keep_no_death_from_a_waiter() {
    let _watchdog = watchdog("short_timeouts_keep_no_death_from_a_waiter");
    let moment = Duration::from_millis(1);
    for mode in MODES {
        let name = Name::new();
        let segment = name.create(&config("records"));
        let mut child = holder(&name, "records", "producer");
        let mut rx = segment.consumer().unwrap();
        rx.set_wait_mode(mode);
        assert_eq!(rx.recv_timeout(ASLEEP), Err(RecvTimeoutError::TimedOut));
        child.kill();
        let start = Instant::now();
        while rx.recv_timeout(moment) != Err(RecvTimeoutError::Eof) {
            assert!(start.elapsed() < GIVE_UP, "{mode:?}");
        }
        drop(rx);

        let mut child = holder(&name, "records", "consumer");
        let mut tx = segment.producer().unwrap();
        tx.set_wait_mode(mode);
        while tx.try_send(&[1; 8]).is_ok() {}
        assert_eq!(tx.send_timeout(&[1; 8], ASLEEP), Err(SendTimeoutError::TimedOut));
        child.kill();
        let (start, mut len) = (Instant::now(), 0);
        while tx.send_timeout(&vec![1; len], moment) != Err(SendTimeoutError::BrokenPipe) {
            assert!(start.elapsed() < GIVE_UP, "{mode:?}");
            len = (len + 8) % 800 + 8;
        }
    }
}

/// Catches a cleaner that gives up what a dead one had, and wakes no waiter that waits for it: of
/// several rounds, the soonest is far from the next look of the sleeper itself.
#[test]
fn a_reaper_wakes_waiters_at_once() {
    let _watchdog = watchdog("a_reaper_wakes_waiters_at_once");
    for dead in ["producer", "consumer"] {
        let mut soonest = LONG;
        for _ in 0..5 {
            let name = Name::new();
            let segment = name.create(&config("slots"));
            let mut child = holder(&name, "slots", dead);
            std::thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    assert!(wait_for_end(&segment, "slots", dead, WaitMode::Block));
                    Instant::now()
                });
                std::thread::sleep(ASLEEP);
                let start = Instant::now();
                child.kill();
                // An attach reaps the dead.
                drop(Segment::attach(&name).unwrap());
                soonest = soonest.min(waiter.join().unwrap() - start);
            });
            if soonest < Duration::from_millis(25) {
                break;
            }
        }
        assert!(soonest < Duration::from_millis(25), "{soonest:?} at the soonest");
    }
}
