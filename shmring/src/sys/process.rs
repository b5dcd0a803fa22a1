//! Facts about this process that others may want to read.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{SysconfVar, sysconf};

/// Clock ticks after boot at which this process started, or 0 where /proc does
/// not tell. With the pid it names a process even after the pid was reused.
pub(crate) fn start_ticks() -> u64 {
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else {
        return 0;
    };
    // The command, in parentheses, may hold anything; field 22 counts from before it.
    let after_command = stat.rsplit(')').next().unwrap_or_default();
    after_command.split_whitespace().nth(19).and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// Inode number of this process's pid namespace, or 0 where /proc does not tell.
pub(crate) fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// CPUs that are online, whether or not this process may use them; 0 where the
/// system does not tell.
pub(crate) fn online_cpus() -> i64 {
    sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(0)
}
