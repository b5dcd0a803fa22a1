//! `shmring serve`: creates a sealed segment and offers it at a socket.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::PollFlags;
use serde::Serialize;
use shmring::{AllowList, Offer, OfferError, Segment};

use crate::cli::ServeArgs;
use crate::command::configuration::{self, Made, Progress};
use crate::process::signals::Signals;
use crate::process::stop::{Stop, say};
use crate::report;

#[derive(Serialize)]
struct Served {
    socket: String,
    allow_uids: Vec<u32>,
    allow_gids: Vec<u32>,
    observer_uids: Vec<u32>,
    #[serde(flatten)]
    made: Made,
}

pub(crate) fn run(args: &ServeArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    let (progress, config) = Progress::of(configuration::config(&args.ring).guard(true));
    let segment = Segment::create_sealed(&args.name, &config)?;
    drop(progress);
    let mut offer = segment.offer(&args.socket, &list(args))?;
    // Without a monitor, peers notice each other's deaths a little later.
    let _monitor = segment.monitor();
    let facts = Served {
        socket: args.socket.display().to_string(),
        allow_uids: args.allow_uids.clone(),
        allow_gids: args.allow_gids.clone(),
        observer_uids: args.observer_uids.clone(),
        made: Made::of(&segment, &args.ring),
    };
    match report::print(args.json, &facts, text) {
        // The segment is offered even if stdout has no reader.
        Ok(()) | Err(Stop::OutputClosed) => {}
        Err(stop) => return Err(stop),
    }
    match serve(&mut offer, &signals) {
        // A signal is the normal end.
        Err(Stop::Signal(_)) => Ok(()),
        result => result,
    }
}

fn list(args: &ServeArgs) -> AllowList {
    let list = args.allow_uids.iter().fold(AllowList::new(), |list, uid| list.uid(*uid));
    let list = args.allow_gids.iter().fold(list, |list, gid| list.gid(*gid));
    args.observer_uids.iter().fold(list, |list, uid| list.observer_uid(*uid))
}

/// Answers clients until a signal comes.
fn serve(offer: &mut Offer, signals: &Signals) -> Result<(), Stop> {
    let mut last = None;
    loop {
        signals.wait_for(offer.as_fd(), PollFlags::POLLIN)?;
        match offer.answer(Duration::ZERO) {
            Ok(visit) => {
                last = None;
                visit.iter().for_each(say);
            }
            Err(OfferError::Os(error)) => {
                // The error repeats until its cause has passed: report it once.
                let message = error.to_string();
                if last.as_ref() != Some(&message) {
                    say(&message);
                }
                last = Some(message);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn text(facts: &Served) -> String {
    let segment = &facts.made.segment;
    let mut text = format!(
        "serving {} at {}: {}\n",
        report::printable(&segment.name),
        report::printable(&facts.socket),
        segment.summary()
    );
    for (what, ids) in [
        ("also for uid", &facts.allow_uids),
        ("also for gid", &facts.allow_gids),
        ("to observe for uid", &facts.observer_uids),
    ] {
        if !ids.is_empty() {
            let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
            text += &format!("{what} {}\n", ids.join(", "));
        }
    }
    text + &facts.made.differences()
}
