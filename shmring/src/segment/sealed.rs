//! Sealed segments: created without a name, passed on as descriptors or through a socket.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::Segment;
use crate::attach_options::AttachOptions;
use crate::config::Config;
use crate::error::{AttachError, CreateError, OfferError, ReceiveError, ShareError};
use crate::lifecycle::name::Name;
use crate::sealed::{self, AllowList, Offer};

impl Segment {
    /// Creates a sealed segment, which has no name, and attaches to it.
    ///
    /// The seals fix its size, so no peer can make another one fault by truncating it. Infos and
    /// errors call the segment `label`. The memory is freed when no process is attached and none
    /// has a descriptor of it.
    ///
    /// The mode of `config` decides which processes that have a descriptor may reopen the segment
    /// for writing; read permission for everybody is added to it.
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
    /// See [`CreateError`]. A failed call leaves no file behind.
    pub fn create_sealed(label: &str, config: &Config) -> Result<Self, CreateError> {
        sealed::create::create(&Name::new(label).map_err(CreateError::Name)?, config).map(Self::of)
    }

    /// Attaches to the sealed segment of an inherited or received descriptor, and closes the
    /// descriptor in any case.
    ///
    /// The seals are checked first, so the process that passed the descriptor can do no more than
    /// any peer of the ring. The attach reopens the segment through `/proc`, so this process must
    /// run as the segment's owner, or as a user whom the segment's mode allows to write.
    ///
    /// # Errors
    /// [`AttachError::NotSealed`] if the file lacks a seal; [`AttachError::Denied`] if the
    /// descriptor is read-only, or this user may not open the segment; otherwise as for
    /// [`attach`](Self::attach).
    pub fn from_fd(descriptor: OwnedFd) -> Result<Self, AttachError> {
        AttachOptions::new().attach_fd(descriptor)
    }

    /// Offers this sealed segment at a Unix socket to the users and groups on `list`.
    ///
    /// Creates the socket at `path`, replacing one whose server has ended. Clients are answered
    /// only while the caller is in [`Offer::answer`].
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
        Offer::new(Arc::clone(&self.attachment), path.as_ref(), list)
    }

    /// Attaches to the sealed segment that is offered at a Unix socket.
    ///
    /// Fails at once if no server listens, and waits up to 10 s for its answer; [`AttachOptions`]
    /// can set other timeouts. As with [`from_fd`](Self::from_fd), the server can do no more than
    /// any peer of the ring. The server opens all descriptions that the attachment needs, so the
    /// segment may be another user's, and `/proc` is not needed.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub fn receive(path: impl AsRef<Path>) -> Result<Self, ReceiveError> {
        AttachOptions::new().receive(path)
    }

    /// Returns a new descriptor of this sealed segment, for one process to
    /// [attach](Self::from_fd) through.
    ///
    /// Call this once per process: copies of one descriptor share an open file description, and
    /// each attachment needs its own.
    ///
    /// # Errors
    /// See [`ShareError`].
    pub fn share(&self) -> Result<OwnedFd, ShareError> {
        self.attachment.share(true).map(OwnedFd::from)
    }

    /// Returns a read-only descriptor of this sealed segment, for an [`Observer`](crate::Observer).
    /// A process of the segment's owner can still reopen it for writing.
    ///
    /// # Errors
    /// See [`ShareError`].
    pub fn share_read_only(&self) -> Result<OwnedFd, ShareError> {
        self.attachment.share(false).map(OwnedFd::from)
    }
}
