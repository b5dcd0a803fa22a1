//! How a short step is timed.

use std::time::{Duration, Instant};

use crate::contender::BoxError;
use crate::stats::Spread;

/// Long enough for the clock to cost nothing, short enough to fit between two disturbances.
const BURST: Duration = Duration::from_micros(250);
/// Bursts that are timed, after those that find out how many steps make one.
const BURSTS: usize = 9;

/// ns that a step takes: `steps` does the given number. The median of some bursts.
pub(super) fn ns_each(mut steps: impl FnMut(u64) -> Result<(), BoxError>) -> Result<f64, BoxError> {
    let mut count = 1;
    let mut time = |count: u64| -> Result<Duration, BoxError> {
        let start = Instant::now();
        steps(count)?;
        Ok(start.elapsed())
    };
    // Caches and predictors warm up meanwhile.
    while time(count)? < BURST {
        count *= 2;
    }
    let mut bursts = Vec::with_capacity(BURSTS);
    for _ in 0..BURSTS {
        bursts.push(time(count)?.as_nanos() as f64 / count as f64);
    }
    Spread::of(bursts).map(|spread| spread.median).ok_or_else(|| "nothing was timed".into())
}
