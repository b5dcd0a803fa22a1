//! One side of a ring: the algorithm's private state, the seat it is played from, and
//! what is done when it has to wait. What the public handles and the guards they lend
//! out have in common.

pub(crate) mod backoff;
pub(crate) mod liveness;
mod packed;
pub(crate) mod park;
mod recv;
pub(crate) mod registration;
mod send;
#[cfg(test)]
mod waiting_tests;

pub(crate) use packed::{PackedRecvEndpoint, PackedSendEndpoint};
pub(crate) use recv::{RecvEndpoint, Releaser};
pub(crate) use send::SendEndpoint;
