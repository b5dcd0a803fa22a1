//! CPUs: which ones the two workers get, and what a worker used of its own.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getpid, gettid};
use serde::{Deserialize, Serialize};

/// Two CPUs on which this process may run, not siblings on one core if the kernel shows others;
/// `None` if there are no two.
pub(crate) fn pair() -> Option<[usize; 2]> {
    let allowed = allowed();
    let (first, others) = allowed.split_first()?;
    let siblings = siblings(*first);
    let second = others.iter().find(|cpu| !siblings.contains(cpu)).or(others.first())?;
    Some([*first, *second])
}

/// How many CPUs this process may run on.
pub(crate) fn count() -> usize {
    allowed().len()
}

fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::this()) else { return Vec::new() };
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

/// The CPUs of the same core, itself included; empty if the kernel does not say.
fn siblings(cpu: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    std::fs::read_to_string(path).map(|list| parse_list(list.trim())).unwrap_or_default()
}

/// Reads the kernel's `0-1,4`.
fn parse_list(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// Pins this thread to a CPU.
pub(crate) fn pin(cpu: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// What a worker used between the start and the stop of its loop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Span {
    /// On the clock that all processes of the machine share.
    pub(crate) start_ns: u64,
    pub(crate) stop_ns: u64,
    /// User and system time.
    pub(crate) cpu_ns: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    /// Ready to run, while another ran on the CPU; none if the kernel does not count it.
    pub(crate) waited_ns: Option<u64>,
}

/// A span that has started.
pub(crate) struct Meter {
    start_ns: u64,
    before: Usage,
    waited_before_ns: Option<u64>,
}

impl Meter {
    pub(crate) fn start() -> nix::Result<Meter> {
        let waited_before_ns = waited_ns();
        let before = getrusage(own())?;
        Ok(Meter { start_ns: now_ns()?, before, waited_before_ns })
    }

    pub(crate) fn stop(self) -> nix::Result<Span> {
        let stop_ns = now_ns()?;
        let after = getrusage(own())?;
        let since = |count: fn(&Usage) -> i64| (count(&after) - count(&self.before)).max(0) as u64;
        let cpu_us = |usage: &Usage| {
            usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
        };
        Ok(Span {
            start_ns: self.start_ns,
            stop_ns,
            cpu_ns: since(cpu_us) * 1000,
            voluntary_switches: since(|usage| usage.voluntary_context_switches()),
            involuntary_switches: since(|usage| usage.involuntary_context_switches()),
            waited_ns: waited_ns()
                .zip(self.waited_before_ns)
                .map(|(after, before)| after.saturating_sub(before)),
        })
    }
}

/// Whose usage is the caller's: all of its process, or where the ends are threads of one process,
/// none of which is the first, that of its thread.
fn own() -> UsageWho {
    if gettid() == getpid() { UsageWho::RUSAGE_SELF } else { UsageWho::RUSAGE_THREAD }
}

/// How long this thread has waited for a CPU in its life.
fn waited_ns() -> Option<u64> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    statistics.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the time of `CLOCK_MONOTONIC`, which all processes of the machine share.
///
/// # Errors
/// If the kernel refuses the clock.
pub fn now_ns() -> nix::Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_read() {
        assert_eq!(parse_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parse_list("3"), [3]);
        assert_eq!(parse_list(""), [] as [usize; 0]);
    }
}
