//! Offering a sealed segment at a Unix socket to the users on a list.
//!
//! The server sends one message to each client and reads nothing, so a slow or hostile client
//! cannot block it. The kernel charges descriptors that were sent and not received to the server's
//! user, so a connection counts against a limit until its client closes it.

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::error::{OfferError, OsError, ShareError};
use crate::lifecycle::attachment::Attachment;
use crate::sealed::allow::{Access, AllowList};
use crate::sealed::handshake::{Handshake, Verdict};
use crate::sync::Deadline;
use crate::sys::fork;
use crate::sys::listener::{Listener, Refused};
use crate::sys::socket::{self, Peer};

/// Limits of open connections with access given: of one user, and of all.
const MAX_OPEN_PER_UID: usize = 16;
const MAX_OPEN: usize = 128;
/// Pause before the next try when this process cannot open more descriptors.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// A sealed segment that is offered at a Unix socket; see
/// [`Segment::offer`](crate::segment::Segment::offer).
///
/// It keeps the segment attached. Dropping it removes the socket; clients keep the access that they
/// have. A fork child does not inherit it.
#[derive(Debug)]
pub struct Offer {
    attachment: Arc<Attachment>,
    listener: Listener,
    list: AllowList,
    open: Vec<Open>,
}

/// An open connection with access given.
#[derive(Debug)]
struct Open {
    connection: OwnedFd,
    uid: u32,
}

/// A client that connected, and the server's answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Visit {
    /// The client's pid; 0 if it is in a pid namespace that this process does not see.
    pub pid: u32,
    /// Its effective uid.
    pub uid: u32,
    /// Its effective gid.
    pub gid: u32,
    /// The answer.
    pub outcome: Outcome,
}

/// The server's answer to a client.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The client got access.
    Given(Access),
    /// Refused: the client is not on the list.
    NotListed,
    /// Refused: its user, or all users together, have too many open connections.
    Busy,
    /// A system call failed, for instance because of a limit on open files.
    Failed(OsError),
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, uid, gid, outcome } = self;
        match outcome {
            Outcome::Given(Access::ReadWrite) => f.write_str("given to")?,
            Outcome::Given(Access::ReadOnly) => f.write_str("given for reading only to")?,
            Outcome::NotListed | Outcome::Busy => f.write_str("refused to")?,
            Outcome::Failed(_) => f.write_str("not given to")?,
        }
        write!(f, " pid {pid}, uid {uid}, gid {gid}")?;
        match outcome {
            Outcome::Given(_) => Ok(()),
            Outcome::NotListed => f.write_str(": it is not on the list"),
            Outcome::Busy => f.write_str(": too many connections are open"),
            Outcome::Failed(error) => write!(f, ": {error}"),
        }
    }
}

impl Offer {
    pub(crate) fn new(
        attachment: Arc<Attachment>,
        path: &Path,
        list: &AllowList,
    ) -> Result<Self, OfferError> {
        // Fails now rather than for each client.
        attachment.share(true).map_err(OfferError::Share)?;
        let mode = attachment.info.mode;
        if list.lets_observers_write(mode) {
            return Err(OfferError::ObserversCouldWrite { mode });
        }
        let listener = Listener::new(path, list.socket_mode()).map_err(|refused| {
            let path = path.to_owned();
            match refused {
                Refused::InUse => OfferError::InUse { path },
                Refused::NotASocket => OfferError::NotASocket { path },
                Refused::Os(error) => OfferError::Os(error),
            }
        })?;
        Ok(Self { attachment, listener, list: list.clone(), open: Vec::new() })
    }

    /// Returns the path of the socket.
    pub fn path(&self) -> &Path {
        self.listener.path()
    }

