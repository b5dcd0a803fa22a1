//! Arguments and help of the verbs that receive messages.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use shmring::{Start, Subscribe};

use super::{Target, Terms};
use crate::cli::parse;
use crate::transfer::framing::Outgoing;

#[derive(Debug, Args)]
#[command(override_usage = "\
shmring recv [OPTIONS] <NAME>...
       shmring recv [OPTIONS] --socket <PATH>")]
#[command(after_help = "\
Examples:
  shmring recv prices
  shmring recv blob --raw > image.raw
  shmring recv jobs --count 1 --timeout 5s
  shmring recv prices --stats > /dev/null
  shmring recv --socket prices.socket --wait 5s
  shmring recv prices blob jobs --prefix
  shmring recv ticks --from oldest
  shmring recv ticks --lossy --from oldest --count 9

Messages leave the ring only after they were written to stdout. If the reader
of stdout stops early, `recv` exits with code 0, and unwritten messages stay in
the ring. A pipe buffers up to 64 KiB that its reader may never read: to take
exactly one message use `--count 1`, not `| head -n 1`.

The stream ends when the last sender has gone and its messages are received. A
receiver that finds neither messages nor senders waits for the next sender, as
a reader of a FIFO does; `--timeout` bounds that. While it waits, it reports
once on stderr if the name was removed or now means another segment.

If receivers compete (mpmc, spmc), each message goes to one of them, and leaves
the ring before it is written. `recv` takes up to 256 messages, and never more
than `--count`, when stdout has room. If stdout then fails, or a signal ends
`recv` and stdout accepts nothing for 500 ms, these messages are lost, and
`recv` reports how many. SIGKILL loses them without a report.

From a job ring (jobs), `recv` takes up to 8 jobs, and acknowledges them once
they are written to stdout: if it is killed, or stdout fails, other receivers
get them. A job that was written just before a kill comes again. The stream ends
when every job is acknowledged. `shmring work` runs a command for each job.

Each receiver of a broadcast ring receives every message from its start on,
which is `--from next` unless given. It is gating, unless `--lossy` or
`--latest` is given: the sender waits for it. A lossy one reports on stderr how
many messages it missed, once for each loss, and goes on. `shmring evict` makes
a gating one lossy, which it reports. None of this changes the exit code. Here,
too, messages are received before they are written. If stdout fails, or a signal
ends `recv`, before all of them are written, it reports the position of the
first that was not, and `--stats` reports that of the next message: `--from
POSITION` goes on there. The exit code is 1 if the ring does not keep that
message any more. On rings of other kinds these options fail with code 6.

With several names, `recv` joins all rings before it takes a message, or none;
it leaves each ring at the end of its stream, and ends with the last stream.
`--wait`, `--count` and `--timeout` are limits for all rings together. `recv`
writes about 256 KiB of one ring at most before it serves the next one that has
messages; the messages of each ring stay in order. If a ring fails because it is
corrupt or truncated, `recv` reports it at once, receives from the others until
they end, and exits with the code of the first failure.

`--prefix` writes the name of the ring, a colon and a space before each message;
with `--length-prefixed`, the name with a length prefix of its own. As a message
may contain newlines, only the latter marks every message. `--raw` marks none.")]
pub(crate) struct RecvArgs {
    #[command(flatten)]
    pub(crate) receiving: Receiving,
    #[command(flatten)]
    losses: Losses,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Losses {
    /// Of a broadcast ring: the sender does not wait for this receiver, which reports how
    /// many messages it missed
    #[arg(long)]
    lossy: bool,
    /// Of a broadcast ring: receive the newest message each time and skip those before it;
    /// the sender does not wait
    #[arg(long)]
    latest: bool,
}

impl RecvArgs {
    /// Returns how to subscribe; `None` if the command line has no option for broadcast rings.
    pub(crate) fn subscribe(&self) -> Option<Subscribe> {
        let mode = match self.losses {
            Losses { lossy: true, .. } => Some(Subscribe::lossy()),
            Losses { latest: true, .. } => Some(Subscribe::latest()),
            Losses { .. } => None,
        };
        if mode.is_none() && self.receiving.from.is_none() {
            return None;
        }
        Some(mode.unwrap_or_else(Subscribe::gating).from(self.receiving.start()))
    }
}

#[derive(Debug, Args)]
#[command(override_usage = "\
shmring tap [OPTIONS] <NAME>...
       shmring tap [OPTIONS] --socket <PATH>")]
#[command(after_help = "\
Examples:
  shmring tap ticks --stats
  shmring tap ticks --from oldest --count 9

Shows the messages of a broadcast ring that is in use, as `recv --lossy` does:
no sender waits for it, and it reports on stderr how many messages it missed.
Unlike `recv`, it does not end with the stream: when the sender has gone, it
waits for the next one. SIGINT, `--count`, `--timeout`, a reader of stdout that
leaves, or the close of the ring ends it.

It needs a free handle of the segment, and the right to write to it. Of a ring
of another kind, each message goes to one receiver, so that `tap` would take it
away: there it fails with code 6, and `shmring peek` shows unread messages.")]
pub(crate) struct TapArgs {
    #[command(flatten)]
    pub(crate) receiving: Receiving,
}

impl TapArgs {
    pub(crate) fn subscribe(&self) -> Subscribe {
        Subscribe::lossy().from(self.receiving.start())
    }
}

/// Which messages to receive, and how to write them.
#[derive(Debug, Args)]
pub(crate) struct Receiving {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    pub(crate) terms: Terms,
    #[command(flatten)]
    framing: RecvFraming,
    /// Write the name of its ring before each message
    #[arg(long, conflicts_with = "raw")]
    pub(crate) prefix: bool,
    /// Of a broadcast ring: begin with the next message that is sent, with the oldest one that
    /// is kept, or at a position
    #[arg(long, value_name = "next|oldest|POSITION", value_parser = parse::start)]
    from: Option<Start>,
    /// Stop after N messages and leave the rest in the ring
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Exit with code 4 if no message arrives, on any ring, for this long
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Print totals and rates on stderr at the end
    #[arg(long)]
    pub(crate) stats: bool,
}

/// The segments to receive from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Targets {
    /// Names of the segments
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The segment that `shmring serve` offers at this socket
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct RecvFraming {
    /// Each message followed by a newline (the default)
    #[arg(long)]
    lines: bool,
    /// The bytes of the messages, without separators
    #[arg(long)]
    raw: bool,
    /// Each message with a length prefix: u32, little-endian
    #[arg(long)]
    length_prefixed: bool,
}

impl Receiving {
    /// Returns the segments to receive from, at least one.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let Targets { names, socket } = &self.targets;
        if let Some(path) = socket {
            return vec![Target { name: None, socket: Some(path.clone()) }];
        }
        names.iter().map(|name| Target { name: Some(name.clone()), socket: None }).collect()
    }

    pub(crate) fn framing(&self) -> Outgoing {
        match (self.framing.raw, self.framing.length_prefixed) {
            (true, _) => Outgoing::Raw,
            (false, true) => Outgoing::LengthPrefixed,
            (false, false) => Outgoing::Lines,
        }
    }

    /// Returns where a receiver of a broadcast ring begins.
    pub(crate) fn start(&self) -> Start {
        self.from.unwrap_or(Start::Next)
    }
}
