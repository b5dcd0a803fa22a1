//! The mapped token against the real kernel: whatever a process does with descriptors,
//! forks, programs, threads and users, the living are not taken for dead, and the dead are
//! found dead.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod cleaners;
mod closed;
mod cores;
mod crowd;
mod descriptors;
mod forks;
mod names;
mod passing;
mod programs;
mod reapers;
mod renumbered;
mod scene;
mod states;
mod strangers;
mod systems;
mod windows;

use common::child;

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "hold" => scene::hold(&args),
            "close" => descriptors::close(&args),
            "wait-closed" => closed::wait_closed(&args),
            "send-closed" => closed::send_closed(&args),
            "hold-consumer" => closed::hold_consumer(&args),
            "crash" => cores::crash(&args),
            "elsewhere" => systems::elsewhere(&args),
            "duplicate" => descriptors::duplicate(&args),
            "renumber" => renumbered::renumber(&args),
            "attach-again" => renumbered::attach_again(&args),
            "pass" => passing::pass(&args),
            "get" => passing::get(&args),
            "exec" => programs::exec(&args),
            "exec-itself" => programs::exec_itself(&args),
            "share-memory" => programs::share_memory(&args),
            "fork-and-attach" => forks::attach_in_child(&args),
            "start-while-attaching" => windows::start_while_attaching(&args),
            "fork-while-refused" => windows::fork_while_refused(&args),
            "leave-leader" => states::leave_leader(&args),
            "leave-thread" => states::leave_thread(&args),
            "stranger" => strangers::play(&args),
            "twice" => names::twice(&args),
            "reserve" => cleaners::reserve(&args),
            "share-token" => cleaners::share_token(&args),
            "live-and-die" => reapers::live_and_die(&args),
            _ => panic!("no part {part}"),
        },
    }
}
