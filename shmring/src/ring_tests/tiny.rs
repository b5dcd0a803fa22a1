//! Rings so small that every case can be tried.

use super::oracle::size_of;
use super::{Memory, RELAXED, assert_inside, header};
use crate::ring::record::{Consumer, Producer, max_len};
use crate::ring::{Place, Refused};

/// Each ring that is tried: how many bytes, and what its records are aligned to.
const RINGS: [(u64, u64); 6] = [(32, 8), (64, 8), (128, 8), (64, 16), (128, 16), (256, 64)];

fn send(memory: &Memory, producer: &mut Producer, len: u64) -> Result<Place, Refused> {
    let place = producer.reserve(memory.ring(), len)?;
    memory.write(place, &vec![0xAB; len as usize]);
    producer.stage(memory.ring(), place, len);
    producer.publish(memory.ring());
    Ok(place)
}

/// Every start from an empty ring: each slot of two laps, one lap below 2^64 and one above.
fn each_start(capacity: u64, align: u64, mut test: impl FnMut(u64)) {
    for unit in 0..capacity / align {
        test(align * unit);
        test((align * (unit + 1)).wrapping_neg());
    }
}

/// Catches a longest message that does not fit at some offset, a pad of just a header
/// that is not written or not skipped, and a record that wraps.
#[test]
fn every_length_fits_at_every_offset_of_an_empty_ring() {
    for (capacity, align) in RINGS {
        each_start(capacity, align, |start| {
            for len in 0..=max_len(capacity, align) {
                let memory = Memory::aligned(capacity, start, align);
                let mut producer = Producer::take_over(memory.ring()).unwrap();
                let mut consumer = Consumer::take_over(memory.ring()).unwrap();
                let place = send(&memory, &mut producer, len).unwrap();
                let room = capacity - start % capacity;
                let padded = size_of(len, align) > room;
                assert_eq!(place.offset(), if padded { 8 } else { start % capacity + 8 });
                let first = memory.at(start).load(RELAXED);
                let expected =
                    if padded { header(start, 2, room - 8) } else { header(start, 1, len) };
                assert_eq!(first, expected, "start {start}, len {len}");
                assert_eq!(consumer.peek(memory.ring(), start), Ok(Some(place)));
                assert_eq!(memory.read(place), vec![0xAB; len as usize]);
                consumer.release(memory.ring(), place.end, 1);
                assert_eq!(consumer.peek(memory.ring(), place.end), Ok(None));
            }
            let memory = Memory::aligned(capacity, start, align);
            let mut producer = Producer::take_over(memory.ring()).unwrap();
            let result = producer.reserve(memory.ring(), max_len(capacity, align) + 1);
            assert_eq!(result, Err(Refused::TooLong));
        });
    }
}

/// Catches a fast path that takes a message that is too long, or one whose record's size wraps.
#[test]
fn no_fast_path_takes_a_message_that_is_too_long() {
    for (capacity, align) in RINGS {
        let max = max_len(capacity, align);
        each_start(capacity, align, |start| {
            let memory = Memory::aligned(capacity, start, align);
            let mut producer = Producer::take_over(memory.ring()).unwrap();
            for len in 0..=max {
                // Finds how far the fast path may go, and stages nothing.
                producer.reserve(memory.ring(), len).unwrap();
                for len in (max + 1..=capacity).chain(u64::MAX - 2 * align..=u64::MAX) {
                    assert_eq!(producer.begin(memory.ring(), len), None, "len {len}");
                    assert_eq!(producer.reserve_fast(memory.ring(), len), None, "len {len}");
                }
            }
        });
    }
}

/// Catches a batch that `Ring::batch_len` lets through and that then never fits.
#[test]
fn every_batch_of_three_that_is_allowed_fits_into_an_empty_ring() {
    for (capacity, align) in RINGS {
        let max = max_len(capacity, align);
        each_start(capacity, align, |start| {
            for (a, b, c) in triples(max) {
                let memory = Memory::aligned(capacity, start, align);
                if memory.ring().batch_len([a, b, c].into_iter()) > max {
                    continue;
                }
                let mut producer = Producer::take_over(memory.ring()).unwrap();
                for len in [a, b, c] {
                    let place = producer.reserve(memory.ring(), len).unwrap();
                    producer.stage(memory.ring(), place, len);
                }
                assert_eq!(memory.committed(), Ok((start, 0)), "seen before the commit");
                producer.publish(memory.ring());
                let tail = producer.tail();
                assert_eq!(memory.committed(), Ok((tail, 3)), "{start} {a} {b} {c}");
            }
        });
    }
}

