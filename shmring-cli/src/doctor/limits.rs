//! The limits of this process.

use super::Finding;
use super::Level::{Note, Warning};
use super::machine::{Limit, Machine, Queues};
use crate::report::bytes;

/// The memory that a ring of the default size takes, with its tables.
const DEFAULT_RING_BYTES: u64 = 5 << 18;
/// Fewer open files than this may be too few: a program has others, too.
const FEW_FILES: u64 = 64;
/// Fewer inotify instances than this may be too few: each `send` and `recv` takes one.
const FEW_WATCHES: u64 = 128;
/// The capability to lock memory without a limit.
const CAP_IPC_LOCK: u32 = 14;

pub(super) fn checks(machine: &Machine) -> Vec<Finding> {
    let may_lock = machine.status.as_deref().is_some_and(|status| has(status, CAP_IPC_LOCK));
    vec![
        locked_memory(machine.locked_memory, may_lock),
        open_files(machine.open_files),
        addresses(machine.addresses),
        inotify(machine.inotify_instances.as_deref()),
        queues(&machine.queues),
    ]
}

/// Returns `true` if /proc/self/status says that the process has a capability.
fn has(status: &str, capability: u32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok()).unwrap_or(0);
    set >> capability & 1 == 1
}

fn locked_memory(limit: Limit, may_lock: bool) -> Finding {
    const CHECK: &str = "memlock";
    let soft = match limit.soft {
        _ if may_lock => {
            let found = "this process may lock any memory (CAP_IPC_LOCK)";
            return Finding::ok(CHECK, found, "`create --lock` locks rings of any size.");
        }
        None => {
            let found = "this process may lock any memory";
            return Finding::ok(CHECK, found, "`create --lock` locks rings of any size.");
        }
        Some(soft) => soft,
    };
    let found = format!("this process may lock {} of memory (RLIMIT_MEMLOCK)", bytes(soft));
    if soft >= 16 * DEFAULT_RING_BYTES {
        return Finding::ok(CHECK, found, "`create --lock` locks rings of up to that in all.");
    }
    let finding = Finding::new(
        CHECK,
        Note,
        found,
        "`create --lock` goes on without locking more, and says so. Nothing else needs it.",
    );
    // Users may raise it up to the hard limit; only root may raise that.
    if limit.hard.is_none_or(|hard| hard > soft) {
        finding.remedy("Raise it in the shell that starts the program:").command("ulimit -l hard")
    } else {
        finding
            .remedy("Raise it, in /etc/security/limits.conf or a unit's LimitMEMLOCK, or:")
            .command("prlimit --memlock=unlimited --pid PID")
    }
}

fn open_files(limit: Limit) -> Finding {
    const CHECK: &str = "open-files";
    match limit.soft {
        Some(soft) if soft < FEW_FILES => Finding::new(
            CHECK,
            Warning,
            format!("this process may have {soft} files open"),
            "An attach takes three for a moment and keeps one: it may be refused. Messages need \
             none.",
        )
        .remedy("Raise the limit in the shell that starts the program:")
        .command("ulimit -n 1024"),
        soft => {
            let number = soft.map_or("any number of".to_owned(), |soft| soft.to_string());
            let found = format!("this process may have {number} files open");
            Finding::ok(CHECK, found, "An attach takes three for a moment and keeps one.")
        }
    }
}

fn addresses(limit: Limit) -> Finding {
    const CHECK: &str = "address-space";
    match limit.soft {
        None => Finding::ok(
            CHECK,
            "this process may map any amount of memory",
            "Segments of any size can be attached.",
        ),
        Some(soft) => Finding::new(
            CHECK,
            Note,
            format!("this process may map {} of memory (RLIMIT_AS)", bytes(soft)),
            "All segments that it attaches to count, in full.",
        )
        .remedy("If that is too little, lift the limit in the shell that starts it:")
        .command("ulimit -v unlimited"),
    }
}

fn inotify(instances: Option<&str>) -> Finding {
    const CHECK: &str = "inotify";
    let Some(count) = instances.and_then(|text| text.parse::<u64>().ok()) else {
        return Finding::new(
            CHECK,
            Note,
            "this kernel has no inotify",
            "A sleeping process notices the death of a peer when its sleep ends, at most 100 ms later.",
        );
    };
    let found = format!("each user may have {count} inotify instances");
    let means = "Each `send`, `recv` and `Segment::monitor` takes one, to notice deaths at once. \
                 Without one they are noticed when a sleep ends, at most 100 ms later.";
    if count < FEW_WATCHES {
        Finding::new(CHECK, Note, found, means)
            .remedy("Allow for more:")
            .command("sysctl fs.inotify.max_user_instances=1024")
    } else {
        Finding::ok(CHECK, found, means)
    }
}

fn queues(queues: &Queues) -> Finding {
    const CHECK: &str = "message-queues";
    const MEANS: &str = "Rings do not use them and have no such limits; only `shmring-bench` \
                         measures them, for comparison.";
    let Queues { max_messages: Some(messages), max_message_bytes: Some(message_bytes), .. } =
        queues
    else {
        return Finding::new(CHECK, Note, "this kernel has no POSIX message queues", MEANS);
    };
    let most = queues.max_queues.as_deref().unwrap_or("some");
    let total = match queues.bytes.soft {
        Some(soft) => bytes(soft),
        None => "any number of bytes".to_owned(),
    };
    let found = format!(
        "a POSIX message queue takes {messages} messages of {message_bytes} bytes; {most} queues \
         on the system, {total} for each user"
    );
    Finding::ok(CHECK, found, MEANS)
}
