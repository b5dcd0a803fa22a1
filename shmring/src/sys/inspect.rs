//! What `/proc` shows of other processes, beyond `/proc/PID/stat`. For diagnostics: nothing here
//! decides whether a process is alive.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::process;

/// Nanoseconds in a clock tick of user space (`USER_HZ` is 100).
const TICK_NS: i128 = 10_000_000;

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the rest of the line that starts with `key`.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

/// Returns the pids in `/proc`.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Returns the local pid of the process that has `pid` in the pid namespace with the inode number
/// `namespace` and started at `start_ticks`. `None` if it is not visible here, or if two processes
/// match.
pub(crate) fn local_pid(namespace: u64, pid: u32, start_ticks: u64) -> Option<u32> {
    let is_it = |here: &u32| {
        // Without permission to read the link, pid and start time decide.
        let its = fs::metadata(format!("/proc/{here}/ns/pid")).map(|namespace| namespace.ino());
        if its.is_ok_and(|its| its != namespace) {
            return false;
        }
        let status = read(format!("/proc/{here}/status")).unwrap_or_default();
        let pids = field(&status, "NSpid").unwrap_or_default().split_whitespace().skip(1);
        pids.last().and_then(|last| last.parse().ok()) == Some(pid)
            && process::of_pid(*here)
                .is_some_and(|found| started_at(*here, found.start_ticks, start_ticks))
    };
    let mut found = pids().filter(is_it);
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

/// Returns `true` if a process that reads `start_ticks` in its own `/proc/self/stat` can be the one
/// that shows `seen_ticks` here. Each number includes the offset of the reader's time namespace.
pub(crate) fn started_at(pid: u32, seen_ticks: u64, start_ticks: u64) -> bool {
    if seen_ticks == start_ticks {
        return true;
    }
    let offset = |who: &str| read(format!("/proc/{who}/timens_offsets")).and_then(|t| boottime(&t));
    let (Some(its), Some(ours)) = (offset(&pid.to_string()), offset("self")) else {
        return false;
    };
    // Both numbers are rounded down, so they may be one tick apart.
    its != ours && is_about(seen_ticks, start_ticks, its - ours)
}

fn is_about(seen_ticks: u64, start_ticks: u64, offset_ns: i128) -> bool {
    let apart_ns = (i128::from(start_ticks) - i128::from(seen_ticks)) * TICK_NS - offset_ns;
    apart_ns.abs() <= TICK_NS
}

/// Returns the offset of the boot clock in nanoseconds.
fn boottime(offsets: &str) -> Option<i128> {
    let mut fields =
        offsets.lines().find_map(|line| line.strip_prefix("boottime"))?.split_whitespace();
    let (seconds, ns) = (fields.next()?.parse::<i64>().ok()?, fields.next()?.parse::<i64>().ok()?);
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(ns))
}

/// Returns `true` while the kernel writes a core file of the process, which counts as alive until
/// the file is complete.
pub(crate) fn is_dumping_core(pid: u32) -> bool {
    let status = read(format!("/proc/{pid}/status")).unwrap_or_default();
    field(&status, "CoreDumping") == Some("1")
}

/// A mounted cgroup hierarchy that can freeze processes.
#[derive(Debug)]
struct Hierarchy {
    /// The group at the mount point.
    root: String,
    mount: PathBuf,
    is_unified: bool,
}

fn hierarchies() -> &'static [Hierarchy] {
    static HIERARCHIES: OnceLock<Vec<Hierarchy>> = OnceLock::new();
    HIERARCHIES.get_or_init(|| {
        let mounts = read("/proc/self/mountinfo").unwrap_or_default();
        mounts.lines().filter_map(hierarchy).collect()
    })
}

