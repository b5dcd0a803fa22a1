//! Batches in slot rings: claimed at once, shown one after the other.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use shmring::{
    Kind, Message, RecvError, Role, SendError, SendTimeoutError, TryRecvError, TrySendError,
};

use crate::common::{Name, SHORT, SLOT_KINDS, payload, slots, watchdog};

/// Catches a batch that is received in another order, in part, or twice.
#[test]
fn a_batch_arrives_whole_and_in_order_on_each_kind() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, 16, 64));
        for round in 0..300_u64 {
            let count = round % 17;
            let batch: Vec<_> =
                (0..count).map(|i| payload(round * 100 + i, (round * i % 57) as usize)).collect();
            match round % 3 {
                0 => tx.send_batch(&batch).unwrap(),
                1 => tx.try_send_batch(&batch).unwrap(),
                _ => tx.send_batch_timeout(&batch, SHORT).unwrap(),
            }
            let mut received = Vec::new();
            while let Ok(count) = rx.try_recv_batch(5, |message| received.push(message.to_vec())) {
                assert!((1..=5).contains(&count));
            }
            assert_eq!(received, batch, "{kind}");
        }
    }
}

/// Catches a batch of which a part is sent when the rest has no room, and one that takes
/// room away though it was refused.
#[test]
fn a_batch_without_slots_sends_nothing() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 8, 64));
        tx.send_batch(&[b"a", b"b", b"c"]).unwrap();
        for _ in 0..3 {
            let batch = [[7; 20]; 6];
            assert_eq!(tx.try_send_batch(&batch), Err(TrySendError::Full));
            assert_eq!(tx.send_batch_timeout(&batch, SHORT), Err(SendTimeoutError::TimedOut));
            assert_eq!(segment.status().unwrap().ring().used_slots, Some(3));
        }
        tx.try_send_batch(&[b"d", b"e", b"f", b"g", b"h"]).unwrap();
        assert_eq!(tx.try_send_batch(&[b"i"]), Err(TrySendError::Full));
        let mut received = Vec::new();
        assert_eq!(rx.recv_batch(99, |message| received.extend(message.to_vec())), Ok(8));
        assert_eq!(received, b"abcdefgh");
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(segment.status().unwrap().ring().tombstones, 0);
    }
}

/// Catches a batch that is accepted and then waits for slots that the ring does not have,
/// and one refused though it fits, wherever in the ring it begins.
#[test]
fn a_batch_can_have_all_slots_and_not_one_more() {
    let _watchdog = watchdog("a_batch_can_have_all_slots_and_not_one_more");
    for kind in SLOT_KINDS {
        for count in [1, 2, 8, 512] {
            let name = Name::new();
            let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, count, 24));
            let max = count as usize;
            for shift in 0..9 {
                let batch: Vec<_> = (0..count).map(|i| payload(shift + i, 16)).collect();
                tx.send_batch_timeout(&batch, SHORT * 500).unwrap();
                let mut received = Vec::new();
                while received.len() < max {
                    let got = rx.recv_batch(max, |m| received.push(m.to_vec())).unwrap();
                    // Competing consumers copy no more than this at once.
                    assert!(got == max || !rx.is_exclusive() && got == 256, "{got}");
                }
                assert_eq!(received, batch);
                let longer = vec![b"x"; max + 1];
                let many = SendError::TooMany { count: max + 1, max };
                assert_eq!(tx.send_batch(&longer), Err(many));
                assert_eq!(tx.send_batch_timeout(&longer, SHORT), Err(many.into()));
                let many = TrySendError::TooMany { count: max + 1, max };
                assert_eq!(tx.try_send_batch(&longer), Err(many));
                // Too many, and one of them too long as well.
                assert!(tx.try_send_batch(&vec![[0; 17]; max + 1]).is_err());
                tx.send_batch::<&[u8]>(&[]).unwrap();
                tx.try_send_batch::<&[u8]>(&[]).unwrap();
                assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
                // Another slot to begin with.
                tx.send(b"shift").unwrap();
                rx.recv().unwrap();
            }
        }
    }
}

