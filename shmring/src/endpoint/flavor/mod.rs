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
use crate::info::Kind;
use crate::memory::mapped_ring::MappedRing;

pub(super) use batch::Batch;
pub(crate) use elements::{Elements, check_len, wrong_len};
pub(super) use recv::RecvFlavor;
pub(super) use send::SendFlavor;

/// # Errors
/// [`JoinError::WrongKind`] if the ring is packed: only handles of elements use such a ring; or if
/// its consumers are workers.
pub(super) fn check_messages(mapped: &MappedRing) -> Result<(), JoinError> {
    let kind = mapped.shape().kind();
    match mapped.shape() {
        Shape::Slots { kind: Kind::Jobs, .. } => {
            Err(JoinError::WrongKind { kind, wanted: "a ring whose messages need no answer" })
        }
        Shape::Elements { .. } => Err(JoinError::packed(kind)),
        _ => Ok(()),
    }
}
