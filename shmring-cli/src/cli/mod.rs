//! The command line: arguments and help.

mod inspection;
#[cfg(feature = "bench")]
mod measurement;
mod messages;
pub(crate) mod parse;
mod receiving;
mod segments;
mod working;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::report;
pub(crate) use inspection::{DoctorArgs, EvictArgs, GcArgs, LsArgs, PeekArgs, StatArgs, TopArgs};
#[cfg(feature = "bench")]
pub(crate) use measurement::{BenchArgs, DemoArgs};
pub(crate) use messages::{AttachArgs, SendArgs};
pub(crate) use receiving::{Receiving, RecvArgs, TapArgs};
pub(crate) use segments::{CreateArgs, RingArgs, ServeArgs, UnlinkArgs};
pub(crate) use working::WorkArgs;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 no such segment, 4 timeout, 5 peer
gone (broken pipe), 6 corrupt or incompatible segment, 7 exists or role taken.
SIGINT, SIGTERM, SIGHUP and SIGQUIT end a transfer: it writes or reports what
it took, and dies of that signal, which a shell shows as 128 plus the signal's
number; the first process of a container exits with that code. Signals that are
ignored at the start, as under nohup, stay ignored. A verb that prints exits
with code 1 and does nothing if stdout is closed.

NAME is the name of a POSIX shared memory object, with or without its leading
slash. `--socket PATH` instead of NAME uses the segment that `shmring serve`
offers there; no server is code 3, a refusal code 1. Sizes: 4096, 64K = 64KiB =
65536, 64KB = 64000, likewise M, G, T. Durations: 250ms, 5s, 1m.

Results go to stdout, diagnostics to stderr. Colours are used on terminals,
unless NO_COLOR is set. After one second, a transfer shows its progress and
whether the other side is missing, if stderr is a terminal that is not used for
the messages.

Example:
  shmring create prices
  seq 1 1000000 | shmring send prices &
  shmring recv prices | tail -n 1
  shmring unlink prices";

/// Ring buffers in shared memory: as fast as the cache line allows, as dependable
/// as a pipe.
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
    /// Create a segment
    Create(CreateArgs),
    /// Create a sealed segment and offer it at a socket to listed users
    Serve(ServeArgs),
    /// Attach to a segment, verify it and describe it, or move stdin or stdout
    Attach(AttachArgs),
    /// Send stdin as messages
    Send(SendArgs),
    /// Receive messages of one or several rings to stdout, until the streams end
    Recv(RecvArgs),
    /// Run a command for each job of a job ring
    Work(WorkArgs),
    /// Show the messages of a broadcast ring that is in use
    Tap(TapArgs),
    /// Remove names; attached processes are not disturbed
    Unlink(UnlinkArgs),
    /// List segments without attaching to them
    Ls(LsArgs),
    /// Report the state of a segment, and why it stalls
    Stat(StatArgs),
    /// Show all segments live, and details of one
    Top(TopArgs),
    /// Show unread messages, and leave them in the ring
    Peek(PeekArgs),
    /// Let the sender of a broadcast ring no longer wait for a receiver
    Evict(EvictArgs),
    /// Reap dead processes, and remove abandoned segments
    Gc(GcArgs),
    /// Check the machine, and a segment, and advise
    Doctor(DoctorArgs),
    /// Move 2 GiB between two processes through a ring and through a pipe
    #[cfg(feature = "bench")]
    Demo(DemoArgs),
    /// Measure rings and other mechanisms, or compare and draw results
    #[cfg(feature = "bench")]
    Bench(BenchArgs),
    /// Print a shell's completions of these verbs and options
    Completions(CompletionsArgs),
    /// Write manual pages, one for each verb
    Man(ManArgs),
}

/// The segment that a verb works on.
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
    /// Returns the argument as the user typed it.
    pub(crate) fn typed(&self) -> String {
        let socket = self.socket.as_ref().map(|path| format!("--socket {}", path.display()));
        report::printable(&socket.or_else(|| self.name.clone()).unwrap_or_default())
    }
}

/// The segment to attach to, and how.
#[derive(Debug, Args)]
pub(crate) struct Attaching {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

/// How to attach.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// Wait up to this long for the name to appear, or for a server to answer
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub(crate) wait: Option<Duration>,
    /// Refuse segments and servers of other owners
    #[arg(long, value_name = "UID")]
    pub(crate) owner: Option<u32>,
    /// Attach even if every user may write to the segment
    #[arg(long, conflicts_with = "socket")]
    pub(crate) accept_world_writable: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring completions bash > ~/.local/share/bash-completion/completions/shmring
  shmring completions zsh > ~/.zfunc/_shmring
  shmring completions fish > ~/.config/fish/completions/shmring.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell to complete for
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmring man ~/.local/share/man/man1
  man ~/.local/share/man/man1/shmring-send.1")]
pub(crate) struct ManArgs {
    /// Directory to write the pages to
    pub(crate) directory: PathBuf,
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
