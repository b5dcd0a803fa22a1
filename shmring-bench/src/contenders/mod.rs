//! The contenders, one file each.

mod pipe;
mod record_ring;

use crate::transfer::Contestant;

pub use pipe::Pipe;
pub use record_ring::RecordRing;

/// shmring's record ring.
pub const RECORD_RING: Contestant = Contestant::of::<RecordRing>();
/// The kernel's pipe.
pub const PIPE: Contestant = Contestant::of::<Pipe>();
/// All of them.
pub const ALL: [Contestant; 2] = [RECORD_RING, PIPE];
