//! Users of a segment that are hard to see: without a name, in other namespaces, frozen, or
//! dying. Each test says so where the environment does not allow it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Name, Running, eventually, run, run_with, start};

fn stat(name: &Name) -> Value {
    run(&["stat", &name.0, "--interval", "20ms", "--json"]).expect_code(0).json()
}

fn stat_text(name: &Name) -> String {
    run(&["stat", &name.0, "--interval", "20ms"]).expect_code(0).text()
}

/// What a verb lists as deleted under that name.
fn deleted(args: &[&str], name: &Name) -> Option<Value> {
    let listing = run(args).expect_code(0).json();
    let deleted = listing["deleted"].as_array().expect("a list").clone();
    deleted.into_iter().find(|one| one["name"] == name.0.as_str())
}

const LS: [&str; 2] = ["ls", "--json"];
const TOP: [&str; 5] = ["top", "--once", "-d", "20ms", "--json"];

// Catches memory that is taken and that no verb accounts for, a listing of what is in use by
// nobody, and a segment that takes the place of its successor.
#[test]
fn segments_that_lost_their_names() {
    let name = Name::with_ring("64K");
    let recv = start(&["recv", &name.0]);
    name.await_role("consumers", recv.pid());
    assert_eq!(deleted(&LS, &name), None);
    run(&["unlink", &name.0]).expect_code(0);
    for verb in [&LS[..], &TOP] {
        let listed = deleted(verb, &name).expect("a deleted segment");
        assert_eq!((&listed["state"], &listed["kind"]), (&"deleted".into(), &"spsc".into()));
        assert_eq!(listed["capacity_bytes"], 65536);
        assert_eq!(listed["consumers"][0]["pid"], recv.pid());
    }
    assert!(name.listed().is_none(), "it is no segment that has a name");
    let text = run(&["ls"]).expect_code(0).text();
    let row = text.lines().find(|row| row.starts_with(&name.0)).expect("a row");
    assert!(row.ends_with("deleted") && row.contains(&recv.pid().to_string()), "{row}");
    let doctor = run(&["doctor", &name.0, "--json"]).expect_code(3).text();
    let by =
        format!("a segment that lost the name is still used by pid {} (shmring)\"", recv.pid());
    assert!(doctor.contains(&by), "{doctor}");
    assert!(doctor.contains("segments lost their names and are in use: "), "{doctor}");

    // Its successor has the name.
    run(&["create", &name.0]).expect_code(0);
    assert_eq!(name.listed().expect("the successor")["consumers_so_far"], 0);
    let text = run(&["ls"]).expect_code(0).text();
    assert!(text.lines().any(|row| row.starts_with(&format!("{} #", name.0))), "{text}");
    drop(recv);
    eventually("its end", || deleted(&LS, &name).is_none());
    let text = run(&["ls"]).expect_code(0).text();
    assert!(!text.lines().any(|row| row.starts_with(&format!("{} #", name.0))), "{text}");
}

