//! Segments whose bytes no correct peer wrote, before an attach or at any moment after it.
//!
//! Whatever they hold and however they change, each verb gives a value or an error, soon: it
//! does not panic, loop, or touch memory outside the segment. A panic fails the test, a loop
//! meets its watchdog, and a stray access shows under a sanitizer (see `docs/hostile.md`). The
//! bytes come from a seed, so that what failed once fails again.

#[path = "../common/mod.rs"]
mod common;
mod images;
mod jobs;
mod locks;
mod mutated;
mod random;
mod refilled;
mod scribbled;
mod verbs;
