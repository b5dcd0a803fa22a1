//! Arguments and help of the verbs that create and remove segments.

use std::path::PathBuf;

use clap::Args;
use shmring::Kind;

use crate::cli::parse;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring create prices --capacity 16M
  shmring create lines --kind mpsc --slots 4096 --slot-bytes 128
  shmring create jobs --kind jobs --slots 4096 --slot-bytes 1K
  shmring create ticks --kind broadcast --capacity 8M
  shmring create prices --mode 0660 --exist-ok --json

An spsc ring holds messages of any length up to almost half of its capacity, a
broadcast ring up to 7/16 of it. The others have slots: a message that is longer
than a slot takes several, up to half of the ring and 1 MiB. If several
processes receive from these, each message goes to one of them; of a broadcast
ring, each receives all. Of a job ring, a message comes back until it is
acknowledged, also if the process that had it is killed: see `shmring work`.

If several processes create the same name at once, exactly one succeeds. No
process ever sees an incomplete segment.")]
pub(crate) struct CreateArgs {
    /// Name of the segment
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) ring: RingArgs,
    /// Octal permission bits of the segment; the umask is not applied [default: 0600]
    #[arg(long, value_parser = parse::mode)]
    pub(crate) mode: Option<u32>,
    /// Succeed if a segment with the same kind, sizes, metadata and mode exists
    #[arg(long, conflicts_with = "recreate")]
    pub(crate) exist_ok: bool,
    /// Replace an existing segment if no process is attached to it
    #[arg(long)]
    pub(crate) recreate: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The configuration of a new ring.
#[derive(Debug, Args)]
pub(crate) struct RingArgs {
    /// Kind of the ring: spsc, mpsc, spmc or mpmc (single or multiple producers,
    /// single or multiple consumers), broadcast (one producer, and receivers that
    /// each receive every message), or jobs (multiple producers, and workers that
    /// acknowledge what they take)
    #[arg(long, default_value = "spsc", value_parser = parse::kind)]
    pub(crate) kind: Kind,
    /// Size of an spsc or a broadcast ring, rounded up to a power of two [default: 1M]
    #[arg(long, value_name = "BYTES", value_parser = parse::size)]
    pub(crate) capacity: Option<u64>,
    /// Number of slots of any other ring, rounded up to a power of two [default: 1024]
    #[arg(long, value_name = "N", value_parser = parse::size)]
    pub(crate) slots: Option<u64>,
    /// Size of a slot, its header of 8 bytes (of a job ring 16) included, rounded up to a
    /// multiple of 8 [default: 256]
    #[arg(long, value_name = "BYTES", value_parser = parse::size)]
    pub(crate) slot_bytes: Option<u64>,
    /// Maximum number of attached processes, 1 to 256 [default: 64]
    #[arg(long, value_name = "N")]
    pub(crate) max_attachments: Option<u64>,
    /// Maximum number of producers and consumers, 1 to 252 [default: 63]
    #[arg(long, value_name = "N")]
    pub(crate) max_handles: Option<u64>,
    /// Store this text in the segment, for processes that attach: the name of a schema, say.
    /// At most 1024 bytes
    #[arg(long, value_name = "TEXT")]
    pub(crate) metadata: Option<String>,
    /// Prefault all pages when attaching, if possible
    #[arg(long)]
    pub(crate) prefault: bool,
    /// Lock the pages into memory, if possible
    #[arg(long)]
    pub(crate) lock: bool,
    /// Request huge pages, if possible
    #[arg(long)]
    pub(crate) huge_pages: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring serve prices --socket /run/prices.socket --allow-uid 1000
  shmring serve jobs --socket jobs.socket --kind mpmc --allow-gid 100 --json
  seq 1 9 | shmring send --socket jobs.socket      # in another shell

For untrusted peers: the segment has no name, and its size cannot change, so no
peer can make another one fault. A peer can still spoil messages. Users that
are not listed are refused. `serve` uses the user and group ids that the kernel
reports, and checks users before groups. An observer's `attach` shows the
segment and cannot change it.

`serve` exits with code 0 on SIGINT, SIGTERM, SIGHUP or SIGQUIT. Attached
processes go on; the segment is freed when the last of them ends.")]
pub(crate) struct ServeArgs {
    /// Label of the segment in reports and errors
    pub(crate) name: String,
    /// Path of the socket; one that a dead server left is replaced
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: PathBuf,
    /// Let this user send and receive, besides the server's own
    #[arg(long = "allow-uid", value_name = "UID")]
    pub(crate) allow_uids: Vec<u32>,
    /// Let users with this primary group send and receive
    #[arg(long = "allow-gid", value_name = "GID")]
    pub(crate) allow_gids: Vec<u32>,
    /// Let this user observe
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

Every name is tried. A name that does not exist makes the exit code 3. Without
`--stale`, a segment in use loses its name: attached processes go on, and no
other process can attach. With `--stale`, a segment in use is kept, and the
exit code is 7. A process that attaches meanwhile either succeeds first or
finds no such name.

A damaged segment, or one of another version, is removed like any other. A file
that is not a segment is kept, and the exit code is 6; `--force` removes it,
too.")]
pub(crate) struct UnlinkArgs {
    /// Remove only segments that no process is attached to, sound or damaged
    #[arg(long)]
    pub(crate) stale: bool,
    /// Remove the name even if its file is not a segment
    #[arg(long, conflicts_with = "stale")]
    pub(crate) force: bool,
    /// Names of the segments
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}
