//! Marks: record boundaries, each with the count of messages before it.

use super::{Point, Ring};
use crate::ring::at_or_past;
use crate::sync::{AtomicU64, Ordering};

/// Chunks of a ring, and marks: one for each.
pub(crate) const MARKS: usize = 16;
/// The position of a mark that is being laid. No record starts there, as it is not aligned.
const NONE: u64 = u64::MAX;

/// A mark, as the producer stores it.
#[repr(C)]
pub(crate) struct Mark {
    /// A record boundary in the mark's chunk, in whichever lap.
    pub(crate) position: AtomicU64,
    /// The messages before it, since creation.
    pub(crate) messages: AtomicU64,
}

/// The marks of a ring, one for each chunk. Only the producer writes them. All zeros are those of an
/// empty ring, and any bytes are marks, so a segment can hold them.
pub(crate) type Marks = [Mark; MARKS];

/// Returns the mark of the chunk that `position` is in.
#[expect(clippy::indexing_slicing, reason = "masked by the count of marks, a power of two")]
fn mark_of<'a>(ring: Ring<'a>, position: u64) -> &'a Mark {
    let chunk = position.checked_div(ring.chunk()).unwrap_or(0);
    &ring.marks[chunk as usize & (MARKS - 1)]
}

/// Lays the mark of the chunk that `point` is in.
pub(super) fn lay(ring: Ring<'_>, point: Point) {
    let mark = mark_of(ring, point.position);
    mark.position.store(NONE, Ordering::Relaxed);
    // ORDERING: Release, with the Acquire in read: who loads this count loads no position from
    // before it afterwards.
    mark.messages.store(point.messages, Ordering::Release);
    // ORDERING: Release, with the Acquire in read: who loads this position loads its count, or a
    // later one.
    mark.position.store(point.position, Ordering::Release);
}

/// Reads the mark of the chunk that `position` is in; `None` if there is none, or if it is being
/// laid.
pub(super) fn read(ring: Ring<'_>, position: u64) -> Option<Point> {
    let mark = mark_of(ring, position);
    // ORDERING: Acquire, twice, with the Release in lay: the count is not older than the
    // position, and a position that is loaded after it is not older than the count.
    let position = mark.position.load(Ordering::Acquire);
    let messages = mark.messages.load(Ordering::Acquire);
    let again = mark.position.load(Ordering::Relaxed);
    // Zeros of a mark that was never laid are no boundary of its chunk, but of the first.
    let is_boundary = position & ring.records.align().wrapping_sub(1) == 0
        && core::ptr::eq(mark_of(ring, position), mark);
    (again == position && is_boundary).then_some(Point { position, messages })
}

/// Returns the oldest mark at `from` or after it, up to a lap on.
pub(super) fn oldest(ring: Ring<'_>, from: u64) -> Option<Point> {
    let ahead = |index: u64| from.wrapping_add(index.wrapping_mul(ring.chunk()));
    (0..=MARKS as u64)
        .filter_map(|index| of_chunk(ring, ahead(index)))
        .find(|mark| at_or_past(mark.position, from))
}

/// Returns the newest mark from `from` on that is not past `to`.
pub(super) fn last_before(ring: Ring<'_>, from: u64, to: u64) -> Option<Point> {
    let back = |index: u64| to.wrapping_sub(index.wrapping_mul(ring.chunk()));
    (0..=MARKS as u64)
        .filter_map(|index| of_chunk(ring, back(index)))
        .find(|mark| at_or_past(to, mark.position))
        .filter(|mark| at_or_past(mark.position, from))
}

/// Returns the mark of the chunk that `position` is in, if it is of the same lap.
fn of_chunk(ring: Ring<'_>, position: u64) -> Option<Point> {
    read(ring, position).filter(|mark| mark.position ^ position < ring.chunk())
}
