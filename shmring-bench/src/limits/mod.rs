//! What memory and the kernel allow at best, and simple rings of the usual shape: measured by the
//! same loops as everybody else, so that a ratio to them means something.
//!
//! They check nothing, wake no peer (except for the futex) and survive no death. Their ends belong
//! to one run of the harness, which is why they may trust each other.

mod cache_line;
mod futex;
mod line_ring;
mod plain_mpmc;
mod plain_spsc;
mod shared;
mod words;

pub use cache_line::CacheLine;
pub use futex::BareFutex;
pub use line_ring::LineRing;
pub use plain_mpmc::PlainMpmc;
pub use plain_spsc::{PlainSpsc, TouchOnly};
pub use words::PackedWords;
