//! The slot ring: closing tickets beside those who own them, alive, gone or dead.
//!
//! Every resolve in these models may also turn out wrong by what the fixture checks: a
//! ticket that was or will be published is never closed, and a CAS that fails did not
//! meet that ticket's message.

use loom::thread;

use super::slot::ZERO_STAMP;
use crate::fixture::slot::{MPMC, MPSC, World};
use crate::frame::models;
use crate::ring::slot::Resolved;

const OWNER: usize = 0;
const OTHER: usize = 1;
const CONSUMER: usize = 2;
const BYSTANDER: usize = 3;

/// A producer sends while its ticket is looked after.
///
/// Accepted: the ticket is not there, announced or settled. Would catch a resolver that
/// sees the claim but neither the announcement nor the message, and one that does not
/// ask whether the owner lives.
fn slow_owner() {
    let world = World::new(MPMC, 1, 0);
    let mut receiver = world.receiver(CONSUMER);
    let mut sender = world.sender(OWNER);
    let owner = thread::spawn(move || assert!(sender.try_send(10)));
    match world.resolve(0) {
        Resolved::Unclaimed | Resolved::Settled | Resolved::Announced { attach: OWNER } => {}
        other => panic!("{other:?}"),
    }
    owner.join().expect("the owner ends");
    assert_eq!(receiver.try_recv().map(|one| one.id), Ok(10));
}

/// The owner sends a batch while the consumer takes its first message and looks after
/// the second one's ticket.
///
/// Accepted: both messages arrive. Would catch an announcement that names not all of the
/// batch, or only the next of it.
fn slow_owner_of_a_batch() {
    let world = World::new(MPSC, 2, 0);
    let mut receiver = world.receiver(CONSUMER);
    let mut sender = world.sender(OWNER);
    let owner = thread::spawn(move || assert!(sender.try_send_all(&[10, 11])));
    let mut received = usize::from(receiver.try_recv().is_ok());
    assert_ne!(world.resolve(received as u64), Resolved::Closed);
    owner.join().expect("the owner ends");
    received += receiver.drain().len();
    assert_eq!(received, 2);
}

/// The owner joins, too, while its ticket is looked after.
///
/// Accepted: as in [`slow_owner`]. Would catch a resolver that sees the claim and takes
/// the owner's handle for free.
fn owner_just_joined() {
    let world = World::new(MPMC, 1, 0);
    let mut receiver = world.receiver(CONSUMER);
    let owner = thread::spawn({
        let world = world.clone();
        move || assert!(world.sender(OWNER).try_send(10))
    });
    assert_ne!(world.resolve(0), Resolved::Closed);
    owner.join().expect("the owner ends");
    assert_eq!(receiver.try_recv().map(|one| one.id), Ok(10));
}

/// A producer sends two messages while the first one's ticket is looked after.
///
/// Accepted: as in [`slow_owner`]. Would catch a resolver that sees the second
/// announcement and not the first message.
fn announces_again() {
    let world = World::new(MPMC, 2, 0);
    let mut receiver = world.receiver(CONSUMER);
    let mut sender = world.sender(OWNER);
    let owner = thread::spawn(move || {
        assert!(sender.try_send(10));
        assert!(sender.try_send(11));
    });
    assert_ne!(world.resolve(0), Resolved::Closed);
    owner.join().expect("the owner ends");
    assert_eq!(receiver.drain().len(), 2);
}

/// A producer sends and, losing a claim to another one, withdraws an announcement while
/// its first ticket is looked after.
///
/// Accepted: as in [`slow_owner`]. Would catch a resolver that sees the announcement
/// withdrawn, and not the first message.
fn withdraws() {
    let world = World::new(MPMC, 2, 0);
    let mut receiver = world.receiver(CONSUMER);
    let (mut sender, mut faster) = (world.sender(OWNER), world.sender(OTHER));
    assert!(sender.claim(1).is_ok());
    let owner = thread::spawn(move || {
        sender.fill(&[10]);
        sender.try_send(11);
    });
    let other = thread::spawn(move || faster.try_send(20));
    assert_ne!(world.resolve(0), Resolved::Closed);
    owner.join().expect("the owner ends");
    other.join().expect("the other ends");
    assert_eq!(receiver.drain().len(), 2);
    world.assert_all_taken();
}

