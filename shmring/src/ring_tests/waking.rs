//! Sleeping and waking: who is woken, and which bits stay.

use std::time::Duration;

use super::{RELAXED, before_wrap, control, handles};
use crate::ring::tables::{Handle, MAX_HANDLES};
use crate::ring::wake::{
    PublishFences, SLEEPERS_PER_WORD, Sleepers, hand_off, notify, notify_all, notify_at,
    notify_each, sleep,
};
use crate::sync::Deadline;

/// The mode bit of a word, and words with nothing else.
const HEAVY: u64 = 1;
const ALL_HEAVY: [u64; 4] = [HEAVY; 4];

/// Long enough for the slowest machine; a sleep that lasts as long was not woken.
const HANG: Duration = Duration::from_secs(120);

fn arm(endpoint: &Sleepers, handles: &[Handle], handle: usize, need: u64) {
    handles[handle].need.store(need, RELAXED);
    let (word, bit) = endpoint.bit(handle);
    word.fetch_or(bit, RELAXED);
}

fn armed(endpoint: &Sleepers) -> Vec<usize> {
    (0..MAX_HANDLES).filter(|&handle| endpoint.is_armed(handle)).collect()
}

fn fences(handles: &[Handle]) -> PublishFences {
    PublishFences::new(true, handles.len())
}

fn modes(endpoint: &Sleepers) -> Vec<u64> {
    endpoint.words.iter().map(|word| word.load(RELAXED) & HEAVY).collect()
}

fn moved(handles: &[Handle]) -> Vec<usize> {
    (0..handles.len()).filter(|&i| handles[i].park.load(RELAXED) != 0).collect()
}

/// Catches a wake for a position that was not reached, which costs a system call for
/// every message, and a sleeper that is passed over at exactly its position.
#[test]
fn a_sleeper_is_woken_when_its_position_is_reached() {
    for need in [0, 4096, before_wrap(1), u64::MAX, 1 << 63] {
        let (handles, control) = (handles(70), control());
        let endpoint = &control.receivers;
        for handle in [3, 62, 63, 69] {
            arm(endpoint, &handles, handle, need);
            for short in [1, 8, 1 << 20] {
                notify(endpoint, &handles, need.wrapping_sub(short), &fences(&handles));
                assert_eq!((armed(endpoint), moved(&handles).len()), (vec![handle], 0));
            }
            // Nobody is asleep on the word, so it is taken for a dead sleeper.
            notify(endpoint, &handles, need, &fences(&handles));
            assert_eq!((armed(endpoint), moved(&handles)), (vec![], vec![handle]));
            handles[handle].park.add(u32::MAX, RELAXED);
            arm(endpoint, &handles, handle, need);
            notify(endpoint, &handles, need.wrapping_add(64), &fences(&handles));
            assert_eq!((armed(endpoint), moved(&handles)), (vec![], vec![handle]));
            handles[handle].park.add(u32::MAX, RELAXED);
        }
        assert!(armed(&control.senders).is_empty());
    }
}

/// Catches a close or an end of stream that leaves someone asleep.
#[test]
fn everyone_is_woken_whatever_they_wait_for() {
    let (handles, control) = (handles(200), control());
    let sleepers = [0, 1, 62, 63, 125, 126, 199];
    for handle in sleepers {
        arm(&control.senders, &handles, handle, 1 << 40);
    }
    notify_all(&control.senders, &handles);
    assert_eq!((armed(&control.senders), moved(&handles)), (vec![], sleepers.to_vec()));
}

/// Catches a message for all that wakes one of them, or one who waits for more.
#[test]
fn each_sleeper_is_woken_whose_position_is_reached() {
    for from in [0, before_wrap(1)] {
        let (handles, control) = (handles(200), control());
        let endpoint = &control.receivers;
        for (handle, need) in [(0, 8_u64), (1, 16), (62, 24), (63, 8), (130, 25), (199, 0)] {
            arm(endpoint, &handles, handle, need.wrapping_add(from));
        }
        let fences = fences(&handles);
        notify_each(endpoint, &handles, from.wrapping_add(24), &fences);
        assert_eq!((armed(endpoint), moved(&handles)), (vec![130], vec![0, 1, 62, 63, 199]));
        notify_each(endpoint, &handles, from.wrapping_add(25), &fences);
        assert!(armed(endpoint).is_empty() && handles[130].park.load(RELAXED) == 1);
    }
}

