//! How to attach, and whom to trust in doing so.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use crate::error::{AttachError, ReceiveError};
use crate::info::SegmentInfo;
use crate::lifecycle::attachment::Attachment;
use crate::lifecycle::name::Name;
use crate::observe::Observer;
use crate::sealed::{create, receive};
use crate::segment::Segment;
use crate::sync::Deadline;

/// The permission bit that lets everybody write.
const WORLD_WRITABLE: u32 = 0o002;
/// How often a name is looked for while waiting for it to appear.
const APPEAR_INTERVAL: Duration = Duration::from_millis(2);

/// How to attach to a segment, where [`Segment::attach`] does not do.
///
/// ```
/// use shmring::{AttachError, AttachOptions, Config, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-options-{}", std::process::id());
/// # let name = name.as_str();
/// let made = Segment::create(name, &Config::spsc().mode(0o666))?;
/// let refused = Segment::attach(name);
/// assert!(matches!(refused, Err(AttachError::WorldWritable { mode: 0o666, .. })));
///
/// let owner = made.info().owner_uid;
/// AttachOptions::new().owner(owner).accept_world_writable(true).attach(name)?;
/// # Segment::unlink(name)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct AttachOptions {
    pub(crate) owner: Option<u32>,
    accept_world_writable: bool,
    pub(crate) guard: bool,
    pub(crate) dump: bool,
    pub(crate) timeout: Option<Duration>,
    metadata: Option<Vec<u8>>,
}

impl AttachOptions {
    /// Any owner, no segment that everybody may write to, no guard, no waiting: as
    /// [`Segment::attach`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses a segment that belongs to another user than `uid`.
    ///
    /// Unless set, any owner will do: a segment of someone else's is one that its owner
    /// gave this process permission for, which is how users come to share a segment.
    /// Set it where the name may be taken by somebody who should not be listened to.
    pub fn owner(mut self, uid: u32) -> Self {
        self.owner = Some(uid);
        self
    }

    /// Attaches even if everybody on the machine may write to the segment.
    ///
    /// Refused unless set: any user can then forge messages, or cut the file short, which
    /// kills those attached without a [guard](Self::guard).
    pub fn accept_world_writable(mut self, accept: bool) -> Self {
        self.accept_world_writable = accept;
        self
    }

    /// Outlives that somebody cuts the segment's file short. Whoever may write to the
    /// segment can do that, and without a guard the kernel then kills, by SIGBUS, whoever
    /// touches what was cut off. With it, that memory reads as zero, and the verbs on this
    /// attach fail with [`Fault::Truncated`](crate::Fault::Truncated) from the next one on.
    /// A message that is being copied at that moment may be delivered with zeros in it.
    ///
    /// Costs nothing per message, and a few microseconds at attach. It is off unless asked
    /// for since it puts a handler for SIGBUS in place, which there is only one of in a
    /// process, and which stays. The library that this code is linked into stays with it, also
    /// after `dlclose`. Faults at other addresses are passed on to the handler that was there
    /// before. A handler that is put in place later must pass on faults
    /// that it does not know, and no thread may block SIGBUS. At most 1024 attaches of a
    /// process can be guarded at once.
    pub fn guard(mut self, guard: bool) -> Self {
        self.guard = guard;
        self
    }

    /// Lets core files of this process have the ring with its messages. Which mappings get into
    /// a core file is up to `/proc/PID/coredump_filter` as well: unless changed, it includes
    /// segments without a name, and leaves out those with one.
    ///
    /// Unless set, the ring is left out (`MADV_DONTDUMP`): it may be large, and its messages may
    /// be nobody else's business.
    pub fn dump(mut self, dump: bool) -> Self {
        self.dump = dump;
        self
    }

