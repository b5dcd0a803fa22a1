//! The participants in the attachment table, and what `/proc` shows of them.

use crate::error::OsError;
use crate::format::Geometry;
use crate::info::{Participant, PidNamespace, Process, ProcessState};
use crate::memory::mapping::Mapping;
use crate::sync::Ordering;
use crate::sys::token::{Look, Probe};
use crate::sys::{inspect, process};

/// The attachment table of a mapped segment.
#[derive(Debug)]
pub(crate) struct Participants<'a> {
    mapping: &'a Mapping,
    probe: &'a Probe,
    geometry: &'a Geometry,
    /// The inode number of this process's pid namespace; 0 if unknown.
    namespace: u64,
}

impl<'a> Participants<'a> {
    pub(crate) fn new(mapping: &'a Mapping, probe: &'a Probe, geometry: &'a Geometry) -> Self {
        Self { mapping, probe, geometry, namespace: process::pid_namespace() }
    }

    /// Returns the participant in the entry of that index.
    pub(crate) fn get(&self, index: usize) -> Result<Option<Participant>, OsError> {
        self.look_up(&self.probe.look()?, index)
    }

    fn look_up(&self, look: &Look<'_>, index: usize) -> Result<Option<Participant>, OsError> {
        let Some(entry) = self.mapping.attachments().get(index).filter(|entry| entry.is_active())
        else {
            return Ok(None);
        };
        Ok(Some(Participant {
            pid: entry.pid.load(Ordering::Relaxed),
            pid_namespace: self.compare(entry.pid_namespace.load(Ordering::Relaxed)),
            uid: entry.uid.load(Ordering::Relaxed),
            alive: look.is_alive(self.geometry.attach(index))?,
            start_ticks: entry.start_ticks.load(Ordering::Relaxed),
            namespace: entry.pid_namespace.load(Ordering::Relaxed),
        }))
    }

    /// Returns the participant in each entry.
    pub(crate) fn all(&self) -> Result<Vec<Option<Participant>>, OsError> {
        let look = self.probe.look()?;
        (0..self.mapping.attachments().len()).map(|index| self.look_up(&look, index)).collect()
    }

    fn compare(&self, namespace: u64) -> PidNamespace {
        match namespace {
            0 => PidNamespace::Unknown,
            _ if self.namespace == 0 => PidNamespace::Unknown,
            _ if namespace == self.namespace => PidNamespace::Ours,
            _ => PidNamespace::Other,
        }
    }
}

impl Participant {
    /// Returns the process as `/proc` shows it now. `None` if `/proc` shows no process of that pid
    /// and pid namespace with the participant's start time.
    ///
    /// For diagnostics only: the process may have detached and still run, for instance as another
    /// program. Use [`alive`](Self::alive) to decide whether the participant lives.
    pub fn process(&self) -> Option<Process> {
        let Self { namespace, start_ticks, .. } = *self;
        if start_ticks == 0 {
            return None;
        }
        let pid = match self.pid_namespace {
            PidNamespace::Other => inspect::local_pid(namespace, self.pid, start_ticks)?,
            PidNamespace::Ours | PidNamespace::Unknown => self.pid,
        };
        let found = process::of_pid(pid)?;
        if !inspect::started_at(pid, found.start_ticks, start_ticks) {
            return None;
        }
        let mut state = ProcessState::of_letter(found.state);
        let mut frozen_by = None;
        if inspect::is_dumping_core(pid) {
            state = ProcessState::DumpingCore;
        } else if matches!(state, ProcessState::Sleeping | ProcessState::Blocked) {
            // The kernel shows a frozen process in one of these states.
            frozen_by = inspect::frozen_by(pid);
            state = if frozen_by.is_some() { ProcessState::Frozen } else { state };
        }
        Some(Process { pid, command: found.command, state, frozen_by })
    }
}
