//! One end of one ring in this process: what the algorithm keeps, the registration that holds
//! the role, and how a verb waits. The public handles and their guards share it.

pub(crate) mod backoff;
mod flavor;
pub(crate) mod interrupt;
pub(crate) mod liveness;
mod packed;
pub(crate) mod park;
mod recv;
pub(crate) mod registration;
mod send;
#[cfg(test)]
mod waiting_tests;

pub(crate) use packed::{PackedRecvEndpoint, PackedSendEndpoint};
pub(crate) use recv::{CopyOut, RecvEndpoint, Releaser};
pub(crate) use send::SendEndpoint;
