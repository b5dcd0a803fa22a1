//! The rings, checked by loom: every model runs the very files that `shmring`
//! is built from, over this crate's `sync` instead of the machine's.
//!
//! ```text
//! sync      the seam: atomics, fences and the futex, with a death at any operation and
//!           any ordering weakened on request
//! frame     what a model is and how it is run
//! fixture   a ring in ordinary memory, and parties that send and receive over it
//! models    the models, one module per family
//! canaries  proof that the models notice when an ordering is weakened
//! states    the algorithms once more, as explicit states, without loom
//! ```
//!
//! Everything is an ordinary test under a plain `cargo test`: no flags, no
//! features, no environment. A model explores every execution with at most as
//! many preemptions as the bound in its name says: it is no proof beyond that.

#![cfg(test)]

mod canaries;
mod fixture;
mod frame;
mod models;
mod states;
mod sync;

/// The files under test, unmodified. They are linted in `shmring`.
#[path = "../../shmring/src/ring/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::all,
    reason = "linted where it is used, in shmring"
)]
mod ring;