/// Starts `shmring recv` by a command that gives it namespaces of its own. The process that
/// receives, as numbered here; `None` where that is refused.
fn receive_in(name: &Name, wrapper: &[&str]) -> Option<(Running, u32)> {
    let mut command = Command::new("unshare");
    command.args(wrapper).args([env!("CARGO_BIN_EXE_shmring"), "recv", &name.0]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running::spawn(&mut command);
    let mut ended = false;
    eventually("a receiver", || {
        ended = child.child.try_wait().expect("wait").is_some();
        let listed = name.listed().expect("it");
        ended || listed["consumers"].as_array().is_some_and(|them| !them.is_empty())
    });
    if ended {
        eprintln!("not tested: {wrapper:?} is refused: {}", child.end().stderr);
        return None;
    }
    let own = child.pid();
    let path = format!("/proc/{own}/task/{own}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    Some((child, pid.unwrap_or(own)))
}

// Catches a process of another time namespace that nobody knows, as its start is another there.
#[test]
fn a_process_of_another_time_namespace() {
    let name = Name::with_ring("4K");
    let wrapper = ["--time", "--boottime", "86400", "--fork"];
    let Some((_child, pid)) = receive_in(&name, &wrapper) else { return };
    let consumer = stat(&name)["consumers"][0].clone();
    assert_eq!((&consumer["pid"], &consumer["local_pid"]), (&pid.into(), &pid.into()));
    assert_eq!(consumer["command"], "shmring");
    crate::support::signal_to(pid, Signal::SIGSTOP);
    eventually("it is stopped", || stat(&name)["consumers"][0]["process_state"] == "stopped");
    crate::support::signal_to(pid, Signal::SIGKILL);
}

// Catches a pid of another namespace that looks like one of ours, and a command that would end
// another process.
#[test]
fn a_process_of_another_pid_namespace() {
    let name = Name::with_ring("4K");
    let wrapper = ["--pid", "--fork", "--mount", "--mount-proc"];
    let Some((_child, pid)) = receive_in(&name, &wrapper) else { return };
    let consumer = stat(&name)["consumers"][0].clone();
    assert_eq!((&consumer["pid"], &consumer["pid_namespace"]), (&1.into(), &"other".into()));
    assert_eq!((&consumer["local_pid"], &consumer["command"]), (&pid.into(), &"shmring".into()));
    let row = |text: String| text.lines().find(|row| row.starts_with(&name.0)).map(str::to_owned);
    let listed = row(run(&["ls"]).expect_code(0).text()).expect("a row");
    assert!(listed.contains(&format!(" {pid} ")), "{listed}");
    crate::support::signal_to(pid, Signal::SIGSTOP);
    run_with(&["send", &name.0], b"a line\n").expect_code(0);
    eventually("a remedy", || stat_text(&name).contains(&format!("`kill -CONT {pid}`")));
    // From where it cannot be seen.
    let script = "mount -t proc proc /proc && exec \"$0\" ls";
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount", "sh", "-c", script]);
    command.arg(env!("CARGO_BIN_EXE_shmring"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let seen = row(Running::spawn(&mut command).end().expect_code(0).text()).expect("a row");
    assert!(seen.contains("1 (other ns)"), "{seen}");
    crate::support::signal_to(pid, Signal::SIGKILL);
}

/// A control group of this test's own, removed at its end.
struct Group(PathBuf);

impl Group {
    /// One of each hierarchy that has a freezer.
    fn all() -> Vec<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let can_freeze = |line: &&str| {
            line.contains(" - cgroup2 ") || line.contains(" - cgroup ") && line.contains("freezer")
        };
        let own = |line: &str| {
            let path = PathBuf::from(line.split(' ').nth(4)?);
            let path = path.join(format!("shmring-test-{}", std::process::id()));
            fs::create_dir(&path).ok().map(|()| Self(path))
        };
        let groups = mounts.lines().filter(can_freeze).filter_map(own);
        groups.filter(|group| group.control().1.exists()).collect()
    }

    /// The words that freeze and thaw, and the file that they go to.
    fn control(&self) -> ([&'static str; 2], PathBuf) {
        let old = self.0.join("freezer.state");
        if old.exists() {
            return (["FROZEN", "THAWED"], old);
        }
        (["1", "0"], self.0.join("cgroup.freeze"))
    }
}

/// Thaws the group when it is dropped.
struct Frozen<'a>(&'a Group);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let ([_, thaw], file) = self.0.control();
        let _ = fs::write(file, thaw);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..500 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

// Catches a frozen process that is called sleeping or blocked, and nobody is told what helps.
#[test]
fn a_process_that_is_frozen() {
    let groups = Group::all();
    if groups.is_empty() {
        return eprintln!("not tested: no control group can be made");
    }
    for group in groups {
        let name = Name::with_ring("4K");
        let recv = start(&["recv", &name.0]);
        name.await_role("consumers", recv.pid());
        if fs::write(group.0.join("cgroup.procs"), recv.pid().to_string()).is_err() {
            eprintln!("not tested: a process cannot be moved to {:?}", group.0);
            continue;
        }
        let ([freeze, thaw], file) = group.control();
        // Thaws before the receiver is dropped: a frozen process cannot be killed.
        let frozen = Frozen(&group);
        fs::write(&file, freeze).expect("freeze");
        run_with(&["send", &name.0], b"a line\n").expect_code(0);
        eventually("a frozen process", || stat(&name)["consumers"][0]["process_state"] == "frozen");
        let text = stat_text(&name);
        let remedy = format!("`echo {thaw} > {}` resumes it", file.display());
        assert!(
            text.contains("is frozen by its control group") && text.contains(&remedy),
            "{text}"
        );
        let doctor = run(&["doctor", &name.0, "--json"]).expect_code(0).text();
        assert!(doctor.contains("frozen by its control group"), "{doctor}");
        drop(frozen);
        assert_eq!(recv.end().expect_code(0).stdout, b"a line\n");
    }
}

const CRASHES: &str = "SHMRING_CLI_TEST_CRASHES";
/// Takes the kernel some tenths of a second to write.
const CORE_BYTES: usize = 256 << 20;

/// The part of the child: this very test program, started for it; nothing in the test run.
#[test]
fn child_that_crashes() {
    let Ok(name) = std::env::var(CRASHES) else {
        return;
    };
    let segment = shmring::Segment::attach(&name).expect("attach");
    let _consumer = segment.consumer().expect("a consumer");
    // Zeros would not be written.
    let memory = vec![1_u8; CORE_BYTES];
    std::hint::black_box(&memory);
    std::process::abort();
}

// Catches a process that was killed and called running, with nobody told what it waits for.
#[test]
fn a_process_that_dumps_core() {
    let name = Name::with_ring("4K");
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]);
    command.arg(std::env::current_exe().expect("a program"));
    command.args(["--exact", "elsewhere::child_that_crashes", "--test-threads=1"]);
    command.env(CRASHES, &name.0).current_dir(directory.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running::spawn(&mut command);
    run_with(&["send", &name.0], b"a line\n").expect_code(0);
    let (mut seen, mut ended) = (None, None);
    eventually("its end", || {
        let text = stat_text(&name);
        seen = seen.take().or(text.contains("dumping core").then_some(text));
        ended = child.child.try_wait().expect("wait");
        seen.is_some() || ended.is_some()
    });
    let Some(text) = seen else {
        use std::os::unix::process::ExitStatusExt;
        let status = ended.expect("it ended");
        assert!(!status.core_dumped(), "its core was written, and nothing said so");
        return eprintln!("not tested: no core file is written here: {status}");
    };
    let pid = child.pid();
    let remedy = format!("`kill -KILL {pid}` cuts the core file short");
    assert!(text.contains("until its core file is written") && text.contains(&remedy), "{text}");
    child.signal(Signal::SIGKILL);
    child.end();
}
