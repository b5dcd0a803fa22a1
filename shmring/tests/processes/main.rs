//! Several processes, some of which die.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod callback_forks;
mod collecting;
mod death;
mod forks;
mod interrupted;
mod jobs;
mod load;
mod long_stop;
mod one_cpu;
mod packed;
mod races;
mod ring_forks;
mod selecting;
mod slots_death;
mod slots_hold;
mod slots_kills;
mod slots_sleepers;
mod stress;
mod stuck;

use common::child;

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "send" => load::send(&args),
            "write" => load::write(&args),
            "hold" => death::hold(&args),
            "sleep" => death::sleep(&args),
            "create" => races::create(&args),
            "collect" => collecting::collect_all(&args),
            "come-and-go" => collecting::come_and_go(&args),
            "attach-on" => races::attach_on(&args),
            "unlink-on" => races::unlink_on(&args),
            "replace-on" => races::replace_on(&args),
            "ring-hold" => slots_hold::hold(&args),
            "ring-sleep" => slots_sleepers::sleep(&args),
            "fork-with-slots" => ring_forks::fork(&args),
            "fork-selecting" => selecting::fork(&args),
            "select" => selecting::select(&args),
            "fork-with-values" => ring_forks::fork_with_values(&args),
            "fork-after-waits" => ring_forks::fork_after_waits(&args),
            "fork-with-elements" => ring_forks::fork_packed(&args),
            "packed-send" => packed::send(&args),
            "packed-send-on" => packed::send_on(&args),
            "packed-hold" => packed::hold(&args),
            "ring-send-on" => slots_kills::send(&args),
            "ring-receive-on" => slots_kills::receive(&args),
            "ring-send" => stress::send(&args),
            "ring-receive" => stress::receive(&args),
            "fork" => forks::fork(&args),
            "fork-with-grants" => forks::fork_with_grants(&args),
            "fork-holding" => forks::fork_holding(&args),
            "fork-sending" => callback_forks::sending(&args),
            "fork-receiving" => callback_forks::receiving(&args),
            "fork-others" => callback_forks::others(&args),
            "job-hold" => jobs::hold(&args),
            "job-work" => jobs::work(&args),
            "interrupted-hold" => interrupted::hold(&args),
            "one-cpu" => one_cpu::measure(&args),
            "one-cpu-first" => one_cpu::measure_first(&args),
            _ => panic!("no part {part}"),
        },
    }
}
