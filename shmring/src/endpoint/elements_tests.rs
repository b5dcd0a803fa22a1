//! Messages that are no elements, in a ring of elements: what a correct peer cannot send.

use std::time::Duration;

use super::SendEndpoint;
use crate::error::{Corrupt, Fault, RecvTimeoutError};
use crate::info::Kind;
use crate::values::Consumer;
use crate::{Config, Segment};

const SHORT: Duration = Duration::from_millis(1);

type Received = Result<(), RecvTimeoutError>;

/// Every verb that finds out what is next.
const VERBS: [fn(&mut Consumer<u64>) -> Received; 9] = [
    |rx| rx.try_recv().map(|_| ()).map_err(Into::into),
    |rx| rx.recv().map(|_| ()).map_err(Into::into),
    |rx| rx.recv_timeout(SHORT).map(|_| ()),
    |rx| rx.try_recv_slice(&mut [0; 3]).map(|_| ()).map_err(Into::into),
    |rx| rx.recv_slice(&mut [0; 3]).map(|_| ()).map_err(Into::into),
    |rx| rx.recv_slice_timeout(&mut [0; 1], SHORT).map(|_| ()),
    |rx| rx.try_peek(3).map(|_| ()).map_err(Into::into),
    |rx| rx.peek(1).map(|_| ()).map_err(Into::into),
    |rx| rx.peek_timeout(1, SHORT).map(|_| ()),
];

/// Those of a consumer that reads in place.
const PEEKS: std::ops::Range<usize> = 6..9;

fn send(tx: &mut SendEndpoint, len: usize) {
    let place = tx.reserve_place(len, 1).ok().expect("there is room");
    tx.fill(place, &[7; 16][..len]);
}

/// Catches a message that is longer or shorter than a value and is taken for one, by whichever
/// verb comes first, and one that a batch or a clone passes over.
#[test]
fn a_message_of_another_length_is_no_value() {
    for kind in [Kind::Mpmc, Kind::Mpsc, Kind::Spmc] {
        for len in [0, 1, 7, 9, 16] {
            for (index, verb) in VERBS.into_iter().enumerate() {
                let config = Config::new(kind).slots(4).slot_bytes(24).values::<u64>();
                let segment = Segment::create_sealed("lengths", &config).unwrap();
                let mut tx = SendEndpoint::join(segment.view().unwrap()).unwrap();
                let mut rx = segment.value_consumer::<u64>().unwrap();
                if PEEKS.contains(&index) && !rx.is_exclusive() {
                    continue;
                }
                send(&mut tx, 8);
                send(&mut tx, len);
                send(&mut tx, 8);
                assert_eq!(rx.try_recv_slice(&mut [0; 3]), Ok(1), "{kind}: what is before it");
                let what = "the length of an element";
                let corrupt = Corrupt { what, position: 1, found: len as u64 };
                let failed = Err(RecvTimeoutError::Failed(Fault::Corrupt(corrupt)));
                assert_eq!(verb(&mut rx), failed, "{kind} {len} {index}");
                assert_eq!(VERBS[0](&mut rx), failed, "{kind} {len} after {index}");
                assert_eq!((rx.len(), rx.is_empty()), (0, true), "of a handle that failed");
                assert_eq!(rx.capacity(), 4);
            }
        }
    }
}
