//! What a shell's user pipes together.

use crate::support::{Name, run_with, seq};
use crate::terminal::Setup;

// Catches a failure, or words, where a reader has seen enough.
#[test]
fn a_reader_that_stops_early() {
    let name = Name::with_ring("1M");
    run_with(&["send", &name.0], &seq(1, 40_000)).expect_code(0);
    let script = format!("{{ shmring recv {}; echo \"code $?\" >&2; }} | head -n 1", name.0);
    let ended = Setup::shell(&script).start().end().expect_code(0).expect_clean();
    let mut lines: Vec<_> = ended.text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["1", "code 0"]);
}

// Catches a pipeline in a terminal that does not come to its end.
#[test]
fn a_pipeline_from_end_to_end() {
    let name = Name::with_ring("64K");
    let script = format!(
        "seq 1 100000 | shmring send {0} --stats & shmring recv {0} --stats | tail -n 1; wait",
        name.0
    );
    let ended = Setup::shell(&script).start().end().expect_code(0).expect_clean();
    let text = ended.text();
    for part in ["\n100000", "sent 100,000 messages", "received 100,000 messages"] {
        assert!(format!("\n{text}").contains(part), "{part:?}: {text}");
    }
}
