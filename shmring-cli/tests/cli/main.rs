//! The `shmring` binary as a shell sees it: real processes, real shared memory.

mod competing;
mod competing_ends;
mod demo;
mod doctor;
mod exit_codes;
mod help;
mod killed;
mod kinds;
mod lifecycle;
mod listing;
mod party;
mod pipe_manners;
mod serving;
mod signals;
mod stats;
mod support;
mod transfer;
mod truncated;
