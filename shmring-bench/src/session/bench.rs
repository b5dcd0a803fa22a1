//! What a session runs on: workers and the machine, or a script in tests.

use std::path::Path;

use crate::Error;
use crate::contestant::Contestant;
use crate::costs::{self, Cost, Reading};
use crate::measure::{self, Outcome, Stage};
use crate::probe::{self, Probe};
use crate::scenario::Scenario;
use crate::worker::Tick;

pub(super) trait Bench {
    /// How far the two CPUs are apart; `None` without two.
    fn probe(&mut self, tick: &mut Tick<'_>) -> Result<Option<Probe>, Error>;
    /// One reading of each of these costs.
    fn costs(&mut self, costs: &[Cost], tick: &mut Tick<'_>) -> Result<Vec<Reading>, Error>;
    /// One run of a contender.
    fn run(
        &mut self,
        contender: &Contestant,
        scenario: &Scenario,
        check: bool,
        tick: &mut Tick<'_>,
    ) -> Result<Outcome, Error>;
}

pub(super) struct Workers<'a> {
    pub(super) executable: &'a Path,
    pub(super) name_prefix: &'a str,
    pub(super) cpus: Option<[usize; 2]>,
}

impl Bench for Workers<'_> {
    fn probe(&mut self, tick: &mut Tick<'_>) -> Result<Option<Probe>, Error> {
        probe::run(self.executable, self.cpus, tick)
    }

    fn costs(&mut self, costs: &[Cost], tick: &mut Tick<'_>) -> Result<Vec<Reading>, Error> {
        costs::run(costs, self.executable, self.cpus, tick)
    }

    fn run(
        &mut self,
        contender: &Contestant,
        scenario: &Scenario,
        check: bool,
        tick: &mut Tick<'_>,
    ) -> Result<Outcome, Error> {
        let Workers { executable, name_prefix, cpus } = *self;
        measure::run(contender, scenario, check, Stage { executable, name_prefix, cpus }, tick)
    }
}
