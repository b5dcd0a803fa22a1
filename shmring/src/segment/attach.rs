//! Attaching: from a name to a mapping that this process is known to hold.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;

use super::mapping::Mapping;
use super::name::Name;
use super::{Description, Kind, Obtained, Participant};
use crate::error::{AttachError, OsError};
use crate::layout::{BadHeader, Geometry, Header, PAGE_BYTES};
use crate::ring::record;
use crate::ring::roster;
use crate::ring::wake;
use crate::sync::Deadline;
use crate::sys::token::Probe;
use crate::sys::{process, shm, token};

/// The byte whose lock orders attaching against replacing.
pub(super) const LIFECYCLE_BYTE: u64 = 0;
/// How long to wait for a process that has the lifecycle lock.
pub(super) const LIFECYCLE_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(1);
/// How often a name may come to mean another segment while we attach to it.
const MAX_REPLACED: u32 = 16;
/// One look at the table may miss an entry whose token another process tries.
const TABLE_PASSES: u32 = 3;

/// A file that was found to hold a segment.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: File,
    pub(super) header: Header,
    pub(super) description: Description,
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
    let os = |call| move |e| AttachError::Os(OsError::new(call, shm::path(name.as_str()), e));
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
    Ok(Found { file, header, description })
}

pub(super) fn describe(name: &Name, header: &Header, mode: u32, owner_uid: u32) -> Description {
    let capacity_bytes = header.geometry.capacity_bytes;
    Description {
        name: name.to_owned(),
        kind: Kind::Spsc,
        capacity_bytes,
        max_message_bytes: record::max_len(capacity_bytes),
        total_bytes: header.geometry.map().total_bytes,
        mode: mode & 0o777,
        owner_uid,
        created: SystemTime::UNIX_EPOCH + Duration::from_nanos(header.created_ns),
        creator_pid: header.creator_pid,
    }
}

/// One mapping of a segment in this process, entered in its attach table.
#[derive(Debug)]
pub(crate) struct Attach {
    mapping: Mapping,
    probe: Probe,
    geometry: Geometry,
    index: usize,
    pub(crate) description: Description,
    pub(super) obtained: Obtained,
}

impl Attach {
    /// Attaches to the segment of that name.
    pub(super) fn by_name(name: &Name) -> Result<Arc<Self>, AttachError> {
        for _ in 0..MAX_REPLACED {
            let found = find(name, true)?;
            if !lock_lifecycle(|| token::try_shared(&found.file, LIFECYCLE_BYTE))? {
                return Err(AttachError::Busy { name: name.to_owned() });
            }
            if !is_linked(&found.file, name)? {
                // Replaced between open and lock: the name means another segment now.
                continue;
            }
            let attach = Self::enter(found)?;
            attach.probe.release(LIFECYCLE_BYTE).map_err(AttachError::Os)?;
            return Ok(Arc::new(attach));
        }
        Err(AttachError::Busy { name: name.to_owned() })
    }

    /// Takes a token, maps the segment and enters the attach table. The caller has
    /// the lifecycle lock, or the segment has no name yet.
    pub(super) fn enter(found: Found) -> Result<Self, AttachError> {
        let Found { file, header, description } = found;
        let geometry = header.geometry;
        let holder = shm::reopen(&file, &description.name).map_err(AttachError::Os)?;
        let Some(index) = take_token(&holder, geometry)? else {
            let attaches = geometry.attaches as usize;
            return Err(AttachError::TableFull { name: description.name, attaches });
        };
        let mapping = Mapping::new(&holder, geometry, true).map_err(AttachError::Os)?;
        // From here on only the mapping holds the token.
        drop(holder);
        let obtained = mapping.advise(header.memory);
        let probe = Probe::new(file).map_err(AttachError::Os)?;
        let attach = Self { mapping, probe, geometry, index, description, obtained };
        if let Some(entry) = attach.mapping.attaches().get(index) {
            if entry.is_active() {
                attach.clean(index);
            }
            entry.pid.store(std::process::id(), ORDER);
            entry.uid.store(nix::unistd::geteuid().as_raw(), ORDER);
            entry.start_ticks.store(process::start_ticks(), ORDER);
            entry.pid_namespace.store(process::pid_namespace(), ORDER);
            entry.activate();
        }
        attach.sweep();
        Ok(attach)
    }

    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// This attach's place in the table.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Cleans up behind all attaches whose processes died, and wakes everyone who
    /// may have waited for them.
    pub(crate) fn sweep(&self) {
        for (index, entry) in self.mapping.attaches().iter().enumerate() {
            if index != self.index && entry.is_active() {
                self.probe.with_token(self.geometry.map().attach(index), || {
                    // Its owner may have left properly in between.
                    if entry.is_active() {
                        self.clean(index);
                        entry.free();
                    }
                });
            }
        }
    }

    /// Gives up what a dead attach had. The caller holds its token.
    fn clean(&self, index: usize) {
        let control = self.mapping.control();
        let sides = [&control.receivers, &control.senders];
        let handles = self.mapping.handles();
        roster::clean_attach(handles, index, &control.roles, sides);
        for side in sides {
            wake::notify_all(side, handles);
        }
    }

    /// Who is in the entry of that index.
    pub(crate) fn participant(&self, index: usize) -> Option<Participant> {
        let byte = self.geometry.map().attach(index);
        let entry = self.mapping.attaches().get(index)?;
        entry.is_active().then(|| Participant::new(entry, self.probe.is_alive(byte)))
    }
}

/// The facts about participants are for people to read.
const ORDER: crate::sync::Ordering = crate::sync::Ordering::Relaxed;

impl Drop for Attach {
    fn drop(&mut self) {
        if self.mapping.is_forked() {
            return;
        }
        if let Some(entry) = self.mapping.attaches().get(self.index) {
            entry.free();
        }
        // Unmapping releases the token.
    }
}

/// Whether the file still has a name.
pub(super) fn is_linked(file: &File, name: &Name) -> Result<bool, AttachError> {
    let stat = file.metadata();
    let stat = stat.map_err(|e| OsError::new("fstat", shm::path(name.as_str()), e));
    Ok(stat.map_err(AttachError::Os)?.nlink() > 0)
}

/// Takes the first free token of the table for `holder`.
fn take_token(holder: &File, geometry: Geometry) -> Result<Option<usize>, AttachError> {
    let map = geometry.map();
    for _ in 0..TABLE_PASSES {
        for index in 0..geometry.attaches as usize {
            if token::try_exclusive(holder, map.attach(index)).map_err(AttachError::Os)? {
                return Ok(Some(index));
            }
        }
    }
    Ok(None)
}

/// Tries to get the lifecycle lock for some time; whether it was had.
pub(super) fn lock_lifecycle(
    mut attempt: impl FnMut() -> Result<bool, OsError>,
) -> Result<bool, AttachError> {
    let deadline = Deadline::after(LIFECYCLE_TIMEOUT);
    loop {
        if attempt().map_err(AttachError::Os)? {
            return Ok(true);
        }
        if deadline.passed() {
            return Ok(false);
        }
        std::thread::sleep(RETRY_INTERVAL);
    }
}
