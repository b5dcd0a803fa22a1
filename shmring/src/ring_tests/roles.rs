//! Attaches, handles and roles: how they are taken, given up, and cleaned up.

use super::{RELAXED, control, handles};
use crate::ring::Control;
use crate::ring::membership::{Ownership, Role, free_handles, reap_attachment, release_handle};
use crate::ring::tables::{AttachmentEntry, Handle, MAX_HANDLES, claim_handle};
use crate::sync::Ordering;

const BOTH: [Role; 2] = [Role::Producer, Role::Consumer];

fn arm(control: &Control, handle: usize) {
    for endpoint in [&control.receivers, &control.senders] {
        let (word, bit) = endpoint.bit(handle);
        word.fetch_or(bit, RELAXED);
    }
}

fn armed(control: &Control) -> Vec<usize> {
    let is_armed =
        |&handle: &usize| control.receivers.is_armed(handle) || control.senders.is_armed(handle);
    (0..MAX_HANDLES).filter(is_armed).collect()
}

fn release(handles: &[Handle], index: usize, control: &Control) {
    release_handle(control, handles, index);
}

fn clean(handles: &[Handle], attach: usize, control: &Control) {
    reap_attachment(|_| Some(control), handles, attach);
    free_handles(control, handles, attach);
}

/// Catches an entry that looks free while used, and a generation that does not move,
/// so that a use cannot be told from the one before.
#[test]
fn an_attach_entry_counts_its_uses() {
    // SAFETY: an attachment entry is made of atomics.
    let attach: AttachmentEntry = unsafe { super::zeroed() };
    let mut states = vec![attach.state.load(RELAXED)];
    for _ in 0..3 {
        assert!(!attach.is_active());
        attach.activate();
        assert!(attach.is_active());
        states.push(attach.state.load(RELAXED));
        attach.free();
        attach.free();
        states.push(attach.state.load(RELAXED));
    }
    states.sort_unstable();
    states.dedup();
    assert_eq!(states.len(), 7, "a state came twice");
}

/// Catches a handle that is given out twice, and a full table that is written beyond.
#[test]
fn each_handle_is_given_out_once() {
    let handles = handles(3);
    assert_eq!(handles[0].attach(), None);
    for (expected, attach) in [(0, 7), (1, 255), (2, 0)] {
        assert_eq!(claim_handle(&handles, attach, 0), Some(expected));
        assert_eq!(handles[expected].attach(), Some(attach));
    }
    assert_eq!(claim_handle(&handles, 1, 0), None);
    let control = control();
    release(&handles, 1, &control);
    assert_eq!(handles[1].attach(), None);
    let before = handles[1].state.load(RELAXED);
    assert_eq!(claim_handle(&handles, 9, 0), Some(1));
    assert_ne!(handles[1].state.load(RELAXED) >> 32, before >> 32, "the generation stood still");
    assert_eq!(claim_handle(&[], 0, 0), None);
}

/// Catches a second owner of a role, a role that stays taken, and a count that tells
/// nobody-yet from nobody-any-more wrongly.
#[test]
fn a_role_has_one_owner_at_a_time() {
    for role in BOTH {
        let control = control();
        let roles = &control.roles;
        assert_eq!(roles.ownership(role), Ownership::Never);
        for claims in 1..4 {
            assert!(roles.claim(role, 5));
            assert_eq!(roles.ownership(role), Ownership::Held { handle: 5, claims });
            assert!(!roles.claim(role, 5) && !roles.claim(role, 6));
            roles.vacate(role, 6);
            assert_eq!(roles.ownership(role), Ownership::Held { handle: 5, claims });
            roles.vacate(role, 5);
            roles.vacate(role, 5);
            assert_eq!(roles.ownership(role), Ownership::Vacant { claims });
            assert_eq!(roles.ownership(role).claims(), claims);
        }
        // The highest handle there can be, and the other role, which was never touched.
        assert!(roles.claim(role, 255));
        assert_eq!(roles.ownership(role), Ownership::Held { handle: 255, claims: 4 });
        let other = BOTH.into_iter().find(|&other| other != role).unwrap();
        assert_eq!(roles.ownership(other), Ownership::Never);
    }
}

/// Catches an end of stream that comes before the first producer, or not after the
/// last, and a broken pipe over a consumer that had left before.
#[test]
fn the_stream_ends_with_its_producer_and_the_pipe_breaks_with_its_consumer() {
    let control = control();
    let roles = &control.roles;
    assert!(roles.ended(0).is_none() && !roles.consumer_gone(0));
    assert!(roles.claim(Role::Producer, 0) && roles.claim(Role::Consumer, 1));
    assert!(roles.ended(0).is_none() && !roles.consumer_gone(0));
    roles.vacate(Role::Producer, 0);
    roles.vacate(Role::Consumer, 1);
    assert_eq!((roles.ended(0), roles.ended(1)), (Some(1), None), "an end that was told");
    assert!(roles.consumer_gone(0) && !roles.consumer_gone(1));
    assert!(roles.claim(Role::Producer, 0) && roles.claim(Role::Consumer, 1));
    assert!(roles.ended(0).is_none() && !roles.consumer_gone(0));
    roles.vacate(Role::Consumer, 1);
    assert!(roles.consumer_gone(1) && !roles.consumer_gone(2));
    assert!(!roles.is_closed());
    roles.close();
    assert!(roles.is_closed() && roles.ended(2) == Some(2), "closed though a producer is there");
    assert_eq!(roles.flags.load(RELAXED), 1);
}

