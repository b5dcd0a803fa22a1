//! Handles for values of one type, on any ring that was made for the type: numbers, arrays, and
//! structs with [`#[derive(Element)]`](derive@crate::Element). The ring records the type, and
//! handles of another type, or of bytes, are refused.
//!
//! A packed ring ([`Config::packed`](crate::Config::packed)) has one producer and one consumer. As
//! in a ring inside one process, no header, no length and no stamp stands between the values, and
//! many of them become visible, or are consumed, with one store:
//!
//! ```
//! use shmring::{Config, RecvError, Segment};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-packed-{}", std::process::id());
//! # let name = name.as_str();
//! let segment = Segment::create(name, &Config::packed::<u64>().slots(4096))?;
//! let mut producer = segment.value_producer::<u64>()?;
//! let mut consumer = Segment::attach(name)?.value_consumer::<u64>()?;
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
//!
//! A slot ring made with [`Config::values`](crate::Config::values) can have many producers and
//! consumers. Each value has a slot of its own, so that values become visible one by one, and
//! [`Space`] and [`Values`] hold one at a time:
//!
//! ```
//! use shmring::{Config, Segment};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-values-{}", std::process::id());
//! # let name = name.as_str();
//! let segment = Segment::create(name, &Config::mpmc().slots(64).values::<[f64; 2]>())?;
//! let mut producer = segment.value_producer::<[f64; 2]>()?;
//! let mut other = producer.try_clone()?;
//! let mut consumer = segment.value_consumer::<[f64; 2]>()?;
//!
//! producer.send(&[1.0, 2.0])?;
//! other.send(&[3.0, 4.0])?;
//! assert_eq!(consumer.recv()?, [1.0, 2.0]);
//! assert_eq!(consumer.recv()?, [3.0, 4.0]);
//! # Segment::unlink(name)?;
//! # Ok(())
//! # }
//! ```

#![allow(
    clippy::indexing_slicing,
    reason = "of the caller's values, by counts that were limited to theirs"
)]

mod consumer;
mod iter;
mod producer;

pub use crate::guards::{Space, Values};
#[cfg(feature = "tokio")]
pub use crate::task::values::{AsyncConsumer, AsyncProducer};
pub use consumer::Consumer;
pub use iter::Iter;
pub use producer::Producer;
