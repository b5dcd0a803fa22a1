//! The abilities of the kernel, and the configuration of the machine.

use super::Finding;
use super::Level::{Note, Problem, Warning};
use super::machine::{Attempt, Machine};

/// The first kernels that support segments, prefaulting, and sleep on several words.
const NEEDED: (u32, u32) = (4, 14);
const NEEDED_TO_PREFAULT: (u32, u32) = (5, 14);
const NEEDED_FOR_WAITV: (u32, u32) = (5, 16);
/// Users with lower uids are system users, whose segments logind keeps.
const FIRST_REGULAR_UID: u32 = 1000;

pub(super) fn checks(machine: &Machine) -> Vec<Finding> {
    vec![
        release(machine.release.as_deref()),
        membarrier(machine.has_global_barrier),
        futex_waitv(&machine.futex_waitv, machine.release.as_deref()),
        ptrace(machine.ptrace_scope.as_deref()),
        clock(machine.clock_source.as_deref()),
        cpus(machine.cpus, machine.cpu_max.as_deref()),
        Finding::ok(
            "copying",
            machine.copy_routine.as_str(),
            "Messages of more than 128 bytes are copied so, as this CPU does it fastest.",
        ),
        remove_ipc(machine.has_logind, &machine.logind_configs, machine.uid),
    ]
}

/// Returns the first two numbers of a kernel release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn release(release: Option<&str>) -> Finding {
    const CHECK: &str = "kernel";
    let Some((release, version)) = release.and_then(|text| Some((text, version(text)?))) else {
        return Finding::unknown(CHECK, "the kernel's version");
    };
    let found = format!("Linux {release}");
    if version < NEEDED {
        let means = "Rings need Linux 4.14 or later.";
        return Finding::new(CHECK, Problem, found, means).remedy("Use a newer kernel.");
    }
    if version < NEEDED_TO_PREFAULT {
        let means = "Rings work; `create --prefault` needs 5.14 and is not obtained.";
        return Finding::new(CHECK, Note, found, means);
    }
    Finding::ok(CHECK, found, "It has all that rings use.")
}

fn membarrier(has_global_barrier: bool) -> Finding {
    const CHECK: &str = "membarrier";
    if has_global_barrier {
        let found = "there is membarrier (global expedited)";
        return Finding::ok(CHECK, found, "Senders need no fence to wake sleepers.");
    }
    Finding::new(
        CHECK,
        Warning,
        "there is no membarrier (global expedited), or this process may not call it",
        "Processes here fence at every message, some nanoseconds each, and the first sleep of a \
         ring may end a millisecond late.",
    )
    .remedy("Use Linux 4.16 or later, and allow membarrier where system calls are filtered.")
}

fn futex_waitv(attempt: &Attempt, release: Option<&str>) -> Finding {
    const CHECK: &str = "futex-waitv";
    let Err(answer) = attempt else {
        let means = "A thread that waits for several rings sleeps until one of them wakes it.";
        return Finding::ok(CHECK, "there is futex_waitv", means);
    };
    let is_too_old = release.and_then(version).is_some_and(|version| version < NEEDED_FOR_WAITV);
    let (found, remedy) = if is_too_old {
        ("this kernel has no futex_waitv", "Use Linux 5.16 or later")
    } else {
        ("this process may not call futex_waitv", "Allow it where system calls are filtered")
    };
    Finding::new(
        CHECK,
        Note,
        format!("{found}: {answer}"),
        "A thread that waits for several rings (`WaitSet`, `readiness`, `recv` with several names) \
         checks them every millisecond: it wakes up to 1 ms later, and takes CPU time while \
         nothing comes. Waits for one ring do not need the call.",
    )
    .remedy(format!("{remedy}, or wait for each ring in a thread of its own."))
}

