//! The kinds of rings, behind one arm for each verb. No other file of the endpoints knows them:
//! a new kind is an algorithm in `ring` and an arm in each verb here.

mod batch;
mod broadcast;
mod elements;
pub(super) mod front;
mod recv;
mod send;

use crate::error::JoinError;
use crate::format::Shape;
use crate::memory::mapped_ring::MappedRing;

pub(super) use batch::Batch;
pub(crate) use elements::{Elements, check_len, wrong_len};
pub(super) use recv::RecvFlavor;
pub(super) use send::SendFlavor;

/// # Errors
/// [`JoinError::WrongKind`] if the ring is packed: only handles of elements use such a ring.
pub(super) fn check_messages(mapped: &MappedRing) -> Result<(), JoinError> {
    match mapped.shape() {
        Shape::Elements { .. } => Err(JoinError::packed(mapped.shape().kind())),
        _ => Ok(()),
    }
}
