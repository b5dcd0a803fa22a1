//! Sending several messages at once.

use std::time::Duration;

use super::Producer;
use crate::error::{SendError, SendTimeoutError, TrySendError, endless};
use crate::sync::Deadline;

impl Producer {
    /// Sends all messages if there is room for all now, with no other producer's
    /// between them.
    ///
    /// In a record ring the consumer sees none of them or all. Together they may have as
    /// many bytes as one message can, where each but the first counts 8 bytes more and
    /// all are rounded up to 8. In a slot ring they may be as many as it has slots, and
    /// become visible one after the other: a producer that dies may have sent only the
    /// first of them. A batch that fills much of the ring waits until as much is free at
    /// one moment, which busy producers beside it may prevent for long.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing of the batch is visible then.
    pub fn try_send_batch<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<(), TrySendError> {
        self.try_send_all(messages.iter().map(AsRef::as_ref))
    }

    /// As [`try_send_batch`](Self::try_send_batch), but blocks while there is no room.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("lines", &Config::spsc())?;
    /// let mut producer = segment.producer()?;
    /// let mut consumer = segment.consumer()?;
    ///
    /// producer.send_batch(&["all of them", "or none"])?;
    /// let mut lengths = Vec::new();
    /// let count = consumer.recv_batch(10, |message| lengths.push(message.len()))?;
    /// assert_eq!((count, &lengths[..]), (2, &[11, 7][..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the batch is visible then.
    pub fn send_batch<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<(), SendError> {
        self.send_all(messages.iter().map(AsRef::as_ref))
    }

    /// As [`try_send_batch`](Self::try_send_batch), but blocks while there is no room, for at most
    /// `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing of the batch is visible then.
    pub fn send_batch_timeout<M: AsRef<[u8]>>(
        &mut self,
        messages: &[M],
        timeout: Duration,
    ) -> Result<(), SendTimeoutError> {
        self.send_all_by(messages.iter().map(AsRef::as_ref), Deadline::after(timeout))
    }

    /// Sends messages, in order, up to the first one that there is no room for now; returns how
    /// many.
    ///
    /// In a record ring they become visible together. In a slot ring they become visible one
    /// after the other, and messages of other producers may come between them.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("lines", &Config::mpmc().slots(2))?;
    /// let mut producer = segment.producer()?;
    /// let mut messages = &["one", "two", "three"][..];
    /// let sent = producer.try_send_some(messages)?;
    /// messages = &messages[sent..];
    /// assert_eq!(messages, ["three"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`TrySendError`], if the first message was not sent: none is visible then. What
    /// stops a later message is returned by the next call that begins with it.
    pub fn try_send_some<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<usize, TrySendError> {
        self.endpoint.send_some(messages.iter().map(AsRef::as_ref))
    }

    fn try_send_all<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
    ) -> Result<(), TrySendError> {
        self.endpoint
            .send_all(messages, |endpoint, len, count| Ok(endpoint.reserve_place(len, count)?))
    }

    fn send_all<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
    ) -> Result<(), SendError> {
        endless(|| self.send_all_by(messages.clone(), Deadline::NEVER))
    }

    fn send_all_by<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError> {
        self.endpoint.send_all(messages, |endpoint, len, count| {
            endpoint.reserve_place_by(len, count, deadline)
        })
    }
}
