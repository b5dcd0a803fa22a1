//! Figures with their units, as people read them.

use crate::scenario::Scenario;
use crate::stats::Spread;

/// A time in ns.
pub(super) fn time(ns: f64) -> String {
    match ns {
        _ if ns < 99.95 => format!("{ns:.1} ns"),
        _ if ns < 9_999.5 => format!("{ns:.0} ns"),
        _ if ns < 9_999_500.0 => format!("{:.1} us", ns / 1e3),
        _ => format!("{:.1} ms", ns / 1e6),
    }
}

/// Messages a second.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        _ if per_second >= 99.95e6 => format!("{:.0} M/s", per_second / 1e6),
        _ if per_second >= 0.9995e6 => format!("{:.1} M/s", per_second / 1e6),
        _ => format!("{:.1} k/s", per_second / 1e3),
    }
}

/// From one rate to another, with the unit once if they share it.
pub(super) fn rates(low: f64, high: f64) -> String {
    let (low, high) = (rate(low), rate(high));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number}..{high}"),
        _ => format!("{low}..{high}"),
    }
}

/// Bytes a second.
pub(super) fn volume(bytes_per_second: f64) -> String {
    match bytes_per_second {
        _ if bytes_per_second >= 0.9995e9 => format!("{:.1} GB/s", bytes_per_second / 1e9),
        _ => format!("{:.1} MB/s", bytes_per_second / 1e6),
    }
}

/// A scenario's figure.
pub(super) fn figure(scenario: &Scenario, figure: f64) -> String {
    if scenario.flow.is_latency() { time(figure) } else { rate(figure) }
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
    let digits = |ratio: f64| if ratio < 9.995 { 2 } else { usize::from(ratio < 99.95) };
    let Spread { median, q1, q3, .. } = *spread;
    format!("{median:.0$} ({q1:.0$}..{q3:.0$})", digits(median))
}
