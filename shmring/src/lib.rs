//! Lock-free ring buffers in shared memory: as fast as the cache line allows, as
//! dependable as a pipe.
//!
//! Processes on one Linux machine send each other messages through memory that they share.
//! There is no server, no background thread that a program did not ask for, and while nobody has
//! to wait, no system call either. When a process dies, at whatever instruction, the others go on.
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
//! The package has seven programs of a page each, in `examples`: `hello`, `market_data`,
//! `logger`, `work_queue`, `frames`, `embedded` and `async_service`. Pages of their own, in `docs` at the root of the
//! repository, tell how to choose (`choosing.md`), what a death leaves (`death.md`), whom to
//! trust and what runs out (`limits.md`, `hostile.md`), and every byte (`format.md`).
//!
//! # Segments and handles
//!
//! A *segment* is a piece of shared memory with a ring in it. [`Segment::create`] makes one with a
//! name, and [`Segment::open_or_create`] attaches to it if it is there. The name is that of a
//! POSIX shared memory object, a file in `/dev/shm`: it stays, with the messages in it, until
//! somebody [unlinks](Segment::unlink) the name and all have left.
//! [`Segment::create_sealed`] makes one without a name, to be passed on as a descriptor or
//! [offered](Segment::offer) at a socket, for users who do not trust each other.
//!
//! A [`Segment`] is this process's *attach*, and can be shared between threads. From it come
//! *handles*, the producers and consumers. A handle belongs to one thread at a time, and can
//! be moved to another. It keeps the attachment alive, so the `Segment` may be dropped before it.
//! After a `fork`, the child has none of them: each verb says so, and it attaches anew.
//!
//! # Which ring
//!
//! | ring | made by | handles | what it moves |
//! |---|---|---|---|
//! | record ring | [`Config::spsc`] | [`Producer`], [`Consumer`]: one each | messages of any length, in place if wanted |
//! | slot ring | [`Config::mpmc`], [`mpsc`](Config::mpsc), [`spmc`](Config::spmc) | [`Producer`], [`Consumer`]: many where the name says so; consumers compete | messages of any length up to half of the ring and 1 MiB; best of one slot |
//! | job ring | [`Config::jobs`] | [`Producer`], [`Worker`]: many; workers compete, and acknowledge | messages as in a slot ring, which come back until they are acknowledged |
//! | slot ring of values | with [`Config::values`] | [`values::Producer`], [`values::Consumer`]: as many | values of one type |
//! | packed ring | [`Config::packed`] | [`values::Producer`], [`values::Consumer`]: one each | values of one type with nothing between them, in slices |
//! | broadcast ring | [`Config::broadcast`] | [`Producer`]: one; [`Consumer`]: many, which [`subscribe`](Segment::subscribe) | messages of any length, or values of one type, each to all consumers |
//!
//! # Verbs
//!
//! | to | at once, or an error | as long as it takes | up to a timeout |
//! |---|---|---|---|
//! | send a copy | [`try_send`](Producer::try_send) | [`send`](Producer::send) | [`send_timeout`](Producer::send_timeout), [`send_deadline`](Producer::send_deadline) |
//! | send parts as one | [`try_send_vectored`](Producer::try_send_vectored) | [`send_vectored`](Producer::send_vectored) | [`send_vectored_timeout`](Producer::send_vectored_timeout) |
//! | send many | [`try_send_batch`](Producer::try_send_batch), [`try_send_some`](Producer::try_send_some) | [`send_batch`](Producer::send_batch) | [`send_batch_timeout`](Producer::send_batch_timeout) |
//! | write in place | [`try_reserve`](Producer::try_reserve) | [`reserve`](Producer::reserve) | [`reserve_timeout`](Producer::reserve_timeout) |
//! | receive a copy | [`try_recv`](Consumer::try_recv), [`try_recv_into`](Consumer::try_recv_into) | [`recv`](Consumer::recv), [`recv_into`](Consumer::recv_into), [`iter`](Consumer::iter) | [`recv_timeout`](Consumer::recv_timeout), [`recv_deadline`](Consumer::recv_deadline), [`recv_into_timeout`](Consumer::recv_into_timeout) |
//! | use a vector again | [`try_recv_into_vec`](Consumer::try_recv_into_vec) | [`recv_into_vec`](Consumer::recv_into_vec) | [`recv_into_vec_timeout`](Consumer::recv_into_vec_timeout) |
//! | receive many | [`try_recv_batch`](Consumer::try_recv_batch) | [`recv_batch`](Consumer::recv_batch) | [`recv_batch_timeout`](Consumer::recv_batch_timeout) |
//! | read in place | [`try_peek`](Consumer::try_peek), [`lookahead`](Consumer::lookahead) | [`peek`](Consumer::peek) | [`peek_timeout`](Consumer::peek_timeout) |
//! | wait only | | | [`wait_readable`](Consumer::wait_readable), [`wait_writable`](Producer::wait_writable), [`wait_for_producer`](Consumer::wait_for_producer), [`close_and_drain`](Producer::close_and_drain) |
//! | be a byte stream | | [`into_writer`](Producer::into_writer), [`into_reader`](Consumer::into_reader) | [`Writer::set_timeout`], [`Reader::set_timeout`] |
//!
//! Each way of waiting has its error types, with nothing in them that it cannot return:
//! [`TrySendError`], [`SendError`] and [`SendTimeoutError`]; [`TryRecvError`], [`RecvError`] and
//! [`RecvTimeoutError`], inside a [`RecvIntoError`] where a buffer can be too small. All convert
//! to [`std::io::Error`]. No verb does half of what it was asked for: after an error,
//! nothing was sent, or nothing was taken. A timeout is on the monotonic clock, which stands
//! still while the machine is suspended.
//!
//! # What it promises
//!
//! - A message is received once, whole and in order, or it was never sent. Of several
//!   producers each has its own order.
//! - What a producer did before it sent a message happens before what a consumer does after
//!   it received it. What a consumer did before it took a message, or released it, happens
//!   before its space is written to again.
//! - A receiver sees the end of the stream when the last producer has gone; a sender
//!   gets a broken pipe when the last consumer has. Both after what was sent before.
//! - Blocking verbs have timeouts, and no wake-up is lost.
//! - Sending makes no system call unless the other side sleeps.
//! - Bytes in the segment that no correct peer can have written give an error: no panic, no
//!   endless loop, no access outside.
//!
//! What it cannot promise: where producers compete, one that is *stopped* (not dead)
//! between claiming a slot and sending its message holds back the messages that others
//! send after it, until it runs again, since its stores cannot be revoked. Receivers that
//! do not wait are told [`WouldBlock`](TryRecvError::WouldBlock), not
//! [`Empty`](TryRecvError::Empty), meanwhile. Never let the kernel write into a reservation
//! (`O_DIRECT`, io_uring): it may do so after the process is dead.
//!
//! # Waiting
//!
//! [`WaitMode`] says how a handle waits, and can be set for each: it spins, which is fastest
//! and takes a CPU; it sleeps at once; or, unless set, it spins for some tens of microseconds
//! and then sleeps. Waiting for a message and waiting for room are alike. A thread that
//! serves several rings waits for all of them in a [`WaitSet`]. A thread with an event loop waits for
//! the descriptor of a [`Readiness`], among all its others. Tasks of tokio, and of other executors,
//! wait for futures of an `AsyncConsumer` or `AsyncProducer` (feature `tokio`, example
//! `async_service`). A handle that has to serve something else as well takes timeouts, as the example
//! `embedded` does.
//!
//! A stream ends when its last producer has gone, as a pipe does, and goes on if another one
//! joins. So where producers come and go, a consumer waits through the end
//! ([`Eof::NextProducer`](Consumer::set_eof)), or one that sends nothing keeps the stream open
//! (example `market_data`); and where the end is to be final, also for consumers that have
//! yet to come, somebody [closes](Producer::close) the ring (example `work_queue`).
//!
//! # Death
//!
//! A process that is killed leaves nothing half done: a message is there or it is not, its
//! role can be taken over, and what it had claimed and not sent is passed over. Only the
//! kernel's word makes it dead, never a clock. A waiter that sleeps notices within 100 ms,
//! whatever interrupts it, one that spins within 1 ms, and everybody at once if a [`Monitor`]
//! runs anywhere ([`Segment::monitor`]).
//!
//! Verbs that begin with `try_` do not look for the dead. A program that only polls with them
//! sees neither the end of the stream nor a broken pipe when the other side is killed, until
//! somebody else cleans up. Run a [`Monitor`] beside such a program, or let it call a
//! `_timeout` verb now and then, with a timeout of zero if it must not wait: that one looks
//! for the dead whenever a look is due.
//!
//! One message, or batch, is then in doubt, as it is with a pipe:
//!
//! - of a producer, the one that it was sending: it was sent, or not;
//! - of a sole consumer, the one that it had not released comes again, to its successor, and
//!   says so ([`Message::is_redelivered`]); one that `recv` was returning may be gone;
//! - of a competing consumer, the one that it had taken does not come again.
//!   [`Message::end_position`] names it. Where it must not be lost, a job ring is the right one;
//! - of a worker of a job ring, what it has taken and not acknowledged comes back
//!   ([`Job::attempts`]), as in the example `work_queue`.
//!
//! # Making it fast
//!
//! - **The right ring.** Values of one size between two processes belong into a packed ring,
//!   and there into slices: they go several times as fast as one by one. Values from or to
//!   many belong into slots of their size.
//! - **Batches.** A batch is claimed, published and looked after for sleepers once. That counts
//!   most in packed rings, and wherever the other side has to be woken.
//! - **In place.** `reserve` and `peek` save the copies into the ring and out of it, where
//!   messages are long and are made, or used, piece by piece. Short ones are better copied.
//! - **Sizes.** A ring that is larger than a CPU's own caches, and smaller than the one that
//!   both CPUs share, lets a producer run ahead. A shallow one bounds how old a message can be.
//! - **Pace.** A consumer that takes each message as soon as it is there hampers its producer,
//!   as each takes the same cache lines from the other. `recv` backs off by itself; a program
//!   that polls with `try_recv` should do something else between two polls, or take batches.
//! - **Memory.** [`Config::prefault`] takes the page faults out of the first lap.
//! - **Placement.** Two CPUs that share a cache pass a line several times as fast as two that
//!   do not. Pin the processes, if that is known.
//!
//! # Looking on, and cleaning up
//!
//! An [`Observer`] sees what goes on in a segment ([`Status`]) and which messages wait
//! ([`Observer::peek`]), and takes no part. [`list`] names all segments, [`list_deleted`] finds
//! those that lost their names and are still in use. A [`Collector`] removes what the dead have
//! left and nobody came back to. The program `shmring` does all of that in a shell.
//!
//! # Modules
//!
//! The types that most programs name are at the root, and all errors. What their verbs give back
//! is in the module of the verb, as its names say little alone:
//!
//! | module | has |
//! |---|---|
//! | [`error`] | every error, and what they hold |
//! | [`info`] | what segments, rings and participants are and do: [`Front`](info::Front), [`Holder`](info::Holder), [`Obtained`](info::Obtained), [`Process`](info::Process) |
//! | [`observe`] | observers: [`Pending`](observe::Pending) messages, [`PeekEnd`](observe::PeekEnd) |
//! | [`sealed`] | segments without a name: the [`Visit`](sealed::Visit) of a client, its [`Outcome`](sealed::Outcome), the [`Access`](sealed::Access) it has |
//! | [`gc`] | collectors: what was [`Collected`](gc::Collected), and its [`Fate`](gc::Fate) |
//! | [`values`] | handles for values of one type |
//! | [`readiness`] | descriptors for event loops: what an [`Arm`](readiness::Arm) found |
//! | [`wait_set`] | waits for many handles: the [`Key`](wait_set::Key) of each, those that are [`Ready`](wait_set::Ready) |
//!
//! Enums and structs that may grow are `#[non_exhaustive]`.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | adds |
//! |---|---|
//! | `bytes` | `bytes::BufMut` for [`Reservation`] |
//! | `serde` | `serde::Serialize` for the data that observers, collectors and [`info`] return |
//! | `tokio` | `AsyncConsumer`, `AsyncProducer`, and those of [`values`]: verbs that are futures, `Stream` and `Sink` |
//!
//! The names in serialized data are those of the fields, and those of the variants in
//! `snake_case`. A variant with fields is a map from its name to them, a range a map of `start` and
//! `end`, a [`SystemTime`](std::time::SystemTime) one of `secs_since_epoch` and
//! `nanos_since_epoch`; an absent value is null, and bytes are a sequence of numbers. A path that is
//! not UTF-8 has U+FFFD where it is not. The program `shmring` prints JSON of its own form, which
//! `docs/cli-json.md` specifies.
//!
//! # How it is built
//!
//! `docs/design.md`, in the repository, has the map of the layers, which a test checks against
//! the imports, the invariants, and what was tried. From a call down to the memory:
//!
//! 1. `producer`, `consumer`, `values`: the verbs.
//! 2. `endpoint`: one end of one ring in this process: it registers, tries, backs off, parks,
//!    and checks whether the other role is still there.
//! 3. `ring`: the algorithms. They call no operating system, allocate nothing and see no
//!    payload; a model checker compiles the same files over another `sync`.
//! 4. `memory`: the mapping, and the copies into and out of it. Unsafe code stands only in files
//!    that allow it by name.
//!
//! `lifecycle` creates, attaches, reaps and unlinks segments, whose bytes `format` specifies.
//! `sys` has one file for each concern of the operating system.

