//! Collects abandoned segments.
//!
//! A segment is *abandoned* if no process is attached to it, and one that died attached has not
//! been reaped. A segment that waits for its first user is not abandoned, nor is one whose users
//! all detached: they may come back to it. Messages that were not received are data: a segment
//! that holds some is kept, abandoned or not, unless the caller asks for it.
//!
//! The tokens prove that no process is attached, under the lifecycle lock, which every attach
//! shares. The collector holds the lock until the name is gone, and other verbs that remove a
//! name share it as well. So the removed name is that of the checked segment. Of several
//! collectors one removes it; the others find the file without a name.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use crate::attach_options::AttachOptions;
use crate::error::{AttachError, CollectError, Fault, OsError};
use crate::format::Geometry;
use crate::info::{SegmentInfo, Status};
use crate::lifecycle::find::{Found, examine, find, is_named};
use crate::lifecycle::lock::{LifecycleLock, is_in_use};
use crate::lifecycle::name::Name;
use crate::lifecycle::reap::reap;
use crate::lifecycle::unlink::remove;
use crate::memory::mapping::Mapping;
use crate::observe::{has_unread, status};
use crate::sys::descriptor::Descriptor;
use crate::sys::token::Probe;
use crate::sys::{fork, shm, token};

/// Reaps dead processes in segments that others use, and removes abandoned segments: no process is
/// attached, and one died attached that no later attach has reaped.
///
/// A collector never removes a segment that a living process is attached to, whatever other
/// collectors, creators and attachers do at the same time. It removes only segments of its own
/// user, and keeps those that hold unread messages unless [`unread`](Self::unread) is set.
///
/// ```
/// use shmring::gc::Fate;
/// use shmring::{Collector, Config, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-collector-{}", std::process::id());
/// # let name = name.as_str();
/// let segment = Segment::create(name, &Config::spsc())?;
/// assert_eq!(Collector::new().collect(name)?.fate, Fate::Kept);
///
/// // Its user detached properly, so it may be meant for a process yet to come.
/// drop(segment);
/// assert_eq!(Collector::new().collect(name)?.fate, Fate::Kept);
/// assert_eq!(Collector::new().unattached(true).collect(name)?.fate, Fate::RemovedUnattached);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Collector {
    dry_run: bool,
    unattached: bool,
    unread: bool,
    guard: bool,
}

/// What a collector found at a name, and what it did.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Collected {
    /// The properties of the segment.
    pub info: SegmentInfo,
    /// Its state before the collection; dead processes are among the attached ones.
    pub status: Status,
    /// What the collector did.
    pub fate: Fate,
}

/// What a collector did with a segment, or would do in a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Fate {
    /// Kept: all attached processes are alive, or no process died in it, or it is another user's.
    Kept,
    /// Kept: it would have been removed, but holds unread messages.
    KeptUnread,
    /// Kept, and its dead processes were reaped, as by every attach.
    Cleaned,
    /// Removed: it was abandoned.
    Removed,
    /// Removed: no process was attached, and [`Collector::unattached`] was set.
    RemovedUnattached,
}

impl Collector {
    /// Returns a collector that removes abandoned segments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports what a collection would do, without doing it.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Also removes unattached segments that are not abandoned, including those that wait for their
    /// first user.
    pub fn unattached(mut self, unattached: bool) -> Self {
        self.unattached = unattached;
        self
    }

    /// Also removes segments that hold unread messages, which are lost, and corrupt ones.
    pub fn unread(mut self, unread: bool) -> Self {
        self.unread = unread;
        self
    }

    /// Survives a peer that truncates a segment's file meanwhile; see [`AttachOptions::guard`].
    pub fn guard(mut self, guard: bool) -> Self {
        self.guard = guard;
        self
    }

    /// Collects one segment. `name` may start with a slash.
    ///
    /// # Errors
    /// See [`CollectError`]. The segment is unchanged.
    pub fn collect(&self, name: &str) -> Result<Collected, CollectError> {
        let name = Name::new(name).map_err(AttachError::Name)?;
        let found = find(&name, !self.dry_run)?;
        let is_own = is_own(found.info.owner_uid);
        AttachOptions::new().accept_world_writable(is_own).check(&found.info)?;
        let place = Place::new(found, *self)?;
        let status = place.status()?;
        // Only the check under the lock counts; this one avoids blocking attaches to kept segments.
        let fate = self.fate(&place, &status, is_own)?;
        if self.dry_run || matches!(fate, Fate::Kept | Fate::KeptUnread) {
            return Ok(Collected { info: place.info, status, fate });
        }
        let _lock = LifecycleLock::exclusive(&place.file, &name)?;
        if !is_named(&place.file, &name) {
            return Err(AttachError::NotFound { name: name.to_owned() }.into());
        }
        let status = place.status()?;
        let fate = self.fate(&place, &status, is_own)?;
        match fate {
            Fate::Kept | Fate::KeptUnread => {}
            Fate::Cleaned => {
                reap(&place.mapping, &place.probe, &place.geometry, None)
                    .map_err(AttachError::Os)?;
            }
            Fate::Removed | Fate::RemovedUnattached => {
                remove(&name).map_err(CollectError::Unlink)?;
            }
        }
        Ok(Collected { info: place.info, status, fate })
    }

