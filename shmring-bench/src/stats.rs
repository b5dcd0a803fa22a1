//! The few statistics that a handful of runs bear.

use serde::{Deserialize, Serialize};

/// The middle and the ends of a few figures, and between which of them the middle half lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// A quarter of them are at most about this, ...
    pub q1: f64,
    /// ... and a quarter at least about this. Of fewer than four, the ends.
    pub q3: f64,
}

impl Spread {
    /// Of at least one figure; `None` without any.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            figures[middle]
        } else {
            (figures[middle - 1] + figures[middle]) / 2.0
        };
        let quarter = figures.len() / 4;
        let (q1, q3) = (figures[quarter], figures[figures.len() - 1 - quarter]);
        let (q1, q3) = if quarter == 0 { (min, max) } else { (q1, q3) };
        Some(Spread { median, min, max, q1, q3 })
    }
}

/// The figures that so many of all are at most, and the largest: for hundreds of figures and more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of all are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Percentiles {
    /// Of at least one figure; `None` without any. Each is one of the figures.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Percentiles> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let max = *figures.last()?;
        let at_most = |percent: usize| figures[(figures.len() * percent).div_ceil(100) - 1];
        Some(Percentiles { p50: at_most(50), p99: at_most(99), max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_of_odd_even_and_no_figures() {
        let spread = |figures: &[f64]| {
            Spread::of(figures.iter().copied()).map(|s| [s.median, s.min, s.max, s.q1, s.q3])
        };
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some([2.0, 1.0, 3.0, 1.0, 3.0]));
        assert_eq!(spread(&[4.0, 1.0]), Some([2.5, 1.0, 4.0, 1.0, 4.0]));
        assert_eq!(spread(&[5.0, 1.0, 2.0, 9.0, 3.0]), Some([3.0, 1.0, 9.0, 2.0, 5.0]));
        assert_eq!(Spread::of([]), None);
    }
    // Catches a percentile that is one figure off.
    #[test]
    fn percentiles_are_figures_of_their_rank() {
        let of = |count: u32| Percentiles::of((1..=count).rev().map(f64::from)).unwrap();
        assert_eq!(of(1000), Percentiles { p50: 500.0, p99: 990.0, max: 1000.0 });
        assert_eq!(of(3), Percentiles { p50: 2.0, p99: 3.0, max: 3.0 });
        assert_eq!(of(1), Percentiles { p50: 1.0, p99: 1.0, max: 1.0 });
        assert_eq!(Percentiles::of([]), None);
    }
}