fn ptrace(scope: Option<&str>) -> Finding {
    const CHECK: &str = "ptrace";
    const MEANS: &str = "Rings never trace. Inspecting a stuck process takes a debugger.";
    match scope {
        None | Some("0") => Finding::ok(CHECK, "processes of one user may trace each other", MEANS),
        Some("1") => {
            Finding::ok(CHECK, "a process may trace its children (yama.ptrace_scope is 1)", MEANS)
        }
        Some("2") => Finding::new(
            CHECK,
            Note,
            "only root may trace processes (yama.ptrace_scope is 2)",
            MEANS,
        ),
        Some(scope) => Finding::new(
            CHECK,
            Note,
            format!("no process may trace another (yama.ptrace_scope is {scope})"),
            MEANS,
        ),
    }
}

fn clock(source: Option<&str>) -> Finding {
    const CHECK: &str = "clock";
    let Some(source) = source else {
        return Finding::unknown(CHECK, "the clock source");
    };
    let found = format!("the clock source is {source}");
    if !matches!(source, "hpet" | "acpi_pm" | "jiffies" | "refined-jiffies" | "xen" | "pit") {
        return Finding::ok(CHECK, found, "Looking at the clock takes no system call.");
    }
    Finding::new(
        CHECK,
        Warning,
        found,
        "Looking at the clock takes a system call, a microsecond or so. Verbs with a timeout look \
         at it when they wait.",
    )
    .remedy("If the machine has a better one, choose it (see available_clocksource), such as:")
    .command("echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource")
}

fn cpus(cpus: usize, max: Option<&str>) -> Finding {
    const CHECK: &str = "cpus";
    let quota = max.and_then(quota);
    let found = match (cpus, quota) {
        (1, None) => "this process may use 1 CPU".to_owned(),
        (_, None) => format!("this process may use {cpus} CPUs"),
        (_, Some(quota)) => {
            format!("this process may use {cpus} CPUs, for {quota:.1} CPUs' time in all")
        }
    };
    if cpus > 1 && quota.is_none_or(|quota| quota >= 2.0) {
        return Finding::ok(CHECK, found, "The two sides of a ring run at the same time.");
    }
    Finding::new(
        CHECK,
        Note,
        found,
        "The two sides of a ring take turns: each message may wait for the other side to be let \
         in, and a side that spins while it waits takes time from its peer.",
    )
    .remedy("Give it two CPUs, and let waits block (`WaitMode::Block`) where there is one.")
}

/// Returns the number of CPUs whose time cpu.max allows.
fn quota(max: &str) -> Option<f64> {
    let (quota, period) = max.split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

fn remove_ipc(has_logind: bool, configs: &[String], uid: u32) -> Finding {
    const CHECK: &str = "remove-ipc";
    if !has_logind {
        let means = "Segments outlive the sessions of their users.";
        return Finding::ok(CHECK, "there is no logind", means);
    }
    // This is logind's default.
    let removes = configs.iter().filter_map(|config| setting(config)).next_back().unwrap_or(true);
    if !removes {
        return Finding::ok(
            CHECK,
            "logind leaves shared memory alone (RemoveIPC=no)",
            "Segments outlive the sessions of their users.",
        );
    }
    let found = "logind removes users' shared memory when they log out (RemoveIPC=yes)";
    if uid < FIRST_REGULAR_UID {
        return Finding::ok(
            CHECK,
            found,
            "Segments of this user stay: logind keeps those of system users.",
        );
    }
    Finding::new(
        CHECK,
        Warning,
        found,
        "The names of this user's segments go with its last session. Attached processes go on; \
         no other process can attach, and a service that is restarted does not find them.",
    )
    .remedy(
        "Set RemoveIPC=no in /etc/systemd/logind.conf, make segments as a user of the system, or \
         let this user linger:",
    )
    .command("loginctl enable-linger")
}

/// Returns the last value of `RemoveIPC` in a `logind.conf`.
fn setting(config: &str) -> Option<bool> {
    config
        .lines()
        .filter_map(|line| line.trim().strip_prefix("RemoveIPC")?.trim_start().strip_prefix('='))
        .map(|value| {
            matches!(value.trim().to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "1")
        })
        .next_back()
}
