//! Segments that are offered at a socket.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Ended, Name, Running, eventually, run, run_with, seq, shmring, start, start_with,
};

const NOBODY: u32 = 65_534;

/// A place for sockets that other users reach.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).expect("chmod");
        Self(directory)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ring.socket")
    }

    fn text(&self) -> String {
        self.path().to_str().expect("text").to_owned()
    }

    /// A server that says that it is ready, with these options.
    fn serve(&self, options: &[&str]) -> Running {
        let mut server = start(&[&["serve", "ring", "--socket", &self.text()], options].concat());
        assert_eq!(server.read(7), b"serving");
        server
    }

    /// `verb` on what is offered.
    fn args<'a>(&'a self, verb: &'a str, path: &'a str) -> [&'a str; 3] {
        [verb, "--socket", path]
    }

    fn facts(&self) -> Value {
        let path = self.text();
        run(&[&self.args("attach", &path)[..], &["--json"]].concat()).expect_code(0).json()
    }

    fn await_role(&self, role: &str, pid: u32) {
        eventually(role, || {
            let facts = self.facts();
            facts[role].as_array().is_some_and(|them| them.iter().any(|one| one["pid"] == pid))
        });
    }
}

/// Runs as another user to the end, with input.
fn run_as_nobody(args: &[&str], input: &[u8]) -> Ended {
    let mut command = shmring(args);
    command.uid(NOBODY).gid(NOBODY).stdin(std::process::Stdio::piped());
    let mut running = Running::spawn(&mut command);
    running.feed(input.to_vec());
    running.end()
}

// Catches an offer that does not say what it is, or what goes wrong over a socket alone: a
// message lost, a stream without end, a name that appears.
#[test]
fn lines_move_through_what_is_served() {
    let place = Place::new();
    let path = place.text();
    for kind in ["spsc", "mpmc"] {
        let server = place.serve(&["--kind", kind]);
        let mut recv = start(&place.args("recv", &path));
        place.await_role("consumers", recv.pid());
        // More than a ring of slots and a pipe hold: it ends when it is read.
        let send = start_with(&place.args("send", &path), seq(1, 20_000));
        assert_eq!(recv.read(seq(1, 20_000).len()), seq(1, 20_000));
        send.end().expect_code(0);
        assert_eq!(recv.end().expect_code(0).stdout, b"");
        let text = run(&place.args("attach", &path)).expect_code(0).text();
        assert!(text.contains("ring") && text.contains(kind), "{text}");
        let listed = run(&["ls"]).expect_code(0).text();
        let has_name = |line: &str| line.split_whitespace().next() == Some("ring");
        assert!(!listed.lines().any(has_name), "it has a name: {listed}");
        server.signal(Signal::SIGTERM);
        let ended = server.end().expect_code(0).expect_stderr("given to pid");
        assert!(ended.text().contains(&format!("at {path}: {kind} ring")), "{}", ended.text());
        assert!(!place.path().exists(), "the socket is left");
    }
}

// Catches JSON that is none, or facts that differ from what was asked for.
#[test]
fn serve_speaks_json() {
    let place = Place::new();
    let path = place.text();
    let options = ["serve", "ring", "--socket", &path, "--json", "--capacity", "5000"];
    let lists = ["--allow-uid", "1", "--allow-uid", "2", "--allow-gid", "3", "--observer-uid", "4"];
    let server = start(&[&options[..], &lists[..]].concat());
    eventually("an answer", || run(&place.args("attach", &path)).status.success());
    server.signal(Signal::SIGINT);
    let facts = server.end().expect_code(0).json();
    assert_eq!(facts["name"], "ring");
    assert_eq!(facts["socket"], path);
    assert_eq!(
        (&facts["rounded_up_from_bytes"], &facts["capacity_bytes"]),
        (&5000.into(), &8192.into())
    );
    assert_eq!(facts["allow_uids"], serde_json::json!([1, 2]));
    assert_eq!(facts["allow_gids"], serde_json::json!([3]));
    assert_eq!(facts["observer_uids"], serde_json::json!([4]));
}

// Catches a death that is not seen through what was served.
#[test]
fn a_killed_sender_ends_the_stream() {
    let place = Place::new();
    let path = place.text();
    let _server = place.serve(&[]);
    let mut send = start(&place.args("send", &path));
    let mut recv = start(&place.args("recv", &path));
    send.write(b"one\n");
    assert_eq!(recv.read(4), b"one\n");
    send.signal(Signal::SIGKILL);
    send.end().expect_signal(Signal::SIGKILL);
    recv.end().expect_code(0);
}

