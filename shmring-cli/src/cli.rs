//! What can be typed, and the help that explains it.

mod looking;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use shmring::Kind;
use shmring_bench::cli::{AFTER_HELP, FileCommand, SessionArgs};

use crate::framing::{Incoming, Outgoing};
use crate::parse;
use crate::report;
pub(crate) use looking::{GcArgs, LsArgs, PeekArgs, StatArgs, TopArgs};

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 no such segment, 4 timeout,
5 peer gone (broken pipe), 6 corrupt or incompatible segment, 7 exists or
role taken. A transfer that SIGINT or SIGTERM ends dies of that signal after
tidying up, which a shell shows as 130 or 143.

NAME is the name of a POSIX shared memory object, with or without its leading
slash. `--socket PATH` instead means what `shmring serve` offers there; no
server is code 3, and to be refused is code 1. Sizes: 4096, 64K = 64KiB = 65536,
64KB = 64000, likewise M, G, T. Durations: 250ms, 5s, 1m.

Facts go to stdout, talk to stderr. Colours are for terminals, unless NO_COLOR
is set. A transfer of more than a second shows how far it is, if stderr is a
terminal and nobody types or reads the messages there.

Example:
  shmring create prices
  seq 1 1000000 | shmring send prices &
  shmring recv prices | tail -n 1
  shmring unlink prices";

/// Ring buffers in shared memory: as fast as the cache line allows, with the
/// manners of a pipe.
#[derive(Debug, Parser)]
#[command(name = "shmring", version, after_long_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a segment
    Create(CreateArgs),
    /// Make a sealed segment and offer it at a socket to those on a list
    Serve(ServeArgs),
    /// Attach to a segment, verify it and describe it, or move stdin or stdout
    Attach(AttachArgs),
    /// Send stdin as messages
    Send(SendArgs),
    /// Receive messages to stdout, until the stream ends
    Recv(RecvArgs),
    /// Remove names; those who are attached go on undisturbed
    Unlink(UnlinkArgs),
    /// List segments without joining any
    Ls(LsArgs),
    /// Tell what goes on in a segment, and why it stands still
    Stat(StatArgs),
    /// Watch all segments, and one of them in full
    Top(TopArgs),
    /// Show messages that wait to be received, and leave them there
    Peek(PeekArgs),
    /// Clean up behind the dead, and remove what they abandoned
    Gc(GcArgs),
    /// Check the machine, and a segment, and say what to do
    Doctor(DoctorArgs),
    /// Move 2 GiB between two processes through a ring and through a pipe
    Demo(DemoArgs),
    /// Measure the rings beside other mechanisms, or compare and draw what was measured
    Bench(BenchArgs),
    /// Print a shell's completions of these verbs and options
    Completions(CompletionsArgs),
    /// Write manual pages, one for each verb
    Man(ManArgs),
}

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

`serve` ends with code 0 on SIGINT or SIGTERM. Those who have the segment then
go on; it is freed when the last of them ends.")]
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

/// Which segment.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Target {
    /// Name of the segment
    pub(crate) name: Option<String>,
    /// The segment that `shmring serve` offers at this socket
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

impl Target {
    /// What was typed, for people to type again.
    pub(crate) fn typed(&self) -> String {
        let socket = self.socket.as_ref().map(|path| format!("--socket {}", path.display()));
        report::printable(&socket.or_else(|| self.name.clone()).unwrap_or_default())
    }
}

/// How to attach to what, for all verbs that do.
#[derive(Debug, Args)]
pub(crate) struct Attaching {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Wait up to this long for the name to appear, or for a server to answer
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) wait: Option<Duration>,
    /// Refuse a segment, or a server, of any other owner
    #[arg(long, value_name = "UID")]
    pub(crate) owner: Option<u32>,
    /// Attach even if everybody may write to the segment
    #[arg(long, conflicts_with = "socket")]
    pub(crate) accept_world_writable: bool,
}

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

Each line goes as soon as it is complete; lines that are there at once go
together. A last line without newline is a message too, so `recv` adds the
newline that was missing. A message that is longer than the ring takes ends
the transfer with code 1: everything before it is sent, nothing of it is.

