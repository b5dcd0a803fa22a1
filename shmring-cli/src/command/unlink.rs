//! `shmring unlink`: removes names.

use shmring::{Participant, Segment, Unlinked};

use crate::cli::UnlinkArgs;
use crate::stop::{Exit, Stop, say};

pub(crate) fn run(args: &UnlinkArgs) -> Result<(), Stop> {
    let mut first_failure = Ok(());
    for name in &args.names {
        let result = if args.stale { unlink_stale(name) } else { unlink(name) };
        if let Err(Stop::Failed { exit, message }) = result {
            say(message);
            // The first failure's code counts; each was reported.
            first_failure = first_failure.and(Err(Stop::Reported(exit)));
        }
    }
    first_failure
}

fn unlink(name: &str) -> Result<(), Stop> {
    Ok(Segment::unlink(name)?)
}

fn unlink_stale(name: &str) -> Result<(), Stop> {
    match Segment::unlink_stale(name)? {
        Unlinked::Removed => Ok(()),
        Unlinked::InUse { by } => {
            let by: Vec<_> = by.iter().map(Participant::to_string).collect();
            let by = if by.is_empty() { "somebody".to_owned() } else { by.join(", ") };
            let message = format!("{name:?} is in use by {by} and was not removed");
            Err(Stop::new(Exit::Taken, message))
        }
    }
}
