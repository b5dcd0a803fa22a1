//! Segments that do well, and segments that do not.

use shmring::{AttachError, Corrupt, Fault};

use super::super::Level::{self, Note, Ok, Problem, Warning};
use super::super::machine::User;
use super::super::patient::{Look, Patient, Seen, SegmentFile};
use super::super::{Group, segment};
use super::{assert_proper, expect};
use crate::facts::StallFacts;
use crate::process::stop::Exit;

fn seen() -> Seen {
    Seen {
        kind: "spsc".to_owned(),
        is_closed: false,
        used_bytes: 0,
        alive: 2,
        dead: Vec::new(),
        tombstones: 0,
        repairs: 0,
        stall: None,
    }
}

/// A ring that stalls.
fn standing(kind: &'static str, why: &str, is_hindered: bool) -> Option<StallFacts> {
    Some(StallFacts {
        kind,
        position: 0,
        at_least_ms: 200,
        tickets: None,
        why: vec![why.to_owned()],
        remedy: vec!["`kill -CONT 7` resumes it".to_owned()],
        is_hindered,
    })
}

/// A segment that nothing is to be said about.
fn well() -> Patient {
    Patient {
        name: "prices".to_owned(),
        uid: 1000,
        file: Some(SegmentFile {
            owner_uid: 1000,
            mode: 0o600,
            total_bytes: 1 << 20,
            allocated_bytes: 1 << 20,
            is_readable: true,
            is_writable: true,
        }),
        look: Look::Seen(seen()),
        left_behind: Vec::new(),
    }
}

fn examined(patient: &Patient, has_global_barrier: bool) -> [Group; 1] {
    let findings = segment::checks(patient, has_global_barrier);
    findings.iter().for_each(assert_proper);
    [Group { subject: "segment", findings }]
}

/// A segment that differs in what is seen of it.
#[track_caller]
fn differing(change: impl FnOnce(&mut Seen), check: &str, level: Level, words: &[&str]) {
    let mut seen = seen();
    change(&mut seen);
    let patient = Patient { look: Look::Seen(seen), ..well() };
    assert_eq!(patient.failure(), None);
    expect(&examined(&patient, true), check, level, words);
}

/// A segment whose file differs.
#[track_caller]
fn with_file(change: impl FnOnce(&mut SegmentFile), check: &str, level: Level, words: &[&str]) {
    let mut patient = well();
    change(patient.file.as_mut().expect("a file"));
    expect(&examined(&patient, true), check, level, words);
}

/// A segment that cannot be looked at.
#[track_caller]
fn broken(look: Look, exit: Exit, words: &[&str]) {
    let patient = Patient { look, ..well() };
    assert_eq!(patient.failure(), Some(exit));
    expect(&examined(&patient, true), "header", Problem, words);
}

// Catches a warning about a segment that is well.
#[test]
fn a_segment_that_is_well() {
    let groups = examined(&well(), true);
    assert!(groups[0].findings.iter().all(|finding| finding.level == Ok), "{groups:?}");
    assert_eq!(well().failure(), None);
}

// Catches a code that scripts do not expect, and damage without a way out.
#[test]
fn segments_that_cannot_be_looked_at() {
    let name = || "prices".to_owned();
    let refused = Look::Refused;
    broken(refused(AttachError::NotFound { name: name() }), Exit::NoSegment, &["shmring ls"]);
    let corrupt = AttachError::CorruptHeader { name: name(), what: "file length", found: 7 };
    broken(refused(corrupt), Exit::Corrupt, &["file length", "unlink --stale prices"]);
    let foreign = AttachError::NotASegment { name: name(), why: "it is not a file" };
    broken(refused(foreign), Exit::Corrupt, &["not a file", "another name"]);
    let (what, found, expected) = ("version", 4, 3);
    let other = AttachError::Incompatible { name: name(), what, found, expected };
    broken(refused(other), Exit::Corrupt, &["version", "unlink --stale"]);
    broken(refused(AttachError::Denied { name: name() }), Exit::Failed, &["ask its owner"]);
    broken(Look::Faulty(Fault::Truncated), Exit::Corrupt, &["cut", "unlink --stale"]);
    let corrupt = Fault::Corrupt(Corrupt { what: "head", found: 9, position: 0 });
    broken(Look::Faulty(corrupt), Exit::Corrupt, &["head"]);
}