/// Catches a position that is computed although nobody sleeps, a sleeper that is woken too early,
/// and one that sleeps on although nothing holds it up.
#[test]
fn a_position_is_computed_for_a_sleeper() {
    let (handles, control) = (handles(70), control());
    let endpoint = &control.senders;
    notify_at(endpoint, &handles, || panic!("nobody sleeps"), &fences(&handles));
    for (reached, is_woken) in [(Some(95), false), (Some(96), true), (None, true)] {
        arm(endpoint, &handles, 65, 96);
        let mut computed = 0;
        let reached = || {
            computed += 1;
            reached
        };
        notify_at(endpoint, &handles, reached, &fences(&handles));
        assert_eq!((endpoint.is_armed(65), computed), (!is_woken, 1));
        endpoint.disarm(65);
    }
    assert_eq!(handles[65].park.load(RELAXED), 2);
    // A process that barriers do not reach computes it each time.
    let mut computed = 0;
    let fences = PublishFences::new(false, handles.len());
    notify_at(endpoint, &handles, || (computed += 1, None).1, &fences);
    assert_eq!(computed, 1);
}

/// Catches bits that a hostile peer set beyond the table: used as an index, or
/// circled over for ever.
#[test]
fn bits_beyond_the_table_are_ignored() {
    for count in [0, 1, 63, 64, 252] {
        let (handles, control) = (handles(count), control());
        let endpoint = &control.receivers;
        for word in &endpoint.words {
            word.store(u64::MAX, RELAXED);
        }
        notify(endpoint, &handles, 0, &fences(&handles));
        notify_each(endpoint, &handles, 0, &fences(&handles));
        notify_at(endpoint, &handles, || None, &fences(&handles));
        notify_all(endpoint, &handles);
        let beyond: Vec<usize> = (count..MAX_HANDLES).collect();
        assert_eq!(armed(endpoint), beyond);
        endpoint.disarm(usize::MAX);
        let last = usize::MAX % MAX_HANDLES;
        let masked: Vec<usize> = beyond.into_iter().filter(|&index| index != last).collect();
        assert_eq!(armed(endpoint), masked);
    }
}

/// Catches a sleeper that goes to sleep beside what it waits for, or leaves its bit.
#[test]
fn who_is_ready_does_not_sleep() {
    let (handles, control) = (handles(2), control());
    let endpoint = &control.receivers;
    let mut looks = 0;
    sleep(endpoint, &handles, 1, 77, Deadline::NEVER, || {
        looks += 1;
        assert_eq!(armed(endpoint), [1], "checked before the bit was set");
        assert_eq!(handles[1].need.load(RELAXED), 77);
        true
    });
    assert_eq!((looks, armed(endpoint)), (1, vec![]));
    // Beyond the table there is nothing to sleep on.
    sleep(endpoint, &handles, 2, 0, Deadline::NEVER, || panic!("looked"));
    sleep(endpoint, &handles, usize::MAX, 0, Deadline::NEVER, || panic!("looked"));
}

/// Catches a sleep without an end, a deadline in the past included.
#[test]
fn a_sleep_ends_at_its_deadline() {
    let (handles, control) = (handles(1), control());
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        sleep(&control.senders, &handles, 0, 8, Deadline::after(timeout), || false);
        assert!(armed(&control.senders).is_empty());
    }
}

/// Catches a wake that comes between the last look and the sleep and is lost.
#[test]
fn a_wake_before_the_sleep_is_not_lost() {
    let (handles, control) = (handles(1), control());
    let endpoint = &control.receivers;
    let until = Deadline::after(HANG);
    sleep(endpoint, &handles, 0, 8, until, || {
        notify(endpoint, &handles, 8, &fences(&handles));
        false
    });
    assert!(!until.passed(), "slept through its wake");
}

/// Catches a wake that reaches no sleeper because it was spent on a bit that a killed
/// one had left.
#[test]
fn a_dead_sleeper_does_not_use_up_the_wake() {
    let (handles, control) = (handles(3), control());
    let endpoint = &control.receivers;
    arm(endpoint, &handles, 0, 8);
    let until = Deadline::after(HANG);
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            sleep(endpoint, &handles, 1, 8, until, || false);
            assert!(!until.passed(), "slept through its wake");
        });
        while !armed(endpoint).contains(&1) {
            std::thread::yield_now();
        }
        notify(endpoint, &handles, 8, &fences(&handles));
        sleeper.join().unwrap();
    });
    assert!(armed(endpoint).is_empty());
}

/// Catches a wake that is not passed on, or is passed on to nobody's use: by one who came
/// out of a wait and saw no more.
#[test]
fn a_wake_is_passed_on_to_who_waits_for_what_is_left() {
    let (handles, control) = (handles(130), control());
    let endpoint = &control.receivers;
    for (handle, need) in [(0, 12), (65, 10), (129, 8)] {
        arm(endpoint, &handles, handle, need);
    }
    hand_off(endpoint, &handles, || None);
    assert_eq!((armed(endpoint), moved(&handles)), (vec![0, 65, 129], vec![]), "nothing is left");
    let mut looks = 0;
    hand_off(endpoint, &handles, || {
        looks += 1;
        Some(7)
    });
    assert_eq!((armed(endpoint), moved(&handles)), (vec![0, 65, 129], vec![]), "nobody wants it");
    assert_eq!(looks, 1);
    hand_off(endpoint, &handles, || Some(9));
    assert_eq!((armed(endpoint), moved(&handles)), (vec![0, 65], vec![129]));
    assert!(armed(&control.senders).is_empty());
}

