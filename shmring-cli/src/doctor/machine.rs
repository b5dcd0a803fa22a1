//! The facts of a machine, uninterpreted. `None`: the fact could not be read.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::libc;
use nix::sys::stat::Mode;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access, geteuid};
use rustix::process::{Resource, getrlimit};
use rustix::thread::futex;
use rustix::thread::{ClockId, MembarrierCommand, membarrier_query};

use super::trial;

pub(super) const SHM: &str = "/dev/shm";

/// The places of `logind.conf`, and the directories of its drop-ins, in systemd's order. Later
/// ones take precedence, and a file name counts once.
const LOGIND_DIRECTORIES: [&str; 4] =
    ["/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"];

type Text = Option<String>;

/// Success, or the error of the system.
pub(super) type Attempt = Result<(), String>;

/// A limit of a process; an inner `None` is no limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) soft: Option<u64>,
    pub(super) hard: Option<u64>,
}

/// The directory of shared memory objects.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) mode: u32,
    pub(super) is_writable: bool,
    /// 0: no limit.
    pub(super) total_bytes: u64,
    pub(super) free_bytes: u64,
    /// 0: no limit.
    pub(super) total_files: u64,
    pub(super) free_files: u64,
}

/// Limits of POSIX message queues.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    pub(super) max_messages: Text,
    pub(super) max_message_bytes: Text,
    pub(super) max_queues: Text,
    pub(super) bytes: Limit,
}

/// The memory limit of a control group and its usage, as the kernel writes them.
#[derive(Clone, Debug)]
pub(super) struct MemoryGroup {
    pub(super) max: String,
    pub(super) used: String,
    /// memory.stat.
    pub(super) statistics: String,
}

/// A segment that lost its name and is in use.
#[derive(Clone, Debug)]
pub(super) struct Deleted {
    pub(super) name: String,
    pub(super) allocated_bytes: u64,
    pub(super) users: Vec<User>,
}

/// A process that uses a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) pid: u32,
    pub(super) command: String,
}

/// A machine, as this process sees it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(super) uid: u32,
    pub(super) mountinfo: Text,
    pub(super) directory: Option<Directory>,
    pub(super) unnamed_file: Attempt,
    pub(super) locks: Attempt,
    pub(super) has_proc: bool,
    pub(super) trial: trial::Outcome,
    /// Segments that lost their names and are in use.
    pub(super) deleted: Vec<Deleted>,
    pub(super) meminfo: Text,
    pub(super) shmem_enabled: Text,

    pub(super) locked_memory: Limit,
    pub(super) open_files: Limit,
    pub(super) addresses: Limit,
    pub(super) inotify_instances: Text,
    pub(super) queues: Queues,

    pub(super) release: Text,
    pub(super) has_global_barrier: bool,
    pub(super) futex_waitv: Attempt,
    pub(super) ptrace_scope: Text,
    pub(super) clock_source: Text,
    pub(super) cpus: usize,
    pub(super) cpu_max: Text,
    pub(super) copy_routine: String,
    pub(super) has_logind: bool,
    /// Files with lower precedence first.
    pub(super) logind_configs: Vec<String>,

    pub(super) status: Text,
    /// Files, variables and names that indicate a container.
    pub(super) container_hints: Vec<String>,
    pub(super) pid_namespace: Option<u64>,
    pub(super) memory_groups: Vec<MemoryGroup>,
}

