//! What a publisher counts to choose between its fences and the sleepers' barriers.

use core::cell::Cell;

use super::sleepers::SLEEPERS_PER_WORD;

/// Publishes in a row that fence and meet no sleeper before words are relaxed. Their fences cost
/// about as much as one barrier, so no traffic pays more than about twice its best mode.
const RELAX_AFTER: u32 = 1024;

/// How the publishes of one handle are ordered before their looks for sleepers.
#[derive(Debug)]
pub(crate) struct PublishFences {
    /// Whether barriers of other processes do not reach this one. It leaves the mode alone: where
    /// barriers are missing, words stay HEAVY.
    pub(super) always: bool,
    /// Whether a first word that is 0 does not say that a publish wakes nobody: it always fences, or
    /// the table has more words.
    pub(super) looks_further: bool,
    /// Publishes in a row that fenced and met no sleeper.
    unmet: Cell<u32>,
    relax_after: u32,
}

impl PublishFences {
    /// For a table of `handles`. `reached` says whether barriers of all others reach this process.
    pub(crate) fn new(reached: bool, handles: usize) -> Self {
        Self::relaxing_after(RELAX_AFTER, reached, handles)
    }

    /// As [`new`](Self::new), for models, whose publishers relax sooner.
    pub(crate) fn relaxing_after(relax_after: u32, reached: bool, handles: usize) -> Self {
        let looks_further = !reached || handles > SLEEPERS_PER_WORD;
        Self { always: !reached, looks_further, unmet: Cell::new(0), relax_after }
    }

    /// Counts a publish that fenced for a word. Returns `true` if words without sleepers are to be
    /// relaxed.
    pub(super) fn is_enough(&self, met_sleeper: bool) -> bool {
        let unmet = if met_sleeper { 0 } else { self.unmet.get().saturating_add(1) };
        let enough = unmet >= self.relax_after && !self.always;
        self.unmet.set(if enough { 0 } else { unmet });
        enough
    }
}
