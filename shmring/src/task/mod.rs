//! Handles of tasks: a wait is that of a future, and the [reactor](crate::Readiness) ends it.
//!
//! A poll tries the verb. If that finds nothing, the poll leaves the task's waker with the reactor,
//! arms the handle and returns `Pending`; an arm looks at the ring once more, so no wake is lost. The
//! poll that finds something, or the end of the future, disarms the handle. What a verb takes or
//! sends, it takes or sends in the poll that returns it, so a future that is dropped has done
//! nothing.
//!
//! A handle that uses the I/O driver of a runtime has an eventfd, which the driver watches in the
//! reactor's place.
//!
//! The waker may be that of any executor. Only the budget is tokio's: a verb that returns uses up one
//! unit of what a task may do before it yields, so that a ring that is never empty does not keep the
//! other tasks of its thread from running.

mod consumer;
mod driver;
mod producer;
pub(crate) mod values;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop;

use crate::endpoint::reactor::Registered;
use crate::endpoint::watch::Watch;
use crate::error::{
    Fault, ReadinessError, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Timed,
    TryRecvError, TrySendError,
};
use crate::sync::Deadline;
use crate::sys::event::Event;
use driver::Driver;

pub use consumer::AsyncConsumer;
pub use producer::AsyncProducer;

/// Attempts of one poll that find nothing although the ring is ready: others took it each time.
/// Then the task yields.
const MAX_ATTEMPTS: u32 = 4;

/// A handle whose waits are those of a task.
#[derive(Debug)]
struct Waits<H> {
    /// Dropped before the handle, whose bit it takes back.
    registered: Registered,
    /// What wakes the task, if it is not the reactor.
    driver: Option<Driver>,
    /// Whether an attempt found nothing, and the handle was not disarmed since.
    is_waiting: bool,
    /// How long a wait tries again in every turn of the task, before it arms.
    spin: Duration,
    /// When the wait that is going on arms, if it tries again.
    spins_until: Option<Deadline>,
    handle: H,
}

impl<H> Waits<H> {
    fn new(handle: H, watched: fn(&H) -> &Arc<Watch>) -> Result<Self, ReadinessError> {
        let registered = Registered::new(watched(&handle), None)?;
        let (spin, spins_until) = (Duration::ZERO, None);
        Ok(Self { registered, driver: None, is_waiting: false, spin, spins_until, handle })
    }

    #[track_caller]
    fn use_io_driver(&mut self, watched: fn(&H) -> &Arc<Watch>) -> Result<(), ReadinessError> {
        self.disarm();
        let event = Arc::new(Event::for_edges().map_err(ReadinessError::Os)?);
        let driver = Driver::new(&event)?;
        self.registered = Registered::new(watched(&self.handle), Some(event))?;
        self.driver = Some(driver);
        Ok(())
    }

    /// Takes an arm back, and hands off a wake that was not used.
    fn disarm(&mut self) {
        self.spins_until = None;
        if self.is_waiting {
            self.is_waiting = false;
            self.registered.disarm();
        }
    }

    /// Returns the handle for verbs that do not wait, or wait by themselves.
    fn disarmed(&mut self) -> &mut H {
        self.disarm();
        &mut self.handle
    }

    /// Makes an attempt, which returns `None` if it has to wait. Then the task of `cx` is woken
    /// once another attempt is worth it.
    fn poll<R, E: From<Fault>>(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&mut H) -> Result<Option<R>, E>,
    ) -> Poll<Result<R, E>> {
        let budget = ready!(coop::poll_proceed(cx));
        for _ in 0..MAX_ATTEMPTS {
            let done = match attempt(&mut self.handle) {
                // The task has its next turn after the others'.
                Ok(None) if self.spins() => break,
                Ok(None) => match self.arm(cx) {
                    Ok(true) => return Poll::Pending,
                    Ok(false) => continue,
                    Err(fault) => Err(fault.into()),
                },
                Ok(Some(found)) => Ok(found),
                Err(error) => Err(error),
            };
            self.disarm();
            budget.made_progress();
            return Poll::Ready(done);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn spins(&mut self) -> bool {
        if self.spin.is_zero() || self.is_waiting {
            return false;
        }
        !self.spins_until.get_or_insert_with(|| Deadline::after(self.spin)).passed()
    }

    /// Returns `false` if the handle is ready, and not armed.
    fn arm(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
        // An arm of an earlier poll stands, unless what it waits for has come.
        let mut stands = self.is_waiting;
        self.is_waiting = true;
        let driven = self.driver.as_ref().map(|driver| driver.watch(cx));
        if driven == Some(None) {
            self.driver = None;
            stands = false;
        }
        if let Some(Some(had_signal)) = driven {
            return Ok(stands && !had_signal || !self.registered.arm(None)?);
        }
        if stands && self.registered.set_waker(cx.waker()) {
            return Ok(true);
        }
        Ok(!self.registered.arm(Some(cx.waker()))?)
    }

    /// Repeats an attempt, with waits in between.
    async fn retry<R, E: From<Fault>>(
        &mut self,
        mut attempt: impl FnMut(&mut H) -> Result<Option<R>, E>,
    ) -> Result<R, E> {
        let waiting = Waiting(self);
        poll_fn(|cx| waiting.0.poll(cx, &mut attempt)).await
    }
}

/// The wait of a future, which ends with it.
struct Waiting<'a, H>(&'a mut Waits<H>);

