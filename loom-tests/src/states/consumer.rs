//! A consumer's loop: it looks, copies, takes, and resolves when it is stuck.

use super::config::{Config, Rule};
use super::memory::{Message, Stamp};
use super::moves::{Moves, Party, Violation};
use super::parties::{Consumer, Copies, Resolver};
use super::resolve;
use super::span;
use super::state::State;

/// What consumer number `me` does next.
pub(super) fn steps(
    config: &Config,
    before: &State,
    me: usize,
    moves: &mut Moves,
) -> Result<(), Violation> {
    if before.consumers[me].is_alive() {
        let mut after = *before;
        after.consumers[me] = step(config, &mut after, before.consumers[me])?;
        moves.add(Party::Consumer, after);
    }
    Ok(())
}

/// Does the access that comes next; which one comes after it.
fn step(config: &Config, state: &mut State, at: Consumer) -> Result<Consumer, Violation> {
    Ok(match at {
        Consumer::LoadHead => Consumer::LoadStamp { head: state.head },
        Consumer::LoadStamp { head } => match state.slot(config, head).stamp {
            Stamp::Published(position) if position == head => {
                let (from, copies) = (head, Copies::NONE);
                if config.has(Rule::CopyFirst) {
                    Consumer::Copy { head, from, copies }
                } else {
                    Consumer::Take { head, to: head + 1, copies }
                }
            }
            Stamp::Spanning(position, end) if position == head => {
                Consumer::CheckPart { head, at: head + 1, end }
            }
            Stamp::Tombstone(position) if position == head && config.has(Rule::SkipTombstones) => {
                Consumer::Skip { head }
            }
            Stamp::Part(position) if position == head && config.has(Rule::SkipParts) => {
                Consumer::Skip { head }
            }
            _ => Consumer::HasHeadMoved { head },
        },
        Consumer::Copy { head, from, copies } => {
            let word = state.slot(config, from).words[0];
            Consumer::CopyRest { head, from, word, copies }
        }
        Consumer::CopyRest { head, from, word, copies } => {
            let copies = copies.and([word, state.slot(config, from).words[1]]);
            if !config.has(Rule::CopyFirst) {
                deliver(config, state, copies)?;
                Consumer::LoadHead
            } else if copies.count() < config.takes && from + 1 - head < config.slots {
                Consumer::LookAhead { head, from: from + 1, copies }
            } else {
                Consumer::Take { head, to: from + 1, copies }
            }
        }
        Consumer::LookAhead { head, from, copies } => match state.slot(config, from).stamp {
            Stamp::Published(position) if position == from => Consumer::Copy { head, from, copies },
            Stamp::Tombstone(position) if position == from && from + 1 - head < config.slots => {
                Consumer::LookAhead { head, from: from + 1, copies }
            }
            _ => Consumer::Take { head, to: head + copies.count(), copies },
        },
        Consumer::CheckPart { head, at, end } => span::check(config, state, head, at, end)?,
        Consumer::MissedPart { head } if state.head != head => Consumer::LoadHead,
        Consumer::MissedPart { .. } => return Err(Violation(span::MISSED_PART)),
        Consumer::CopyPart { head, at, end, copy } => {
            span::copy(config, state, head, at, end, copy)
        }
        Consumer::Take { head, .. } if state.head != head => Consumer::LoadHead,
        Consumer::Take { head, to, copies } => {
            state.head = to;
            if config.has(Rule::CopyFirst) {
                deliver(config, state, copies)?;
                Consumer::LoadHead
            } else {
                Consumer::Copy { head, from: head, copies }
            }
        }
        Consumer::Skip { head } => {
            if state.head == head {
                state.head = head + 1;
            }
            Consumer::LoadHead
        }
        Consumer::HasHeadMoved { head } if state.head != head => Consumer::LoadHead,
        Consumer::HasHeadMoved { head } => Consumer::IsClaimed { head },
        Consumer::IsClaimed { head } if state.tail < head => {
            return Err(Violation("a tail reported as corrupt"));
        }
        Consumer::IsClaimed { head } if state.tail > head && config.has(Rule::Resolve) => {
            Consumer::Resolve { ticket: head, resolver: Resolver::NEW }
        }
        Consumer::IsClaimed { .. } => Consumer::LoadHead,
        Consumer::Resolve { ticket, resolver } => {
            match resolve::step(config, state, ticket, resolver)? {
                Some(resolver) => Consumer::Resolve { ticket, resolver },
                None => Consumer::LoadHead,
            }
        }
        Consumer::Dead => unreachable!("the dead do nothing"),
    })
}

/// Hands the copies to whoever asked for messages.
fn deliver(config: &Config, state: &mut State, copies: Copies) -> Result<(), Violation> {
    for message in copies.iter() {
        if message == Message::TORN {
            return Err(Violation("a torn message"));
        }
        let is_pending = |message: Message| state.pending >> message.0 & 1 != 0;
        if message == Message::NONE || !is_pending(message) {
            return Err(Violation("a message delivered twice, or never published"));
        }
        if config.earlier(message).any(is_pending) {
            return Err(Violation("a message before an earlier one of its producer"));
        }
        state.pending &= !(1 << message.0);
    }
    Ok(())
}
