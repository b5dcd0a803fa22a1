//! Joining, leaving, and what a handle leaves behind.

use std::sync::atomic::AtomicBool;

use super::{Memory, Mode, Producer, RELAXED, Refusal, Refused, Start};
use crate::ring::Look;

const CAPACITY: u64 = 1024;

/// A ring after so many messages of 8 bytes, and its producer.
fn after(messages: u64) -> (Memory, Producer) {
    let memory = Memory::new(CAPACITY, 0, 8);
    let mut producer = Producer::take_over(memory.ring()).unwrap();
    for _ in 0..messages {
        memory.send(&mut producer, 8, 1).unwrap();
    }
    (memory, producer)
}

/// Catches a segment of zeros that is no empty ring.
#[test]
fn zeros_are_an_empty_ring() {
    let memory = Memory::new(CAPACITY, 0, 8);
    assert_eq!((memory.hint(), memory.join_from()), (0, 0));
    assert!(memory.marks().iter().all(|&mark| mark == (0, 0)));
    assert_eq!(memory.ring().observe(), (CAPACITY / 16, 0));
    for (handle, mode) in [Mode::Gating, Mode::Lossy, Mode::Latest].into_iter().enumerate() {
        let subscriber = memory.join(handle, mode, Start::Oldest).unwrap();
        assert_eq!((subscriber.position(), subscriber.messages()), (0, 0));
    }
}

/// Catches marks and a handle's line that are laid out otherwise than the segment's format says.
#[test]
fn marks_and_lines_are_where_they_always_were() {
    use std::mem::{align_of, offset_of, size_of};

    use crate::ring::ConsumerLine;
    use crate::ring::broadcast::{Gates, Mark, Marks};
    use crate::ring::tables::HandleOwn;
    assert_eq!((size_of::<Mark>(), size_of::<Marks>(), align_of::<Marks>()), (16, 256, 8));
    assert_eq!((offset_of!(Mark, position), offset_of!(Mark, messages)), (0, 8));
    let gates = offset_of!(ConsumerLine, gates);
    assert_eq!((gates, gates + offset_of!(Gates, evictions)), (32, 64));
    let own = [
        offset_of!(HandleOwn, cursor),
        offset_of!(HandleOwn, messages),
        offset_of!(HandleOwn, missed),
        offset_of!(HandleOwn, subscription),
    ];
    assert_eq!(own, [8, 16, 24, 32]);
}

/// Catches a producer that waits for nobody, and a subscriber that leaves and still gates.
#[test]
fn a_gate_holds_until_its_owner_leaves() {
    let (memory, mut producer) = after(0);
    memory.join(0, Mode::Gating, Start::Next).unwrap();
    let sent = std::iter::from_fn(|| memory.send(&mut producer, 8, 1).ok()).count() as u64;
    assert_eq!(sent, (CAPACITY - 8) / 16);
    let full = memory.send(&mut producer, 8, 1).unwrap_err();
    assert_eq!(full, Refused::Full { need: 8 });
    memory.leave(0);
    for _ in 0..3 * sent {
        memory.send(&mut producer, 8, 1).unwrap();
    }
}

/// Catches a raise that takes the cursor of a handle's last owner for that of the next.
#[test]
fn a_handle_that_is_used_again_gates_at_its_new_cursor() {
    let (memory, mut producer) = after(0);
    memory.join(0, Mode::Gating, Start::Next).unwrap();
    memory.leave(0);
    for _ in 0..100 {
        memory.send(&mut producer, 8, 1).unwrap();
    }
    let second = memory.join(0, Mode::Gating, Start::Next).unwrap();
    assert_eq!(second.position(), producer.tail());
    assert_eq!(second.messages(), 100);
    memory.send(&mut producer, 8, 1).unwrap();
    assert_eq!(memory.ring().gate(&memory.handles), Some(second.position()));
}

/// Catches a producer that looks at one gate only, or at the fastest.
#[test]
fn the_slowest_gate_counts() {
    let (memory, mut producer) = after(0);
    memory.join(0, Mode::Gating, Start::Next).unwrap();
    memory.send(&mut producer, 8, 1).unwrap();
    memory.join(3, Mode::Gating, Start::Next).unwrap();
    assert_eq!(memory.ring().gate(&memory.handles), Some(0));
    memory.leave(0);
    assert_eq!(memory.ring().gate(&memory.handles), Some(16));
    memory.leave(3);
    assert_eq!(memory.ring().gate(&memory.handles), None);
}

