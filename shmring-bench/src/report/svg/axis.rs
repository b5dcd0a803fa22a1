//! Logarithmic axes.

/// A logarithmic axis from pixel to pixel.
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

/// An axis that spans more than these has no ticks within a tenfold.
const FINE_DECADES: f64 = 2.0;
/// What an axis begins and ends with, and the ticks of a short one, within a tenfold.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

impl Axis {
    /// Exactly from the least to the largest value; `None` without two that a logarithm bears.
    pub(super) fn of(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Axis> {
        let (low, high) = ends(values)?;
        (low < high).then_some(Axis { low, high, from, to })
    }

    /// From a round value below all to a round one above; `None` without any that a logarithm
    /// bears.
    pub(super) fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Axis> {
        let (least, largest) = ends(values)?;
        // What is as short as the axis begins could not be seen.
        let low = rounds(least).filter(|round| *round < least * 0.95).last()?;
        let high = rounds(largest).find(|round| *round >= largest)?;
        Some(Axis { low, high, from, to })
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let part = (value.clamp(self.low, self.high) / self.low).ln() / (self.high / self.low).ln();
        self.from + part * (self.to - self.from)
    }

    /// Round values on it.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> {
        let (low, high) = (self.low, self.high);
        let fine = (high / low).log10() <= FINE_DECADES;
        let on_it = move |tick: &f64| (low * 0.999..=high * 1.001).contains(tick);
        let powers = (low.log10().floor() as i32..=high.log10().ceil() as i32).map(power);
        let steps = if fine { &STEPS[..] } else { &STEPS[..1] };
        powers.flat_map(move |power| steps.iter().map(move |step| step * power)).filter(on_it)
    }
}

/// Exact where it can be: 10^-3 is not 1 / 10^3 times 1 otherwise.
fn power(exponent: i32) -> f64 {
    if exponent < 0 { 1.0 / 10f64.powi(-exponent) } else { 10f64.powi(exponent) }
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut values = values.filter(|value| *value > 0.0 && value.is_finite());
    let first = values.next()?;
    Some(values.fold((first, first), |(low, high), value| (low.min(value), high.max(value))))
}

/// Round values from a tenfold below to a tenfold above.
fn rounds(value: f64) -> impl Iterator<Item = f64> {
    let exponent = value.log10().floor() as i32;
    let powers = (exponent - 1..=exponent + 1).map(power);
    powers.flat_map(|power| STEPS.iter().map(move |step| step * power))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(values: &[f64]) -> Vec<f64> {
        Axis::around(values.iter().copied(), 0.0, 1.0).expect("an axis").ticks().collect()
    }

    // Catches an axis that cuts off a value, that hides the least one, or that has no ticks.
    #[test]
    fn an_axis_holds_all_values_between_round_ones() {
        assert_eq!(ticks(&[16.0, 19.0]), [10.0, 20.0]);
        assert_eq!(ticks(&[10.0, 300.0]), [5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]);
        assert_eq!(ticks(&[30.0, 60_000.0]), [100.0, 1_000.0, 10_000.0, 100_000.0]);
        assert_eq!(ticks(&[0.5]), [0.2, 0.5]);
    }

    // Catches values that lie beyond the plot, and an axis of nothing.
    #[test]
    fn values_lie_between_its_ends() {
        let axis = Axis::of([1.0, 100.0, 0.0].into_iter(), 50.0, 150.0).expect("an axis");
        assert_eq!([axis.at(1.0), axis.at(10.0), axis.at(100.0)], [50.0, 100.0, 150.0]);
        assert_eq!([axis.at(0.0), axis.at(1e9)], [50.0, 150.0]);
        assert!(Axis::of([3.0, 3.0].into_iter(), 0.0, 1.0).is_none());
        assert!(Axis::around([0.0].into_iter(), 0.0, 1.0).is_none());
    }
}
