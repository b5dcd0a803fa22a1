//! The operating system: one file per concern, each function one call with a
//! typed error that says what failed on what.

pub(crate) mod clock;
pub(crate) mod futex;
