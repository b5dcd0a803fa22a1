//! Attaching: from a name to a mapping that this process is known to hold.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use super::find::{Found, find, is_linked};
use super::lifecycle::LifecycleLock;
use super::mapping::Mapping;
use super::name::Name;
use super::observe::Participants;
use super::options::AttachOptions;
use super::use_marks::UseMarks;
use crate::error::{AttachError, OsError};
use crate::facts::{Description, Obtained, Participant, WakeFences};
use crate::layout::{Geometry, Shape};
use crate::ring::roster;
use crate::sync::Ordering;
use crate::sys::descriptor::Descriptor;
use crate::sys::fork::ForksHeld;
use crate::sys::token::Probe;
use crate::sys::watch::{Stop, Watch};
use crate::sys::{membarrier, process, shm, token};

/// How often a name may come to mean another segment while we attach to it.
const MAX_REPLACED: u32 = 16;
/// One look at the table may miss an entry whose token another process tries.
const TABLE_PASSES: u32 = 3;

/// One mapping of a segment in this process, entered in its attach table.
#[derive(Debug)]
pub(crate) struct Attach {
    mapping: Mapping,
    probe: Probe,
    geometry: Geometry,
    index: usize,
    pub(crate) description: Description,
    pub(super) obtained: Obtained,
    /// An open of the file for one who watches it, where this process may not open it.
    for_watch: Mutex<Option<Descriptor>>,
    use_marks: UseMarks,
}

impl Attach {
    /// Attaches to the segment of that name, if it is one to be trusted.
    pub(super) fn by_name(name: &Name, options: &AttachOptions) -> Result<Arc<Self>, AttachError> {
        for _ in 0..MAX_REPLACED {
            let found = find(name, true)?;
            options.check(&found.description)?;
            let lock = LifecycleLock::shared(&found.file, name)?;
            if !is_linked(&found.file, name)? {
                // Replaced between open and lock: the name means another segment now.
                continue;
            }
            let memory = found.header.memory;
            let attach = Self::hold(found, options.guard, &lock.forks)?;
            drop(lock);
            if options.dump {
                attach.mapping.include_in_dumps();
            }
            let attach = attach.enter(memory);
            return attach.check_whole(name).map(|()| Arc::new(attach));
        }
        Err(AttachError::Busy { name: name.to_owned() })
    }

    /// Maps the segment and takes a token, which from then on only the mapping holds: a
    /// child forked off before that would keep it. The caller has the lifecycle lock, or
    /// the segment has no name yet.
    pub(super) fn hold(found: Found, guard: bool, _forks: &ForksHeld) -> Result<Self, AttachError> {
        let Found { file, header, description, mut more } = found;
        let geometry = header.geometry;
        if header.fences == WakeFences::SleepersOnly {
            membarrier::register().map_err(|source| AttachError::NoBarrier {
                name: description.name.clone(),
                source,
            })?;
        }
        let holder = match more.pop() {
            Some(holder) => holder,
            None => shm::reopen(&file, true).map_err(AttachError::Os)?,
        };
        let for_watch = more.pop().map(Descriptor::new).transpose().map_err(AttachError::Os)?;
        let mut mapping = Mapping::new(&holder, geometry, true).map_err(AttachError::Os)?;
        if guard {
            mapping.guard(&holder, true).map_err(AttachError::Os)?;
        }
        let probe = Probe::new(file).map_err(AttachError::Os)?;
        let Some(index) = take_token(&holder, &mapping, &probe, geometry)? else {
            let attaches = geometry.attaches as usize;
            return Err(AttachError::TableFull { name: description.name, attaches });
        };
        let obtained = Obtained::default();
        let for_watch = Mutex::new(for_watch);
        let use_marks = UseMarks::default();
        Ok(Self { mapping, probe, geometry, index, description, obtained, for_watch, use_marks })
    }

    /// Makes itself known, after asking for what `memory` says of the segment's pages,
    /// and cleans up behind the dead.
    pub(super) fn enter(self, memory: u64) -> Self {
        self.enter_reporting(memory, &|_| ())
    }

    /// As [`enter`](Self::enter); calls `report` with the bytes prefaulted so far, every now
    /// and then.
    pub(super) fn enter_reporting(mut self, memory: u64, report: &dyn Fn(u64)) -> Self {
        self.obtained = self.mapping.advise(memory, report);
        if let Some(entry) = self.mapping.attaches().get(self.index) {
            entry.pid.store(std::process::id(), Ordering::Relaxed);
            entry.uid.store(nix::unistd::geteuid().as_raw(), Ordering::Relaxed);
            entry.start_ticks.store(process::start_ticks(), Ordering::Relaxed);
            entry.pid_namespace.store(process::pid_namespace(), Ordering::Relaxed);
            entry.activate();
        }
        self.sweep();
        self
    }

