//! Segments without a name whose size nobody can change, for peers that are not trusted.
//!
//! A peer that may write to a file in /dev/shm can cut it short, and whoever touches what
//! is gone gets a SIGBUS. Such a file cannot be sealed against that; one from `memfd_create`
//! can. It has no name, so its descriptor is passed on, and whoever receives one looks at the
//! seals before anything is mapped.
//!
//! # Who may open it once more
//!
//! A descriptor that was passed shares its open file description with the giver's, so an
//! attach needs others: one for its token, one to look at tokens, one for its monitor. It
//! opens them through /proc, and the kernel looks at the file's mode then, as for any file.
//! The mode lets all read and only the owner write. No name leads to the file, so to read
//! is left to those who were given a descriptor, and may read anyway; who was given one for
//! reading only and is another user cannot turn it into more. A peer of another user that
//! may write is given all the descriptions that it needs by
//! [`Offer`](crate::sealed::offer::Offer), and opens nothing.

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

/// Lets those open the file for writing once more who are not its owner.
pub(crate) const OTHERS_WRITE: u32 = 0o022;
/// Lets whoever has a descriptor open the file for reading once more.
const READABLE: u32 = 0o444;

/// Makes a sealed segment and attaches to it.
pub(crate) fn create(label: &Name, config: &Config) -> Result<Arc<Attachment>, CreateError> {
    let (len, max) = (label.as_str().len(), memfd::MAX_LABEL_BYTES);
    if len > max {
        return Err(CreateError::Name(NameError::TooLong { len, max }));
    }
    let header = header(config)?;
    let file = memfd::create(label.as_str()).map_err(CreateError::Os)?;
    let mode = config.mode_bits() | READABLE;
    let object = memfd::object(label.as_str());
    // The file system of these files has no limit of its own.
    let room = Room { object: &object, free_bytes: u64::MAX, mode };
    fill(&file, label, &room, config, &header)?;
    memfd::seal(&file, label.as_str()).map_err(CreateError::Os)?;
    enter(file, label, config, mode, header).map(Arc::new)
}

/// Attaches to the segment that a passed descriptor means.
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

/// Attaches to a segment that was found. The descriptions that it holds are not to be
/// copied into a fork child before that.
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

/// Looks at the segment that a passed descriptor means.
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

/// Opens what a descriptor means once more, and checks that it is a segment.
fn open_given(given: File, name: &Name, writable: bool) -> Result<Found, AttachError> {
    check_seals(&given, name)?;
    let file =
        shm::reopen(&given, writable).map_err(|error| match Errno::from_raw(error.errno()) {
            Errno::EACCES | Errno::EPERM => AttachError::Denied { name: name.to_owned() },
            _ => AttachError::Os(error),
        })?;
    examine(file, name, &memfd::object(name.as_str()))
}

/// # Errors
/// What is missing for the file to keep its size, whatever a peer does.
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
    /// A new open of the segment's file, to be passed to another process.
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