// Catches peers that end with their server, and a server that cannot be started again.
#[test]
fn peers_outlive_their_server() {
    let place = Place::new();
    let path = place.text();
    let server = place.serve(&[]);
    let mut send = start(&place.args("send", &path));
    let mut recv = start(&place.args("recv", &path));
    send.write(b"one\n");
    assert_eq!(recv.read(4), b"one\n");
    run(&["serve", "ring", "--socket", &path]).expect_code(7).expect_stderr("somebody listens");
    server.signal(Signal::SIGKILL);
    server.end().expect_signal(Signal::SIGKILL);
    send.write(b"two\n");
    assert_eq!(recv.read(4), b"two\n");
    run(&place.args("attach", &path)).expect_code(3).expect_stderr(&path);
    let _again = place.serve(&[]);
    assert_eq!(place.facts()["messages_received"], 0);
    send.end().expect_code(0);
    recv.end().expect_code(0);
}

// Catches a code that a script cannot rely on.
#[test]
fn codes() {
    let place = Place::new();
    let path = place.text();
    for verb in ["send", "recv", "attach"] {
        run(&[verb]).expect_code(2).expect_stderr("--socket");
        run(&[verb, "name", "--socket", &path]).expect_code(2);
        run(&[verb, "--socket", &path, "--accept-world-writable"]).expect_code(2);
        run(&place.args(verb, &path)).expect_code(3).expect_stderr("no server listens");
        let waiting = [&place.args(verb, &path)[..], &["--wait", "50ms"]].concat();
        run(&waiting).expect_code(4);
    }
    run(&["serve", "ring"]).expect_code(2).expect_stderr("--socket");
    run(&["serve", "ring", "--socket", &path, "--allow-uid", "root"]).expect_code(2);
    run(&["serve", "a/b", "--socket", &path]).expect_code(2);
    std::fs::write(place.path(), "no socket").expect("a file");
    run(&["serve", "ring", "--socket", &path]).expect_code(7).expect_stderr("no socket");
    std::fs::remove_file(place.path()).expect("unlink");
    let _server = place.serve(&[]);
    let wrong = (geteuid().as_raw() + 1).to_string();
    let owner = [&place.args("attach", &path)[..], &["--owner", &wrong]].concat();
    run(&owner).expect_code(1).expect_stderr("somebody else");
    let name = Name::with_ring("4K");
    run(&["send", &name.0, "--wait", "5s"]).expect_code(0);
}

// Catches a user who is let in without being listed, or kept out in spite of it, and an
// observer who takes part or is shown nothing.
#[test]
fn the_list_decides() {
    if !geteuid().is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let place = Place::new();
    let path = place.text();
    let server = place.serve(&["--allow-uid", "1"]);
    let refused = run_as_nobody(&place.args("send", &path), b"x\n").expect_code(1);
    refused.expect_stderr("refused: uid 65534");
    server.signal(Signal::SIGTERM);
    server.end().expect_code(0).expect_stderr("not on the list");

    let server = place.serve(&["--allow-uid", "65534"]);
    run_as_nobody(&place.args("send", &path), b"from nobody\n").expect_code(0);
    assert_eq!(run(&place.args("recv", &path)).expect_code(0).stdout, b"from nobody\n");
    drop(server);

    let _server = place.serve(&["--observer-uid", "65534"]);
    run_with(&place.args("send", &path), b"12345678\n").expect_code(0);
    let seen = run_as_nobody(&[&place.args("attach", &path)[..], &["--json"]].concat(), b"");
    assert_eq!(seen.expect_code(0).json()["used_bytes"], 16);
    let peek = run_as_nobody(&place.args("peek", &path), b"").expect_code(0);
    assert_eq!(peek.text(), "0  8  12345678\n");
    let stat = run_as_nobody(&place.args("stat", &path), b"").expect_code(0).text();
    assert!(stat.contains(&format!("`shmring recv --socket {path}`")), "{stat}");
    for verb in ["send", "recv"] {
        run_as_nobody(&place.args(verb, &path), b"").expect_code(1).expect_stderr("reading only");
    }
}

// Catches a segment that never had a name being reported as one that lost it.
#[test]
fn a_receiver_of_what_has_no_name_waits_in_silence() {
    let place = Place::new();
    let _server = place.serve(&[]);
    let path = place.text();
    let recv = start(&place.args("recv", &path));
    place.await_role("consumers", recv.pid());
    thread::sleep(Duration::from_millis(300));
    recv.signal(Signal::SIGTERM);
    assert_eq!(recv.end().expect_signal(Signal::SIGTERM).stderr, "");
}
