//! Rings of elements of one type, one after the other: one producer, one consumer.
//!
//! What a ring of this kind is inside one process, across processes: no header, no
//! length and no stamp stands between the elements, and many of them are made visible,
//! or consumed, with one store.
//!
//! ```
//! use shmring::{Config, RecvError, Segment};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-packed-{}", std::process::id());
//! # let name = name.as_str();
//! let segment = Segment::create(name, &Config::packed::<u64>().slots(4096))?;
//! let mut producer = segment.packed_producer::<u64>()?;
//! let mut consumer = Segment::attach(name)?.packed_consumer::<u64>()?;
//!
//! producer.send(&1)?;
//! producer.send_slice(&[2, 3, 4])?;
//! assert_eq!(consumer.recv()?, 1);
//! let mut rest = [0; 8];
//! assert_eq!(consumer.recv_slice(&mut rest)?, 3);
//!
//! drop(producer);
//! assert_eq!(consumer.recv(), Err(RecvError::Eof));
//! # Segment::unlink(name)?;
//! # Ok(())
//! # }
//! ```

#![allow(
    clippy::indexing_slicing,
    reason = "of the caller's elements, by counts that were limited to theirs"
)]

mod consumer;
mod producer;

pub use crate::guards::{Elements, Space};
pub use consumer::Consumer;
pub use producer::Producer;
