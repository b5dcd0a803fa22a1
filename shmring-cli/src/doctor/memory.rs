//! The memory of segments.

use super::Finding;
use super::Level::{Note, Problem, Warning};
use super::machine::{Attempt, Deleted, Directory, Machine, SHM};
use super::segment::shown;
use super::trial;
use crate::report::{bytes, printable};

/// The default size of a container's shared memory.
const CONTAINER_DEFAULT_BYTES: u64 = 64 << 20;
/// Less free memory than a segment of the default size takes, with its tables.
const SMALLEST_USEFUL_BYTES: u64 = 5 << 18;
/// More segments that lost their names than this are counted instead of named.
const MAX_DELETED: usize = 4;
/// Less free memory than a few of them take.
const SCARCE_BYTES: u64 = 16 << 20;

pub(super) fn checks(machine: &Machine) -> Vec<Finding> {
    let mount = machine.mountinfo.as_deref().and_then(Mount::of_shared_memory);
    let directory = machine.directory.as_ref();
    let is_known = machine.mountinfo.is_some();
    let mut checks = vec![mounted(mount.as_ref(), directory.is_some(), is_known)];
    if let Some(directory) = directory {
        checks.extend([access(directory), space(directory), files(directory)]);
    }
    checks.extend([unnamed_files(&machine.unnamed_file), locks(&machine.locks)]);
    checks.extend([
        proc(machine.has_proc),
        trial::check(&machine.trial),
        deleted(&machine.deleted),
    ]);
    if let Some(mount) = &mount {
        checks.push(named_huge_pages(mount, machine.shmem_enabled.as_deref()));
    }
    checks.extend([
        sealed_huge_pages(machine.shmem_enabled.as_deref()),
        huge_page_pool(machine.meminfo.as_deref()),
        swap(machine.meminfo.as_deref()),
    ]);
    checks
}

/// A mount, from a line of mountinfo.
#[derive(Debug)]
struct Mount<'a> {
    file_system: &'a str,
    /// The options of the mount and of the file system.
    options: [&'a str; 2],
}

impl<'a> Mount<'a> {
    /// Returns the mount of a path: the last one hides the others.
    fn of_shared_memory(mountinfo: &'a str) -> Option<Self> {
        let line = mountinfo.lines().rfind(|line| line.split(' ').nth(4) == Some(SHM))?;
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = file_system.split(' ');
        Some(Self {
            file_system: fields.next()?,
            options: [mount.split(' ').nth(5)?, fields.nth(1).unwrap_or_default()],
        })
    }

    /// Returns the value of an option, which is empty if it has none.
    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().flat_map(|options| options.split(',')).find_map(|option| {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            (key == name).then_some(value)
        })
    }
}

/// Adds the command that mounts a tmpfs.
pub(super) fn mount_tmpfs(finding: Finding, remedy: &str) -> Finding {
    finding.remedy(remedy).command(format!("mount -t tmpfs -o mode=1777 tmpfs {SHM}"))
}

fn mounted(mount: Option<&Mount<'_>>, exists: bool, is_known: bool) -> Finding {
    const CHECK: &str = "shm-mount";
    match mount {
        _ if !exists => Finding::new(
            CHECK,
            Problem,
            format!("there is no {SHM}"),
            "No named segment can be made. Sealed ones, from `shmring serve`, work.",
        )
        .remedy("Mount a tmpfs there:")
        .command(format!("mkdir -p {SHM} && mount -t tmpfs -o mode=1777 tmpfs {SHM}")),
        None if !is_known => Finding::unknown(CHECK, "the list of mounts"),
        None => mount_tmpfs(
            Finding::new(
                CHECK,
                Warning,
                format!("{SHM} is a directory of some other file system"),
                "If that is on a disk, what is sent may be written there, which is slow.",
            ),
            "Mount a tmpfs there:",
        ),
        Some(mount) if mount.option("ro").is_some() => Finding::new(
            CHECK,
            Problem,
            format!("{SHM} is mounted for reading only"),
            "No named segment can be made or used.",
        )
        .remedy("Mount it for writing:")
        .command(format!("mount -o remount,rw {SHM}")),
        Some(mount) if mount.file_system == "ramfs" => mount_tmpfs(
            Finding::new(
                CHECK,
                Problem,
                format!("{SHM} is a ramfs"),
                "It cannot set memory aside for a file (fallocate), so no named segment can be made.",
            ),
            "Mount a tmpfs there:",
        ),
        Some(mount) if mount.file_system != "tmpfs" => mount_tmpfs(
            Finding::new(
                CHECK,
                Warning,
                format!("{SHM} is a file system of the type {}", mount.file_system),
                "Rings are made for tmpfs. On a disk, what is sent is written there.",
            ),
            "Mount a tmpfs there:",
        ),
        Some(_) => Finding::ok(
            CHECK,
            format!("{SHM} is a tmpfs, mounted for writing"),
            "Named segments are files there.",
        ),
    }
}

