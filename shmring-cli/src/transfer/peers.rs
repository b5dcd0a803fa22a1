//! What a transfer that waits reports about its peers.

use std::time::{Duration, Instant};

use shmring::{NameState, Segment};

use crate::transfer::meter::{Meter, Way};

/// Checks cost system calls, some for each attachment.
const INTERVAL: Duration = Duration::from_millis(500);

/// Why nothing moves. To be asked after each wait that was in vain.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    segment: &'a Segment,
    /// Whether the segment's name still meant it when it was last checked.
    is_named: bool,
    checked: Option<Instant>,
}

impl<'a> Waiting<'a> {
    /// `is_named`: whether the segment was attached by a name.
    pub(crate) fn new(segment: &'a Segment, is_named: bool) -> Self {
        Self { segment, is_named, checked: None }
    }

    pub(crate) fn look(&mut self, meter: &Meter) {
        if self.checked.is_some_and(|checked| checked.elapsed() < INTERVAL) {
            return;
        }
        self.checked = Some(Instant::now());
        // A check that fails says nothing about the name; the next one may succeed.
        if self.is_named
            && let Ok(state @ (NameState::Removed | NameState::Replaced)) =
                self.segment.name_state()
        {
            self.is_named = false;
            meter.say(self.lost_name(state, meter.way()));
        }
        if meter.is_shown() {
            meter.set_lacks_peer(self.lacks_peer(meter.way()));
        }
    }

    /// Returns `true` if nobody has a handle for the other end. A ring that cannot be read is
    /// reported by the transfer itself.
    pub(crate) fn lacks_peer(&self, way: Way) -> bool {
        self.segment.status().is_ok_and(|status| match way {
            Way::In => status.ring().consumers.is_empty(),
            Way::Out => status.ring().producers.is_empty(),
        })
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
