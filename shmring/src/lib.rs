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
//! # Which ring
//!
//! | ring | made by | handles | what it moves |
//! |---|---|---|---|
//! | record ring | [`Config::spsc`] | [`Producer`], [`Consumer`]: one each | messages of any length, in place if wanted |
//! | slot ring | [`Config::mpmc`], [`mpsc`](Config::mpsc), [`spmc`](Config::spmc) | [`Producer`], [`Consumer`]: many where the name says so; consumers compete | messages of bounded length |
//! | the same, typed | with [`Config::element`] | [`typed::Producer`], [`typed::Consumer`] | values of one type |
//! | packed ring | [`Config::packed`] | [`packed::Producer`], [`packed::Consumer`]: one each | values of one type with nothing between them, in slices |
//!
//! # What it promises
//!
//! - A message is received once, whole and in order, or it was never sent. Of several
//!   producers each has its own order.
//! - A receiver sees the end of the stream when the last producer has gone; a sender
//!   gets a broken pipe when the last consumer has. Both after what was sent before.
//! - Blocking verbs have timeouts, and no wake-up is lost.
//! - A process that dies leaves nothing half done: its role can be taken over, what it
//!   had claimed and not sent is passed over, and only the kernel's word makes it dead,
//!   never a clock. Who sleeps notices within 100 ms, or at once if a [`Monitor`] runs
//!   anywhere ([`Segment::monitor`]).
//! - Sending makes no system call unless the other side sleeps.
//! - Bytes in the segment that no correct peer can have written give an error.
//!
//! What it cannot promise: where producers compete, one that is *stopped* (not dead)
//! between claiming a slot and sending its message holds back the messages that others
//! send after it, until it runs again, since its stores cannot be revoked. Receivers that
//! do not wait are told [`WouldBlock`](TryRecvError::WouldBlock), not
//! [`Empty`](TryRecvError::Empty), meanwhile. After a kill, the one message or batch that
//! the dead was about to send or to return from a receive is in doubt, as it is with a
//! pipe; [`Message::position`] names it. Never let the kernel write into a reservation
//! (`O_DIRECT`, io_uring): it may do so after the process is dead.
//!
//! # How it is built
//!
//! Each layer uses only those to its right, and unsafe code is in the files that
//! allow it by name:
//!
//! ```text
//! stream, typed -> producer, consumer ─┐
//!                             packed ─┴-> grant -> side -> seat -> wait -> segment -> layout, sys
//!                                                  side -> peers        side, seat, segment -> ring -> sync
//!                                                                      all of them -> error -> facts
//! ```
//!
//! - `ring`: the algorithms: `record`, `slot`, `packed`, and what they share. They know
//!   no operating system, allocate nothing and see no payload; a model checker compiles
//!   the same files.
//! - `sync`: the seam through which they touch memory and sleep.
//! - `layout`: the byte map of a segment.
//! - `segment`: create, find, attach, unlink, clean up behind the dead, watch for deaths, look
//!   on; where raw bytes become typed.
//! - `seat`, `wait`: a handle's place in the tables; spinning and sleeping there.
//! - `pace`: when a consumer does better not to look again at once.
//! - `peers`: whose going ends what a handle can do.
//! - `side`: the algorithm's private state and the seat it is played from.
//! - `grant`: reservations, peeks and copies; where payload is touched.
//! - `sys`: one file for each concern of the operating system.

mod consumer;
mod element;
pub mod error;
mod facts;
mod grant;
mod iter;
mod layout;
mod pace;
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
    AttachError, CollectError, ConfigError, Corrupt, CreateError, Fault, JoinError, MonitorError,
    NameError, OfferError, OsError, PeekError, ReceiveError, RecvError, Role, SendError,
    ShareError, TryRecvError, TrySendError, UnlinkError,
};
pub use facts::{
    Description, ElementType, Front, Holder, Kind, Obtained, Participant, PidNamespace, Process,
    ProcessState, Standstill, Status, WakeFences,
};
pub use grant::{Lookahead, Message, Peek, Reservation};
pub use producer::Producer;
pub use segment::{
    Access, AllowList, AttachOptions, Collected, Collector, Config, Fate, Monitor, Observer, Offer,
    Outcome, PeekEnd, Peeked, Pending, Segment, Unlinked, Visit, list,
};
pub use stream::{Reader, Writer};
pub use wait::WaitMode;

#[cfg(test)]
mod ring_tests;
