//! The mechanisms that are measured.

use super::ends::{Found, LONGEST_JOB, LONGEST_LINE, Order};
use super::scenarios::Flow;
use super::{jobs, log};
use crate::contender::{BoxError, Group, Place, Prepared, Setting};
use crate::contenders::kernel::{Datagram, PosixMq, Seqpacket};
use crate::worker::Control;

/// A mechanism in one flow.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) flow: Flow,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) group: Group,
    /// The longest message that it takes.
    pub(super) longest: fn() -> usize,
    pub(super) prepare: fn(&Setting) -> Result<Prepared, BoxError>,
    pub(super) part: fn(&Order, Place, &mut Control) -> Result<Found, BoxError>,
}

/// The kernel's limit, if it is shorter than a line.
fn queued() -> usize {
    let text = std::fs::read_to_string("/proc/sys/fs/mqueue/msgsize_max").unwrap_or_default();
    text.trim().parse().map_or(LONGEST_LINE, |most: usize| most.min(LONGEST_LINE))
}

macro_rules! entry {
    ($flow:ident, $group:ident, $name:literal, $about:literal, $longest:expr, $prepare:expr, $part:expr) => {
        Entry {
            flow: Flow::$flow,
            name: $name,
            about: $about,
            group: Group::$group,
            longest: $longest,
            prepare: $prepare,
            part: $part,
        }
    };
}

/// All of them, in the order of reports.
#[rustfmt::skip]
pub(super) const ALL: [Entry; 17] = {
    let line = || LONGEST_LINE;
    let job = || LONGEST_JOB;
    [
        entry!(Log, Ring, "spans", "mpsc, lines over slots of 256 bytes, the default", line, log::prepare_slots::<256>, log::spans),
        entry!(Log, Ring, "spans, 64", "the same room in slots of 64 bytes", line, log::prepare_slots::<64>, log::spans),
        entry!(Log, Ring, "spans, 128", "the same room in slots of 128 bytes", line, log::prepare_slots::<128>, log::spans),
        entry!(Log, Ring, "spans, 192", "slots of 192 bytes, and three quarters of the room", line, log::prepare_slots::<192>, log::spans),
        entry!(Log, Ring, "spans, 512", "the same room in slots of 512 bytes", line, log::prepare_slots::<512>, log::spans),
        entry!(Log, Ring, "spans, 1024", "the same room in slots of 1024 bytes", line, log::prepare_slots::<1024>, log::spans),
        entry!(Log, Ring, "chunks", "mpsc, slots of 256 bytes, lines in pieces of the caller's", line, log::prepare_slots::<256>, log::chunks),
        entry!(Log, Kernel, "unix dgram", "one pair of sockets", line, log::prepare_kernel::<Datagram>, log::kernel::<Datagram>),
        entry!(Log, Kernel, "unix seqpacket", "one pair of sockets", line, log::prepare_kernel::<Seqpacket>, log::kernel::<Seqpacket>),
        entry!(Log, Kernel, "posix mq", "without the lines that are longer than the kernel's limit", queued, log::prepare_kernel::<PosixMq>, log::kernel::<PosixMq>),
        entry!(Jobs, Ring, "jobs", "job ring, slots of 256 bytes, the default", job, jobs::prepare_jobs, jobs::jobs),
        entry!(Jobs, Ring, "jobs, fitted", "slots that are no longer than the longest job takes", job, jobs::prepare_fitted_jobs, jobs::jobs),
        entry!(Jobs, Ring, "mpmc", "slots of 256 bytes, no acknowledgement", job, jobs::prepare_mpmc, jobs::mpmc),
        entry!(Jobs, Ring, "mpmc, fitted", "as long as the longest job takes, no acknowledgement", job, jobs::prepare_fitted_mpmc, jobs::mpmc),
        entry!(Killed, Ring, "jobs", "no monitor", job, jobs::prepare_killed, jobs::killed::<false, false>),
        entry!(Killed, Ring, "jobs, one monitor", "the surviving worker has a monitor", job, jobs::prepare_killed, jobs::killed::<false, true>),
        entry!(Killed, Ring, "jobs, monitor", "both workers have monitors", job, jobs::prepare_killed, jobs::killed::<true, true>),
    ]
};
