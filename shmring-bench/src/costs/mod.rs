//! What single steps cost on one CPU, whatever moves messages: copies out of each cache, atomics and
//! fences, the clock, calls into the kernel. No stream shows them, and no ring goes below them.
//!
//! One worker of a round measures them all, on the CPU of the producers. Each is checked to do what
//! it says before it is timed.

mod atomics;
mod calls;
mod memory;
mod timing;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::contender::BoxError;
use crate::task::Task;
use crate::worker::{Control, Crew, Tick};

use std::time::Duration;

/// Far longer than all of them take.
const RUN_LIMIT: Duration = Duration::from_secs(30);

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds that one step takes: less is better.
    Ns,
    /// Billions of bytes a second: more is better.
    GbPerS,
}

/// A step.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Its name in reports.
    pub name: &'static str,
    /// What is done, and what that is on this kind of machine.
    pub about: &'static str,
    /// What its figure counts.
    pub unit: Unit,
    measure: Measure,
}

/// How a figure is found.
#[derive(Clone, Copy, Debug)]
enum Measure {
    /// By one thread.
    Alone(Alone),
    /// By one thread while another one runs on that CPU.
    Beside(fn(usize) -> Result<f64, BoxError>),
}

type Alone = fn() -> Result<f64, BoxError>;

/// All of them.
pub const ALL: &[Cost] = &[
    copy("memcpy, L1", "the two buffers fill half of it", memory::first),
    copy("memcpy, L2", "the two buffers fill half of it", memory::second),
    copy("memcpy, L3", "the two buffers fill a quarter of it, or more", memory::third),
    copy("memcpy, DRAM", "buffers that no cache holds", memory::beyond),
    step("store", "Release, to a line of its own", atomics::store),
    step("fetch_add", "xadd on x86", atomics::add),
    step("compare_exchange", "cmpxchg on x86; it always succeeds", atomics::exchange),
    step("store, locked op", "store, then fetch_or of another line", atomics::store_locked),
    step("store, fence", "store, then fence(SeqCst) as compiled", atomics::store_fence),
    step("store, mfence", "store, then x86's mfence", atomics::store_mfence),
    step("spin hint", "spin_loop: pause on x86", atomics::hint),
    step("clock", "CLOCK_MONOTONIC, read", calls::clock),
    step("system call", "getppid", calls::nothing),
    step("futex wake", "FUTEX_WAKE where nobody sleeps", calls::wake),
    Cost {
        name: "membarrier",
        about: "GLOBAL_EXPEDITED, a thread on the other CPU",
        unit: Unit::Ns,
        measure: Measure::Beside(calls::barrier),
    },
];

const fn copy(name: &'static str, about: &'static str, measure: Alone) -> Cost {
    Cost { name, about, unit: Unit::GbPerS, measure: Measure::Alone(measure) }
}

const fn step(name: &'static str, about: &'static str, measure: Alone) -> Cost {
    Cost { name, about, unit: Unit::Ns, measure: Measure::Alone(measure) }
}

impl Cost {
    /// Its figure, if there is what it needs: the CPU for another thread.
    fn measure(&self, other: Option<usize>) -> Result<f64, BoxError> {
        match (self.measure, other) {
            (Measure::Alone(measure), _) => measure(),
            (Measure::Beside(measure), Some(other)) => measure(other),
            (Measure::Beside(_), None) => Err("there is no other CPU".into()),
        }
    }
}

/// A cost's figure, or why there is none on this machine.
pub(crate) type Reading = Result<f64, String>;

/// Has a worker measure these costs, one after the other.
pub(crate) fn run(
    costs: &[Cost],
    executable: &Path,
    cpus: Option<[usize; 2]>,
    tick: &mut Tick<'_>,
) -> Result<Vec<Reading>, Error> {
    let mut crew = Crew::new();
    let names = costs.iter().map(|cost| cost.name.to_owned()).collect();
    let [cpu, other] = cpus.map_or([None; 2], |cpus| cpus.map(Some));
    crew.start("costs", executable, cpu, &Task::Costs { names, other }, Vec::new())?;
    crew.wait_ready(tick)?;
    let mut readings = Vec::new();
    for (role, result) in crew.run(RUN_LIMIT, tick)? {
        let read: Vec<Reading> =
            serde_json::from_value(result).map_err(|source| Error::Result { role, source })?;
        readings.extend(read);
    }
    Ok(readings)
}

/// The worker's part.
pub(crate) fn measure(
    names: &[String],
    other: Option<usize>,
    control: &mut Control,
) -> Result<Value, BoxError> {
    control.wait_for_start()?;
    let reading = |name: &String| -> Reading {
        let cost = ALL.iter().find(|cost| cost.name == name);
        let cost = cost.ok_or_else(|| format!("this executable has no cost `{name}`"))?;
        cost.measure(other).map_err(|error| error.to_string())
    };
    Ok(serde_json::to_value(names.iter().map(reading).collect::<Vec<Reading>>())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a step that does not do what it says, a figure that is none, and two of one name.
    #[test]
    fn every_cost_can_be_measured_here() {
        let other = crate::cpu::pair().map(|[_, other]| other);
        let mut names = std::collections::BTreeSet::new();
        for cost in ALL {
            assert!(names.insert(cost.name), "two are called {}", cost.name);
            match cost.measure(other) {
                Ok(figure) => assert!(figure > 0.0 && figure.is_finite(), "{}", cost.name),
                // A kernel without it, or a machine that hides its caches.
                Err(error) => println!("{}: {error}", cost.name),
            }
        }
    }
}
