//! Making, finding and removing segments.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Name, Running, run, run_with, shmring, start};

// Catches a segment that is not what the text says.
#[test]
fn create_prints_what_it_made() {
    let name = Name::new();
    let text =
        run(&["create", &name.0, "--capacity", "5000", "--mode", "0642"]).expect_code(0).text();
    assert!(text.starts_with(&format!("created {}: spsc ring", name.0)), "{text}");
    assert!(text.contains("8192") && text.contains("0642"), "{text}");
    assert!(text.contains("rounded up from 5000"), "{text}");
    let mode = fs::metadata(name.path()).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o642, "the umask was applied");
}

// Catches JSON that is none, and wishes that are answered though nobody had them.
#[test]
fn create_speaks_json() {
    let name = Name::new();
    let create = ["create", &name.0, "--capacity", "64K", "--json", "--prefault", "--lock"];
    let facts = run(&create).expect_code(0).json();
    assert_eq!(facts["existed"], false);
    assert_eq!(facts["name"], name.0.as_str());
    assert_eq!(facts["capacity_bytes"], 65_536);
    assert!(facts["rounded_up_from_bytes"].is_null());
    assert!(facts["memory"]["prefault"].is_boolean());
    assert!(facts["memory"]["lock"].is_boolean());
    assert!(facts["memory"]["huge_pages"].is_null());
}

// Catches best-effort wishes that are fatal, or that are passed over in silence.
#[test]
fn wishes_are_reported() {
    let name = Name::new();
    let wishes = ["create", &name.0, "--huge-pages", "--prefault", "--lock"];
    let text = run(&wishes).expect_code(0).text();
    for wish in ["prefault", "lock", "huge pages"] {
        assert!(text.contains(&format!("{wish}: ")), "{text}");
    }
}

// Catches an existing segment being replaced, or one that does not fit passing.
#[test]
fn exist_ok() {
    let name = Name::new();
    let create = ["create", &name.0, "--capacity", "60K", "--exist-ok"];
    assert!(run(&create).expect_code(0).text().starts_with("created"));
    run_with(&["send", &name.0], b"kept\n").expect_code(0);
    assert!(run(&create).expect_code(0).text().starts_with("existed"));
    run(&["create", &name.0, "--exist-ok"]).expect_code(0);
    run(&["create", &name.0, "--capacity", "64K"]).expect_code(7);
    run(&["create", &name.0, "--capacity", "65K", "--exist-ok"])
        .expect_code(7)
        .expect_stderr("65536");
    run(&["create", &name.0, "--mode", "0644", "--exist-ok"]).expect_code(7).expect_stderr("0600");
    assert_eq!(name.drain(), b"kept\n");
}

// Catches a segment that is replaced under someone's feet.
#[test]
fn recreate() {
    let name = Name::new();
    run(&["create", &name.0, "--recreate"]).expect_code(0);
    run_with(&["send", &name.0], b"lost\n").expect_code(0);
    run(&["create", &name.0, "--recreate", "--capacity", "8K"]).expect_code(0);
    assert_eq!(name.facts()["capacity_bytes"], 8192);
    assert_eq!(name.facts()["used_bytes"], 0);
    let recv = start(&["recv", &name.0]);
    name.await_role("consumers", recv.pid());
    let refused = run(&["create", &name.0, "--recreate"]).expect_code(7);
    refused.expect_stderr(&recv.pid().to_string());
}

// Catches two makers of one segment, and anyone who sees it half made.
#[test]
fn a_race_of_200_makers_has_one_winner() {
    let name = Name::new();
    let create = || Running::spawn(&mut shmring(&["create", &name.0, "--capacity", "64K"]));
    let mut makers = Vec::new();
    let mut seen = 0;
    for _ in 0..200 {
        makers.push(create());
        if makers.len() % 10 == 0 {
            let attach = run(&["attach", &name.0, "--json"]);
            if attach.status.code() == Some(3) {
                assert_eq!(seen, 0, "it was there before");
                continue;
            }
            seen += 1;
            let facts = attach.expect_code(0).json();
            assert_eq!(facts["capacity_bytes"], 65_536);
            assert_eq!(facts["state"], "open");
        }
    }
    let codes: Vec<_> = makers.into_iter().map(|maker| maker.end().status.code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(7)).count(), 199, "{codes:?}");
}

// Catches one bad name that keeps the others from being removed.
#[test]
fn unlink_does_what_it_can() {
    let (first, missing, last) = (Name::with_ring("4K"), Name::new(), Name::with_ring("4K"));
    let ended = run(&["unlink", &first.0, &missing.0, "a/b", &last.0]).expect_code(3);
    assert_eq!(ended.stderr.lines().count(), 2, "{}", ended.stderr);
    let ended = ended.expect_stderr(&missing.0);
    assert_eq!(ended.text(), "");
    assert!(!first.path().exists() && !last.path().exists());
    run(&["unlink", &first.0]).expect_code(3);
}