/// A producer sends and gives its handle up while its ticket is looked after.
///
/// Accepted: as in [`slow_owner`]. Would catch a resolver that sees the announcement
/// withdrawn, or the handle free, and not the message.
fn owner_leaves() {
    let world = World::new(MPMC, 1, 0);
    let mut receiver = world.receiver(CONSUMER);
    let mut sender = world.sender(OWNER);
    let owner = thread::spawn(move || {
        assert!(sender.try_send(10));
        sender.go();
    });
    assert_ne!(world.resolve(0), Resolved::Closed);
    owner.join().expect("the owner ends");
    assert_eq!(receiver.try_recv().map(|one| one.id), Ok(10));
}

/// Two producers want the only slot. One of them dies if it got it.
///
/// Accepted: the living one's message arrives, or the dead one's ticket is closed, and
/// the ring goes on. Would catch a producer that lost the claim and is taken for the
/// owner of the ticket for as long as it lives.
fn loser(start: u64) {
    let world = World::new(MPMC, 1, start);
    let mut receiver = world.receiver(CONSUMER);
    let (mut victim, mut sender) = (world.sender(OWNER), world.sender(OTHER));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            let claimed = victim.claim(1).is_ok();
            world.mark_dead(OWNER);
            claimed
        }
    });
    let sent = sender.try_send(20);
    let claimed = dying.join().expect("the victim ends");
    assert!(world.is_dead(OWNER));
    assert!(claimed != sent);
    assert_eq!(receiver.drain().len(), usize::from(sent));
    assert_eq!(world.roles().resolved(), u64::from(claimed));
    assert!(sender.try_send(21), "there is room");
}

fn loser_of_a_claim() {
    loser(0);
}

/// The sequence of the first position is 0, as in a slot that was never written: would
/// also catch that zero being taken for a stamp, and the ticket for settled.
fn loser_at_a_zero_stamp() {
    loser(ZERO_STAMP);
}

/// The next position is 0.
fn loser_at_the_last_position() {
    loser(u64::MAX);
}

/// The owner published and died. Its message is taken and another one comes into its
/// slot, while its ticket is looked after.
///
/// Accepted: the ticket is settled, and both messages arrive. Would catch a resolver
/// that closes a published ticket, or overwrites the stamp of a later lap.
fn late() {
    let world = World::new(MPMC, 1, 0);
    let mut receiver = world.receiver(CONSUMER);
    let (mut victim, mut sender) = (world.sender(OWNER), world.sender(OTHER));
    assert!(victim.try_send(10));
    world.mark_dead(OWNER);
    let others = thread::spawn(move || {
        assert_eq!(receiver.try_recv().map(|one| one.id), Ok(10));
        assert!(sender.try_send(20));
        receiver
    });
    assert!(world.is_dead(OWNER));
    let resolved = world.resolve(0);
    assert!(!matches!(resolved, Resolved::Closed | Resolved::Announced { .. }), "{resolved:?}");
    let mut receiver = others.join().expect("the others end");
    assert_eq!(receiver.drain().len(), 1);
    world.assert_all_taken();
}