fn access(directory: &Directory) -> Finding {
    const CHECK: &str = "shm-access";
    const STICKY: u32 = 0o1000;
    const EVERYBODY_WRITES: u32 = 0o002;
    let mode = format!("{SHM} has mode {:04o}", directory.mode);
    if !directory.is_writable {
        return Finding::new(
            CHECK,
            Problem,
            format!("{mode}, and this user may not write there"),
            "This user can make no named segment, only use those of others.",
        )
        .remedy("Give it the mode that it has everywhere else:")
        .command(format!("chmod 1777 {SHM}"));
    }
    if directory.mode & (STICKY | EVERYBODY_WRITES) == EVERYBODY_WRITES {
        return Finding::new(
            CHECK,
            Warning,
            format!("{mode}, without the sticky bit"),
            "Any user can remove and replace the segments of any other.",
        )
        .remedy("Set the bit:")
        .command(format!("chmod +t {SHM}"));
    }
    Finding::ok(CHECK, mode, "This user can make named segments; only owners remove theirs.")
}

fn space(directory: &Directory) -> Finding {
    const CHECK: &str = "shm-space";
    let Directory { total_bytes: total, free_bytes: free, .. } = *directory;
    if total == 0 {
        let means = "Segments can take all memory that there is.";
        return Finding::ok(CHECK, format!("{SHM} has no size limit"), means);
    }
    let found = format!("{} of {} are free in {SHM}", bytes(free), bytes(total));
    let is_default = total == CONTAINER_DEFAULT_BYTES;
    let (level, means) = if free < SMALLEST_USEFUL_BYTES {
        (Problem, "A ring of the default size no longer fits: `create` fails.")
    } else if free < SCARCE_BYTES {
        (Warning, "There is room for a few small rings and then no more.")
    } else if is_default {
        (Note, "That is what containers get unless asked for more. Large rings do not fit.")
    } else {
        return Finding::ok(CHECK, found, "A segment takes all its memory when it is made.");
    };
    let finding = Finding::new(CHECK, level, found, means);
    if is_default {
        finding
            .remedy("Start the container with more, or share that of the host (--ipc=host):")
            .command("docker run --shm-size=1g ...")
    } else {
        finding
            .remedy("Remove unused segments (`shmring unlink --stale NAME`), or enlarge it:")
            .command(format!("mount -o remount,size=4G {SHM}"))
    }
}

fn files(directory: &Directory) -> Finding {
    const CHECK: &str = "shm-files";
    let Directory { total_files: total, free_files: free, .. } = *directory;
    if total > 0 && free == 0 {
        return Finding::new(
            CHECK,
            Problem,
            format!("all {total} files that {SHM} may have are there"),
            "No named segment can be made.",
        )
        .remedy("Remove some, or allow for more:")
        .command(format!("mount -o remount,nr_inodes=100k {SHM}"));
    }
    let found = if total == 0 {
        format!("{SHM} may have any number of files")
    } else {
        format!("{SHM} has room for {free} more files")
    };
    Finding::ok(CHECK, found, "A named segment is one file.")
}

fn unnamed_files(attempt: &Attempt) -> Finding {
    const CHECK: &str = "unnamed-files";
    match attempt {
        Ok(()) => Finding::ok(
            CHECK,
            format!("{SHM} has files without a name (O_TMPFILE)"),
            "A process that dies while it creates a segment leaves nothing behind.",
        ),
        Err(answer) => Finding::new(
            CHECK,
            Note,
            format!("{SHM} has no files without a name: {answer}"),
            "Segments are made under a name of the form .shmring-PID-N first. A process \
             that is killed at that moment leaves the file behind.",
        )
        .remedy("Remove such files when their process is gone."),
    }
}

fn locks(attempt: &Attempt) -> Finding {
    const CHECK: &str = "ofd-locks";
    match attempt {
        Ok(()) => Finding::ok(
            CHECK,
            "there are locks of open file descriptions",
            "The kernel shows which processes are alive.",
        ),
        Err(answer) => Finding::new(
            CHECK,
            Problem,
            format!("there are no locks of open file descriptions: {answer}"),
            "No process can be shown to be alive, so no segment can be created or used.",
        )
        .remedy("Use Linux 4.14 or later, not a sandbox that imitates it."),
    }
}

fn proc(has_proc: bool) -> Finding {
    const CHECK: &str = "proc";
    if has_proc {
        return Finding::ok(CHECK, "there is /proc", "A file can be opened once more through it.");
    }
    Finding::new(
        CHECK,
        Problem,
        "there is no /proc",
        "No segment can be made or attached: a file is opened once more through it.",
    )
    .remedy("Mount it:")
    .command("mount -t proc proc /proc")
}

