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
}
