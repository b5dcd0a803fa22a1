//! Wakes through the I/O driver of a tokio runtime.

#![allow(unsafe_code)]

use std::mem;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::process;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::ReadinessError;
use crate::sys::OsError;
use crate::sys::event::Event;

/// The descriptor that the driver watches.
#[derive(Debug)]
struct Source(Arc<Event>);

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// The driver of one runtime, which watches for the event of one handle.
#[derive(Debug)]
pub(super) struct Driver {
    /// `None` while it is dropped.
    source: Option<AsyncFd<Source>>,
    process: u32,
}

impl Driver {
    /// Registers an event with the runtime of the caller.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    #[track_caller]
    pub(super) fn new(event: &Arc<Event>) -> Result<Self, ReadinessError> {
        let source = Source(Arc::clone(event));
        // SAFETY: the event owns its descriptor, never replaces it, and closes it no sooner than
        // the source is dropped.
        let source = unsafe { AsyncFd::register_with_interest(source, Interest::READABLE) };
        let source = source.map_err(|error| {
            let (_, cause) = error.into_parts();
            ReadinessError::Os(OsError::new("epoll_ctl", "an event loop", cause))
        })?;
        Ok(Self { source: Some(source), process: process::id() })
    }

    /// Lets the next signal of the event wake the task of `cx`. Returns `true` if there was one
    /// since the last call; `None` if the runtime is shut down.
    pub(super) fn watch(&self, cx: &mut Context<'_>) -> Option<bool> {
        let source = self.source.as_ref()?;
        let mut had_signal = false;
        while let Poll::Ready(ready) = source.poll_read_ready(cx) {
            // The driver sees each signal, also if nobody reads the event.
            ready.ok()?.clear_ready();
            had_signal = true;
        }
        Some(had_signal)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A fork child shares the driver's epoll with its parent, whose events would end.
        if self.process != process::id() {
            mem::forget(self.source.take());
        }
    }
}
