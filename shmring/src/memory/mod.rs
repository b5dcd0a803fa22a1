//! Mapped memory: where raw bytes become typed references, and payload is copied.
//!
//! All unsafe code of the library that touches a segment is in this module and in
//! [`guards`](crate::guards).

pub(crate) mod copy;
pub(crate) mod mapped_ring;
pub(crate) mod mapping;
pub(crate) mod payload;
pub(crate) mod sentinel;
pub(crate) mod sigbus;

pub(crate) use mapped_ring::MappedRing;
