//! Attachments: a mapping of a segment, a token, and an entry in the attachment table.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use crate::attach_options::AttachOptions;
use crate::error::{AttachError, Fault, OsError};
use crate::format::{Geometry, Shape};
use crate::info::{Obtained, Participant, SegmentInfo, Status};
use crate::lifecycle::find::{Found, find, is_linked};
use crate::lifecycle::lock::LifecycleLock;
use crate::lifecycle::name::Name;
use crate::lifecycle::reap::{Sweep, reap, refused};
use crate::lifecycle::use_marks::UseMarks;
use crate::memory::mapping::Mapping;
use crate::observe;
use crate::observe::Participants;
use crate::ring::{tables, wake};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};
use crate::sys::descriptor::Descriptor;
use crate::sys::fork::ForksHeld;
use crate::sys::token::{Origin, Probe};
use crate::sys::watch::{Stop, Watch};
use crate::sys::{membarrier, process, shm, token};

/// Times that the name may move to another segment during one attach.
const MAX_REPLACED: u32 = 16;
/// Passes over the table: one may miss a free entry whose token another process tries just then.
const TABLE_PASSES: u32 = 3;

/// One mapping of a segment in this process, entered in the attachment table.
#[derive(Debug)]
pub(crate) struct Attachment {
    mapping: Mapping,
    probe: Probe,
    geometry: Geometry,
    index: usize,
    gets_barriers: bool,
    pub(crate) info: SegmentInfo,
    pub(crate) obtained: Obtained,
    /// An open file description for a monitor, where this process may not reopen the file.
    for_watch: Mutex<Option<Descriptor>>,
    /// The entry at which the next short check begins.
    next_look: AtomicU64,
    use_marks: UseMarks,
    /// Monitors of this attachment that see each death.
    monitors: AtomicU32,
}

/// The time in which a monitor sees each death. Dropping it wakes the sleepers that rely on the
/// monitor.
#[must_use = "sleepers rely on it until it is dropped"]
pub(crate) struct Monitored<'a> {
    attachment: &'a Attachment,
}

impl Drop for Monitored<'_> {
    fn drop(&mut self) {
        self.attachment.monitors.fetch_sub(1, Ordering::Relaxed);
        // ORDERING: SeqCst, with the fence in arm: a sleeper that claimed its handle before sees
        // in its check that the monitor is gone, or its handle is found here.
        fence(Ordering::SeqCst);
        let own = Some(self.attachment.index);
        let handles = self.attachment.mapping.handles().iter();
        handles.filter(|handle| handle.attach() == own).for_each(wake::poke);
    }
}

impl Attachment {
    /// Attaches to the segment of that name, if it satisfies the options.
    pub(crate) fn by_name(name: &Name, options: &AttachOptions) -> Result<Arc<Self>, AttachError> {
        Self::by_name_if(name, options, |found| options.check(&found.info))
    }

    /// As [`by_name`](Self::by_name), if `check` accepts the segment as well.
    pub(crate) fn by_name_if<E: From<AttachError>>(
        name: &Name,
        options: &AttachOptions,
        check: impl Fn(&Found) -> Result<(), E>,
    ) -> Result<Arc<Self>, E> {
        for _ in 0..MAX_REPLACED {
            let found = find(name, true)?;
            check(&found)?;
            let lock = LifecycleLock::shared(&found.file, name)?;
            if !is_linked(&found.file, name)? {
                // Replaced between open and lock: the name refers to another segment now.
                continue;
            }
            let memory = found.header.memory;
            let attach = Self::hold(found, options.guard, &lock.forks)?;
            drop(lock);
            if options.dump {
                attach.mapping.include_in_dumps();
            }
            let attach = attach.enter(memory);
            attach.check_whole(name)?;
            return Ok(Arc::new(attach));
        }
        Err(AttachError::Busy { name: name.to_owned() }.into())
    }

