//! `Segment`: creating, attaching to, observing and closing segments.

mod evict;
mod names;
mod sealed;

use std::sync::Arc;
use std::time::Duration;

use crate::attach_options::AttachOptions;
use crate::config::Config;
use crate::error::{AttachError, CreateError, Fault, JoinError, MonitorError, WrongType};
use crate::info::{ElementType, Kind, Obtained, SegmentInfo, Status};
use crate::lifecycle::attachment::Attachment;
use crate::lifecycle::create;
use crate::lifecycle::monitor::Monitor;
use crate::lifecycle::name::Name;
use crate::memory::MappedRing;

/// An attachment of this process to a segment.
///
/// Threads can share it. Handles keep the attachment alive after the `Segment` is dropped; the last
/// of them detaches. A fork child does not inherit the attachment: every verb fails there with
/// [`Fault::Forked`], and dropping does nothing.
#[derive(Debug)]
pub struct Segment {
    attachment: Arc<Attachment>,
}

impl Segment {
    /// Creates a segment and attaches to it. `name` may start with a slash.
    ///
    /// Allocates all memory of the segment. The name appears when the segment is complete; of
    /// several processes that create the same name at once, one succeeds. The name stays until a
    /// process [unlinks](Self::unlink) it, also after this process ends.
    ///
    /// ```
    /// use shmring::{Config, CreateError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-create-{}", std::process::id());
    /// # let name = name.as_str();
    /// let segment = Segment::create(name, &Config::mpmc().slots(1000).slot_bytes(128))?;
    /// assert_eq!(segment.info().ring().slots, Some(1024));
    /// // Half of the slots, of 120 bytes each without the stamp.
    /// assert_eq!(segment.info().ring().max_message_bytes, 512 * 120);
    ///
    /// let again = Segment::create(name, &Config::spsc());
    /// assert!(matches!(again, Err(CreateError::Exists { .. })));
    /// Segment::unlink(name)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`CreateError`]. A failed call leaves no file behind.
    pub fn create(name: &str, config: &Config) -> Result<Self, CreateError> {
        let name = Name::new(name).map_err(CreateError::Name)?;
        create::create(&name, config).map(Self::of)
    }

    /// Attaches to a segment, or creates it if no file of that name exists.
    ///
    /// For services that may start in any order: of several processes that call this at once, one
    /// creates the segment and the others attach to it.
    ///
    /// An existing segment fits if it has what `config` sets: the kind and, where set, sizes,
    /// element type, payload alignment, metadata, mode and table sizes. Unset values
    /// are not compared, nor are the requests about pages (prefault, lock, huge pages).
    ///
    /// ```
    /// use shmring::{Config, CreateError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-open-{}", std::process::id());
    /// # let name = name.as_str();
    /// let config = Config::spsc().capacity_bytes(1 << 20).metadata(b"quote/v1");
    /// let first = Segment::open_or_create(name, &config)?;
    /// let second = Segment::open_or_create(name, &config)?;
    /// assert_eq!(second.status()?.attached.len(), 2);
    ///
    /// let other = Segment::open_or_create(name, &config.metadata(b"quote/v2"));
    /// assert!(matches!(other, Err(CreateError::Differs { what: "metadata", .. })));
    /// # Segment::unlink(name)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CreateError::Differs`] names the first value that does not fit. [`CreateError::Attach`] if
    /// the segment exists and this process cannot attach to it, for instance because it is damaged,
    /// of another version of the format, or another user's; the segment is unchanged. Otherwise as
    /// for [`create`](Self::create).
    pub fn open_or_create(name: &str, config: &Config) -> Result<Self, CreateError> {
        let name = Name::new(name).map_err(CreateError::Name)?;
        create::open_or_create(&name, config).map(Self::of)
    }

    /// Creates a segment, replacing one that no process is attached to, damaged or not. Messages in
    /// the replaced segment are lost.
    ///
    /// # Errors
    /// [`CreateError::InUse`] if a living process is attached; otherwise as for
    /// [`create`](Self::create).
    pub fn recreate(name: &str, config: &Config) -> Result<Self, CreateError> {
        let name = Name::new(name).map_err(CreateError::Name)?;
        create::recreate(&name, config).map(Self::of)
    }

