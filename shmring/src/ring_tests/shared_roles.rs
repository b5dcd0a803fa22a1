//! Roles that several handles have at the same time: joined, given up, cleaned up.

use super::{RELAXED, control, handles};
use crate::ring::Control;
use crate::ring::membership::{Ownership, Role, free_handles, reap_attachment, release_handle};
use crate::ring::tables::{MAX_HANDLES, claim_handle};

const BOTH: [Role; 2] = [Role::Producer, Role::Consumer];

fn other(role: Role) -> Role {
    if role == Role::Producer { Role::Consumer } else { Role::Producer }
}

fn holders(control: &Control, role: Role) -> Vec<usize> {
    control.roles.holders(role).collect()
}

/// Catches a holder that is lost between the words of the bitmap, and a role that seems
/// vacant while one is left.
#[test]
fn every_handle_can_share_a_role() {
    for role in BOTH {
        let control = control();
        let roles = &control.roles;
        for handle in 0..MAX_HANDLES {
            roles.join(role, handle);
            let claims = handle as u64 + 1;
            assert_eq!(roles.ownership(role), Ownership::Held { handle: 0, claims });
            assert_eq!(holders(&control, role), (0..=handle).collect::<Vec<_>>());
        }
        for handle in 0..MAX_HANDLES {
            assert_eq!(roles.ownership(role), Ownership::Held { handle, claims: 252 });
            assert!(!roles.consumer_gone(0) && roles.ended(0).is_none());
            roles.vacate(role, handle);
            assert_eq!(holders(&control, role), (handle + 1..MAX_HANDLES).collect::<Vec<_>>());
        }
        assert_eq!(roles.ownership(role), Ownership::Vacant { claims: 252 });
        assert_eq!(roles.ownership(other(role)), Ownership::Never, "the other role");
        assert_eq!(holders(&control, other(role)), []);
    }
}

/// Catches a role that is given up by who does not have it, or twice, as by two cleaners.
#[test]
fn giving_a_shared_role_up_twice_is_as_once() {
    for role in BOTH {
        let control = control();
        let roles = &control.roles;
        for handle in [3, 64, 200] {
            roles.join(role, handle);
        }
        for handle in [64, 64, 65, 0, 251, 3 + 64, 3 + 252] {
            // Beyond the table, the index is masked: 255 is 3.
            roles.vacate(role, handle);
        }
        assert_eq!(holders(&control, role), [200]);
        roles.vacate(other(role), 200);
        assert_eq!(roles.ownership(role), Ownership::Held { handle: 200, claims: 3 });
        roles.vacate(role, 200);
        roles.vacate(role, 200);
        assert_eq!(roles.ownership(role), Ownership::Vacant { claims: 3 });
        // The same handle comes again, and counts again.
        roles.join(role, 200);
        assert_eq!(roles.ownership(role), Ownership::Held { handle: 200, claims: 4 });
    }
}

/// Catches a handle that has both roles and loses both with the one.
#[test]
fn the_two_roles_of_a_handle_are_its_own_each() {
    let control = control();
    for role in BOTH {
        control.roles.join(role, 70);
    }
    control.roles.vacate(Role::Producer, 70);
    assert_eq!(control.roles.ownership(Role::Producer), Ownership::Vacant { claims: 1 });
    assert_eq!(control.roles.ownership(Role::Consumer), Ownership::Held { handle: 70, claims: 1 });
}

/// Catches an end of stream while one of several producers is left, none after the last,
/// and one that is told again, or not told for the next producer.
#[test]
fn the_stream_ends_with_its_last_producer() {
    let control = control();
    let roles = &control.roles;
    assert_eq!(roles.ended(0), None, "before the first");
    for handle in [1, 100, 251] {
        roles.join(Role::Producer, handle);
        assert_eq!(roles.ended(0), None);
    }
    for handle in [100, 1] {
        roles.vacate(Role::Producer, handle);
        assert_eq!(roles.ended(0), None, "one is left");
    }
    roles.vacate(Role::Producer, 251);
    assert_eq!((roles.ended(0), roles.ended(2), roles.ended(3)), (Some(3), Some(3), None));
    roles.join(Role::Producer, 2);
    assert_eq!((roles.ended(0), roles.ended(3)), (None, None), "another came");
    roles.vacate(Role::Producer, 2);
    assert_eq!((roles.ended(3), roles.ended(4)), (Some(4), None));
    roles.join(Role::Producer, 9);
    roles.close();
    assert_eq!((roles.ended(4), roles.ended(9)), (Some(5), Some(5)), "closed, one or not");
    roles.vacate(Role::Producer, 9);
    assert_eq!(roles.ended(99), Some(5), "closed");
}

/// Catches a broken pipe while one of several consumers is left, none after the last, and
/// one because of consumers that had gone before the producer came.
#[test]
fn the_pipe_breaks_with_its_last_consumer() {
    let control = control();
    let roles = &control.roles;
    assert!(!roles.consumer_gone(0), "before the first");
    for handle in [0, 63, 64] {
        roles.join(Role::Consumer, handle);
    }
    for handle in [64, 0] {
        roles.vacate(Role::Consumer, handle);
        assert!(!roles.consumer_gone(0), "one is left");
    }
    roles.vacate(Role::Consumer, 63);
    assert_eq!(
        [0, 2, 3, 4].map(|ignored| roles.consumer_gone(ignored)),
        [true, true, false, false]
    );
    roles.join(Role::Consumer, 63);
    assert!(!roles.consumer_gone(0), "another came");
    roles.vacate(Role::Consumer, 63);
    assert_eq!([3, 4].map(|ignored| roles.consumer_gone(ignored)), [true, false]);
    // It is no end of stream, and the end of the stream breaks no pipe.
    assert_eq!(roles.ended(0), None);
}

