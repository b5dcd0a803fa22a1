//! Finding a segment: from a name to a file whose header was checked.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;

use super::name::Name;
use crate::error::{AttachError, OsError};
use crate::facts::Description;
use crate::layout::{BadHeader, Header, MAGIC, PAGE_BYTES};
use crate::sys::shm;

/// A file that was found to hold a segment.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: File,
    pub(super) header: Header,
    pub(super) description: Description,
    /// More opens of the file, for a process that may not open it itself.
    pub(super) more: Vec<File>,
}

/// Opens a segment and checks all of its header, before anything is mapped.
pub(super) fn find(name: &Name, writable: bool) -> Result<Found, AttachError> {
    let not_a_segment = |why| AttachError::NotASegment { name: name.to_owned(), why };
    let file =
        shm::open_existing(name.as_str(), writable).map_err(|error| {
            match Errno::from_raw(error.errno()) {
                Errno::ENOENT => AttachError::NotFound { name: name.to_owned() },
                Errno::EACCES | Errno::EPERM => AttachError::Denied { name: name.to_owned() },
                Errno::ELOOP => not_a_segment("it is a symbolic link"),
                Errno::EISDIR | Errno::ENXIO | Errno::EINVAL => not_a_segment("it is not a file"),
                _ => AttachError::Os(error),
            }
        })?;
    examine(file, name, &shm::path(name.as_str()))
}

/// Checks all of the header of what errors call `object`, before anything is mapped.
pub(super) fn examine(file: File, name: &Name, object: &str) -> Result<Found, AttachError> {
    let not_a_segment = |why| AttachError::NotASegment { name: name.to_owned(), why };
    let os = |call| move |e| AttachError::Os(OsError::new(call, object, e));
    let stat = file.metadata().map_err(os("fstat"))?;
    if !stat.is_file() {
        return Err(not_a_segment("it is not a file"));
    }
    if stat.len() < PAGE_BYTES {
        return Err(not_a_segment("it is too short for a header"));
    }
    let mut page = vec![0; PAGE_BYTES as usize];
    file.read_exact_at(&mut page, 0).map_err(os("pread"))?;
    let header = Header::decode(&page, stat.len()).map_err(|bad| match bad {
        BadHeader::Foreign { why } => not_a_segment(why),
        BadHeader::Incompatible { what, found, expected } => {
            AttachError::Incompatible { name: name.to_owned(), what, found, expected }
        }
        BadHeader::Corrupt { what, found } => {
            AttachError::CorruptHeader { name: name.to_owned(), what, found }
        }
    })?;
    let description = describe(name, &header, stat.mode(), stat.uid());
    Ok(Found { file, header, description, more: Vec::new() })
}

pub(super) fn describe(name: &Name, header: &Header, mode: u32, owner_uid: u32) -> Description {
    let shape = header.geometry.shape;
    Description {
        name: name.to_owned(),
        kind: shape.kind(),
        capacity_bytes: shape.capacity_bytes(),
        slots: shape.slots(),
        slot_bytes: shape.slot_bytes(),
        element: shape.element(),
        max_message_bytes: shape.max_message_bytes(),
        wake_fences: header.fences,
        total_bytes: header.geometry.map().total_bytes,
        mode: mode & 0o777,
        owner_uid,
        created: (SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(header.created_ns)))
            .unwrap_or(SystemTime::UNIX_EPOCH),
        creator_pid: header.creator_pid,
    }
}

/// Whether the file still has a name.
pub(super) fn is_linked(file: &File, name: &Name) -> Result<bool, AttachError> {
    let stat = file.metadata();
    let stat = stat.map_err(|e| OsError::new("fstat", shm::path(name.as_str()), e));
    Ok(stat.map_err(AttachError::Os)?.nlink() > 0)
}

/// As [`is_named`], for a name that may be gone.
///
/// # Errors
/// If the file or the name cannot be looked up.
pub(super) fn is_linked_to(file: &File, name: &str) -> Result<bool, OsError> {
    let path = shm::path(name);
    let stat = file.metadata().map_err(|e| OsError::new("fstat", &*path, e))?;
    match std::fs::symlink_metadata(&path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (stat.dev(), stat.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(OsError::new("stat", path, error)),
    }
}

/// Whether the name means the file.
pub(super) fn is_named(file: &File, name: &Name) -> bool {
    let identity = |stat: std::fs::Metadata| (stat.dev(), stat.ino());
    let named = std::fs::symlink_metadata(shm::path(name.as_str())).map(identity).ok();
    named.is_some() && named == file.metadata().map(identity).ok()
}

/// Whether the object of that name starts as segments do, of whatever version.
pub(super) fn has_magic(name: &str) -> bool {
    let mut magic = [0; 8];
    shm::open_existing(name, false).is_ok_and(|file| file.read_exact_at(&mut magic, 0).is_ok())
        && u64::from_ne_bytes(magic) == MAGIC
}
