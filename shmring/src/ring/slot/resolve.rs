//! Closes the tickets of dead producers.

use super::intent::announces;
use super::{Ring, stamp};
use crate::ring::tables::{Handle, Owner};
use crate::ring::{Corrupt, at_or_past};
use crate::sync::{Ordering, rule};

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// No producer has claimed it.
    Unclaimed,
    /// The attachment of that index announced it and is alive: the owner, or one that loses
    /// the claim and will withdraw.
    Announced { attach: usize },
    /// It was published, closed or passed before.
    Settled,
    /// It has a tombstone now.
    Closed,
    /// Another process changed the stamp meanwhile, to this.
    Lost { seen: u64 },
}

/// Closes the ticket of `position`, behind which a consumer is stuck, if its owner
/// died. `index` is that of the ring among those of its segment, whose handles are in one
/// table. `is_alive` returns whether an attachment is alive, as the kernel says (I8).
///
/// # Errors
/// `Corrupt` if tail lies outside the window (I1).
pub(crate) fn resolve(
    ring: Ring<'_>,
    index: usize,
    handles: &[Handle],
    position: u64,
    is_alive: impl Fn(usize) -> bool,
) -> Result<Resolved, Corrupt> {
    // ORDERING: Acquire, with the Release of the CAS in Producer::claim_beside_others:
    // the owner's handle is seen held, and its announcement is seen, or a later one.
    let tail = ring.tail.load(Ordering::Acquire);
    if at_or_past(position, tail) {
        return Ok(Resolved::Unclaimed);
    }
    for handle in handles {
        // A producer publishes or abandons its tickets before it releases its handle, or it died
        // and has been reaped.
        let Some(Owner { attach, .. }) = handle.owner().filter(|owner| owner.ring == index) else {
            continue;
        };
        // ORDERING: Acquire, with the Release in Producer::claim_beside_others and in
        // withdraw: a producer publishes a ticket before it announces the next one.
        let intent = handle.own.intent.load(Ordering::Acquire);
        if rule(announces(intent, position) && is_alive(attach)) {
            return Ok(Resolved::Announced { attach });
        }
    }
    let slot = ring.slots.stamp(position);
    // ORDERING: Acquire, with the Release in Producer::publish: if this is a later
    // lap's stamp, head is seen past the position.
    let seen = slot.load(Ordering::Acquire);
    let head = ring.head.load(Ordering::Relaxed);
    // Workers are stuck at next, somewhere behind head.
    let is_stuck = if ring.is_of_jobs() {
        !at_or_past(head, position.wrapping_add(1))
    } else {
        head == position
    };
    if rule(!is_stuck) {
        return Ok(Resolved::Settled);
    }
    if rule(stamp::is_for(seen, position)) {
        return Ok(Resolved::Settled);
    }
    if tail.wrapping_sub(position) > ring.slots() {
        return Err(Corrupt { what: "tail", position, found: tail });
    }
    let tombstone = stamp::tombstone(position);
    // ORDERING: Release, with the Acquire in Ring::load: who passes the tombstone
    // knows that tail is past it. What a failure loads is not used.
    match slot.compare_exchange(seen, tombstone, Ordering::Release, Ordering::Relaxed) {
        Ok(_) => {
            ring.resolved.fetch_add(1, Ordering::Relaxed);
            Ok(Resolved::Closed)
        }
        Err(seen) => Ok(Resolved::Lost { seen }),
    }
}
