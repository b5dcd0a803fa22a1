//! The live table: what keys and sizes do, and what it leaves behind however it ends.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use vt100::Screen;

use crate::support::{Name, eventually, run, seq, signal_to, start};
use crate::terminal::{Setup, Terminal};

fn top() -> Setup {
    Setup::shmring(&["top", "-d", "100ms"])
}

/// Shows those segments only.
fn filter(terminal: &Terminal, text: &str) {
    // Typed before, they would be echoed.
    terminal.wait_for_text("shmring top");
    terminal.keys(&format!("/{text}"));
    terminal.wait_for_text(&format!("/{text}"));
    terminal.keys("\r");
    terminal.wait_for("its end", |screen| !screen.contents().contains(&format!("/{text}")));
}

/// A name that a column of 10 shows in full.
fn short() -> Name {
    let mut name = Name::new();
    name.0 = name.0.replace("shmring-cli-test-", "t");
    name
}

fn ring() -> Name {
    let name = short();
    run(&["create", &name.0, "--capacity", "64K"]).expect_code(0);
    name
}

// Catches a segment that is not shown when it comes, or still is when it is gone, and one that
// is shown without what goes on in it.
#[test]
fn segments_come_and_go() {
    let name = short();
    let terminal = top().start();
    filter(&terminal, &name.0);
    terminal.wait_for_text("no");
    run(&["create", &name.0, "--capacity", "64K"]).expect_code(0);
    let row = |terminal: &Terminal| {
        let text = terminal.text();
        text.lines().find(|line| line.starts_with(&name.0)).map(str::to_owned).unwrap_or_default()
    };
    let wait_for = |word: &str| {
        terminal.wait_for(word, |screen| {
            screen.contents().lines().any(|l| l.starts_with(&name.0) && l.contains(word))
        });
    };
    wait_for("idle");
    let mut send = start(&["send", &name.0]);
    send.write(&seq(1, 100));
    wait_for("not taken");
    assert!(row(&terminal).contains("spsc"), "{}", row(&terminal));
    let recv = start(&["recv", &name.0]);
    wait_for("empty");
    send.end().expect_code(0);
    recv.end().expect_code(0);
    wait_for("idle");
    run(&["unlink", &name.0]).expect_code(0);
    terminal.wait_for("its end", |screen| !screen.contents().contains(&format!("{} ", name.0)));
    terminal.keys("q");
    let ended = terminal.end().expect_code(0).expect_clean();
    assert_eq!(ended.text(), "", "what was shown is left behind");
}

// Catches a damaged segment that ends the table, or hides that it is damaged and how.
#[test]
fn a_damaged_segment_is_broken() {
    let name = ring();
    let file = File::options().write(true).open(name.path());
    file.and_then(|file| file.set_len(8192)).expect("cut");
    let terminal = top().start();
    filter(&terminal, &name.0);
    terminal.wait_for_text("broken: ");
    terminal.wait_for_text("file length");
    terminal.keys("\r");
    terminal.wait_for_text("Esc back");
    terminal.wait_for_text("is corrupt: its file length is 0x2000; unlink it and create it anew");
    terminal.keys("q");
    terminal.end().expect_code(0).expect_clean();
}

