//! `ls`: what there is, seen from outside.

use std::fs;

use crate::support::{Name, run, run_with, start};

// Catches columns that are missing, and a listing that joins what it lists.
#[test]
fn a_segment_in_use() {
    let name = Name::with_ring("4K");
    let (mut send, recv) = (start(&["send", &name.0]), start(&["recv", &name.0]));
    name.await_role("consumers", recv.pid());
    send.write(b"12345678\n");
    name.await_listed("a received message", |segment| segment["messages_received"] == 1);

    let listed = name.listed().expect("the segment");
    assert_eq!(listed["kind"], "spsc");
    assert_eq!(listed["capacity_bytes"], 4096);
    assert_eq!(listed["state"], "open");
    assert_eq!(listed["producers"][0]["pid"], send.pid());
    assert_eq!(listed["producers"][0]["alive"], true);
    assert_eq!(listed["attached"].as_array().map(Vec::len), Some(2), "ls itself is in there");

    let text = run(&["ls"]).expect_code(0).text();
    assert!(text.lines().next().is_some_and(|header| header.starts_with("NAME ")), "{text}");
    let row = text.lines().find(|row| row.starts_with(&name.0)).expect("a row");
    for part in ["spsc", "4 KiB", "0%", &send.pid().to_string(), &recv.pid().to_string(), "open"] {
        assert!(row.contains(part), "{part}: {row}");
    }
}

// Catches the dead being listed as living.
#[test]
fn a_dead_participant() {
    let name = Name::with_ring("4K");
    let mut send = start(&["send", &name.0]);
    name.await_role("producers", send.pid());
    send.child.kill().expect("kill");
    send.child.wait().expect("wait");
    let listed = name.listed().expect("the segment");
    assert_eq!(listed["producers"][0]["alive"], false, "{listed}");
    assert_eq!(listed["state"], "abandoned");
    assert_eq!(listed["attached_alive"], 0);
    let text = run(&["ls"]).expect_code(0).text();
    let row = text.lines().find(|row| row.starts_with(&name.0)).expect("a row");
    for part in [&format!("{} dead", send.pid()), "0 + 1 dead", "abandoned"] {
        assert!(row.contains(part), "{part}: {row}");
    }
}

// Catches a damaged segment that hides the others, and foreign files in the list.
#[test]
fn damaged_segments_and_foreign_files() {
    let (sound, damaged, foreign) = (Name::with_ring("4K"), Name::with_ring("4K"), Name::new());
    fs::File::options()
        .write(true)
        .open(damaged.path())
        .and_then(|file| file.set_len(8192))
        .expect("cut");
    fs::write(foreign.path(), vec![0; 10_000]).expect("write");
    assert_eq!(sound.listed().expect("the sound one")["state"], "idle");
    let broken = damaged.listed().expect("the damaged one");
    assert_eq!(broken["state"], "broken");
    assert!(broken["error"].as_str().is_some_and(|error| !error.is_empty()));
    assert!(foreign.listed().is_none());
    let text = run(&["ls"]).expect_code(0).text();
    assert!(
        text.lines().any(|row| row.starts_with(&damaged.0) && row.contains("broken: ")),
        "{text}"
    );
}

// Catches a directory, a FIFO or a symbolic link that stops the listing.
#[test]
fn things_that_are_no_files() {
    let (segment, directory, fifo, link) =
        (Name::with_ring("4K"), Name::new(), Name::new(), Name::new());
    fs::create_dir(directory.path()).expect("mkdir");
    nix::unistd::mkfifo(&fifo.path(), nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
    std::os::unix::fs::symlink(segment.path(), link.path()).expect("symlink");
    let listed = segment.listed();
    let others = [directory.listed(), fifo.listed(), link.listed()];
    let codes = [&directory, &fifo, &link].map(|name| run(&["attach", &name.0]).status.code());
    fs::remove_dir(directory.path()).expect("rmdir");
    assert!(listed.is_some());
    assert!(others.iter().all(Option::is_none), "{others:?}");
    assert_eq!(codes, [Some(6); 3]);
}

// Catches names that break the table's lines, obey the terminal, or spoil the JSON.
#[test]
fn names_with_control_characters() {
    let mut name = Name::new();
    name.0 += "\n\t\x1b[2J\"\\";
    run(&["create", &name.0]).expect_code(0);
    assert!(name.listed().is_some());
    let text = run(&["ls"]).expect_code(0).text();
    assert!(!text.contains(['\x1b', '\t']), "{text:?}");
    let shown = name.0.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
    let shown = shown.replace('\x1b', "\\u{1b}");
    assert!(text.lines().any(|row| row.contains(shown.trim_end())), "{text}");
    let stat = run(&["stat", &name.0]).expect_code(0).text();
    assert!(stat.contains(&format!("`shmring send {shown}`")), "{stat}");
    let gc = run(&["gc", "--dry-run", "--unattached", &name.0]).expect_code(0).text();
    assert!(gc.contains(&shown) && !format!("{stat}{gc}").contains(['\x1b', '\t']), "{gc}");
    run_with(&["send", &name.0], b"x\n").expect_code(0);
    assert_eq!(name.drain(), b"x\n");
    let errors = run(&["create", &name.0]).expect_code(7).stderr;
    assert_eq!(errors.lines().count(), 1, "{errors}");
}