The end of stdin ends the stream, where there are several senders that of the
last one: receivers get what is in the ring and end. With no receiver yet,
`send` fills the ring, and waits when it is full.")]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) attaching: Attaching,
    #[command(flatten)]
    framing: SendFraming,
    /// Give up (code 4) when the ring stays full for this long
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Say on stderr what was sent, and how fast
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
    /// Messages that have their length in front: u32, little-endian
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
#[command(after_help = "\
Examples:
  shmring recv prices
  shmring recv blob --raw > image.raw
  shmring recv jobs --count 1 --timeout 5s
  shmring recv prices --stats > /dev/null
  shmring recv --socket prices.socket --wait 5s

Messages leave the ring only after they were written to stdout. A reader that
stops early ends `recv` with code 0, and what was not written stays in the
ring for the next one. But a pipe takes in up to 64 KiB that its reader may
never look at: to take exactly one message use `--count 1`, not `| head -n 1`.

The stream ends when the last sender has gone and its messages are received. A
receiver that finds neither messages nor senders waits for the next sender, as
a reader of a FIFO does; `--timeout` bounds that.

Where receivers compete (mpmc, spmc), each message goes to one of them, and has
to leave the ring before it is written. `recv` takes some, up to 256 and never
more than `--count`, when stdout has room: if stdout then fails, or `recv` is
killed, those are lost.")]
pub(crate) struct RecvArgs {
    #[command(flatten)]
    pub(crate) attaching: Attaching,
    #[command(flatten)]
    framing: RecvFraming,
    /// Stop after N messages and leave the rest in the ring
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Give up (code 4) when no message comes for this long
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Say on stderr what was received, and how fast
    #[arg(long)]
    pub(crate) stats: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct RecvFraming {
    /// Each message and a newline (the default)
    #[arg(long)]
    lines: bool,
    /// The bytes of the messages and nothing between them
    #[arg(long)]
    raw: bool,
    /// Each message with its length in front: u32, little-endian
    #[arg(long)]
    length_prefixed: bool,
}

impl RecvArgs {
    pub(crate) fn framing(&self) -> Outgoing {
        match (self.framing.raw, self.framing.length_prefixed) {
            (true, _) => Outgoing::Raw,
            (false, true) => Outgoing::LengthPrefixed,
            (false, false) => Outgoing::Lines,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring unlink prices orders
  shmring unlink --stale prices

Every name is tried. A name that does not exist makes the code 3. Without
`--stale` a ring loses its name while it is in use: those attached go on, and
nobody can join them. With it a segment in use stays as it is, which makes the
code 7. Who attaches meanwhile is first, or finds no such name.")]
pub(crate) struct UnlinkArgs {
    /// Only segments that nobody is attached to, sound or damaged
    #[arg(long)]
    pub(crate) stale: bool,
    /// Names of the segments
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
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
version 6. Nothing is changed.")]
pub(crate) struct DoctorArgs {
    /// Also check the segment of this name
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  shmring demo --bytes 4GiB --capacity 256K

Nothing has to exist before, and nothing is left behind.")]
pub(crate) struct DemoArgs {
    /// How much to move in each round
    #[arg(long, value_parser = parse::size, default_value = "2GiB")]
    pub(crate) bytes: u64,
    /// Size of the ring and, where allowed, of the pipe
    #[arg(long, value_name = "BYTES", value_parser = parse::size, default_value = "1MiB")]
    pub(crate) capacity: u64,
    /// Rounds for each, ring and pipe in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const BENCH_EXAMPLES: &str = "\
Examples:
  shmring bench quick --html page.html
  shmring bench seed --only \"ping-pong, 8 B, blocking\" --json before.json
  shmring bench seed --only \"ping-pong, 8 B, blocking\" --json after.json
  shmring bench compare before.json after.json";

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, args_conflicts_with_subcommands = true)]
#[command(after_help = format!("{BENCH_EXAMPLES}\n\n{AFTER_HELP}"))]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) files: Option<FileCommand>,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches contradictions in the declarations, which clap finds only at run time.
    #[test]
    fn declarations_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring completions bash > ~/.local/share/bash-completion/completions/shmring
  shmring completions zsh > ~/.zfunc/_shmring
  shmring completions fish > ~/.config/fish/completions/shmring.fish")]
pub(crate) struct CompletionsArgs {
    /// For which shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring man ~/.local/share/man/man1
  man ~/.local/share/man/man1/shmring-send.1")]
pub(crate) struct ManArgs {
    /// An existing directory
    pub(crate) directory: PathBuf,
}
