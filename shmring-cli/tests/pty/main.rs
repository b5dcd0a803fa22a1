//! The `shmring` binary as a person sees it: in a terminal, through a real pseudo-terminal.

#[path = "../cli/support.rs"]
#[allow(dead_code)]
mod support;

mod colors;
#[cfg(feature = "bench")]
mod demo;
mod pipes;
mod progress;
mod terminal;
mod top;
