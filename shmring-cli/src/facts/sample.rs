//! A segment over a short time: two samples and their difference.

use std::time::{Duration, Instant};

use serde::Serialize;
use shmring::{Fault, Observer, SegmentInfo, Status};

use super::{
    Entry, Facts, HeldUpFacts, HolderFacts, Rates, Scene, StallFacts, State, Subject, Unit,
};

/// A status of a segment, and its time.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) status: Status,
    pub(crate) at: Instant,
}

impl Look {
    pub(crate) fn at(observer: &Observer) -> Result<Self, Fault> {
        Ok(Self { status: observer.status()?, at: Instant::now() })
    }

    fn since(&self, earlier: &Self) -> Duration {
        self.at.saturating_duration_since(earlier.at)
    }
}

/// The samples before the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past<'a> {
    /// The sample before it.
    pub(crate) last: &'a Look,
    /// The earliest one since which the ring stalls; the last one if it does not.
    pub(crate) still: &'a Look,
}

/// A segment, and its changes since the last sample.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    #[serde(flatten)]
    pub(crate) facts: Facts,
    /// The handles of producers and consumers.
    pub(crate) holders: Vec<HolderFacts>,
    /// The time between the two samples.
    pub(crate) sample_ms: u64,
    /// Absent if that time is 0.
    pub(crate) rates: Option<Rates>,
    /// Absent if a message was received in that time, or if it is 0.
    pub(crate) stall: Option<StallFacts>,
    /// The subscriber for which the producer of a broadcast ring waits. Absent if it does not wait.
    pub(crate) held_up_by: Option<HeldUpFacts>,
    #[serde(skip)]
    pub(crate) unit: Unit,
}

impl Sample {
    pub(crate) fn of(
        description: &SegmentInfo,
        subject: Subject<'_>,
        now: &Look,
        past: Option<Past<'_>>,
    ) -> Self {
        let Look { status, .. } = now;
        let unit = Unit::of(description.ring().kind);
        let elapsed = past.map_or(Duration::ZERO, |past| now.since(past.last));
        let kind = description.ring().kind;
        let held_up_by = past.and_then(|_| status.ring().held_up_by());
        let held_up_by = held_up_by.map(|held_up| HeldUpFacts::of(&held_up, subject));
        let explain = |past: Past<'_>| {
            let stall = status.ring().stall_since(past.still.status.ring())?;
            let (at_least, held_up_by) = (now.since(past.still), held_up_by.as_ref());
            Some(Scene { status, subject, kind, at_least, held_up_by }.explain(&stall))
        };
        Self {
            facts: Facts::of(description, status),
            holders: status.ring().holders.iter().map(HolderFacts::of).collect(),
            sample_ms: millis(elapsed),
            rates: past.and_then(|past| Rates::of(&past.last.status, status, elapsed)),
            stall: past.and_then(explain),
            held_up_by,
            unit,
        }
    }

    pub(crate) fn is_corrupt(&self) -> bool {
        self.stall.as_ref().is_some_and(|stall| stall.kind == "corrupt")
    }
}

impl Entry<Sample> {
    pub(crate) fn is_deleted(&self) -> bool {
        matches!(self, Self::Sound(sample) if sample.facts.status.state == State::Deleted)
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Sound(sample) => &sample.facts.segment.name,
            Self::Broken { name, .. } => name,
        }
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
