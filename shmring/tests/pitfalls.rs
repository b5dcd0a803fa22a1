//! What goes wrong in shared-memory queues, and the test that would notice it here.
//!
//! A test is named by its file, or the directory of a `main.rs`, and its function; a model by
//! its file and its name. `docs.rs` checks that each exists. Where none is named, the third
//! column is a dash and the second says why nothing can be shown.
//!
//! # Rings
//!
//! | pitfall | here | shown by |
//! |---|---|---|
//! | shared positions are read and written without atomics | atomics only, through one seam | `seam::atomics_come_through_the_seam` |
//! | an ordering is too weak, and only one kind of CPU forgives it | each ordering has a model that fails without it | `mod::every_weakening_is_noticed`, `mod::models_reach_every_ordering` |
//! | head, tail and flags share a cache line | a line of 128 bytes for each writer | `format_tests::every_field_lies_where_it_always_lay` |
//! | a second producer is let in and corrupts the ring | a sole role is claimed, and refused by name | `tables::each_role_has_one_owner_which_the_error_names`, `roles::two_claimants_unbounded` |
//! | a role's successor starts over at 0 | a successor starts where the last one stopped | `takeover::a_sole_producer_goes_on_where_the_last_one_published`, `takeover::a_consumer_goes_on_where_the_last_one_took` |
//! | a timeout leaves half a message | nothing is visible before its commit | `verbs::a_full_ring_takes_nothing_until_there_is_room`, `batches::a_batch_without_room_sends_nothing` |
//! | a reader that is overtaken delivers torn bytes, or those of two messages | a copy counts only if the position was won | `slot::mpmc_one_slot_bound_2`, `stress::the_smallest_rings_lose_nothing_between_eight_processes` |
//! | a consumer hangs at a position that was written over | none is written over before it is consumed | `walks::every_history_of_two_producers_and_two_consumers` |
//! | a claimed position belongs to nobody if its owner dies before writing to it | tickets are announced before they are claimed | `instructions::a_sender_can_be_killed_anywhere`, `slot_dies::producer_bound_2` |
//! | the last message, or a full ring, cannot be repaired | every claimed position can be closed | `resolving::each_state_of_a_ticket_has_its_outcome`, `slot_resolve::late_unbounded` |
//! | a slow writer scribbles over space that was taken from it | only from the dead is anything taken | `slots_death::a_stopped_producer_holds_up_and_is_not_passed_over`, `slot_resolve::slow_owner_unbounded` |
//! | several survivors repair at once | repairs can meet and be repeated | `slot_resolve::two_resolvers_bound_2`, `cleaner::together_bound_2` |
//! | sizes or counts overflow in their own check | checked arithmetic, and comparisons that allow for wrapping | `names::capacities_are_rounded_up_or_refused`, `shapes::slots_times_their_size_is_checked`, `wrap::messages_cross_the_end_of_the_numbers` |
//!
//! # Death
//!
//! | pitfall | here | shown by |
//! |---|---|---|
//! | a role stays taken after a crash | it is free once its owner is found dead | `death::a_killed_producer_leaves_what_it_sent_and_its_role` |
//! | reaping wipes the entries of the dead's successors | entries count their uses, and have no new owner meanwhile | `cleaner::beside_a_successor_bound_2`, `slot_resolve::handle_of_the_dead_again_bound_3` |
//! | a pid is asked whether it lives: reused, or of another namespace | only the kernel's lock tells | `strangers::other_users_are_seen_to_live_and_die`, `programs::a_process_that_became_another_program_is_dead` |
//! | slow is taken for dead | no clock decides | `long_stop::a_producer_that_is_stopped_for_long_keeps_its_slot`, `death::a_stopped_process_is_not_dead` |
//! | a living owner's lock is broken | nothing is taken from the living | `reapers::threads_that_reap_at_once_take_nothing_from_the_living` |
//! | a crash makes the queue unusable for ever | any number of deaths, also of all | `death::a_segment_outlives_everyone`, `slots_death::a_slot_ring_outlives_everyone` |
//! | others spin for ever behind a dead sender | its ticket is closed for it | `slots_death::a_killed_producers_reservation_is_passed_over` |
//! | the cleaner dies and leaves debris | the next one does it again | `instructions::a_reaper_can_be_killed_anywhere`, `cleaners::a_stuck_reaper_keeps_no_role_and_no_end_from_others` |
//! | two cleaners at once | they may meet | `cleaner::together_bound_2`, `reapers::threads_that_reap_at_once_take_nothing_from_the_living` |
//! | all is well only if destructors run | forgotten, aborted and killed are cleaned up behind | `states::a_forgotten_handle_is_held_until_its_process_ends`, `slots_death::a_living_process_closes_what_it_forgot` |
//!
//! # Waking
//!
//! | pitfall | here | shown by |
//! |---|---|---|
//! | the futex is private, and wakes nobody in another process | it is shared | `pitfalls::the_futex_is_never_private` |
//! | a wake falls between the last look and the sleep | the kernel compares a word that wakers move | `waking::a_wake_before_the_sleep_is_not_lost`, `slot_wake::one_and_one_bound_3` |
//! | publishing and looking for sleepers change places | a fence on both sides, or a barrier | `fences::one_and_one_heavy_bound_2`, `fences::one_and_one_light_bound_2` |
//! | each message costs a system call to wake nobody | none while nobody sleeps | `refusals::verbs_that_need_not_wait_make_no_system_call` |
//! | a killed sleeper is counted for ever | bits, which cost one wasted wake | `death::a_sleeper_that_was_killed_keeps_no_wake`, `fences::dead_sleeper_heavy_bound_1` |
//! | a sleep has no bound | at most 100 ms at a time | `waking::a_sleep_ends_at_its_deadline`, `death::a_killed_producer_ends_the_stream` |
//! | a waiter burns the CPU | it sleeps, and where it may not it gets an error | `refusals::a_waiter_that_may_not_sleep_gets_an_error` |
//! | a timeout is ignored, or told by a clock that is set | the monotonic clock, absolute | `waits::waits_end_at_their_timeout`, `slot_waits::waits_end_at_their_timeout_on_each_kind` |
//! | a signal, or being stopped, is taken for data | whoever returns from a sleep looks again | `slots_sleepers::a_stopped_sleeper_keeps_no_message` |
//! | a futex word of 32 bits wraps between look and sleep | it takes 2^32 wakes within one sleep, and then costs its slice of at most 100 ms | `waking::a_sleep_ends_at_its_deadline` |
//!
//! # Segments
//!
//! | pitfall | here | shown by |
//! |---|---|---|
//! | a second creator cuts a live ring short | a segment has its name when it is complete, and no name is taken twice | `races::one_of_many_racing_processes_creates_the_segment`, `recreate::a_segment_in_use_is_not_replaced` |
//! | somebody else cuts it short | a guard, where it is asked for | `peers::guarded_processes_get_truncated`, `truncated::a_transfer_ends_with_words` |
//! | memory is promised and not there, and the first store kills | it is allocated when the segment is made | `system::a_full_shared_memory_refuses_a_segment`, `exit_codes::a_capacity_beyond_shared_memory` |
//! | after a crash the name exists for ever and is no segment | a crash leaves all or nothing | `races::a_creator_that_is_killed_leaves_all_or_nothing` |
//! | a half-built or foreign file is attached | the header is checked before anything is mapped | `files::foreign_files_are_left_alone`, `files::each_header_field_is_checked` |
//! | a length of 0 is seen while the creator works | nobody sees the file before it is whole | `files::a_file_of_another_length_is_corrupt`, `lifecycle::a_race_of_200_makers_has_one_winner` |
//! | the magic is there before the rest | the file is linked when all of it is there | `races::a_creator_that_is_killed_leaves_all_or_nothing` |
//! | the umask narrows the mode | the mode is set after it | `permissions::the_mode_is_exact_whatever_the_umask` |
//! | what root left blocks other users | they are told whose it is, and use what they may | `permissions::only_its_owner_removes_a_leftover` |
//! | a sticky directory keeps others from removing a segment | a typed error that names the owner | `permissions::only_its_owner_removes_a_leftover`, `permissions::a_leftover_can_be_opened_in_a_sticky_directory` |
//! | the system removes a user's objects at logout | the name goes, those attached go on; whether it is done is the machine's setting, not ours | `names::unlinking_leaves_those_attached_alone` |
//! | locked memory is a condition, and limits are low | it is a wish, and reported | `limits::without_locked_memory_it_works_and_reports_it` |
//! | huge pages are a condition | they are a wish, and reported | `names::requested_and_obtained_memory_are_distinguished` |
//! | names with slashes, too long, or with bytes that break a listing | refused, or escaped | `names::bad_names_are_refused_by_every_verb`, `names::the_longest_and_oddest_names_work`, `listing::names_with_control_characters` |
//!
//! # fork
//!
//! | pitfall | here | shown by |
//! |---|---|---|
//! | a child inherits handles, roles and locks | it is refused, and disturbs nothing | `forks::a_forked_child_is_refused_and_disturbs_nothing`, `ring_forks::a_forked_child_leaves_slot_rings_alone` |
//! | a descriptor in a child keeps the dead alive | only the mapping holds the lock | `forks::children_do_not_keep_a_dead_process_alive`, `descriptors::copies_of_descriptors_keep_no_attachment_alive` |
//!
//! # Layout
//!
//! | pitfall | here | shown by |
//! |---|---|---|
//! | 64 bytes apart, where lines are fetched in pairs | 128 bytes apart | `format_tests::every_field_lies_where_it_always_lay` |
//! | the segment holds values whose size or validity depends on the build | fixed widths, any bytes valid, a hash of the layout | `format_tests::the_numbers_that_identify_a_segment_are_pinned`, `format_tests::a_forged_header_is_refused_or_sound` |
//! | one address is accessed in two widths | the parts do not overlap, and each has words of one width | `any_shape::parts_of_every_shape_never_overlap` |
//! | an offset in the header is ignored | there are none: all follows from the geometry, which is checked | `format_tests::parts_lie_where_they_always_lay` |
//!
//! # Model checking
//!
//! | pitfall | here | shown by |
//! |---|---|---|
//! | the checker skips interleavings | every access touches a companion that makes it depend on the others | `meta::the_touch_shows_both_orders_unbounded`, `meta::loom_alone_skips_one_order_unbounded` |
//! | models are behind a switch that nobody sets, or run once | they are ordinary tests, with a least count of executions | `mod::the_table_is_complete`, `mod::every_omission_is_noticed` |
//! | the checker takes sequential consistency for less | models fence where the code relies on it | `mod::every_weakening_is_noticed` |
//! | a weak compare-and-swap never fails for no reason | cannot apply: there are only strong ones | `pitfalls::no_compare_and_swap_is_weak` |
//! | caps on time or permutations end a run as a pass | both are switched off | `pitfalls::no_model_is_capped` |
//! | a wait with a timeout never times out | models let sleepers and wakers die instead | `fences::dead_waker_heavy_bound_1` |
//! | a spin never reaches a yield, or values outlive an execution | either panics in the checker | - |
//!
//! # Benchmarks
//!
//! | pitfall | here | shown by |
//! |---|---|---|
//! | polls that find nothing are timed | what arrives is counted and verified | `processes::a_comparison_has_every_run_of_every_contender`, `verify::a_lost_message_is_named` |
//! | unlike messages, or threads for processes, are compared | every contender gets the same messages between processes | `mod::the_same_seed_gives_the_same_messages_and_another_seed_others`, `processes::a_pipe_moves_everything` |
//! | means without spread, and a machine that is not quiet | medians, spread, and warnings in words | `compare_tests::figures_are_medians_with_their_spread`, `compare_tests::short_wide_busy_and_cramped_runs_are_warned_of` |
//! | our spinning against their blocking, placement untold, CPU time untold, waits left out of latencies | a matter of how figures are presented | - |

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// The lines of code below a directory that hold one of `words`, and how many files there are.
fn lines_with(directory: &str, words: &[&str]) -> (Vec<String>, usize) {
    let mut paths = Vec::new();
    collect(&root().join(directory), &mut paths);
    let mut found = Vec::new();
    for path in &paths {
        for line in fs::read_to_string(path).unwrap().lines() {
            let code = line.split("//").next().unwrap();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!("{}: {}", path.display(), code.trim()));
            }
        }
    }
    (found, paths.len())
}

/// Catches a futex that wakes no waiter in another process: it would only be slow, as every
/// sleep ends by itself.
#[test]
fn the_futex_is_never_private() {
    let (found, _) = lines_with("shmring/src", &["FUTEX_PRIVATE", "atomic_wait"]);
    assert_eq!(found, [""; 0]);
    let (used, _) = lines_with("shmring/src", &["libc::FUTEX_WAIT_BITSET", "libc::FUTEX_WAKE"]);
    assert_eq!(used.len(), 2, "the futex was not found: {used:?}");
}

/// Catches a loop that no model has seen fail for no reason.
#[test]
fn no_compare_and_swap_is_weak() {
    let (found, files) = lines_with("shmring/src", &["compare_exchange_weak", "fetch_update"]);
    assert!(files > 20);
    assert_eq!(found, [""; 0]);
}

/// Catches a model that passes because it ran out of time.
#[test]
fn no_model_is_capped() {
    let (found, _) = lines_with("loom-tests/src", &["max_duration", "max_permutations"]);
    // The environment could set them, so both are taken back.
    assert!(found.len() == 2 && found.iter().all(|line| line.ends_with("= None;")), "{found:?}");
}
