//! Tests a ring as a whole: the other findings about a machine are about its parts, and something
//! else may be wrong.

use std::env;
use std::fmt::Display;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shmring::{Config, RecvTimeoutError, Segment};

use super::Finding;
use super::Level::Problem;
use super::memory::mount_tmpfs;

/// The maximum time until a child has sent a message, and until its death is detected: thousands
/// of times the usual one.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time between two checks whether the child, which may fail before it attaches, has ended.
const SLICE: Duration = Duration::from_millis(50);
/// The smallest ring.
const CAPACITY_BYTES: u64 = 4096;

/// The steps of the trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    Start,
    Message,
    Death,
    Remove,
}

/// The time until the death was detected, or the step that failed and why.
pub(super) type Outcome = Result<Duration, (Step, String)>;

/// Creates a segment, starts a child that sends a message through it, kills the child, waits
/// until its death is detected, and removes the segment.
pub(super) fn run() -> Outcome {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("shmring-doctor-{}-{}", std::process::id(), since.subsec_micros());
    let at = |step| move |error: String| (step, error);
    let config = Config::spsc().capacity_bytes(CAPACITY_BYTES);
    let segment = Segment::create(&name, &config).map_err(words).map_err(at(Step::Create))?;
    let named = Named(&name);
    let mut consumer = segment.consumer().map_err(words).map_err(at(Step::Create))?;
    let mut child = Sender::start(&name).map_err(words).map_err(at(Step::Start))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match consumer.recv_timeout(SLICE) {
            Ok(_) => break,
            Err(RecvTimeoutError::TimedOut) if child.ended().is_none() => {}
            Err(RecvTimeoutError::TimedOut) => {
                return Err((Step::Message, child.last_words()));
            }
            Err(error) => return Err((Step::Message, words(error))),
        }
        if Instant::now() >= deadline {
            return Err((Step::Message, format!("nothing came in {PATIENCE:?}")));
        }
    }
    child.kill().map_err(words).map_err(at(Step::Death))?;
    let killed = Instant::now();
    let noticed = match consumer.recv_timeout(PATIENCE) {
        Err(RecvTimeoutError::Eof) => killed.elapsed(),
        Err(RecvTimeoutError::TimedOut) => {
            return Err((Step::Death, format!("it counts as alive {PATIENCE:?} later")));
        }
        Err(error) => return Err((Step::Death, words(error))),
        Ok(_) => return Err((Step::Death, "it sent something that it was not given".to_owned())),
    };
    std::mem::forget(named);
    Segment::unlink(&name).map_err(words).map_err(at(Step::Remove))?;
    Ok(noticed)
}

fn words(error: impl Display) -> String {
    error.to_string()
}

/// The name of a segment, which is removed when the trial ends early.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        let _ = Segment::unlink(self.0);
    }
}

/// A child that sends lines. The drop kills it.
struct Sender {
    child: Child,
}

impl Sender {
    fn start(name: &str) -> std::io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["send", name]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut sender = Self { child: command.stderr(Stdio::piped()).spawn()? };
        if let Some(stdin) = &mut sender.child.stdin {
            stdin.write_all(b"trial\n")?;
        }
        Ok(sender)
    }

    fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Returns the error that the child printed when it ended.
    fn last_words(&mut self) -> String {
        let mut said = Vec::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said).trim_end().to_owned();
        match (said.is_empty(), self.ended()) {
            (true, Some(status)) => format!("the sender ended: {status}"),
            _ => said.trim_start_matches("shmring: ").to_owned(),
        }
    }

    fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

pub(super) fn check(outcome: &Outcome) -> Finding {
    const CHECK: &str = "trial";
    let (step, error) = match outcome {
        Ok(noticed) => {
            let ms = noticed.as_millis();
            return Finding::ok(
                CHECK,
                format!(
                    "a ring works: a message came, and its killed sender was noticed in {ms} ms"
                ),
                "Named segments can be made, used and removed here.",
            );
        }
        Err((step, error)) => (*step, error),
    };
    let (found, means) = match step {
        Step::Create => ("a segment cannot be made", "No ring can be made here."),
        Step::Start => (
            "the ring could not be tried, as no child could be started",
            "Whether processes can share a ring here is not known.",
        ),
        Step::Message => (
            "another process cannot use a segment made here",
            "Rings carry nothing between processes here.",
        ),
        Step::Death => (
            "the death of a process is not seen",
            "A process that waits for one that was killed may wait for good, and \
             the killed one's role is never free again.",
        ),
        Step::Remove => ("a segment cannot be removed", "Its memory stays taken."),
    };
    let finding = Finding::new(CHECK, Problem, format!("{found}: {error}"), means);
    let has = |word: &str| error.contains(word);
    if has("/proc") {
        finding.remedy("Mount /proc:").command("mount -t proc proc /proc")
    } else if has("madvise") || has("WIPEONFORK") || has("membarrier") {
        finding.remedy(
            "Use Linux 4.14 or later and allow the call in filters, not a sandbox that imitates \
             Linux without it.",
        )
    } else if step == Step::Start {
        finding.remedy("Allow one more process (`ulimit -u`, pids.max), and see what it says.")
    } else {
        mount_tmpfs(finding, "If no finding above explains it, mount a tmpfs there:")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level::Ok as Fine;
    use super::*;

    // Catches a failed step that is no problem, or that has no remedy or the wrong one.
    #[test]
    fn a_step_that_fails_is_a_problem_with_a_remedy() {
        assert_eq!(check(&Ok(Duration::from_millis(3))).level, Fine);
        for (step, error, remedy) in [
            (Step::Create, "fallocate on the segment: not supported", "mount a tmpfs"),
            (Step::Create, "open /proc/thread-self/fd/3: no such file", "Mount /proc"),
            (Step::Message, "madvise(MADV_WIPEONFORK): invalid argument", "imitates"),
            (Step::Start, "resource temporarily unavailable", "pids.max"),
            (Step::Death, "it counts as alive 10s later", "mount a tmpfs"),
            (Step::Remove, "permission denied", "mount a tmpfs"),
        ] {
            let finding = check(&Err((step, error.to_owned())));
            assert_eq!(finding.level, Problem, "{finding:?}");
            assert!(finding.found.ends_with(error), "{finding:?}");
            assert!(finding.remedy.is_some_and(|said| said.contains(remedy)), "{step:?}");
        }
    }
}