// Catches an unlink that cuts off those who are attached.
#[test]
fn unlink_disturbs_nobody() {
    let name = Name::with_ring("4K");
    let mut send = start(&["send", &name.0]);
    let mut recv = start(&["recv", &name.0]);
    send.write(b"one\n");
    assert_eq!(recv.read(4), b"one\n");
    run(&["unlink", &name.0]).expect_code(0);
    send.write(b"two\n");
    assert_eq!(recv.read(4), b"two\n");
    send.end().expect_code(0);
    recv.end().expect_code(0);
}

// Catches a name that is taken from those who use it, and one that stays though nobody
// does, or because its segment is damaged.
#[test]
fn unlink_stale_removes_what_nobody_uses() {
    let (used, unused, damaged) =
        (Name::with_ring("4K"), Name::with_ring("4K"), Name::with_ring("4K"));
    fs::File::options()
        .write(true)
        .open(damaged.path())
        .and_then(|file| file.set_len(8192))
        .expect("cut");
    let recv = start(&["recv", &used.0]);
    used.await_role("consumers", recv.pid());
    let unlink = ["unlink", "--stale", &used.0, &unused.0, &damaged.0];
    let ended = run(&unlink).expect_code(7).expect_stderr(&recv.pid().to_string());
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(used.path().exists() && !unused.path().exists() && !damaged.path().exists());
    run(&["unlink", "--stale", &unused.0]).expect_code(3);
    drop(recv);
    run(&["unlink", "--stale", &used.0]).expect_code(0);
    assert!(!used.path().exists());
}

// Catches the removal of what is no segment, and a file that cannot be removed at all.
#[test]
fn unlink_leaves_foreign_files_alone() {
    let foreign = Name::new();
    fs::write(foreign.path(), vec![0; 10_000]).expect("write");
    run(&["unlink", "--stale", &foreign.0]).expect_code(6).expect_stderr("no shmring segment");
    run(&["unlink", &foreign.0]).expect_code(6).expect_stderr("--force");
    assert!(foreign.path().exists());
    run(&["unlink", "--stale", "--force", &foreign.0]).expect_code(2);
    run(&["unlink", "--force", &foreign.0]).expect_code(0);
    assert!(!foreign.path().exists());
}

// Catches a wait that does not end when the name appears.
#[test]
fn attach_waits_for_a_name() {
    let name = Name::new();
    let attach = start(&["attach", &name.0, "--wait", "1m", "--json"]);
    let recv = start(&["recv", &name.0, "--wait", "1m"]);
    run(&["create", &name.0]).expect_code(0);
    run_with(&["send", &name.0], b"one\n").expect_code(0);
    assert_eq!(attach.end().expect_code(0).json()["name"], name.0.as_str());
    assert_eq!(recv.end().expect_code(0).text(), "one\n");
}

// Catches a description that leaves out what is asked of it.
#[test]
fn attach_describes() {
    let name = Name::with_ring("4K");
    run_with(&["send", &name.0], b"12345678\n").expect_code(0);
    let text = run(&["attach", &name.0]).expect_code(0).text();
    for part in [&name.0, "spsc", "4096", "2032", "0600", "open", "16 B"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let facts = name.facts();
    assert_eq!(facts["max_message_bytes"], 2032);
    assert_eq!(facts["used_bytes"], 16);
    assert_eq!(facts["producers"].as_array().map(Vec::len), Some(0));
}

// Catches an error that advises what the tool cannot do.
#[test]
fn create_can_do_what_errors_advise() {
    let name = Name::new();
    let options = ["--max-attachments", "1", "--max-handles", "1"];
    run(&[&["create", &name.0], &options[..]].concat()).expect_code(0);
    let recv = start(&["recv", &name.0]);
    name.await_role("consumers", recv.pid());
    run(&["attach", &name.0]).expect_code(1).expect_stderr("create --max-attachments");
    drop(recv);
    run(&["create", &name.0, "--recreate", "--max-attachments", "2", "--max-handles", "1"])
        .expect_code(0);
    let recv = start(&["recv", &name.0]);
    name.await_role("consumers", recv.pid());
    run(&["send", &name.0]).expect_code(1).expect_stderr("create --max-handles");
    drop(recv);
    for (option, value) in [("--max-attachments", "257"), ("--max-handles", "253")] {
        run(&["create", &Name::new().0, option, value]).expect_code(2);
    }
    run(&["create", ".shmring-1-2"]).expect_code(2).expect_stderr("unfinished");
}
