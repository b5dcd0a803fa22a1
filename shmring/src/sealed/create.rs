//! Segments without a name and of a fixed size, for peers that are not trusted.
//!
//! A peer that may write to a file in `/dev/shm` can truncate it, and an access to a lost page
//! raises SIGBUS. Such files cannot be sealed against that; files of `memfd_create` can. They have
//! no name, so processes pass their descriptors, and a receiver checks the seals before it maps the
//! file.
//!
//! # Permission to reopen
//!
//! A passed descriptor shares its open file description with the sender's, so an attachment needs
//! more: one for its token, one to check tokens, one for its monitor. It opens them through
//! `/proc`, where the kernel checks the file's mode as for any file. The mode lets everybody read
//! and only the owner write. No path leads to the file, so only processes with a descriptor can use
//! the read permission, which they have anyway; another user with a read-only descriptor cannot
//! gain write access. A peer of another user that may write receives all its descriptions from
//! [`Offer`](crate::sealed::offer::Offer), and opens none.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;

use crate::attach_options::AttachOptions;
use crate::config::Config;
use crate::error::{AttachError, CreateError, NameError, OsError, ShareError};
use crate::lifecycle::attachment::Attachment;
use crate::lifecycle::create::{Room, enter, fill, header};
use crate::lifecycle::find::{Found, examine};
use crate::lifecycle::name::Name;
use crate::observe::Observer;
use crate::sys::{fork, memfd, shm};

/// Mode bits that let other users than the owner reopen the file for writing.
pub(crate) const OTHERS_WRITE: u32 = 0o022;
/// Mode bits that let every process with a descriptor reopen the file for reading.
const READABLE: u32 = 0o444;

/// Creates a sealed segment and attaches to it.
pub(crate) fn create(label: &Name, config: &Config) -> Result<Arc<Attachment>, CreateError> {
    let (len, max) = (label.as_str().len(), memfd::MAX_LABEL_BYTES);
    if len > max {
        return Err(CreateError::Name(NameError::TooLong { len, max }));
    }
    let header = header(config)?;
    let file = memfd::create(label.as_str()).map_err(CreateError::Os)?;
    let mode = config.mode_bits() | READABLE;
    let object = memfd::object(label.as_str());
    // The file system of memfds has no size limit.
    let room = Room { object: &object, free_bytes: u64::MAX, mode };
    fill(&file, label, &room, config, &header)?;
    memfd::seal(&file, label.as_str()).map_err(CreateError::Os)?;
    enter(file, label, config, mode, header).map(Arc::new)
}

/// Attaches to the segment of a passed descriptor.
pub(crate) fn attach(fd: OwnedFd, options: &AttachOptions) -> Result<Arc<Attachment>, AttachError> {
    let (given, name) = given(fd);
    if !memfd::is_writable(&given).map_err(AttachError::Os)? {
        return Err(AttachError::Denied { name: name.to_owned() });
    }
    let found = open_given(given, &name, true)?;
    options.check_identity(&found.info)?;
    let forks = fork::hold().map_err(AttachError::Os)?;
    hold(found, options, &name, forks)
}

/// Attaches to a checked segment. Forks must be held off since its descriptions were opened.
pub(crate) fn hold(
    found: Found,
    options: &AttachOptions,
    name: &Name,
    forks: fork::ForksHeld,
) -> Result<Arc<Attachment>, AttachError> {
    let memory = found.header.memory;
    let attach = Attachment::hold(found, options.guard, &forks)?;
    drop(forks);
    if options.dump {
        attach.mapping().include_in_dumps();
    }
    let attach = attach.enter(memory);
    attach.check_whole(name).map(|()| Arc::new(attach))
}

/// Observes the segment of a passed descriptor.
pub(crate) fn observe(fd: OwnedFd, options: &AttachOptions) -> Result<Observer, AttachError> {
    let (given, name) = given(fd);
    let found = open_given(given, &name, false)?;
    options.check_identity(&found.info)?;
    Observer::of(found, options)
}

fn given(fd: OwnedFd) -> (File, Name) {
    let given = File::from(fd);
    let name = memfd::label(&given).and_then(|label| Name::new(&label).ok());
    (given, name.unwrap_or_else(Name::of_unnamed))
}

/// Reopens the file of a descriptor, and checks that it is a segment.
fn open_given(given: File, name: &Name, writable: bool) -> Result<Found, AttachError> {
    check_seals(&given, name)?;
    let file =
        shm::reopen(&given, writable).map_err(|error| match Errno::from_raw(error.errno()) {
            Errno::EACCES | Errno::EPERM => AttachError::Denied { name: name.to_owned() },
            _ => AttachError::Os(error),
        })?;
    examine(file, name, &memfd::object(name.as_str()))
}

/// Checks that the file has all seals.
///
/// # Errors
/// [`AttachError::NotSealed`] names the first missing seal.
pub(crate) fn check_seals(file: &File, name: &Name) -> Result<(), AttachError> {
    let stat = file.metadata().map_err(|error| {
        AttachError::Os(OsError::new("fstat", memfd::object(name.as_str()), error))
    })?;
    if !stat.is_file() {
        let why = "it is not a file";
        return Err(AttachError::NotASegment { name: name.to_owned(), why });
    }
    match memfd::missing_seal(file).map_err(AttachError::Os)? {
        Some(missing) => Err(AttachError::NotSealed { name: name.to_owned(), missing }),
        None => Ok(()),
    }
}

impl Attachment {
    /// Reopens the segment's file, to pass it to another process.
    pub(crate) fn share(&self, writable: bool) -> Result<File, ShareError> {
        self.mapping().check().map_err(ShareError::Failed)?;
        let name = || self.info.name.clone();
        if self.ask(memfd::missing_seal).map_err(ShareError::Os)?.is_some() {
            return Err(ShareError::NotSealed { name: name() });
        }
        self.reopen(writable).map_err(|error| match Errno::from_raw(error.errno()) {
            Errno::EACCES => ShareError::Denied { name: name() },
            _ => ShareError::Os(error),
        })
    }
}
