//! A contender as a value: its compiled loops behind pointers.

use serde_json::Value;

use crate::contender::{BoxError, Contender, InProcess, Nature, Place, Prepared, Setting};
use crate::measure::{self, Order};
use crate::message::Plan;
use crate::transfer;
use crate::worker::Control;

/// A worker's part in a run of mixed messages.
type Mixed = fn(Place, &Plan, &mut Control) -> Result<Value, BoxError>;
/// A worker's part in a scenario.
type Part = fn(&Order, Vec<Place>, &mut Control) -> Result<Value, BoxError>;

/// A [`Contender`] or an [`InProcess`] mechanism as an entry of a list.
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    /// Its name in reports.
    pub name: &'static str,
    /// What it is, and how it is used.
    pub about: &'static str,
    /// What it can do.
    pub nature: Nature,
    pub(crate) obstacle: fn(&Setting) -> Option<String>,
    pub(crate) prepare: fn(&Setting) -> Result<Prepared, BoxError>,
    pub(crate) part: Part,
    /// Whether one worker has all ends, each on a thread.
    pub(crate) threads: bool,
    pub(crate) produce: Mixed,
    pub(crate) consume: Mixed,
}

impl Contestant {
    /// The entry for a contender.
    pub const fn of<C: Contender>() -> Contestant {
        Contestant {
            name: C::NAME,
            about: C::ABOUT,
            nature: C::NATURE,
            obstacle: C::obstacle,
            prepare: C::prepare,
            part: measure::part::<C>,
            threads: false,
            produce: transfer::produce::<C>,
            consume: transfer::consume::<C>,
        }
    }

    /// The entry for a mechanism between threads.
    pub const fn in_process<C: InProcess>() -> Contestant {
        Contestant {
            name: C::NAME,
            about: C::ABOUT,
            nature: C::NATURE,
            obstacle: |_| None,
            prepare: nothing_to_prepare,
            part: measure::all_parts::<C>,
            threads: true,
            produce: not_between_processes,
            consume: not_between_processes,
        }
    }
}

fn nothing_to_prepare(_: &Setting) -> Result<Prepared, BoxError> {
    Ok(Prepared::of_fds(Vec::new(), Vec::new(), 0))
}

fn not_between_processes(_: Place, _: &Plan, _: &mut Control) -> Result<Value, BoxError> {
    Err("it works between threads only".into())
}
