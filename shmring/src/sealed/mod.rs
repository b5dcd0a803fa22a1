//! Sealed segments: in a memfd without a name, passed as descriptors or offered at a socket.

pub(crate) mod allow;
pub(crate) mod create;
pub(crate) mod handshake;
pub(crate) mod offer;
pub(crate) mod receive;

pub use allow::{Access, AllowList};
pub use offer::{Offer, Outcome, Visit};
