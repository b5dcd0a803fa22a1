//! `gc`: what the dead left goes, and nothing else.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::holder::hold;
use crate::support::{Name, Running, end_all, run, run_with, shmring, start};

/// A sender that was killed in the segment.
fn die_in(name: &Name) -> u32 {
    let send = start(&["send", &name.0]);
    name.await_role("producers", send.pid());
    let pid = send.pid();
    send.signal(Signal::SIGKILL);
    send.end().expect_signal(Signal::SIGKILL);
    pid
}

// Catches a look that removes, a removal that is not told, and garbage that stays.
#[test]
fn what_was_abandoned_is_removed() {
    for name in [Name::with_ring("4K"), Name::with_slots("mpmc", "16", "64")] {
        run_with(&["send", &name.0], b"lost\n").expect_code(0);
        let pid = die_in(&name);
        let amount = if name.listed().expect("it")["slots"].is_null() { "16 B" } else { "1 slot" };
        // Unread messages are data.
        for options in [&["gc"][..], &["gc", "--unattached"]] {
            let kept = run(&[options, &[&name.0]].concat()).expect_code(0).text();
            let told = format!("kept {}: abandoned by {pid}, with {amount} unread", name.0);
            assert!(kept.starts_with(&told) && kept.contains("--unread"), "{kept}");
        }
        let kept = run(&["gc", "--json", &name.0]).expect_code(0).json();
        let kept = &kept["segments"][0];
        assert_eq!((&kept["fate"], &kept["because"]), (&"kept".into(), &"unread".into()));
        assert_eq!(name.listed().expect("it")["state"], "abandoned");

        let told = format!("remove {}: abandoned by {pid}, with {amount} in it\n", name.0);
        let dry = run(&["gc", "--dry-run", "--unread", &name.0]).expect_code(0).text();
        assert_eq!(dry, format!("would {told}"));
        let dry = run(&["gc", "--dry-run", "--unread", "--json", &name.0]).expect_code(0).json();
        assert_eq!(
            (&dry["dry_run"], &dry["segments"][0]["fate"]),
            (&true.into(), &"removed".into())
        );
        assert_eq!(dry["segments"][0]["dead"][0]["pid"], pid);
        assert!(name.path().exists());
        let done = run(&["gc", "--unread", &name.0]).expect_code(0).text();
        assert_eq!(done, told.replace("remove", "removed"));
        assert!(!name.path().exists());
        run(&["gc", &name.0]).expect_code(3).expect_stderr(&name.0);
    }
}

// Catches the living, those who may come, and what was left in good order taken for garbage.
#[test]
fn what_is_or_may_be_used_stays() {
    let (fresh, used, shared) = (Name::new(), Name::with_ring("4K"), Name::with_ring("4K"));
    run(&["create", &fresh.0]).expect_code(0);
    run_with(&["send", &used.0], b"kept\n").expect_code(0);
    let recv = start(&["recv", &shared.0]);
    shared.await_role("consumers", recv.pid());
    // Awake, it would clean up by itself.
    recv.stop();
    let pid = die_in(&shared);
    let all = [&*fresh.0, &used.0, &shared.0];
    let ended = run(&[&["gc"][..], &all].concat()).expect_code(0);
    assert_eq!(ended.text(), format!("reaped the dead in {}: {pid}\n", shared.0));
    assert_eq!(shared.listed().expect("it")["attached"].as_array().map(Vec::len), Some(1));
    let nothing = run(&[&["gc"][..], &all].concat()).expect_code(0);
    assert_eq!(nothing.text(), "");
    nothing.expect_stderr("nothing to collect");
    assert_eq!(used.drain(), b"kept\n");
    run(&[&["gc", "--unattached"][..], &all].concat()).expect_code(0);
    assert!(!fresh.path().exists() && !used.path().exists() && shared.path().exists());
    recv.signal(Signal::SIGCONT);
    recv.end().expect_code(0);
}