impl<H> Drop for Waiting<'_, H> {
    fn drop(&mut self) {
        self.0.disarm();
    }
}

/// The way back from a handle of tasks.
macro_rules! inner_access {
    ($handle:ty) => {
        /// Returns the handle, for what is asked of it.
        pub fn get_ref(&self) -> &$handle {
            &self.waits.handle
        }

        /// Returns the handle, for settings and for verbs that have no future. Do not replace it:
        /// futures would wait for the one that was here.
        ///
        /// Takes back the arm of a wait that is not over, and hands off a wake that was not used.
        pub fn get_mut(&mut self) -> &mut $handle {
            self.waits.disarmed()
        }

        /// Sets how long a future tries again in every turn of its task, before it lets the reactor
        /// wait; zero unless set. Saves two wakes of threads, and with them some 20 us, where the
        /// other side is as fast as that. Other tasks have their turns in between, but the thread
        /// does not sleep.
        pub fn set_spin(&mut self, time: std::time::Duration) {
            self.waits.spin = time;
        }

        /// Lets the I/O driver of the current tokio runtime wake the task, from now on: see
        /// [waiting](crate::AsyncConsumer#waiting). Takes two descriptors.
        ///
        /// The futures work in other executors too, as long as the runtime runs. Once it is shut
        /// down, the reactor wakes the task again, from the next poll on.
        ///
        /// # Errors
        /// See [`ReadinessError`](crate::ReadinessError). All is as before then.
        ///
        /// # Panics
        /// Outside of a tokio runtime with I/O enabled.
        #[track_caller]
        pub fn use_io_driver(&mut self) -> Result<(), crate::ReadinessError> {
            self.waits.use_io_driver(<$handle>::watched)
        }

        /// Converts back into the handle.
        pub fn into_inner(self) -> $handle {
            self.waits.handle
        }
    };
}
use inner_access;

/// Converts the result of a `try_` verb: `None` if there is nothing now.
fn found<R, E: Timed>(tried: Result<R, E>) -> Result<Option<R>, E::Untimed> {
    match tried {
        Ok(found) => Ok(Some(found)),
        Err(error) => error.untimed().map_or(Ok(None), Err),
    }
}

/// A wait of a task repeats what its deadline would end.
impl Timed for TryRecvError {
    type Untimed = RecvError;

    fn untimed(self) -> Option<RecvError> {
        RecvTimeoutError::from(self).untimed()
    }
}

impl Timed for TrySendError {
    type Untimed = SendError;

    fn untimed(self) -> Option<SendError> {
        SendTimeoutError::from(self).untimed()
    }
}

/// Returns the next item of a stream over what `poll_recv` returns. An error is the last one,
/// unless it is [passing](RecvError::is_passing).
fn next_item<T>(
    has_failed: &mut bool,
    poll_recv: impl FnOnce() -> Poll<Result<T, RecvError>>,
) -> Poll<Option<Result<T, RecvError>>> {
    if *has_failed {
        return Poll::Ready(None);
    }
    Poll::Ready(match ready!(poll_recv()) {
        Err(RecvError::Eof) => None,
        item => {
            *has_failed = item.as_ref().is_err_and(|error| !error.is_passing());
            Some(item)
        }
    })
}

/// Sends what a sink holds; `None` if there is no room for it. What cannot be sent is not held any
/// longer.
fn send_held<H, M>(
    producer: &mut H,
    held: &mut Option<M>,
    try_send: fn(&mut H, &M) -> Result<(), TrySendError>,
) -> Result<Option<()>, SendError> {
    let Some(message) = held else { return Ok(Some(())) };
    let sent = found(try_send(producer, message));
    if !matches!(sent, Ok(None)) {
        *held = None;
    }
    sent
}

/// Sends a message of a sink, or holds it if there is no room.
fn start_send<H, M>(
    waits: &mut Waits<H>,
    held: &mut Option<M>,
    message: M,
    try_send: fn(&mut H, &M) -> Result<(), TrySendError>,
) -> Result<(), SendError> {
    assert!(held.is_none(), "start_send without a poll_ready that returned Ready");
    *held = Some(message);
    send_held(&mut waits.handle, held, try_send).map(|_| ())
}
