//! Looking at a segment without joining it.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::attach::participant;
use super::find::{Found, find, has_magic};
use super::mapping::Mapping;
use super::name::Name;
use super::options::AttachOptions;
use crate::error::{AttachError, Fault, OsError, ReceiveError, Role};
use crate::facts::{Description, Participant, Status};
use crate::layout::{Geometry, Shape, many};
use crate::ring::packed;
use crate::ring::slot::{self, Slots};
use crate::ring::{WORD_BYTES, Words, record};
use crate::sys::shm;
use crate::sys::token::Probe;

/// The status of a mapped segment; `participant` tells who is in an attach entry.
pub(super) fn status(
    mapping: &Mapping,
    shape: Shape,
    participant: impl Fn(usize) -> Option<Participant>,
) -> Status {
    let control = mapping.control();
    let roles = &control.roles;
    let (used, messages_received) = match shape {
        Shape::Records { .. } => record::Ring::new(control, Words::new(mapping.words())).observe(),
        Shape::Slots { kind, slots, slot_bytes, .. } => {
            let slots = Slots::new(mapping.words(), slots, slot_bytes / WORD_BYTES);
            slot::Ring::new(control, slots, many(kind)).observe()
        }
        Shape::Elements { slots, .. } => packed::Ring::new(control, slots).observe(),
    };
    let holders = |role| {
        let attach = |handle: usize| mapping.handles().get(handle)?.attach();
        roles.holders(role).filter_map(attach).filter_map(&participant).collect()
    };
    Status {
        used_bytes: used.saturating_mul(shape.slot_bytes().unwrap_or(1)),
        used_slots: shape.slots().map(|_| used),
        messages_received,
        tombstones: roles.tombstones(),
        resolved: roles.resolved(),
        repairs: roles.repairs(),
        closed: roles.is_closed(),
        producers: holders(Role::Producer),
        consumers: holders(Role::Consumer),
        handles: mapping.handles().iter().filter(|handle| handle.attach().is_some()).count() as u64,
        sleepers: control.senders.count().saturating_add(control.receivers.count()),
        attached: (0..mapping.attaches().len()).filter_map(&participant).collect(),
    }
}

/// A look at a segment from outside: it takes no part, stores nothing, and needs
/// only permission to read.
#[derive(Debug)]
pub struct Observer {
    mapping: Mapping,
    probe: Probe,
    geometry: Geometry,
    description: Description,
}

impl Observer {
    /// Opens the segment of that name, with or without a leading slash, whoever may write
    /// to it; [`AttachOptions::observe`] can ask for more.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn open(name: &str) -> Result<Self, AttachError> {
        AttachOptions::new().accept_world_writable(true).observe(name)
    }

    /// Opens the sealed segment that a descriptor means, which may be one for reading only.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn from_fd(descriptor: OwnedFd) -> Result<Self, AttachError> {
        AttachOptions::new().observe_fd(descriptor)
    }

    /// Looks at the sealed segment that is offered at a Unix socket, as one who may take
    /// part or one who may only look.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub fn receive(path: impl AsRef<Path>) -> Result<Self, ReceiveError> {
        AttachOptions::new().receive_to_observe(path)
    }

    pub(super) fn by_name(name: &Name, options: &AttachOptions) -> Result<Self, AttachError> {
        let found = find(name, false)?;
        options.check(&found.description)?;
        Self::of(found, options)
    }

    pub(super) fn of(found: Found, options: &AttachOptions) -> Result<Self, AttachError> {
        let geometry = found.header.geometry;
        let mut mapping = Mapping::new(&found.file, geometry, false).map_err(AttachError::Os)?;
        if options.guard {
            mapping.guard(&found.file, false).map_err(AttachError::Os)?;
        }
        let probe = Probe::new(found.file).map_err(AttachError::Os)?;
        Ok(Self { mapping, probe, geometry, description: found.description })
    }

    /// What the segment is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What goes on in it.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn status(&self) -> Result<Status, Fault> {
        self.mapping.check()?;
        let status = status(&self.mapping, self.geometry.shape, |index| {
            participant(&self.mapping, &self.probe, self.geometry, index)
        });
        self.mapping.check().map(|()| status)
    }
}

/// The names of all segments in shared memory, sound or damaged, that this
/// process may read.
///
/// # Errors
/// If shared memory cannot be listed.
pub fn list() -> Result<Vec<String>, OsError> {
    Ok(shm::names()?.into_iter().filter(|name| has_magic(name)).collect())
}
