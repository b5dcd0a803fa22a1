//! Segments: named pieces of shared memory with a ring in them.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::attach_options::AttachOptions;
use crate::config::Config;
use crate::error::{
    AttachError, CreateError, Fault, JoinError, MonitorError, OfferError, OsError, ReceiveError,
    ShareError, UnlinkError, WrongType,
};
use crate::info::{ElementType, Obtained, SegmentInfo, Status};
use crate::lifecycle::attachment::Attachment;
use crate::lifecycle::find::{self, NameState};
use crate::lifecycle::monitor::Monitor;
use crate::lifecycle::name::Name;
use crate::lifecycle::unlink::{UnlinkOnDrop, Unlinked};
use crate::lifecycle::{create, unlink};
use crate::memory::MappedRing;
use crate::sealed;
use crate::sealed::{AllowList, Offer};

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
    /// they were set, sizes, element type, payload alignment, metadata, mode and
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

    /// Makes a segment that has no name and is sealed: nobody can ever change its size, so
    /// that no peer can make another one fault. `label` is what descriptions and errors
    /// call it.
    ///
    /// It is freed when nobody is attached and nobody has a descriptor of it. The mode of
    /// `config` tells who of those who were given a descriptor may open the segment for
    /// writing once more; that everybody may read is added.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("prices", &Config::spsc())?;
    /// let mut producer = segment.producer()?;
    ///
    /// // A descriptor can be inherited, or sent over a Unix socket.
    /// let descriptor = segment.share()?;
    ///
    /// let mut consumer = Segment::from_fd(descriptor)?.consumer()?;
    /// producer.send(b"hello")?;
    /// assert_eq!(consumer.recv()?, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`CreateError`]. Nothing is left behind.
    pub fn create_sealed(label: &str, config: &Config) -> Result<Self, CreateError> {
        sealed::create::create(&Name::new(label).map_err(CreateError::Name)?, config).map(Self::of)
    }

    /// Attaches to the sealed segment that a descriptor means, which was inherited or
    /// received from another process. It is closed in any case.
    ///
    /// The seals are looked at first, so that whoever passed the descriptor need not be
    /// trusted with more than what a peer can do in the ring. The attach opens the segment
    /// anew through /proc: as the user who created it, or as one whom its mode lets write.
    ///
    /// # Errors
    /// [`AttachError::NotSealed`] if the size could still be changed;
    /// [`AttachError::Denied`] if the descriptor is for reading only, or this user may not
    /// open the segment; else as for [`attach`](Self::attach).
    pub fn from_fd(descriptor: OwnedFd) -> Result<Self, AttachError> {
        AttachOptions::new().attach_fd(descriptor)
    }

    /// Offers this sealed segment at a Unix socket, to those on the list. The socket gets
    /// its name if nothing has it, or one whose server is gone.
    ///
    /// Nobody is answered unless [`Offer::answer`] is called.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shmring::{AllowList, Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = std::env::temp_dir().join(format!("doc-offer-{}", std::process::id()));
    /// let segment = Segment::create_sealed("prices", &Config::spsc())?;
    /// let mut offer = segment.offer(&path, &AllowList::new().uid(1000))?;
    /// let server = std::thread::spawn(move || offer.answer(Duration::from_secs(10)));
    ///
    /// // Another process, of user 1000 or of this one.
    /// let mut producer = Segment::receive(&path)?.producer()?;
    /// producer.send(b"hello")?;
    /// # println!("{}", server.join().unwrap()?.unwrap());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn offer(&self, path: impl AsRef<Path>, list: &AllowList) -> Result<Offer, OfferError> {
        Offer::new(Arc::clone(&self.attach), path.as_ref(), list)
    }

    /// Attaches to the sealed segment that is offered at a Unix socket. Waits for the
    /// server's answer up to 10 s, and for no server; [`AttachOptions`] can say otherwise.
    ///
    /// As for [`from_fd`](Self::from_fd), whoever offers it need not be trusted with more
    /// than what a peer can do in the ring. The server opens all that the attachment needs, so
    /// that it can be another user's and works without /proc.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub fn receive(path: impl AsRef<Path>) -> Result<Self, ReceiveError> {
        AttachOptions::new().receive(path)
    }

    /// A descriptor of this sealed segment, to be passed to a process that
    /// [attaches](Self::from_fd) through it. To be kept no longer than that: the next one is
    /// as cheap, and copies of one share what belongs to an attachment.
    ///
    /// # Errors
    /// See [`ShareError`].
    pub fn share(&self) -> Result<OwnedFd, ShareError> {
        self.attach.share(true).map(OwnedFd::from)
    }

    /// As [`share`](Self::share), but for reading only: for an [`Observer`](crate::Observer). A
    /// process of the segment's owner can open it for writing nevertheless.
    ///
    /// # Errors
    /// See [`ShareError`].
    pub fn share_read_only(&self) -> Result<OwnedFd, ShareError> {
        self.attach.share(false).map(OwnedFd::from)
    }

    pub(crate) fn of(attach: Arc<Attachment>) -> Self {
        Self { attach }
    }

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

    /// What the segment is.
    pub fn info(&self) -> &SegmentInfo {
        &self.attach.info
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
#[path = "segment_tests.rs"]
mod tests;
