//! Removing names: of any segment, or only of one that nobody uses.

use std::fs::File;

use nix::errno::Errno;

use super::find::{find, is_named};
use super::lifecycle::{LifecycleLock, is_in_use};
use super::name::Name;
use super::observe::Observer;
use crate::error::{AttachError, OsError, UnlinkError};
use crate::facts::Participant;
use crate::sys::shm;

/// How often others may be faster before a removal gives up.
const MAX_RACES: u32 = 16;

/// What became of a name that was to be removed only if nobody uses the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// The name is gone, and with it the segment and its messages.
    Removed,
    /// Somebody is attached. Nothing was changed.
    InUse {
        /// Who is attached, as far as the segment can be read.
        by: Vec<Participant>,
    },
}

/// Removes the name of a segment. Those attached go on.
pub(super) fn unlink(name: &Name) -> Result<(), UnlinkError> {
    let _lock = shared_lock(name);
    remove(name)
}

/// Keeps the name from being removed by one who has proven the segment unused, and given
/// to another segment, in one moment. Whoever cannot have the lock does without it.
fn shared_lock(name: &Name) -> Option<LifecycleLock> {
    for _ in 0..MAX_RACES {
        let file = open_any(name, false).ok()?;
        let lock = LifecycleLock::shared(&file, name).ok()?;
        if is_named(&file, name) {
            return Some(lock);
        }
    }
    None
}

/// Removes the name of a segment that nobody is attached to, damaged or not.
pub(super) fn unlink_stale(name: &Name) -> Result<Unlinked, UnlinkError> {
    for _ in 0..MAX_RACES {
        let file = open_any(name, true).map_err(refused)?;
        // The lock decides; asking first keeps it from those who attach to a segment in use.
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
        AttachError::Os(error) => UnlinkError::Os(error),
        other => UnlinkError::Attach(other),
    }
}

/// Who is attached; `None` if nobody is.
pub(super) fn users(file: &File, name: &Name) -> Result<Option<Vec<Participant>>, OsError> {
    if !is_in_use(file)? {
        return Ok(None);
    }
    let status = Observer::open(name.as_str()).ok().and_then(|observer| observer.status().ok());
    Ok(Some(status.map(|status| status.attached).unwrap_or_default()))
}

/// Opens what is to be replaced or removed: a segment, in whatever state. Other people's
/// files are left alone.
pub(super) fn open_any(name: &Name, writable: bool) -> Result<File, AttachError> {
    match find(name, writable) {
        Ok(found) => Ok(found.file),
        Err(AttachError::Incompatible { .. } | AttachError::CorruptHeader { .. }) => {
            shm::open_existing(name.as_str(), writable).map_err(AttachError::Os)
        }
        Err(error) => Err(error),
    }
}

/// Removes a name, asking nobody.
pub(super) fn remove(name: &Name) -> Result<(), UnlinkError> {
    shm::unlink(name.as_str()).map_err(|error| match Errno::from_raw(error.errno()) {
        Errno::ENOENT => UnlinkError::NotFound { name: name.to_owned() },
        Errno::EACCES | Errno::EPERM => UnlinkError::Denied { name: name.to_owned() },
        _ => UnlinkError::Os(error),
    })
}
