//! The segment's format, held against `docs/format.md` by files that do not change.
//!
//! - `*.hex`: a segment of each kind, as a dump; `*.txt`: what is in it.
//! - `scenes`: how they were made. `SHMRING_WRITE_GOLDEN=1 cargo test -p shmring --test golden`
//!   makes them anew (and fails the tests that read them meanwhile), which is right only
//!   together with a new version of the format.
//! - `reader.py`: a reader that shares nothing with the library but the document.

#![cfg(target_endian = "little")]

#[path = "../common/mod.rs"]
mod common;

mod image;
mod listing;
mod reader;
mod reading;
mod scenes;
mod writing;
