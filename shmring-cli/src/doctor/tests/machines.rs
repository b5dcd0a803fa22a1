//! Machines that are well, and machines that are not, in one way each.

use super::super::Level::{self, Note, Ok, Problem, Warning};
use super::super::examine;
use super::super::machine::{Deleted, Directory, Limit, Machine, MemoryGroup, Queues, User};
use super::{assert_proper, expect};

const GIB: u64 = 1 << 30;
const MOUNTS: &str = "\
22 1 0:21 / /dev rw,nosuid - devtmpfs devtmpfs rw\n\
25 22 0:23 / /dev/shm rw,nosuid,nodev - tmpfs tmpfs rw,huge=advise\n\
26 22 0:24 / /dev/shmem ro - ext4 /dev/sda rw";

/// A machine that nothing is to be said about.
fn well() -> Machine {
    let text = |text: &str| Some(text.to_owned());
    let unlimited = Limit { soft: None, hard: None };
    Machine {
        uid: 1000,
        mountinfo: text(MOUNTS),
        directory: Some(Directory {
            mode: 0o1777,
            is_writable: true,
            total_bytes: 8 * GIB,
            free_bytes: 7 * GIB,
            total_files: 1000,
            free_files: 900,
        }),
        unnamed_file: Result::Ok(()),
        locks: Result::Ok(()),
        has_proc: true,
        trial: Result::Ok(std::time::Duration::from_millis(3)),
        deleted: Vec::new(),
        meminfo: text(
            "MemTotal: 100 kB\nSwapTotal: 0 kB\nHugePages_Total: 0\nHugepagesize: 2048 kB",
        ),
        shmem_enabled: text("always within_size [advise] never deny force"),
        locked_memory: unlimited,
        open_files: Limit { soft: Some(1024), hard: Some(4096) },
        addresses: unlimited,
        inotify_instances: text("128"),
        queues: Queues {
            max_messages: text("10"),
            max_message_bytes: text("8192"),
            max_queues: text("256"),
            bytes: Limit { soft: Some(819_200), hard: Some(819_200) },
        },
        release: text("6.18.0-generic"),
        has_global_barrier: true,
        futex_waitv: Result::Ok(()),
        ptrace_scope: text("1"),
        clock_source: text("tsc"),
        cpus: 8,
        cpu_max: text("max 100000"),
        copy_routine: "stores by blocks".to_owned(),
        has_logind: false,
        logind_configs: Vec::new(),
        status: text("CapEff:\t0000000000000000\nSeccomp:\t0\n"),
        container_hints: Vec::new(),
        pid_namespace: Some(4_026_531_836),
        memory_groups: Vec::new(),
    }
}

/// A machine that differs in one thing from one that is well, and what is said about it.
#[track_caller]
fn differing(change: impl FnOnce(&mut Machine), check: &str, level: Level, words: &[&str]) {
    let mut machine = well();
    change(&mut machine);
    let groups = examine(&machine);
    expect(&groups, check, level, words);
    // Nothing else is wrong with it.
    for finding in groups.iter().flat_map(|group| &group.findings) {
        assert_proper(finding);
        assert!(finding.level == Ok || finding.check == check, "{finding:?}");
    }
}

// Catches a warning about a machine without faults.
#[test]
fn a_machine_that_is_well() {
    for group in examine(&well()) {
        for finding in group.findings {
            assert_eq!(finding.level, Ok, "{finding:?}");
            assert_proper(&finding);
        }
    }
}

// Catches shared memory that is missing, on a disk or not writable and is not told so, and
// a file system of a similar name that is taken for it.
#[test]
fn where_shared_memory_is() {
    let mounts = |from: &str, to: &str| Some(MOUNTS.replace(from, to));
    let check = "shm-mount";
    differing(
        |m| (m.directory, m.mountinfo) = (None, Some(String::new())),
        check,
        Problem,
        &["no /dev/shm", "mount -t tmpfs"],
    );
    differing(|m| m.mountinfo = mounts("/dev/shm ", "/else "), check, Warning, &["directory"]);
    differing(
        |m| m.mountinfo = mounts("shm rw", "shm ro"),
        check,
        Problem,
        &["reading only", "remount,rw"],
    );
    differing(
        |m| m.mountinfo = mounts("tmpfs tmpfs rw,huge", "ext4 /dev/sdb rw,huge"),
        check,
        Warning,
        &["ext4"],
    );
    differing(
        |m| m.mountinfo = mounts("tmpfs tmpfs rw,huge", "ramfs x rw,huge"),
        check,
        Problem,
        &["ramfs", "fallocate", "mount -t tmpfs"],
    );
    differing(|m| m.mountinfo = None, check, Note, &["cannot be read"]);
    // What is mounted last is what is seen.
    let twice = "25 22 0:23 / /dev/shm ro - ext4 x rw\n".to_owned() + MOUNTS;
    differing(|m| m.mountinfo = Some(twice), check, Ok, &["tmpfs"]);
}

