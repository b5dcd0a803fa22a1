//! A producer's life: it joins, sends its batches, and leaves.

use super::config::{Config, Rule};
use super::memory::{Handle, Intent, Position, Stamp};
use super::moves::{Moves, Party, Violation};
use super::parties::{At, Producer};
use super::span;
use super::state::State;

/// What producer number `me` can do next.
pub(super) fn steps(
    config: &Config,
    before: &State,
    me: usize,
    moves: &mut Moves,
) -> Result<(), Violation> {
    let producer = &before.producers[me];
    match producer.at {
        At::Gone | At::Dead => return Ok(()),
        At::Join => join(config, before, me, moves),
        _ => {
            let mut after = *before;
            after.producers[me].at = step(config, &mut after, me)?;
            if after.producers[me].at == At::Gone {
                after.producers[me] = Producer::GONE;
            }
            moves.add(Party::Producer(me), after);
        }
    }
    if let At::Write { next, end, .. } | At::Publish { next, end } = producer.at
        && config.abandons
    {
        let mut after = *before;
        after.producers[me].at = if config.has(Rule::AbandonCloses) {
            abandon(config, &mut after, me, next, end)?
        } else {
            let given_up = end - next;
            after.producers[me].sent += given_up;
            next_batch(config, &mut after, me)
        };
        moves.add(Party::Producer(me), after);
    }
    Ok(())
}

/// Claims any of the free handles.
fn join(config: &Config, before: &State, me: usize, moves: &mut Moves) {
    for handle in 0..config.handles {
        if before.handles[usize::from(handle)].holder.is_none() {
            let mut after = *before;
            after.handles[usize::from(handle)].holder = Some(me as u8);
            after.producers[me] = Producer { at: At::TakeOver, handle, ..Producer::NEW };
            moves.add(Party::Producer(me), after);
        }
    }
}

/// Does the access that comes next; which one comes after it.
fn step(config: &Config, state: &mut State, me: usize) -> Result<At, Violation> {
    let producer = state.producers[me];
    let count = config.batch(me, producer.batch).unwrap_or_default();
    let State { tail: shared_tail, head: shared_head, .. } = *state;
    let shared_handle: &mut Handle = &mut state.handles[usize::from(producer.handle)];
    Ok(match producer.at {
        At::TakeOver => {
            state.producers[me].head_cache = shared_head;
            At::LoadTail
        }
        At::LoadTail => {
            let tail = shared_tail;
            if tail < producer.head_cache {
                return Err(Violation("a tail reported as corrupt"));
            }
            if tail + count - producer.head_cache > config.slots {
                At::MakeRoom { tail }
            } else {
                claim(config, tail)
            }
        }
        At::MakeRoom { tail } => {
            let head = shared_head;
            state.producers[me].head_cache = head;
            if tail < head {
                At::LoadTail
            } else if tail - head > config.slots {
                return Err(Violation("a head reported as corrupt"));
            } else if tail - head + count > config.slots {
                // Full. What the caller does in between does not matter here.
                At::LoadTail
            } else {
                claim(config, tail)
            }
        }
        At::Announce { tail } => {
            shared_handle.intent = Intent { first: tail, count };
            let announced_first = config.has(Rule::AnnounceFirst);
            if announced_first { At::Claim { tail } } else { write_all(config, tail, tail + count) }
        }
        At::Claim { tail } if shared_tail == tail => {
            state.tail = tail + count;
            let announced_first = config.has(Rule::AnnounceFirst);
            if announced_first {
                write_all(config, tail, tail + count)
            } else {
                At::Announce { tail }
            }
        }
        At::Claim { .. } if config.has(Rule::Withdraw) => At::Withdraw,
        At::Claim { .. } => At::LoadTail,
        At::Withdraw => {
            shared_handle.intent = Intent::IDLE;
            At::LoadTail
        }
        At::Write { word, next, end } => {
            state.slot_mut(config, next).words[usize::from(word)] =
                config.message(me, producer.sent);
            match word {
                0 => At::Write { word: 1, next, end },
                _ => At::Publish { next, end },
            }
        }
        At::Publish { next, end } => {
            state.pending |= 1 << config.message(me, producer.sent).0;
            store_stamp(config, state, next, Stamp::Published(next))?;
            state.producers[me].sent += 1;
            match next + 1 {
                next if next == end => next_batch(config, state, me),
                next => write(next, end),
            }
        }
        At::WritePart { .. } | At::StampPart { .. } | At::Commit { .. } => {
            return span::step(config, state, me);
        }
        At::Abandon { next, end } => abandon(config, state, me, next, end)?,
        At::LeaveIntent => {
            shared_handle.intent = Intent::IDLE;
            if config.has(Rule::WithdrawBeforeFree) { At::LeaveHandle } else { At::Gone }
        }
        At::LeaveHandle => {
            shared_handle.holder = None;
            if config.has(Rule::WithdrawBeforeFree) { At::Gone } else { At::LeaveIntent }
        }
        At::Join | At::Gone | At::Dead => unreachable!("has no single step"),
    })
}

fn claim(config: &Config, tail: Position) -> At {
    if config.has(Rule::AnnounceFirst) { At::Announce { tail } } else { At::Claim { tail } }
}

/// The first access to the slots of the tickets that were claimed.
fn write_all(config: &Config, next: Position, end: Position) -> At {
    if config.spans && end - next > 1 {
        At::WritePart { at: next, next, end }
    } else {
        write(next, end)
    }
}

fn write(next: Position, end: Position) -> At {
    At::Write { word: 0, next, end }
}

pub(super) fn next_batch(config: &Config, state: &mut State, me: usize) -> At {
    let producer = &mut state.producers[me];
    producer.batch += 1;
    match config.batch(me, producer.batch) {
        Some(_) => At::LoadTail,
        None if config.has(Rule::WithdrawBeforeFree) => At::LeaveIntent,
        None => At::LeaveHandle,
    }
}

/// Gives the oldest open ticket up.
fn abandon(
    config: &Config,
    state: &mut State,
    me: usize,
    next: Position,
    end: Position,
) -> Result<At, Violation> {
    store_stamp(config, state, next, Stamp::Tombstone(next))?;
    state.producers[me].sent += 1;
    Ok(match next + 1 {
        next if next == end => next_batch(config, state, me),
        next => At::Abandon { next, end },
    })
}

/// Ends a ticket of the living. The slot is theirs: nobody else has touched it.
pub(super) fn store_stamp(
    config: &Config,
    state: &mut State,
    ticket: Position,
    stamp: Stamp,
) -> Result<(), Violation> {
    let slot = state.slot_mut(config, ticket);
    if slot.stamp.has_reached(ticket) {
        return Err(Violation("a late publish over a tombstone or a later lap"));
    }
    slot.stamp = stamp;
    Ok(())
}