/// Catches a herd: everyone woken for one message, each of whom costs a system call. One
/// who is on its way to sleep seems dead and has another woken beside it, so a round in
/// which both were asleep must show it.
#[test]
fn one_sleeper_is_woken_for_one_message() {
    let single = (0..50).any(|_| {
        let (handles, control) = (handles(70), control());
        let endpoint = &control.senders;
        let until = Deadline::after(HANG);
        std::thread::scope(|scope| {
            for me in [2, 66] {
                let handles = &handles;
                scope.spawn(move || {
                    while handles[me].park.load(RELAXED) == 0 {
                        let woken = || handles[me].park.load(RELAXED) != 0;
                        sleep(endpoint, handles, me, 8, until, woken);
                        assert!(!until.passed(), "slept through its wake");
                    }
                });
            }
            while armed(endpoint).len() < 2 {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(1));
            hand_off(endpoint, &handles, || Some(8));
            let woken = moved(&handles).len();
            notify_all(endpoint, &handles);
            for handle in &handles {
                // Whoever went to sleep again, as after a signal, is not left there.
                handle.park.add(1, RELAXED);
                handle.park.wake();
            }
            woken == 1
        })
    });
    assert!(single, "a herd");
}

/// Catches publishers that fence for ever after one sleep, and ones that relax a word under a
/// sleeper, or too early, so that the next sleeper has to make a barrier.
#[test]
fn a_word_is_relaxed_after_long_without_sleepers() {
    const RELAX_AFTER: usize = 1024;
    let (handles, control) = (handles(200), control());
    let endpoint = &control.receivers;
    endpoint.start_heavy();
    let fences = fences(&handles);
    let publish = |times: usize| {
        for _ in 0..times {
            notify(endpoint, &handles, 0, &fences);
        }
    };
    publish(RELAX_AFTER - 1);
    assert_eq!(modes(endpoint), ALL_HEAVY);
    // A sleeper whose need is not met.
    arm(endpoint, &handles, 62, 8);
    publish(2 * RELAX_AFTER);
    assert_eq!((modes(endpoint), armed(endpoint)), (ALL_HEAVY.to_vec(), vec![62]));
    endpoint.disarm(62);
    publish(RELAX_AFTER - 1);
    assert_eq!(modes(endpoint), ALL_HEAVY);
    publish(1);
    assert!(endpoint.words.iter().all(|word| word.load(RELAXED) == 0));
    // As those do that wake otherwise.
    for each in [true, false] {
        endpoint.start_heavy();
        for _ in 0..RELAX_AFTER {
            assert_eq!(modes(endpoint), ALL_HEAVY);
            match each {
                true => notify_each(endpoint, &handles, 0, &fences),
                false => notify_at(endpoint, &handles, || Some(0), &fences),
            }
        }
        assert!(endpoint.words.iter().all(|word| word.load(RELAXED) == 0));
    }
}

/// Catches a publisher of a process that barriers do not reach which takes the mode from others
/// that cannot make them.
#[test]
fn who_is_not_reached_does_not_relax() {
    let (handles, control) = (handles(1), control());
    let endpoint = &control.receivers;
    endpoint.start_heavy();
    let fences = PublishFences::new(false, handles.len());
    (0..5000).for_each(|_| notify(endpoint, &handles, 0, &fences));
    assert_eq!(modes(endpoint), ALL_HEAVY);
}

/// Catches bits of nobody, as a hostile process sets them, that make every publish fence for
/// ever.
#[test]
fn bits_of_nobody_are_relaxed() {
    for garbage in [u64::MAX << 2, 1 << 63, HEAVY | 1 << 5] {
        let (handles, control) = (handles(1), control());
        let word = &control.receivers.words[0];
        word.store(garbage, RELAXED);
        let fences = fences(&handles);
        (0..1024).for_each(|_| notify(&control.receivers, &handles, 0, &fences));
        assert_eq!(word.load(RELAXED), 0, "{garbage:#x}");
    }
}

/// Catches a sleeper that leaves the word LIGHT, so that each sleep takes a barrier, and one that
/// touches the words of others.
#[test]
fn a_sleep_makes_its_word_heavy() {
    let (handles, control) = (handles(200), control());
    let endpoint = &control.senders;
    let me = SLEEPERS_PER_WORD + 5;
    sleep(endpoint, &handles, me, 8, Deadline::after(Duration::ZERO), || false);
    // Where barriers are refused, it takes longer.
    sleep(endpoint, &handles, me, 8, Deadline::after(Duration::from_millis(20)), || false);
    assert_eq!(modes(endpoint), [0, HEAVY, 0, 0]);
    assert!(armed(endpoint).is_empty());
}
