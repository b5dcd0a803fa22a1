//! The kinds of rings, behind one arm for each verb. No other file of the endpoints knows them:
//! a new kind of messages is an algorithm in `ring` and an arm in each verb here.

mod recv;
mod send;

use crate::error::JoinError;
use crate::format::Shape;
use crate::memory::mapped_ring::MappedRing;

pub(super) use recv::RecvFlavor;
pub(super) use send::{Batch, SendFlavor};

/// # Errors
/// [`JoinError::WrongKind`] if the ring is not packed.
pub(super) fn check_packed(mapped: &MappedRing) -> Result<(), JoinError> {
    match mapped.shape() {
        Shape::Elements { .. } => Ok(()),
        other => Err(JoinError::WrongKind { kind: other.kind(), wanted: "a packed ring" }),
    }
}
