//! What can be typed of the verbs that look at segments, or clean up in them.

use std::time::Duration;

use clap::Args;

use super::Target;
use crate::cli::parse;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring ls
  shmring ls --json | jq -r '.segments[] | select(.state == \"idle\").name'

States: open (someone is attached), idle (nobody is), abandoned (nobody is, and
someone died in it), closed (for good), broken (with what is wrong), deleted
(the name was removed while processes use it; their memory is still taken). A
participant that died without leaving is marked dead. A pid is the one here; one
of another pid namespace that cannot be seen from here is marked `(other ns)`.
Other files in /dev/shm are not listed.

Deleted segments are found through the processes that use them, of which /proc
shows a user its own, and root all.")]
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
  shmring stat prices --json | jq .standstill
  shmring stat --socket prices.socket

Looks twice, so long apart, and joins nothing. Rates are what came and went in
between. If nothing was received in that time it says why, who could end that
and how: a stopped process is named with the `kill -CONT` that lets it go on.
Since when the ring has stood still before the first look, nothing tells.

A process counts as dead if the kernel says so, and only then: one that dumps
core is alive until the core file is written. Commands and what processes do
are read from /proc, for processes that it shows. A ring that is corrupt makes
the code 6.")]
pub(crate) struct StatArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How long to look
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
  shmring top --once -d 2s --json | jq -r '.segments[] | select(.standstill).name'

Keys: up and down, Enter for one segment in full and Esc to go back, / to show
only names with a text in them, a column's first letter (as capital) to sort by
it, + and - to look less or more often, q to quit, ? for all of them.

MSGS/S are messages received. IN and OUT are bytes of the ring that were filled
and freed, with what a ring has besides its messages. States: moving; in flight
and full (somebody waits); not taken and empty (nobody does); corrupt and broken
(create it anew); idle, abandoned, closed and deleted as in `shmring ls`.

Nothing is joined and nothing is written, so that those who use a ring do not
notice being watched.")]
pub(crate) struct TopArgs {
    /// How long it is from one look to the next
    #[arg(
        short = 'd', long, value_name = "DURATION", default_value = "1s", value_parser = parse::pace
    )]
    pub(crate) interval: Duration,
    /// Print one table and end; needs no terminal
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

Shows messages that wait to be received, oldest first, and leaves them in the
ring. Each is one that was sent, whole; it may be received by the time you read
this. Those that others receive while `peek` comes to them are passed over and
counted on stderr. It ends where a position is claimed and not published.

Position, length, and the text with its control characters shown instead of
obeyed. Where bytes are missing, `...` follows.")]
pub(crate) struct PeekArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Show at most so many messages
    #[arg(short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) messages: usize,
    /// Show at most so many bytes of each
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
#[command(after_help = "\
Examples:
  shmring gc --dry-run
  shmring gc
  shmring gc prices orders
  shmring gc --unattached --unread --json

Cleans up behind the dead in segments that others use, as anyone does who
attaches, and removes what was abandoned: a segment that nobody is attached to
and that somebody died in since the last one attached.

A segment that holds messages which nobody received is kept and named, unless
`--unread` is given: then the messages are lost.

A segment that was created and waits for its users is not abandoned, nor is one
that they left in good order: they may come back to it. `--unattached` removes
those too. Files that makers left unfinished are removed in any case.

That nobody is attached is proven by the kernel's locks, while nobody can
attach; nothing is taken from the living, however many run at once. Only what
belongs to this user is removed. What is damaged, or of another version, is left
alone: `shmring unlink` removes it.")]
pub(crate) struct GcArgs {
    /// Only these segments [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove all segments that nobody is attached to
    #[arg(long)]
    pub(crate) unattached: bool,
    /// Remove also segments with messages that nobody received
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

Each finding has a level: ok; note (good to know); warning (may fail or be slow
one day); problem (something does not work). A problem makes the code 1. With
NAME, a segment that is not there makes it 3, one that is damaged or of another
version 6.

It tries a ring: makes a segment of a few pages, has a child send a message
through it, kills the child, waits until its death is seen, and removes the
segment. Nothing else is changed.")]
pub(crate) struct DoctorArgs {
    /// Also check the segment of this name
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
