//! Receiving several messages at once.

use std::time::Duration;

use super::Consumer;
use crate::endpoint::{CopyParts, RecvEndpoint};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError, endless};
use crate::guards::{Lookahead, Message, Scratch};
use crate::memory::parts::Parts;
use crate::sync::Deadline;

/// The most messages in a batch where consumers compete: they are copied before they
/// are taken, and the more there are, the likelier someone else takes the first.
const MAX_SHARED_BATCH: usize = 256;

impl Consumer {
    /// Receives up to `max` messages at once and passes them to `visit`, in order. Returns their
    /// number.
    ///
    /// A sole consumer passes them in place and then releases all of them: if `visit` panics,
    /// it releases none. A subscriber that is evicted meanwhile releases none either and returns
    /// [`Evicted`](TryRecvError::Evicted), and what it passed may have changed. A consumer that
    /// competes, or is lossy, copies them, at most 256 at once, takes them,
    /// and passes the copies: if `visit` panics, the rest is lost. There, a message in several slots
    /// is a batch of its own.
    ///
    /// # Errors
    /// See [`TryRecvError`], if there is no message to begin with.
    #[inline]
    pub fn try_recv_batch(
        &mut self,
        max: usize,
        mut visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, TryRecvError> {
        take_batch(&mut self.endpoint, &mut self.scratch, max, &mut visit)
    }

    /// As [`try_recv_batch`](Self::try_recv_batch), but blocks while no message is there.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("jobs", &Config::mpmc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send_batch(&["one", "two", "three"])?;
    ///
    /// let mut jobs = Vec::new();
    /// while jobs.len() < 3 {
    ///     // As many as are there, but no more than two.
    ///     consumer.recv_batch(2, |job| jobs.push((job.end_position(), job.to_vec())))?;
    /// }
    /// assert_eq!(jobs[2], (3, b"three".to_vec()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline]
    pub fn recv_batch(
        &mut self,
        max: usize,
        visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvError> {
        let mut visit = visit;
        endless(|| self.recv_batch_by(max, Deadline::NEVER, &mut visit))
    }

    /// As [`try_recv_batch`](Self::try_recv_batch), but blocks while no message is there, for at
    /// most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_batch_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
        mut visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvTimeoutError> {
        self.recv_batch_by(max, Deadline::after(timeout), &mut visit)
    }

    #[inline]
    fn recv_batch_by(
        &mut self,
        max: usize,
        deadline: Deadline,
        visit: &mut impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvTimeoutError> {
        let Self { endpoint, scratch, .. } = self;
        endpoint.retry_by(deadline, |endpoint| take_batch(endpoint, scratch, max, visit))
    }

    /// Returns a [`Lookahead`], which reads messages in place and in order before any of them is
    /// released. Does not block: to wait for a message, call [`peek`](Self::peek) before.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("lines", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send_batch(&["first", "second", "third"])?;
    ///
    /// let mut ahead = consumer.lookahead()?;
    /// let mut bytes = 0;
    /// while let Some(message) = ahead.next() {
    ///     bytes += message.len();
    /// }
    /// assert_eq!(bytes, 16);
    /// ahead.release_first(2);
    /// assert_eq!(consumer.recv()?, b"third");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TryRecvError::NotExclusive`] where consumers compete.
    pub fn lookahead(&mut self) -> Result<Lookahead<'_>, TryRecvError> {
        self.endpoint.check_exclusive()?;
        Ok(Lookahead::new(&mut self.endpoint))
    }
}

#[inline]
fn take_batch(
    endpoint: &mut RecvEndpoint,
    scratch: &mut Scratch,
    max: usize,
    visit: &mut impl FnMut(&Message<'_>),
) -> Result<usize, TryRecvError> {
    if endpoint.is_exclusive() || max == 0 {
        take_in_place(endpoint, max, visit)
    } else {
        take_copies(endpoint, scratch, max, visit)
    }
}

#[inline]
fn take_in_place(
    endpoint: &mut RecvEndpoint,
    max: usize,
    visit: &mut impl FnMut(&Message<'_>),
) -> Result<usize, TryRecvError> {
    let mut batch = Lookahead::new(endpoint);
    batch.look_through(max, visit);
    if batch.messages() == 0 {
        batch = batch.restarted()?;
    }
    while batch.messages() < max
        && let Some(message) = batch.next()
    {
        show(visit, &message);
        batch.look_through(max, visit);
    }
    // The caller's code ran, and may have forked.
    batch.try_release()
}

/// Apart, as code at two places is inlined less.
#[cold]
#[inline(never)]
fn show(visit: &mut impl FnMut(&Message<'_>), message: &Message<'_>) {
    visit(message);
}

#[inline]
fn take_copies(
    endpoint: &mut RecvEndpoint,
    scratch: &mut Scratch,
    max: usize,
    visit: &mut impl FnMut(&Message<'_>),
) -> Result<usize, TryRecvError> {
    let count = endpoint.try_take_by(max.min(MAX_SHARED_BATCH), Put(scratch))?;
    scratch.messages(count).for_each(|message| visit(&message));
    Ok(count)
}

/// Copies the messages of a batch.
struct Put<'s>(&'s mut Scratch);

impl CopyParts<TryRecvError> for Put<'_> {
    #[inline(always)]
    fn copy_parts(&mut self, index: usize, parts: Parts<'_>) -> Result<(), TryRecvError> {
        self.0.put(index, parts.extent().end(), parts.len(), |to| parts.load(to));
        Ok(())
    }
}
