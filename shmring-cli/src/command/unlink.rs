//! `shmring unlink`: removes names.

use shmring::Segment;

use crate::cli::UnlinkArgs;
use crate::stop::{Stop, say};

pub(crate) fn run(args: &UnlinkArgs) -> Result<(), Stop> {
    let mut first_failure = Ok(());
    for name in &args.names {
        if let Err(error) = Segment::unlink(name) {
            let stop = Stop::from(error);
            if let Stop::Failed { exit, message } = stop {
                say(message);
                // The first failure's code counts; each was reported.
                first_failure = first_failure.and(Err(Stop::Reported(exit)));
            }
        }
    }
    first_failure
}