    /// # Errors
    /// What happened to the file since its length was checked.
    pub(super) fn check_whole(&self, name: &Name) -> Result<(), AttachError> {
        self.mapping.check().map_err(|_| {
            let (name, what) = (name.to_owned(), "file length");
            let stat = self.probe.intact().and_then(|file| file.metadata().ok());
            let found = stat.map_or(0, |stat| stat.len());
            AttachError::CorruptHeader { name, what, found }
        })
    }

    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// This attach's place in the table.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// What the ring is.
    pub(crate) fn shape(&self) -> Shape {
        self.geometry.shape
    }

    /// What keeps its wake-ups from being lost.
    pub(crate) fn fences(&self) -> WakeFences {
        self.description.wake_fences
    }

    /// Whether the attach of that index may still write to the segment. One that the
    /// table does not have cannot be told to be dead.
    pub(crate) fn is_alive(&self, index: usize) -> bool {
        index == self.index
            || index >= self.mapping.attaches().len()
            || self.probe.is_alive(self.geometry.map().attach(index))
    }

    /// Cleans up behind all attaches whose processes died, and wakes everyone who
    /// may have waited for them.
    pub(crate) fn sweep(&self) {
        self.use_marks.renew(|| self.probe.intact());
        self.sweep_through(&self.probe);
    }

    /// As [`sweep`](Self::sweep), through a description of the caller's.
    pub(super) fn sweep_through(&self, probe: &Probe) {
        sweep(&self.mapping, probe, self.geometry, Some(self.index));
    }

    /// Marks the segment's file as used, when a handle joins or the attach ends.
    pub(crate) fn mark_used(&self) {
        self.use_marks.set_now(self.probe.intact());
    }

    /// A watch on the segment's file.
    pub(super) fn watch(&self) -> Result<(Watch, Stop), OsError> {
        let mut given = self.for_watch.lock().unwrap_or_else(PoisonError::into_inner);
        match given.take().and_then(Descriptor::into_file) {
            Some(file) => Watch::new(file),
            None => Watch::new(shm::reopen(self.file()?, true)?),
        }
    }

    /// The segment's file, through the open that belongs to this attach.
    pub(super) fn file(&self) -> Result<&File, OsError> {
        let closed = || OsError::new("fstat", "the segment", std::io::ErrorKind::NotFound);
        self.probe.intact().ok_or_else(closed)
    }

    /// Who is in the entry of that index.
    pub(crate) fn participant(&self, index: usize) -> Option<Participant> {
        self.participants().get(index)
    }

    /// Who is in which entry.
    pub(super) fn participants(&self) -> Participants<'_> {
        Participants::new(&self.mapping, &self.probe, self.geometry)
    }
}

impl Drop for Attach {
    fn drop(&mut self) {
        if self.mapping.is_forked() {
            return;
        }
        if let Some(entry) = self.mapping.attaches().get(self.index) {
            entry.free();
        }
        self.mark_used();
        // Unmapping releases the token.
    }
}

/// Takes a token for `holder` whose entry nobody is in, neither living nor dead.
fn take_token(
    holder: &File,
    mapping: &Mapping,
    probe: &Probe,
    geometry: Geometry,
) -> Result<Option<usize>, AttachError> {
    for _ in 0..TABLE_PASSES {
        for (index, entry) in mapping.attaches().iter().enumerate() {
            let byte = geometry.map().attach(index);
            if entry.is_active() || !token::try_exclusive(holder, byte).map_err(AttachError::Os)? {
                continue;
            }
            if !entry.is_active() {
                return Ok(Some(index));
            }
            // Somebody came and died in between.
            token::release(holder, byte).map_err(AttachError::Os)?;
        }
        sweep(mapping, probe, geometry, None);
    }
    Ok(None)
}

/// Cleans up behind the dead, for the attach `me` or for one that is none (yet).
pub(super) fn sweep(mapping: &Mapping, probe: &Probe, geometry: Geometry, me: Option<usize>) {
    let (control, handles) = (mapping.control(), mapping.handles());
    for (index, entry) in mapping.attaches().iter().enumerate() {
        if Some(index) == me || !entry.is_active() {
            continue;
        }
        let clean = || {
            // Its owner may have left properly in between.
            if entry.is_active() {
                roster::clean_attach(control, handles, index);
                mapping.wake_all();
            }
        };
        let free = || {
            if entry.is_active() {
                roster::free_handles(control, handles, index);
                entry.free();
            }
        };
        probe.clean_up(geometry.map().attach(index), clean, free);
    }
}
