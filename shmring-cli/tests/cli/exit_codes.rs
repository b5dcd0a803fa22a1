//! What a script can rely on: one code for each way to fail.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::{Name, Running, eventually, run, shmring};

// Catches commands that are understood though they should not be.
#[test]
fn usage() {
    for args in [
        &[][..],
        &["nonsense"],
        &["create"],
        &["unlink"],
        &["create", "x", "--capacity", "1.5M"],
        &["create", "x", "--capacity", "-1"],
        &["create", "x", "--mode", "888"],
        &["create", "x", "--mode", "rw"],
        &["create", "x", "--mode", "7777"],
        &["create", "x", "--exist-ok", "--recreate"],
        &["send", "x", "--lines", "--bytes", "5"],
        &["send", "x", "--bytes", "0"],
        &["recv", "x", "--raw", "--lines"],
        &["recv", "x", "--timeout", "5"],
        &["recv", "x", "--count", "many"],
        &["recv", "x", "--lossy", "--latest"],
        &["recv", "x", "--from", "newest"],
        &["tap", "x", "--latest"],
        &["evict", "x", "first"],
        &["attach", "x", "--send", "--recv"],
        &["attach", "x", "--recv", "--json"],
        &["stat"],
        &["stat", "x", "--interval", "5"],
        &["peek"],
        &["peek", "x", "-n", "-1"],
        &["peek", "x", "--bytes", "few"],
        &["gc", "--json", "--nonsense"],
    ] {
        let ended = run(args).expect_code(2);
        assert_ne!(ended.stderr, "", "{args:?}");
        assert_eq!(ended.text(), "", "{args:?}");
    }
    // It says which kinds there are.
    run(&["create", "x", "--kind", "ring"]).expect_code(2).expect_stderr("mpmc");
}

// Catches names that reach the file system though they cannot be names.
#[test]
fn names() {
    let long = "n".repeat(256);
    for name in ["", "/", "a/b", "/a/b", "//a", ".", "..", "../x", &long] {
        for verb in ["create", "attach", "send", "recv", "unlink", "stat", "peek", "gc"] {
            run(&[verb, name]).expect_code(2);
        }
        run(&["tap", name]).expect_code(2);
        run(&["evict", name, "0"]).expect_code(2);
    }
}

// Catches a slash that makes another name of it, and a limit that is too low.
#[test]
fn a_leading_slash_and_the_longest_name() {
    let name = Name::new();
    run(&["create", &format!("/{}", name.0)]).expect_code(0);
    run(&["attach", &name.0]).expect_code(0);
    run(&["create", &name.0]).expect_code(7);
    let mut longest = Name::new();
    longest.0 = format!("{:x<255}", longest.0);
    run(&["create", &longest.0]).expect_code(0);
    run(&["unlink", &longest.0]).expect_code(0);
}

// Catches a capacity that cannot be being taken for another one.
#[test]
fn capacities() {
    let name = Name::new();
    run(&["create", &name.0, "--capacity", "0"]).expect_code(2);
    run(&["create", &name.0, "--capacity", "9G"]).expect_code(2);
    run(&["create", &name.0, "--capacity", "18446744073709551615"]).expect_code(2);
    run(&["attach", &name.0]).expect_code(3);
}

// Catches a segment that is made larger than the memory behind it, and one that is
// left behind half made.
#[test]
fn a_capacity_beyond_shared_memory() {
    let script = "mount -t tmpfs -o size=64K tmpfs /dev/shm || exit 99
        \"$0\" create big --capacity 1M; code=$?; ls -A /dev/shm; exit $code";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_shmring")]);
    let piped = std::process::Stdio::piped;
    let Ok(child) = command.stdout(piped()).stderr(piped()).spawn() else {
        return eprintln!("not tested: there is no unshare");
    };
    let ended = Running { child }.end();
    if ended.stderr.contains("not permitted") || ended.status.code() == Some(99) {
        return eprintln!("not tested: mounting needs root");
    }
    let ended = ended.expect_code(1).expect_stderr("choose a smaller capacity");
    assert_eq!(ended.text(), "");
}

