//! How many instructions each verb of each ring takes, counted by valgrind: the same at every run,
//! whatever else the machine does.
//!
//! This very program is started again under `valgrind --tool=callgrind`. It does every operation in
//! two lengths, and tells valgrind between them to write down what was counted, by entering
//! `lap`. The difference of the two leaves the repetitions alone. The kernel's instructions are
//! not among those counted.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::{Deserialize, Serialize};

use crate::contender::BoxError;
use crate::name::unused;
use crate::operations::{self, Operation};
use crate::report;

/// The word that the program under valgrind is started with.
pub const INNER: &str = "count-instructions";
/// What valgrind is to watch for. Mangled or not, the name of [`lap`] holds these.
const LAP: &str = "--dump-before=*instructions*lap*";
/// Laps of an operation: up to the first length, that, up to the second length, that.
const LAPS: usize = 4;

/// What was counted, or why nothing was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instructions {
    /// What this machine lacks; none if there are figures.
    pub skipped: Option<String>,
    /// One for each operation.
    pub counts: Vec<Count>,
}

/// What one operation takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// What is done.
    pub verb: String,
    /// To which ring.
    pub ring: String,
    /// Instructions of this process for each repetition.
    pub instructions: f64,
}

/// Counts the operations whose verb or ring contains `only`.
///
/// # Errors
/// If an operation does wrong, or valgrind does.
pub fn instructions(only: &str) -> Result<Instructions, BoxError> {
    let chosen = chosen(only);
    if chosen.is_empty() {
        return Err(format!("no verb and no ring is called `{only}`").into());
    }
    match Command::new("valgrind").arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let skipped = Some("valgrind is not installed".to_owned());
            return Ok(Instructions { skipped, counts: Vec::new() });
        }
        found => sound("valgrind --version", found)?,
    }
    let directory = Directory::new()?;
    count(only, &directory.0)?;
    let totals = directory.totals()?;
    if totals.len() < LAPS * chosen.len() {
        let words = "the program has no symbols by which valgrind could tell the operations apart";
        return Err(words.into());
    }
    let laps = totals.chunks_exact(LAPS);
    let counts = chosen.iter().zip(laps).map(|(operation, laps)| Count {
        verb: operation.verb.to_owned(),
        ring: operation.ring.to_owned(),
        instructions: each(operation, laps),
    });
    Ok(Instructions { skipped: None, counts: counts.collect() })
}

/// For one repetition, from the laps of an operation.
fn each(operation: &Operation, laps: &[u64]) -> f64 {
    let [short, long] = lengths(operation);
    laps[3].saturating_sub(laps[1]) as f64 / (long - short) as f64
}

fn chosen(only: &str) -> Vec<Operation> {
    let all = operations::all().into_iter();
    all.filter(|operation| operation.verb.contains(only) || operation.ring.contains(only)).collect()
}

/// How often an operation is repeated the one time and the other. Batches fit into both.
fn lengths(operation: &Operation) -> [u64; 2] {
    [operation.most / 2, operation.most]
}

/// Does everything under valgrind, which writes a file at each lap.
fn count(only: &str, directory: &Path) -> Result<(), BoxError> {
    let out = directory.join("laps");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", LAP, "--quiet"]);
    valgrind.arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(std::env::current_exe()?).arg(INNER).arg(only).stdin(Stdio::null());
    sound("valgrind", valgrind.output())
}

/// Whether a program ended well.
fn sound(what: &str, ended: io::Result<Output>) -> Result<(), BoxError> {
    let output = ended.map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{what} ended by {}: {said}", output.status).into())
}

/// What the program does that valgrind runs.
///
/// # Errors
/// If an operation does wrong.
pub fn inner(only: &str) -> Result<(), BoxError> {
    for operation in chosen(only) {
        let mut repeat = operation.prepare()?;
        for length in lengths(&operation) {
            repeat.ready()?;
            lap();
            repeat.run(length)?;
            lap();
        }
    }
    Ok(())
}

/// Valgrind writes down what was counted whenever this is entered.
#[inline(never)]
fn lap() {
    std::hint::black_box(());
}

/// A directory that is removed when this is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Directory, BoxError> {
        let path = std::env::temp_dir().join(unused("shmring-bench-instructions"));
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Directory(path))
    }

    /// What was counted before each lap, in their order.
    fn totals(&self) -> Result<Vec<u64>, BoxError> {
        let mut totals = Vec::new();
        for number in 1.. {
            match fs::read_to_string(self.0.join(format!("laps.{number}"))) {
                Ok(text) => totals.push(total(&text).ok_or("valgrind counted nothing")?),
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(totals)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // In a directory for temporary files, what stays does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Reads callgrind's `totals: 1234`.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// A row for each ring and a column for each verb; rings that have no verb of the first table have
/// one of their own.
pub fn text(result: &Instructions) -> String {
    if let Some(why) = &result.skipped {
        return format!("skipped: {why}\n");
    }
    let mut text = String::from(
        "Instructions of the process for each word of 8 bytes, or each call; one thread, nobody\n\
         asleep. A fence counts as one, whatever it costs; the kernel's do not count.\n",
    );
    let mut left: Vec<&Count> = result.counts.iter().collect();
    while let Some(first) = left.first() {
        let of_first: Vec<&Count> =
            left.iter().copied().filter(|count| count.verb == first.verb).collect();
        let rings = distinct(&of_first, |it| &it.ring);
        let (here, later): (Vec<&Count>, Vec<&Count>) =
            left.iter().partition(|count| rings.contains(&&*count.ring));
        text += &table(&here, &rings);
        left = later;
    }
    text
}

fn table(counts: &[&Count], rings: &[&str]) -> String {
    let verbs = distinct(counts, |it| &it.verb);
    let cell = |ring: &str, verb: &str| {
        let count = counts.iter().find(|count| count.ring == ring && count.verb == verb);
        count.map_or(String::new(), |count| format!("{:.1}", count.instructions))
    };
    let head = std::iter::once("").chain(verbs.iter().copied()).map(String::from);
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    rows.extend(rings.iter().map(|ring| {
        let cells = verbs.iter().map(|verb| cell(ring, verb));
        std::iter::once((*ring).to_owned()).chain(cells).collect()
    }));
    report::table(&rows)
}

/// What they are called, each once, in their order.
fn distinct<'a>(counts: &[&'a Count], name: impl Fn(&'a Count) -> &'a str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for count in counts {
        if !names.contains(&name(count)) {
            names.push(name(count));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a figure that holds what comes before and after the repetitions.
    #[test]
    fn what_two_lengths_have_in_common_cancels() {
        let push = chosen("push")[0];
        let [short, long] = lengths(&push);
        let laps = [9_999, 77 + 40 * short, 8_888, 77 + 40 * long];
        assert_eq!(each(&push, &laps), 40.0);
        assert_eq!(total("events: Ir\nfn=main\n1 2\ntotals: 1234\n"), Some(1234));
    }

    // Catches a table that loses a verb which only one ring has, and one that is too wide.
    #[test]
    fn every_count_is_in_the_text() {
        let all = operations::all();
        let count = |(index, operation): (usize, &Operation)| Count {
            verb: operation.verb.to_owned(),
            ring: operation.ring.to_owned(),
            instructions: 100.0 + index as f64,
        };
        let counts: Vec<Count> = all.iter().enumerate().map(count).collect();
        let text = text(&Instructions { skipped: None, counts: counts.clone() });
        for Count { instructions, .. } in counts {
            assert!(text.contains(&format!("{instructions:.1}")), "{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
