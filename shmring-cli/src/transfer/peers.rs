//! What a transfer that waits reports about its peers.

use std::sync::{Arc, Weak};

use shmring::{NameState, Segment};

use crate::transfer::meter::{Reporter, Way};

/// Finds out why a transfer waits: names may be gone, or no peer may be there.
#[derive(Debug)]
pub(crate) struct PeerCheck {
    rings: Vec<Ring>,
    reporter: Reporter,
}

#[derive(Debug)]
struct Ring {
    /// Gone once the transfer has left the ring.
    segment: Weak<Segment>,
    /// Whether the segment's name still meant it when it was last checked.
    is_named: bool,
}

impl PeerCheck {
    /// `is_named`: whether the segments were attached by names.
    pub(crate) fn new<'a>(
        segments: impl IntoIterator<Item = &'a Arc<Segment>>,
        is_named: bool,
        reporter: Reporter,
    ) -> Self {
        let ring = |segment| Ring { segment: Arc::downgrade(segment), is_named };
        Self { rings: segments.into_iter().map(ring).collect(), reporter }
    }

    /// Returns `true` if no check has anything to report any more.
    pub(crate) fn is_done(&self) -> bool {
        !self.reporter.is_shown() && !self.rings.iter().any(|ring| ring.is_named)
    }

    pub(crate) fn check(&mut self) {
        let Self { rings, reporter } = self;
        let way = reporter.way();
        let mut lacks_peers = true;
        rings.retain_mut(|Ring { segment, is_named }| {
            let Some(segment) = segment.upgrade() else {
                return false;
            };
            // A check that fails says nothing about the name; the next one may succeed.
            if *is_named
                && let Ok(state @ (NameState::Removed | NameState::Replaced)) = segment.name_state()
            {
                *is_named = false;
                reporter.say(lost_name(&segment, state, way));
            }
            lacks_peers &= !reporter.is_shown() || lacks_peer(&segment, way);
            true
        });
        if reporter.is_shown() {
            reporter.set_lacks_peer(lacks_peers);
        }
    }
}

fn lost_name(segment: &Segment, state: NameState, way: Way) -> String {
    let name = &segment.info().name;
    let peer = way.peer();
    match state {
        NameState::Removed => {
            format!("{name:?}: the name was removed; no new {peer} can attach to this ring")
        }
        _ => format!(
            "{name:?}: the name now means another segment; a new {peer} attaches to that one, \
             not to this ring"
        ),
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
