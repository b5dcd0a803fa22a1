//! Messages that are no elements, in a ring of elements: what a correct peer cannot send. And
//! handles that have failed.

use std::time::Duration;

use super::{CopyElement, RecvEndpoint, SendEndpoint};
use crate::endpoint::subscribe::Subscribe;
use crate::error::{
    Corrupt, Fault, RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError,
};
use crate::info::Kind;
use crate::memory::copy::ElementPlace;
use crate::ring::Place;
use crate::sync::Deadline;
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

/// Takes an element without a copy.
struct Taken;

impl CopyElement for Taken {
    fn copy_element(self, _: Place, _: ElementPlace<'_>) -> bool {
        true
    }
}

/// Catches a handle that has failed and goes on with what it knew before: by each fast path.
#[test]
fn a_failed_handle_neither_sends_nor_receives() {
    for kind in [Kind::Mpmc, Kind::Mpsc, Kind::Spmc, Kind::Packed] {
        let config = Config::new(kind).slots(8).values::<u64>();
        let segment = Segment::create_sealed("failed", &config).unwrap();
        let mut tx = SendEndpoint::join(segment.view().unwrap()).unwrap();
        let mut rx = RecvEndpoint::join_any(segment.view().unwrap(), Subscribe::gating()).unwrap();
        tx.try_send_elements(&[1; 24], 8).unwrap();
        // It knows of all three.
        assert!(rx.next_elements(3, 8).is_ok() && rx.take_element_fast(8, Taken), "{kind}");
        let corrupt = Corrupt { what: "a test", position: 0, found: 0 };
        let fault = rx.poison(corrupt);
        assert!(!rx.take_element_fast(8, Taken), "{kind}");
        assert_eq!(rx.next_elements(1, 8), Err(TryRecvError::Failed(fault)), "{kind}");
        let by = rx.next_elements_by(1, 8, Deadline::NEVER);
        assert_eq!(by, Err(RecvTimeoutError::Failed(fault)), "{kind}");

        let fault = tx.registration.poison(corrupt);
        assert!(!tx.send_element_fast(&[1; 8]), "{kind}");
        let failed = Err(TrySendError::Failed(fault));
        assert_eq!(tx.try_send_elements(&[1; 8], 8), failed, "{kind}");
        assert_eq!(tx.send_some_elements(&[1; 8], 8).map(|_| ()), failed, "{kind}");
        assert!(tx.reserve_elements(1, 1, 8).is_err(), "{kind}");
        let by = tx.reserve_elements_by(1, 1, 8, Deadline::NEVER);
        assert_eq!(by, Err(SendTimeoutError::Failed(fault)), "{kind}");
    }
}
