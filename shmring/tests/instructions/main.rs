//! SIGKILL at every instruction.
//!
//! A child is traced through one operation and killed at one point of it: after so many
//! instructions, or at the entry or exit of a system call, or asleep in one. Then the
//! survivors go on: they take over what was its own, send and receive, and find each
//! message that was committed exactly once and in order. Only what the victim was about to
//! send or to take may be done or not; once done it is done at all later points. In the
//! end nothing of the dead is left in the tables.
//!
//! Plain `cargo test` tries the points where something changes: each system call, each
//! instruction that changes the segment, and some others. As survivors see nothing of a
//! victim but its segment and its locks, that is all there is to see; the explicit command
//! does not rely on it, and kills at every instruction, in about fourteen minutes on two CPUs, six of
//! them for the workers of job rings:
//!
//! ```text
//! cargo test --release -p shmring --test instructions -- --ignored --nocapture
//! ```
//!
//! It prints the kills of each case beside the instructions that there are. They are fewer
//! where hundreds of single steps would lead to each turn of a loop; no change of the
//! segment is left out. Kills "elsewhere" are those whose victim took another way than
//! the first one did: they are checked like the others.
//!
//! A failure, or a hang, names its point, which can be tried alone, in the same build
//! profile:
//!
//! ```text
//! SHMRING_KILL_AT='Send mpmc Plain @ 0,44' cargo test -p shmring --test instructions replay -- --nocapture
//! ```
//!
//! A point is the stops at system calls, entries and exits counted alike, and the
//! instructions after the last of them; the address is reported relative to that of
//! `guard::enter`.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod case;
mod cases;
mod conductor;
mod ends;
mod guard;
mod machine;
mod play;
mod stage;
mod victim;
mod waits;
mod walk;
mod watchers;

use std::sync::{Mutex, OnceLock, PoisonError};

use common::child;

/// The part that conductors play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "conduct" => conductor::conduct(&args),
            _ => panic!("no part {part}"),
        },
    }
}

/// A CPU for one conductor, as long as there are enough of them.
struct Cpu(Option<usize>);

fn free_cpus() -> &'static Mutex<Vec<usize>> {
    static FREE: OnceLock<Mutex<Vec<usize>>> = OnceLock::new();
    FREE.get_or_init(|| {
        // SAFETY: a set of CPUs is plain bits, and the call writes at most the given number.
        let set = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set);
            set
        };
        // SAFETY: the set has as many bits.
        let allowed = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, &set) };
        Mutex::new((0..libc::CPU_SETSIZE as usize).filter(allowed).collect())
    })
}

impl Cpu {
    fn take() -> Self {
        Self(free_cpus().lock().unwrap_or_else(PoisonError::into_inner).pop())
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        free_cpus().lock().unwrap_or_else(PoisonError::into_inner).extend(self.0);
    }
}

/// Removes what a conductor leaves that fails.
struct Leftovers(i32);

impl Drop for Leftovers {
    fn drop(&mut self) {
        let prefix = format!("shmring-test-{}-", self.0);
        for entry in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn conduct(group: &str, depth: &str, replay: &str) {
    let cpu = Cpu::take();
    let number = cpu.0.map_or(String::new(), |cpu| cpu.to_string());
    // An argument that is empty at the end of the list would get lost.
    let conductor = child::start("conduct", &[group, depth, &number, replay, "."]);
    let _leftovers = Leftovers(conductor.pid());
    for said in conductor.finish() {
        println!("{said}");
        let skipped = said.starts_with("skipped");
        assert!(!skipped || std::env::var_os("CI").is_none(), "must not be skipped in CI: {said}");
    }
}

/// Catches a message that is lost, doubled, torn or out of order because its sender was
/// killed, a ticket that is never closed, and a ring that is stuck.
#[test]
fn a_sender_can_be_killed_anywhere() {
    conduct("sending", "sample", "");
}

/// Catches a message that is lost or doubled, though only the one that was being received
/// may be, and room that is never given back.
#[test]
fn a_receiver_can_be_killed_anywhere() {
    conduct("receiving", "sample", "");
}

/// Catches an entry of the attachment table that is lost with the process that was about to take
/// it.
#[test]
fn an_attaching_process_can_be_killed_anywhere() {
    conduct("attaching", "sample", "");
}

/// Catches handles and roles that are lost between their taking and their giving back.
#[test]
fn a_joining_or_leaving_process_can_be_killed_anywhere() {
    conduct("joining", "sample", "");
}

/// Catches a reap that is left half done, and that no later reaper completes.
#[test]
fn a_reaper_can_be_killed_anywhere() {
    conduct("cleaning", "sample", "");
}

/// Catches a sleeper whose waker died, or a waker that spends its wake on the dead, and
/// bits of dead sleepers that swallow wakes.
#[test]
fn a_waker_or_a_sleeper_can_be_killed_anywhere() {
    conduct("waking", "sample", "");
}

/// Catches a message that stays beside a sleeper because it woke a process that waits for
/// several rings, or in its event loop, and that died before it took it.
#[test]
fn a_selecting_process_can_be_killed_anywhere() {
    conduct("selecting", "sample", "");
}

/// Catches a job that is lost, or that comes again although it was acknowledged, because its worker
/// was killed, or somebody who gave the jobs of such a worker back.
#[test]
fn a_worker_can_be_killed_anywhere() {
    conduct("jobs", "sample", "");
}

/// Catches what the samples miss.
#[test]
#[ignore = "takes minutes; see the description of this file"]
fn at_every_instruction_of_sending() {
    conduct("sending", "every", "");
}

/// As above.
#[test]
#[ignore = "takes minutes; see the description of this file"]
fn at_every_instruction_of_receiving() {
    conduct("receiving", "every", "");
}

/// As above.
#[test]
#[ignore = "takes minutes; see the description of this file"]
fn at_every_instruction_of_attaching() {
    conduct("attaching", "every", "");
}

/// As above.
#[test]
#[ignore = "takes minutes; see the description of this file"]
fn at_every_instruction_of_joining_and_leaving() {
    conduct("joining", "every", "");
}

/// As above.
#[test]
#[ignore = "takes minutes; see the description of this file"]
fn at_every_instruction_of_cleaning() {
    conduct("cleaning", "every", "");
}

/// As above.
#[test]
#[ignore = "takes minutes; see the description of this file"]
fn at_every_instruction_of_waking() {
    conduct("waking", "every", "");
}

/// As above.
#[test]
#[ignore = "takes minutes; see the description of this file"]
fn at_every_instruction_of_selecting() {
    conduct("selecting", "every", "");
}

/// As above.
#[test]
#[ignore = "takes minutes; see the description of this file"]
fn at_every_instruction_of_workers() {
    conduct("jobs", "every", "");
}

/// Tries the point that the environment names; nothing if it names none.
#[test]
fn replay() {
    if let Ok(point) = std::env::var("SHMRING_KILL_AT") {
        conduct("", "", &point);
    }
}
