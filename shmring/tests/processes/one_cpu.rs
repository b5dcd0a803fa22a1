//! Both peers on one CPU: a waiter must let the other run.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use shmring::{Config, Consumer, Producer, Segment, WaitMode};

use crate::common::child::{self, say};
use crate::common::{Name, watchdog};

/// Lets all threads of this process run on one CPU only.
fn confine() {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpu = (0..CpuSet::count()).find(|&cpu| allowed.is_set(cpu).unwrap()).unwrap();
    let mut one = CpuSet::new();
    one.set(cpu).unwrap();
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let id = thread.unwrap().file_name().to_str().unwrap().parse().unwrap();
        sched_setaffinity(Pid::from_raw(id), &one).unwrap();
    }
}

/// Makes this thread run before all ordinary ones; whether it may.
fn run_first() -> bool {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the call reads the priority and nothing else.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) == 0 }
}

fn ring(name: &str) -> (Segment, Producer, Consumer) {
    Name::of(name.to_owned()).pair_of(&Config::spsc().capacity_bytes(4096))
}

/// The time of each of several series of so many round trips.
fn round_trips(args: &[String], mode: WaitMode, series: u32, count: u32, first: bool) -> Duration {
    let (_there, mut out, mut out_rx) = ring(&args[0]);
    let (_back, mut back, mut back_rx) = ring(&args[1]);
    out_rx.set_wait_mode(mode);
    back_rx.set_wait_mode(mode);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Ok(message) = out_rx.recv() {
                back.send(&message).unwrap();
            }
        });
        scope
            .spawn(move || {
                if first && !run_first() {
                    return Duration::ZERO;
                }
                let trips = |_| {
                    let start = Instant::now();
                    for _ in 0..count {
                        out.send(b"x").unwrap();
                        back_rx.recv().unwrap();
                    }
                    start.elapsed()
                };
                (0..series).map(trips).min().unwrap()
            })
            .join()
            .unwrap()
    })
}

/// In the child: how long round trips on one CPU take in each mode, in ns.
pub(crate) fn measure(args: &[String]) {
    confine();
    for mode in [WaitMode::Block, WaitMode::Adaptive, WaitMode::Spin] {
        say(round_trips(args, mode, 20, 100, false).as_nanos() / 100);
    }
}

/// In the child: the same where one side runs before the other, which spins.
pub(crate) fn measure_first(args: &[String]) {
    confine();
    say(round_trips(args, WaitMode::Spin, 1, 100, true).as_millis());
}

/// Catches a wait that spins where that only keeps the other side from running: it takes six
/// times as long or more.
#[test]
fn peers_on_one_cpu_do_not_spin() {
    let _watchdog = watchdog("peers_on_one_cpu_do_not_spin");
    let (there, back) = (Name::new(), Name::new());
    let said = child::start("one-cpu", &[&there, &back]).finish();
    let times: Vec<u64> = said.iter().map(|time| time.parse().unwrap()).collect();
    let [block, adaptive, spin] = times[..] else { panic!("{said:?}") };
    assert!(adaptive < 3 * block && spin < 3 * block, "{block} {adaptive} {spin} ns");
}

/// Catches a spinning wait, of a thread that runs before all others, that yields only to
/// threads of its own priority: each round trip takes half a second or more.
#[test]
fn a_peer_of_lower_priority_gets_to_run() {
    let _watchdog = watchdog("a_peer_of_lower_priority_gets_to_run");
    let (there, back) = (Name::new(), Name::new());
    let said = child::start("one-cpu-first", &[&there, &back]).finish();
    let time: u64 = said[0].parse().unwrap();
    assert!(time < 10_000, "{time} ms for 100 round trips");
}
