//! One end of one ring in this process: what the algorithm keeps, the registration that holds
//! the role, and how a verb waits. The public handles and their guards share it.

pub(crate) mod backoff;
mod elements;
#[cfg(test)]
mod elements_tests;
mod flavor;
pub(crate) mod interrupt;
pub(crate) mod liveness;
pub(crate) mod park;
pub(crate) mod reactor;
mod recv;
pub(crate) mod registration;
mod send;
pub(crate) mod subscribe;
#[cfg(test)]
mod waiting_tests;
pub(crate) mod watch;
#[cfg(test)]
mod watch_tests;

pub(crate) use flavor::{Elements, check_len, wrong_len};
pub(crate) use recv::{CopyElement, CopyOut, CopyParts, RecvEndpoint, Releaser};
pub(crate) use send::SendEndpoint;
