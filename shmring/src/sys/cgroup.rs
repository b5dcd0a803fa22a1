//! Memory left under the limits of this process's control groups.
//!
//! A limit applies to a group and all groups below it, so every group from the process's own up to
//! the root counts. Memory that the kernel can reclaim without killing a process (cached files, and
//! what fits into swap) counts as left.

use std::fs;
use std::path::{Path, PathBuf};

use super::memfd;

/// The memory left in the tightest group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) free_bytes: u64,
    pub(crate) group: PathBuf,
}

/// Returns the memory left in the tightest group; `None` if no group has a readable limit.
pub(crate) fn room() -> Option<Room> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (groups, mounts) = (read("/proc/thread-self/cgroup"), read("/proc/thread-self/mountinfo"));
    room_in(Path::new("/"), &groups, &mounts, memfd::free_swap_bytes())
}

/// The files in which a hierarchy reports limits and usage.
struct Files {
    limit: &'static str,
    usage: &'static str,
    swap_limit: &'static str,
    swap_usage: &'static str,
    /// Fields of `memory.stat` that count file pages, which the kernel can drop.
    cached: [&'static str; 2],
    /// Whether the swap limit is one of memory and swap together.
    swap_with_memory: bool,
}

const V2: Files = Files {
    limit: "memory.max",
    usage: "memory.current",
    swap_limit: "memory.swap.max",
    swap_usage: "memory.swap.current",
    cached: ["inactive_file", "active_file"],
    swap_with_memory: false,
};
const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    swap_limit: "memory.memsw.limit_in_bytes",
    swap_usage: "memory.memsw.usage_in_bytes",
    cached: ["total_inactive_file", "total_active_file"],
    swap_with_memory: true,
};
/// Version 1 reports no limit as `i64::MAX`, rounded down to a page; from here on a value is none.
const UNLIMITED: u64 = i64::MAX as u64 - (1 << 20);

/// As [`room`], from the given contents of `/proc`, with mount points below `root`.
fn room_in(root: &Path, groups: &str, mounts: &str, free_swap: u64) -> Option<Room> {
    let mut least: Option<Room> = None;
    for mount in mounts.lines().filter_map(Mount::parse) {
        let Some(own) = groups.lines().find_map(|line| mount.group(line)) else {
            continue;
        };
        let top = root.join(mount.point.trim_start_matches('/'));
        let own = top.join(mount.below(own));
        for group in own.ancestors().take_while(|group| group.starts_with(&top)) {
            let left = mount.files.left(group, free_swap);
            if let Some(free_bytes) = left
                && least.as_ref().is_none_or(|least| free_bytes < least.free_bytes)
            {
                least = Some(Room { free_bytes, group: group.to_owned() });
            }
        }
    }
    least
}

/// A mount point of a hierarchy that limits memory.
struct Mount<'a> {
    /// The group at the mount point.
    root: &'a str,
    point: &'a str,
    files: &'static Files,
}

