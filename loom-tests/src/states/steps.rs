//! All that can happen next in a state.

use super::config::{Config, Rule};
use super::memory::Intent;
use super::moves::{Moves, Party, Violation};
use super::parties::{Consumer, Producer};
use super::state::State;
use super::{consumer, producer};

/// Adds everything that can happen next in a state.
pub(super) fn steps(
    config: &Config,
    before: &State,
    moves: &mut Moves,
) -> Result<(), (Party, Violation)> {
    for me in 0..config.producers() {
        let producer = Party::Producer(me);
        producer::steps(config, before, me, moves).map_err(|violation| (producer, violation))?;
    }
    for me in 0..before.consumers.len() {
        // Consumers are alike: what one of two in the same place does is enough.
        if me == 0 || before.consumers[me] != before.consumers[me - 1] {
            consumer::steps(config, before, me, moves)
                .map_err(|violation| (Party::Consumer, violation))?;
        }
    }
    if config.has_cleaner {
        clean(config, before, moves);
    }
    if before.deaths < config.deaths {
        kill(before, moves);
    }
    Ok(())
}

/// A step of the cleaner, at the handle of any dead producer. It needs no memory of
/// its own: nobody else writes the handles of the dead, and a cleaner that dies is
/// followed by one that begins anew.
fn clean(config: &Config, before: &State, moves: &mut Moves) {
    for (index, handle) in before.handles.iter().enumerate() {
        let is_dead = |holder: u8| before.producers[usize::from(holder)].is_dead();
        if !handle.holder.is_some_and(is_dead) {
            continue;
        }
        let mut after = *before;
        if handle.intent != Intent::IDLE && config.has(Rule::CleanerWithdraws) {
            after.handles[index].intent = Intent::IDLE;
        } else {
            after.handles[index].holder = None;
        }
        moves.add(Party::Cleaner, after);
    }
}

/// Kills any producer or consumer. The last consumer has a successor.
fn kill(before: &State, moves: &mut Moves) {
    let mut dying = *before;
    dying.deaths += 1;
    for (me, _) in before.producers.iter().enumerate().filter(|(_, it)| it.can_die()) {
        let mut after = dying;
        after.producers[me] = Producer::DEAD;
        moves.add(Party::Killer, after);
    }
    let alive = before.consumers.iter().filter(|consumer| consumer.is_alive()).count();
    for (me, _) in before.consumers.iter().enumerate().filter(|(_, it)| it.is_alive()) {
        let mut after = dying;
        after.consumers[me] = if alive > 1 { Consumer::Dead } else { Consumer::NEW };
        moves.add(Party::Killer, after);
    }
}
