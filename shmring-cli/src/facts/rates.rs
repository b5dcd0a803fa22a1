//! The rates of a ring, from two samples of it.

use std::time::Duration;

use serde::Serialize;
use shmring::Status;

use super::Unit;
use crate::report;

/// Rates per second, from a short sample.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rates {
    /// The distance that tail moved, in bytes of a record ring, else in slots.
    pub(crate) sent_per_s: u64,
    /// The distance that head moved.
    pub(crate) received_per_s: u64,
    pub(crate) messages_received_per_s: u64,
}

impl Rates {
    /// Returns `None` if no time has passed.
    pub(crate) fn of(before: &Status, after: &Status, elapsed: Duration) -> Option<Self> {
        let rate = |before: u64, after: u64| per_second(after.wrapping_sub(before), elapsed);
        Some(Self {
            sent_per_s: rate(before.ring().tail, after.ring().tail)?,
            received_per_s: rate(before.ring().head, after.ring().head)?,
            messages_received_per_s: rate(
                before.ring().messages_received,
                after.ring().messages_received,
            )?,
        })
    }

    /// Returns the rates as a line of text.
    pub(crate) fn summary(&self, unit: Unit) -> String {
        let Self { sent_per_s, received_per_s, messages_received_per_s } = self;
        match unit {
            Unit::Bytes => format!(
                "{}/s sent, {}/s received; {} received",
                report::bytes(*sent_per_s),
                report::bytes(*received_per_s),
                per(*messages_received_per_s, "message")
            ),
            Unit::Slots => format!(
                "{} claimed, {} received",
                per(*sent_per_s, "slot"),
                per(*messages_received_per_s, "message")
            ),
        }
    }
}

fn per(rate: u64, what: &str) -> String {
    format!("{}/s", report::count(rate, what))
}

/// Returns `count` in that time as a rate per second. A count that is negative as a signed number
/// comes from samples of a ring that moved meanwhile, and counts as 0. `None` if no time has
/// passed.
fn per_second(count: u64, elapsed: Duration) -> Option<u64> {
    let count = if count >> 63 == 0 { count } else { 0 };
    let rate = (u128::from(count) * 1_000_000_000).checked_div(elapsed.as_nanos())?;
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a rate that overflows, divides by nothing, or takes a step back for a leap.
    #[test]
    fn counts_in_a_second() {
        let ms = Duration::from_millis;
        assert_eq!(per_second(50, ms(200)), Some(250));
        assert_eq!(per_second(0, ms(200)), Some(0));
        assert_eq!(per_second(1, ms(2000)), Some(0));
        assert_eq!(per_second(7, Duration::ZERO), None);
        assert_eq!(per_second(u64::MAX, ms(1)), Some(0));
        assert_eq!(per_second(u64::MAX >> 1, Duration::from_nanos(1)), Some(u64::MAX));
    }
}