    /// Maps the segment and takes a token, which only the mapping holds afterwards. Forks are held
    /// off, since a child forked before that would keep the token. The caller has the lifecycle
    /// lock, or the segment has no name yet.
    pub(crate) fn hold(found: Found, guard: bool, forks: &ForksHeld) -> Result<Self, AttachError> {
        let Found { file, header, info, mut more } = found;
        let geometry = header.geometry;
        let gets_barriers = membarrier::register();
        let private = |file| Descriptor::private(file, forks).map_err(AttachError::Os);
        // A fork child may have inherited what was opened before forks were held off.
        let reopen = || shm::reopen(&file, true).map_err(AttachError::Os);
        let (holder, for_probe) = match more.pop() {
            Some(holder) => (holder, file),
            None => (reopen()?, reopen()?),
        };
        let for_watch = more.pop().map(private).transpose()?;
        let mut mapping = Mapping::new(&holder, &geometry, true).map_err(AttachError::Os)?;
        if guard {
            mapping.guard(&holder, true).map_err(AttachError::Os)?;
        }
        let probe = Probe::new(private(for_probe)?);
        let Some(index) = take_token(&holder, &mapping, &probe, &geometry)? else {
            let attachments = geometry.attachments as usize;
            return Err(AttachError::TableFull { name: info.name, attachments });
        };
        drop(holder);
        let byte = geometry.attach(index);
        if !probe.look().and_then(|look| look.is_alive(byte)).map_err(AttachError::Os)? {
            return Err(AttachError::NoTokens { name: info.name });
        }
        let origin = Origin::new(&info.name, mapping.pages(), true);
        Ok(Self {
            mapping,
            probe: probe.reopened_by(origin),
            geometry,
            index,
            gets_barriers,
            info,
            obtained: Obtained::default(),
            for_watch: Mutex::new(for_watch),
            next_look: AtomicU64::new(0),
            use_marks: UseMarks::default(),
            monitors: AtomicU32::new(0),
        })
    }

    /// Enters this attachment in the table, after applying `memory` to the segment's pages, and
    /// reaps the dead.
    pub(crate) fn enter(self, memory: u64) -> Self {
        self.enter_reporting(memory, &|_| ())
    }

    /// As [`enter`](Self::enter); calls `report` with the bytes prefaulted so far after each chunk.
    pub(crate) fn enter_reporting(mut self, memory: u64, report: &dyn Fn(u64)) -> Self {
        self.obtained = self.mapping.advise(memory, report);
        if let Some(entry) = self.mapping.attachments().get(self.index) {
            entry.pid.store(std::process::id(), Ordering::Relaxed);
            entry.uid.store(nix::unistd::geteuid().as_raw(), Ordering::Relaxed);
            entry.start_ticks.store(process::start_ticks(), Ordering::Relaxed);
            entry.pid_namespace.store(process::pid_namespace(), Ordering::Relaxed);
            entry.activate();
        }
        // A waiter reports the failure.
        let _ = self.reap();
        self
    }

    /// Checks that the file still has its length.
    ///
    /// # Errors
    /// If it was truncated since its header was checked.
    pub(crate) fn check_whole(&self, name: &Name) -> Result<(), AttachError> {
        self.mapping.check().map_err(|_| {
            let (name, what) = (name.to_owned(), "file length");
            let os = |error| OsError::new("fstat", "the segment", error);
            let found = self.ask(|file| file.metadata().map_err(os));
            let found = found.map_or(0, |stat| stat.len());
            AttachError::CorruptHeader { name, what, found }
        })
    }

    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Returns this attachment's index in the table.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Returns the shape of the ring of that index.
    pub(crate) fn shape(&self, ring: usize) -> Option<Shape> {
        self.geometry.rings.get(ring).copied()
    }

    /// Returns `true` if the barriers of other processes reach this one. Otherwise its publishes
    /// fence.
    pub(crate) fn gets_barriers(&self) -> bool {
        self.gets_barriers
    }

    /// Returns `true` if the attachment of that index may still write to the segment. One that
    /// the table does not have is never reported as dead.
    ///
    /// # Errors
    /// [`Fault::ProbeRefused`] if this process cannot check it.
    pub(crate) fn is_alive(&self, index: usize) -> Result<bool, Fault> {
        if index == self.index || index >= self.mapping.attachments().len() {
            return Ok(true);
        }
        let byte = self.geometry.attach(index);
        self.probe.look().and_then(|look| look.is_alive(byte)).map_err(refused)
    }

