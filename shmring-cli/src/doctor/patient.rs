//! What is read about one segment, uninterpreted.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{AccessFlags, access, geteuid};
use shmring::{AttachError, AttachOptions, Fault, Participant, WakeFences};

use super::machine::SHM;

/// A segment, as this process sees it.
#[derive(Debug)]
pub(crate) struct Patient {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) file: Option<SegmentFile>,
    pub(super) look: Look,
    /// Who still uses a segment that had the name before and lost it.
    pub(super) left_behind: Vec<LeftBehind>,
}

/// The file that has the name.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    pub(super) owner_uid: u32,
    pub(super) mode: u32,
    pub(super) total_bytes: u64,
    pub(super) allocated_bytes: u64,
    /// Whether this process may join.
    pub(super) is_writable: bool,
}

/// What came of a look at the segment.
#[derive(Debug)]
pub(super) enum Look {
    Seen(Seen),
    Refused(AttachError),
    Faulty(Fault),
}

/// What a look at a sound segment shows.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) wake_fences: WakeFences,
    pub(super) kind: String,
    pub(super) is_closed: bool,
    pub(super) used_bytes: u64,
    pub(super) alive: usize,
    /// Their pids.
    pub(super) dead: Vec<u32>,
    pub(super) tombstones: u64,
    pub(super) repairs: u64,
}

/// A process that uses a segment without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftBehind {
    pub(super) pid: u32,
    pub(super) command: String,
}

impl Patient {
    pub(crate) fn read(name: &str) -> Self {
        let name = name.strip_prefix('/').unwrap_or(name);
        Self {
            name: name.to_owned(),
            uid: geteuid().as_raw(),
            file: file(name),
            look: look(name),
            left_behind: left_behind(name),
        }
    }
}

fn file(name: &str) -> Option<SegmentFile> {
    let path = format!("{SHM}/{name}");
    let stat = fs::symlink_metadata(&path).ok()?;
    Some(SegmentFile {
        owner_uid: stat.uid(),
        mode: stat.mode() & 0o7777,
        total_bytes: stat.len(),
        // Of 512 bytes, whatever the file system's are.
        allocated_bytes: stat.blocks().saturating_mul(512),
        is_writable: access(path.as_str(), AccessFlags::R_OK | AccessFlags::W_OK).is_ok(),
    })
}

fn look(name: &str) -> Look {
    let options = AttachOptions::new().accept_world_writable(true).guard(true);
    let observer = match options.observe(name) {
        Ok(observer) => observer,
        Err(error) => return Look::Refused(error),
    };
    let status = match observer.status() {
        Ok(status) => status,
        Err(fault) => return Look::Faulty(fault),
    };
    let (alive, dead): (Vec<&Participant>, _) =
        status.attached.iter().partition(|participant| participant.alive);
    let description = observer.description();
    Look::Seen(Seen {
        wake_fences: description.wake_fences,
        kind: description.kind.to_string(),
        is_closed: status.closed,
        used_bytes: status.used_bytes,
        alive: alive.len(),
        dead: dead.iter().map(|participant| participant.pid).collect(),
        tombstones: status.tombstones,
        repairs: status.repairs,
    })
}

/// Looks through the mappings of all processes that this one may look into.
fn left_behind(name: &str) -> Vec<LeftBehind> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of = |pid: u32| {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
        let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        uses_removed(&maps, name)
            .then(|| LeftBehind { pid, command: command.trim_end().to_owned() })
    };
    pids.filter_map(of).collect()
}

/// Whether a process of these mappings uses a segment that had the name and lost it. One
/// that made it shows no name there, unless it attached as others do.
pub(super) fn uses_removed(maps: &str, name: &str) -> bool {
    // As the kernel writes it.
    let path = format!("{SHM}/{} (deleted)", name.replace('\n', "\\012"));
    maps.lines().any(|line| line.split_once('/').is_some_and(|(_, rest)| rest == &path[1..]))
}