// Catches rights that are shown and not understood.
#[test]
fn who_may_use_it() {
    let other = |file: &mut SegmentFile| (file.owner_uid, file.mode) = (0, 0o660);
    with_file(other, "owner", Ok, &["uid 0", "another user"]);
    with_file(|file| file.is_writable = false, "owner", Warning, &["cannot attach", "--mode"]);
    with_file(|file| file.is_readable = false, "owner", Warning, &["neither read", "--mode"]);
    with_file(|file| file.mode = 0o666, "owner", Warning, &["Every user", "chmod 0660"]);
}

// Catches holes in the file, where the next store may end the process.
#[test]
fn memory_that_was_given_back() {
    with_file(|file| file.allocated_bytes = 4096, "memory", Warning, &["4 KiB", "1 MiB"]);
}

// Catches the dead, the closed and the abandoned passing for well.
#[test]
fn states() {
    differing(
        |seen| seen.dead = vec!["7".to_owned(), "8".to_owned()],
        "participants",
        Note,
        &["pid 7, 8", "roles are free", "Nothing need be done", "shmring gc prices"],
    );
    differing(
        |seen| (seen.alive, seen.dead) = (0, vec!["7 (other ns)".to_owned()]),
        "participants",
        Note,
        &["no process is attached", "pid 7 (other ns)", "--unread", "shmring gc prices"],
    );
    differing(
        |seen| seen.dead = (1..=9).map(|pid| pid.to_string()).collect(),
        "participants",
        Note,
        &["6, 3 more"],
    );
    differing(|seen| seen.is_closed = true, "state", Note, &["closed", "--recreate"]);
    differing(
        |seen| (seen.alive, seen.used_bytes) = (0, 2048),
        "state",
        Note,
        &["no process uses it", "2 KiB", "unlink --stale prices"],
    );
    differing(|seen| seen.repairs = 3, "losses", Note, &["3 died"]);
    // One that has not been reaped yet.
    let mut dead = seen();
    (dead.repairs, dead.dead) = (1, vec!["7".to_owned(), "8".to_owned()]);
    let patient = Patient { look: Look::Seen(dead), ..well() };
    expect(&examined(&patient, true), "losses", Note, &["3 died"]);
    let fences = |patient: &Patient, barrier, level| {
        expect(&examined(patient, barrier), "wake-fences", level, &["fence"]);
    };
    fences(&well(), true, Ok);
    fences(&well(), false, Note);
}

// Catches a stall that is reported as ok, and one at rest that does not.
#[test]
fn rings_that_stand_still() {
    let check = "progress";
    let stuck = |kind, words: &[&str]| {
        differing(|seen| seen.stall = standing(kind, "it is full", true), check, Problem, words);
    };
    stuck("full", &["stalls: it is full", "kill -CONT 7"]);
    stuck("in_flight", &["continues only"]);
    differing(|seen| seen.stall = standing("full", "", false), check, Problem, &[]);
    differing(|seen| seen.stall = standing("empty", "", true), check, Warning, &["kill"]);
    differing(|seen| seen.stall = standing("not_taken", "x", false), check, Ok, &["at rest: x"]);
    let look = Look::Seen(Seen { stall: standing("corrupt", "bad", false), ..seen() });
    let patient = Patient { look, ..well() };
    assert_eq!(patient.failure(), Some(Exit::Corrupt));
    expect(&examined(&patient, true), check, Problem, &["bad"]);
}

// Catches a name in a command that a shell takes for an option, a list or worse.
#[test]
fn names_are_quoted() {
    for (name, quoted) in [("-x", "'/-x'"), ("a b", "'/a b'"), ("a'b", "'/a'\\''b'")] {
        let look = Look::Seen(Seen { alive: 0, ..seen() });
        let patient = Patient { name: name.to_owned(), look, ..well() };
        expect(&examined(&patient, true), "state", Note, &[&format!("--stale {quoted}")]);
    }
}

// Catches a process that is left alone in a segment that no other process can attach to.
#[test]
fn segments_that_lost_the_name() {
    let left_behind = vec![User { pid: 42, command: "old\x1b[2J".to_owned() }];
    let patient = Patient { left_behind, ..well() };
    expect(&examined(&patient, true), "name", Warning, &["pid 42 (old\\u{1b}[2J)", "another one"]);
}