    /// Begins the time in which a monitor sees each death.
    pub(crate) fn monitored(&self) -> Monitored<'_> {
        self.monitors.fetch_add(1, Ordering::Relaxed);
        Monitored { attachment: self }
    }

    /// Returns `true` if a monitor of this attachment reaps each process as soon as it dies. See
    /// [`Monitored`] for the end of that.
    pub(crate) fn is_monitored(&self) -> bool {
        self.monitors.load(Ordering::Relaxed) != 0
    }

    /// Reaps all attachments whose processes died, and wakes everyone who may have waited for
    /// them.
    ///
    /// # Errors
    /// [`Fault::ProbeRefused`] if this process cannot check who is alive.
    pub(crate) fn reap(&self) -> Result<(), Fault> {
        self.use_marks.renew(|| self.touch());
        self.reap_through(&self.probe)
    }

    /// As [`reap`](Self::reap), through an open file description of the caller.
    pub(crate) fn reap_through(&self, probe: &Probe) -> Result<(), Fault> {
        reap(&self.mapping, probe, &self.geometry, Some(self.index)).map_err(refused)
    }

    /// As [`reap`](Self::reap), but checks only a few attachments, for callers that spin: 16
    /// calls at most cover all.
    pub(crate) fn reap_some(&self) -> Result<(), Fault> {
        let start = self.next_look.load(Ordering::Relaxed) as usize;
        let reap = Sweep::new(&self.mapping, &self.probe, &self.geometry, Some(self.index));
        let checked = reap.and_then(|reap| reap.portion(start)).map_err(refused)?;
        self.next_look.store(start.wrapping_add(checked) as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Marks the segment's file as used, when a handle joins or the attachment ends.
    pub(crate) fn mark_used(&self) {
        self.use_marks.set_now(|| self.touch());
    }

    fn touch(&self) {
        // A process that may not, such as another user's with a descriptor only, leaves it to
        // others.
        let _ = self.probe.look().and_then(|look| shm::touch(look.file()?));
    }

    /// Starts a watch on the segment's file, with forks held off.
    pub(crate) fn watch(&self) -> Result<(Watch, Stop), OsError> {
        let mut given = self.for_watch.lock().unwrap_or_else(PoisonError::into_inner);
        match given.take().and_then(Descriptor::into_file) {
            Some(file) => Watch::new(file),
            None => Watch::new(self.reopen(true)?),
        }
    }

    /// Reopens the segment's file.
    pub(crate) fn reopen(&self, writable: bool) -> Result<File, OsError> {
        shm::reopen(self.probe.look()?.file()?, writable)
    }

    /// Calls `question` with the segment's file.
    pub(crate) fn ask<R>(
        &self,
        question: impl FnOnce(&File) -> Result<R, OsError>,
    ) -> Result<R, OsError> {
        question(self.probe.look()?.file()?)
    }

    /// Returns the participant in the entry of that index.
    pub(crate) fn participant(&self, index: usize) -> Result<Option<Participant>, Fault> {
        self.participants().get(index).map_err(refused)
    }

    /// Returns the state of the segment.
    pub(crate) fn status(&self) -> Result<Status, Fault> {
        observe::status(&self.mapping, &self.probe, &self.geometry)
    }

    /// Returns all participants with their entries.
    fn participants(&self) -> Participants<'_> {
        Participants::new(&self.mapping, &self.probe, &self.geometry)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if self.mapping.is_forked() {
            return;
        }
        if let Some(entry) = self.mapping.attachments().get(self.index) {
            entry.free();
        }
        self.mark_used();
        // Unmapping releases the token.
    }
}

/// Claims a token for `holder` whose entry is free.
fn take_token(
    holder: &File,
    mapping: &Mapping,
    probe: &Probe,
    geometry: &Geometry,
) -> Result<Option<usize>, AttachError> {
    for _ in 0..TABLE_PASSES {
        for (index, entry) in mapping.attachments().iter().enumerate() {
            let byte = geometry.attach(index);
            let take = || token::try_exclusive(holder, byte);
            if take_entry(entry, take, || token::release(holder, byte)).map_err(AttachError::Os)? {
                return Ok(Some(index));
            }
        }
        reap(mapping, probe, geometry, None).map_err(AttachError::Os)?;
    }
    Ok(None)
}

/// Claims the token of a free entry. Returns `true` on success.
fn take_entry(
    entry: &tables::AttachmentEntry,
    take: impl FnOnce() -> Result<bool, OsError>,
    release: impl FnOnce() -> Result<(), OsError>,
) -> Result<bool, OsError> {
    if entry.is_active() || !take()? {
        return Ok(false);
    }
    if entry.is_active() {
        // Another process entered and died in between.
        release()?;
        return Ok(false);
    }
    Ok(true)
}

#[cfg(test)]
#[path = "attachment_tests.rs"]
mod tests;
