//! A private copy of a ring's control block, for observers.

use crate::format::{Geometry, Shape, many};
use crate::info::Kind;
use crate::memory::mapping::Mapping;
use crate::ring::membership::Roles;
use crate::ring::slot::{self, Slots};
use crate::ring::tables::Handle;
use crate::ring::wake::Sleepers;
use crate::ring::{
    ConsumerLine, Control, Corrupt, Look, PeekedMark, Place, ProducerLine, Words, at_or_past,
    broadcast, jobs, packed, record,
};
use crate::sync::{AtomicU64, Ordering, fence};

/// Looks that pass all tombstones of the largest ring: each passes some tens.
const MAX_LOOKS: u64 = slot::MAX_SLOTS / 32;

/// A ring with a copied control block. The consumer's algorithm runs on it, and moves only the head
/// of the copy.
///
/// Consumers store nothing else, so an observer finds messages by the same code as they do.
pub(crate) struct Shadow<'a> {
    pub(crate) real: &'a Control,
    words: &'a [AtomicU64],
    shape: Shape,
    copy: Control,
    /// Of a broadcast ring the real one, and its subscribers. Its head is the gate.
    broadcast: Option<(broadcast::Ring<'a>, &'a [Handle])>,
}

impl<'a> Shadow<'a> {
    /// Copies the control block of the ring of that index; `None` if there are fewer rings.
    pub(crate) fn new(mapping: &'a Mapping, geometry: &Geometry, ring: usize) -> Option<Self> {
        let shape = *geometry.rings.get(ring)?;
        let (real, words) = (mapping.control(ring)?, mapping.words(ring)?);
        let broadcast = match shape {
            Shape::Broadcast { align_bytes, .. } => {
                let (words, marks) = (Words::new(words), mapping.marks(ring)?);
                let ring = broadcast::Ring::new(real, words, align_bytes, marks);
                Some((ring, mapping.handles()))
            }
            _ => None,
        };
        let shadow = Self { real, words, shape, copy: blank(), broadcast };
        shadow.renew();
        Some(shadow)
    }

