//! The life of a segment: finding, creating, attaching, reaping the dead, replacing, removing.

pub(crate) mod attachment;
pub(crate) mod create;
pub(crate) mod find;
pub(crate) mod lock;
pub(crate) mod monitor;
pub(crate) mod name;
pub(crate) mod unlink;
pub(crate) mod use_marks;
