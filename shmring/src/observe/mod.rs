//! Looking at a segment without joining it.

use std::os::fd::OwnedFd;
use std::path::Path;

mod deleted;
mod participants;
mod peek;
mod shadow;
mod status;

pub use deleted::{Deleted, list_deleted};
pub use peek::{PeekEnd, Peeked, Pending};

use crate::attach_options::AttachOptions;
use crate::error::{AttachError, Fault, OsError, ReceiveError};
use crate::format::Geometry;
use crate::info::{SegmentInfo, Status};
use crate::lifecycle::find::{Found, find, has_magic};
use crate::lifecycle::name::Name;
use crate::memory::mapping::Mapping;
use crate::sys::descriptor::Descriptor;
use crate::sys::shm;
use crate::sys::token::{Origin, Probe};

pub(crate) use participants::Participants;
pub(crate) use peek::has_unread;
pub(crate) use status::status;

/// A look at a segment from outside: it takes no part, stores nothing, and needs
/// only permission to read. Whoever uses the segment is not slowed down by more than a look at
/// its memory takes, and does not know of it.
///
/// ```
/// use shmring::info::Front;
/// use shmring::{Config, Observer, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-observer-{}", std::process::id());
/// # let name = name.as_str();
/// let segment = Segment::create(name, &Config::mpmc().slots(64))?;
/// let mut producer = segment.producer()?;
/// producer.send_batch(&["one", "two"])?;
///
/// let status = Observer::open(name)?.status()?;
/// let ring = status.ring();
/// assert_eq!((ring.used_slots, ring.front), (Some(2), Front::Message));
/// assert_eq!(ring.producers[0].pid, std::process::id());
/// assert!(ring.producers[0].alive && ring.consumers.is_empty());
/// # Segment::unlink(name)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Observer {
    mapping: Mapping,
    probe: Probe,
    geometry: Geometry,
    info: SegmentInfo,
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

    pub(crate) fn by_name(name: &Name, options: &AttachOptions) -> Result<Self, AttachError> {
        let found = find(name, false)?;
        options.check(&found.info)?;
        Self::of(found, options)
    }

    pub(crate) fn of(found: Found, options: &AttachOptions) -> Result<Self, AttachError> {
        let geometry = found.header.geometry;
        let mut mapping = Mapping::new(&found.file, &geometry, false).map_err(AttachError::Os)?;
        if options.guard {
            mapping.guard(&found.file, false).map_err(AttachError::Os)?;
        }
        let probe = Probe::new(Descriptor::new(found.file).map_err(AttachError::Os)?);
        let origin = Origin::new(&found.info.name, mapping.pages(), false);
        let probe = probe.reopened_by(origin);
        Ok(Self { mapping, probe, geometry, info: found.info })
    }

    /// What the segment is.
    pub fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// What goes on in it.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn status(&self) -> Result<Status, Fault> {
        status(&self.mapping, &self.probe, &self.geometry)
    }
}

/// The names of all segments in shared memory, sound or damaged, that this
/// process may read; not those of segments that are being created.
///
/// # Errors
/// If shared memory cannot be listed.
pub fn list() -> Result<Vec<String>, OsError> {
    let is_segment = |name: &String| !shm::is_temporary(name) && has_magic(name);
    Ok(shm::names()?.into_iter().filter(is_segment).collect())
}
