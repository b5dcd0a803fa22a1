//! Payloads lie at multiples of what the ring was made with.

use shmring::{Config, Kind, Segment};

use crate::common::{Name, payload};

const ALIGNS: [usize; 5] = [8, 16, 64, 512, 4096];

/// Makes a ring of each kind with payloads of `most` bytes and more, named and sealed.
fn for_each_ring(align: usize, check: impl Fn(&str, Segment)) {
    for kind in [Kind::Spsc, Kind::Mpsc, Kind::Mpmc, Kind::Spmc] {
        let config = Config::new(kind).payload_align(align as u64);
        let config = match kind {
            Kind::Spsc => config.capacity_bytes((32 * align).max(4096) as u64),
            _ => config.slots(4).slot_bytes((2 * align).max(256) as u64),
        };
        let name = Name::new();
        check(&format!("{kind} at {align}"), name.create(&config));
        check(
            &format!("sealed {kind} at {align}"),
            Segment::create_sealed("aligned", &config).unwrap(),
        );
    }
}

/// Catches a payload that is written or read in place where it is not aligned, at the start of
/// the ring, at its end or between.
#[test]
fn payloads_in_place_are_aligned_in_every_lap() {
    for align in ALIGNS {
        for_each_ring(align, |what, segment| {
            let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
            let most = tx.max_message_bytes();
            assert_eq!(segment.info().ring().payload_align_bytes, align as u64);
            let is_shared = matches!(segment.info().ring().kind, Kind::Mpmc | Kind::Spmc);
            for round in 0..200 {
                let len = (round * 37) % (most + 1);
                let mut space = tx.reserve(len).unwrap();
                let at = space.as_mut_ptr().map(|first| first.addr());
                assert_eq!(
                    at.unwrap_or(0) % align,
                    0,
                    "{what}: reserved {len} bytes in round {round}"
                );
                space.write_at(0, &payload(round as u64, len));
                space.commit();
                if is_shared {
                    // Nothing is read in place where consumers compete.
                    assert_eq!(rx.recv().unwrap(), payload(round as u64, len));
                    continue;
                }
                tx.send_batch(&[b"one", b"two"]).unwrap();
                let peek = rx.peek().unwrap();
                assert_eq!(peek.as_ptr().map(|first| first.addr()), at, "{what}");
                assert!(peek.as_ptrs().all(|(first, _)| first.addr() % align == 0), "{what}");
                assert_eq!(peek.to_vec(), payload(round as u64, len));
                peek.release();
                let mut ahead = rx.lookahead().unwrap();
                while let Some(message) = ahead.next() {
                    assert_eq!(message.as_ptr().unwrap().addr() % align, 0, "{what}: in a batch");
                }
                assert_eq!(ahead.release(), 2);
            }
        });
    }
}
