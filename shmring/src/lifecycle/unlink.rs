//! Removing names: of any segment, or only of an unused one.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use nix::errno::Errno;

use crate::error::{AttachError, OsError, UnlinkError};
use crate::info::Participant;
use crate::lifecycle::attachment::Attachment;
use crate::lifecycle::find::{find, is_named, open, segment_or_not};
use crate::lifecycle::lock::{LifecycleLock, is_in_use};
use crate::lifecycle::name::Name;
use crate::observe::Observer;
use crate::sys::shm;

/// Races that a removal may lose to other processes before it gives up.
const MAX_RACES: u32 = 16;

/// The result of [`Segment::unlink_stale`](crate::Segment::unlink_stale).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Unlinked {
    /// The segment and its messages were removed.
    Removed,
    /// A process is attached. Nothing was changed.
    InUse {
        /// The attached processes; empty if the segment is not readable as one.
        by: Vec<Participant>,
    },
}

/// Removes the name of a segment when it is dropped: see
/// [`Segment::unlink_on_drop`](crate::Segment::unlink_on_drop).
#[derive(Debug)]
#[must_use = "dropping it removes the name at once"]
pub struct UnlinkOnDrop {
    attachment: Arc<Attachment>,
}

impl UnlinkOnDrop {
    pub(crate) fn new(attachment: Arc<Attachment>) -> Self {
        Self { attachment }
    }
}

impl Drop for UnlinkOnDrop {
    fn drop(&mut self) {
        if self.attachment.mapping().is_forked() {
            return;
        }
        // Drop cannot report an error; the name stays.
        if let Ok(name) = Name::new(&self.attachment.info.name) {
            let _ = self.attachment.ask(|file| Ok(unlink_own(file, &name)));
        }
    }
}

/// Removes the name if it refers to the segment in `file`. Unlike [`unlink`], this requires the
/// lock, which keeps the name from moving to another segment meanwhile.
fn unlink_own(file: &File, name: &Name) -> Result<(), UnlinkError> {
    let _lock = LifecycleLock::exclusive(file, name).map_err(refused)?;
    if is_named(file, name) { remove(name) } else { Ok(()) }
}

/// Removes the name of a segment, also if it is damaged or of another version. The name of any
/// other file stays.
pub(crate) fn unlink(name: &Name) -> Result<(), UnlinkError> {
    for _ in 0..MAX_RACES {
        let file = open_to_remove(name)?;
        // With the lock, no process that has proven the segment unused can replace it meanwhile.
        // Without the lock the removal continues: a process that keeps the lock cannot prevent it.
        let _lock = LifecycleLock::shared(&file, name).ok();
        if is_named(&file, name) {
            return remove(name);
        }
    }
    Err(UnlinkError::Attach(AttachError::Busy { name: name.to_owned() }))
}

/// Removes a name, whatever file it refers to.
pub(crate) fn unlink_forced(name: &Name) -> Result<(), UnlinkError> {
    match unlink(name) {
        Err(UnlinkError::NotASegment { .. } | UnlinkError::Attach(_) | UnlinkError::Os(_)) => {
            remove(name)
        }
        result => result,
    }
}

/// Opens a segment in whatever state, to remove its name.
fn open_to_remove(name: &Name) -> Result<File, UnlinkError> {
    let file = match open(name, false) {
        Ok(file) => file,
        Err(AttachError::Denied { .. }) if owns(name) => {
            let why = "its mode does not let its owner read it";
            return Err(UnlinkError::NotASegment { name: name.to_owned(), why });
        }
        Err(error) => return Err(refused(error)),
    };
    segment_or_not(&file, name).map_err(refused)?;
    Ok(file)
}

fn owns(name: &Name) -> bool {
    let stat = std::fs::symlink_metadata(shm::path(name.as_str()));
    stat.is_ok_and(|stat| stat.uid() == nix::unistd::geteuid().as_raw())
}

/// Removes the name of a segment that no process is attached to, damaged or not.
pub(crate) fn unlink_stale(name: &Name) -> Result<Unlinked, UnlinkError> {
    for _ in 0..MAX_RACES {
        let file = open_any(name, true).map_err(refused)?;
        // Only the check under the lock counts; this one avoids blocking attaches to a used
        // segment.
        if let Some(by) = users(&file, name).map_err(UnlinkError::Os)? {
            return Ok(Unlinked::InUse { by });
        }
        let _lock = LifecycleLock::exclusive(&file, name).map_err(refused)?;
        if !is_named(&file, name) {
            // Removed or replaced between open and lock.
            continue;
        }
        if let Some(by) = users(&file, name).map_err(UnlinkError::Os)? {
            return Ok(Unlinked::InUse { by });
        }
        return remove(name).map(|()| Unlinked::Removed);
    }
    Err(UnlinkError::Attach(AttachError::Busy { name: name.to_owned() }))
}

fn refused(error: AttachError) -> UnlinkError {
    match error {
        AttachError::NotFound { name } => UnlinkError::NotFound { name },
        AttachError::Denied { name } => UnlinkError::Denied { name },
        AttachError::NotASegment { name, why } => UnlinkError::NotASegment { name, why },
        AttachError::Os(error) => UnlinkError::Os(error),
        other => UnlinkError::Attach(other),
    }
}

/// Returns the attached processes; `None` if there are none.
pub(crate) fn users(file: &File, name: &Name) -> Result<Option<Vec<Participant>>, OsError> {
    if !is_in_use(file)? {
        return Ok(None);
    }
    let status = Observer::open(name.as_str()).ok().and_then(|observer| observer.status().ok());
    Ok(Some(status.map(|status| status.attached).unwrap_or_default()))
}

/// Opens a segment in whatever state, to replace or remove it. Refuses other kinds of files.
pub(crate) fn open_any(name: &Name, writable: bool) -> Result<File, AttachError> {
    match find(name, writable) {
        Ok(found) => Ok(found.file),
        Err(AttachError::Incompatible { .. } | AttachError::CorruptHeader { .. }) => {
            shm::open_existing(name.as_str(), writable).map_err(AttachError::Os)
        }
        Err(error) => Err(error),
    }
}

/// Removes a name without any check.
pub(crate) fn remove(name: &Name) -> Result<(), UnlinkError> {
    shm::unlink(name.as_str()).map_err(|error| match Errno::from_raw(error.errno()) {
        Errno::ENOENT => UnlinkError::NotFound { name: name.to_owned() },
        Errno::EACCES | Errno::EPERM => UnlinkError::Denied { name: name.to_owned() },
        _ => UnlinkError::Os(error),
    })
}