    /// Refuses a segment whose [metadata](crate::Config::metadata) differ from `metadata`: a
    /// schema of another version, say.
    ///
    /// ```
    /// use shmring::{AttachError, AttachOptions, Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-metadata-{}", std::process::id());
    /// # let name = name.as_str();
    /// let segment = Segment::create(name, &Config::spsc().metadata(b"quote/v1"))?;
    /// AttachOptions::new().expect_metadata(b"quote/v1").attach(name)?;
    /// let refused = AttachOptions::new().expect_metadata(b"quote/v2").attach(name);
    /// assert!(matches!(refused, Err(AttachError::WrongMetadata { found, .. }) if found == b"quote/v1"));
    /// # Segment::unlink(name)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn expect_metadata(mut self, metadata: impl Into<Vec<u8>>) -> Self {
        self.metadata = Some(metadata.into());
        self
    }

    /// Waits up to `timeout` for the name to appear.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Attaches to the segment of that name, with or without a leading slash, and cleans
    /// up behind those whose processes died. Messages in it stay.
    ///
    /// # Errors
    /// See [`AttachError`]. The file and its header are checked before anything is mapped.
    pub fn attach(&self, name: &str) -> Result<Segment, AttachError> {
        self.find(name, |name| Attachment::by_name(name, self)).map(Segment::of)
    }

    /// Opens the segment of that name for looking at it only, with or without a leading
    /// slash.
    ///
    /// # Errors
    /// As for [`attach`](Self::attach).
    pub fn observe(&self, name: &str) -> Result<Observer, AttachError> {
        self.find(name, |name| Observer::by_name(name, self))
    }

    /// Attaches to the sealed segment that a descriptor means, as [`Segment::from_fd`] does.
    /// Since no name leads to it, it may be one that everybody may write to.
    ///
    /// # Errors
    /// As for [`Segment::from_fd`].
    pub fn attach_fd(&self, descriptor: OwnedFd) -> Result<Segment, AttachError> {
        create::attach(descriptor, self).map(Segment::of)
    }

    /// Looks at the sealed segment that a descriptor means, which may be one for reading
    /// only. It is closed in any case.
    ///
    /// # Errors
    /// As for [`Segment::from_fd`].
    pub fn observe_fd(&self, descriptor: OwnedFd) -> Result<Observer, AttachError> {
        create::observe(descriptor, self)
    }

    /// Attaches to the sealed segment that is offered at a Unix socket, as
    /// [`Segment::receive`] does. With a timeout, waits for a server to appear and to answer;
    /// with an owner, the server has to be of that user as well.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub fn receive(&self, path: impl AsRef<Path>) -> Result<Segment, ReceiveError> {
        receive::attach(path.as_ref(), self).map(Segment::of)
    }

    /// As [`receive`](Self::receive), but only looks at it. Who may take part may look.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub fn receive_to_observe(&self, path: impl AsRef<Path>) -> Result<Observer, ReceiveError> {
        receive::observe(path.as_ref(), self)
    }

    fn find<T>(
        &self,
        name: &str,
        open: impl Fn(&Name) -> Result<T, AttachError>,
    ) -> Result<T, AttachError> {
        let name = Name::new(name).map_err(AttachError::Name)?;
        let deadline = self.timeout.map(Deadline::after);
        loop {
            match (open(&name), deadline) {
                (Err(AttachError::NotFound { name }), Some(deadline)) => {
                    if deadline.passed() {
                        return Err(AttachError::TimedOut { name });
                    }
                    std::thread::sleep(APPEAR_INTERVAL);
                }
                (result, _) => return result,
            }
        }
    }

    /// # Errors
    /// What about a segment makes it one not to be trusted. Owner and mode are those of
    /// the opened file, whatever the name means by now.
    pub(crate) fn check(&self, found: &SegmentInfo) -> Result<(), AttachError> {
        self.check_identity(found)?;
        if found.mode & WORLD_WRITABLE != 0 && !self.accept_world_writable {
            let name = found.name.clone();
            return Err(AttachError::WorldWritable { name, mode: found.mode });
        }
        Ok(())
    }

    /// # Errors
    /// If the owner or the metadata are not those asked for.
    pub(crate) fn check_identity(&self, found: &SegmentInfo) -> Result<(), AttachError> {
        if let Some(expected) = self.owner
            && expected != found.owner_uid
        {
            let name = found.name.clone();
            return Err(AttachError::WrongOwner { name, expected, found: found.owner_uid });
        }
        if let Some(expected) = &self.metadata
            && *expected != found.metadata
        {
            let (name, expected) = (found.name.clone(), expected.clone());
            return Err(AttachError::WrongMetadata {
                name,
                expected,
                found: found.metadata.clone(),
            });
        }
        Ok(())
    }
}
