//! Creating and replacing segments.
//!
//! A creator builds a segment in a file without a name, and then links the name in one step that
//! fails if the name exists. So no process sees an incomplete segment, one of several racing
//! creators succeeds, and a creator that dies leaves nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;

use crate::config::Config;
use crate::error::{AttachError, CreateError, OsError, UnlinkError};
use crate::format::Header;
use crate::lifecycle::attachment::Attachment;
use crate::lifecycle::find::{Found, describe, is_named};
use crate::lifecycle::lock::LifecycleLock;
use crate::lifecycle::name::Name;
use crate::lifecycle::unlink::{open_any, remove, users};
use crate::sys::shm::{self, Unnamed};
use crate::sys::{cgroup, fork, memfd};

/// Races that a replacement may lose to other processes before it gives up.
const MAX_RACES: u32 = 16;

/// Creates a segment and attaches to it.
pub(crate) fn create(name: &Name, config: &Config) -> Result<Arc<Attachment>, CreateError> {
    config.geometry().map_err(CreateError::Config)?;
    // Only the link below counts; this check avoids allocating memory in vain.
    if shm::exists(name.as_str()) {
        return Err(CreateError::Exists { name: name.to_owned() });
    }
    let (unnamed, attach) = build(name, config)?;
    link(&unnamed, name)?;
    Ok(Arc::new(attach))
}

/// Attaches to the segment of that name if the configuration fits, or creates it.
pub(crate) fn open_or_create(name: &Name, config: &Config) -> Result<Arc<Attachment>, CreateError> {
    config.geometry().map_err(CreateError::Config)?;
    let options = config.attach_options();
    let check = |found: &Found| {
        options.check(&found.info)?;
        config.check_fit(&found.header.geometry, &found.info)
    };
    // In each failed round other processes created the segment and removed it again.
    for _ in 0..MAX_RACES {
        match Attachment::by_name_if(name, &options, check) {
            Err(CreateError::Attach(AttachError::NotFound { .. })) => {}
            result => return result,
        }
        match create(name, config) {
            Err(CreateError::Exists { .. }) => {}
            result => return result,
        }
    }
    Err(CreateError::Attach(AttachError::Busy { name: name.to_owned() }))
}

fn link(unnamed: &Unnamed, name: &Name) -> Result<(), CreateError> {
    unnamed.link(name.as_str()).map_err(|error| match Errno::from_raw(error.errno()) {
        Errno::EEXIST => CreateError::Exists { name: name.to_owned() },
        Errno::ENOSPC if shm::is_out_of_inodes() => CreateError::NoInodes { name: name.to_owned() },
        _ => CreateError::Os(error),
    })
}

/// Converts the error of creating a file, which needs an inode but no space yet.
fn no_room(error: OsError, name: &Name, header: &Header) -> CreateError {
    match Errno::from_raw(error.errno()) {
        Errno::ENOSPC if shm::is_out_of_inodes() => CreateError::NoInodes { name: name.to_owned() },
        Errno::ENOSPC => CreateError::NoSpace {
            name: name.to_owned(),
            needed_bytes: header.geometry.map().total_bytes,
            free_bytes: 0,
        },
        _ => CreateError::Os(error),
    }
}

/// Builds a complete segment without a name, with this process attached.
fn build(name: &Name, config: &Config) -> Result<(Unnamed, Attachment), CreateError> {
    let header = header(config)?;
    let unnamed = Unnamed::new(name.as_str()).map_err(|error| no_room(error, name, &header))?;
    let object = shm::path(name.as_str());
    let free_bytes = shm::free_bytes(unnamed.file(), name.as_str()).map_err(CreateError::Os)?;
    let file = unnamed.file().try_clone();
    let file = file.map_err(|e| CreateError::Os(OsError::new("dup", &object, e)))?;
    fill(
        &file,
        name,
        &Room { object: &object, free_bytes, mode: config.mode_bits() },
        config,
        &header,
    )?;
    Ok((unnamed, enter(file, name, config, config.mode_bits(), header)?))
}

/// Returns the header of a new segment.
pub(crate) fn header(config: &Config) -> Result<Header, CreateError> {
    Ok(Header {
        geometry: config.geometry().map_err(CreateError::Config)?,
        memory: config.memory,
        created_ns: now_ns(),
        creator_pid: std::process::id(),
        metadata: config.metadata.clone(),
    })
}

/// Attaches this process to a new segment.
pub(crate) fn enter(
    file: File,
    name: &Name,
    config: &Config,
    mode: u32,
    header: Header,
) -> Result<Attachment, CreateError> {
    let uid = nix::unistd::geteuid().as_raw();
    let info = describe(name, &header, mode, uid);
    let found = Found { file, header, info, more: Vec::new() };
    let forks = fork::hold().map_err(CreateError::Os)?;
    let attach = Attachment::hold(found, config.guard, &forks);
    drop(forks);
    let attach = attach.map_err(CreateError::Attach)?;
    if config.dump {
        attach.mapping().include_in_dumps();
    }
    if !attach.gets_barriers() {
        attach.mapping().start_heavy();
    }
    let allocated_bytes = attach.info.total_bytes;
    Ok(attach.enter_reporting(config.memory, &|prefaulted_bytes| {
        config.report(allocated_bytes.saturating_add(prefaulted_bytes), allocated_bytes);
    }))
}