impl Machine {
    pub(crate) fn read() -> Self {
        let (unnamed_file, locks) = try_files();
        let cgroup = read("/proc/self/cgroup").unwrap_or_default();
        Self {
            uid: geteuid().as_raw(),
            mountinfo: read("/proc/self/mountinfo"),
            directory: directory(),
            unnamed_file,
            locks,
            has_proc: fs::exists("/proc/thread-self/fd").unwrap_or(false),
            // Before the trial, which creates and removes a segment.
            deleted: deleted(),
            trial: trial::run(),
            meminfo: read("/proc/meminfo"),
            shmem_enabled: read("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
            locked_memory: limit(Resource::Memlock),
            open_files: limit(Resource::Nofile),
            addresses: limit(Resource::As),
            inotify_instances: read("/proc/sys/fs/inotify/max_user_instances"),
            queues: Queues {
                max_messages: read("/proc/sys/fs/mqueue/msg_max"),
                max_message_bytes: read("/proc/sys/fs/mqueue/msgsize_max"),
                max_queues: read("/proc/sys/fs/mqueue/queues_max"),
                bytes: limit(Resource::Msgqueue),
            },
            release: read("/proc/sys/kernel/osrelease"),
            has_global_barrier: [
                MembarrierCommand::GlobalExpedited,
                MembarrierCommand::RegisterGlobalExpedited,
            ]
            .iter()
            .all(|command| membarrier_query().contains_command(*command)),
            futex_waitv: try_waitv(),
            ptrace_scope: read("/proc/sys/kernel/yama/ptrace_scope"),
            clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            cpu_max: group_file(&cgroup, "cpu.max"),
            copy_routine: shmring::copy_routine(),
            // Only if systemd started the system.
            has_logind: fs::exists("/run/systemd/system").unwrap_or(false),
            logind_configs: logind_configs(),
            status: read("/proc/self/status"),
            container_hints: container_hints(&cgroup),
            pid_namespace: fs::metadata("/proc/self/ns/pid").ok().map(|stat| stat.ino()),
            memory_groups: memory_groups(&cgroup),
        }
    }
}

fn deleted() -> Vec<Deleted> {
    let user = |pid: u32| {
        let command = read(&format!("/proc/{pid}/comm")).unwrap_or_default();
        User { pid, command }
    };
    let of = |one: shmring::Deleted| Deleted {
        name: one.name,
        allocated_bytes: one.allocated_bytes,
        users: one.pids.into_iter().map(user).collect(),
    };
    // Without the directory there are none; another check reports that.
    shmring::list_deleted().unwrap_or_default().into_iter().map(of).collect()
}

fn read(path: &str) -> Text {
    fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

fn limit(resource: Resource) -> Limit {
    let limit = getrlimit(resource);
    Limit { soft: limit.current, hard: limit.maximum }
}

fn directory() -> Option<Directory> {
    let (stat, space) = (fs::metadata(SHM).ok()?, statvfs(SHM).ok()?);
    Some(Directory {
        mode: stat.mode() & 0o7777,
        is_writable: access(SHM, AccessFlags::W_OK | AccessFlags::X_OK).is_ok(),
        total_bytes: space.blocks().saturating_mul(space.fragment_size()),
        free_bytes: space.blocks_available().saturating_mul(space.fragment_size()),
        total_files: space.files(),
        free_files: space.files_available(),
    })
}

/// Tests whether shared memory has files without a name, and locks of open file descriptions on
/// them.
fn try_files() -> (Attempt, Attempt) {
    let failed = |call: &str, errno: Errno| format!("{call}: {}", errno.desc());
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let file = match open(SHM, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(file) => File::from(file),
        Err(errno) => return (Err(failed("open(O_TMPFILE)", errno)), try_lock_anywhere()),
    };
    (Ok(()), try_lock(&file).map_err(|errno| failed("fcntl(F_OFD_SETLK)", errno)))
}

/// Tests whether the kernel has the locks, on any file.
fn try_lock_anywhere() -> Attempt {
    let file = File::open("/proc/self/exe").map_err(|error| error.to_string())?;
    try_lock(&file).map_err(|errno| format!("fcntl(F_OFD_SETLK): {}", errno.desc()))
}

fn try_lock(file: &File) -> Result<(), Errno> {
    let lock = libc::flock {
        l_type: libc::F_RDLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock)).map(|_| ())
}

/// Waits for no futexes: if the call exists, that is `EINVAL`.
fn try_waitv() -> Attempt {
    match futex::waitv(&[], futex::WaitvFlags::empty(), None, ClockId::Monotonic) {
        Ok(_) | Err(rustix::io::Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno.to_string()),
    }
}

fn logind_configs() -> Vec<String> {
    let mut paths: Vec<String> =
        LOGIND_DIRECTORIES.iter().map(|directory| format!("{directory}/logind.conf")).collect();
    let mut extra = std::collections::BTreeMap::new();
    for directory in LOGIND_DIRECTORIES {
        for entry in fs::read_dir(format!("{directory}/logind.conf.d")).into_iter().flatten() {
            let Ok(entry) = entry else { continue };
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                extra.insert(entry.file_name(), path.display().to_string());
            }
        }
    }
    paths.extend(extra.into_values());
    paths.iter().filter_map(|path| read(path)).collect()
}

fn container_hints(cgroup: &str) -> Vec<String> {
    let mut hints: Vec<String> = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"]
        .iter()
        .filter(|path| fs::exists(path).unwrap_or(false))
        .map(|path| (*path).to_owned())
        .collect();
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        hints.push("KUBERNETES_SERVICE_HOST".to_owned());
    }
    let names = ["docker", "kubepods", "libpod", "lxc", "containerd"];
    hints.extend(
        names
            .iter()
            .filter(|name| cgroup.contains(**name))
            .map(|name| format!("control group of {name}")),
    );
    hints
}

/// Returns the directories of this process's control groups, that of memory in the old hierarchy
/// and that of the new one, and of the groups above them.
fn group_paths(cgroup: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for line in cgroup.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let root = match controllers {
            "" => "/sys/fs/cgroup".to_owned(),
            _ if controllers.split(',').any(|one| one == "memory") => {
                format!("/sys/fs/cgroup/{controllers}")
            }
            _ => continue,
        };
        // In a container the path is often that of the host. The limits of the groups above
        // count, too.
        let mut path = path.trim_end_matches('/');
        loop {
            paths.push(format!("{root}{path}"));
            match path.rsplit_once('/') {
                Some((above, _)) => path = above,
                None => break,
            }
        }
    }
    paths
}

fn memory_groups(cgroup: &str) -> Vec<MemoryGroup> {
    let of = |path: &String| {
        let either = |new: &str, old: &str| {
            read(&format!("{path}/{new}")).or_else(|| read(&format!("{path}/{old}")))
        };
        Some(MemoryGroup {
            max: either("memory.max", "memory.limit_in_bytes")?,
            used: either("memory.current", "memory.usage_in_bytes")?,
            statistics: read(&format!("{path}/memory.stat")).unwrap_or_default(),
        })
    };
    group_paths(cgroup).iter().filter_map(of).collect()
}

/// Reads a file of this process's control group in the new hierarchy.
fn group_file(cgroup: &str, file: &str) -> Text {
    group_paths(cgroup).iter().find_map(|path| read(&format!("{path}/{file}")))
}
