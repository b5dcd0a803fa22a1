//! The demo's bar.

use nix::sys::signal::Signal;

use crate::support::{Name, run};
use crate::terminal::Setup;

// Catches a bar that is left behind, and segments that outlive Ctrl-C.
#[test]
fn a_demo_that_is_interrupted() {
    let demo = Setup::shmring(&["demo", "--bytes", "1TiB"]).start();
    let pid = demo.pid();
    demo.wait_for_text("record ring");
    demo.wait_for_text("[");
    demo.keys("\x03");
    let ended = demo.end().expect_signal(Signal::SIGINT).expect_clean();
    assert!(!ended.text().contains('['), "{}", ended.text());
    let listing = run(&["ls"]).expect_code(0).text();
    assert!(!listing.contains(&format!("shmring-demo-{pid}-")), "{listing}");
}

// Catches a bar between the lines of the result, and a result without it in a window of 80
// columns.
#[test]
fn a_demo_that_ends() {
    let demo = Setup::shmring(&["demo", "--bytes", "4M", "--rounds", "1"]).start();
    let ended = demo.end().expect_code(0).expect_clean();
    let text = ended.text();
    assert!(text.contains("record ring") && text.contains("pipe"), "{text}");
    assert!(!text.contains('['), "{text}");
}

// Catches a name that is shown in a way that moves the cursor.
#[test]
fn a_name_with_control_characters_is_harmless() {
    let mut name = Name::new();
    name.0 += "\x1b[2J\x1b[31m";
    let ended = Setup::shmring(&["create", &name.0]).start().end().expect_code(0).expect_clean();
    assert!(ended.text().contains("\\u{1b}[2J"), "{}", ended.text());
    assert!(!ended.bytes.windows(4).any(|part| part == b"\x1b[2J"));
}