/// The owner died with its ticket open; another consumer closes and passes it, and its
/// slot is used again, while it is looked after.
///
/// Accepted: one of the two closes it, once, and the message in the next lap arrives.
/// Would catch two tombstones for one ticket, and one over a later lap's message.
fn late_beside_another() {
    let world = World::new(MPMC, 1, 0);
    let mut receiver = world.receiver(CONSUMER);
    let (mut victim, mut sender) = (world.sender(OWNER), world.sender(OTHER));
    victim.claim(1).expect("there is room");
    world.mark_dead(OWNER);
    let others = thread::spawn({
        let world = world.clone();
        move || {
            assert!(world.is_dead(OWNER));
            assert_eq!(receiver.try_recv_or_resolve(), None);
            (sender.try_send(20), receiver)
        }
    });
    assert!(world.is_dead(OWNER));
    world.resolve(0);
    let (sent, mut receiver) = others.join().expect("the others end");
    assert_eq!(receiver.drain().len(), usize::from(sent));
    assert_eq!((world.roles().resolved(), world.roles().tombstones()), (1, 1));
    world.assert_all_taken();
}

/// Two consumers are stuck behind a ticket of the dead, and behind it is a message.
///
/// Accepted: one closes the ticket, one passes it, one gets the message. Would catch a
/// ticket that is closed or passed twice.
fn two_resolvers() {
    let world = World::new(MPMC, 2, 0);
    let (mut first, mut second) = (world.receiver(CONSUMER), world.receiver(BYSTANDER));
    let (mut victim, mut sender) = (world.sender(OWNER), world.sender(OTHER));
    victim.claim(1).expect("there is room");
    victim.write(7);
    world.mark_dead(OWNER);
    assert!(sender.try_send(20));
    let other = thread::spawn({
        let world = world.clone();
        move || {
            assert!(world.is_dead(OWNER));
            second.try_recv_or_resolve()
        }
    });
    assert!(world.is_dead(OWNER));
    let mut received: Vec<_> = first.try_recv_or_resolve().into_iter().collect();
    received.extend(other.join().expect("the consumer ends"));
    received.extend(first.drain());
    assert_eq!(received.iter().map(|one| one.id).collect::<Vec<_>>(), [20]);
    assert_eq!((world.roles().resolved(), world.roles().tombstones()), (1, 1));
}

/// A producer dies in the middle of its message. Someone closes its ticket, a consumer
/// passes that and sends into the same slot.
///
/// Accepted: there is nothing, or a tombstone, and in the end the new message. Would
/// catch a slot that is written while the dead one's stores are not over, and a
/// consumer that sees head past a tail it does not see.
fn slot_of_the_dead_again() {
    let world = World::new(MPMC, 1, 0);
    let mut receiver = world.receiver(CONSUMER);
    let (mut victim, mut sender) = (world.sender(OWNER), world.sender(OTHER));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            victim.claim(1).expect("nobody else does");
            victim.write(7);
            world.mark_dead(OWNER);
        }
    });
    let resolver = thread::spawn({
        let world = world.clone();
        move || world.resolve(0)
    });
    // Not before the victim: it would lose the ticket.
    let passed = receiver.try_recv().is_err() && world.roles().tombstones() == 1;
    let sent = passed && sender.try_send(20);
    assert_eq!(passed, sent);
    dying.join().expect("the victim ends");
    resolver.join().expect("the resolver ends");
    assert!(world.is_dead(OWNER));
    assert_eq!(receiver.drain().len(), usize::from(sent));
    assert_eq!(world.roles().resolved(), 1);
}

/// The same in a ring with one consumer, which closes the ticket itself.
fn slot_of_the_dead_again_alone() {
    let world = World::new(MPSC, 1, 0);
    let mut receiver = world.receiver(CONSUMER);
    let (mut victim, mut sender) = (world.sender(OWNER), world.sender(OTHER));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            victim.claim(1).expect("nobody is faster: the other waits for the tombstone");
            victim.write(7);
            world.mark_dead(OWNER);
        }
    });
    assert_eq!(receiver.try_recv_or_resolve(), None);
    let other = thread::spawn({
        let world = world.clone();
        move || world.roles().resolved() == 1 && sender.try_send(20)
    });
    receiver.drain();
    dying.join().expect("the victim ends");
    other.join().expect("the producer ends");
    assert!(world.is_dead(OWNER));
    receiver.drain();
    world.assert_all_taken();
}

