//! The memory limit of a control group.

use std::fs;
use std::path::{Path, PathBuf};

use shmring::{Config, CreateError, Segment};

use crate::common::child::{self, say};
use crate::common::{Name, watchdog};

const LIMIT_BYTES: u64 = 64 << 20;

/// A control group of its own, removed in the end.
struct Group(PathBuf);

impl Group {
    /// One with a memory limit; `None` where this process may not make one.
    fn new() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = |mark: &str| own.lines().find_map(|line| Some(line.split_once(mark)?.1));
        let places = [
            (own(":memory:"), "/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            (own("0::"), "/sys/fs/cgroup", "memory.max"),
        ];
        places.into_iter().find_map(|(own, top, file)| {
            let parent = Path::new(top).join(own?.trim_start_matches('/'));
            let group = Self(parent.join(format!("shmring-test-{}", std::process::id())));
            fs::create_dir(&group.0).ok()?;
            // To create a file would do for an ordinary directory.
            let file = group.0.join(file);
            (file.exists() && fs::write(file, LIMIT_BYTES.to_string()).is_ok()).then_some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// In a child: makes a segment that its group has no memory for, and one that it has.
pub(crate) fn limited(args: &[String]) {
    let [name, group] = args else {
        panic!("a name and a group");
    };
    fs::write(Path::new(group).join("cgroup.procs"), std::process::id().to_string()).unwrap();
    let large = Config::spsc().capacity_bytes(4 * LIMIT_BYTES);
    for made in [Segment::create(name, &large), Segment::create_sealed("sealed", &large)] {
        match made.unwrap_err() {
            CreateError::NoMemory { needed_bytes, free_bytes, group: found, .. } => {
                assert!(free_bytes <= LIMIT_BYTES && LIMIT_BYTES < needed_bytes, "{free_bytes}");
                assert_eq!(found.as_deref(), Some(Path::new(group)));
            }
            error => panic!("{error}"),
        }
    }
    assert!(!Path::new("/dev/shm").join(name).exists());
    drop(Segment::create(name, &Config::spsc().capacity_bytes(LIMIT_BYTES / 4)).unwrap());
    Segment::unlink(name).unwrap();
    say("refused, made");
}

/// Catches a segment for which the kernel ends its creator, or another process of its group.
#[test]
fn a_segment_beyond_the_limit_of_a_group_is_refused() {
    let _watchdog = watchdog("a_segment_beyond_the_limit_of_a_group_is_refused");
    let Some(group) = Group::new() else {
        return println!("skipped: no control group with a memory limit can be made");
    };
    let name = Name::new();
    let said = child::start("group", &[&name, group.0.to_str().unwrap()]).finish();
    assert_eq!(said, ["refused, made"]);
}
