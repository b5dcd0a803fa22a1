//! A descriptor of a handle, for event loops.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use crate::endpoint::reactor::Registered;
use crate::endpoint::watch::Watch;
use crate::error::{Fault, ReadinessError};
use crate::sys::event::Event;

/// A descriptor that becomes readable when a producer or a consumer has something to do: for
/// epoll, mio, libuv, asyncio, GLib, or any other loop that waits for descriptors.
///
/// Use the handle with `try_` verbs until they find nothing, [`arm`](Self::arm), and wait for the
/// descriptor to be *readable*, for a producer too. It is an eventfd, non-blocking and
/// close-on-exec. It becomes readable at most once for each arm: when a message is there, or room;
/// when the stream has ended, or the last consumer has left; and when the verb would return an
/// error. Where handles share a role, another one may have been faster.
///
/// ```
/// use shmring::readiness::Arm;
/// use shmring::{Config, Segment, TryRecvError};
/// use std::os::fd::AsFd;
/// # use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let segment = Segment::create_sealed("quotes", &Config::spsc())?;
/// let mut consumer = segment.consumer()?;
/// # let sender = std::thread::spawn({
/// #     let mut producer = segment.producer()?;
/// #     move || producer.send(b"EURUSD 1.0842")
/// # });
/// let readiness = consumer.readiness()?;
/// let mut received = 0;
/// 'events: loop {
///     loop {
///         match consumer.try_recv() {
///             Ok(_quote) => received += 1,
///             Err(TryRecvError::Empty | TryRecvError::WouldBlock) => break,
///             Err(TryRecvError::Eof) => break 'events,
///             Err(error) => return Err(error.into()),
///         }
///     }
///     if readiness.arm()? == Arm::Armed {
///         // Here the loop of the program waits, for this and all its other descriptors.
///         poll(&mut [PollFd::new(readiness.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
///         readiness.clear();
///     }
/// }
/// assert_eq!(received, 1);
/// # sender.join().unwrap()?;
/// # Ok(())
/// # }
/// ```
///
/// # Waiting
/// The kernel waits for an armed handle (`io_uring`, Linux 6.7): who sends makes the descriptor
/// readable in the system call that wakes a sleeper, and no other thread has to run first. This
/// takes one more descriptor for each `Readiness`, and two pages of memory. Such a wait belongs to
/// the thread that called `arm`. If another thread calls it, the reactor waits, until that thread
/// has made eight arms in a row; from then on the waits are that thread's. An arm whose thread ends
/// makes an event.
///
/// # The reactor
/// The first `Readiness` of a process starts one thread, the *reactor*, and the last one that is
/// dropped ends it. The thread handles no signals. While a handle is armed, it looks for dead peers
/// every 100 ms, which the `try_` verbs do not. Where the kernel has no `io_uring` or forbids it, has
/// no descriptor left, or a system call filter is installed, it waits for messages too: for up to
/// 127 handles until the kernel wakes it (`futex_waitv`, Linux 5.16). With more, and where this call
/// is missing or refused, it looks at all of them every millisecond while one is armed.
///
/// # Handles
/// The handle stays the caller's, and the `Readiness` may be in another thread. It keeps the
/// segment attached until it is dropped. A handle that was dropped is always ready. Of a handle
/// that is armed, call only `try_` verbs: after one that blocks, or with a second `Readiness` or
/// a [`WaitSet`](crate::WaitSet) of the same handle, an event may be 100 ms late.
///
/// # Wakes that are not used
/// Where consumers compete, a message wakes one of them. If that was an armed handle whose owner
/// does not take the message, another consumer is woken for it: by the handle's next verb, the next
/// [`arm`](Self::arm), [`disarm`](Self::disarm), or when the handle or this is dropped. A loop that
/// stops waiting for the descriptor calls `disarm`.
///
/// # Forks
/// A fork child has no reactor: `arm` returns [`Fault::Forked`], the other verbs do nothing. It
/// shares the descriptor with its parent, and must not read it.
pub struct Readiness {
    registered: Registered,
    event: Arc<Event>,
}

/// What [`Readiness::arm`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a handle that is ready is to be tried again, as no event will come"]
pub enum Arm {
    /// The handle may have something to do now, and is not armed: try it again.
    Ready,
    /// The descriptor becomes readable when the handle has something to do.
    Armed,
}

impl Readiness {
    pub(crate) fn new(watch: &Arc<Watch>) -> Result<Self, ReadinessError> {
        let event = Arc::new(Event::new().map_err(ReadinessError::Os)?);
        Ok(Self { registered: Registered::new(watch, Some(Arc::clone(&event)))?, event })
    }

    /// Lets the descriptor become readable once when the handle has something to do, unless it has
    /// now. A message that came since the last verb is found, so none is missed. Makes the
    /// descriptor not readable first, as [`clear`](Self::clear) does.
    ///
    /// # Errors
    /// [`Fault::Forked`] in a fork child; a fault that kept the reactor from looking for the dead.
    pub fn arm(&self) -> Result<Arm, Fault> {
        Ok(if self.registered.arm(None)? { Arm::Ready } else { Arm::Armed })
    }

    /// Takes an arm back: the descriptor does not become readable, unless a message comes at the same
    /// time. If the handle was woken for a
    /// message that it has not taken, another consumer is woken for it.
    pub fn disarm(&self) {
        self.registered.disarm();
    }

    /// Makes the descriptor not readable until the next arm. It stays armed if it was.
    pub fn clear(&self) {
        self.registered.clear();
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("descriptor", &self.as_raw_fd()).finish_non_exhaustive()
    }
}