// Catches a machine whose parts are all well and on which no ring works.
#[test]
fn a_ring_that_was_tried() {
    use super::super::trial::Step;
    let failed = |step, why: &str| (step, why.to_owned());
    let (create, death) = (failed(Step::Create, "fallocate"), failed(Step::Death, "10s"));
    differing(|m| m.trial = Err(create), "trial", Problem, &["fallocate", "mount -t tmpfs"]);
    differing(|m| m.trial = Err(death), "trial", Problem, &["death", "role is never free"]);
    differing(|m| m.has_proc = false, "proc", Problem, &["mount -t proc"]);
}

// Catches memory that is missing in `df` and that no finding explains.
#[test]
fn segments_that_lost_their_names() {
    let user = |pid| User { pid, command: "old\x1b[2J".to_owned() };
    let one = |name: &str| Deleted {
        name: name.to_owned(),
        allocated_bytes: 64 << 20,
        users: vec![user(42), user(43)],
    };
    let words = ["prices (64 MiB, used by pid 42 (old\\u{1b}[2J), pid 43", "shmring ls"];
    differing(|m| m.deleted = vec![one("prices")], "deleted-segments", Warning, &words);
    let many = |m: &mut Machine| m.deleted = (0..6).map(|_| one("prices")).collect();
    differing(many, "deleted-segments", Warning, &["2 more"]);
}

// Catches a full, small or closed directory that passes for a good one.
#[test]
fn what_shared_memory_has_room_for() {
    let with = |change: fn(&mut Directory)| {
        move |machine: &mut Machine| change(machine.directory.as_mut().expect("a directory"))
    };
    let space = "shm-space";
    differing(with(|d| d.free_bytes = 1 << 20), space, Problem, &["1 MiB of 8 GiB", "create"]);
    differing(with(|d| d.free_bytes = 8 << 20), space, Warning, &["8 MiB", "remount,size"]);
    let container = with(|d| (d.total_bytes, d.free_bytes) = (64 << 20, 60 << 20));
    differing(container, space, Note, &["64 MiB", "--shm-size"]);
    differing(with(|d| (d.total_bytes, d.free_bytes) = (0, 0)), space, Ok, &["no size limit"]);
    differing(with(|d| d.free_files = 0), "shm-files", Problem, &["nr_inodes"]);
    differing(with(|d| (d.total_files, d.free_files) = (0, 0)), "shm-files", Ok, &["any number"]);
    let closed = with(|d| (d.mode, d.is_writable) = (0o755, false));
    differing(closed, "shm-access", Problem, &["0755", "chmod 1777"]);
    differing(with(|d| d.mode = 0o777), "shm-access", Warning, &["sticky", "chmod +t"]);
}

// Catches what the kernel lacks being passed over.
#[test]
fn what_the_kernel_lacks() {
    let missing = || Err("fcntl: EINVAL".to_owned());
    differing(|m| m.unnamed_file = missing(), "unnamed-files", Note, &["EINVAL", ".shmring-"]);
    differing(|m| m.locks = missing(), "ofd-locks", Problem, &["EINVAL", "4.14"]);
    differing(
        |m| m.has_global_barrier = false,
        "membarrier",
        Warning,
        &["4.16", "Processes here fence"],
    );
    let release = |text: &'static str| move |m: &mut Machine| m.release = Some(text.to_owned());
    differing(release("4.9.0-13-amd64"), "kernel", Problem, &["4.9.0", "4.14"]);
    differing(release("5.4.0"), "kernel", Note, &["prefault"]);
    differing(release("5.15.0"), "kernel", Ok, &[]);
    differing(release("nonsense"), "kernel", Note, &["cannot be read"]);
}

