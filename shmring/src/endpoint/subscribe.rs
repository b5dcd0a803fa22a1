//! How a subscriber joins a broadcast ring.

pub use crate::ring::broadcast::Start;

use crate::ring::broadcast::Mode;

/// How a consumer subscribes to a broadcast ring: what happens when the producer is faster, and
/// which message comes first.
///
/// ```
/// use shmring::{Config, RecvError, Segment, Start, Subscribe};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let segment = Segment::create_sealed("ticks", &Config::broadcast().capacity_bytes(4096))?;
/// let mut producer = segment.producer()?;
/// let mut recorder = segment.subscribe(Subscribe::gating())?;
/// let mut screen = segment.subscribe(Subscribe::latest())?;
///
/// producer.send(b"EURUSD 1.0842")?;
/// producer.send(b"EURUSD 1.0843")?;
/// assert_eq!(recorder.recv()?, b"EURUSD 1.0842");
/// assert_eq!(screen.recv()?, b"EURUSD 1.0843");
///
/// // One that comes later can begin with what is still there.
/// let mut late = segment.subscribe(Subscribe::lossy().from(Start::Oldest))?;
/// drop(recorder);
/// (0..1000).try_for_each(|tick: u64| producer.send(&tick.to_ne_bytes()))?;
/// let Err(RecvError::Lagged { missed }) = late.recv() else { panic!("it was not overrun") };
/// // It goes on at the oldest message that is kept.
/// assert_eq!(late.recv()?, (missed - 2).to_ne_bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Subscribe {
    pub(crate) mode: Mode,
    pub(crate) start: Start,
}

impl Subscribe {
    /// A subscriber that misses nothing: a producer that has no room waits for it. One whose
    /// process has died holds nobody up once it is reaped; a slow or a stopped one does, until it
    /// is [evicted](crate::Segment::evict).
    pub fn gating() -> Self {
        Self { mode: Mode::Gating, start: Start::Next }
    }

    /// A subscriber for which no producer waits. If the producer overwrites messages that it has
    /// not received, the next verb returns how many as [`Lagged`](crate::RecvError::Lagged), and
    /// the one after it goes on at the oldest message that a mark leads to. It receives copies
    /// only, as where consumers compete.
    pub fn lossy() -> Self {
        Self { mode: Mode::Lossy, start: Start::Next }
    }

    /// A subscriber that receives the newest message each time, and skips those before it, which
    /// [`Consumer::missed`](crate::Consumer::missed) counts. No producer waits for it.
    pub fn latest() -> Self {
        Self { mode: Mode::Latest, start: Start::Next }
    }

    /// Sets which message comes first; [`Start::Next`] unless set.
    pub fn from(self, start: Start) -> Self {
        Self { start, ..self }
    }
}
