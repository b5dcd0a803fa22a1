//! Closing the ticket of a dead producer, access by access.

use super::config::{Config, Rule};
use super::memory::{Position, Stamp};
use super::moves::Violation;
use super::parties::Resolver;
use super::state::State;

/// Does the access that comes next; which one comes after it, if any.
pub(super) fn step(
    config: &Config,
    state: &mut State,
    ticket: Position,
    at: Resolver,
) -> Result<Option<Resolver>, Violation> {
    Ok(match at {
        Resolver::LoadTail if state.tail <= ticket => None,
        Resolver::LoadTail => Some(look_at(config, 0, state.tail - ticket > config.slots)),
        Resolver::LoadHolder { handle, is_far } => {
            Some(match state.handles[usize::from(handle)].holder {
                None => look_at(config, handle + 1, is_far),
                Some(holder) => Resolver::LoadIntent { handle, holder, is_far },
            })
        }
        Resolver::LoadIntent { handle, holder, is_far } => {
            let intent = state.handles[usize::from(handle)].intent;
            Some(if intent.contains(ticket) && config.has(Rule::LivenessCheck) {
                Resolver::IsAlive { handle, holder, is_far }
            } else {
                look_at(config, handle + 1, is_far)
            })
        }
        Resolver::IsAlive { handle, holder, is_far } => {
            let is_dead = state.producers[usize::from(holder)].is_dead();
            is_dead.then(|| look_at(config, handle + 1, is_far))
        }
        Resolver::LoadStamp { is_far } => {
            Some(Resolver::LoadHead { seen: state.slot(config, ticket).stamp, is_far })
        }
        Resolver::LoadHead { .. } if state.head != ticket && config.has(Rule::PassedCheck) => None,
        Resolver::LoadHead { seen, .. }
            if seen.is_for(ticket) && config.has(Rule::SettledCheck) =>
        {
            None
        }
        Resolver::LoadHead { is_far: true, .. } => {
            return Err(Violation("a tail reported as corrupt"));
        }
        Resolver::LoadHead { seen, .. } => Some(Resolver::Close { seen }),
        Resolver::Close { seen } => {
            if state.slot(config, ticket).stamp == seen {
                close(config, state, ticket)?;
            }
            None
        }
    })
}

/// The look at a handle, or what follows on the last.
fn look_at(config: &Config, handle: u8, is_far: bool) -> Resolver {
    if handle < config.handles {
        Resolver::LoadHolder { handle, is_far }
    } else {
        Resolver::LoadStamp { is_far }
    }
}

/// Puts a tombstone on the ticket.
fn close(config: &Config, state: &mut State, ticket: Position) -> Result<(), Violation> {
    if state.producers.iter().any(|producer| producer.has_open(ticket)) {
        return Err(Violation("a tombstone on a ticket of the living"));
    }
    let slot = state.slot_mut(config, ticket);
    if slot.stamp.has_reached(ticket) {
        return Err(Violation("a tombstone on a published ticket or a later lap"));
    }
    slot.stamp = Stamp::Tombstone(ticket);
    Ok(())
}
