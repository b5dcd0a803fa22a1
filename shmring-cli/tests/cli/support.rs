//! What the tests share. Every wait has a bound, so that a hang is a failure.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

/// Far more than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// A name that no other test has, removed at the end of its test.
pub(crate) struct Name(pub(crate) String);

impl Name {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("shmring-cli-test-{}-{number}", std::process::id()))
    }

    /// A record ring of that capacity.
    pub(crate) fn with_ring(capacity: &str) -> Self {
        Self::created(&["--capacity", capacity])
    }

    /// A slot ring of that kind.
    pub(crate) fn with_slots(kind: &str, slots: &str, slot_bytes: &str) -> Self {
        Self::created(&["--kind", kind, "--slots", slots, "--slot-bytes", slot_bytes])
    }

    fn created(options: &[&str]) -> Self {
        let name = Self::new();
        run(&[&["create", &name.0], options].concat()).expect_code(0);
        name
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from("/dev/shm").join(&self.0)
    }

    /// What `attach --json` says about it.
    pub(crate) fn facts(&self) -> Value {
        run(&["attach", &self.0, "--json"]).expect_code(0).json()
    }

    /// What `ls --json` says about it, without attaching.
    pub(crate) fn listed(&self) -> Option<Value> {
        let listing = run(&["ls", "--json"]).expect_code(0).json();
        let segments = listing["segments"].as_array().expect("a list of segments").clone();
        segments.into_iter().find(|segment| segment["name"] == self.0.as_str())
    }

    /// Waits until `ls` shows what is waited for.
    pub(crate) fn await_listed(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        eventually(what, || self.listed().is_some_and(|segment| is_so(&segment)));
    }

    pub(crate) fn await_role(&self, role: &str, pid: u32) {
        self.await_listed(role, |segment| {
            holders(segment, role).iter().any(|holder| holder["pid"] == pid)
        });
    }

    /// Waits until so many processes have a role.
    pub(crate) fn await_holders(&self, role: &str, count: usize) {
        self.await_listed(role, |segment| holders(segment, role).len() == count);
    }

    /// Nobody is left in the segment, not even as a dead participant.
    #[track_caller]
    pub(crate) fn expect_left(&self) {
        let listed = self.listed().expect("a segment");
        assert_eq!(listed["attached"].as_array().map(Vec::len), Some(0), "{listed}");
    }

    /// Everything that is in the ring, as a receiver that comes now gets it.
    pub(crate) fn drain(&self) -> Vec<u8> {
        run(&["recv", &self.0]).expect_code(0).stdout
    }
}

fn holders<'a>(segment: &'a Value, role: &str) -> &'a [Value] {
    segment[role].as_array().map_or(&[], Vec::as_slice)
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path());
    }
}

/// How a process ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}\n{}", self.text(), self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn expect_signal(self, signal: Signal) -> Self {
        assert_eq!(self.status.signal(), Some(signal as i32), "{:?}\n{}", self.status, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn expect_stderr(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "{part:?} is not in {:?}", self.stderr);
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_slice(&self.stdout).expect("JSON");
        assert_eq!(value["schema"], "shmring/3");
        value
    }
}

pub(crate) fn shmring(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shmring"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The command in a shell that runs `setup` first and adds `redirections` to the command.
pub(crate) fn in_shell(setup: &str, args: &[&str], redirections: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{setup}; exec \"$0\" \"$@\" {redirections}")]);
    command.arg(env!("CARGO_BIN_EXE_shmring")).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end without input.
#[track_caller]
pub(crate) fn run(args: &[&str]) -> Ended {
    Running::spawn(&mut shmring(args)).end()
}

/// Runs to the end with that input.
#[track_caller]
pub(crate) fn run_with(args: &[&str], input: &[u8]) -> Ended {
    start_with(args, input.to_vec()).end()
}

/// Starts, with an input that ends.
pub(crate) fn start_with(args: &[&str], input: Vec<u8>) -> Running {
    let mut running = start(args);
    running.feed(input);
    running
}

