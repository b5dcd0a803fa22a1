//! Whether an existing segment is what a configuration sets.

use std::fmt::Display;

use super::Config;
use crate::attach_options::AttachOptions;
use crate::error::{CreateError, quoted};
use crate::format::Geometry;
use crate::info::{ElementType, RingInfo, SegmentInfo};

/// The permission bit that lets everybody write.
const WORLD_WRITABLE: u32 = 0o002;

/// What differs: its name, what the segment has, and what the configuration sets.
type Difference = (&'static str, String, String);

impl Config {
    /// How to attach to a segment that may have been made with this configuration.
    pub(crate) fn attach_options(&self) -> AttachOptions {
        let accept = self.mode.is_some_and(|mode| mode & WORLD_WRITABLE != 0);
        AttachOptions::new().accept_world_writable(accept).guard(self.guard).dump(self.dump)
    }

    /// # Errors
    /// Names the first thing that this configuration sets and the segment has otherwise.
    pub(crate) fn check_fit(
        &self,
        geometry: &Geometry,
        found: &SegmentInfo,
    ) -> Result<(), CreateError> {
        self.segment_difference(geometry, found).or_else(|| self.rings_difference(found)).map_or(
            Ok(()),
            |(what, found_value, wanted)| {
                let (name, found) = (found.name.clone(), found_value);
                Err(CreateError::Differs { name, what, found, wanted })
            },
        )
    }

    fn segment_difference(&self, geometry: &Geometry, found: &SegmentInfo) -> Option<Difference> {
        let octal = |mode: u32| format!("{mode:04o}");
        let metadata = (!self.metadata.is_empty()).then_some(&self.metadata);
        differs("number of rings", Some(self.ring_count()), found.rings.len())
            .or_else(|| differs("mode", self.mode.map(octal), octal(found.mode)))
            .or_else(|| differs("attachment table", self.max_attachments, geometry.attachments))
            .or_else(|| differs("handle table", self.max_handles, geometry.handles))
            .or_else(|| {
                let wanted = metadata.filter(|&metadata| *metadata != found.metadata)?;
                Some(("metadata", quoted(&found.metadata), quoted(wanted)))
            })
    }

    fn rings_difference(&self, found: &SegmentInfo) -> Option<Difference> {
        let rings = self.ring_configs().zip(&found.rings);
        rings.filter_map(|(config, found)| config.ring_difference(found)).next()
    }

    fn ring_difference(&self, found: &RingInfo) -> Option<Difference> {
        // The shape was checked, so it has what was set, rounded.
        let wanted = self.shape().ok()?;
        let set = |is_set: bool, value: Option<u64>| if is_set { value } else { None };
        let some = |value: Option<u64>| value.unwrap_or(0);
        differs("kind", Some(self.kind), found.kind)
            .or_else(|| element_difference(self.element, found.element))
            .or_else(|| {
                let capacity = set(self.capacity_bytes.is_some(), Some(wanted.capacity_bytes()));
                differs("capacity in bytes", capacity, found.capacity_bytes)
            })
            .or_else(|| {
                differs(
                    "number of slots",
                    set(self.slots.is_some(), wanted.slots()),
                    some(found.slots),
                )
            })
            .or_else(|| {
                let bytes = set(self.slot_bytes.is_some(), wanted.slot_bytes());
                differs("size of slots", bytes, some(found.slot_bytes))
            })
            .or_else(|| {
                let align = set(self.payload_align.is_some(), Some(wanted.align_bytes()));
                differs("payload alignment", align, found.payload_align_bytes)
            })
    }
}

/// The difference between a value that was set, if it was, and the one that was found.
fn differs<T: PartialEq + Display>(
    what: &'static str,
    wanted: Option<T>,
    found: T,
) -> Option<Difference> {
    let wanted = wanted.filter(|wanted| *wanted != found)?;
    Some((what, found.to_string(), wanted.to_string()))
}

fn element_difference(
    wanted: Option<ElementType>,
    found: Option<ElementType>,
) -> Option<Difference> {
    let is_same = match (&wanted, &found) {
        (Some(wanted), Some(found)) => wanted.is_same(found),
        (wanted, found) => wanted.is_none() && found.is_none(),
    };
    let name = |element: Option<ElementType>| {
        element.map_or("bytes".to_owned(), |element| element.to_string())
    };
    (!is_same).then(|| ("content", name(found), name(wanted)))
}