    fn fate(self, place: &Place, status: &Status, is_own: bool) -> Result<Fate, CollectError> {
        let has_dead = status.attached.iter().any(|participant| !participant.alive);
        let fate = match (place.is_in_use()? || !is_own, has_dead) {
            (false, true) => Fate::Removed,
            (false, false) if self.unattached => Fate::RemovedUnattached,
            (true, true) => Fate::Cleaned,
            _ => Fate::Kept,
        };
        let removes = matches!(fate, Fate::Removed | Fate::RemovedUnattached);
        if removes && !self.unread && place.has_unread()? {
            return Ok(Fate::KeptUnread);
        }
        Ok(fate)
    }

    /// Removes the files of creators that died before naming their segments, on systems without
    /// unnamed files. Returns their temporary names.
    ///
    /// # Errors
    /// If the directory of shared memory cannot be listed.
    pub fn collect_unfinished(&self) -> Result<Vec<String>, OsError> {
        let names = shm::names()?.into_iter().filter(|name| shm::is_temporary(name));
        Ok(names.filter(|name| self.is_unfinished(name).unwrap_or(false)).collect())
    }

    /// Removes a temporary name if its creator is dead; returns `true` if it did. A segment that is
    /// in use under this name alone, or holds messages, is not unfinished and stays.
    fn is_unfinished(self, name: &str) -> Result<bool, CollectError> {
        let name = Name::of_unfinished(name);
        let file = shm::open_existing(name.as_str(), !self.dry_run).map_err(AttachError::Os)?;
        let is_ours = |stat: Metadata| stat.is_file() && is_own(stat.uid());
        if !file.metadata().is_ok_and(is_ours) {
            return Ok(false);
        }
        if self.dry_run {
            let owned = token::is_owned(&file, shm::MAKER_BYTE).map_err(AttachError::Os)?;
            return Ok(!owned && !self.is_ring(&file, &name)?);
        }
        // Removing the name takes this lock, so the name refers to the file until then.
        let free = token::try_exclusive(&file, shm::MAKER_BYTE).map_err(AttachError::Os)?;
        if !free || !is_named(&file, &name) || self.is_ring(&file, &name)? {
            return Ok(false);
        }
        remove(&name).map(|()| true).map_err(CollectError::Unlink)
    }

    /// Returns `true` if a file with a temporary name is a segment that is or was in use.
    fn is_ring(self, file: &File, name: &Name) -> Result<bool, CollectError> {
        let os = |call| move |error| AttachError::Os(OsError::new(call, "the segment", error));
        if file.metadata().map_err(os("fstat"))?.nlink() > 1 {
            // It has its final name as well.
            return Ok(false);
        }
        if is_in_use(file).map_err(AttachError::Os)? {
            return Ok(true);
        }
        let file = file.try_clone().map_err(os("dup"))?;
        match examine(file, name, &shm::path(name.as_str())) {
            Ok(found) => Place::new(found, self)?.has_unread(),
            Err(_) => Ok(false),
        }
    }
}

fn is_own(uid: u32) -> bool {
    uid == nix::unistd::geteuid().as_raw()
}

/// A mapped segment that the collector is not attached to.
struct Place {
    file: File,
    mapping: Mapping,
    probe: Probe,
    geometry: Geometry,
    info: SegmentInfo,
}

impl Place {
    fn new(found: Found, how: Collector) -> Result<Self, CollectError> {
        let Found { file, header, info, .. } = found;
        let geometry = header.geometry;
        let mut mapping = Mapping::new(&file, &geometry, !how.dry_run).map_err(AttachError::Os)?;
        if how.guard {
            mapping.guard(&file, !how.dry_run).map_err(AttachError::Os)?;
        }
        let forks = fork::hold().map_err(AttachError::Os)?;
        // A fork child may have inherited the first descriptor, and would keep its locks.
        let own = shm::reopen(&file, !how.dry_run).and_then(|own| Descriptor::private(own, &forks));
        let probe = Probe::new(own.map_err(AttachError::Os)?);
        Ok(Self { file, mapping, probe, geometry, info })
    }

    /// Returns `true` if a process is attached.
    fn is_in_use(&self) -> Result<bool, CollectError> {
        is_in_use(&self.file).map_err(|error| AttachError::Os(error).into())
    }

    /// Returns `true` if a ring holds unread messages.
    fn has_unread(&self) -> Result<bool, CollectError> {
        let unread = has_unread(&self.mapping, &self.geometry);
        self.mapping.check().map_err(CollectError::Failed)?;
        unread.map_err(|corrupt| CollectError::Failed(Fault::Corrupt(corrupt)))
    }

    fn status(&self) -> Result<Status, CollectError> {
        let status = status(&self.mapping, &self.probe, &self.geometry);
        status.map_err(CollectError::Failed)
    }
}

#[cfg(test)]
#[path = "gc_tests.rs"]
mod tests;