// Catches a drill-down that does not say what `stat` says, and a table that it does not lead
// back to.
#[test]
fn one_segment_in_full() {
    let name = ring();
    let mut send = start(&["send", &name.0]);
    send.write(&seq(1, 10));
    name.await_role("producers", send.pid());
    let terminal = top().start();
    filter(&terminal, &name.0);
    terminal.wait_for_text("not taken");
    terminal.keys("\x1b[C");
    for part in [
        "spsc ring, capacity 64 KiB",
        "positions head 0, tail",
        "no process receives",
        "no consumer has come yet",
        &format!("receive: `shmring recv {}`", name.0),
        "ROLE",
        "messages/s  at most 0 of late",
    ] {
        terminal.wait_for_text(part);
    }
    terminal.keys("G");
    let pid = send.pid().to_string();
    terminal.wait_for("the sender", |screen| {
        let text = screen.contents();
        text.lines().any(|line| line.starts_with("producer") && line.contains(&pid))
    });
    // The rates move while somebody receives.
    let recv = start(&["recv", &name.0]);
    terminal.wait_for_text("consumer");
    terminal.wait_for("a rate", |screen| !screen.contents().contains("at most 0 of late"));
    terminal.keys("\x1b");
    terminal.wait_for_text("MSGS/S");
    terminal.keys("q");
    terminal.end().expect_code(0).expect_clean();
    send.end().expect_code(0);
    recv.end().expect_code(0);
}

// Catches a window that is drawn for another size, keys that are lost on a small one, and a
// panic on the way.
#[test]
fn it_follows_the_window() {
    let name = ring();
    let terminal = top().start();
    filter(&terminal, &name.0);
    for (rows, columns) in [(24, 80), (10, 40), (3, 12), (1, 1), (50, 200), (10, 40)] {
        terminal.resize(rows, columns);
        let wide = columns >= 40;
        terminal.wait_for("the table in its place", |screen| {
            let text = screen.contents();
            let lines: Vec<_> = text.lines().collect();
            match (rows, columns) {
                (1, 1) => lines.len() <= 1,
                (3, _) => lines.len() == 3 && lines[0].starts_with("shmring top"),
                _ => {
                    lines.len() == usize::from(rows)
                        && lines[1].starts_with("NAME")
                        && lines[2].starts_with(&name.0)
                        && lines.last().is_some_and(|foot| foot.starts_with("q quit"))
                }
            }
        });
        if wide {
            terminal.keys("?");
            terminal.wait_for_text("another segment");
            terminal.keys("?");
            terminal.wait_for_text("MSGS/S");
        }
    }
    terminal.keys("q");
    terminal.end().expect_code(0).expect_clean();
}

// Catches keys that do not sort, or do not look less often.
#[test]
fn keys_of_the_table() {
    let (name, _other) = (ring(), ring());
    let terminal = top().start();
    filter(&terminal, &name.0);
    terminal.wait_for_text("every 100ms, by NAME");
    terminal.keys("M");
    terminal.wait_for_text("by MSGS/S");
    terminal.keys("M");
    terminal.wait_for_text("by MSGS/S, turned round");
    terminal.keys("++");
    terminal.wait_for_text("every 500ms");
    terminal.keys("-");
    terminal.wait_for_text("every 200ms");
    // What another program has drawn in between is gone.
    terminal.clear();
    terminal.keys("\x0c");
    terminal.wait_for_text("1 shown");
    terminal.keys("\x1b");
    terminal.wait_for("all of them", |screen| {
        let text = screen.contents();
        text.contains("by MSGS/S") && !text.contains(" shown")
    });
    terminal.keys("q");
    terminal.end().expect_code(0).expect_clean();
}

// Catches a terminal that is left as it was while the table was shown.
#[test]
fn every_end_leaves_the_terminal_clean() {
    let shown = || {
        let terminal = top().start();
        terminal.wait_for_text("NAME");
        terminal
    };
    let typed = shown();
    typed.keys("\x03");
    typed.end().expect_signal(Signal::SIGINT).expect_clean();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let terminal = shown();
        terminal.signal(signal);
        terminal.end().expect_signal(signal).expect_clean();
    }
    // While something else than the table is shown.
    for keys in ["?", "/x"] {
        let terminal = shown();
        terminal.keys(keys);
        terminal.wait_for_text(if keys == "?" { "another segment" } else { "/x" });
        terminal.signal(Signal::SIGTERM);
        terminal.end().expect_signal(Signal::SIGTERM).expect_clean();
    }
}