/// Catches a message of one producer between those of another's batch, messages that are
/// lost or doubled between consumers, and a batch received in another order.
#[test]
fn nothing_comes_between_the_messages_of_a_batch() {
    let _watchdog = watchdog("nothing_comes_between_the_messages_of_a_batch");
    const ROUNDS: u64 = 400;
    for kind in SLOT_KINDS {
        let name = Name::new();
        let segment = name.create(&slots(kind, 16, 32));
        let senders = if kind.shares(Role::Producer) { 3 } else { 1 };
        let receivers = if kind.shares(Role::Consumer) { 3 } else { 1 };
        let all = Mutex::new(BTreeMap::new());
        // Before any send: a consumer that joins after the end would wait for another producer.
        let consumers: Vec<_> = (0..receivers).map(|_| segment.consumer().unwrap()).collect();
        let producers: Vec<_> = (0..senders).map(|_| segment.producer().unwrap()).collect();
        std::thread::scope(|scope| {
            for (sender, mut tx) in (0_u64..).zip(producers) {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let batch: Vec<[u8; 24]> = (0..1 + round % 7)
                            .map(|index| bytes_of([sender, round, index]))
                            .collect();
                        tx.send_batch(&batch).unwrap();
                    }
                });
            }
            for mut rx in consumers {
                let all = &all;
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    let mut keep = |message: &Message<'_>| {
                        mine.push((message.end_position(), message.to_vec()));
                    };
                    loop {
                        match rx.recv_batch(4, &mut keep) {
                            Ok(count) => assert!((1..=4).contains(&count)),
                            Err(RecvError::Eof) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    assert!(mine.is_sorted_by_key(|(position, _)| *position));
                    let mut all = all.lock().unwrap();
                    for (position, message) in mine {
                        assert!(all.insert(position, message).is_none(), "received twice");
                    }
                });
            }
        });
        let all = all.into_inner().unwrap();
        let mut next = vec![0; senders];
        let mut messages = all.into_iter();
        while let Some((position, first)) = messages.next() {
            let [sender, round, index] = words(&first);
            assert_eq!((index, round), (0, next[sender as usize]), "{kind}");
            next[sender as usize] += 1;
            for index in 1..1 + round % 7 {
                let (behind, message) = messages.next().unwrap();
                assert_eq!(words(&message), [sender, round, index], "{kind}");
                assert_eq!(behind, position + index, "{kind}");
            }
        }
        assert!(next.iter().all(|&rounds| rounds == ROUNDS), "{kind}: {next:?}");
    }
}

fn bytes_of(words: [u64; 3]) -> [u8; 24] {
    bytemuck::cast(words)
}

fn words(message: &[u8]) -> [u64; 3] {
    bytemuck::pod_read_unaligned(message)
}

/// A message that panics when it is asked for its bytes the `calls`-th time.
struct Trap<'a> {
    calls: &'a Cell<u32>,
}

impl AsRef<[u8]> for Trap<'_> {
    fn as_ref(&self) -> &[u8] {
        self.calls.set(self.calls.get().wrapping_sub(1));
        assert!(self.calls.get() != 0, "as planned");
        b"of a batch that unwound"
    }
}

/// Catches tickets of a batch that unwound which hold the ring up for ever, and messages
/// of it that come after the next one: only the first ones may have been sent.
#[test]
fn a_batch_that_panics_midway_does_not_block_others() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 16, 64));
        let mut passed = 0;
        for panic_at in 1..=20 {
            let calls = Cell::new(panic_at);
            let batch: Vec<_> = (0..10).map(|_| Trap { calls: &calls }).collect();
            let result = catch_unwind(AssertUnwindSafe(|| tx.send_batch(&batch)));
            assert!(result.is_err(), "no panic at call {panic_at}");
            match panic_at % 3 {
                0 => tx.send(b"next").unwrap(),
                1 => tx.send_batch(&["next"]).unwrap(),
                _ => tx.reserve(4).unwrap().write_and_commit(),
            }
            // Asked once each to count them, and once more to copy them.
            let sent = panic_at.saturating_sub(11);
            for _ in 0..sent {
                assert_eq!(rx.recv().unwrap(), b"of a batch that unwound", "{kind} {panic_at}");
            }
            assert_eq!(rx.recv().unwrap(), b"next", "{kind} {panic_at}");
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            if panic_at > 10 && kind.shares(Role::Producer) {
                passed += u64::from(10 - sent);
            }
            assert_eq!(segment.status().unwrap().ring().tombstones, passed, "{kind} {panic_at}");
        }
    }
}

trait WriteAndCommit {
    fn write_and_commit(self);
}

