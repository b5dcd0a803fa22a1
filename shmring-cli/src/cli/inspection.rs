//! Arguments and help of the verbs that inspect segments, or reap and collect.

use std::time::Duration;

use clap::Args;

use super::{Attaching, Target};
use crate::cli::parse;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring ls
  shmring ls --json | jq -r '.segments[] | select(.state == \"idle\").name'

States: open (a process is attached), idle (none is), abandoned (none is, and
one died in it), closed (for good), broken (followed by the fault), deleted
(the name was removed while processes use the segment; it still takes memory).
A participant that died without leaving is marked dead. Pids are those of this
pid namespace; a process that is not visible here is marked `(other ns)`. Other
files in /dev/shm are not listed.

Deleted segments are found through /proc, which shows a user its own processes,
and root all.")]
pub(crate) struct LsArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring stat prices
  shmring stat prices --interval 2s
  shmring stat prices --json | jq .stall
  shmring stat --socket prices.socket

Takes two samples, one interval apart, and does not attach. Rates are the
difference. If nothing was received in between, it reports why, and which
process can change that and how: for a stopped process, the `kill -CONT` that
continues it. How long the ring had stalled before the first sample is unknown.

Of a broadcast ring, it shows the mode of each receiver, how many messages and
bytes it is behind, and how many it missed, and names the receiver that holds
the sender up: for how long, why, and what to do. Such a ring is used from its
slowest gating receiver on, and is empty if it has none; the messages that it
keeps for `--from` are counted apart.

Of a job ring, it shows which jobs each worker has, how often each was taken,
and for how long the worker has had jobs without a break. If the ring is full,
it names the worker that has the first job, which keeps room from senders.

Only the kernel decides that a process is dead: one that dumps core is alive
until the core file is written. Commands and process states are read from
/proc, for processes that it shows. A corrupt ring makes the exit code 6.")]
pub(crate) struct StatArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Time between the two samples
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, default_value = "200ms")]
    pub(crate) interval: Duration,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring top
  shmring top -d 200ms
  shmring top --once
  shmring top --once -d 2s --json | jq -r '.segments[] | select(.stall).name'

Keys: up and down to select, Enter for details of a segment and Esc to go back,
/ to filter by name, a column's first letter (as capital) to sort by it, + and
- to change the interval, q to quit, ? for all keys.

MSGS/S are messages received. IN and OUT are bytes of the ring that were filled
and freed, headers and padding included. States: moving; in flight and full (a
process waits); in hand (workers are at their jobs), not taken and empty (none
waits); corrupt and broken (create it
anew); idle, abandoned, closed and deleted as in `shmring ls`.

`top` attaches to nothing and writes nothing, so users of a ring are not
disturbed.")]
pub(crate) struct TopArgs {
    /// Time between two samples
    #[arg(
        short = 'd', long, value_name = "DURATION", default_value = "1s", value_parser = parse::pace
    )]
    pub(crate) interval: Duration,
    /// Print one table and exit; needs no terminal
    #[arg(long)]
    pub(crate) once: bool,
    /// Print JSON
    #[arg(long, requires = "once")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring peek prices
  shmring peek prices -n 1 --hex
  shmring peek prices -n 1000 --json | jq -r '.messages[].text'

Shows unread messages, oldest first, and leaves them in the ring. Each is shown
whole; it may be received by the time you read it. Messages that others receive
meanwhile are skipped and counted on stderr. `peek` ends at a position that is
claimed and not published. Of a broadcast ring, it shows the messages that are
kept, whoever has received them; of a job ring, the jobs that are not
acknowledged, those in hand included.

The columns are position, length, and text with control characters escaped.
`...` follows a message that was shortened.")]
pub(crate) struct PeekArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Maximum number of messages shown
    #[arg(short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) messages: usize,
    /// Maximum number of bytes shown of each message
    #[arg(long, value_name = "BYTES", value_parser = parse::size, default_value = "1K")]
    pub(crate) bytes: u64,
    /// Show bytes in hexadecimal
    #[arg(long)]
    pub(crate) hex: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
#[command(override_usage = "\
shmring evict [OPTIONS] <NAME> <HANDLE>
       shmring evict [OPTIONS] --socket <PATH> <HANDLE>")]
#[command(after_help = "\
Examples:
  shmring evict ticks 0
  shmring evict ticks 0 --json

For a broadcast ring whose sender waits for a receiver that is stopped or too
slow: `shmring stat` names it, and its handle. From then on it is lossy: it
stays attached, its next receive reports that it was evicted, and it may miss
messages. A receiver that died needs no eviction: the sender goes on without it.

If no receiver has the handle, or if the sender does not wait for it, the exit
code is 1, and 6 if the ring is of another kind.")]
pub(crate) struct EvictArgs {
    #[command(flatten)]
    pub(crate) attaching: Attaching,
    /// Handle of the receiver, as `shmring stat` shows it
    #[arg(value_name = "HANDLE")]
    pub(crate) handle: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring gc --dry-run
  shmring gc
  shmring gc prices orders
  shmring gc --unattached --unread --json

Reaps dead processes in segments that others use, as attaching does, and
removes abandoned segments: those that no process is attached to and that a
process died in since the last one attached.

A segment with unread messages is kept and listed, unless `--unread` is given:
then the messages are lost. Those of a broadcast ring do not count: they were
for the receivers of their time.

A segment that waits for its first user is not abandoned, nor is one that all
users left by detaching: users may still come. `--unattached` removes those
too. Files of unfinished segments are removed in any case.

Kernel locks prove that no process is attached, and keep others from attaching
meanwhile, so `gc` is safe at any time and any number of times at once. Only
segments of this user are removed. Damaged segments and those of other versions
are kept: `shmring unlink` removes them.")]
pub(crate) struct GcArgs {
    /// Only these segments [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Report what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove all segments that no process is attached to
    #[arg(long)]
    pub(crate) unattached: bool,
    /// Remove segments with unread messages, too
    #[arg(long)]
    pub(crate) unread: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring doctor
  shmring doctor prices
  shmring doctor --json | jq -r '.groups[].findings[] | select(.level != \"ok\").found'

Each finding has a level: ok; note (information); warning (may fail or be slow
later); problem (something does not work). A problem makes the exit code 1.
With NAME, a missing segment makes it 3, a damaged one or one of another
version 6.

`doctor` tests a ring: it creates a segment of a few pages, lets a child send a
message, kills the child, waits until the death is detected, and removes the
segment. It changes nothing else.")]
pub(crate) struct DoctorArgs {
    /// Also check the segment of this name
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