// Catches a process that goes on without its terminal.
#[test]
fn a_terminal_that_is_closed() {
    let terminal = top().start();
    terminal.wait_for_text("NAME");
    assert_eq!(terminal.close().signal(), Some(Signal::SIGHUP as i32));
}

// Catches a process that cannot be ended while its terminal takes nothing.
#[test]
fn a_terminal_that_stands_still() {
    let mut terminal = Setup::shmring(&["top"]).size(200, 400).start();
    terminal.wait_for_text("NAME");
    terminal.stand_still();
    // More is drawn than what is between them takes in.
    for _ in 0..100 {
        terminal.keys("\x0c");
        thread::sleep(Duration::from_millis(5));
    }
    terminal.signal(Signal::SIGTERM);
    terminal.wait_for_end();
    terminal.end().expect_signal(Signal::SIGTERM).expect_cooked();
}

/// The process that a shell has started.
fn child_of(shell: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

// Catches a shell that Ctrl-Z leaves in the table, and a table that does not come back.
#[test]
fn stopped_and_continued() {
    let name = ring();
    let script = "set -m; shmring top -d 100ms; echo \"stopped $?\"; read line; fg; \
                  echo \"code $?\"; read line; fg; echo \"code $?\"";
    let terminal = Setup::shell(script).start();
    filter(&terminal, &name.0);
    let shows_table = |screen: &Screen| {
        screen.alternate_screen() && screen.contents().contains(&format!("\n{} ", name.0))
    };
    for (code, by_key) in [("stopped 148", true), ("code 148", false)] {
        terminal.wait_for("the table", shows_table);
        if by_key {
            terminal.keys("\x1a");
        } else {
            signal_to(child_of(terminal.pid()).expect("a child"), Signal::SIGTSTP);
        }
        terminal.wait_for_text(code);
        terminal.wait_for("the shell's screen", |screen| !screen.alternate_screen());
        eventually("keys for the shell", || terminal.is_cooked());
        terminal.keys("\n");
    }
    terminal.wait_for("the table", shows_table);
    terminal.keys("q");
    terminal.end().expect_code(0).expect_clean();
}

// Catches a table that appears only when something else changes after a stop that nobody could
// prepare for.
#[test]
fn stopped_without_notice() {
    let name = ring();
    let terminal = Setup::shmring(&["top", "-d", "1h"]).start();
    filter(&terminal, &name.0);
    terminal.signal(Signal::SIGSTOP);
    terminal.clear();
    terminal.signal(Signal::SIGCONT);
    terminal.wait_for_text(&name.0);
    terminal.keys("q");
    terminal.end().expect_code(0).expect_clean();
}

// Catches colours against the user's wish.
#[test]
fn colours_only_where_they_are_wanted() {
    let name = ring();
    let has_color = |setup: Setup| {
        let terminal = setup.start();
        filter(&terminal, &name.0);
        terminal.keys("q");
        let bytes = terminal.end().expect_code(0).expect_clean().bytes;
        // All that is written in colour says so like this.
        bytes.windows(5).any(|part| part == b"\x1b[38;")
    };
    assert!(has_color(top()));
    assert!(!has_color(top().env("NO_COLOR", "1")));
    assert!(!has_color(Setup::shmring(&["top", "--color", "never"])));
    let always = Setup::shmring(&["top", "--color", "always"]);
    assert!(has_color(always.env("NO_COLOR", "1")));
}

// Catches a table where none can be shown, and an error that names no way out.
#[test]
fn no_terminal() {
    run(&["top"]).expect_code(1).expect_stderr("`--once` prints a table");
    let dumb = Setup::shmring(&["top"]).env("TERM", "dumb").start().end().expect_code(1);
    assert!(dumb.expect_clean().text().contains("--once"));
    let small = Setup::shmring(&["top"]).size(0, 0).start().end().expect_code(1).expect_clean();
    assert!(String::from_utf8_lossy(&small.bytes).contains("stty rows"));
}
