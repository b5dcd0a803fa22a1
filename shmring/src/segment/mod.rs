//! Segments: named pieces of shared memory with a ring in them.

// What is read from a segment must not be able to end the process.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used,
    )
)]

mod attach;
mod config;
mod create;
mod find;
mod lifecycle;
mod mapping;
mod monitor;
mod name;
mod observe;
mod options;
mod view;

use std::sync::Arc;
use std::time::Duration;

pub use config::Config;
pub use monitor::Monitor;
pub use observe::{Observer, list};
pub use options::AttachOptions;
pub(crate) use view::View;

use crate::error::{AttachError, CreateError, Fault, JoinError, MonitorError, UnlinkError};
use crate::facts::{Description, ElementType, Obtained, Status};
use attach::Attach;
use name::Name;

/// One attach to a segment.
///
/// It can be shared between threads; handles keep the attach alive when the
/// `Segment` is dropped. The last of them detaches. A fork child does not inherit
/// it: every verb fails there, and dropping does nothing.
#[derive(Debug)]
pub struct Segment {
    attach: Arc<Attach>,
}

impl Segment {
    /// Makes a segment of that name, with or without a leading slash, and attaches
    /// to it. All its memory is allocated now. Others see the name when the
    /// segment is complete; of several that create one name, one succeeds.
    ///
    /// # Errors
    /// See [`CreateError`]. Nothing is left behind.
    pub fn create(name: &str, config: &Config) -> Result<Self, CreateError> {
        let name = Name::new(name).map_err(CreateError::Name)?;
        create::create(&name, config).map(Self::of)
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
    /// cleans up behind those whose processes died. Messages in it stay.
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

    pub(crate) fn of(attach: Arc<Attach>) -> Self {
        Self { attach }
    }

    /// Removes a name. Those attached go on undisturbed; the memory is freed when
    /// the last of them detaches.
    ///
    /// # Errors
    /// See [`UnlinkError`].
    pub fn unlink(name: &str) -> Result<(), UnlinkError> {
        create::unlink(&Name::new(name).map_err(UnlinkError::Name)?)
    }

    /// What the segment is.
    pub fn description(&self) -> &Description {
        &self.attach.description
    }

    /// What this attach got of what the segment's creator asked for.
    pub fn obtained(&self) -> Obtained {
        self.attach.obtained
    }

    /// What goes on in the segment.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn status(&self) -> Result<Status, Fault> {
        let mapping = self.attach.mapping();
        mapping.check()?;
        let status =
            observe::status(mapping, self.attach.shape(), |index| self.attach.participant(index));
        mapping.check().map(|()| status)
    }

    /// # Errors
    /// [`JoinError::WrongType`] if the ring does not hold what a handle is for; `None`
    /// is bytes.
    pub(crate) fn check_type(&self, wanted: Option<ElementType>) -> Result<(), JoinError> {
        let found = self.attach.shape().element();
        if found == wanted { Ok(()) } else { Err(JoinError::WrongType { found, wanted }) }
    }

    /// A handle's way into the segment.
    pub(crate) fn view(&self) -> View {
        View::new(Arc::clone(&self.attach))
    }

    /// Watches for the deaths of others, so that who waits for them here or elsewhere goes
    /// on at once. Without it, who waits notices a death after about as long as it has
    /// waited by then, at least 2 ms and at most 100 ms; who spins, after 1 ms.
    ///
    /// # Errors
    /// See [`MonitorError`].
    pub fn monitor(&self) -> Result<Monitor, MonitorError> {
        Monitor::start(Arc::clone(&self.attach))
    }

    /// Closes the ring for good: sends fail from now on; the consumer gets what is
    /// in the ring, then the end of the stream.
    pub fn close(&self) {
        if !self.attach.mapping().is_forked() {
            self.attach.mapping().close();
        }
    }
}
