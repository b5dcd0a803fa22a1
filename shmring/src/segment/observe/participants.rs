//! Who is in the attach table, and what /proc knows of them.

use super::super::mapping::Mapping;
use crate::error::OsError;
use crate::facts::{Participant, PidNamespace, Process, ProcessState};
use crate::layout::Geometry;
use crate::sync::Ordering;
use crate::sys::process;
use crate::sys::token::{Look, Probe};

/// The attach table, as one who looks at it from this process sees it.
#[derive(Debug)]
pub(crate) struct Participants<'a> {
    mapping: &'a Mapping,
    probe: &'a Probe,
    geometry: Geometry,
    /// This process's pid namespace; 0 where /proc does not tell.
    namespace: u64,
}

impl<'a> Participants<'a> {
    pub(crate) fn new(mapping: &'a Mapping, probe: &'a Probe, geometry: Geometry) -> Self {
        Self { mapping, probe, geometry, namespace: process::pid_namespace() }
    }

    /// Who is in the entry of that index.
    pub(crate) fn get(&self, index: usize) -> Result<Option<Participant>, OsError> {
        self.look_up(&self.probe.look()?, index)
    }

    fn look_up(&self, look: &Look<'_>, index: usize) -> Result<Option<Participant>, OsError> {
        let Some(entry) = self.mapping.attaches().get(index).filter(|entry| entry.is_active())
        else {
            return Ok(None);
        };
        Ok(Some(Participant {
            pid: entry.pid.load(Ordering::Relaxed),
            pid_namespace: self.compare(entry.pid_namespace.load(Ordering::Relaxed)),
            uid: entry.uid.load(Ordering::Relaxed),
            alive: look.is_alive(self.geometry.map().attach(index))?,
            start_ticks: entry.start_ticks.load(Ordering::Relaxed),
        }))
    }

    /// Who is in each entry.
    pub(super) fn all(&self) -> Result<Vec<Option<Participant>>, OsError> {
        let look = self.probe.look()?;
        (0..self.mapping.attaches().len()).map(|index| self.look_up(&look, index)).collect()
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
    /// What /proc tells of the process at this time; `None` if its pid counts in another
    /// namespace, or no process has that pid and started when the participant did.
    ///
    /// For people to read: it does not tell who is alive. A process may live on without the
    /// segment, for instance as another program.
    pub fn process(&self) -> Option<Process> {
        if self.pid_namespace == PidNamespace::Other || self.start_ticks == 0 {
            return None;
        }
        let found = process::of_pid(self.pid)?;
        let state = match process::is_dumping_core(self.pid) {
            true => ProcessState::DumpingCore,
            false => ProcessState::of_letter(found.state),
        };
        (found.start_ticks == self.start_ticks).then_some(Process { command: found.command, state })
    }
}
