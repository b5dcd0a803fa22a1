//! What a transfer that waits reports about its peers.

use std::sync::Arc;

use shmring::{NameState, Segment};

use crate::transfer::meter::{Reporter, Way};

/// Finds out why a transfer waits: its name may be gone, or no peer may be there.
#[derive(Debug)]
pub(crate) struct PeerCheck {
    segment: Arc<Segment>,
    /// Whether the segment's name still meant it when it was last checked.
    is_named: bool,
    reporter: Reporter,
}

impl PeerCheck {
    /// `is_named`: whether the segment was attached by a name.
    pub(crate) fn new(segment: &Arc<Segment>, is_named: bool, reporter: Reporter) -> Self {
        Self { segment: Arc::clone(segment), is_named, reporter }
    }

    /// Returns `true` if no check has anything to report any more.
    pub(crate) fn is_done(&self) -> bool {
        !self.is_named && !self.reporter.is_shown()
    }

    pub(crate) fn check(&mut self) {
        let way = self.reporter.way();
        // A check that fails says nothing about the name; the next one may succeed.
        if self.is_named
            && let Ok(state @ (NameState::Removed | NameState::Replaced)) =
                self.segment.name_state()
        {
            self.is_named = false;
            self.reporter.say(self.lost_name(state, way));
        }
        if self.reporter.is_shown() {
            self.reporter.set_lacks_peer(lacks_peer(&self.segment, way));
        }
    }

    fn lost_name(&self, state: NameState, way: Way) -> String {
        let name = &self.segment.info().name;
        let peer = way.peer();
        match state {
            NameState::Removed => {
                format!("{name:?}: the name was removed; no new {peer} can attach to this ring")
            }
            _ => format!(
                "{name:?}: the name now means another segment; a new {peer} attaches to that \
                 one, not to this ring"
            ),
        }
    }
}

/// Returns `true` if no process has a handle for the other end. A ring that cannot be read is
/// reported by the transfer itself.
pub(crate) fn lacks_peer(segment: &Segment, way: Way) -> bool {
    segment.status().is_ok_and(|status| match way {
        Way::In => status.ring().consumers.is_empty(),
        Way::Out => status.ring().producers.is_empty(),
    })
}
