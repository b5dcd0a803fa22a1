//! What a transfer of mixed messages says of a faulty pipe.

use std::ops::ControlFlow;

use shmring_bench::{Contestant, Error, Options, Transfer, WorkerFailure, transfer};

use crate::mechanisms;

fn faulty(name: &str) -> Contestant {
    mechanisms::all().into_iter().find(|faulty| faulty.name == name).expect("a known fault")
}

fn run(name: &str) -> Result<Transfer, Error> {
    let options = Options { total_bytes: 1_000_000, ..Options::default() };
    transfer(&faulty(name), &options, &mut |_| ControlFlow::Continue(()))
}

/// The words of the worker that failed in this role.
fn failure(name: &str, role: &str) -> String {
    let Err(Error::Workers(failures)) = run(name) else {
        panic!("{name}: the workers did not fail")
    };
    let of_role = |failure: &&WorkerFailure| failure.role == role;
    let failure = failures.iter().find(of_role);
    failure.unwrap_or_else(|| panic!("{name}: the {role} is not among {failures:?}")).what.clone()
}

pub(crate) fn without_a_fault_all_is_well() {
    let transfer = run("innocent").expect("an ordinary pipe");
    assert!(transfer.verified && transfer.bytes >= 1_000_000);
}

pub(crate) fn a_lost_message_is_found() {
    assert_eq!(failure("loses", "consumer"), "message 5 was lost");
}

pub(crate) fn a_repeated_message_is_found() {
    let said = "message 5 came again, where message 6 was to come";
    assert_eq!(failure("repeats", "consumer"), said);
}

pub(crate) fn a_reordered_message_is_found() {
    assert_eq!(failure("reorders", "consumer"), "message 5 came out of order, after message 6");
}

pub(crate) fn a_truncated_message_is_found() {
    let said = failure("truncates", "consumer");
    assert!(said.starts_with("message 5 was to come: its header says"), "{said}");
}

pub(crate) fn a_corrupted_message_is_found() {
    let said = failure("corrupts", "consumer");
    assert!(said.starts_with("message 5 was to come: corrupted"), "{said}");
}

pub(crate) fn an_error_of_a_worker_is_heard() {
    let said = failure("refuses", "producer");
    let whole = said.starts_with("sending message 5 of ") && said.ends_with(": out of paper");
    assert!(whole, "{said}");
}

pub(crate) fn a_panic_of_a_worker_is_heard() {
    assert_eq!(failure("panics", "producer"), "panicked: cannot go on");
}

pub(crate) fn an_exit_of_a_worker_is_told_with_its_code() {
    assert_eq!(failure("exits", "producer"), "exited with code 7 and without a result");
}

pub(crate) fn a_killed_worker_is_told_with_the_signal() {
    assert_eq!(failure("dies", "producer"), "was killed by SIGKILL");
}

pub(crate) fn an_executable_without_the_contender_says_so() {
    let executable = env!("CARGO_BIN_EXE_shmring-bench").into();
    let options = Options { executable, ..Options::default() };
    let outcome = transfer(&faulty("innocent"), &options, &mut |_| ControlFlow::Continue(()));
    let said = outcome.expect_err("no such contender").to_string();
    assert!(said.contains("this executable has no contender `innocent`"), "{said}");
}