/// Starts, with stdin held open by the test.
pub(crate) fn start(args: &[&str]) -> Running {
    Running::spawn(shmring(args).stdin(Stdio::piped()))
}

pub(crate) fn signal_to(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).expect("a pid");
    kill(Pid::from_raw(pid), signal).expect("kill");
}

/// Lets signals end what the tests start, also where the tests run in the background or under
/// `nohup`: a process inherits which signals are ignored.
#[allow(unsafe_code)]
pub(crate) fn default_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for one in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
            // SAFETY: no handler is installed, and none is replaced.
            unsafe { signal(one, SigHandler::SigDfl) }.expect("signal");
        }
        // SIGQUIT dumps core, by default into the directory of the tests.
        let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
        setrlimit(Resource::Core, limit).expect("setrlimit");
    });
}

/// A process that does not outlive its test.
pub(crate) struct Running {
    pub(crate) child: Child,
}

impl Running {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        default_signals();
        Self { child: command.spawn().expect("spawn") }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal_to(self.pid(), signal);
    }

    /// Returns when it stands still.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid"));
        let status = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("waitpid");
        assert_eq!(status, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let stdin = self.child.stdin.as_mut().expect("stdin");
        stdin.write_all(bytes).expect("a process that reads stdin");
    }

    /// Writes all of its stdin, in the background.
    pub(crate) fn feed(&mut self, input: Vec<u8>) {
        let mut stdin = self.child.stdin.take().expect("stdin");
        // It may end before it has read everything.
        thread::spawn(move || drop(stdin.write_all(&input)));
    }

    /// Reads exactly so many bytes of stdout.
    pub(crate) fn read(&mut self, len: usize) -> Vec<u8> {
        let mut stdout = self.child.stdout.take().expect("stdout");
        let (stdout, bytes) = in_time("output", move || {
            let mut bytes = vec![0; len];
            stdout.read_exact(&mut bytes).expect("output");
            (stdout, bytes)
        });
        self.child.stdout = Some(stdout);
        bytes
    }

    /// Closes stdin and waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let (mut stdout, mut stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let (stdout, stderr) = in_time("the end of a process", move || {
            let errors = thread::spawn(move || read_all(stderr.as_mut()));
            (read_all(stdout.as_mut()), errors.join().expect("a reader"))
        });
        let status = self.child.wait().expect("wait");
        Ended { status, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of all, reading what they write meanwhile.
pub(crate) fn end_all(running: Vec<Running>) -> Vec<Ended> {
    thread::scope(|scope| {
        let ends: Vec<_> = running.into_iter().map(|one| scope.spawn(|| one.end())).collect();
        ends.into_iter().map(|end| end.join().expect("an end")).collect()
    })
}

fn read_all(source: Option<&mut impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        source.read_to_end(&mut bytes).expect("output");
    }
    bytes
}

/// Does something that must not take for ever.
#[track_caller]
pub(crate) fn in_time<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let worker = thread::spawn(work);
    eventually(what, || worker.is_finished());
    worker.join().expect("work")
}

#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    eventually_or(|| format!("waited in vain for {what}"), is_so);
}

/// As `eventually`, where it takes more to tell what happened instead.
#[track_caller]
pub(crate) fn eventually_or(why_not: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{}", why_not());
        thread::sleep(POLL);
    }
}

/// The verbs that the help lists, but for the help itself.
pub(crate) fn verbs() -> Vec<String> {
    let help = run(&["--help"]).expect_code(0).text();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let words = listed.map_while(|line| line.strip_prefix("  ")?.split_whitespace().next());
    words.filter(|verb| *verb != "help").map(str::to_owned).collect()
}

/// The lines from `first` to `last`, as seq prints them.
pub(crate) fn seq(first: u32, last: u32) -> Vec<u8> {
    (first..=last).map(|number| format!("{number}\n")).collect::<String>().into_bytes()
}

/// Bytes without a pattern, the same at each run.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
