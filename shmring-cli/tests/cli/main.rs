//! The `shmring` binary as a shell sees it: real processes, real shared memory.

#[cfg(feature = "bench")]
mod bench;
mod broadcast;
mod competing;
mod competing_ends;
#[cfg(feature = "bench")]
mod demo;
mod doctor;
mod elsewhere;
mod exit_codes;
mod filtered;
mod gc;
mod help;
mod holder;
mod jobs;
mod json;
mod killed;
mod kinds;
mod lifecycle;
mod listing;
mod lost_name;
mod party;
mod peek;
mod pipe_manners;
mod serving;
mod several;
mod several_ends;
mod signals;
mod stat;
mod stats;
mod subscribers;
mod support;
mod top;
mod transfer;
mod truncated;
mod waits;
