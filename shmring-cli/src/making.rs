//! Making segments: from what was typed to a configuration, and what came of it.

use serde::Serialize;
use shmring::{Config, Segment};

use crate::cli::RingArgs;
use crate::facts::SegmentFacts;

/// A segment as it was made.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    /// What was asked for, where that was not a size that a ring can have.
    rounded_up_from_bytes: Option<u64>,
    rounded_up_from_slots: Option<u64>,
    rounded_up_from_slot_bytes: Option<u64>,
    #[serde(flatten)]
    pub(crate) segment: SegmentFacts,
    memory: Memory,
}

/// Best-effort wishes: obtained or not; absent where not asked for.
#[derive(Debug, Serialize)]
struct Memory {
    prefault: Option<bool>,
    lock: Option<bool>,
    huge_pages: Option<bool>,
}

pub(crate) fn config(ring: &RingArgs) -> Config {
    let mut config = Config::new(ring.kind);
    if let Some(bytes) = ring.capacity {
        config = config.capacity_bytes(bytes);
    }
    if let Some(slots) = ring.slots {
        config = config.slots(slots);
    }
    if let Some(bytes) = ring.slot_bytes {
        config = config.slot_bytes(bytes);
    }
    config.prefault(ring.prefault).lock(ring.lock).huge_pages(ring.huge_pages)
}

impl Made {
    pub(crate) fn of(segment: &Segment, ring: &RingArgs) -> Self {
        let description = segment.description();
        let obtained = segment.obtained();
        let rounded = |asked: Option<u64>, made| asked.filter(|asked| Some(*asked) != made);
        Self {
            rounded_up_from_bytes: rounded(ring.capacity, Some(description.capacity_bytes)),
            rounded_up_from_slots: rounded(ring.slots, description.slots),
            rounded_up_from_slot_bytes: rounded(ring.slot_bytes, description.slot_bytes),
            segment: SegmentFacts::of(description),
            memory: Memory {
                prefault: obtained.prefault,
                lock: obtained.lock,
                huge_pages: obtained.huge_pages,
            },
        }
    }

    /// Lines for people on how it differs from what was asked for.
    pub(crate) fn differences(&self) -> String {
        let mut text = String::new();
        let segment = &self.segment;
        let slot_bytes = (self.rounded_up_from_slot_bytes, segment.slot_bytes);
        for (what, (asked, made), rule) in [
            (
                "capacity",
                (self.rounded_up_from_bytes, Some(segment.capacity_bytes)),
                " bytes, a power of two",
            ),
            ("slots", (self.rounded_up_from_slots, segment.slots), ", a power of two"),
            ("slot size", slot_bytes, " bytes, a multiple of 8"),
        ] {
            if let Some((asked, made)) = asked.zip(made) {
                text += &format!("{what} rounded up from {asked} to {made}{rule}\n");
            }
        }
        let Memory { prefault, lock, huge_pages } = self.memory;
        for (wish, obtained) in [("prefault", prefault), ("lock", lock), ("huge pages", huge_pages)]
        {
            if let Some(obtained) = obtained {
                let obtained = if obtained { "obtained" } else { "not obtained" };
                text += &format!("{wish}: {obtained}\n");
            }
        }
        text
    }
}