// Catches one bad name that keeps the others from being collected, and damage that is removed.
#[test]
fn it_does_what_it_can() {
    let (abandoned, missing, damaged) = (Name::with_ring("4K"), Name::new(), Name::with_ring("4K"));
    die_in(&abandoned);
    fs::File::options()
        .write(true)
        .open(damaged.path())
        .and_then(|file| file.set_len(8192))
        .expect("cut");
    let ended = run(&["gc", "--unattached", &missing.0, &damaged.0, &abandoned.0]).expect_code(3);
    assert_eq!(ended.stderr.lines().count(), 2, "{}", ended.stderr);
    ended.expect_stderr(&missing.0).expect_stderr("unlink it");
    assert!(damaged.path().exists() && !abandoned.path().exists());

    // Whether messages wait in a corrupt ring cannot be told.
    let corrupt = Name::with_ring("4K");
    run_with(&["send", &corrupt.0], b"a line\n").expect_code(0);
    let file = fs::File::options().write(true).open(corrupt.path()).expect("open");
    // The header of the first record; see the layout.
    file.write_all_at(&[0xAB; 8], 32_768).expect("write");
    let gc = ["gc", "--unattached", &corrupt.0];
    run(&gc).expect_code(6).expect_stderr("--unread");
    assert!(corrupt.path().exists());
    run(&[&gc[..], &["--unread"]].concat()).expect_code(0);
    assert!(!corrupt.path().exists());
}

// Catches a ticket that nobody published, and that keeps a segment for ever, and messages behind
// one that go with it.
#[test]
fn only_messages_keep_a_segment() {
    let (alone, before) =
        (Name::with_slots("mpmc", "16", "64"), Name::with_slots("mpmc", "16", "64"));
    let (first, second) = (hold(&alone), hold(&before));
    run_with(&["send", &before.0], b"behind\n").expect_code(0);
    for holder in [first, second] {
        holder.signal(Signal::SIGKILL);
        holder.end().expect_signal(Signal::SIGKILL);
    }
    run(&["gc", &alone.0, &before.0]).expect_code(0);
    assert!(!alone.path().exists() && before.path().exists());
    assert_eq!(before.drain(), b"behind\n");
}

// Catches collectors that stop at each other, or remove one segment twice.
#[test]
fn several_at_once() {
    for _ in 0..5 {
        let name = Name::with_ring("4K");
        die_in(&name);
        let collectors = (0..8).map(|_| Running::spawn(&mut shmring(&["gc", &name.0]))).collect();
        let codes: Vec<_> =
            end_all(collectors).into_iter().map(|ended| ended.status.code()).collect();
        assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == Some(3)).count(), 7, "{codes:?}");
    }
}

/// Runs a script that has a /dev/shm of its own, and the program as `$0`. What it printed;
/// `None` where that takes rights that this test does not have.
fn in_own_memory(script: &str) -> Option<String> {
    let script = format!("mount -t tmpfs -o size=64M tmpfs /dev/shm || exit 99\n{script}");
    let mut command = Command::new("unshare");
    command.args(["--mount", "bash", "-c", &script, env!("CARGO_BIN_EXE_shmring")]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    let ended = Running { child }.end();
    if ended.stderr.contains("not permitted") || ended.status.code() == Some(99) {
        return None;
    }
    Some(ended.expect_code(0).text())
}

// Catches garbage of a massacre that stays, and what else is in shared memory that goes.
#[test]
fn after_many_deaths_shared_memory_is_as_before() {
    let script = r#"
        "$0" create waits; echo foreign > /dev/shm/foreign; touch /dev/shm/.shmring-1-x
        before=$(ls -A /dev/shm)
        for ring in 1 2 3 4 5 6; do
            case $ring in
                1|2) "$0" create "ring-$ring" --capacity 64K;;
                *) "$0" create "ring-$ring" --kind mpmc --slots 64 --slot-bytes 64;;
            esac > /dev/null
            for _ in 1 2 3; do
                "$0" send "ring-$ring" < <(yes "a line") 2> /dev/null & killed+=($!)
                "$0" recv "ring-$ring" > /dev/null 2>&1 & killed+=($!)
            done
        done
        head -c 1000 /dev/zero > /dev/shm/.shmring-12345-0
        sleep 0.5
        # Some were refused a role that another had.
        kill -KILL "${killed[@]}" 2> /dev/null
        wait
        "$0" gc --unread --dry-run | sort
        "$0" gc --unread > /dev/null & "$0" gc --unread > /dev/null & "$0" gc > /dev/null & wait
        "$0" gc --unread > /dev/null
        diff <(echo "$before") <(ls -A /dev/shm) && echo as before
    "#;
    let Some(said) = in_own_memory(script) else {
        return eprintln!("not tested: mounting needs root");
    };
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.last(), Some(&"as before"), "{said}");
    for ring in 1..=6 {
        let told = format!("would remove ring-{ring}: abandoned by ");
        assert!(lines.iter().any(|line| line.starts_with(&told)), "{told}: {said}");
    }
    let unfinished = "would remove .shmring-12345-0: unfinished, its creator died";
    assert!(lines.contains(&unfinished), "{said}");
    assert_eq!(lines.len(), 1 + 6 + 1 + 1, "{said}");
}