// What is read from a segment must not be able to end the process (I6 in `ring`). A module that
// calculates or indexes with other values allows it, with the reason.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used,
    )
)]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!(
    "shmring supports 64-bit Linux only: the segments hold 64-bit atomics, and futexes, memfds and \
     open file description locks are Linux's"
);

#[macro_use]
mod settings;

mod attach_options;
mod config;
mod consumer;
mod element;
mod endpoint;
pub mod error;
mod format;
pub mod gc;
mod guards;
pub mod info;
mod iter;
mod lifecycle;
mod memory;
pub mod observe;
mod producer;
pub mod readiness;
mod ring;
pub mod sealed;
mod segment;
mod stream;
mod sync;
mod sys;
#[cfg(feature = "tokio")]
mod task;
pub mod values;
pub mod wait_set;
mod worker;

pub use attach_options::AttachOptions;
pub use config::Config;
pub use consumer::Consumer;
pub use element::Element;
#[doc(hidden)]
pub use element::{Id as __Id, field_is_valid as __field_is_valid};
pub use endpoint::interrupt::Interrupter;
pub use endpoint::liveness::Eof;
pub use endpoint::park::WaitMode;
pub use endpoint::subscribe::{Start, Subscribe};
pub use error::{
    AttachError, CollectError, ConfigError, Corrupt, CreateError, DrainError, EvictError, Fault,
    JoinError, MonitorError, NameError, OfferError, OsError, PeekError, ReadinessError,
    ReceiveError, RecvError, RecvIntoError, RecvTimeoutError, Role, SendError, SendTimeoutError,
    ShareError, TryRecvError, TrySendError, UnlinkError, WaitError, WrongType,
};
pub use gc::Collector;
pub use guards::{Job, Lookahead, Message, Peek, Reservation};
pub use info::{
    ElementType, Kind, Participant, PidNamespace, ProcessState, RingInfo, RingStatus, SegmentInfo,
    Stall, Status, TypeName,
};
pub use iter::Iter;
pub use lifecycle::find::NameState;
pub use lifecycle::monitor::Monitor;
pub use lifecycle::unlink::{UnlinkOnDrop, Unlinked};
#[doc(hidden)]
pub use memory::copy::copy_routine;
pub use observe::{Deleted, Observer, Peeked, list, list_deleted};
pub use producer::Producer;
pub use readiness::Readiness;
pub use sealed::{AllowList, Offer};
pub use segment::Segment;
pub use stream::{Reader, Writer};
#[cfg(feature = "tokio")]
pub use task::{AsyncConsumer, AsyncProducer};
pub use wait_set::WaitSet;
pub use worker::Worker;

#[cfg(test)]
mod ring_tests;
