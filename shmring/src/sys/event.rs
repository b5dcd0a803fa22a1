//! A descriptor that event loops wait for: an eventfd.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::descriptor::Descriptor;
use crate::sys::OsError;

/// A descriptor that is readable from a [`signal`](Self::signal) to the next
/// [`clear`](Self::clear). Neither blocks, nor touches what the program opened under the number
/// after it closed the descriptor.
#[derive(Debug)]
pub(crate) struct Event {
    descriptor: Descriptor,
    /// Whether nobody clears it.
    is_for_edges: bool,
}

impl Event {
    pub(crate) fn new() -> Result<Self, OsError> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let event = EventFd::from_flags(flags)
            .map_err(|errno| OsError::new("eventfd", "an event loop", errno))?;
        let descriptor = Descriptor::new(File::from(OwnedFd::from(event)))?;
        Ok(Self { descriptor, is_for_edges: false })
    }

    /// As [`new`](Self::new), for a loop that sees each signal, but not whether the descriptor is
    /// readable (edge-triggered): `clear` does nothing.
    #[cfg(feature = "tokio")]
    pub(crate) fn for_edges() -> Result<Self, OsError> {
        Ok(Self { is_for_edges: true, ..Self::new()? })
    }

    pub(crate) fn signal(&self) {
        let _ = self.descriptor.intact().map(|mut file| file.write(&1_u64.to_ne_bytes()));
    }

    pub(crate) fn clear(&self) {
        if self.is_for_edges {
            return;
        }
        let _ = self.descriptor.intact().map(|mut file| file.read(&mut [0; size_of::<u64>()]));
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.unchecked().as_fd()
    }
}