/// The file of a new segment.
pub(crate) struct Room<'a> {
    /// The file's name in errors.
    pub(crate) object: &'a str,
    pub(crate) free_bytes: u64,
    /// The file's permission bits.
    pub(crate) mode: u32,
}

/// Allocates the file's memory, and sets its header and mode. Everything behind the header is zero.
pub(crate) fn fill(
    file: &File,
    name: &Name,
    room: &Room<'_>,
    config: &Config,
    header: &Header,
) -> Result<(), CreateError> {
    let Room { object, free_bytes, mode } = *room;
    let needed_bytes = header.geometry.map().total_bytes;
    let no_space = || CreateError::NoSpace { name: name.to_owned(), needed_bytes, free_bytes };
    // A request that must fail is not to use up the memory of other processes first.
    if needed_bytes > free_bytes {
        return Err(no_space());
    }
    check_limits(name, needed_bytes)?;
    let report = |done_bytes| config.report(done_bytes, needed_bytes);
    shm::allocate(file, object, needed_bytes, &report).map_err(|error| {
        match Errno::from_raw(error.errno()) {
            Errno::ENOSPC => no_space(),
            _ => CreateError::Os(error),
        }
    })?;
    file.write_all_at(&header.encode(), 0)
        .map_err(|error| CreateError::Os(OsError::new("pwrite", object, error)))?;
    shm::set_mode(file, object, mode).map_err(CreateError::Os)
}

/// Checks the limits whose excess makes the kernel kill this process, or another one of its control
/// group.
///
/// # Errors
/// The limit that the segment would exceed.
fn check_limits(name: &Name, needed_bytes: u64) -> Result<(), CreateError> {
    let name = || name.to_owned();
    let max_bytes = shm::max_file_bytes();
    if needed_bytes > max_bytes {
        return Err(CreateError::FileSizeLimit { name: name(), needed_bytes, max_bytes });
    }
    let free_bytes = memfd::free_bytes();
    if needed_bytes > free_bytes {
        return Err(CreateError::NoMemory { name: name(), needed_bytes, free_bytes, group: None });
    }
    match cgroup::room() {
        Some(cgroup::Room { free_bytes, group }) if needed_bytes > free_bytes => {
            let group = Some(group);
            Err(CreateError::NoMemory { name: name(), needed_bytes, free_bytes, group })
        }
        _ => Ok(()),
    }
}

fn now_ns() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

/// Replaces a segment that no process is attached to, or creates the first of that name.
pub(crate) fn recreate(name: &Name, config: &Config) -> Result<Arc<Attachment>, CreateError> {
    for _ in 0..MAX_RACES {
        let old = match open_any(name, true) {
            Ok(old) => old,
            Err(AttachError::NotFound { .. }) => match create(name, config) {
                Err(CreateError::Exists { .. }) => continue,
                result => return result,
            },
            Err(error) => return Err(CreateError::Attach(error)),
        };
        // Only the check under the lock counts; this one avoids allocating memory in vain.
        refuse_if_used(&old, name)?;
        let (unnamed, attach) = build(name, config)?;
        let _lock = LifecycleLock::exclusive(&old, name).map_err(CreateError::Attach)?;
        if is_named(&old, name) {
            refuse_if_used(&old, name)?;
            take_name(name)?;
            link(&unnamed, name)?;
            return Ok(Arc::new(attach));
        }
    }
    Err(CreateError::Exists { name: name.to_owned() })
}

/// Removes the name of a segment that is replaced.
fn take_name(name: &Name) -> Result<(), CreateError> {
    match remove(name) {
        // Another process may remove it without the lock.
        Ok(()) | Err(UnlinkError::NotFound { .. }) => Ok(()),
        Err(UnlinkError::Denied { name }) => Err(CreateError::Denied { name }),
        Err(UnlinkError::Name(error)) => Err(CreateError::Name(error)),
        Err(UnlinkError::NotASegment { name, why }) => {
            Err(CreateError::Attach(AttachError::NotASegment { name, why }))
        }
        Err(UnlinkError::Attach(error)) => Err(CreateError::Attach(error)),
        Err(UnlinkError::Os(error)) => Err(CreateError::Os(error)),
    }
}

fn refuse_if_used(old: &File, name: &Name) -> Result<(), CreateError> {
    match users(old, name).map_err(CreateError::Os)? {
        None => Ok(()),
        Some(by) => Err(CreateError::InUse { name: name.to_owned(), by }),
    }
}
