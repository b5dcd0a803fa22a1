//! Observing segments: without attaching, and without storing anything in them.

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

/// Reads the state of a segment without attaching to it.
///
/// An observer stores nothing in the segment and needs only read permission. The processes that use
/// the segment do not see it, and are slowed down only by the cache misses that its loads cause.
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
    /// Opens a segment, whoever may write to it. `name` may start with a slash;
    /// [`AttachOptions::observe`] can require more.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn open(name: &str) -> Result<Self, AttachError> {
        AttachOptions::new().accept_world_writable(true).observe(name)
    }

    /// Opens the sealed segment of a descriptor, which may be read-only.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn from_fd(descriptor: OwnedFd) -> Result<Self, AttachError> {
        AttachOptions::new().observe_fd(descriptor)
    }

    /// Opens the sealed segment that is offered at a Unix socket, whether the server gives this
    /// process read-write or read-only access.
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

    /// Returns the properties of the segment, which never change.
    pub fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// Returns the current state of the segment.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn status(&self) -> Result<Status, Fault> {
        status(&self.mapping, &self.probe, &self.geometry)
    }
}

/// Returns the names of all segments in shared memory that this process may read, damaged ones
/// included, but not those that are being created.
///
/// # Errors
/// If the directory of shared memory cannot be listed.
pub fn list() -> Result<Vec<String>, OsError> {
    let is_segment = |name: &String| !shm::is_temporary(name) && has_magic(name);
    Ok(shm::names()?.into_iter().filter(is_segment).collect())
}
