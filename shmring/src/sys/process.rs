//! Facts about processes, for observers.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{SysconfVar, sysconf};

/// What `/proc/<pid>/stat` reports of a process.
#[derive(Debug)]
pub(crate) struct Stat {
    /// The name of the command, at most 15 bytes.
    pub(crate) command: String,
    /// The state of the first thread, as one letter.
    pub(crate) state: char,
    /// Clock ticks after boot at which the process started.
    pub(crate) start_ticks: u64,
}

/// Reads what `/proc` reports of a process; `None` if it reports nothing.
pub(crate) fn of_pid(pid: u32) -> Option<Stat> {
    stat(&format!("/proc/{pid}/stat"))
}

/// Returns the clock ticks after boot at which this process started, or 0 if `/proc` does not
/// report them. Together with the pid they identify a process even after the pid is reused.
pub(crate) fn start_ticks() -> u64 {
    stat("/proc/self/stat").map_or(0, |stat| stat.start_ticks)
}

/// Reads `pid (command) state ppid ...`, with the start as the 22nd field.
fn stat(path: &str) -> Option<Stat> {
    let line = fs::read(path).ok()?;
    let line = String::from_utf8_lossy(&line);
    // The command may hold anything, parentheses too.
    let (before, after) = line.rsplit_once(')')?;
    let (_, command) = before.split_once('(')?;
    let mut fields = after.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some(Stat { command: command.to_owned(), state, start_ticks })
}

/// Returns the inode number of this process's pid namespace, or 0 if `/proc` does not report it.
pub(crate) fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// Returns how many CPUs are online, whether or not this process may use them; 0 if the system
/// does not report it.
pub(crate) fn online_cpus() -> i64 {
    sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(0)
}
