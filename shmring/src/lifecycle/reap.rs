//! Reaping: which attachments are dead, and the release of what they held.

use crate::error::{Fault, OsError};
use crate::format::{Geometry, many};
use crate::info::Kind;
use crate::memory::mapping::Mapping;
use crate::ring::membership::Held;
use crate::ring::slot::{self, Slots};
use crate::ring::{jobs, membership, tables, wake};
use crate::sys::token::{Look, Probe};

/// Attachments that a short check covers, in about 16 us. A table has up to 256, so 16 checks cover
/// all.
const PORTION: usize = 16;

/// Reaps the dead, on behalf of the attachment `me`, or of a process that has none yet.
pub(crate) fn reap(
    mapping: &Mapping,
    probe: &Probe,
    geometry: &Geometry,
    me: Option<usize>,
) -> Result<(), OsError> {
    let all = mapping.attachments().len();
    Sweep::new(mapping, probe, geometry, me)?.some(0, all).map(|_| ())
}

/// A check of a segment's attachments.
pub(super) struct Sweep<'a> {
    mapping: &'a Mapping,
    look: Look<'a>,
    geometry: &'a Geometry,
    me: Option<usize>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(
        mapping: &'a Mapping,
        probe: &'a Probe,
        geometry: &'a Geometry,
        me: Option<usize>,
    ) -> Result<Self, OsError> {
        Ok(Self { mapping, look: probe.look()?, geometry, me })
    }

    /// Checks a few active attachments, from the entry `start` on, and reaps the dead ones. Returns
    /// how many entries it covered.
    pub(super) fn portion(&self, start: usize) -> Result<usize, OsError> {
        self.some(start, PORTION)
    }

    /// As [`portion`](Self::portion), up to `max` attachments.
    fn some(&self, start: usize, max: usize) -> Result<usize, OsError> {
        let attachments = self.mapping.attachments();
        let mut checked = 0_usize;
        for offset in 0..attachments.len() {
            if checked == max {
                return Ok(offset);
            }
            let index = start.wrapping_add(offset).checked_rem(attachments.len()).unwrap_or(0);
            let Some(entry) = attachments.get(index).filter(|entry| entry.is_active()) else {
                continue;
            };
            if Some(index) != self.me {
                checked = checked.saturating_add(1);
                self.check(index, entry)?;
            }
        }
        Ok(attachments.len())
    }

    fn check(&self, index: usize, entry: &tables::AttachmentEntry) -> Result<(), OsError> {
        let byte = self.geometry.attach(index);
        // Locking the entries of the living would cost more, as every entry is checked.
        if self.look.seems_alive(byte)? {
            return Ok(());
        }
        let (mapping, handles) = (self.mapping, self.mapping.handles());
        let clean = || {
            // Its owner may have detached in between.
            if entry.is_active() {
                let held = |ring| held_of(mapping, self.geometry, ring);
                membership::reap_attachment(held, handles, index);
                mapping.wake_all();
                // The dead one may have taken a sleeper's bit and not woken it.
                handles.iter().filter(|handle| handle.attach().is_some()).for_each(wake::poke);
            }
        };
        let free = || {
            if entry.is_active() {
                membership::free_handles(mapping.first_control(), handles, index);
                entry.free();
            }
        };
        self.look.reap(byte, clean, free)
    }
}

/// Returns what the handles of a ring are released from.
fn held_of<'a>(mapping: &'a Mapping, geometry: &Geometry, ring: usize) -> Option<Held<'a>> {
    let (control, shape) = (mapping.control(ring)?, geometry.rings.get(ring)?);
    let jobs = (shape.kind() == Kind::Jobs).then(|| mapping.words(ring)).flatten().map(|words| {
        let slots = Slots::new(words, shape.slot_sizes());
        jobs::Ring::new(control, slot::Ring::new(control, slots, many(shape.kind())))
    });
    Some(Held::new(control, jobs))
}

/// Converts the error of a check whether a peer is alive.
pub(crate) fn refused(error: OsError) -> Fault {
    Fault::ProbeRefused { call: error.call, errno: error.errno() }
}
