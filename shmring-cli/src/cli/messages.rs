//! Arguments and help of the verbs that attach to segments and move messages.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Attaching, Target, Terms};
use crate::cli::parse;
use crate::transfer::framing::{Incoming, Outgoing};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring attach prices
  shmring attach prices --wait 5s --json
  shmring attach --socket prices.socket
  tail -f log | shmring attach prices --send      # as shmring send prices")]
pub(crate) struct AttachArgs {
    #[command(flatten)]
    pub(crate) attaching: Attaching,
    /// Join as a producer and send the lines of stdin
    #[arg(long, conflicts_with_all = ["recv", "json"])]
    pub(crate) send: bool,
    /// Join as a consumer and receive lines to stdout
    #[arg(long, conflicts_with = "json")]
    pub(crate) recv: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seq 1 1000000 | shmring send prices
  shmring send blob --bytes 64K < image.raw
  tail -f log | shmring send log --timeout 5s
  seq 1 1000000 | shmring send prices --stats
  seq 1 9 | shmring send --socket prices.socket

Each line is sent as soon as it is complete; available lines are sent in one
batch. A last line without newline is a message too, and `recv` adds the
missing newline. A message that is too long for the ring ends the transfer with
code 1: everything before it is sent, no part of it is.

The stream ends with the stdin of the last sender: receivers get the rest of
the ring and exit. Without a receiver, `send` fills the ring and then waits.
While it waits, it reports once on stderr if the name was removed or now means
another segment.")]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) attaching: Attaching,
    #[command(flatten)]
    framing: SendFraming,
    /// Exit with code 4 if the ring stays full for this long
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Print totals and rates on stderr at the end
    #[arg(long)]
    pub(crate) stats: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct SendFraming {
    /// One message per line, without its newline (the default)
    #[arg(long)]
    lines: bool,
    /// Messages of N bytes; the last one may be shorter
    #[arg(long, value_name = "N", value_parser = parse::chunk_size)]
    bytes: Option<usize>,
    /// Messages with a length prefix: u32, little-endian
    #[arg(long)]
    length_prefixed: bool,
}

impl SendArgs {
    pub(crate) fn framing(&self) -> Incoming {
        match (self.framing.bytes, self.framing.length_prefixed) {
            (Some(bytes), _) => Incoming::Chunks(bytes),
            (None, true) => Incoming::LengthPrefixed,
            (None, false) => Incoming::Lines,
        }
    }
}

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
    targets: Targets,
    #[command(flatten)]
    pub(crate) terms: Terms,
    #[command(flatten)]
    framing: RecvFraming,
    /// Write the name of its ring before each message
    #[arg(long, conflicts_with = "raw")]
    pub(crate) prefix: bool,
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

impl RecvArgs {
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
}
