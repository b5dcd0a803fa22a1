//! The line that a long transfer shows.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Name, seq, start};
use crate::terminal::{Setup, Terminal};

/// More than a transfer is allowed to take before it shows something.
const LONG: Duration = Duration::from_millis(1500);

/// A sender that reads from the test.
fn sender(name: &Name) -> (Terminal, PipeWriter) {
    let (input, writer) = pipe().expect("a pipe");
    (Setup::shmring(&["send", &name.0]).stdin(input).start(), writer)
}

/// A receiver that the test reads from.
fn receiver(name: &Name) -> (Terminal, PipeReader) {
    let (reader, output) = pipe().expect("a pipe");
    (Setup::shmring(&["recv", &name.0]).stdout(output).start(), reader)
}

// Catches a line that shows nothing of the transfer, that is left behind by Ctrl-C, or an
// end that loses what was sent.
#[test]
fn a_sender_that_is_interrupted() {
    let name = Name::with_ring("64K");
    let (terminal, mut input) = sender(&name);
    input.write_all(&seq(1, 3)).expect("write");
    terminal.wait_for_text("sent 3, 3 B");
    input.write_all(&seq(4, 1000)).expect("write");
    terminal.wait_for_text("sent 1,000, 2.8 KiB: ");
    terminal.wait_for_text(" messages/s, ");
    terminal.keys("\x03");
    let ended = terminal.end().expect_signal(Signal::SIGINT).expect_clean();
    assert!(!ended.text().contains("sent"), "{}", ended.text());
    name.expect_left();
    assert_eq!(name.drain(), seq(1, 1000));
}

// Catches a receiver that shows nothing, and one that leaves its line behind at the end.
#[test]
fn a_receiver_that_comes_to_the_end() {
    let name = Name::with_ring("64K");
    let (terminal, _output) = receiver(&name);
    let mut send = start(&["send", &name.0]);
    send.write(&seq(1, 5));
    terminal.wait_for_text("received 5, 5 B");
    send.end().expect_code(0);
    let ended = terminal.end().expect_code(0).expect_clean();
    assert_eq!(ended.text(), "");
}

// Catches Ctrl-C that ends a receiver with less than it took from the ring.
#[test]
fn a_receiver_that_is_interrupted() {
    let name = Name::with_ring("64K");
    let mut send = start(&["send", &name.0]);
    send.write(&seq(1, 20));
    name.await_role("producers", send.pid());
    let (terminal, output) = receiver(&name);
    terminal.wait_for_text("received 20, ");
    send.write(b"last\n");
    terminal.wait_for_text("received 21, ");
    terminal.keys("\x03");
    terminal.end().expect_signal(Signal::SIGINT).expect_clean();
    assert_eq!(std::io::read_to_string(output).expect("output").lines().last(), Some("last"));
}

// Catches a bar that does not know its end, or gets it wrong because newlines are no payload.
#[test]
fn a_file_shows_how_much_of_it_is_sent() {
    let name = Name::with_ring("4K");
    // 5 bytes for each line, and 16 in the ring, of which 255 fit.
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), seq(1000, 1509)).expect("write");
    let input = File::open(file.path()).expect("open");
    let terminal = Setup::shmring(&["send", &name.0]).stdin(input).start();
    terminal.wait_for("half of it", |screen| {
        let text = screen.contents();
        text.starts_with(" 50% [###") && text.contains("---] sent 255, 1020 B")
    });
    assert_eq!(name.drain().len(), 5 * 510);
    terminal.end().expect_code(0).expect_clean();
}

// Catches a line that breaks, or leaves parts of itself, when the window gets another size.
#[test]
fn a_window_that_is_resized() {
    let name = Name::with_ring("64K");
    let (terminal, mut input) = sender(&name);
    let mut sent = 0;
    for (rows, columns) in [(24, 80), (24, 30), (5, 12), (1, 20), (50, 200)] {
        terminal.resize(rows, columns);
        // What a real terminal leaves of a line that it broke itself is not ours.
        sent += 1;
        input.write_all(b"line\n").expect("write");
        let wanted = format!("sent {sent},");
        let shown = |text: &str| text.lines().filter(|line| line.contains(&wanted)).count();
        terminal.wait_for("the line", |screen| shown(&screen.contents()) == 1);
        terminal.wait_for("nothing else", |screen| {
            screen.contents().lines().filter(|line| !line.is_empty()).count() == 1
        });
    }
    drop(input);
    let ended = terminal.end().expect_code(0).expect_clean();
    assert_eq!(ended.text(), "");
}

