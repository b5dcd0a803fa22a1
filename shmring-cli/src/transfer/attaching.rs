//! Attaches to a segment, waiting for its name to appear if asked.

use std::time::{Duration, Instant};

use shmring::{
    AttachError, AttachOptions, Fault, Observer, ReceiveError, Segment, SegmentInfo, Status,
};

use crate::cli::{Attaching, Target, Terms};
use crate::process::signals::Signals;
use crate::process::stop::Stop;

/// The longest wait for a segment to appear without a check for signals.
const SLICE: Duration = Duration::from_millis(100);

/// Attaches as the command line says.
pub(crate) fn attach(how: &Attaching, signals: &Signals) -> Result<Segment, Stop> {
    attach_in(&how.target, &how.terms, how.terms.patience(), signals)
}

/// Attaches to all of `targets`, in order. They have the wait of the command line together.
pub(crate) fn attach_all(
    targets: &[Target],
    terms: &Terms,
    signals: &Signals,
) -> Result<Vec<Segment>, Stop> {
    let patience = terms.patience();
    targets.iter().map(|target| attach_in(target, terms, patience, signals)).collect()
}

fn attach_in(
    target: &Target,
    terms: &Terms,
    patience: Option<Patience>,
    signals: &Signals,
) -> Result<Segment, Stop> {
    let how = (terms, patience);
    match target {
        Target { socket: Some(path), .. } => {
            in_time(how, signals, |options| options.receive(path), is_early)
        }
        Target { name, socket: None } => {
            // The command line has one of the two.
            let name = name.as_deref().unwrap_or_default();
            let early = |error: &AttachError| matches!(error, AttachError::TimedOut { .. });
            in_time(how, signals, |options| options.attach(name), early)
        }
    }
}

/// The facts of a segment, and its status or why that cannot be read.
pub(crate) type Look = (SegmentInfo, Result<Status, Fault>);

/// Attaches as the command line says, and reads the status; a user that may only observe the
/// segment observes it.
pub(crate) fn look(how: &Attaching, signals: &Signals) -> Result<Look, Stop> {
    let Some(path) = &how.target.socket else {
        let segment = attach(how, signals)?;
        return Ok((segment.info().clone(), segment.status()));
    };
    let attempt = |options: &AttachOptions| match options.receive(path) {
        Ok(segment) => Ok((segment.info().clone(), segment.status())),
        Err(ReceiveError::ReadOnly { .. }) => {
            let observer = options.receive_to_observe(path)?;
            Ok((observer.info().clone(), observer.status()))
        }
        Err(error) => Err(error),
    };
    in_time((&how.terms, how.terms.patience()), signals, attempt, is_early)
}

/// Returns the options to observe a segment of any user, who may truncate it meanwhile.
pub(crate) fn looking() -> AttachOptions {
    AttachOptions::new().accept_world_writable(true).guard(true)
}

/// Observes a segment without attaching.
pub(crate) fn observe(target: &Target) -> Result<Observer, Stop> {
    match &target.socket {
        Some(path) => Ok(looking().receive_to_observe(path)?),
        // The command line has one of the two.
        None => Ok(looking().observe(target.name.as_deref().unwrap_or_default())?),
    }
}

/// Returns `true` if a later attempt may succeed.
fn is_early(error: &ReceiveError) -> bool {
    matches!(error, ReceiveError::TimedOut { .. } | ReceiveError::Busy { .. })
}

/// Repeats an attempt for as long as the command line says, or until a signal comes.
fn in_time<T, E: Into<Stop>>(
    (terms, patience): (&Terms, Option<Patience>),
    signals: &Signals,
    attempt: impl Fn(&AttachOptions) -> Result<T, E>,
    is_early: impl Fn(&E) -> bool,
) -> Result<T, Stop> {
    // This program has no other use for the SIGBUS handler that a guard installs.
    let mut options =
        AttachOptions::new().guard(true).accept_world_writable(terms.accept_world_writable);
    if let Some(uid) = terms.owner {
        options = options.owner(uid);
    }
    let Some(patience) = patience else {
        return attempt(&options).map_err(Into::into);
    };
    loop {
        match attempt(&options.clone().timeout(patience.remaining().min(SLICE))) {
            Err(error) if is_early(&error) && !patience.is_over() => signals.check()?,
            result => return result.map_err(Into::into),
        }
    }
}

impl Terms {
    /// Returns the limit of a wait that begins now; `None` without a wait.
    fn patience(&self) -> Option<Patience> {
        self.wait.map(|wait| Patience::new(Some(wait)))
    }
}

/// A timeout for several waits together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// `None`: no limit.
    deadline: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        // A deadline that `Instant` cannot express is none.
        Self { deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)) }
    }

    /// Returns the time that is left: all of it if there is no end.
    pub(crate) fn remaining(self) -> Duration {
        self.deadline
            .map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn is_over(self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}
