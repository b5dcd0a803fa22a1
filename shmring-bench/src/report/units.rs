//! Figures with their units, as people read them: three digits.

use crate::costs::Unit;
use crate::scenario::Scenario;
use crate::stats::Spread;

/// Three digits, or all before the point.
fn digits(figure: f64) -> String {
    match figure {
        _ if figure < 9.995 => format!("{figure:.2}"),
        _ if figure < 99.95 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

/// A time in ns.
pub(super) fn time(ns: f64) -> String {
    match ns {
        _ if ns < 9_999.5 => format!("{} ns", digits(ns)),
        _ if ns < 999_500.0 => format!("{} us", digits(ns / 1e3)),
        _ => format!("{} ms", digits(ns / 1e6)),
    }
}

/// Messages a second.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        _ if per_second < 999_500.0 => format!("{} k/s", digits(per_second / 1e3)),
        _ => format!("{} M/s", digits(per_second / 1e6)),
    }
}

/// From one figure to another, with the unit once if they share it.
pub(super) fn range(low: f64, high: f64, text: fn(f64) -> String) -> String {
    let (low, high) = (text(low), text(high));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number}..{high}"),
        _ => format!("{low}..{high}"),
    }
}

/// Bytes a second.
pub(super) fn volume(bytes_per_second: f64) -> String {
    match bytes_per_second {
        _ if bytes_per_second < 0.9995e9 => format!("{} MB/s", digits(bytes_per_second / 1e6)),
        _ => format!("{} GB/s", digits(bytes_per_second / 1e9)),
    }
}

/// What a scenario's figures are written as.
pub(super) fn of(scenario: &Scenario) -> fn(f64) -> String {
    if scenario.flow.is_latency() { time } else { rate }
}

/// What a cost's figures are written as.
pub(super) fn of_cost(unit: Unit) -> fn(f64) -> String {
    match unit {
        Unit::Ns => time,
        Unit::GbPerS => |gb_per_second| volume(gb_per_second * 1e9),
    }
}

/// A round figure at an axis: without the places that say nothing, and with the unit that suits it.
fn tick(figure: f64, units: &[(f64, &str)]) -> String {
    let fits = units.iter().rev().find(|(unit, _)| figure >= *unit * 0.999).or(units.first());
    let (unit, name) = fits.copied().unwrap_or((1.0, ""));
    // Round figures have one digit; what division adds behind it is dropped.
    let number = format!("{:.3}", figure / unit);
    format!("{} {name}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// A time in ns at an axis.
pub(super) fn time_tick(ns: f64) -> String {
    tick(ns, &[(1.0, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s")])
}

/// Messages a second at an axis.
pub(super) fn rate_tick(per_second: f64) -> String {
    tick(per_second, &[(1.0, "/s"), (1e3, "k/s"), (1e6, "M/s"), (1e9, "G/s")])
}

/// Bytes a second at an axis.
pub(super) fn volume_tick(bytes_per_second: f64) -> String {
    tick(bytes_per_second, &[(1e3, "kB/s"), (1e6, "MB/s"), (1e9, "GB/s")])
}

/// How often something happened for each message.
pub(super) fn often(each: f64) -> String {
    match each {
        _ if each < 0.0005 => "0".to_owned(),
        _ if each < 0.0995 => format!("{each:.3}"),
        _ => format!("{each:.1}"),
    }
}

/// A ratio, with where its middle half lies.
pub(super) fn ratio(spread: &Spread) -> String {
    let Spread { median, q1, q3, .. } = *spread;
    let places = match median {
        _ if median < 0.0995 => 3,
        _ if median < 9.995 => 2,
        _ => usize::from(median < 99.95),
    };
    format!("{median:.0$} ({q1:.0$}..{q3:.0$})", places)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a figure with a wrong unit, and one that rounds into a fourth digit.
    #[test]
    fn figures_have_three_digits_and_their_unit() {
        for (ns, text) in [
            (0.25, "0.25 ns"),
            (9.996, "10.0 ns"),
            (99.96, "100 ns"),
            (9_999.0, "9999 ns"),
            (13_449.0, "13.4 us"),
            (999_600.0, "1.00 ms"),
            (1_522_700.0, "1.52 ms"),
        ] {
            assert_eq!(time(ns), text);
        }
        assert_eq!(
            [rate(999_600.0), rate(919_400.0), rate(65.6e6)].join(" "),
            "1.00 M/s 919 k/s 65.6 M/s"
        );
        assert_eq!([volume(655.4e6), volume(1.46e9)].join(" "), "655 MB/s 1.46 GB/s");
        assert_eq!(of_cost(Unit::GbPerS)(41.2), "41.2 GB/s");
        assert_eq!(range(889e3, 934e3, rate), "889..934 k/s");
        assert_eq!(range(889e3, 1.1e6, rate), "889 k/s..1.10 M/s");
        assert_eq!([often(0.0), often(0.012), often(1.93)].join(" "), "0 0.012 1.9");
    }

    // Catches an axis whose figures have places that say nothing, or a unit that does not suit them.
    #[test]
    fn ticks_are_short() {
        let times = [0.2, 50.0, 1_000.0, 20_000.0, 5e6].map(time_tick);
        assert_eq!(times, ["0.2 ns", "50 ns", "1 us", "20 us", "5 ms"]);
        assert_eq!([rate_tick(5e5), rate_tick(1e9)].join(" "), "500 k/s 1 G/s");
        assert_eq!([volume_tick(2e7), volume_tick(1e11)].join(" "), "20 MB/s 100 GB/s");
    }

    // Catches a small ratio of which nothing is left.
    #[test]
    fn ratios_have_places_that_tell_them_apart() {
        let ratio =
            |median| ratio(&Spread { median, min: median, max: median, q1: median, q3: median });
        assert_eq!(ratio(0.0103), "0.010 (0.010..0.010)");
        assert_eq!(ratio(1.39), "1.39 (1.39..1.39)");
        assert_eq!(ratio(16.64), "16.6 (16.6..16.6)");
        assert_eq!(ratio(162.4), "162 (162..162)");
    }
}
