//! Turning a gating subscriber into a lossy one by hand.

use std::sync::Arc;

use super::Segment;
use crate::error::EvictError;
use crate::info::Holder;
use crate::memory::MappedRing;
use crate::sync::Ordering;

impl Segment {
    /// Lets the producer of a broadcast ring no longer wait for a gating subscriber, as
    /// [`Status`](crate::Status) showed it.
    ///
    /// For an operator, where a subscriber is stopped or does not catch up; a dead one needs none.
    /// The subscriber's next verb returns [`Evicted`](crate::RecvError::Evicted), and from then on it
    /// is lossy. What it reads in place at this moment may change under its eyes; the verb that
    /// releases it takes nothing then.
    ///
    /// ```
    /// use shmring::{Config, RecvError, Role, Segment, Subscribe, TrySendError};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("ticks", &Config::broadcast().capacity_bytes(4096))?;
    /// let mut producer = segment.producer()?;
    /// let mut subscriber = segment.subscribe(Subscribe::gating())?;
    /// while producer.try_send(b"tick") != Err(TrySendError::Full) {}
    ///
    /// let status = segment.status()?;
    /// let slowest = status.ring().held_up_by().expect("the ring is full");
    /// segment.evict(&slowest.holder)?;
    /// producer.try_send(b"tick")?;
    /// assert_eq!(subscriber.recv(), Err(RecvError::Evicted));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`EvictError`].
    pub fn evict(&self, subscriber: &Holder) -> Result<(), EvictError> {
        self.attachment.mapping().check().map_err(EvictError::Failed)?;
        let index = subscriber.handle;
        let gone = || EvictError::Gone { handle: index };
        let handle = self.attachment.mapping().handles().get(index).ok_or_else(gone)?;
        // ORDERING: Relaxed. Whoever joined the handle since has another state.
        if handle.state.load(Ordering::Relaxed) != subscriber.state {
            return Err(gone());
        }
        let ring = handle.owner().ok_or_else(gone)?.ring;
        let mapped = MappedRing::new(Arc::clone(&self.attachment), ring).ok_or_else(gone)?;
        if !mapped.has_subscribers() || !mapped.broadcast().evict(index) {
            return Err(EvictError::NotGating { handle: index });
        }
        // The producer, which can go on, and the subscriber, which is told.
        mapped.control().wake_all(mapped.handles());
        Ok(())
    }
}
