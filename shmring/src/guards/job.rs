//! A job in the hands of a worker.

#![allow(unsafe_code)]

use std::fmt;

use crate::memory::parts::Parts;
use crate::ring::Extent;
use crate::ring::jobs::Taken;
use crate::worker::Worker;

/// A job that a worker took. Dropping it gives it back.
///
/// Its bytes stay in the ring, and no other worker gets it, until it is
/// [acknowledged](Self::acknowledge) or given back. In a fork child of the process that took it, and
/// once its worker has found damage in the segment, it has no bytes and can be neither.
#[must_use = "a job that is dropped goes back to the ring"]
pub struct Job<'a> {
    worker: &'a Worker,
    extent: Extent,
    taken: Taken,
}

impl<'a> Job<'a> {
    #[inline]
    pub(crate) fn new(worker: &'a Worker, extent: Extent, taken: Taken) -> Self {
        Self { worker, extent, taken }
    }

    /// Returns how many bytes the job has.
    #[inline]
    pub fn len(&self) -> usize {
        self.extent.len() as usize
    }

    /// Returns `true` if the job has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how often the job was taken, this time included: more than 1 says that a worker gave
    /// it back or died. At most 65,535 are counted.
    #[inline]
    pub fn attempts(&self) -> u64 {
        self.taken.attempts
    }

    /// Returns the position of the job in the ring, in slots since creation. No two jobs have the
    /// same, and one that comes back keeps it.
    #[inline]
    pub fn position(&self) -> u64 {
        self.taken.position
    }

    /// Calls `read` with the bytes in the ring, unless this is a fork child.
    #[inline]
    fn with_parts<R>(&self, read: impl FnOnce(Parts<'_>) -> R) -> Option<R> {
        let endpoint = self.worker.endpoint().borrow();
        let is_clear = endpoint.registration.is_clear();
        is_clear.then(|| read(endpoint.parts(self.extent)))
    }

    /// Copies as much as fits into `buffer`, and returns the number of bytes copied.
    #[inline]
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        self.read_at(0, buffer)
    }

    /// Copies bytes from `offset` on into `buffer`, and returns the number of bytes copied: fewer
    /// than `buffer` has where the job ends.
    pub fn read_at(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.len().saturating_sub(offset));
        let (buffer, _) = buffer.split_at_mut(count);
        if count == 0 {
            return 0;
        }
        self.with_parts(|parts| parts.extract(offset, buffer)).map_or(0, |()| count)
    }

    /// Appends the job to `buffer`.
    pub fn append_to(&self, buffer: &mut Vec<u8>) {
        let old_len = buffer.len();
        buffer.resize(old_len.saturating_add(self.len()), 0);
        let (_, space) = buffer.split_at_mut(old_len);
        let len = self.copy_to(space);
        buffer.truncate(old_len.saturating_add(len));
    }

    /// Returns a copy of the job.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.append_to(&mut bytes);
        bytes
    }

    /// Returns the job in place; `None` if it lies in several slots, or in a fork child.
    ///
    /// # Safety
    /// No process may write to the job while the slice exists: correct peers do not, a hostile one
    /// could. While the slice exists, this process must not be a fork child of the one that took
    /// the job.
    pub unsafe fn as_slice(&self) -> Option<&[u8]> {
        let (first, len) = self
            .with_parts(|parts| parts.whole().map(|payload| (payload.as_ptr(), payload.len())))??;
        // SAFETY: the payload lies inside the mapping, which the worker keeps longer than this job;
        // that nobody writes, and that it is mapped, is the caller's promise.
        Some(unsafe { std::slice::from_raw_parts(first, len) })
    }

    /// Acknowledges the job: it is done, and never comes back. What was done before happens before
    /// its space is written again. Does not block.
    ///
    /// Returns `false`, and does nothing, in a fork child, where the segment's memory is gone, and once
    /// the worker has found damage.
    #[inline]
    pub fn acknowledge(self) -> bool {
        let done = self.worker.endpoint().borrow_mut().acknowledge(self.taken);
        std::mem::forget(self);
        done
    }

    /// Gives the job back, as dropping it does: the next worker that takes one gets it, before jobs
    /// that nobody has taken yet.
    pub fn give_back(self) {}
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.worker.endpoint().borrow_mut().give_back(self.taken);
    }
}

impl fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("len", &self.len())
            .field("attempts", &self.attempts())
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