fn triples(max: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    // Lengths of one word more or less take another size; those between behave alike.
    let lens = move || (0..=max).filter(|len| len % 8 <= 1);
    lens().flat_map(move |a| lens().flat_map(move |b| lens().map(move |c| (a, b, c))))
}

/// Catches a need that is too small (the sender wakes to a full ring) or too large (it
/// sleeps beside room), in every state that three sizes can fill a ring to.
#[test]
fn need_is_exact() {
    let mut refusals = 0;
    for (capacity, align) in [(64, 8), (128, 8), (128, 16)] {
        each_start(capacity, align, |start| {
            for (filler, _, len) in triples(max_len(capacity, align)) {
                let memory = Memory::aligned(capacity, start, align);
                let mut producer = Producer::take_over(memory.ring()).unwrap();
                while send(&memory, &mut producer, filler).is_ok() {}
                let Err(Refused::Full { need }) = producer.reserve(memory.ring(), len) else {
                    continue;
                };
                refusals += 1;
                // Head is always where a record starts.
                let need_head = need.wrapping_add(align - 1) & align.wrapping_neg();
                for short in (align..=need_head.wrapping_sub(start)).step_by(align as usize) {
                    memory.set_head(need_head.wrapping_sub(short));
                    let again = producer.reserve(memory.ring(), len);
                    assert_eq!(again, Err(Refused::Full { need }), "{short} bytes short");
                    assert!(!memory.ring().has_room(need));
                    // A successor, whose copy of head is fresh, says the same: head is a
                    // record boundary only at the start.
                    if short == need_head.wrapping_sub(start) {
                        let mut other = Producer::take_over(memory.ring()).unwrap();
                        assert_eq!(other.reserve(memory.ring(), len), again);
                    }
                    // Head may not go back below what the producer has seen of it.
                    producer = fresh(&memory, start);
                }
                memory.set_head(need_head);
                assert!(memory.ring().has_room(need));
                assert_inside(producer.reserve(memory.ring(), len).unwrap(), capacity);
            }
        });
    }
    assert!(refusals > 1000, "only {refusals} states were full");
}

/// A producer of the same ring that has seen head at `start` only.
fn fresh(memory: &Memory, start: u64) -> Producer {
    memory.set_head(start);
    Producer::take_over(memory.ring()).unwrap()
}

/// Catches bytes of an aborted record that are received, and space that is lost.
#[test]
fn an_abort_leaves_no_trace() {
    for (capacity, align) in RINGS {
        each_start(capacity, align, |start| {
            for len in 0..=max_len(capacity, align) {
                let memory = Memory::aligned(capacity, start, align);
                let mut producer = Producer::take_over(memory.ring()).unwrap();
                let first = producer.reserve(memory.ring(), len).unwrap();
                memory.write(first, &vec![0xFF; len as usize]);
                producer.stage(memory.ring(), first, len);
                producer.abort();
                assert_eq!(memory.committed(), Ok((start, 0)));
                assert_eq!(producer.reserve(memory.ring(), len), Ok(first));
                let zero = send(&memory, &mut producer, 0).unwrap();
                let consumer = Consumer::take_over(memory.ring()).unwrap();
                assert_eq!(consumer.peek(memory.ring(), start), Ok(Some(zero)));
                assert_eq!(consumer.peek(memory.ring(), zero.end), Ok(None));
            }
        });
    }
}

/// Catches a record that, shrunk after its pad was chosen, leaves a gap behind it.
#[test]
fn a_shrunk_record_is_followed_by_the_next_one() {
    for (capacity, align) in [(64, 8), (128, 8), (128, 16)] {
        each_start(capacity, align, |start| {
            for len in 0..=max_len(capacity, align) {
                for keep in 0..=len {
                    let memory = Memory::aligned(capacity, start, align);
                    let mut producer = Producer::take_over(memory.ring()).unwrap();
                    let place = producer.reserve(memory.ring(), len).unwrap();
                    memory.write(place, &vec![0xFF; len as usize]);
                    producer.stage(memory.ring(), place, keep);
                    producer.publish(memory.ring());
                    let second = send(&memory, &mut producer, 0);
                    let count = 1 + u64::from(second.is_ok());
                    let tail = producer.tail();
                    assert_eq!(memory.committed(), Ok((tail, count)));
                    let consumer = Consumer::take_over(memory.ring()).unwrap();
                    let seen = consumer.peek(memory.ring(), start).unwrap().unwrap();
                    assert_eq!((seen.offset(), seen.len()), (place.offset(), keep));
                }
            }
        });
    }
}
