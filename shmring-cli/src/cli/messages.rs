//! Arguments and help of the verbs that attach to segments and send messages.

use std::time::Duration;

use clap::Args;

use super::Attaching;
use crate::cli::parse;
use crate::transfer::framing::Incoming;

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
another segment.

On a broadcast ring, `send` goes on without receivers, and when the last one
leaves: new messages overwrite old ones. It waits for gating receivers only
(`recv` without `--lossy` and `--latest`), and if it ends for lack of room, it
reports who held it up.")]
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
