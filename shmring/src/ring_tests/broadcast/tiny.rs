//! Rings so small that every case can be tried.

use super::super::oracle::size_of;
use super::bench::Bench;
use super::{Mode, Start, Subscriber};
use crate::ring::broadcast::max_len;

/// Catches a longest message that does not fit although every gating subscriber has received
/// everything, wherever tail and the hint are; and one that fits, and is refused.
#[test]
fn every_length_fits_after_every_two_messages() {
    for (capacity, align) in [(128, 8), (256, 8), (256, 16)] {
        let longest = max_len(capacity, align);
        for start in (0..capacity).step_by(align as usize) {
            for first in (0..=longest).step_by(8) {
                for second in (0..=longest).step_by(8) {
                    let mut bench = Bench::new(capacity, start.wrapping_sub(capacity), align);
                    bench.join(0, Mode::Gating, Start::Next);
                    for len in [first, second, longest] {
                        let place = bench.reserve(len).expect("a gate that holds nothing");
                        assert_eq!(place.end, place.start.wrapping_add(size_of(len, align)));
                        bench.stage(place, len);
                        bench.publish();
                        bench.check();
                        assert!(bench.receive(0));
                    }
                    assert!(bench.reserve(longest + 1).is_none());
                }
            }
        }
    }
}

/// Catches a successor that does not find tail, or counts differently, wherever the hint is.
#[test]
fn a_successor_follows_after_any_message() {
    for len in 0..=max_len(128, 8) {
        let mut bench = Bench::new(128, 0, 8);
        bench.join(0, Mode::Lossy, Start::Next);
        for _ in 0..40 {
            let place = bench.reserve(len).unwrap();
            bench.stage(place, len);
            bench.publish();
            bench.succeed();
            bench.check();
        }
        while bench.receive(0) {}
        let lossy = bench.subscribers[0].as_ref().unwrap();
        assert_eq!(lossy.messages(), 40);
    }
}

/// Catches a newest message that is not found right behind, before or far from a mark, or is
/// found twice.
#[test]
fn the_newest_message_is_found_after_any_number() {
    for len in [0, 8, 24, 40] {
        for unseen in 1..60 {
            let mut bench = Bench::new(128, 0, 8);
            bench.join(0, Mode::Latest, Start::Next);
            for _ in 0..unseen {
                if !bench.send_at_once(len) {
                    let place = bench.reserve(len).unwrap();
                    bench.stage(place, len);
                    bench.publish();
                }
            }
            assert!(bench.receive(0));
            let missed = bench.subscribers[0].as_ref().map(Subscriber::missed);
            assert_eq!(missed, Some(unseen - 1));
            assert!(!bench.receive(0));
        }
    }
}
