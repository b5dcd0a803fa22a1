//! Receiving a sealed segment from a server at a Unix socket.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use crate::attach_options::AttachOptions;
use crate::error::{AttachError, OsError, ReceiveError};
use crate::lifecycle::attachment::Attachment;
use crate::lifecycle::find::{Found, examine};
use crate::lifecycle::name::Name;
use crate::observe::Observer;
use crate::sealed::create;
use crate::sealed::handshake::{BUFFER_BYTES, Handshake, Verdict};
use crate::sync::Deadline;
use crate::sys::fork::{self, ForksHeld};
use crate::sys::{memfd, socket};

/// Time limit for a server's answer, unless the options set one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval between tries to connect, while no server listens or its queue is full.
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// What a server sent.
struct Gift {
    verdict: Verdict,
    name: Name,
    files: Vec<File>,
    /// Keeps fork children from inheriting the files.
    forks: ForksHeld,
}

/// Attaches to the segment offered at `path`.
pub(crate) fn attach(
    path: &Path,
    options: &AttachOptions,
) -> Result<Arc<Attachment>, ReceiveError> {
    let gift = fetch(path, options)?;
    if gift.verdict == Verdict::ReadOnly {
        return Err(ReceiveError::ReadOnly { path: path.to_owned() });
    }
    let found = open(path, options, gift.files, &gift.name, true)?;
    create::hold(found, options, &gift.name, gift.forks).map_err(ReceiveError::Attach)
}

/// Observes the segment offered at `path`.
pub(crate) fn observe(path: &Path, options: &AttachOptions) -> Result<Observer, ReceiveError> {
    let Gift { verdict, name, files, forks } = fetch(path, options)?;
    let found = open(path, options, files, &name, verdict == Verdict::ReadWrite)?;
    let observer = Observer::of(found, options).map_err(ReceiveError::Attach);
    drop(forks);
    observer
}

/// Checks that all received files are one sealed segment, opened in the right mode. The server is
/// not trusted.
fn open(
    path: &Path,
    options: &AttachOptions,
    files: Vec<File>,
    name: &Name,
    writable: bool,
) -> Result<Found, ReceiveError> {
    let os = |call| move |e| AttachError::Os(OsError::new(call, memfd::object(name.as_str()), e));
    let mut identity = None;
    for file in &files {
        create::check_seals(file, name).map_err(ReceiveError::Attach)?;
        let stat = file.metadata().map_err(os("fstat")).map_err(ReceiveError::Attach)?;
        let is_writable = memfd::is_writable(file).map_err(ReceiveError::Os)?;
        let this = (stat.dev(), stat.ino());
        if *identity.get_or_insert(this) != this || writable && !is_writable {
            return Err(protocol(path, "its files are not of one segment, opened as it says"));
        }
    }
    let mut files = files.into_iter();
    let first = files.next().ok_or_else(|| protocol(path, "no file came with its greeting"))?;
    let found = examine(first, name, &memfd::object(name.as_str()));
    let found = Found { more: files.collect(), ..found.map_err(ReceiveError::Attach)? };
    options.check_identity(&found.info).map_err(ReceiveError::Attach)?;
    Ok(found)
}

fn protocol(path: &Path, what: &'static str) -> ReceiveError {
    ReceiveError::Protocol { path: path.to_owned(), what }
}

/// Connects to the server at `path` and receives its message, within the timeouts of the options.
fn fetch(path: &Path, options: &AttachOptions) -> Result<Gift, ReceiveError> {
    let deadline = Deadline::after(options.timeout.unwrap_or(ANSWER_TIMEOUT));
    loop {
        let error = match ask(path, options, deadline) {
            // The queue stayed full, which is no refusal by the server.
            Err(Halt::Crowded) => ReceiveError::TimedOut { path: path.to_owned() },
            Err(Halt::Error(error)) if may_pass(&error) && options.timeout.is_some() => match error
            {
                ReceiveError::NoServer { path } => ReceiveError::TimedOut { path },
                error => error,
            },
            Err(Halt::Error(error)) => return Err(error),
            Ok(gift) => return Ok(gift),
        };
        if deadline.passed() {
            return Err(error);
        }
        thread::sleep(RETRY_INTERVAL);
    }
}

/// Returns `true` if a later try may succeed.
fn may_pass(error: &ReceiveError) -> bool {
    matches!(error, ReceiveError::NoServer { .. } | ReceiveError::Busy { .. })
}

/// Why nothing was received.
enum Halt {
    /// The server's queue of connections is full.
    Crowded,
    Error(ReceiveError),
}

impl From<ReceiveError> for Halt {
    fn from(error: ReceiveError) -> Self {
        Self::Error(error)
    }
}

fn ask(path: &Path, options: &AttachOptions, deadline: Deadline) -> Result<Gift, Halt> {
    let connection = connect(path)?;
    if let Some(expected) = options.owner {
        let found = socket::peer(&connection).map_err(ReceiveError::Os)?.uid;
        if found != expected {
            return Err(ReceiveError::WrongServer { path: path.to_owned(), expected, found }.into());
        }
    }
    if !socket::wait(connection.as_fd(), deadline).map_err(ReceiveError::Os)? {
        return Err(ReceiveError::TimedOut { path: path.to_owned() }.into());
    }
    let forks = fork::hold().map_err(ReceiveError::Os)?;
    let mut buffer = [0; BUFFER_BYTES];
    let received = match socket::receive(&connection, &mut buffer) {
        // The server has ended.
        Ok(received) if received.len == 0 => {
            return Err(ReceiveError::NoServer { path: path.to_owned() }.into());
        }
        Err(Errno::CONNRESET) => {
            return Err(ReceiveError::NoServer { path: path.to_owned() }.into());
        }
        Ok(received) => received,
        Err(errno) => {
            let path = path.display().to_string();
            return Err(ReceiveError::Os(OsError::new("recvmsg", path, errno)).into());
        }
    };
    if received.is_cut {
        return Err(protocol(path, "its greeting is too long, or has too many files").into());
    }
    let handshake = Handshake::decode(buffer.get(..received.len).unwrap_or(&buffer));
    let handshake = handshake.map_err(|what| protocol(path, what))?;
    let (uid, gid, path) = (handshake.uid, handshake.gid, path.to_owned());
    match handshake.verdict {
        Verdict::NotListed => Err(ReceiveError::Refused { path, uid, gid }.into()),
        Verdict::Busy => Err(ReceiveError::Busy { path, uid }.into()),
        Verdict::Failed => Err(ReceiveError::ServerFailed { path }.into()),
        verdict if received.files.len() != verdict.files() => {
            Err(protocol(&path, "its greeting has another number of files than it says").into())
        }
        verdict => {
            let name = Name::new(&handshake.label).unwrap_or_else(|_| Name::of_unnamed());
            Ok(Gift { verdict, name, files: received.files, forks })
        }
    }
}

fn connect(path: &Path) -> Result<OwnedFd, Halt> {
    socket::connect(path).map_err(|errno| {
        let path = path.to_owned();
        Halt::Error(match errno {
            Errno::AGAIN => return Halt::Crowded,
            Errno::NOENT | Errno::CONNREFUSED => ReceiveError::NoServer { path },
            Errno::ACCESS | Errno::PERM => ReceiveError::Denied { path },
            Errno::PROTOTYPE => protocol(&path, "its socket is of another type"),
            errno => ReceiveError::Os(OsError::new("connect", path.display().to_string(), errno)),
        })
    })
}
