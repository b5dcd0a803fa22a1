//! The costs of single steps, read once in each round like everything else.

use std::time::Duration;

use super::bench::Bench;
use super::notes;
use crate::Error;
use crate::costs::{self, Cost, Reading};
use crate::results::{Absent, CostRow, Costs};
use crate::stats::Spread;
use crate::worker::Tick;

/// What the report calls them together.
pub(super) const NAME: &str = "costs";
/// What it takes to read one, memory included. For the forecast.
const READ_COST: Duration = Duration::from_millis(12);

/// The readings of a session.
pub(super) struct Steps {
    costs: Vec<Cost>,
    /// For each cost, one for each round.
    readings: Vec<Vec<f64>>,
    absent: Vec<Absent>,
}

impl Steps {
    /// Those whose names contain `only`, or all if it is part of [`NAME`]; `None` if that is none.
    pub(super) fn new(only: &str) -> Option<Steps> {
        let chosen = |cost: &&Cost| NAME.contains(only) || cost.name.contains(only);
        let costs: Vec<Cost> = costs::ALL.iter().filter(chosen).copied().collect();
        let readings = costs.iter().map(|_| Vec::new()).collect();
        (!costs.is_empty()).then_some(Steps { costs, readings, absent: Vec::new() })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.costs.len()
    }

    /// How long one round of them takes, about.
    pub(super) fn round_cost(&self) -> Duration {
        READ_COST * self.costs.len() as u32
    }

    /// Reads each once, in even rounds backwards.
    pub(super) fn read(
        &mut self,
        bench: &mut dyn Bench,
        round: u32,
        tick: &mut Tick<'_>,
    ) -> Result<(), Error> {
        let mut order: Vec<usize> = (0..self.costs.len()).collect();
        if round.is_multiple_of(2) {
            order.reverse();
        }
        order.retain(|index| self.absent.iter().all(|gone| gone.name != self.costs[*index].name));
        let costs: Vec<Cost> = order.iter().map(|index| self.costs[*index]).collect();
        let readings = match bench.costs(&costs, tick) {
            Ok(readings) => readings,
            Err(Error::Stopped) => return Err(Error::Stopped),
            Err(error) => {
                let failed = |cost: &Cost| self.absence(cost, true, error.to_string());
                self.absent = costs.iter().map(failed).collect();
                return Ok(());
            }
        };
        for (index, reading) in order.into_iter().zip(readings) {
            self.take(index, reading);
        }
        Ok(())
    }

    fn take(&mut self, index: usize, reading: Reading) {
        match reading {
            Ok(figure) => self.readings[index].push(figure),
            Err(why) => self.absent.push(self.absence(&self.costs[index], false, why)),
        }
    }

    fn absence(&self, cost: &Cost, failed: bool, why: String) -> Absent {
        Absent { name: cost.name.to_owned(), failed, why }
    }

    /// What was read.
    pub(super) fn report(self) -> Costs {
        let absent = |cost: &Cost| self.absent.iter().any(|gone| gone.name == cost.name);
        let read = self.costs.iter().zip(self.readings);
        let rows: Vec<CostRow> = read
            .filter(|(cost, _)| !absent(cost))
            .filter_map(|(cost, runs)| {
                Some(CostRow {
                    cost: cost.name.to_owned(),
                    about: cost.about.to_owned(),
                    unit: cost.unit,
                    figure: Spread::of(runs.iter().copied())?,
                    runs,
                })
            })
            .collect();
        let warnings = notes::of_costs(&rows);
        Costs { rows, absent: self.absent, warnings }
    }
}
