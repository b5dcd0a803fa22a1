//! The container of this process.

use super::Finding;
use super::Level::{Note, Warning};
use super::machine::{Machine, MemoryGroup};
use crate::report::bytes;

/// The inode of the first pid namespace, in every kernel.
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
/// The value for no limit in the old hierarchy, rounded down to pages.
const NO_LIMIT_BYTES: u64 = 1 << 62;
/// Less memory than a few rings take.
const SCARCE_BYTES: u64 = 64 << 20;

pub(super) fn checks(machine: &Machine) -> Vec<Finding> {
    vec![
        container(&machine.container_hints),
        pid_namespace(machine.pid_namespace),
        seccomp(machine.status.as_deref()),
        memory(&machine.memory_groups),
    ]
}

fn container(hints: &[String]) -> Finding {
    const CHECK: &str = "container";
    if hints.is_empty() {
        return Finding::ok(
            CHECK,
            "no sign of a container",
            "All processes of this machine see the same segments.",
        );
    }
    Finding::new(
        CHECK,
        Note,
        format!("signs of a container: {}", hints.join(", ")),
        "A container has a /dev/shm of its own. Processes in two of them see each other's \
         segments only if they share it.",
    )
    .remedy(
        "Share it: --ipc=container:NAME or --ipc=host, in a pod a volume `emptyDir` with \
         `medium: Memory` at /dev/shm; or pass a segment through a socket (`shmring serve`).",
    )
}

fn pid_namespace(inode: Option<u64>) -> Finding {
    const CHECK: &str = "pid-namespace";
    match inode {
        None => Finding::unknown(CHECK, "/proc/self/ns/pid"),
        Some(FIRST_PID_NAMESPACE) => Finding::ok(
            CHECK,
            "this process is in the first pid namespace",
            "Pids that it shows are those that others see.",
        ),
        Some(_) => Finding::new(
            CHECK,
            Note,
            "this process is in a pid namespace of its own",
            "A participant's pid counts in its own namespace; in another one it may name no \
             process, or a different one. Whether a process is alive does not depend on pids.",
        )
        .remedy("To find a process by its pid, search in its own container."),
    }
}

fn seccomp(status: Option<&str>) -> Finding {
    const CHECK: &str = "seccomp";
    let field = |name: &str| {
        status?.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    match field("Seccomp") {
        None => Finding::unknown(CHECK, "/proc/self/status"),
        Some("0") => Finding::ok(
            CHECK,
            "no filter of system calls",
            "What the kernel can do, this process may do.",
        ),
        Some(_) => Finding::new(
            CHECK,
            Note,
            "system calls are filtered (seccomp)",
            "Calls that rings use were tried above; one that is refused is shown there. Without \
             membarrier rings use fences, without futex they can only be polled.",
        )
        .remedy(
            "If one is missing, allow it in the filter: membarrier, futex, fcntl, memfd_create.",
        ),
    }
}

/// Returns a number of memory.stat.
fn number(statistics: &str, name: &str) -> Option<u64> {
    statistics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn memory(groups: &[MemoryGroup]) -> Finding {
    const CHECK: &str = "memory-limit";
    let limit = |group: &MemoryGroup| {
        let max = group.max.parse::<u64>().ok().filter(|max| *max < NO_LIMIT_BYTES)?;
        // The kernel drops its cache of files when processes need the memory.
        let kept = |name| number(&group.statistics, name).unwrap_or(0);
        let used = group.used.parse::<u64>().ok()?;
        Some((max, used.saturating_sub(kept("active_file") + kept("inactive_file"))))
    };
    let tightest =
        groups.iter().filter_map(limit).min_by_key(|(max, used)| max.saturating_sub(*used));
    let Some((max, used)) = tightest else {
        return Finding::ok(
            CHECK,
            "no memory limit of a control group",
            "Segments can take what the machine has.",
        );
    };
    let left = max.saturating_sub(used);
    let level = if left < SCARCE_BYTES { Warning } else { Note };
    Finding::new(
        CHECK,
        level,
        format!("{} of {} are left to this control group", bytes(left), bytes(max)),
        "A segment counts in the group of its creator, for as long as it exists. One that \
         does not fit ends a process of the group, not just the call.",
    )
    .remedy("Make segments in a group that has room, or raise its limit (memory.max).")
}
