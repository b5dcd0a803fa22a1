//! Child processes: this test program, started to play a part.
//!
//! A test program that has parts holds a test `child_entry`, which does nothing
//! unless it runs in such a child.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held while a child starts, when it has copies of this process's descriptors.
static STARTING: Mutex<()> = Mutex::new(());

const PART: &str = "SHMRING_TEST_PART";
const ARGS: &str = "SHMRING_TEST_ARGS";
const MARK: &str = "said:";

/// A child process, killed when it is dropped.
#[derive(Debug)]
pub struct Part {
    child: Child,
    input: Option<ChildStdin>,
    said: BufReader<ChildStderr>,
}

/// Keeps children from starting, and with them the locks of descriptors that this
/// process closes meanwhile.
pub fn quiet() -> MutexGuard<'static, ()> {
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a child that plays a part.
pub fn start(part: &str, args: &[&str]) -> Part {
    let _starting = quiet();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_entry", "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .env(ARGS, args.join("\n"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (input, said) = (child.stdin.take(), BufReader::new(child.stderr.take().unwrap()));
    Part { child, input, said }
}

impl Part {
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: the child was not waited for, so the pid is its own.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    /// Waits for a line of the child, and returns it.
    pub fn hear(&mut self) -> String {
        let mut talk = String::new();
        loop {
            let start = talk.len();
            let len = self.said.read_line(&mut talk).unwrap();
            assert!(len > 0, "the child ended: {talk}");
            if let Some(said) = talk[start..].strip_prefix(MARK) {
                return said.trim().to_owned();
            }
        }
    }

    /// Lets a child that waits in [`pause`] go on.
    pub fn go(&mut self) {
        writeln!(self.input.as_mut().unwrap()).unwrap();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        drop(self.input.take());
        self.child.wait().unwrap()
    }

    /// Waits for the child to end well; all that it said.
    pub fn finish(mut self) -> Vec<String> {
        drop(self.input.take());
        let (mut said, mut talk) = (Vec::new(), String::new());
        for line in self.said.by_ref().lines() {
            let line = line.unwrap();
            match line.strip_prefix(MARK) {
                Some(fact) => said.push(fact.to_owned()),
                None => talk.push_str(&format!("{line}\n")),
            }
        }
        assert!(self.child.wait().unwrap().success(), "the child failed: {talk}");
        said
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // A stopped child can be killed, one that was waited for is left alone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the child: the part to play and its arguments.
pub fn part() -> Option<(String, Vec<String>)> {
    let part = std::env::var(PART).ok()?;
    // SAFETY: asks for a signal when the parent is gone; nothing else changes.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let args = std::env::var(ARGS).unwrap_or_default();
    Some((part, args.lines().map(str::to_owned).collect()))
}

/// In the child: sends the parent a text, in a line of its own.
pub fn say(fact: impl std::fmt::Display) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{MARK}{fact}");
}

/// In the child: waits until the parent says go, or ends with it.
pub fn pause() {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).unwrap_or(0) == 0 {
        std::process::exit(0);
    }
}