/// Parses a hierarchy from a line of `mountinfo`.
fn hierarchy(line: &str) -> Option<Hierarchy> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = file_system.split(' ');
    let is_unified = match (fields.next()?, fields.nth(1).unwrap_or_default()) {
        ("cgroup2", _) => true,
        ("cgroup", options) if options.split(',').any(|one| one == "freezer") => false,
        _ => return None,
    };
    let mut fields = mount.split(' ').skip(3);
    let root = fields.next()?.trim_end_matches('/').to_owned();
    Some(Hierarchy { root, mount: PathBuf::from(fields.next()?), is_unified })
}

/// Returns the file that froze the process, in its control group or one above it: `cgroup.freeze`,
/// or `freezer.state` in version 1. `None` if no visible group froze it.
pub(crate) fn frozen_by(pid: u32) -> Option<PathBuf> {
    let groups = read(format!("/proc/{pid}/cgroup"))?;
    hierarchies().iter().find_map(|hierarchy| {
        let path = groups.lines().find_map(|line| group_of(line, hierarchy.is_unified))?;
        let path = path.strip_prefix(&hierarchy.root)?.trim_start_matches('/');
        freezer(&hierarchy.mount, &hierarchy.mount.join(path), hierarchy.is_unified)
    })
}

/// Returns the group that a line of `/proc/PID/cgroup` names.
fn group_of(line: &str, is_unified: bool) -> Option<&str> {
    let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
    let is_it = match is_unified {
        true => controllers.is_empty(),
        false => controllers.split(',').any(|one| one == "freezer"),
    };
    is_it.then_some(path)
}

fn freezer(mount: &Path, group: &Path, is_unified: bool) -> Option<PathBuf> {
    let says = |file: &Path, what: &str| read(file).is_some_and(|text| text.trim_end() == what);
    let (control, asked, on) = match is_unified {
        true => ("cgroup.freeze", "cgroup.freeze", "1"),
        false => ("freezer.state", "freezer.self_freezing", "1"),
    };
    let above = group.ancestors().take_while(|group| group.starts_with(mount));
    let asking = above.into_iter().find(|group| says(&group.join(asked), on));
    if let Some(group) = asking {
        return Some(group.join(control));
    }
    // No visible group froze it.
    let is_frozen = match is_unified {
        true => read(group.join("cgroup.events"))
            .is_some_and(|events| events.lines().any(|line| line == "frozen 1")),
        false => says(&group.join(control), "FROZEN"),
    };
    is_frozen.then(|| group.join(control))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an offset with the wrong sign or unit, and a comparison that accepts any two times.
    #[test]
    fn start_times_of_other_time_namespaces() {
        const DAY_NS: i128 = 86_400_000_000_000;
        assert_eq!(boottime("monotonic 5 6\nboottime  86400         7\n"), Some(DAY_NS + 7));
        assert_eq!(boottime("boottime -1 0\n"), Some(-1_000_000_000));
        assert_eq!(boottime("monotonic 5 6\n"), None);
        assert!(is_about(1000, 1000 + 8_640_000, DAY_NS));
        assert!(is_about(1000, 1001 + 8_640_000, DAY_NS + 5_000_000));
        assert!(!is_about(1000, 1002 + 8_640_000, DAY_NS));
        assert!(!is_about(1000 + 8_640_000, 1000, DAY_NS));
    }

    /// Catches a hierarchy that cannot freeze processes, and a group of another hierarchy.
    #[test]
    fn control_groups_of_the_two_kinds() {
        let line = "40 30 0:35 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        let unified = hierarchy(line).expect("a hierarchy");
        assert!(unified.is_unified);
        assert_eq!((&*unified.root, &*unified.mount), ("/docker/x", Path::new("/sys/fs/cgroup")));
        let line = "41 30 0:36 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer";
        assert!(hierarchy(line).is_some_and(|old| !old.is_unified && old.root.is_empty()));
        assert!(hierarchy("42 30 0:37 / /x rw - cgroup cgroup rw,memory").is_none());
        assert_eq!(group_of("0::/a/b", true), Some("/a/b"));
        assert_eq!(group_of("0::/a/b", false), None);
        assert_eq!(group_of("6:net,freezer:/c", false), Some("/c"));
    }
}