// Catches a kernel without the call being told that a filter refuses it, or the other way round,
// and a cost that is not said.
#[test]
fn a_machine_that_polls_several_rings() {
    for (release, words) in [
        (Some("5.15.0-91-generic"), ["kernel has no", "5.16"]),
        (Some("5.16.0"), ["may not call", "filtered"]),
        (Some("6.18.0"), ["may not call", "filtered"]),
        (None, ["may not call", "filtered"]),
    ] {
        let mut machine = well();
        machine.release = release.map(str::to_owned);
        machine.futex_waitv = Err("Function not implemented (os error 38)".to_owned());
        let words = [&words[..], &["os error 38", "1 ms later", "thread of its own"]].concat();
        expect(&examine(&machine), "futex-waitv", Note, &words);
        machine.futex_waitv = Result::Ok(());
        expect(&examine(&machine), "futex-waitv", Ok, &["sleeps"]);
    }
}

// Catches huge pages that are promised where there are none, and the wrong switch for
// named or for sealed segments.
#[test]
fn huge_pages() {
    let (named, sealed) = ("huge-pages-named", "huge-pages-sealed");
    let mount = |huge: &str| Some(MOUNTS.replace(",huge=advise", huge));
    differing(|m| m.mountinfo = mount(""), named, Note, &["never", "remount,huge=within_size"]);
    differing(|m| m.mountinfo = mount(",huge=always"), named, Ok, &["without asking"]);
    let enabled =
        |choice: &'static str| move |m: &mut Machine| m.shmem_enabled = Some(choice.to_owned());
    differing(enabled("advise [never] deny"), sealed, Note, &["echo within_size", "shmem_enabled"]);
    differing(enabled("[always] never"), sealed, Ok, &["always"]);
    differing(|m| m.shmem_enabled = None, sealed, Note, &["kernel has none"]);
    // It decides for both.
    let mut machine = well();
    enabled("never [deny] force")(&mut machine);
    let groups = examine(&machine);
    expect(&groups, named, Note, &["deny", "echo within_size"]);
    expect(&groups, sealed, Note, &["deny"]);
    let pool = "SwapTotal: 0 kB\nHugePages_Total: 512\nHugepagesize: 2048 kB";
    differing(|m| m.meminfo = Some(pool.to_owned()), "huge-page-pool", Note, &["1 GiB"]);
}

// Catches a limit that is read as none, and a capability that is not looked at.
#[test]
fn limits() {
    let limit = |soft, hard| Limit { soft: Some(soft), hard: Some(hard) };
    let memlock = "memlock";
    differing(
        |m| m.locked_memory = limit(65_536, 65_536),
        memlock,
        Note,
        &["64 KiB", "limits.conf"],
    );
    differing(|m| m.locked_memory = limit(65_536, 1 << 30), memlock, Note, &["ulimit -l hard"]);
    differing(|m| m.locked_memory = limit(64 << 20, 64 << 20), memlock, Ok, &["64 MiB"]);
    differing(
        |m| {
            m.locked_memory = limit(0, 0);
            m.status = Some("CapEff:\t0000000000004000\nSeccomp:\t0".to_owned());
        },
        memlock,
        Ok,
        &["CAP_IPC_LOCK"],
    );
    differing(|m| m.open_files = limit(16, 16), "open-files", Warning, &["16", "ulimit -n"]);
    differing(|m| m.addresses = limit(GIB, GIB), "address-space", Note, &["1 GiB", "ulimit -v"]);
    let few = |m: &mut Machine| m.inotify_instances = Some("8".to_owned());
    differing(few, "inotify", Note, &["8", "max_user_instances"]);
    differing(|m| m.inotify_instances = None, "inotify", Note, &["100 ms"]);
    let queues = "message-queues";
    differing(|m| m.queues.max_messages = None, queues, Note, &["no POSIX message queues"]);
    differing(|_| {}, queues, Ok, &["10 messages of 8192 bytes", "256", "800 KiB"]);
    let swap = "SwapTotal: 1048576 kB\nHugePages_Total: 0\nHugepagesize: 2048 kB";
    differing(|m| m.meminfo = Some(swap.to_owned()), "swap", Note, &["1 GiB", "--lock"]);
}