    /// Attaches to a segment. `name` may start with a slash.
    ///
    /// Reaps attachments whose processes died; messages stay. Blocks up to 2 s while another
    /// process replaces or removes the segment.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shmring::{AttachError, Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-attach-{}", std::process::id());
    /// # let name = name.as_str();
    /// assert!(matches!(Segment::attach(name), Err(AttachError::NotFound { .. })));
    ///
    /// // A process that may start first waits for the segment.
    /// let waiter = std::thread::spawn({
    ///     let name = name.to_owned();
    ///     move || Segment::attach_timeout(&name, Duration::from_secs(10))
    /// });
    /// Segment::create(name, &Config::spsc())?;
    /// let segment = waiter.join().unwrap()?;
    /// assert_eq!(segment.status()?.attached.len(), 1);
    /// # Segment::unlink(name)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`AttachError`]. The file and its header are checked before the file is mapped;
    /// [`AttachOptions`] can require more of them.
    pub fn attach(name: &str) -> Result<Self, AttachError> {
        AttachOptions::new().attach(name)
    }

    /// Attaches to a segment, waiting up to `timeout` for the name to appear.
    ///
    /// # Errors
    /// [`AttachError::TimedOut`] if it does not; otherwise as for [`attach`](Self::attach).
    pub fn attach_timeout(name: &str, timeout: Duration) -> Result<Self, AttachError> {
        AttachOptions::new().timeout(timeout).attach(name)
    }

    pub(crate) fn of(attachment: Arc<Attachment>) -> Self {
        Self { attachment }
    }

    /// Returns the properties of the segment, which never change.
    pub fn info(&self) -> &SegmentInfo {
        &self.attachment.info
    }

    /// Returns which of the creator's requests about pages the system granted to this attachment.
    pub fn obtained(&self) -> Obtained {
        self.attachment.obtained
    }

    /// Returns the current state of the segment: who is attached, and the state of each ring.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn status(&self) -> Result<Status, Fault> {
        self.attachment.status()
    }

    /// Returns the first ring for a handle of the type `wanted`; `None` for bytes.
    ///
    /// # Errors
    /// [`JoinError::WrongType`] if the ring has another element type.
    pub(crate) fn mapped_ring_of(
        &self,
        wanted: Option<ElementType>,
    ) -> Result<MappedRing, JoinError> {
        let mapped = self.view()?;
        let found = mapped.shape().element();
        let fits = match (&found, &wanted) {
            (Some(found), Some(wanted)) => found.is_same(wanted),
            (None, None) => true,
            _ => false,
        };
        if fits {
            return Ok(mapped);
        }
        Err(JoinError::WrongType(Box::new(WrongType { found, wanted })))
    }

    /// # Errors
    /// [`JoinError::WrongKind`] if the first ring is not a broadcast ring.
    pub(crate) fn check_broadcast(&self) -> Result<(), JoinError> {
        match self.info().ring().kind {
            Kind::Broadcast => Ok(()),
            kind => Err(JoinError::WrongKind { kind, wanted: "a broadcast ring" }),
        }
    }

    /// Returns the first ring for a handle, whatever its element type.
    pub(crate) fn view(&self) -> Result<MappedRing, JoinError> {
        if !self.attachment.mapping().is_forked() {
            self.attachment.mark_used();
        }
        // A checked geometry has at least one ring.
        MappedRing::new(Arc::clone(&self.attachment), 0).ok_or(JoinError::Failed(Fault::Truncated))
    }

    /// Starts a thread that reaps other processes as soon as they die, which wakes the waiters of
    /// all processes.
    ///
    /// Without a monitor, a sleeping waiter notices a death after about as long as its last waits
    /// took, at least 16 ms and at most 100 ms; a spinning one after 1 ms. Beside a monitor of the
    /// same `Segment`, sole producers and consumers check for dead peers every 5 s only.
    ///
    /// ```
    /// use shmring::{Config, RecvError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("prices", &Config::spsc())?;
    /// // One monitor serves all processes that use the segment.
    /// let monitor = segment.monitor()?;
    /// let mut consumer = segment.consumer()?;
    /// # drop(segment.producer()?);
    /// // The stream ends as soon as the last producer is killed.
    /// assert_eq!(consumer.recv(), Err(RecvError::Eof));
    /// drop(monitor);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`MonitorError`].
    pub fn monitor(&self) -> Result<Monitor, MonitorError> {
        Monitor::start(Arc::clone(&self.attachment))
    }

    /// Closes all rings of the segment for good.
    ///
    /// Later sends fail; one that has claimed its space already may complete. Consumers receive the
    /// messages left, then the end of the stream. Does nothing in a fork child.
    pub fn close(&self) {
        if !self.attachment.mapping().is_forked() {
            self.attachment.mapping().close();
        }
    }
}

#[cfg(test)]
#[path = "../segment_tests.rs"]
mod tests;
