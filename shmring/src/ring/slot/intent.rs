//! The intent: what a competing producer announces before it claims tickets.

use core::ops::Range;

use crate::sync::{AtomicU64, Ordering};

/// An intent names the tickets `first..first + count`: `first mod 2^39 : 39 | count : 25`.
/// A count of 0 announces nothing.
const COUNT_BITS: u32 = 25;
const IDLE: u64 = 0;

/// Returns the intent that announces `count` tickets from `first` on.
#[inline]
pub(super) fn announcement(first: u64, count: u64) -> u64 {
    first << COUNT_BITS | count
}

/// Returns the tickets that an intent announces, those closest to `near`.
#[inline]
pub(crate) fn announced(intent: u64, near: u64) -> Range<u64> {
    let count = intent & ((1 << COUNT_BITS) - 1);
    let from_near = (intent & !((1 << COUNT_BITS) - 1)).wrapping_sub(near << COUNT_BITS);
    let first = near.wrapping_add_signed(from_near.cast_signed() >> COUNT_BITS);
    first..first.wrapping_add(count)
}

/// Whether an intent announces `position`, or one 2^39 positions away: then resolve
/// waits for nothing, which costs time only.
pub(super) fn announces(intent: u64, position: u64) -> bool {
    let tickets = announced(intent, position);
    position.wrapping_sub(tickets.start) < tickets.end.wrapping_sub(tickets.start)
}

/// Withdraws the announcement.
pub(crate) fn withdraw(intent: &AtomicU64) {
    // ORDERING: Release, with the Acquire in resolve: an earlier ticket of this owner
    // is seen as published by whoever misses its announcement.
    intent.store(IDLE, Ordering::Release);
}