// Catches a slow clock, a lonely CPU and a guarded process that go unmentioned.
#[test]
fn the_machine() {
    let clock =
        |source: &'static str| move |m: &mut Machine| m.clock_source = Some(source.to_owned());
    differing(clock("hpet"), "clock", Warning, &["hpet", "system call"]);
    differing(clock("kvm-clock"), "clock", Ok, &["kvm-clock"]);
    differing(clock("arch_sys_counter"), "clock", Ok, &[]);
    differing(|m| m.cpus = 1, "cpus", Note, &["1 CPU", "WaitMode::Block"]);
    let quota = |max: &'static str| move |m: &mut Machine| m.cpu_max = Some(max.to_owned());
    differing(quota("150000 100000"), "cpus", Note, &["8 CPUs", "1.5 CPUs"]);
    differing(quota("400000 100000"), "cpus", Ok, &["4.0"]);
    let scope = |text: &'static str| move |m: &mut Machine| m.ptrace_scope = Some(text.to_owned());
    differing(scope("2"), "ptrace", Note, &["root"]);
    differing(scope("3"), "ptrace", Note, &["no process"]);
    differing(|m| m.ptrace_scope = None, "ptrace", Ok, &[]);
}

// Catches a setting that is not found, or overruled by one with less weight, or by a comment.
#[test]
fn segments_that_go_at_logout() {
    let logind = |configs: &'static [&'static str]| {
        move |m: &mut Machine| {
            m.has_logind = true;
            m.logind_configs = configs.iter().map(|text| (*text).to_owned()).collect();
        }
    };
    let check = "remove-ipc";
    differing(logind(&[]), check, Warning, &["RemoveIPC=no", "enable-linger"]);
    differing(logind(&["[Login]\n#RemoveIPC=no"]), check, Warning, &[]);
    differing(logind(&["[Login]\nRemoveIPC=no\n"]), check, Ok, &["RemoveIPC=no"]);
    differing(logind(&["RemoveIPC=no", "RemoveIPC = yes"]), check, Warning, &[]);
    differing(logind(&["RemoveIPC=yes", "[Login]", "RemoveIPC=off"]), check, Ok, &[]);
    differing(
        |m| {
            logind(&[])(m);
            m.uid = 33;
        },
        check,
        Ok,
        &["logind keeps"],
    );
}

// Catches a container that is not noticed, or a limit that is not the tightest one.
#[test]
fn containers() {
    let hint = |m: &mut Machine| m.container_hints = vec!["/.dockerenv".to_owned()];
    differing(hint, "container", Note, &["/.dockerenv", "--ipc", "shmring serve"]);
    differing(|m| m.pid_namespace = Some(4_026_532_200), "pid-namespace", Note, &["own"]);
    differing(|m| m.pid_namespace = None, "pid-namespace", Note, &["cannot be read"]);
    let filtered = |m: &mut Machine| m.status = Some("CapEff:\t0\nSeccomp:\t2".to_owned());
    differing(filtered, "seccomp", Note, &["membarrier"]);

    let group = |max: &str, used: &str, statistics: &str| MemoryGroup {
        max: max.to_owned(),
        used: used.to_owned(),
        statistics: statistics.to_owned(),
    };
    let groups = |groups: Vec<MemoryGroup>| move |m: &mut Machine| m.memory_groups = groups;
    let memory = "memory-limit";
    let mib = |count: u64| (count << 20).to_string();
    differing(
        groups(vec![group("max", "5", ""), group("9223372036854771712", "5", "")]),
        memory,
        Ok,
        &["no memory limit"],
    );
    let two = vec![group(&mib(4096), &mib(1024), ""), group(&mib(512), &mib(256), "")];
    differing(groups(two), memory, Note, &["256 MiB of 512 MiB"]);
    differing(
        groups(vec![group(&mib(512), &mib(500), "anon 5")]),
        memory,
        Warning,
        &["12 MiB of 512 MiB", "memory.max"],
    );
    // Files that the kernel keeps are no reason to warn.
    let kept = format!("anon 5\ninactive_file {}\nactive_file {}", mib(200), mib(100));
    differing(groups(vec![group(&mib(512), &mib(500), &kept)]), memory, Note, &["312 MiB"]);
}

// Catches a machine that can be read in part only and ends the command.
#[test]
fn a_machine_that_tells_nothing() {
    let mut machine = well();
    machine.mountinfo = None;
    machine.meminfo = None;
    machine.shmem_enabled = None;
    machine.release = None;
    machine.clock_source = None;
    machine.cpu_max = None;
    machine.status = None;
    for finding in examine(&machine).iter().flat_map(|group| &group.findings) {
        assert_proper(finding);
        assert!(finding.level < Problem, "{finding:?}");
    }
}
