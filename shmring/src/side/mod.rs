//! One side of a ring: the algorithm's private state, the seat it is played from, and
//! what is done when it has to wait. What the public handles and the guards they lend
//! out have in common.

mod elements;
mod recv;
mod send;
#[cfg(test)]
mod waiting_tests;

pub(crate) use elements::{RecvElements, SendElements};
pub(crate) use recv::RecvSide;
pub(crate) use send::SendSide;
