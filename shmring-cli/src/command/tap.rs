//! `shmring tap`: the messages of a broadcast ring that is in use.

use shmring::Eof;

use super::recv;
use crate::cli::TapArgs;
use crate::process::stop::Stop;
use crate::report::quoted;
use crate::transfer::message_runs::Subscription;

pub(crate) fn run(args: &TapArgs) -> Result<(), Stop> {
    let subscription = Subscription { how: args.subscribe(), eof: Eof::NextProducer };
    recv::transfer(&args.receiving, Some(subscription), |name| {
        format!(
            "each of its messages goes to one receiver; `shmring peek {}` shows unread messages \
             and leaves them",
            quoted(name)
        )
    })
}