// Catches a line in the midst of what a person types or reads.
#[test]
fn a_person_who_types_is_left_alone() {
    let name = Name::with_ring("64K");
    let terminal = Setup::shmring(&["send", &name.0]).start();
    let mut recv = start(&["recv", &name.0]);
    terminal.keys("hello\n");
    assert_eq!(recv.read(6), b"hello\n");
    thread::sleep(LONG);
    terminal.keys("\x04");
    let ended = terminal.end().expect_code(0).expect_clean();
    assert_eq!(ended.text(), "hello");
    recv.end().expect_code(0);

    let terminal = Setup::shmring(&["recv", &name.0]).start();
    let mut send = start(&["send", &name.0]);
    send.write(b"hello\n");
    terminal.wait_for_text("hello");
    thread::sleep(LONG);
    send.end().expect_code(0);
    assert_eq!(terminal.end().expect_code(0).expect_clean().text(), "hello");
}

// Catches a job in the background that writes over what the shell shows.
#[test]
fn a_job_in_the_background_shows_nothing() {
    let name = Name::with_ring("64K");
    let (input, mut writer) = pipe().expect("a pipe");
    let script = format!("set -m; shmring send {} <&0 & echo prompt; wait", name.0);
    let terminal = Setup::shell(&script).stdin(input).start();
    writer.write_all(b"line\n").expect("write");
    name.await_listed("the line", |segment| segment["used_bytes"] == 16);
    thread::sleep(LONG);
    assert_eq!(terminal.text().trim_end(), "prompt");
    drop(writer);
    terminal.end().expect_code(0);
}

// Catches a transfer that waits for a terminal which stands still, or keeps its peer from
// the end of the stream.
#[test]
fn a_terminal_that_stands_still_holds_up_nothing() {
    let name = Name::with_ring("64K");
    let (terminal, mut input) = sender(&name);
    let recv = start(&["recv", &name.0]);
    input.write_all(b"first\n").expect("write");
    terminal.wait_for_text("sent 1, ");
    terminal.keys("\x13");
    // No more than all pipes on the way take in, as nobody reads yet.
    let lines = seq(1, 2000);
    input.write_all(&lines).expect("write");
    drop(input);
    let received = recv.end().expect_code(0).stdout;
    assert!(received == [b"first\n", &lines[..]].concat(), "not what was sent");
    terminal.keys("\x11");
    terminal.end().expect_code(0).expect_clean();
}

// Catches a transfer that waits for ever behind a line which does not say for whom.
#[test]
fn a_peer_that_is_missing_is_named() {
    let name = Name::with_ring("4K");
    let (terminal, mut input) = sender(&name);
    input.write_all(&seq(1000, 1999)).expect("write");
    terminal.wait_for_text("sent 255, 1020 B; ring full, no receiver yet");
    // Nobody ends it by accident.
    let recv = start(&["recv", &name.0]);
    terminal.wait_for_text("sent 1,000, 3.9 KiB: ");
    drop(input);
    terminal.end().expect_code(0).expect_clean();
    assert_eq!(recv.end().expect_code(0).stdout, seq(1000, 1999));

    let (terminal, _output) = receiver(&name);
    terminal.wait_for_text("received 0, 0 B; ring empty, no sender yet");
    let mut send = start(&["send", &name.0]);
    send.write(b"one\n");
    terminal.wait_for_text("received 1, 3 B: ");
    send.end().expect_code(0);
    terminal.end().expect_code(0).expect_clean();
}

// Catches a report that breaks the line, or is lost behind it.
#[test]
fn a_report_beside_the_line() {
    let name = Name::with_ring("4K");
    let (terminal, output) = receiver(&name);
    terminal.wait_for_text("received 0, 0 B; ring empty");
    std::fs::remove_file(name.path()).expect("unlink");
    terminal.wait_for("both", |screen| {
        let text = screen.contents();
        let lines: Vec<_> = text.lines().collect();
        lines.iter().any(|line| line.starts_with("shmring: ") && line.contains("was removed"))
            && lines.iter().filter(|line| line.contains("received 0, ")).count() == 1
    });
    terminal.keys("\x03");
    let ended = terminal.end().expect_signal(Signal::SIGINT).expect_clean();
    assert!(ended.text().contains("the name was removed"), "{}", ended.text());
    drop(output);
}

/// Kilobytes of memory that are available.
fn available_kib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse().ok()
}

// Catches seconds of silence while a large ring is made, and a bar that stays on the terminal.
#[test]
fn a_large_ring_that_is_made() {
    // So large that it takes longer than nothing is shown.
    if available_kib().is_none_or(|kib| kib < 6 << 20) {
        return println!("skipped: too little memory for a large ring");
    }
    let name = Name::new();
    let create = ["create", &name.0, "--capacity", "4G", "--prefault"];
    let ended = Setup::shmring(&create).start().end().expect_code(0).expect_clean();
    assert!(String::from_utf8_lossy(&ended.bytes).contains("allocating"), "nothing was shown");
    assert!(!ended.text().contains("allocating"), "{}", ended.text());
}
