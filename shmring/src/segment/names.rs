//! Names of segments: what they refer to, and how they are removed.

use std::sync::Arc;

use super::Segment;
use crate::error::{OsError, UnlinkError};
use crate::lifecycle::find::{self, NameState};
use crate::lifecycle::name::Name;
use crate::lifecycle::unlink::{self, UnlinkOnDrop, Unlinked};

impl Segment {
    /// Removes the name of a segment, also if it is damaged or of another version.
    ///
    /// Attached processes continue; the memory is freed when the last of them detaches. Blocks up
    /// to 2 s while another process replaces the segment.
    ///
    /// # Errors
    /// [`UnlinkError::NotASegment`] if the name belongs to another kind of file, which stays; see
    /// [`UnlinkError`] for the others.
    pub fn unlink(name: &str) -> Result<(), UnlinkError> {
        unlink::unlink(&Name::new(name).map_err(UnlinkError::Name)?)
    }

    /// Removes a name in shared memory, also of a file that is not a segment. Programs that use the
    /// file may lose data. Otherwise as [`unlink`](Self::unlink).
    ///
    /// # Errors
    /// See [`UnlinkError`].
    pub fn unlink_forced(name: &str) -> Result<(), UnlinkError> {
        unlink::unlink_forced(&Name::new(name).map_err(UnlinkError::Name)?)
    }

    /// Removes the name of a segment if no process is attached, damaged or not. Messages in it are
    /// lost.
    ///
    /// A process that attaches at the same time either succeeds, and the segment stays, or finds no
    /// segment. An [`Observer`](crate::Observer) is not attached. Blocks up to 2 s while another
    /// process attaches to the segment or replaces it.
    ///
    /// ```
    /// use shmring::{Config, Segment, Unlinked};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-unlink-stale-{}", std::process::id());
    /// # let name = name.as_str();
    /// let segment = Segment::create(name, &Config::spsc())?;
    /// assert!(matches!(Segment::unlink_stale(name)?, Unlinked::InUse { by } if by.len() == 1));
    /// drop(segment);
    /// assert_eq!(Segment::unlink_stale(name)?, Unlinked::Removed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`unlink`](Self::unlink).
    pub fn unlink_stale(name: &str) -> Result<Unlinked, UnlinkError> {
        unlink::unlink_stale(&Name::new(name).map_err(UnlinkError::Name)?)
    }

    /// Returns a guard that removes the segment's name when it is dropped, unless the name
    /// refers to another segment by then. Attached processes continue, as after
    /// [`unlink`](Self::unlink).
    ///
    /// The guard keeps the attachment alive, as handles do. A killed process drops nothing: the
    /// name stays until a [`Collector`](crate::Collector) removes it. In a fork child the guard
    /// does nothing. Dropping blocks up to 2 s while another process attaches or replaces; the name
    /// stays if that process does not finish, or if the system refuses the removal.
    ///
    /// ```
    /// use shmring::{Config, NameState, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-unlink-on-drop-{}", std::process::id());
    /// # let name = name.as_str();
    /// let segment = Segment::create(name, &Config::spsc())?;
    /// let guard = segment.unlink_on_drop();
    /// drop(guard);
    /// assert_eq!(segment.name_state()?, NameState::Removed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unlink_on_drop(&self) -> UnlinkOnDrop {
        UnlinkOnDrop::new(Arc::clone(&self.attachment))
    }

    /// Returns what the segment's name refers to now. Makes a few system calls.
    ///
    /// If the name was removed and created anew, later processes attach to the new segment, so a
    /// process that is attached to the old one may wait for ever.
    ///
    /// ```
    /// use shmring::{Config, NameState, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-name-state-{}", std::process::id());
    /// # let name = name.as_str();
    /// let segment = Segment::create(name, &Config::spsc())?;
    /// assert_eq!(segment.name_state()?, NameState::Current);
    /// Segment::unlink(name)?;
    /// assert_eq!(segment.name_state()?, NameState::Removed);
    /// let other = Segment::create(name, &Config::spsc())?;
    /// assert_eq!(segment.name_state()?, NameState::Replaced);
    /// # Segment::unlink(name)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the system refuses to look up the name, or this process closed the segment's descriptor.
    pub fn name_state(&self) -> Result<NameState, OsError> {
        self.attachment.ask(|file| find::name_state(file, &self.attachment.info.name))
    }
}
