//! Attaching to a segment that may have yet to appear.

use std::time::{Duration, Instant};

use shmring::{AttachError, AttachOptions, Segment};

use crate::cli::Attaching;
use crate::signals::{SLICE, Signals};
use crate::stop::Stop;

/// Attaches as the command line says.
pub(crate) fn attach(name: &str, how: &Attaching, signals: &Signals) -> Result<Segment, Stop> {
    // The process is this program's own, so the handler that a guard takes is no loss.
    let mut options =
        AttachOptions::new().guard(true).accept_world_writable(how.accept_world_writable);
    if let Some(uid) = how.owner {
        options = options.owner(uid);
    }
    let Some(wait) = how.wait else {
        return Ok(options.attach(name)?);
    };
    let patience = Patience::new(Some(wait));
    loop {
        match options.timeout(patience.slice()).attach(name) {
            Err(AttachError::TimedOut { .. }) if !patience.is_over() => signals.check()?,
            result => return Ok(result?),
        }
    }
}

/// A timeout, served in slices that are short enough to notice a signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// `None`: for ever.
    deadline: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        // A time too far off to count is for ever.
        Self { deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)) }
    }

    /// How long to wait before the next look around.
    pub(crate) fn slice(self) -> Duration {
        self.deadline
            .map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()).min(SLICE))
    }

    pub(crate) fn is_over(self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}