impl<'a> Mount<'a> {
    /// Parses a line of `mountinfo`.
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ');
        let (root, point) = (before.nth(3)?, before.next()?);
        let mut after = after.split(' ');
        let files = match (after.next()?, after.nth(1)?) {
            ("cgroup2", _) => &V2,
            ("cgroup", options) if options.split(',').any(|option| option == "memory") => &V1,
            _ => return None,
        };
        Some(Self { root, point, files })
    }

    /// Returns the group that a line of `/proc/PID/cgroup` names, if it is of this hierarchy.
    fn group(&self, line: &'a str) -> Option<&'a str> {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let is_this = if self.files.swap_with_memory {
            controllers.split(',').any(|controller| controller == "memory")
        } else {
            controllers.is_empty()
        };
        is_this.then_some(group)
    }

    /// Returns the path from the mount point to a group. A group outside the mounted one is taken
    /// to be below it, as in a container that shows its host's names.
    fn below(&self, group: &'a str) -> &'a str {
        let root = self.root.trim_end_matches('/');
        match group.strip_prefix(root) {
            Some(rest) if rest.split('/').any(|part| part == "..") => "",
            Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/'),
            _ => "",
        }
    }
}

impl Files {
    /// Returns the bytes left in a group, if it has a limit.
    fn left(&self, group: &Path, free_swap: u64) -> Option<u64> {
        let read = |file| fs::read_to_string(group.join(file)).ok();
        let number = |file| read(file)?.trim().parse::<u64>().ok();
        let limit = |file| number(file).filter(|bytes| *bytes < UNLIMITED);
        let stat = read("memory.stat").unwrap_or_default();
        let cached = |field: &&str| {
            let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
            lines.find_map(|(name, bytes)| (name == *field).then(|| bytes.parse::<u64>().ok())?)
        };
        let cached: u64 = self.cached.iter().filter_map(cached).sum();
        let spare = |limit: u64, usage| {
            limit.saturating_sub(number(usage).unwrap_or(0)).saturating_add(cached)
        };
        let memory = spare(limit(self.limit)?, self.usage);
        let Some(swap_limit) = limit(self.swap_limit) else {
            // Version 2 has this file where swap can be limited; "max" is no limit.
            return Some(memory.saturating_add(free_swap));
        };
        Some(if self.swap_with_memory {
            memory.saturating_add(free_swap).min(spare(swap_limit, self.swap_usage))
        } else {
            let swap = swap_limit.saturating_sub(number(self.swap_usage).unwrap_or(0));
            memory.saturating_add(free_swap.min(swap))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2_MOUNT: &str = "40 31 0:37 / /cg rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
    const V1_MOUNT: &str = "35 31 0:32 / /v1/memory rw,relatime - cgroup cgroup rw,memory\n";
    const MIB: u64 = 1 << 20;

    /// A directory tree that is removed on drop.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir();
            let tree = Self(root.join(format!("shmring-cgroup-{name}-{}", std::process::id())));
            for (path, content) in files {
                let path = tree.0.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            tree
        }

        fn room(&self, groups: &str, mounts: &str, free_swap: u64) -> Option<(u64, String)> {
            let room = room_in(&self.0, groups, mounts, free_swap)?;
            let group = room.group.strip_prefix(&self.0).unwrap();
            Some((room.free_bytes, group.to_str().unwrap().to_owned()))
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    // Catches an overlooked limit of a parent group, "max" taken for a number, and droppable file
    // pages counted as used memory.
    #[test]
    fn the_tightest_group_of_version_2_counts() {
        let tree = Tree::new(
            "v2",
            &[
                ("cg/a/memory.max", "104857600\n"),
                ("cg/a/memory.current", "99614720\n"),
                ("cg/a/memory.stat", "anon 1\ninactive_file 1048576\nactive_file 2097152\n"),
                ("cg/a/memory.swap.max", "0\n"),
                ("cg/a/b/memory.max", "max\n"),
                ("cg/a/b/memory.current", "99614720\n"),
                ("cg/a/b/c/memory.max", "52428800\n"),
                ("cg/a/b/c/memory.current", "10485760\n"),
                ("cg/a/b/c/memory.swap.max", "8388608\n"),
                ("cg/a/b/c/memory.swap.current", "4194304\n"),
            ],
        );
        let found = tree.room("1:name=systemd:/x\n0::/a/b/c\n", V2_MOUNT, 0);
        assert_eq!(found, Some((8 * MIB, "cg/a".to_owned())));
        assert_eq!(tree.room("0::/a\n", V2_MOUNT, 64 * MIB), Some((8 * MIB, "cg/a".to_owned())));
        // Swap counts as far as both the group's limit and the machine's free swap allow.
        let inner = "40 31 0:37 /a/b/c /cg/a/b/c rw - cgroup2 cgroup2 rw\n";
        let at = |mib| Some((mib * MIB, "cg/a/b/c".to_owned()));
        assert_eq!(tree.room("0::/a/b/c\n", inner, 0), at(40));
        assert_eq!(tree.room("0::/a/b/c\n", inner, MIB), at(41));
        assert_eq!(tree.room("0::/a/b/c\n", inner, 64 * MIB), at(44));
        // A container whose own group is at the mount point, under another name or none.
        for group in ["0::/host/name\n", "0::/../other\n", "0::/\n"] {
            assert_eq!(tree.room(group, inner, 0), at(40), "{group}");
        }
        assert_eq!(tree.room("0::/a/b\n", "", 0), None);
        assert_eq!(tree.room("0::/none\n", V2_MOUNT, 0), None);
    }

    // Catches version 1's number for "no limit" taken for a limit, and its combined limit of memory
    // and swap taken for one of swap.
    #[test]
    fn the_tightest_group_of_version_1_counts() {
        let tree = Tree::new(
            "v1",
            &[
                ("v1/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("v1/memory/a/memory.limit_in_bytes", "104857600\n"),
                ("v1/memory/a/memory.usage_in_bytes", "10485760\n"),
                ("v1/memory/a/memory.memsw.limit_in_bytes", "106954752\n"),
                ("v1/memory/a/memory.memsw.usage_in_bytes", "10485760\n"),
                ("v1/memory/a/memory.stat", "inactive_file 7\ntotal_inactive_file 1048576\n"),
                ("v1/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
        );
        let groups = "5:cpu:/z\n4:memory,hugetlb:/a/b\n0::/\n";
        let at = |mib| Some((mib * MIB, "v1/memory/a".to_owned()));
        assert_eq!(tree.room(groups, V1_MOUNT, 0), at(91));
        assert_eq!(tree.room(groups, V1_MOUNT, 64 * MIB), at(93));
        assert_eq!(tree.room("4:memory:/\n", V1_MOUNT, 0), None);
    }

    // Catches a panic, or a limit of zero, on the machine that runs the test.
    #[test]
    fn this_machine_can_be_asked() {
        if let Some(room) = room() {
            assert!(room.group.is_dir(), "{room:?}");
        }
    }
}