/// Catches a handle that leaves a bit, a role or itself behind.
#[test]
fn a_released_handle_leaves_nothing() {
    let (handles, control) = (handles(4), control());
    for attach in [3, 4] {
        claim_handle(&handles, attach, 0);
    }
    assert!(control.roles.claim(Role::Producer, 0) && control.roles.claim(Role::Consumer, 1));
    arm(&control, 0);
    arm(&control, 1);
    release(&handles, 0, &control);
    assert_eq!(control.roles.ownership(Role::Producer), Ownership::Vacant { claims: 1 });
    assert_eq!(control.roles.ownership(Role::Consumer), Ownership::Held { handle: 1, claims: 1 });
    assert_eq!((handles[0].attach(), handles[1].attach()), (None, Some(4)));
    assert_eq!(armed(&control), [1]);
    // Beyond the table there is nothing to release, nor anything to read.
    release(&handles, 4, &control);
    release(&handles, usize::MAX, &control);
    assert_eq!(armed(&control), [1]);
}

/// Catches the order of release: a handle that is free while its role is held would be
/// given to another, whose role the first owner's cleaner would then take away.
#[test]
fn a_held_role_names_a_held_handle_while_others_come_and_go() {
    let (handles, control) = (handles(2), control());
    let done = crate::sync::AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..20_000 {
                let index = claim_handle(&handles, round % 7, 0).unwrap();
                assert!(control.roles.claim(Role::Producer, index));
                release(&handles, index, &control);
            }
            done.store(1, Ordering::Release);
        });
        while done.load(Ordering::Acquire) == 0 {
            let before = control.roles.producer.load(Ordering::Acquire);
            if let Ownership::Held { handle, .. } = control.roles.ownership(Role::Producer) {
                let attach = handles[handle].attach();
                let after = control.roles.producer.load(Ordering::Acquire);
                assert!(before != after || attach.is_some(), "a free handle holds the role");
            }
        }
    });
}

/// Catches a cleaner that harms others when it runs twice, as after another cleaner's
/// death, or that misses one of several handles.
#[test]
fn cleaning_an_attach_twice_is_as_once() {
    let (handles, control) = (handles(6), control());
    for attach in [2, 3, 2, 3, 2] {
        claim_handle(&handles, attach, 0);
    }
    assert!(control.roles.claim(Role::Producer, 2) && control.roles.claim(Role::Consumer, 3));
    (0..5).for_each(|handle| arm(&control, handle));
    for _ in 0..2 {
        clean(&handles, 2, &control);
        let owners: Vec<_> = handles.iter().map(Handle::attach).collect();
        assert_eq!(owners, [None, Some(3), None, Some(3), None, None]);
        assert_eq!(control.roles.ownership(Role::Producer), Ownership::Vacant { claims: 1 });
        assert_eq!(
            control.roles.ownership(Role::Consumer),
            Ownership::Held { handle: 3, claims: 1 }
        );
        assert_eq!(armed(&control), [1, 3]);
    }
    // A new owner came meanwhile, in the same entries: it is another attach's.
    assert_eq!(claim_handle(&handles, 4, 0), Some(0));
    assert!(control.roles.claim(Role::Producer, 0));
    clean(&handles, 2, &control);
    assert_eq!(control.roles.ownership(Role::Producer), Ownership::Held { handle: 0, claims: 2 });
    assert_eq!(control.roles.repairs(), 3);
}

/// Catches a role word of a hostile peer that is used as an index, or that a count
/// overflows on.
#[test]
fn hostile_role_words_are_only_numbers() {
    let (handles, control) = (handles(2), control());
    for role in BOTH {
        let word = match role {
            Role::Producer => &control.roles.producer,
            Role::Consumer => &control.roles.consumer,
        };
        for value in [1, 0xFFFF, 3, u64::MAX, u64::MAX - 0xFFFF, 1 << 63, 0x1_0000] {
            word.store(value, RELAXED);
            let ownership = control.roles.ownership(role);
            let held = value & 0xFFFF != 0;
            assert_eq!(matches!(ownership, Ownership::Held { .. }), held, "{value:#x}");
            assert_eq!(control.roles.claim(role, 1), !held, "{value:#x}");
            control.roles.consumer_gone(u64::MAX);
            release(&handles, 1, &control);
            clean(&handles, 1, &control);
        }
    }
    for state in [u64::MAX, 1, 0xFFFF_FF01] {
        handles[0].state.store(state, RELAXED);
        assert_eq!(handles[0].attach(), Some((state >> 8 & 0xFFFF) as usize));
        clean(&handles, 0xFFFF, &control);
    }
}
