//! Finding a segment: opening its file and checking its header.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;

use crate::error::{AttachError, OsError};
use crate::format::{BadHeader, Header, MAGIC, MAX_PROLOGUE_BYTES, PAGE_BYTES, Shape};
use crate::info::{RingInfo, SegmentInfo};
use crate::lifecycle::name::Name;
use crate::sys::{memfd, shm};

/// A file with a checked header.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) file: File,
    pub(crate) header: Header,
    pub(crate) info: SegmentInfo,
    /// More open file descriptions of the file, for a process that may not reopen it.
    pub(crate) more: Vec<File>,
}

/// Opens a segment and checks its whole header, before the file is mapped.
pub(crate) fn find(name: &Name, writable: bool) -> Result<Found, AttachError> {
    examine(open(name, writable)?, name, &shm::path(name.as_str()))
}

/// Opens the file of that name.
pub(crate) fn open(name: &Name, writable: bool) -> Result<File, AttachError> {
    let not_a_segment = |why| AttachError::NotASegment { name: name.to_owned(), why };
    shm::open_existing(name.as_str(), writable).map_err(|error| {
        match Errno::from_raw(error.errno()) {
            Errno::ENOENT => AttachError::NotFound { name: name.to_owned() },
            Errno::EACCES | Errno::EPERM => AttachError::Denied { name: name.to_owned() },
            Errno::ELOOP => not_a_segment("it is a symbolic link"),
            Errno::EISDIR | Errno::ENXIO | Errno::EINVAL => not_a_segment("it is not a file"),
            // Segments are opened with O_NONBLOCK; only a lease makes that fail with EAGAIN.
            Errno::EAGAIN => AttachError::Leased { name: name.to_owned() },
            _ => AttachError::Os(error),
        }
    })
}

/// Checks that a file is a segment, which may be damaged, of another version, or of the other byte
/// order.
///
/// # Errors
/// [`AttachError::NotASegment`] with the reason.
pub(crate) fn segment_or_not(file: &File, name: &Name) -> Result<(), AttachError> {
    let not_a_segment = |why| Err(AttachError::NotASegment { name: name.to_owned(), why });
    let os = |call| move |e| AttachError::Os(OsError::new(call, shm::path(name.as_str()), e));
    if !file.metadata().map_err(os("fstat"))?.is_file() {
        return not_a_segment("it is not a file");
    }
    let mut magic = [0; 8];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            return not_a_segment("it is too short for a header");
        }
        Err(error) => return Err(os("pread")(error)),
    }
    let magic = u64::from_ne_bytes(magic);
    if magic == MAGIC || magic == MAGIC.swap_bytes() {
        return Ok(());
    }
    not_a_segment("it does not start with the magic")
}

/// Checks the whole header of a file, which errors call `object`, before it is mapped.
pub(crate) fn examine(file: File, name: &Name, object: &str) -> Result<Found, AttachError> {
    let not_a_segment = |why| AttachError::NotASegment { name: name.to_owned(), why };
    let os = |call| move |e| AttachError::Os(OsError::new(call, object, e));
    let stat = file.metadata().map_err(os("fstat"))?;
    if !stat.is_file() {
        return Err(not_a_segment("it is not a file"));
    }
    if stat.len() < PAGE_BYTES {
        return Err(not_a_segment("it is too short for a header"));
    }
    let mut start = vec![0; stat.len().min(MAX_PROLOGUE_BYTES) as usize];
    file.read_exact_at(&mut start, 0).map_err(os("pread"))?;
    let header = Header::decode(&start, stat.len()).map_err(|bad| match bad {
        BadHeader::Foreign { why } => not_a_segment(why),
        BadHeader::Incompatible { what, found, expected } => {
            AttachError::Incompatible { name: name.to_owned(), what, found, expected }
        }
        BadHeader::Corrupt { what, found } => {
            AttachError::CorruptHeader { name: name.to_owned(), what, found }
        }
    })?;
    let info = describe(name, &header, stat.mode(), stat.uid());
    Ok(Found { file, header, info, more: Vec::new() })
}

pub(crate) fn describe(name: &Name, header: &Header, mode: u32, owner_uid: u32) -> SegmentInfo {
    let ring = |shape: &Shape| RingInfo {
        kind: shape.kind(),
        capacity_bytes: shape.capacity_bytes(),
        slots: shape.slots(),
        slot_bytes: shape.slot_bytes(),
        payload_align_bytes: shape.align_bytes(),
        element: shape.element(),
        max_message_bytes: shape.max_message_bytes(),
    };
    SegmentInfo {
        name: name.to_owned(),
        rings: header.geometry.rings.iter().map(ring).collect(),
        metadata: header.metadata.clone(),
        total_bytes: header.geometry.map().total_bytes,
        mode: mode & 0o777,
        owner_uid,
        created: (SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(header.created_ns)))
            .unwrap_or(SystemTime::UNIX_EPOCH),
        creator_pid: header.creator_pid,
    }
}

/// Returns `true` if the file still has a name.
pub(crate) fn is_linked(file: &File, name: &Name) -> Result<bool, AttachError> {
    let stat = file.metadata();
    let stat = stat.map_err(|e| OsError::new("fstat", shm::path(name.as_str()), e));
    Ok(stat.map_err(AttachError::Os)?.nlink() > 0)
}

/// Returns `true` if the name refers to the file.
pub(crate) fn is_named(file: &File, name: &Name) -> bool {
    let identity = |stat: std::fs::Metadata| (stat.dev(), stat.ino());
    let named = std::fs::symlink_metadata(shm::path(name.as_str())).map(identity).ok();
    named.is_some() && named == file.metadata().map(identity).ok()
}

/// What the name of an attached segment refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum NameState {
    /// The attached segment.
    Current,
    /// No file: the name was removed.
    Removed,
    /// Another file: the name was removed and created anew.
    Replaced,
    /// The segment is sealed and never had a name.
    Unnamed,
}

/// Returns what the name of the segment in `file` refers to.
pub(crate) fn name_state(file: &File, name: &str) -> Result<NameState, OsError> {
    let identity = |stat: &std::fs::Metadata| (stat.dev(), stat.ino());
    let own = file.metadata().map_err(|e| OsError::new("fstat", shm::path(name), e))?;
    if own.nlink() == 0 && memfd::label(file).is_some() {
        return Ok(NameState::Unnamed);
    }
    match std::fs::symlink_metadata(shm::path(name)) {
        Ok(stat) if identity(&stat) == identity(&own) => Ok(NameState::Current),
        Ok(_) => Ok(NameState::Replaced),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(NameState::Removed),
        Err(error) => Err(OsError::new("lstat", shm::path(name), error)),
    }
}

/// Returns `true` if the file of that name starts with the magic of a segment, of any version.
pub(crate) fn has_magic(name: &str) -> bool {
    let mut magic = [0; 8];
    shm::open_existing(name, false).is_ok_and(|file| file.read_exact_at(&mut magic, 0).is_ok())
        && u64::from_ne_bytes(magic) == MAGIC
}