    /// Returns the real ring, if it is a broadcast ring.
    pub(crate) fn broadcast(&self) -> Option<broadcast::Ring<'a>> {
        self.broadcast.map(|(ring, _)| ring)
    }

    /// Returns the real ring, if it is a job ring.
    pub(crate) fn jobs(&self) -> Option<jobs::Ring<'a>> {
        let Shape::Slots { kind: kind @ Kind::Jobs, .. } = self.shape else {
            return None;
        };
        let slots = Slots::new(self.words, self.shape.slot_sizes());
        Some(jobs::Ring::new(self.real, slot::Ring::new(self.real, slots, many(kind))))
    }

    /// Returns the shape of the ring.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Copies the control block again.
    pub(crate) fn renew(&self) {
        if let Some((ring, handles)) = self.broadcast {
            self.put_point(ring.gate_point(handles));
            return;
        }
        // ORDERING: Acquire, before the load of head: consumers count what they passed after they
        // moved head, so no more is counted than lies before it.
        let parts = self.real.consumer.parts.load(Ordering::Acquire);
        self.copy.consumer.parts.store(parts, Ordering::Relaxed);
        let tombstones = self.real.roles.tombstones.load(Ordering::Acquire);
        self.copy.roles.tombstones.store(tombstones, Ordering::Relaxed);
        self.put_head(self.real_head());
        // ORDERING: Acquire, with the Release of the producer that moves tail: everything published
        // before is visible. Loaded after head, so it is not behind it.
        let tail = self.real.producer.tail.load(Ordering::Acquire);
        self.copy.producer.tail.store(tail, Ordering::Relaxed);
        let messages = self.real.consumer.messages.load(Ordering::Relaxed);
        self.copy.consumer.messages.store(messages, Ordering::Relaxed);
    }

    /// Copies the control block again, and sets the copy's head to where the oldest message is that
    /// can be read.
    pub(crate) fn renew_for_peek(&self) {
        match self.broadcast {
            Some((ring, _)) => self.put_point(ring.oldest_point()),
            None => self.renew(),
        }
    }

    fn put_point(&self, point: broadcast::Point) {
        self.put_head(point.position);
        self.copy.producer.tail.store(point.position, Ordering::Relaxed);
        self.copy.consumer.messages.store(point.messages, Ordering::Relaxed);
    }

    /// Returns the ring's head.
    fn real_head(&self) -> u64 {
        // ORDERING: Acquire, with the Release with which consumers move head: tail is seen
        // at least this far.
        self.real.consumer.head.load(Ordering::Acquire)
    }

    /// Returns the copy's head.
    pub(crate) fn head(&self) -> u64 {
        self.copy.consumer.head.load(Ordering::Relaxed)
    }

    /// Sets the copy's head, where the next look starts.
    pub(crate) fn put_head(&self, head: u64) {
        self.copy.consumer.head.store(head, Ordering::Relaxed);
    }

    /// Returns `true` if no consumer, or no producer of a broadcast ring, has passed `position`, so
    /// that nothing read before at `position` or behind it can have been overwritten.
    pub(crate) fn is_intact(&self, position: u64) -> bool {
        if let Some((ring, _)) = self.broadcast {
            return ring.is_kept(position);
        }
        // ORDERING: Acquire, before the load, with reuse_fence: a producer that overwrites a
        // position sees a head past it first and fences. A reader that read the new bytes and then
        // fences sees that head as well.
        fence(Ordering::Acquire);
        at_or_past(position, self.real.consumer.head.load(Ordering::Relaxed))
    }

    /// Returns the used part, in bytes of a record ring, else in slots, and the messages consumed
    /// so far.
    pub(crate) fn observe(&self) -> (u64, u64) {
        match self.ring() {
            Ring::Records(ring) => ring.observe(),
            Ring::Slots(ring) => ring.observe(),
            Ring::Elements(ring, _) => ring.observe(),
        }
    }

    /// Returns the messages consumed so far, without computing the used part.
    pub(crate) fn received(&self) -> u64 {
        match self.shape {
            Shape::Records { .. } | Shape::Broadcast { .. } => {
                self.copy.consumer.messages.load(Ordering::Relaxed)
            }
            Shape::Slots { .. } => {
                let parts = self.copy.consumer.parts.load(Ordering::Relaxed);
                self.head().wrapping_sub(self.copy.roles.tombstones()).wrapping_sub(parts)
            }
            Shape::Elements { .. } => self.head(),
        }
    }

    /// Returns the places of the parts of a message in several slots, in order.
    pub(crate) fn parts(&self, message: slot::Spanning) -> impl Iterator<Item = Place> {
        let slots = match self.ring() {
            Ring::Slots(ring) => Some(ring.parts(message)),
            Ring::Records(_) | Ring::Elements(..) => None,
        };
        slots.into_iter().flatten()
    }

    fn ring(&self) -> Ring<'_> {
        match self.shape {
            Shape::Records { align_bytes, .. } | Shape::Broadcast { align_bytes, .. } => {
                let words = Words::new(self.words);
                Ring::Records(record::Ring::new(&self.copy, words, align_bytes))
            }
            Shape::Slots { kind, .. } => {
                let slots = Slots::new(self.words, self.shape.slot_sizes());
                Ring::Slots(slot::Ring::new(&self.copy, slots, many(kind)))
            }
            Shape::Elements { slots, element } => {
                Ring::Elements(packed::Ring::new(&self.copy, slots), element.size_bytes)
            }
        }
    }

    /// Returns what is at the copy's head, which moves past tombstones first.
    ///
    /// # Errors
    /// `Corrupt` where a consumer would find it, or because a consumer passed the position
    /// meanwhile; [`is_intact`](Self::is_intact) distinguishes the two.
    pub(crate) fn look(&self) -> Result<Look, Corrupt> {
        match self.ring() {
            Ring::Records(ring) => {
                let consumer = record::Consumer::take_over(ring)?;
                let place = consumer.peek(ring, consumer.head())?;
                Ok(place.map_or(Look::Empty, Look::Message))
            }
            Ring::Slots(ring) => {
                let (tombstones, parts) = (&self.copy.roles.tombstones, &self.copy.consumer.parts);
                let passed = [tombstones, parts].map(|count| count.load(Ordering::Relaxed));
                let look = look_at_slots(ring);
                // No consumer passed them.
                tombstones.store(passed[0], Ordering::Relaxed);
                parts.store(passed[1], Ordering::Relaxed);
                look
            }
            Ring::Elements(ring, len) => {
                let mut consumer = packed::Consumer::take_over(ring);
                let start = consumer.head();
                if consumer.filled(ring, 1)?.count == 0 {
                    return Ok(Look::Empty);
                }
                Ok(Look::Message(ring.place(start, len)))
            }
        }
    }
}

fn look_at_slots(ring: slot::Ring<'_>) -> Result<Look, Corrupt> {
    let mut consumer = slot::Consumer::take_over(ring);
    for _ in 0..MAX_LOOKS {
        match consumer.look(ring)? {
            // More tombstones than one look passes.
            Look::Outrun => {}
            look => return Ok(look),
        }
    }
    Ok(Look::Outrun)
}

/// The ring on the copy.
enum Ring<'a> {
    Records(record::Ring<'a>),
    Slots(slot::Ring<'a>),
    /// With the size of an element in bytes.
    Elements(packed::Ring<'a>, u64),
}

fn blank() -> Control {
    let sleepers = || Sleepers { words: Default::default() };
    Control {
        producer: ProducerLine { tail: Default::default() },
        consumer: ConsumerLine {
            head: Default::default(),
            messages: Default::default(),
            next: Default::default(),
            parts: Default::default(),
            eof_epoch: Default::default(),
            peeked: PeekedMark::new(0),
            gates: Default::default(),
        },
        receivers: sleepers(),
        senders: sleepers(),
        roles: Roles {
            flags: Default::default(),
            producer: Default::default(),
            consumer: Default::default(),
            repairs: Default::default(),
            resolved: Default::default(),
            tombstones: Default::default(),
            producers: Default::default(),
            consumers: Default::default(),
        },
    }
}
