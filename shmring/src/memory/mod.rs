//! Mapped memory: turns raw bytes into typed references, and copies payload.
//!
//! This module and [`guards`](crate::guards) hold all unsafe code that touches a segment.

pub(crate) mod copy;
pub(crate) mod mapped_ring;
pub(crate) mod mapping;
pub(crate) mod parts;
pub(crate) mod payload;
pub(crate) mod sentinel;
pub(crate) mod sigbus;

pub(crate) use mapped_ring::MappedRing;