/// Catches a member whose claim is not counted yet, between the two steps of a join, that
/// is taken for nobody: the stream would end before it began.
#[test]
fn a_member_that_is_not_counted_yet_has_the_role() {
    for role in BOTH {
        let control = control();
        let roles = &control.roles;
        let bits = if role == Role::Producer { &roles.producers } else { &roles.consumers };
        bits[2].store(1 << 5, RELAXED);
        assert_eq!(roles.ownership(role), Ownership::Held { handle: 133, claims: 1 });
        assert!(!roles.consumer_gone(0) && roles.ended(0).is_none());
        bits[2].store(0, RELAXED);
        roles.join(role, 7);
        roles.vacate(role, 7);
        bits[2].store(1 << 5, RELAXED);
        assert_eq!(roles.ownership(role), Ownership::Held { handle: 133, claims: 1 });
        assert!(!roles.consumer_gone(0) && roles.ended(0).is_none(), "the next is there");
    }
}

/// Catches an announcement, a bit, a role or a handle that a released handle leaves, and
/// anything that it takes from its neighbours.
#[test]
fn a_released_handle_leaves_nothing_of_a_shared_role() {
    let (handles, control) = (handles(200), control());
    for handle in 0..200 {
        assert_eq!(claim_handle(&handles, handle % 3, 0), Some(handle));
        control.roles.join(BOTH[handle % 2], handle);
        handles[handle].own.intent.store(0x200_0001, RELAXED);
        let (word, bit) = control.senders.bit(handle);
        word.fetch_or(bit, RELAXED);
    }
    for gone in [64, 199, 0, 127] {
        release_handle(&*control, &handles, gone);
        let left = |list: Vec<usize>| !list.contains(&gone);
        assert!(left(holders(&control, Role::Producer)) && left(holders(&control, Role::Consumer)));
        assert_eq!((handles[gone].attach(), handles[gone].own.intent.load(RELAXED)), (None, 0));
        assert!(!control.senders.is_armed(gone));
    }
    let held = |handle: &usize| ![64, 199, 0, 127].contains(handle);
    for (first, role) in BOTH.into_iter().enumerate() {
        let expected: Vec<usize> = (first..200).step_by(2).filter(held).collect();
        assert_eq!(holders(&control, role), expected);
    }
    for handle in (0..200).filter(held) {
        assert_eq!(handles[handle].attach(), Some(handle % 3));
        assert_eq!(handles[handle].own.intent.load(RELAXED), 0x200_0001);
    }
}

/// Catches a cleaner that misses one of a dead attachment's handles, takes one of another's,
/// or does harm when it comes second.
#[test]
fn cleaning_an_attach_gives_all_its_shared_roles_up() {
    let (handles, control) = (handles(130), control());
    for handle in 0..130 {
        claim_handle(&handles, handle % 2, 0);
        control.roles.join(Role::Producer, handle);
        handles[handle].own.intent.store(0x200_0001, RELAXED);
    }
    let odd: Vec<usize> = (0..130).filter(|handle| handle % 2 == 1).collect();
    for _ in 0..2 {
        reap_attachment(|_| Some(&*control), &handles, 0);
        assert_eq!(holders(&control, Role::Producer), odd);
        assert!(odd.iter().all(|&handle| handles[handle].own.intent.load(RELAXED) != 0));
        assert!(odd.iter().all(|&handle| handles[handle - 1].own.intent.load(RELAXED) == 0));
        assert_eq!(control.roles.ended(0), None);
        // Whoever cleans beside this one may come back to a handle as long as it likes.
        assert_eq!(claim_handle(&handles, 1, 0), None, "a handle that is still cleaned is free");
    }
    for repairs in 1..3 {
        free_handles(&control, &handles, 0);
        assert_eq!(control.roles.repairs(), repairs);
    }
    // Someone took a freed handle before a cleaner of the next use of the entry came.
    assert_eq!(claim_handle(&handles, 1, 0), Some(0));
    control.roles.join(Role::Producer, 0);
    reap_attachment(|_| Some(&*control), &handles, 0);
    assert_eq!(holders(&control, Role::Producer)[..2], [0, 1]);
    reap_attachment(|_| Some(&*control), &handles, 1);
    free_handles(&control, &handles, 1);
    assert_eq!(control.roles.ended(0), Some(131));
    assert_eq!(control.roles.ownership(Role::Producer), Ownership::Vacant { claims: 131 });
}

/// Catches a sole holder and shared ones that are not both listed: a segment that someone
/// wrote into is looked at all the same.
#[test]
fn all_who_seem_to_hold_a_role_are_listed() {
    let control = control();
    assert!(control.roles.claim(Role::Consumer, 9));
    assert_eq!(holders(&control, Role::Consumer), [9]);
    for word in &control.roles.consumers {
        word.store(u64::MAX, RELAXED);
    }
    assert_eq!(holders(&control, Role::Consumer).len(), 257);
    assert!(holders(&control, Role::Consumer).into_iter().all(|handle| handle < 256));
    assert_eq!(control.roles.ownership(Role::Consumer), Ownership::Held { handle: 0, claims: 1 });
    // Numbers of a hostile peer: nothing of them overflows.
    for word in [u64::MAX, u64::MAX << 16, 1, 0xFFFF] {
        control.roles.consumer.store(word, RELAXED);
        control.roles.join(Role::Consumer, 3);
        control.roles.vacate(Role::Consumer, 3);
        control.roles.consumer_gone(u64::MAX);
        control.roles.ended(u64::MAX);
        holders(&control, Role::Consumer);
    }
}
