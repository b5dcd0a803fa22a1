//! Segments: named pieces of shared memory with a ring in them.

mod names;
mod sealed;

use std::sync::Arc;
use std::time::Duration;

use crate::attach_options::AttachOptions;
use crate::config::Config;
use crate::error::{AttachError, CreateError, Fault, JoinError, MonitorError, WrongType};
use crate::info::{ElementType, Obtained, SegmentInfo, Status};
use crate::lifecycle::attachment::Attachment;
use crate::lifecycle::create;
use crate::lifecycle::monitor::Monitor;
use crate::lifecycle::name::Name;
use crate::memory::MappedRing;

/// One attach to a segment.
///
/// It can be shared between threads; handles keep the attachment alive when the
/// `Segment` is dropped. The last of them detaches. A fork child does not inherit
/// it: every verb fails there, and dropping does nothing.
#[derive(Debug)]
pub struct Segment {
    attach: Arc<Attachment>,
}

impl Segment {
    /// Makes a segment of that name, with or without a leading slash, and attaches
    /// to it. All its memory is allocated now. Others see the name when the
    /// segment is complete; of several that create one name, one succeeds.
    ///
    /// The name stays until it is [unlinked](Self::unlink), also when its maker ends.
    ///
    /// ```
    /// use shmring::{Config, CreateError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-create-{}", std::process::id());
    /// # let name = name.as_str();
    /// let segment = Segment::create(name, &Config::mpmc().slots(1000).slot_bytes(128))?;
    /// assert_eq!(segment.info().ring().slots, Some(1024));
    /// assert_eq!(segment.info().ring().max_message_bytes, 120);
    ///
    /// let again = Segment::create(name, &Config::spsc());
    /// assert!(matches!(again, Err(CreateError::Exists { .. })));
    /// Segment::unlink(name)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`CreateError`]. Nothing is left behind.
    pub fn create(name: &str, config: &Config) -> Result<Self, CreateError> {
        let name = Name::new(name).map_err(CreateError::Name)?;
        create::create(&name, config).map(Self::of)
    }

    /// Attaches to the segment of that name, or makes it if there is none: for services of
    /// which any may start first. Of several that do this at once, one makes the segment and
    /// the others attach to it.
    ///
    /// An existing segment fits if it has everything that `config` sets: the kind and, where
    /// they were set, sizes, element type, payload alignment, metadata, mode, wake fences and
    /// table sizes. What `config` leaves unset may be anything, as may what it wishes for its
    /// pages (prefault, lock, huge pages).
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
    /// [`CreateError::Differs`] names the first thing that does not fit.
    /// [`CreateError::Attach`] if the segment exists and cannot be attached: it is damaged, of
    /// another version of the format, or another user's. It is left as it is. Else as for
    /// [`create`](Self::create).
    pub fn open_or_create(name: &str, config: &Config) -> Result<Self, CreateError> {
        let name = Name::new(name).map_err(CreateError::Name)?;
        create::open_or_create(&name, config).map(Self::of)
    }

    /// Makes a segment in place of one that nobody is attached to, damaged or not,
    /// or the first of that name. Messages in the old one are lost.
    ///
    /// # Errors
    /// [`CreateError::InUse`] if someone alive is attached; else as for
    /// [`create`](Self::create).
    pub fn recreate(name: &str, config: &Config) -> Result<Self, CreateError> {
        let name = Name::new(name).map_err(CreateError::Name)?;
        create::recreate(&name, config).map(Self::of)
    }

    /// Attaches to the segment of that name, with or without a leading slash, and
    /// cleans up behind those whose processes died. Messages in it stay. Waits up to 2 s for
    /// one who replaces or removes the segment at that moment.
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
    /// // Who may be first waits for the other.
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
    /// See [`AttachError`]. The file and its header are checked before anything is mapped;
    /// [`AttachOptions`] tells what else can be asked of them.
    pub fn attach(name: &str) -> Result<Self, AttachError> {
        AttachOptions::new().attach(name)
    }

    /// As [`attach`](Self::attach), but waits up to `timeout` for the name to appear.
    ///
    /// # Errors
    /// [`AttachError::TimedOut`] if it does not; else as for `attach`.
    pub fn attach_timeout(name: &str, timeout: Duration) -> Result<Self, AttachError> {
        AttachOptions::new().timeout(timeout).attach(name)
    }

    pub(crate) fn of(attach: Arc<Attachment>) -> Self {
        Self { attach }
    }

    /// What the segment is.
    pub fn info(&self) -> &SegmentInfo {
        &self.attach.info
    }

    /// What this attachment got of what the segment's creator asked for.
    pub fn obtained(&self) -> Obtained {
        self.attach.obtained
    }

    /// What goes on in the segment.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn status(&self) -> Result<Status, Fault> {
        self.attach.status()
    }

    /// A handle's way into the first ring.
    ///
    /// # Errors
    /// [`JoinError::WrongType`] if the ring does not hold what the handle is for; `None`
    /// is bytes.
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

    /// A handle's way into the first ring, whatever it holds.
    pub(crate) fn view(&self) -> Result<MappedRing, JoinError> {
        if !self.attach.mapping().is_forked() {
            self.attach.mark_used();
        }
        // A geometry that was checked has a ring.
        MappedRing::new(Arc::clone(&self.attach), 0).ok_or(JoinError::Failed(Fault::Truncated))
    }

    /// Watches for the deaths of others, so that who waits for them here or elsewhere goes
    /// on at once. Without it, who waits notices a death after about as long as it has
    /// waited by then, at least 2 ms and at most 100 ms; who spins, after 1 ms.
    ///
    /// ```
    /// use shmring::{Config, RecvError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("prices", &Config::spsc())?;
    /// // One is enough for all who use the segment, in whatever process.
    /// let monitor = segment.monitor()?;
    /// let mut consumer = segment.consumer()?;
    /// # drop(segment.producer()?);
    /// // The end of a producer that is killed is told at once.
    /// assert_eq!(consumer.recv(), Err(RecvError::Eof));
    /// drop(monitor);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`MonitorError`].
    pub fn monitor(&self) -> Result<Monitor, MonitorError> {
        Monitor::start(Arc::clone(&self.attach))
    }

    /// Closes the ring for good: sends fail from now on, but for one that is under way;
    /// consumers get what is in the ring, then the end of the stream. In a fork child it does
    /// nothing.
    pub fn close(&self) {
        if !self.attach.mapping().is_forked() {
            self.attach.mapping().close();
        }
    }
}

#[cfg(test)]
#[path = "../segment_tests.rs"]
mod tests;
