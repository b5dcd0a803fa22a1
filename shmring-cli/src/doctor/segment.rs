//! The condition of a segment.

use shmring::AttachError;

use super::Finding;
use super::Level::{Note, Problem, Warning};
use super::machine::User;
use super::patient::{Look, Patient, Seen, SegmentFile};
use crate::facts::StallFacts;
use crate::process::stop::{Exit, attach_exit, fault_exit};
use crate::report::{bytes, printable, quoted};

/// More pids than this are counted instead of named.
const MAX_PIDS: usize = 6;

impl Patient {
    /// Returns the exit code for a segment that is missing or not sound.
    pub(crate) fn failure(&self) -> Option<Exit> {
        match &self.look {
            Look::Seen(seen) => {
                let kind = seen.stall.as_ref().map(|stall| stall.kind);
                (kind == Some("corrupt")).then_some(Exit::Corrupt)
            }
            Look::Refused(error) => Some(attach_exit(error)),
            Look::Faulty(fault) => Some(fault_exit(fault)),
        }
    }
}

pub(super) fn checks(patient: &Patient, has_global_barrier: bool) -> Vec<Finding> {
    let mut checks = vec![header(patient)];
    if let Some(file) = &patient.file {
        checks.extend([owner(file, patient.uid), memory(file)]);
    }
    if let Look::Seen(seen) = &patient.look {
        checks.extend([participants(&patient.name, seen), state(&patient.name, seen)]);
        checks.push(progress(seen.stall.as_ref()));
        checks.extend([fences(has_global_barrier), losses(seen)]);
    }
    checks.push(name(&patient.name, patient.file.is_some(), &patient.left_behind));
    checks
}

fn header(patient: &Patient) -> Finding {
    const CHECK: &str = "header";
    let Patient { name, look, .. } = patient;
    let bad = |found: String, means: &str| Finding::new(CHECK, Problem, printable(&found), means);
    let remove = "If no other process needs it, remove it and create it anew:";
    let unlink = format!("shmring unlink --stale {}", quoted(name));
    match look {
        Look::Seen(seen) => Finding::ok(
            CHECK,
            format!("{} is a sound {} ring", printable(name), seen.kind),
            "Its header is of this version, and its size is what the header says.",
        ),
        Look::Refused(error @ AttachError::NotFound { .. }) => {
            bad(error.to_string(), "Attaching fails, or waits with `--wait`.")
                .remedy("Create it, or list the existing segments:")
                .command("shmring ls")
        }
        Look::Refused(error @ AttachError::Denied { .. }) => {
            bad(error.to_string(), "This user can neither use nor observe the segment.")
                .remedy("Run as its owner, or as a user that its mode lets read and write.")
        }
        Look::Refused(error @ AttachError::NotASegment { .. }) => {
            bad(error.to_string(), "No ring can be made of that name until the file is gone.")
                .remedy("Choose another name, or remove the file if it is yours.")
        }
        Look::Refused(error @ AttachError::Incompatible { .. }) => {
            bad(error.to_string(), "Programs of another version may go on using it.")
                .remedy("If none does, remove it:")
                .command(unlink)
        }
        Look::Refused(error @ AttachError::CorruptHeader { .. }) => {
            bad(error.to_string(), "No process can attach. Attached processes may fail.")
                .remedy(remove)
                .command(unlink)
        }
        Look::Refused(error) => bad(error.to_string(), "The segment could not be checked.")
            .remedy("Correct the cause and try again."),
        Look::Faulty(fault) => bad(
            format!("{name:?}: {fault}"),
            "The next verb of each attached process returns this error.",
        )
        .remedy(remove)
        .command(unlink),
    }
}

fn owner(file: &SegmentFile, uid: u32) -> Finding {
    const CHECK: &str = "owner";
    const EVERYBODY_WRITES: u32 = 0o002;
    let whose = if file.owner_uid == uid { "this user" } else { "another user" };
    let found = format!("it belongs to uid {} ({whose}), mode {:04o}", file.owner_uid, file.mode);
    if !file.is_readable {
        return Finding::new(
            CHECK,
            Warning,
            found,
            "This user may neither read nor write it, so it can neither attach nor observe; \
             `shmring ls` does not list it.",
        )
        .remedy("Let its owner widen the mode, or create it with a wider one:")
        .command("shmring create NAME --mode 0660");
    }
    if !file.is_writable {
        return Finding::new(
            CHECK,
            Warning,
            found,
            "This user may not write to it, so it cannot attach, only observe (`shmring ls`).",
        )
        .remedy("Let its owner widen the mode, or create it with a wider one:")
        .command("shmring create NAME --mode 0660");
    }
    if file.mode & EVERYBODY_WRITES != 0 {
        return Finding::new(
            CHECK,
            Warning,
            found,
            "Every user may write to it, and so corrupt or truncate it; attaching \
             requires `--accept-world-writable`.",
        )
        .remedy("Narrow the mode; attached processes go on:")
        .command(format!("chmod {:04o} /dev/shm/NAME", file.mode & 0o770));
    }
    Finding::ok(CHECK, found, "This user may attach.")
}

