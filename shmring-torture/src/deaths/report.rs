//! The measurement as text.

use super::{Deaths, Figures};
use shmring_bench::report::{grouped, table, wrapped};

/// A table and what to know about it, in at most 100 columns.
pub fn text(deaths: &Deaths) -> String {
    let head = ["killed", "ring", "waiter", "until", "monitor", "p50 ms", "p99 ms", "max ms"];
    let mut rows = vec![head.map(String::from)];
    rows.extend(deaths.cases.iter().map(row));
    let mut text = table(&rows);
    text.push('\n');
    for line in notes(deaths) {
        text.push_str(&wrapped(&line));
    }
    text
}

fn row(figures: &Figures) -> [String; 8] {
    let ms = |figure: f64| format!("{figure:.2}");
    [
        figures.victim.clone(),
        figures.ring.clone(),
        figures.waits.name().to_owned(),
        figures.until.clone(),
        String::from(if figures.monitor { "yes" } else { "-" }),
        ms(figures.waited_ms.p50),
        ms(figures.waited_ms.p99),
        ms(figures.waited_ms.max),
    ]
}

fn notes(deaths: &Deaths) -> Vec<String> {
    let mut notes = vec![format!(
        "{} kill{} in each case, from just before kill(2) to the return of the waiter's verb; every \
         message came once and in order.",
        grouped(deaths.kills.into()),
        if deaths.kills == 1 { "" } else { "s" },
    )];
    notes.extend(deaths.warnings.iter().map(|warning| format!("Warning: {warning}.")));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deaths::{Waits, warnings};
    use shmring_bench::stats::Percentiles;

    fn deaths(max: f64) -> Deaths {
        let figures = Figures {
            case: "the case".to_owned(),
            ring: "mpmc".to_owned(),
            victim: "the last producer".to_owned(),
            until: "end of stream".to_owned(),
            waits: Waits::Sleeping,
            monitor: true,
            waited_ms: Percentiles { p50: 0.5, p99: 1.25, max },
        };
        let cases = vec![figures];
        Deaths { kills: 1000, warnings: warnings(&cases), cases }
    }

    // Catches a column that is mixed up with another, and a survivor that hangs without a word.
    #[test]
    fn a_survivor_that_is_held_up_for_long_is_told_in_words() {
        let expected = "\
killed             ring    waiter          until  monitor  p50 ms  p99 ms   max ms
the last producer  mpmc  sleeping  end of stream      yes    0.50    1.25  1500.00

1,000 kills in each case, from just before kill(2) to the return of the waiter's verb;
  every message came once and in order.
Warning: the case: a survivor was held up for 1.5 s by a death, which is more than a
  second.
";
        assert_eq!(text(&deaths(1500.0)), expected);
        assert!(!text(&deaths(999.0)).contains("Warning"));
    }
}
