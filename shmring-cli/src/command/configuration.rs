//! Creating segments: from arguments to a configuration, and the result.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde::Serialize;
use shmring::{Config, Segment};

use crate::cli::RingArgs;
use crate::facts::SegmentFacts;
use crate::report::progress::{draw_target, style};

/// A segment that was created, and where it differs from the arguments.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    /// The size that was asked for, if it was rounded up.
    rounded_up_from_bytes: Option<u64>,
    rounded_up_from_slots: Option<u64>,
    rounded_up_from_slot_bytes: Option<u64>,
    #[serde(flatten)]
    pub(crate) segment: SegmentFacts,
    memory: Memory,
}

/// Best-effort options: whether each was obtained; absent if it was not asked for.
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
    if let Some(attachments) = ring.max_attachments {
        config = config.max_attachments(attachments);
    }
    if let Some(handles) = ring.max_handles {
        config = config.max_handles(handles);
    }
    if let Some(text) = &ring.metadata {
        config = config.metadata(text.as_bytes());
    }
    config.prefault(ring.prefault).lock(ring.lock).huge_pages(ring.huge_pages)
}

/// A creation that takes less time shows nothing.
const PATIENCE: Duration = Duration::from_millis(300);

/// The progress of a creation: a bar on the terminal, until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Returns the progress, and `config` with a callback that updates it.
    pub(crate) fn of(config: Config) -> (Self, Config) {
        let style = style("allocating {bytes} of {total_bytes} [{bar:20}] {percent:>3}%");
        let bar = ProgressBar::with_draw_target(None, draw_target()).with_style(style);
        let (shown, started) = (bar.clone(), Instant::now());
        let config = config.on_progress(move |done_bytes, total_bytes| {
            if started.elapsed() >= PATIENCE {
                shown.set_length(total_bytes);
                shown.set_position(done_bytes);
            }
        });
        (Self(bar), config)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Made {
    pub(crate) fn of(segment: &Segment, ring: &RingArgs) -> Self {
        let description = segment.info();
        let obtained = segment.obtained();
        let rounded = |asked: Option<u64>, made| asked.filter(|asked| Some(*asked) != made);
        Self {
            rounded_up_from_bytes: rounded(ring.capacity, Some(description.ring().capacity_bytes)),
            rounded_up_from_slots: rounded(ring.slots, description.ring().slots),
            rounded_up_from_slot_bytes: rounded(ring.slot_bytes, description.ring().slot_bytes),
            segment: SegmentFacts::of(description),
            memory: Memory {
                prefault: obtained.prefault,
                lock: obtained.lock,
                huge_pages: obtained.huge_pages,
            },
        }
    }

    /// Returns lines of text on how it differs from the arguments.
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