fn memory(file: &SegmentFile) -> Finding {
    const CHECK: &str = "memory";
    let found = format!("it has {} of memory", bytes(file.allocated_bytes));
    if file.allocated_bytes >= file.total_bytes {
        return Finding::ok(CHECK, found, "All of it was taken when it was made.");
    }
    Finding::new(
        CHECK,
        Warning,
        format!("{found}, less than its {}", bytes(file.total_bytes)),
        "A process freed parts of it. They read as zero, and a store there ends the process if \
         shared memory is full.",
    )
    .remedy("End the attached processes, and create it anew.")
}

fn participants(name: &str, seen: &Seen) -> Finding {
    const CHECK: &str = "participants";
    let alive = match seen.alive {
        0 => "no process is attached".to_owned(),
        1 => "1 process is attached".to_owned(),
        count => format!("{count} processes are attached"),
    };
    if seen.dead.is_empty() {
        let means = "No dead process waits to be reaped.";
        return Finding::ok(CHECK, alive, means);
    }
    let mut pids: Vec<_> = seen.dead.iter().take(MAX_PIDS).cloned().collect();
    if seen.dead.len() > MAX_PIDS {
        pids.push(format!("{} more", seen.dead.len() - MAX_PIDS));
    }
    let remedy = match seen.alive {
        0 => "If none will, remove the segment (add --unread if messages in it may be lost):",
        _ => "Nothing need be done; to reap them now:",
    };
    Finding::new(
        CHECK,
        Note,
        format!("{alive}; died without leaving: pid {}", pids.join(", ")),
        "Their roles are free. The next process that attaches or waits reaps them.",
    )
    .remedy(remedy)
    .command(format!("shmring gc {}", quoted(name)))
}

fn state(name: &str, seen: &Seen) -> Finding {
    const CHECK: &str = "state";
    let waiting = match seen.used_bytes {
        0 => "it is empty".to_owned(),
        used => format!("{} of it are used", bytes(used)),
    };
    if seen.is_closed {
        return Finding::new(
            CHECK,
            Note,
            format!("it is closed for good; {waiting}"),
            "Nothing can be sent any more; what is in it can be received.",
        )
        .remedy("To use the name again, replace the segment:")
        .command(format!("shmring create {} --recreate", quoted(name)));
    }
    if seen.alive > 0 {
        return Finding::ok(CHECK, format!("it is in use; {waiting}"), "It works.");
    }
    Finding::new(
        CHECK,
        Note,
        format!("no process uses it; {waiting}"),
        "It keeps its memory and its messages until it is removed.",
    )
    .remedy("If no process will attach, remove it:")
    .command(format!("shmring unlink --stale {}", quoted(name)))
}

/// Checks that the ring moves, with the explanation of `shmring stat` if it does not.
fn progress(stall: Option<&StallFacts>) -> Finding {
    const CHECK: &str = "progress";
    let Some(stall) = stall else {
        return Finding::ok(CHECK, "the ring moves", "Messages were received meanwhile.");
    };
    let (why, remedy) = (stall.why.join("; "), stall.remedy.join("; "));
    let (level, means) = match (stall.is_stuck(), stall.is_hindered) {
        (true, _) => (Problem, "A process waits, and continues only when that ends."),
        (false, true) => (Warning, "Processes that wait for it wait until it continues."),
        (false, false) => {
            return Finding::ok(CHECK, format!("the ring is at rest: {why}"), "It can go on.");
        }
    };
    let remedy = if remedy.is_empty() {
        "See what that process does.".to_owned()
    } else {
        sentence(&remedy)
    };
    let found = format!("the ring stalls: {why}");
    Finding::new(CHECK, level, found, means).remedy(remedy)
}

fn fences(has_global_barrier: bool) -> Finding {
    const CHECK: &str = "wake-fences";
    if has_global_barrier {
        let means = "A send fences only while others sleep.";
        return Finding::ok(CHECK, "fences follow the traffic", means);
    }
    let found = "processes here always fence: they may not call membarrier";
    Finding::new(CHECK, Note, found, "Each send fences, which takes some nanoseconds.")
}

fn losses(seen: &Seen) -> Finding {
    const CHECK: &str = "losses";
    let died = seen.repairs + seen.dead.len() as u64;
    if seen.tombstones == 0 && died == 0 {
        return Finding::ok(CHECK, "no process has died in it", "No message is in doubt.");
    }
    Finding::new(
        CHECK,
        Note,
        format!(
            "{} died in it so far, {} slots were passed without a message",
            died, seen.tombstones
        ),
        "Of each process that died, one message or batch is in doubt; of others none is.",
    )
}

/// Returns a text with a capital letter and a full stop.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// Lists up to `MAX_PIDS` of them as text.
pub(super) fn shown(users: &[User]) -> String {
    let show = |who: &User| format!("pid {} ({})", who.pid, printable(&who.command));
    users.iter().take(MAX_PIDS).map(show).collect::<Vec<_>>().join(", ")
}

fn name(name: &str, exists: bool, left_behind: &[User]) -> Finding {
    const CHECK: &str = "name";
    if left_behind.is_empty() {
        return Finding::ok(
            CHECK,
            "no process is known to use a segment that lost this name",
            "All users of the name mean the same segment.",
        );
    }
    let other = if exists {
        "processes that attach now get another one"
    } else {
        "no process can join them"
    };
    Finding::new(
        CHECK,
        Warning,
        format!("a segment that lost the name is still used by {}", shown(left_behind)),
        format!("It was unlinked while they were attached: {other}."),
    )
    .remedy(format!("End or restart them, so that all use the same {}.", printable(name)))
}
