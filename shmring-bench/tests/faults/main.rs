//! Mechanisms that do wrong must be found out, and workers that fail must be heard of: otherwise
//! "verified" means nothing.
//!
//! The mechanisms exist in this executable alone, which is why it has a `main` of its own that
//! takes the workers.

mod mechanisms;
mod sessions;
mod transfers;

use std::panic;
use std::process::ExitCode;

use shmring_bench::intercept_with;

/// Names of functions with what they name.
macro_rules! tests {
    ($($module:ident: [$($test:ident,)*])*) => {
        [$($((stringify!($test), $module::$test as fn()),)*)*]
    };
}

fn main() -> ExitCode {
    intercept_with(&mechanisms::all());
    let tests = tests! {
        transfers: [
            without_a_fault_all_is_well,
            a_lost_message_is_found,
            a_repeated_message_is_found,
            a_reordered_message_is_found,
            a_truncated_message_is_found,
            a_corrupted_message_is_found,
            an_error_of_a_worker_is_heard,
            a_panic_of_a_worker_is_heard,
            an_exit_of_a_worker_is_told_with_its_code,
            a_killed_worker_is_told_with_the_signal,
            an_executable_without_the_contender_says_so,
        ]
        sessions: [
            every_fault_between_processes_is_found_in_every_flow,
            every_fault_between_threads_is_found_in_every_flow,
            every_fault_of_several_producers_is_found,
            every_fault_before_competing_consumers_is_found,
            an_empty_poll_is_never_counted,
            a_loss_after_the_check_is_found_too,
        ]
    };
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let chosen = tests.iter().filter(|(name, _)| name.contains(&filter));
    let [mut passed, mut failed] = [0, 0];
    for (name, test) in chosen {
        let outcome = panic::catch_unwind(test);
        *(if outcome.is_ok() { &mut passed } else { &mut failed }) += 1;
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let filtered = tests.len() - passed - failed;
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; \
         {filtered} filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