impl WriteAndCommit for shmring::Reservation<'_> {
    fn write_and_commit(mut self) {
        self.write_at(0, b"next");
        self.commit();
    }
}

/// A message whose length is another each time it is asked for.
struct Changing(Cell<usize>);

impl AsRef<[u8]> for Changing {
    fn as_ref(&self) -> &[u8] {
        self.0.set(self.0.get() * 2);
        &[5; 4096][..self.0.get().min(4096)]
    }
}

/// Catches a batch that believes a length which it saw before: a slot for the old one
/// does not hold the new one.
#[test]
fn a_message_that_changes_its_length_stays_in_its_slot() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, 4, 128));
        for first in 1..100 {
            let batch: Vec<_> = (0..3).map(|_| Changing(Cell::new(first))).collect();
            match tx.try_send_batch(&batch) {
                Ok(()) => {
                    let check = |message: &Message<'_>| {
                        assert!(message.to_vec().iter().all(|&byte| byte == 5));
                    };
                    assert_eq!(rx.recv_batch(9, check), Ok(3));
                }
                Err(error) => {
                    let refused = |error| match error {
                        TrySendError::TooLong { .. } => first > 30,
                        TrySendError::TooMany { .. } => first > 15,
                        _ => false,
                    };
                    assert!(refused(error), "{error}");
                }
            }
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        }
    }
}

/// Catches a visitor's panic that loses messages which a sole consumer still has, and one
/// that lets competing consumers receive a message again.
#[test]
fn a_visitor_that_panics_loses_only_copies() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 8, 64));
        tx.send_batch(&["one", "two", "three", "four"]).unwrap();
        let mut seen = Vec::new();
        let result = catch_unwind(AssertUnwindSafe(|| {
            rx.recv_batch(3, |message| {
                assert!(seen.len() < 2, "as planned");
                seen.push(message.to_vec());
            })
        }));
        assert!(result.is_err());
        assert_eq!(seen, [b"one", b"two"]);
        let taken = if rx.is_exclusive() { 0 } else { 3 };
        assert_eq!(segment.status().unwrap().ring().messages_received, taken, "{kind}");
        let rest = ["one", "two", "three", "four"];
        for message in &rest[taken as usize..] {
            assert_eq!(rx.recv().unwrap(), message.as_bytes(), "{kind}");
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Catches a limit that is passed or counted wrongly, zero included.
#[test]
fn a_batch_is_no_larger_than_asked_for_on_each_kind() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, 16, 16));
        tx.send_batch(&[[1]; 10]).unwrap();
        assert_eq!(rx.recv_batch(0, |_| panic!("visited")), Ok(0));
        assert_eq!((rx.recv_batch(3, |_| ()), rx.try_recv_batch(3, |_| ())), (Ok(3), Ok(3)));
        assert_eq!(rx.recv_batch(usize::MAX, |_| ()), Ok(4));
        drop(tx);
        assert_eq!(rx.recv_batch(1, |_| ()), Err(RecvError::Eof));
        assert_eq!(rx.try_recv_batch(1, |_| ()), Err(TryRecvError::Eof));
    }
}

/// Catches copies of one batch that share memory with those of the next, and lengths that
/// get mixed up between messages.
#[test]
fn copies_of_a_batch_are_whole() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair_of(&slots(Kind::Mpmc, 32, 256));
    for round in 0..200_u64 {
        let len = |i: u64| (round * 31 + i * 67) % 249;
        let batch: Vec<_> = (0..32).map(|i| payload(round * 32 + i, len(i) as usize)).collect();
        tx.send_batch(&batch).unwrap();
        let mut index = 0;
        let visit = |message: &Message<'_>| {
            let expected = &batch[index];
            assert_eq!((message.len(), message.is_empty()), (expected.len(), expected.is_empty()));
            assert_eq!(message.to_vec(), *expected);
            let mut part = [0xEE; 16];
            let count = message.read_at(9, &mut part);
            let wanted = expected.get(9..).unwrap_or_default();
            assert_eq!(count, wanted.len().min(16));
            assert_eq!(part[..count], wanted[..count]);
            assert_eq!(message.read_at(usize::MAX, &mut part), 0);
            assert_eq!(message.as_ptr().unwrap() as usize % 8, 0);
            index += 1;
        };
        assert_eq!(rx.recv_batch(99, visit), Ok(32));
    }
}
