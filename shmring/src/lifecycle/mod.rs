//! The life cycle of a segment: create, find, attach, reap, replace, unlink, monitor.

pub(crate) mod attachment;
pub(crate) mod create;
pub(crate) mod find;
pub(crate) mod lock;
pub(crate) mod monitor;
pub(crate) mod name;
pub(crate) mod reap;
pub(crate) mod unlink;
pub(crate) mod use_marks;
