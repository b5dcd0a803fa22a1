//! Sleeping and waking: who is woken, and which bits stay.

use std::time::Duration;

use super::{RELAXED, before_wrap, control, handles};
use crate::ring::tables::Handle;
use crate::ring::wake::{Sleepers, WakeFences, WakerFence, notify, notify_all, pass_on, sleep};
use crate::sync::Deadline;

/// Long enough for the slowest machine; a sleep that lasts as long was not woken.
const HANG: Duration = Duration::from_secs(120);

fn arm(side: &Sleepers, handles: &[Handle], handle: usize, need: u64) {
    handles[handle].need.store(need, RELAXED);
    side.bits[handle / 64].fetch_or(1 << (handle % 64), RELAXED);
}

fn armed(side: &Sleepers) -> Vec<usize> {
    (0..256).filter(|i| side.bits[i / 64].load(RELAXED) >> (i % 64) & 1 == 1).collect()
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
        let side = &control.receivers;
        for handle in [3, 63, 64, 69] {
            arm(side, &handles, handle, need);
            for short in [1, 8, 1 << 20] {
                notify(side, &handles, need.wrapping_sub(short), WakerFence::Full);
                assert_eq!((armed(side), moved(&handles).len()), (vec![handle], 0));
            }
            // Nobody is asleep on the word, so it is taken for a dead sleeper.
            notify(side, &handles, need, WakerFence::Full);
            assert_eq!((armed(side), moved(&handles)), (vec![], vec![handle]));
            handles[handle].park.add(u32::MAX, RELAXED);
            arm(side, &handles, handle, need);
            notify(side, &handles, need.wrapping_add(64), WakerFence::Full);
            assert_eq!((armed(side), moved(&handles)), (vec![], vec![handle]));
            handles[handle].park.add(u32::MAX, RELAXED);
        }
        assert!(armed(&control.senders).is_empty());
    }
}

/// Catches a close or an end of stream that leaves someone asleep.
#[test]
fn everyone_is_woken_whatever_they_wait_for() {
    let (handles, control) = (handles(200), control());
    let sleepers = [0, 1, 63, 64, 127, 128, 199];
    for handle in sleepers {
        arm(&control.senders, &handles, handle, 1 << 40);
    }
    notify_all(&control.senders, &handles);
    assert_eq!((armed(&control.senders), moved(&handles)), (vec![], sleepers.to_vec()));
}

/// Catches bits that a hostile peer set beyond the table: used as an index, or
/// circled over for ever.
#[test]
fn bits_beyond_the_table_are_ignored() {
    for count in [0, 1, 64, 65, 256] {
        let (handles, control) = (handles(count), control());
        let side = &control.receivers;
        for word in &side.bits {
            word.store(u64::MAX, RELAXED);
        }
        notify(side, &handles, 0, WakerFence::Full);
        notify_all(side, &handles);
        let beyond: Vec<usize> = (count..256).collect();
        assert_eq!(armed(side), beyond);
        side.disarm(usize::MAX);
        let masked: Vec<usize> = beyond.into_iter().filter(|&index| index != 255).collect();
        assert_eq!(armed(side), masked);
    }
}

/// Catches a sleeper that goes to sleep beside what it waits for, or leaves its bit.
#[test]
fn who_is_ready_does_not_sleep() {
    let (handles, control) = (handles(2), control());
    let side = &control.receivers;
    let mut looks = 0;
    sleep(side, &handles, 1, 77, Deadline::NEVER, WakeFences::BothSides, || {
        looks += 1;
        assert_eq!(armed(side), [1], "checked before the bit was set");
        assert_eq!(handles[1].need.load(RELAXED), 77);
        true
    });
    assert_eq!((looks, armed(side)), (1, vec![]));
    // Beyond the table there is nothing to sleep on.
    sleep(side, &handles, 2, 0, Deadline::NEVER, WakeFences::BothSides, || panic!("looked"));
    sleep(side, &handles, usize::MAX, 0, Deadline::NEVER, WakeFences::BothSides, || {
        panic!("looked")
    });
}

/// Catches a sleep without an end, a deadline in the past included.
#[test]
fn a_sleep_ends_at_its_deadline() {
    let (handles, control) = (handles(1), control());
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        sleep(
            &control.senders,
            &handles,
            0,
            8,
            Deadline::after(timeout),
            WakeFences::BothSides,
            || false,
        );
        assert!(armed(&control.senders).is_empty());
    }
}

/// Catches a wake that comes between the last look and the sleep and is lost.
#[test]
fn a_wake_before_the_sleep_is_not_lost() {
    let (handles, control) = (handles(1), control());
    let side = &control.receivers;
    let until = Deadline::after(HANG);
    sleep(side, &handles, 0, 8, until, WakeFences::BothSides, || {
        notify(side, &handles, 8, WakerFence::Full);
        false
    });
    assert!(!until.passed(), "slept through its wake");
}

/// Catches a wake that reaches no sleeper because it was spent on a bit that a killed
/// one had left.
#[test]
fn a_dead_sleeper_does_not_use_up_the_wake() {
    let (handles, control) = (handles(3), control());
    let side = &control.receivers;
    arm(side, &handles, 0, 8);
    let until = Deadline::after(HANG);
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            sleep(side, &handles, 1, 8, until, WakeFences::BothSides, || false);
            assert!(!until.passed(), "slept through its wake");
        });
        while !armed(side).contains(&1) {
            std::thread::yield_now();
        }
        notify(side, &handles, 8, WakerFence::Full);
        sleeper.join().unwrap();
    });
    assert!(armed(side).is_empty());
}

/// Catches a wake that is not passed on, or is passed on to nobody's use: by one who came
/// out of a wait and saw no more.
#[test]
fn a_wake_is_passed_on_to_who_waits_for_what_is_left() {
    let (handles, control) = (handles(130), control());
    let side = &control.receivers;
    for (handle, need) in [(0, 12), (65, 10), (129, 8)] {
        arm(side, &handles, handle, need);
    }
    pass_on(side, &handles, || None);
    assert_eq!((armed(side), moved(&handles)), (vec![0, 65, 129], vec![]), "nothing is left");
    let mut looks = 0;
    pass_on(side, &handles, || {
        looks += 1;
        Some(7)
    });
    assert_eq!((armed(side), moved(&handles)), (vec![0, 65, 129], vec![]), "nobody wants it");
    assert_eq!(looks, 1);
    pass_on(side, &handles, || Some(9));
    assert_eq!((armed(side), moved(&handles)), (vec![0, 65], vec![129]));
    assert!(armed(&control.senders).is_empty());
}

/// Catches a herd: everyone woken for one message, each of whom costs a system call. One
/// who is on its way to sleep seems dead and has another woken beside it, so a round in
/// which both were asleep must show it.
#[test]
fn one_sleeper_is_woken_for_one_message() {
    let single = (0..50).any(|_| {
        let (handles, control) = (handles(70), control());
        let side = &control.senders;
        let until = Deadline::after(HANG);
        std::thread::scope(|scope| {
            for me in [2, 66] {
                let handles = &handles;
                scope.spawn(move || {
                    while handles[me].park.load(RELAXED) == 0 {
                        let woken = || handles[me].park.load(RELAXED) != 0;
                        sleep(side, handles, me, 8, until, WakeFences::BothSides, woken);
                        assert!(!until.passed(), "slept through its wake");
                    }
                });
            }
            while armed(side).len() < 2 {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(1));
            pass_on(side, &handles, || Some(8));
            let woken = moved(&handles).len();
            notify_all(side, &handles);
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