// Catches something else of that name being used or damaged.
#[test]
fn foreign_and_damaged_files() {
    let name = Name::new();
    fs::write(name.path(), "not a segment, and not a page long either").expect("write");
    let contents = || fs::read(name.path()).expect("read");
    let foreign = contents();
    for args in [
        &["attach", &name.0][..],
        &["send", &name.0],
        &["recv", &name.0],
        &["create", "--exist-ok", &name.0],
    ] {
        run(args).expect_code(6).expect_stderr("no shmring segment");
    }
    run(&["create", &name.0]).expect_code(7);
    assert_eq!(contents(), foreign);

    fs::remove_file(name.path()).expect("remove");
    run(&["create", &name.0]).expect_code(0);
    fs::File::options()
        .write(true)
        .open(name.path())
        .and_then(|file| file.set_len(5000))
        .expect("cut");
    for verb in ["attach", "send", "recv", "stat", "peek", "gc"] {
        run(&[verb, &name.0]).expect_code(6);
    }
    assert!(name.path().exists());
}

// Catches a segment that others can use, and a code that scripts cannot tell apart.
#[test]
fn no_permission() {
    let name = Name::with_ring("4K");
    fs::set_permissions(name.path(), fs::Permissions::from_mode(0o000)).expect("chmod");
    if !nix::unistd::geteuid().is_root() {
        run(&["attach", &name.0]).expect_code(1).expect_stderr("denied");
        return;
    }
    // Root may do anything, so somebody else has to try, with a copy that is in reach.
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let copy = directory.path().join("shmring");
    fs::copy(env!("CARGO_BIN_EXE_shmring"), &copy).expect("copy");
    let nobody = |verb: &str| {
        let mut command = Command::new(&copy);
        let piped = std::process::Stdio::piped;
        command.args([verb, &name.0]).stdout(piped()).stderr(piped());
        command.current_dir("/").uid(65_534).gid(65_534);
        // A test beside this one may have forked while the copy was being written;
        // until its child execs, the file counts as busy.
        let mut child = None;
        eventually("a copy that can be run", || match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => false,
            spawned => {
                child = Some(spawned.expect("spawn"));
                true
            }
        });
        Running { child: child.expect("a child") }.end()
    };
    for verb in ["attach", "send", "recv", "unlink", "stat", "peek", "gc"] {
        nobody(verb).expect_code(1).expect_stderr("denied");
    }
    assert!(name.path().exists());
}

// Catches a segment that anybody may have written to being used without a word, an owner
// who is not looked at, and options that do nothing.
#[test]
fn whom_to_trust() {
    let open = Name::new();
    run(&["create", &open.0, "--mode", "0666"]).expect_code(0);
    let own = nix::unistd::geteuid().as_raw();
    let (me, other) = (own.to_string(), (own + 1).to_string());
    for verb in [&["attach"][..], &["send"], &["recv", "--count", "0"]] {
        let verb = |options: &[&str]| run(&[verb, &[&open.0], options].concat());
        verb(&[]).expect_code(1).expect_stderr("by everybody");
        let accept = "--accept-world-writable";
        verb(&[accept]).expect_code(0);
        verb(&[accept, "--owner", &me]).expect_code(0);
        verb(&[accept, "--owner", &other]).expect_code(1).expect_stderr("belongs to uid");
    }
    run(&["create", &open.0, "--exist-ok"]).expect_code(1).expect_stderr("by everybody");
    run(&["create", &open.0, "--exist-ok", "--mode", "0666"]).expect_code(0);
    assert!(open.listed().is_some());
}

// Catches a help text that is an error, or talk instead of data.
#[test]
fn help_and_version() {
    for verb in
        ["create", "attach", "send", "recv", "unlink", "ls", "stat", "peek", "gc", "tap", "evict"]
    {
        let help = run(&[verb, "--help"]).expect_code(0);
        assert!(help.text().contains("Example"), "{verb}");
    }
    assert!(run(&["--help"]).expect_code(0).text().contains("Exit codes"));
    assert!(run(&["--version"]).expect_code(0).text().starts_with("shmring "));
}

// Catches an exit code that depends on whether stdin is a pipe or nothing.
#[test]
fn a_closed_ring_of_nobody() {
    let missing = Name::new();
    for verb in ["attach", "send", "recv", "tap", "unlink", "stat", "peek", "gc"] {
        let ended = Running::spawn(&mut shmring(&[verb, &missing.0])).end().expect_code(3);
        ended.expect_stderr(&missing.0);
    }
}
