//! Lock-free ring buffers in shared memory: as fast as the cache line allows, as
//! dependable as a pipe.
//!
//! ```
//! use shmring::{Config, RecvError, Segment};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-tour-{}", std::process::id());
//! # let name = name.as_str();
//! // One process makes the segment and sends.
//! let segment = Segment::create(name, &Config::spsc().capacity_bytes(1 << 16))?;
//! let mut producer = segment.producer()?;
//!
//! // Another attaches to it by name and receives.
//! let mut consumer = Segment::attach(name)?.consumer()?;
//!
//! producer.send(b"hello")?;
//! assert_eq!(consumer.recv()?, b"hello");
//!
//! drop(producer);
//! assert_eq!(consumer.recv(), Err(RecvError::Eof));
//! Segment::unlink(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - A message is received once, whole and in order, or it was never sent.
//! - A receiver sees the end of the stream when its producer has gone; a sender
//!   gets a broken pipe when its consumer has. Both after what was sent before.
//! - Blocking verbs have timeouts, and no wake-up is lost.
//! - A process that dies leaves nothing half done: its role can be taken over, and
//!   only the kernel's word makes it dead, never a clock.
//! - Sending makes no system call unless the other side sleeps.
//! - Bytes in the segment that no correct peer can have written give an error.
//!
//! # How it is built
//!
//! Each layer uses only those to its right, and unsafe code is in the files that
//! allow it by name:
//!
//! ```text
//! stream -> producer, consumer -> grant -> side -> seat -> wait -> segment -> layout, sys
//!                                           side, seat, segment -> ring -> sync
//!                                             all of them -> error -> facts
//! ```
//!
//! - `ring`: the algorithms. They know no operating system, allocate nothing and
//!   see no payload; a model checker compiles the same files.
//! - `sync`: the seam through which they touch memory and sleep.
//! - `layout`: the byte map of a segment.
//! - `segment`: create, find, attach, unlink; where raw bytes become typed.
//! - `seat`, `wait`: a handle's place in the tables; spinning and sleeping there.
//! - `side`: the algorithm's private state and the seat it is played from.
//! - `grant`: reservations and peeks; where payload is touched.
//! - `sys`: one file for each concern of the operating system.

mod consumer;
mod element;
pub mod error;
mod facts;
mod grant;
mod layout;
pub mod packed;
mod peers;
mod producer;
mod ring;
mod seat;
mod segment;
mod side;
mod stream;
mod sync;
mod sys;
pub mod typed;
mod wait;

pub use bytemuck;
pub use consumer::Consumer;
pub use element::Element;
pub use error::{
    AttachError, ConfigError, Corrupt, CreateError, Fault, JoinError, NameError, OsError,
    RecvError, Role, SendError, TryRecvError, TrySendError, UnlinkError,
};
pub use facts::{Description, ElementType, Kind, Obtained, Participant, Status};
pub use grant::{Lookahead, Message, Peek, Reservation};
pub use producer::Producer;
pub use segment::{Config, Observer, Segment, list};
pub use stream::{Reader, Writer};
pub use wait::WaitMode;

#[cfg(test)]
mod ring_tests;
