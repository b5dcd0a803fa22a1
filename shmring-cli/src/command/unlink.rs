//! `shmring unlink`: removes names.

use shmring::{Participant, Segment, UnlinkError, Unlinked};

use crate::cli::UnlinkArgs;
use crate::process::stop::{Exit, Stop, say};

pub(crate) fn run(args: &UnlinkArgs) -> Result<(), Stop> {
    let mut first_failure = Ok(());
    for name in &args.names {
        let result = match args {
            UnlinkArgs { stale: true, .. } => unlink_stale(name),
            UnlinkArgs { force: true, .. } => Segment::unlink_forced(name).map_err(Stop::from),
            _ => unlink(name),
        };
        if let Err(Stop::Failed { exit, message }) = result {
            say(message);
            // The exit code is that of the first failure; each was reported.
            first_failure = first_failure.and(Err(Stop::Reported(exit)));
        }
    }
    first_failure
}

fn unlink(name: &str) -> Result<(), Stop> {
    match Segment::unlink(name) {
        Err(UnlinkError::NotASegment { name, why }) => {
            let message = format!(
                "{name:?} is not a shmring segment: {why}; it stays. `--force` removes any file"
            );
            Err(Stop::new(Exit::Corrupt, message))
        }
        result => Ok(result?),
    }
}

fn unlink_stale(name: &str) -> Result<(), Stop> {
    match Segment::unlink_stale(name)? {
        Unlinked::Removed => Ok(()),
        Unlinked::InUse { by } => {
            let by: Vec<_> = by.iter().map(Participant::to_string).collect();
            let by = if by.is_empty() { "a process".to_owned() } else { by.join(", ") };
            let message = format!("{name:?} is in use by {by} and was not removed");
            Err(Stop::new(Exit::Taken, message))
        }
    }
}
