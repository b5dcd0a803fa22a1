//! The examples do what they say, and leave nothing behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Each example, and how its last line begins and ends.
const EXAMPLES: [(&str, &str, &str); 7] = [
    (OF_TOKIO, "300 samples from 3 rings", ""),
    ("embedded", "", " samples sent, all received; then: the ring was closed"),
    ("frames", "200 frames of 1 MiB, ", ""),
    ("hello", "process ", ""),
    ("logger", "8000 lines of 40 to 65536 bytes from 4 processes, none torn", " in several slots"),
    ("market_data", "240000 quotes from 3 feeds, 24 last bids and asks", ""),
    ("work_queue", "200 jobs done, none lost: ", " workers killed"),
];
/// The one that needs the feature `tokio`.
const OF_TOKIO: &str = "async_service";
/// So that they can be read at a glance.
const MAX_LINES: usize = 79;

/// Catches an example that fails, does not come to its end, or leaves a segment behind.
#[test]
fn every_example_runs_to_its_end() {
    // Cargo builds examples before it runs tests, unless only some of the tests are asked for.
    let test = std::env::current_exe().unwrap();
    let examples = test.parent().unwrap().parent().unwrap().join("examples");
    let is_built = |name: &str| cfg!(feature = "tokio") || name != OF_TOKIO;
    for (name, begins, ends) in EXAMPLES.into_iter().filter(|(name, ..)| is_built(name)) {
        let mut command = Command::new(examples.join(name));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.expect("build it first: cargo build -p shmring --examples");
        let mark = format!("-{}", child.id());
        let output = child.wait_with_output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let last = printed.lines().last().unwrap_or_default();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {}\n{printed}{errors}", output.status);
        assert!(last.starts_with(begins) && last.ends_with(ends), "{name}: {printed}");
        let left = fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|left| left.to_string_lossy().ends_with(&mark)).collect();
        assert!(left.is_empty(), "{name} leaves {left:?}");
    }
}

/// Catches an example that nothing runs, and one that is too long to be one.
#[test]
fn every_example_is_short_and_run() {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
        found.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    assert_eq!(found, EXAMPLES.iter().map(|(name, ..)| (*name).to_owned()).collect());
}
