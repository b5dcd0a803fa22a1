//! A message that takes several slots: the stamps of its parts come first, and that of its first
//! slot commits it.

use super::config::{Config, Rule};
use super::memory::{Message, Position, Stamp};
use super::moves::Violation;
use super::parties::{At, Consumer, Copies};
use super::producer::{next_batch, store_stamp};
use super::state::State;

pub(super) const MISSED_PART: &str = "a part reported as corrupt";

/// Does a producer's next access; which one comes after it.
pub(super) fn step(config: &Config, state: &mut State, me: usize) -> Result<At, Violation> {
    let producer = state.producers[me];
    let message = config.message(me, producer.sent);
    Ok(match producer.at {
        At::WritePart { at, next, end } => {
            state.slot_mut(config, at).words[0] = message;
            match at + 1 {
                at if at < end => At::WritePart { at, next, end },
                _ if config.has(Rule::CommitLast) => At::StampPart { at: end - 1, next, end },
                _ => At::Commit { next, end },
            }
        }
        At::StampPart { at, next, end } => {
            store_stamp(config, state, at, Stamp::Part(at))?;
            match at - 1 {
                at if at > next => At::StampPart { at, next, end },
                _ if config.has(Rule::CommitLast) => At::Commit { next, end },
                _ => done(config, state, me),
            }
        }
        At::Commit { next, end } => {
            state.pending |= 1 << message.0;
            store_stamp(config, state, next, Stamp::Spanning(next, end))?;
            if config.has(Rule::CommitLast) {
                done(config, state, me)
            } else {
                At::StampPart { at: end - 1, next, end }
            }
        }
        _ => unreachable!("not in such a message"),
    })
}

fn done(config: &Config, state: &mut State, me: usize) -> At {
    state.producers[me].sent += 1;
    next_batch(config, state, me)
}

/// Loads the stamp of the part at `at`; what the consumer does then.
pub(super) fn check(
    config: &Config,
    state: &State,
    head: Position,
    at: Position,
    end: Position,
) -> Result<Consumer, Violation> {
    if state.slot(config, at).stamp == Stamp::Part(at) {
        return Ok(match at + 1 {
            at if at < end => Consumer::CheckPart { head, at, end },
            _ => Consumer::CopyPart { head, at: head, end, copy: None },
        });
    }
    if config.has(Rule::PartsOfALaterLap) {
        return Ok(Consumer::MissedPart { head });
    }
    Err(Violation(MISSED_PART))
}

/// Loads the word of the slot of `at`; what the consumer does then.
pub(super) fn copy(
    config: &Config,
    state: &State,
    head: Position,
    at: Position,
    end: Position,
    copy: Option<Message>,
) -> Consumer {
    let word = state.slot(config, at).words[0];
    let copy = if copy.is_none_or(|copy| copy == word) { word } else { Message::TORN };
    match at + 1 {
        at if at < end => Consumer::CopyPart { head, at, end, copy: Some(copy) },
        _ => Consumer::Take { head, to: end, copies: Copies::of_parts(copy) },
    }
}