    /// Waits up to `timeout` for a client and answers it. Returns `None` if none connected. A
    /// client cannot delay the answers to others.
    ///
    /// # Errors
    /// [`OfferError::Os`] if this process cannot accept a connection now; call again.
    /// [`OfferError::Share`] if the attachment cannot continue, or if this process may not open the
    /// segment any more, as after a change of its user; the client gets
    /// [`ReceiveError::ServerFailed`](crate::ReceiveError::ServerFailed).
    pub fn answer(&mut self, timeout: Duration) -> Result<Option<Visit>, OfferError> {
        self.attachment
            .mapping()
            .check()
            .map_err(|fault| OfferError::Share(ShareError::Failed(fault)))?;
        let listener = &self.listener.socket;
        if !socket::wait(listener.as_fd(), Deadline::after(timeout)).map_err(OfferError::Os)? {
            return Ok(None);
        }
        let connection = socket::accept(listener).map_err(|errno| {
            // The connection stays pending, so the next wait would return at once.
            thread::sleep(EXHAUSTED_PAUSE);
            let path = self.path().display().to_string();
            OfferError::Os(OsError::new("accept", path, errno))
        })?;
        let Some(connection) = connection else {
            return Ok(None);
        };
        let peer = socket::peer(&connection).map_err(OfferError::Os)?;
        let outcome = match self.decide(&connection, peer) {
            Ok(outcome) => outcome,
            // Every later client would fail as well.
            Err(error @ ShareError::Denied { .. }) => return Err(OfferError::Share(error)),
            Err(error) => Outcome::Failed(into_os(error)),
        };
        if let Outcome::Given(_) = outcome {
            self.open.push(Open { connection, uid: peer.uid });
        }
        Ok(Some(Visit { pid: peer.pid, uid: peer.uid, gid: peer.gid, outcome }))
    }

    /// Decides on a client's access and sends the answer.
    fn decide(&mut self, connection: &OwnedFd, peer: Peer) -> Result<Outcome, ShareError> {
        let Some(access) = self.list.access(peer.uid, peer.gid) else {
            let told = self.tell(connection, peer, Verdict::NotListed);
            return told.map(|()| Outcome::NotListed).map_err(ShareError::Os);
        };
        if !self.has_room(peer.uid) {
            let told = self.tell(connection, peer, Verdict::Busy);
            return told.map(|()| Outcome::Busy).map_err(ShareError::Os);
        }
        // A child forked meanwhile would keep a copy of the client's descriptions, and with it the
        // client's token.
        let _forks = fork::hold().map_err(ShareError::Os)?;
        let verdict = match access {
            Access::ReadWrite => Verdict::ReadWrite,
            Access::ReadOnly => Verdict::ReadOnly,
        };
        let open = || self.attachment.share(access == Access::ReadWrite);
        let files: Result<Vec<File>, ShareError> = (0..verdict.files()).map(|_| open()).collect();
        match files {
            Ok(files) => match self.greet(connection, peer, verdict, &files) {
                Ok(()) => Ok(Outcome::Given(access)),
                Err(error) => {
                    // The client may have left, which the first error then says.
                    let _ = self.tell(connection, peer, Verdict::Failed);
                    Err(ShareError::Os(error))
                }
            },
            Err(error) => {
                // As above.
                let _ = self.tell(connection, peer, Verdict::Failed);
                Err(error)
            }
        }
    }

    /// Returns `true` if the limits allow one more connection of that user.
    fn has_room(&mut self, uid: u32) -> bool {
        self.open.retain(|open| !socket::has_hung_up(&open.connection));
        let own = self.open.iter().filter(|open| open.uid == uid).count();
        own < MAX_OPEN_PER_UID && self.open.len() < MAX_OPEN
    }

    fn tell(&self, connection: &OwnedFd, peer: Peer, verdict: Verdict) -> Result<(), OsError> {
        self.greet(connection, peer, verdict, &[])
    }

    fn greet(
        &self,
        connection: &OwnedFd,
        peer: Peer,
        verdict: Verdict,
        files: &[File],
    ) -> Result<(), OsError> {
        // A refused client does not learn the label.
        let label = if files.is_empty() { "" } else { &self.attachment.info.name };
        let Peer { uid, gid, .. } = peer;
        let handshake = Handshake { verdict, uid, gid, label: label.to_owned() };
        socket::send(connection, &handshake.encode(), files)
            .map_err(|errno| OsError::new("sendmsg", "a connection", errno))
    }
}

/// Converts the error of a file that was not opened.
fn into_os(error: ShareError) -> OsError {
    match error {
        ShareError::Os(error) => error,
        other => OsError::new("open", "the segment", std::io::Error::other(other.to_string())),
    }
}

/// Readable when a client has connected.
impl AsFd for Offer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.socket.as_fd()
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // In a fork child the socket belongs to the parent.
        if !self.attachment.mapping().is_forked() {
            self.listener.remove();
        }
    }
}
