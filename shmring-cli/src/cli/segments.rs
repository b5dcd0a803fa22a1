//! What can be typed of the verbs that make segments and remove them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shmring::Kind;

use crate::cli::parse;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring create prices --capacity 16M
  shmring create jobs --kind mpmc --slots 4096 --slot-bytes 1K
  shmring create prices --mode 0660 --exist-ok --json

An spsc ring takes messages of any length up to almost half of its capacity. The
others have slots: each takes one message of at most 8 bytes less than its size.
Where several receive, each message goes to one of them.

Of several processes that create one name at the same time exactly one makes
it; nobody ever sees a half-made segment.")]
pub(crate) struct CreateArgs {
    /// Name of the segment
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) ring: RingArgs,
    /// Who may use it, as octal permission bits; the umask is not applied [default: 0600]
    #[arg(long, value_parser = parse::mode)]
    pub(crate) mode: Option<u32>,
    /// Be content with an existing segment that has the kind, sizes and mode asked for
    #[arg(long, conflicts_with = "recreate")]
    pub(crate) exist_ok: bool,
    /// Replace an existing segment, provided that nobody is attached to it
    #[arg(long)]
    pub(crate) recreate: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who pays for the fences of wake-ups.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Fences {
    /// Senders and sleepers, by an instruction each
    BothSides,
    /// Only a sleeper, by a system call
    SleepersOnly,
}

/// What a new ring is like.
#[derive(Debug, Args)]
pub(crate) struct RingArgs {
    /// Who shares the ring: spsc, mpsc, spmc or mpmc (single or multiple producers,
    /// single or multiple consumers)
    #[arg(long, default_value = "spsc", value_parser = parse::kind)]
    pub(crate) kind: Kind,
    /// Size of an spsc ring, rounded up to a power of two [default: 1M]
    #[arg(long, value_name = "BYTES", value_parser = parse::size)]
    pub(crate) capacity: Option<u64>,
    /// Slots of any other ring, rounded up to a power of two [default: 1024]
    #[arg(long, value_name = "N", value_parser = parse::size)]
    pub(crate) slots: Option<u64>,
    /// Size of a slot, 8 bytes of which are its stamp, rounded up to a multiple of 8
    /// [default: 256]
    #[arg(long, value_name = "BYTES", value_parser = parse::size)]
    pub(crate) slot_bytes: Option<u64>,
    /// How many processes can be attached at once, 1 to 256 [default: 64]
    #[arg(long, value_name = "N")]
    pub(crate) max_attachments: Option<u64>,
    /// How many producers and consumers there can be at once, 1 to 256 [default: 64]
    #[arg(long, value_name = "N")]
    pub(crate) max_handles: Option<u64>,
    /// Which side pays for the fence that keeps wake-ups from being lost: both, where a
    /// process that attaches may not call membarrier [default: sleepers-only, where the
    /// machine has membarrier]
    #[arg(long, value_name = "SIDES")]
    pub(crate) wake_fences: Option<Fences>,
    /// Fault all pages in at attach, if possible
    #[arg(long)]
    pub(crate) prefault: bool,
    /// Lock the pages into memory, if possible
    #[arg(long)]
    pub(crate) lock: bool,
    /// Ask for huge pages, if possible
    #[arg(long)]
    pub(crate) huge_pages: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring serve prices --socket /run/prices.socket --allow-uid 1000
  shmring serve jobs --socket jobs.socket --kind mpmc --allow-gid 100 --json
  seq 1 9 | shmring send --socket jobs.socket      # in another shell

For peers that are not trusted: the segment has no name, and nobody can change
its size, so no peer can make another one fault. A peer can still spoil the
messages. Who is on no list is told so. What counts is the user and the group
that the kernel names, and users before groups. An observer's `attach` shows
the segment and can change nothing.

`serve` ends with code 0 on SIGINT, SIGTERM, SIGHUP or SIGQUIT. Those who have
the segment then go on; it is freed when the last of them ends.")]
pub(crate) struct ServeArgs {
    /// What descriptions and messages call the segment
    pub(crate) name: String,
    /// Where to offer it; a socket that a server left behind is replaced
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: PathBuf,
    /// Let this user take part, besides the one who serves
    #[arg(long = "allow-uid", value_name = "UID")]
    pub(crate) allow_uids: Vec<u32>,
    /// Let those take part whose primary group this is
    #[arg(long = "allow-gid", value_name = "GID")]
    pub(crate) allow_gids: Vec<u32>,
    /// Let this user look on
    #[arg(long = "observer-uid", value_name = "UID")]
    pub(crate) observer_uids: Vec<u32>,
    #[command(flatten)]
    pub(crate) ring: RingArgs,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring unlink prices orders
  shmring unlink --stale prices

Every name is tried. A name that does not exist makes the code 3. Without
`--stale` a ring loses its name while it is in use: those attached go on, and
nobody can join them. With it a segment in use stays as it is, which makes the
code 7. A process that attaches meanwhile is first, or finds no such name.

A damaged segment, or one of another version, is removed like any other. A file
that is not a segment stays, which makes the code 6; `--force` removes it, too.")]
pub(crate) struct UnlinkArgs {
    /// Only segments that nobody is attached to, sound or damaged
    #[arg(long)]
    pub(crate) stale: bool,
    /// Remove the name even if its file is not a segment
    #[arg(long, conflicts_with = "stale")]
    pub(crate) force: bool,
    /// Names of the segments
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}
