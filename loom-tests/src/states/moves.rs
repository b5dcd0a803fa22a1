//! Steps, and what none of them may do.

use super::state::State;

/// What must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation(pub(super) &'static str);

/// Whose step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Producer(usize),
    Consumer,
    Cleaner,
    /// Somebody is killed. No way to the end may depend on that.
    Killer,
}

/// Steps and the states that they lead to.
#[derive(Default)]
pub(super) struct Moves(Vec<(Party, State)>);

impl Moves {
    pub(super) fn add(&mut self, party: Party, after: State) {
        self.0.push((party, after.canonical()));
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Party, State)> {
        self.0.drain(..)
    }
}
