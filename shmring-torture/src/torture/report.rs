//! The account as text.

use super::Torture;
use shmring_bench::report::{grouped, table, wrapped};

/// A table and how to see it again, in at most 100 columns.
pub fn text(torture: &Torture) -> String {
    let Torture { tally, .. } = torture;
    let row = |what: &str, figure: u64| [what.to_owned(), grouped(figure)];
    let rows = [
        row("seconds", torture.seconds.round() as u64),
        row("rounds", torture.rounds.into()),
        row("configurations", torture.configurations.into()),
        row("segments", tally.segments),
        row("  re-created", tally.recreations),
        row("  unlinked in use", tally.unlinks),
        row("  closed in use", tally.closes),
        row("processes", tally.spawned),
        row("  killed", tally.kills),
        row("  left by themselves", tally.clean_exits),
        row("  stopped for a while", tally.stops),
        row("roles taken over from the dead", tally.takeovers),
        row("messages sent", tally.sent),
        row("  received", tally.received),
        row("  in the hands of the dead", tally.in_hand),
        row("  lost", tally.lost),
        row("  duplicated", tally.duplicated),
        row("messages in doubt at a producer's death that came", tally.in_doubt_received),
        row("messages in doubt at a producer's death that did not", tally.in_doubt_unsent),
        row("messages redelivered after a consumer's death", tally.redelivered),
        row("messages sent to subscribers", tally.broadcast),
        row("  received, by all of them", tally.delivered),
        row("  missed, and counted", tally.missed),
        row("gating subscribers evicted", tally.evictions),
        row("  and told so", tally.evictions_told),
        ["longest time without progress, ms".to_owned(), format!("{:.1}", tally.worst_pause_ms)],
        row("times without progress of more than a second", tally.long_pauses),
    ];
    let again = format!("Every message is accounted for. The seed was {}.", torture.seed);
    format!("{}\n{}", table(&rows), wrapped(&again))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::Tally;

    // Catches figures under other names, and lines that are too long.
    #[test]
    fn figures_are_named() {
        let tally = Tally { kills: 1234, lost: 5, worst_pause_ms: 67.89, ..Tally::default() };
        let text = text(&Torture { seed: 99, tally, ..Torture::default() });
        let figure = |name: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(name));
            line.and_then(|line| line.split_whitespace().last()).map(String::from)
        };
        assert_eq!(figure("killed").as_deref(), Some("1,234"));
        assert_eq!(figure("lost").as_deref(), Some("5"));
        assert_eq!(figure("longest").as_deref(), Some("67.9"));
        assert!(text.contains("The seed was 99.") && text.lines().all(|line| line.len() <= 100));
    }
}
