//! What the machine can do at this moment: how long a cache line takes from one CPU to the other.
//!
//! A host may move the CPUs of a virtual machine at any time, and every figure of a ring then
//! changes with the way between them, by a factor of ten and more. So a figure means something only
//! beside a probe of the same second.

pub(crate) mod bounce;

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::task::Task;
use crate::worker::{Crew, Tick};
use crate::{Error, cpu};

/// The workers end themselves long before.
const RUN_LIMIT: Duration = Duration::from_secs(10);
/// Two probes whose ratio is beyond this found the CPUs at different distances. Neighbouring
/// placements are a factor of two to four apart, and probes of one placement agree within a fifth.
const MOVED_RATIO: f64 = 1.5;

/// A probe's figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// From a store on one CPU until a load on the other sees it; the median of several bursts.
    pub one_way_ns: f64,
    /// What that figure suggests.
    pub placement: Placement,
}

/// How far two CPUs are apart: **a guess**, made from the figure alone, as a virtual machine does
/// not tell. The bounds lie between the figures of placements on AMD Zen 4 servers (22, 50, 211 and
/// about 600 ns); on other processors the words may be wrong, while a comparison of two figures
/// still tells whether something moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Two threads of one core.
    Sibling,
    /// Two cores that share a third level cache.
    Near,
    /// Two cores of one socket that share none.
    Far,
    /// Two sockets.
    OtherSocket,
    /// Longer than any hardware takes: other work was in between.
    Disturbed,
}

impl Placement {
    /// The guess for a figure.
    pub fn guess(one_way_ns: f64) -> Placement {
        match one_way_ns {
            ns if ns < 33.0 => Placement::Sibling,
            ns if ns < 103.0 => Placement::Near,
            ns if ns < 356.0 => Placement::Far,
            ns if ns < 2_000.0 => Placement::OtherSocket,
            _ => Placement::Disturbed,
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Placement::Sibling => "sibling (one core)",
            Placement::Near => "near (same L3)",
            Placement::Far => "far (same socket)",
            Placement::OtherSocket => "other socket",
            Placement::Disturbed => "disturbed",
        })
    }
}

impl Probe {
    /// Whether the CPUs were at another distance when `other` was taken.
    pub fn moved_since(&self, other: &Probe) -> bool {
        let ratio = self.one_way_ns / other.one_way_ns;
        !(1.0 / MOVED_RATIO..=MOVED_RATIO).contains(&ratio)
    }
}

/// Probes the two CPUs that a transfer would use, in some milliseconds. `None` without two CPUs, or
/// if they were too busy with other work for a figure.
pub fn probe(executable: &Path) -> Result<Option<Probe>, Error> {
    run(executable, cpu::pair(), &mut |_| ControlFlow::Continue(()))
}

pub(crate) fn run(
    executable: &Path,
    cpus: Option<[usize; 2]>,
    tick: &mut Tick<'_>,
) -> Result<Option<Probe>, Error> {
    let Some([ping, echo]) = cpus else { return Ok(None) };
    let making = "making memory for a probe";
    let memory = memfd_create(c"shmring-probe", MFdFlags::MFD_CLOEXEC)
        .map_err(|error| Error::os(making)(error.into()))?;
    nix::unistd::ftruncate(&memory, bounce::MEMORY_BYTES as i64)
        .map_err(|error| Error::os(making)(error.into()))?;
    let copy = memory.try_clone().map_err(Error::os(making))?;

    let mut crew = Crew::new();
    crew.start("probe ping", executable, Some(ping), &Task::ProbePing, vec![memory])?;
    crew.start("probe echo", executable, Some(echo), &Task::ProbeEcho, vec![copy])?;
    crew.wait_ready(tick)?;
    let mut results = crew.run(RUN_LIMIT, tick)?.into_iter();
    let Some((role, figure)) = results.next() else { return Ok(None) };
    let figure: Option<f64> =
        serde_json::from_value(figure).map_err(|source| Error::Result { role, source })?;
    let probe = |one_way_ns| Probe { one_way_ns, placement: Placement::guess(one_way_ns) };
    Ok(figure.map(probe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_figures_get_their_labels() {
        let guesses = [22.0, 50.0, 211.0, 600.0, 1e6].map(Placement::guess);
        use Placement::*;
        assert_eq!(guesses, [Sibling, Near, Far, OtherSocket, Disturbed]);
    }

    #[test]
    fn a_move_shows_in_either_direction() {
        let probe = |one_way_ns| Probe { one_way_ns, placement: Placement::guess(one_way_ns) };
        assert!(probe(50.0).moved_since(&probe(211.0)));
        assert!(probe(211.0).moved_since(&probe(50.0)));
        assert!(!probe(50.0).moved_since(&probe(60.0)));
    }
}