/// Catches a position between records that is taken for one, and one whose messages are gone
/// or yet to come. The bytes of each message look like records.
#[test]
fn positions_are_ends_of_messages() {
    let memory = Memory::new(CAPACITY, 0, 8);
    let mut producer = Producer::take_over(memory.ring()).unwrap();
    for _ in 0..200 {
        let place = producer.reserve(memory.ring(), &memory.handles, 40).unwrap();
        let fake: Vec<u8> = (1..6)
            .flat_map(|word| super::header(place.start + 8 * word, 1, 0).to_ne_bytes())
            .collect();
        memory.write(place, &fake);
        producer.stage(memory.ring(), place, 40);
        producer.publish(memory.ring());
    }
    let tail = producer.tail();
    let mut joined = 0;
    for position in (0..tail + 4 * CAPACITY).step_by(8) {
        for mode in [Mode::Gating, Mode::Lossy] {
            match memory.join(0, mode, Start::Position(position)) {
                Ok(subscriber) => {
                    joined += 1;
                    let before_tail = 200 - subscriber.messages();
                    assert!(position <= tail && position >= memory.floor());
                    // 21 records and a pad of 16 bytes are in each lap.
                    let pads = tail / CAPACITY - position / CAPACITY;
                    assert_eq!(tail - position, 48 * before_tail + 16 * pads);
                }
                Err(refusal) => assert_eq!(refusal, Refusal::Gone),
            }
            memory.leave(0);
        }
    }
    assert!(joined > 30, "{joined}");
}

/// Catches a subscriber that takes a producer which is faster at each try for damage, or that gates
/// after that.
#[test]
fn a_producer_that_is_faster_each_time_is_no_damage() {
    let (memory, mut producer) = after(100);
    let (hint, marks) = (memory.hint(), memory.marks());
    let starts = [Start::Next, Start::Oldest, Start::Position(producer.tail())];
    let outrun = |what: &str| {
        for mode in [Mode::Gating, Mode::Lossy, Mode::Latest] {
            for start in starts {
                let joined = memory.join(0, mode, start).map(|subscriber| subscriber.position());
                assert_eq!(joined, Err(Refusal::Outrun), "{what}, {mode:?} at {start:?}");
                memory.leave(0);
            }
        }
    };
    // It is laying them, or has laid one over the mark at the hint.
    for (position, _) in marks {
        memory.set_mark(position, u64::MAX, 0);
    }
    outrun("being laid");
    for (position, messages) in marks {
        memory.set_mark(position, position, messages);
    }
    memory.set_hint(hint + CAPACITY);
    memory.set_join_from(hint + CAPACITY);
    outrun("laid over");
    memory.set_hint(hint);
    memory.set_join_from(hint);
    for start in starts {
        assert!(memory.join(0, Mode::Lossy, start).is_ok(), "{start:?}");
    }
    memory.send(&mut producer, 8, 1).unwrap();
}

/// Catches a subscriber that tries as long as somebody changes the marks.
#[test]
fn joins_end_while_marks_change() {
    let (memory, producer) = after(100);
    let (over, marks) = (AtomicBool::new(false), memory.marks());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for lap in (0..8).cycle() {
                if over.load(RELAXED) {
                    break;
                }
                marks
                    .iter()
                    .for_each(|&(at, count)| memory.set_mark(at, at + lap * CAPACITY, count));
                memory.set_hint(producer.tail() + lap * CAPACITY);
            }
        });
        for round in 0..300 {
            let mode = [Mode::Gating, Mode::Lossy, Mode::Latest][round % 3];
            let start =
                [Start::Next, Start::Oldest, Start::Position(producer.tail())][round / 3 % 3];
            let _ = memory.join(0, mode, start);
        }
        over.store(true, RELAXED);
    });
}

/// Catches a subscriber that is told of an end as if it were a message, or a loss that is counted
/// twice.
#[test]
fn a_loss_is_reported_once() {
    let (memory, mut producer) = after(5);
    let mut lossy = memory.join(0, Mode::Lossy, Start::Oldest).unwrap();
    let own = &memory.handles[0].own;
    for _ in 0..1000 {
        memory.send(&mut producer, 8, 2).unwrap();
    }
    let Ok(Look::Lagged { missed }) = lossy.look(memory.ring(), own) else { panic!("no loss") };
    assert_eq!(missed, lossy.messages());
    let mut received = 0;
    while let Look::Message(place) = lossy.look(memory.ring(), own).unwrap() {
        assert_eq!(memory.read(place), [2; 8]);
        assert!(lossy.take(memory.ring(), own, place.end, 1));
        received += 1;
    }
    assert_eq!(missed + received, 1005);
    // The newest fifteen chunks or so are kept.
    assert!(received * 16 > CAPACITY * 7 / 8, "{received}");
    assert_eq!(own.missed.load(RELAXED), missed);
}
