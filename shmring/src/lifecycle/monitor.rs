//! The monitor thread, which reaps dead processes at once instead of when a wait checks for them.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;

use crate::error::{MonitorError, OsError};
use crate::lifecycle::attachment::{Attachment, Monitored};
use crate::sys::descriptor::Descriptor;
use crate::sys::fork;
use crate::sys::thread;
use crate::sys::token::Probe;
use crate::sys::watch::{self, Event, Stop, Watch};

/// The kernel reports the end of a mapping before it releases the token. So the monitor reaps at
/// once, after this time, and then after twice as long, again and again. It so notices a death at
/// most as long after the release as that comes after the report.
const SETTLE_MIN: Duration = Duration::from_micros(50);
/// The first of these times are too short for another report to matter. A peer that makes reports
/// all the time so costs at most this many checks in 13 ms.
const SETTLE_TIMES: u32 = 8;
/// The last of them: from then on, the waiters' own checks come as soon.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// Reaps processes as soon as they die, which wakes their waiters, until it is dropped. Started by
/// [`Segment::monitor`](crate::segment::Segment::monitor).
///
/// A monitor is a thread that sleeps until the kernel reports that a process released the segment.
/// The thread handles no signals and keeps the segment attached. A fork child does not inherit it.
/// It ends early if the program closes its descriptors, or if the process may not reopen the file
/// (after `setuid`, or without `/proc`) when the creator of an unlinked segment detaches, or the last
/// process that attached to it by its name.
///
/// While it runs, sole producers and consumers that come from the same
/// [`Segment`](crate::segment::Segment) sleep up to 5 s at a time, instead of 100 ms. When it ends,
/// for whatever reason, they wake, and check for dead peers themselves again.
#[derive(Debug)]
pub struct Monitor {
    attachment: Arc<Attachment>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    pub(crate) fn start(attachment: Arc<Attachment>) -> Result<Self, MonitorError> {
        attachment.mapping().check().map_err(MonitorError::Failed)?;
        // Until the thread has a descriptor table of its own, a fork child would copy the watch's
        // description, and with it the locks that the thread takes.
        let _forks = fork::hold().map_err(MonitorError::Os)?;
        let (watch, stop) = attachment.watch().map_err(|error| refused(error, &attachment))?;
        let numbers = watch.numbers();
        let (ready, started) = mpsc::sync_channel(1);
        let thread = thread::spawn("shmring-monitor", {
            let attachment = Arc::clone(&attachment);
            move || {
                let probe = watch::leave_descriptor_table(numbers)
                    .and_then(|()| watch.file())
                    .and_then(Descriptor::new)
                    .map(Probe::new);
                let (probe, result) = match probe {
                    Ok(probe) => (Some(probe), Ok(())),
                    Err(error) => (None, Err(error)),
                };
                // The starting thread waits for it.
                let _ = ready.send(result);
                if let Some(probe) = probe {
                    run(&watch, &attachment, &probe);
                }
            }
        })
        .map_err(MonitorError::Os)?;
        let monitor = Self { attachment, stop, thread: Some(thread) };
        started.recv().unwrap_or(Ok(())).map_err(MonitorError::Os)?;
        // The thread has its own copies.
        watch::close_numbers(numbers);
        Ok(monitor)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if self.attachment.mapping().is_forked() {
            // The thread does not exist in a fork child, so its handle is not valid.
            std::mem::forget(self.thread.take());
            return;
        }
        self.stop.stop();
        // A thread that panicked has ended as well.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Converts the error of a watch that the system refused.
fn refused(error: OsError, attachment: &Attachment) -> MonitorError {
    match Errno::from_raw(error.errno()) {
        Errno::EACCES => MonitorError::Denied { name: attachment.info.name.clone() },
        _ => MonitorError::Os(error),
    }
}

/// Reaps after each report, until the watch is stopped.
fn run(watch: &Watch, attachment: &Attachment, probe: &Probe) {
    let mut reaper =
        Reaper { attachment, probe, sees_deaths: watch.reports_ends(), monitored: None };
    // A process that died before the watch began has no report.
    loop {
        let mut settle = SETTLE_MIN;
        for _ in 0..SETTLE_TIMES {
            reaper.reap();
            if !watch.pause(settle) {
                return;
            }
            settle = settle.saturating_mul(2);
        }
        let mut event = Event::Elapsed;
        while event == Event::Elapsed {
            reaper.reap();
            let limit = (settle <= SETTLE_MAX).then_some(settle);
            event = watch.wait(limit);
            settle = settle.saturating_mul(2);
        }
        if event == Event::Stopped {
            return;
        }
    }
}

/// Reaps for the waiters of this process, which rely on it as long as it can.
struct Reaper<'a> {
    attachment: &'a Attachment,
    probe: &'a Probe,
    /// Whether the kernel reports each death.
    sees_deaths: bool,
    monitored: Option<Monitored<'a>>,
}

impl Reaper<'_> {
    fn reap(&mut self) {
        let reaped = self.attachment.reap_through(self.probe);
        let whole = self.attachment.mapping().check();
        if reaped.is_err() || whole.is_err() || !self.sees_deaths {
            // A failure is temporary, or the waiters report it.
            self.monitored = None;
        } else if self.monitored.is_none() {
            self.monitored = Some(self.attachment.monitored());
        }
    }
}
