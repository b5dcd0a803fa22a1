//! Looking at a segment without joining it.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use super::attach::find;
use super::create::has_magic;
use super::mapping::Mapping;
use super::name::Name;
use crate::error::{AttachError, Fault, OsError, Role};
use crate::layout::Geometry;
use crate::ring::roster::{self, Tenure};
use crate::sync::Ordering;
use crate::sys::shm;
use crate::sys::token::Probe;

/// What a ring can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One producer, one consumer, messages of any length.
    Spsc,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spsc => f.pad("spsc"),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(kind: &str) -> Result<Self, String> {
        match kind {
            "spsc" => Ok(Self::Spsc),
            _ => Err(format!("there is no kind {kind:?}; the kinds are: spsc")),
        }
    }
}

/// What a segment is; none of it ever changes.
#[derive(Clone, Debug)]
pub struct Description {
    /// The name, without the leading slash.
    pub name: String,
    /// What the ring can do.
    pub kind: Kind,
    /// Bytes in the ring.
    pub capacity_bytes: u64,
    /// Bytes in the longest message.
    pub max_message_bytes: u64,
    /// Bytes in the segment.
    pub total_bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// Who owns the segment.
    pub owner_uid: u32,
    /// When it was created.
    pub created: SystemTime,
    /// Who created it, as numbered in the creator's pid namespace.
    pub creator_pid: u32,
}

/// Someone who is attached to a segment, or was when its process died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The process, as numbered in its own pid namespace.
    pub pid: u32,
    /// The effective user.
    pub uid: u32,
    /// Whether the kernel still holds the mapping's token.
    pub alive: bool,
}

impl Participant {
    pub(super) fn new(entry: &roster::Attach, alive: bool) -> Self {
        let (pid, uid) = (entry.pid.load(Ordering::Relaxed), entry.uid.load(Ordering::Relaxed));
        Self { pid, uid, alive }
    }
}

impl fmt::Display for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}{}", self.pid, if self.alive { "" } else { " (dead)" })
    }
}

/// What goes on in a segment, at about the time of looking.
#[derive(Clone, Debug)]
pub struct Status {
    /// Bytes of the ring in use.
    pub used_bytes: u64,
    /// Messages consumed since the segment was created.
    pub messages_received: u64,
    /// Whether the ring was closed for good.
    pub closed: bool,
    /// Who has the producer role.
    pub producer: Option<Participant>,
    /// Who has the consumer role.
    pub consumer: Option<Participant>,
    /// Everyone attached.
    pub attached: Vec<Participant>,
}

/// The status of a mapped segment; `participant` tells who is in an attach entry.
pub(super) fn status(
    mapping: &Mapping,
    participant: impl Fn(usize) -> Option<Participant>,
) -> Status {
    let roles = &mapping.control().roles;
    let (_, used_bytes, messages_received) = mapping.record().observe();
    let holder = |role| match roles.tenure(role) {
        Tenure::Held { handle, .. } => {
            mapping.handles().get(handle)?.attach().and_then(&participant)
        }
        Tenure::Never | Tenure::Vacant { .. } => None,
    };
    Status {
        used_bytes,
        messages_received,
        closed: roles.is_closed(),
        producer: holder(Role::Producer),
        consumer: holder(Role::Consumer),
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
    /// Opens the segment of that name, with or without a leading slash.
    ///
    /// # Errors
    /// As for [`Segment::attach`](super::Segment::attach).
    pub fn open(name: &str) -> Result<Self, AttachError> {
        Self::by_name(&Name::new(name).map_err(AttachError::Name)?)
    }

    pub(super) fn by_name(name: &Name) -> Result<Self, AttachError> {
        let found = find(name, false)?;
        let geometry = found.header.geometry;
        let mapping = Mapping::new(&found.file, geometry, false).map_err(AttachError::Os)?;
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
    /// [`Fault::Forked`] in a fork child of the process that opened it.
    pub fn status(&self) -> Result<Status, Fault> {
        if self.mapping.is_forked() {
            return Err(Fault::Forked);
        }
        Ok(status(&self.mapping, |index| {
            let entry = self.mapping.attaches().get(index)?;
            let byte = self.geometry.map().attach(index);
            entry.is_active().then(|| Participant::new(entry, self.probe.is_alive(byte)))
        }))
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
