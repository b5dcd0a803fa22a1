//! The `shmring` binary as a shell sees it: real processes, real shared memory.

mod demo;
mod exit_codes;
mod lifecycle;
mod listing;
mod pipe_manners;
mod signals;
mod support;
mod transfer;