/// A cleaner frees what a producer left that published and died, while its ticket is
/// looked after by someone who does not know of the death.
///
/// Accepted: the message arrives. Would catch a resolver that sees what the cleaner did
/// and not what the dead one did.
fn beside_a_cleaner() {
    let world = World::new(MPMC, 1, 0);
    let mut receiver = world.receiver(CONSUMER);
    let mut victim = world.sender(OWNER);
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            assert!(victim.try_send(10));
            world.mark_dead(OWNER);
        }
    });
    let cleaner = thread::spawn({
        let world = world.clone();
        move || {
            if world.is_dead(OWNER) {
                world.clean(OWNER);
            }
        }
    });
    assert_ne!(world.resolve(0), Resolved::Closed);
    dying.join().expect("the victim ends");
    cleaner.join().expect("the cleaner ends");
    assert_eq!(receiver.try_recv().map(|one| one.id), Ok(10));
}

/// The handle of a producer that died with its ticket open is freed and claimed again, by
/// one that sends nothing, while that ticket is looked after.
///
/// Accepted: the ticket is closed. Would catch a newcomer that is taken for the owner of
/// what its handle announced before.
fn handle_of_the_dead_again() {
    let world = World::new(MPMC, 1, 0);
    let mut victim = world.sender(OWNER);
    let mut receiver = world.receiver(CONSUMER);
    victim.claim(1).expect("there is room");
    let handle = victim.handle;
    world.mark_dead(OWNER);
    let newcomer = thread::spawn({
        let world = world.clone();
        move || {
            assert!(world.is_dead(OWNER));
            world.clean(OWNER);
            world.sender(OTHER)
        }
    });
    world.resolve(0);
    let mut newcomer = newcomer.join().expect("the newcomer has joined");
    assert_eq!(newcomer.handle, handle);
    assert!(receiver.drain().is_empty());
    assert_eq!(world.roles().resolved(), 1);
    assert!(newcomer.try_send(20), "there is room");
}

models! {
    HANDLE_AGAIN: handle_of_the_dead_again_bound_3, bound 3, at least 300,
        runs handle_of_the_dead_again;
    SLOW_OWNER: slow_owner_unbounded, bound none, at least 17, runs slow_owner;
    SLOW_BATCH: slow_owner_of_a_batch_unbounded, bound none, at least 440,
        runs slow_owner_of_a_batch;
    JUST_JOINED: owner_just_joined_unbounded, bound none, at least 17, runs owner_just_joined;
    ANNOUNCES_AGAIN: announces_again_unbounded, bound none, at least 170, runs announces_again;
    WITHDRAWS: withdraws_bound_3, bound 3, at least 4200, runs withdraws;
    OWNER_LEAVES: owner_leaves_unbounded, bound none, at least 440, runs owner_leaves;
    LOSER: loser_of_a_claim_unbounded, bound none, at least 76, runs loser_of_a_claim;
    ZERO_LOSER: loser_at_a_zero_stamp_unbounded, bound none, at least 76,
        runs loser_at_a_zero_stamp;
    LAST_LOSER: loser_at_the_last_position_unbounded, bound none, at least 76,
        runs loser_at_the_last_position;
    LATE: late_unbounded, bound none, at least 10000, runs late;
    LATE_BESIDE: late_beside_another_bound_3, bound 3, at least 8900, runs late_beside_another;
    TWO: two_resolvers_bound_2, bound 2, at least 3100, runs two_resolvers;
    AGAIN: slot_of_the_dead_again_bound_3, bound 3, at least 2200, runs slot_of_the_dead_again;
    AGAIN_ALONE: slot_of_the_dead_again_alone_bound_3, bound 3, at least 910,
        runs slot_of_the_dead_again_alone;
    CLEANER: beside_a_cleaner_bound_3, bound 3, at least 950, runs beside_a_cleaner;
}
