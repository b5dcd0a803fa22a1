//! The facts of one segment, uninterpreted.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use nix::unistd::{AccessFlags, access, geteuid};
use shmring::{AttachError, AttachOptions, Fault, Participant};

use super::machine::{Deleted, Machine, SHM, User};
use crate::facts::{self, ParticipantFacts, Past, Sample, StallFacts, Subject};
use crate::report;

/// The time between two samples, as for `shmring stat`.
const INTERVAL: Duration = Duration::from_millis(200);

/// A segment, as this process sees it.
#[derive(Debug)]
pub(crate) struct Patient {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) file: Option<SegmentFile>,
    pub(super) look: Look,
    /// Processes that use a segment which had the name before and lost it.
    pub(super) left_behind: Vec<User>,
}

/// The file of that name.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    pub(super) owner_uid: u32,
    pub(super) mode: u32,
    pub(super) total_bytes: u64,
    pub(super) allocated_bytes: u64,
    /// `true` if this process may observe.
    pub(super) is_readable: bool,
    /// `true` if this process may attach.
    pub(super) is_writable: bool,
}

/// The result of observing the segment.
#[derive(Debug)]
pub(super) enum Look {
    Seen(Seen),
    Refused(AttachError),
    Faulty(Fault),
}

/// The facts of a sound segment.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) kind: String,
    pub(super) is_closed: bool,
    pub(super) used_bytes: u64,
    pub(super) alive: usize,
    /// Their pids, as text.
    pub(super) dead: Vec<String>,
    pub(super) tombstones: u64,
    pub(super) repairs: u64,
    /// Why nothing was received meanwhile, as `shmring stat` reports it.
    pub(super) stall: Option<StallFacts>,
}

impl Patient {
    pub(crate) fn read(name: &str, machine: &Machine) -> Self {
        let name = name.strip_prefix('/').unwrap_or(name);
        Self {
            name: name.to_owned(),
            uid: geteuid().as_raw(),
            file: file(name),
            look: look(name),
            left_behind: left_behind(name, &machine.deleted),
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
        // `st_blocks` counts blocks of 512 bytes on every file system.
        allocated_bytes: stat.blocks().saturating_mul(512),
        is_readable: access(path.as_str(), AccessFlags::R_OK).is_ok(),
        is_writable: access(path.as_str(), AccessFlags::R_OK | AccessFlags::W_OK).is_ok(),
    })
}

fn look(name: &str) -> Look {
    let options = AttachOptions::new().accept_world_writable(true).guard(true);
    let observer = match options.observe(name) {
        Ok(observer) => observer,
        Err(error) => return Look::Refused(error),
    };
    let sample = || {
        let before = facts::Look::at(&observer)?;
        thread::sleep(INTERVAL);
        Ok((before, facts::Look::at(&observer)?))
    };
    let (before, now) = match sample() {
        Ok(looks) => looks,
        Err(fault) => return Look::Faulty(fault),
    };
    let status = &now.status;
    let (alive, dead): (Vec<&Participant>, _) =
        status.attached.iter().partition(|participant| participant.alive);
    let description = observer.info();
    let subject = Subject { target: &report::quoted(name), is_named: true };
    let past = Past { last: &before, still: &before };
    let sample = Sample::of(description, subject, &now, Some(past));
    Look::Seen(Seen {
        kind: description.ring().kind.to_string(),
        is_closed: status.ring().closed,
        used_bytes: status.ring().used_bytes,
        alive: alive.len(),
        dead: dead.iter().map(|one| ParticipantFacts::of(one).number()).collect(),
        tombstones: status.ring().tombstones,
        repairs: status.repairs,
        stall: sample.stall,
    })
}

/// Returns the processes that use a segment which had the name and lost it.
fn left_behind(name: &str, deleted: &[Deleted]) -> Vec<User> {
    let had_it = deleted.iter().filter(|one| one.name == name);
    had_it.flat_map(|one| one.users.iter().cloned()).collect()
}
