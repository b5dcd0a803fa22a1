//! Names of segments: what they refer to, and how they are removed.

use std::sync::Arc;

use super::Segment;
use crate::error::{OsError, UnlinkError};
use crate::lifecycle::find::{self, NameState};
use crate::lifecycle::name::Name;
use crate::lifecycle::unlink::{self, UnlinkOnDrop, Unlinked};

impl Segment {
    /// Removes the name of a segment: sound, damaged or of another version. Those attached go
    /// on undisturbed; the memory is freed when the last of them detaches. Waits up to 2 s for
    /// a process that replaces the segment.
    ///
    /// # Errors
    /// [`UnlinkError::NotASegment`] if the name is that of another file, which stays; see
    /// [`UnlinkError`] for the others.
    pub fn unlink(name: &str) -> Result<(), UnlinkError> {
        unlink::unlink(&Name::new(name).map_err(UnlinkError::Name)?)
    }

    /// Removes a name in shared memory, as [`unlink`](Self::unlink) does, but also that of a
    /// file that is not a segment. Whoever uses that file may lose data.
    ///
    /// # Errors
    /// See [`UnlinkError`].
    pub fn unlink_forced(name: &str) -> Result<(), UnlinkError> {
        unlink::unlink_forced(&Name::new(name).map_err(UnlinkError::Name)?)
    }

    /// Removes the name of a segment that nobody is attached to, damaged or not. Messages
    /// in it are lost.
    ///
    /// Whoever attaches at the same time is either first, and the segment stays, or finds
    /// no such name. An [`Observer`](crate::Observer) is not attached. Waits up to 2 s for one
    /// who attaches or replaces.
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
    /// [`UnlinkError::NotASegment`] if the name is that of another file; else as for
    /// [`unlink`](Self::unlink).
    pub fn unlink_stale(name: &str) -> Result<Unlinked, UnlinkError> {
        unlink::unlink_stale(&Name::new(name).map_err(UnlinkError::Name)?)
    }

    /// Returns a guard that removes the segment's name when it is dropped, unless the name
    /// refers to another segment by then. Those attached go on undisturbed, as after
    /// [`unlink`](Self::unlink).
    ///
    /// The guard keeps the attachment alive, as handles do. A process that is killed drops nothing:
    /// its name stays for a [`Collector`](crate::Collector). In a fork child the guard does
    /// nothing. Dropping it waits up to 2 s for a process that attaches or replaces; the name
    /// stays if that process does not finish, or if the system refuses.
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
        UnlinkOnDrop::new(Arc::clone(&self.attach))
    }

    /// Returns what the segment's name refers to by now. Whoever attaches to a name that was
    /// removed and made anew gets another ring: who is attached to the old one may wait there
    /// for ever. A few system calls.
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
    /// If the name cannot be looked up, or this process has closed the segment's descriptor.
    pub fn name_state(&self) -> Result<NameState, OsError> {
        self.attach.ask(|file| find::name_state(file, &self.attach.info.name))
    }
}