fn deleted(deleted: &[Deleted]) -> Finding {
    const CHECK: &str = "deleted-segments";
    if deleted.is_empty() {
        return Finding::ok(
            CHECK,
            "no segment that lost its name is known to be in use",
            "What /dev/shm lists is all that segments take.",
        );
    }
    let show = |one: &Deleted| {
        let users = shown(&one.users);
        format!("{} ({}, used by {users})", printable(&one.name), bytes(one.allocated_bytes))
    };
    let mut which: Vec<_> = deleted.iter().take(MAX_DELETED).map(show).collect();
    if deleted.len() > MAX_DELETED {
        which.push(format!("{} more", deleted.len() - MAX_DELETED));
    }
    Finding::new(
        CHECK,
        Warning,
        format!("segments lost their names and are in use: {}", which.join(", ")),
        "Their memory is taken and no process can join them. It is free when the last of these \
         processes has ended.",
    )
    .remedy("End or restart those processes; this lists what there is:")
    .command("shmring ls")
}

/// Returns the choice in brackets: `always [madvise] never`.
fn chosen(choices: &str) -> Option<&str> {
    choices.split_once('[')?.1.split_once(']').map(|(chosen, _)| chosen)
}

/// The setting for all of shared memory if it is `deny` or `force`, and for sealed segments.
const ENABLED: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
const IN_VAIN: &str = "Asking for them (`--huge-pages`) is in vain. Rings work as well without; \
                       large ones could be somewhat faster with them.";
/// The kernel allocates a ring's memory through its file, without the advice of a mapping.
const IN_TIME: &str = "Large rings that ask for them (`--huge-pages`) may get them when the kernel \
                       comes by, with `within_size` at once.";

fn named_huge_pages(mount: &Mount<'_>, shmem_enabled: Option<&str>) -> Finding {
    const CHECK: &str = "huge-pages-named";
    let for_all = shmem_enabled.and_then(chosen).filter(|one| matches!(*one, "deny" | "force"));
    let choice = for_all.or_else(|| mount.option("huge")).unwrap_or("never");
    let found = format!("transparent huge pages for named segments: {choice}");
    let allow = "Let files that are large enough have them:";
    match choice {
        "always" | "within_size" | "force" => {
            Finding::ok(CHECK, found, "Large rings get huge pages without asking.")
        }
        "advise" => Finding::ok(CHECK, found, IN_TIME),
        "deny" => Finding::new(CHECK, Note, found, IN_VAIN).remedy(allow).command(format!(
            "echo within_size >{ENABLED} && mount -o remount,huge=within_size {SHM}"
        )),
        _ => Finding::new(CHECK, Note, found, IN_VAIN)
            .remedy(allow)
            .command(format!("mount -o remount,huge=within_size {SHM}")),
    }
}

fn sealed_huge_pages(shmem_enabled: Option<&str>) -> Finding {
    const CHECK: &str = "huge-pages-sealed";
    let Some(choice) = shmem_enabled.and_then(chosen) else {
        let found = "transparent huge pages for sealed segments: this kernel has none";
        return Finding::new(CHECK, Note, found, IN_VAIN);
    };
    let found = format!("transparent huge pages for sealed segments: {choice}");
    match choice {
        "never" | "deny" => Finding::new(CHECK, Note, found, IN_VAIN)
            .remedy("Let files that are large enough have them:")
            .command(format!("echo within_size >{ENABLED}")),
        "advise" => Finding::ok(CHECK, found, IN_TIME),
        _ => Finding::ok(CHECK, found, "Large rings get huge pages without asking."),
    }
}

/// Returns a number of /proc/meminfo; sizes are in KiB.
fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn huge_page_pool(text: Option<&str>) -> Finding {
    const CHECK: &str = "huge-page-pool";
    let number = |name| text.and_then(|text| meminfo(text, name));
    match (number("HugePages_Total"), number("Hugepagesize")) {
        (Some(0) | None, _) | (_, None) => Finding::ok(
            CHECK,
            "no memory is set aside for hugetlb pages",
            "Rings never use such pages, only transparent ones.",
        ),
        (Some(pages), Some(kib)) => Finding::new(
            CHECK,
            Note,
            format!("{} are set aside for hugetlb pages", bytes(pages.saturating_mul(kib << 10))),
            "Rings never use such pages, only transparent ones: that memory is not theirs.",
        )
        .remedy("If nothing else uses them, free them:")
        .command("sysctl vm.nr_hugepages=0"),
    }
}

fn swap(text: Option<&str>) -> Finding {
    const CHECK: &str = "swap";
    match text.and_then(|text| meminfo(text, "SwapTotal")) {
        None => Finding::unknown(CHECK, "/proc/meminfo"),
        Some(0) => Finding::ok(CHECK, "there is no swap", "Rings stay in memory."),
        Some(kib) => Finding::new(
            CHECK,
            Note,
            format!("there is swap: {}", bytes(kib << 10)),
            "Pages of a ring that no process accesses for long may be swapped out; the next \
             message there waits for the disk.",
        )
        .remedy("Lock the rings for which that matters, if the limit below allows it:")
        .command("shmring create NAME --lock"),
    }
}
