//! A handle's way into the segment.

#![allow(unsafe_code)]

use std::slice;
use std::sync::Arc;

use super::attach::Attach;
use super::mapping::Parts;
use crate::ring::roster::Role;
use crate::ring::tables::Handle;
use crate::ring::wake::Sleepers;
use crate::ring::{Control, Words, record};
use crate::sync::AtomicU64;

/// The attach, kept alive, with the addresses that the hot path needs beside it.
#[derive(Debug)]
pub(crate) struct View {
    attach: Arc<Attach>,
    parts: Parts,
}

// SAFETY: the parts point into the mapping that `attach` keeps, which may be used
// from any thread.
unsafe impl Send for View {}

impl View {
    pub(crate) fn new(attach: Arc<Attach>) -> Self {
        let parts = attach.mapping().parts();
        Self { attach, parts }
    }

    pub(crate) fn attach(&self) -> &Attach {
        &self.attach
    }

    #[inline]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: `attach` keeps the mapping; see the description of [`mapping`](super::mapping).
        unsafe { self.parts.control.as_ref() }
    }

    #[inline]
    pub(crate) fn handles(&self) -> &[Handle] {
        // SAFETY: as above.
        unsafe { self.parts.handles.as_ref() }
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: as above.
        unsafe { self.parts.words.as_ref() }
    }

    #[inline]
    pub(crate) fn record(&self) -> record::Ring<'_> {
        record::Ring::new(self.control(), Words::new(self.words()))
    }

    /// The sleepers that a role sleeps among.
    #[inline]
    pub(crate) fn sleepers(&self, role: Role) -> &Sleepers {
        match role {
            Role::Producer => &self.control().senders,
            Role::Consumer => &self.control().receivers,
        }
    }

    /// The payload words of a record that the ring placed.
    #[inline]
    pub(crate) fn payload(&self, place: record::Place) -> &[AtomicU64] {
        let first = (place.offset / 8) as usize;
        let words = self.words();
        debug_assert!(first + (place.len.div_ceil(8) as usize) <= words.len());
        // SAFETY: the ring placed the record inside the data (I6).
        unsafe { slice::from_raw_parts(words.as_ptr().add(first), place.len.div_ceil(8) as usize) }
    }
}
