//! Broadcast rings of values of one type.

use shmring::{
    Config, Element, JoinError, RecvError, RecvTimeoutError, Segment, SendTimeoutError, Start,
    Subscribe, TryRecvError, TrySendError, values,
};

use crate::common::{MODES, Name, SHORT, watchdog};

/// A value that shows whether it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(C)]
struct Tick {
    number: u64,
    check: [u32; 3],
    side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Element)]
#[repr(u32)]
enum Side {
    Buy = 1,
    Sell = 2,
}

fn tick(number: u64) -> Tick {
    let low = number as u32;
    let side = if number.is_multiple_of(2) { Side::Buy } else { Side::Sell };
    Tick { number, check: [low, !low, low.wrapping_mul(0x9E37_79B1)], side }
}

#[track_caller]
fn number_of(value: Tick) -> u64 {
    assert_eq!(value, tick(value.number));
    value.number
}

fn config() -> Config {
    Config::broadcast().capacity_bytes(4096).values::<Tick>()
}

/// Catches a value that is lost, changed or in another's place: each way of sending, for a gating
/// subscriber that uses each way of receiving, and for the others.
#[test]
fn every_subscriber_receives_every_value() {
    let name = Name::new();
    let segment = name.create(&config());
    let mut tx = segment.value_producer::<Tick>().unwrap();
    let mut gating = segment.value_consumer::<Tick>().unwrap();
    let mut other = segment.subscribe_values::<Tick>(Subscribe::gating()).unwrap();
    let mut lossy = segment.subscribe_values::<Tick>(Subscribe::lossy()).unwrap();
    let mut latest = segment.subscribe_values::<Tick>(Subscribe::latest()).unwrap();
    let mut bytes = segment.subscribe(Subscribe::lossy()).unwrap();
    let (mut next, mut some) = (0, [tick(0); 4]);
    for round in 0..400 {
        let batch: Vec<_> = (next..next + 3).map(tick).collect();
        let sent = match round % 6 {
            0 => tx.send(&batch[0]).map(|()| 1).unwrap(),
            1 => tx.try_send(&batch[0]).map(|()| 1).unwrap(),
            2 => tx.send_slice(&batch).map(|()| 3).unwrap(),
            3 => tx.try_send_some(&batch).unwrap(),
            4 => tx.send_slice_timeout(&batch[..2], SHORT).map(|()| 2).unwrap(),
            _ => {
                // A run is one record.
                let mut space = tx.reserve(3).unwrap();
                let capacity = space.capacity();
                space.write_slice(0, &batch[..capacity]);
                space.commit();
                capacity
            }
        };
        assert_eq!(gating.len(), sent);
        for number in next..next + sent as u64 {
            let value = match round % 5 {
                0 => gating.recv().unwrap(),
                1 => gating.recv_timeout(SHORT).unwrap(),
                2 => {
                    assert_eq!(gating.recv_slice(&mut some[..1]), Ok(1));
                    some[0]
                }
                3 => {
                    let again = gating.peek(1).unwrap().to_vec().unwrap();
                    let peek = gating.peek(1).unwrap();
                    assert_eq!((peek.redelivered(), peek.get(0)), (1, Ok(Some(again[0]))));
                    peek.release();
                    again[0]
                }
                _ => gating.try_recv().unwrap(),
            };
            assert_eq!(number_of(value), number);
            assert_eq!(number_of(lossy.try_recv().unwrap()), number);
            assert_eq!(bytes.try_recv().unwrap().len(), size_of::<Tick>());
        }
        assert_eq!(other.try_recv_slice(&mut some), Ok(sent));
        assert!(some[..sent].iter().copied().map(number_of).eq(next..next + sent as u64));
        next += sent as u64;
        assert_eq!(number_of(latest.try_recv().unwrap()), next - 1);
        assert_eq!(gating.try_recv(), Err(TryRecvError::Empty));
    }
    assert_eq!((gating.missed(), lossy.missed()), (0, 0));
    assert!(lossy.try_peek(1).is_err_and(|error| error == TryRecvError::NotExclusive));
    assert_eq!(lossy.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
}

/// Catches room or losses that are counted in something else than values.
#[test]
fn values_gate_and_are_missed_one_by_one() {
    let name = Name::new();
    let segment = name.create(&config());
    let mut tx = segment.value_producer::<Tick>().unwrap();
    let mut gating = segment.value_consumer::<Tick>().unwrap();
    let mut lossy = segment.subscribe_values::<Tick>(Subscribe::lossy()).unwrap();
    let most = (0..).find(|&number| tx.try_send(&tick(number)).is_err()).unwrap();
    assert_eq!(tx.capacity(), gating.capacity());
    assert!((100..=most as usize).contains(&tx.capacity()), "{} of {most}", tx.capacity());
    assert_eq!(tx.try_send_some(&[tick(most)]), Err(TrySendError::Full));
    let timed = tx.send_slice_timeout(&[tick(most); 2], SHORT);
    assert_eq!(timed, Err(SendTimeoutError::TimedOut));
    let many = tx.try_send_slice(&[tick(0); 200]);
    assert!(matches!(many, Err(TrySendError::TooLong { .. })), "{many:?}");
    assert_eq!(number_of(gating.recv().unwrap()), 0);
    tx.try_send(&tick(most)).unwrap();
    assert_eq!(tx.try_send(&tick(most)), Err(TrySendError::Full));
    drop(gating);
    (1..500).for_each(|number| tx.try_send(&tick(most + number)).unwrap());
    let Err(TryRecvError::Lagged { missed }) = lossy.try_recv() else { panic!("not overrun") };
    let mut next = missed;
    while let Ok(value) = lossy.try_recv() {
        assert_eq!(number_of(value), next);
        next += 1;
    }
    assert_eq!((next, lossy.missed()), (most + 500, missed));
    let mut oldest =
        segment.subscribe_values::<Tick>(Subscribe::lossy().from(Start::Oldest)).unwrap();
    assert_eq!(number_of(oldest.recv().unwrap()), missed);
}

/// Catches a slice that is not too long, and that has no room where the last one ended.
#[test]
fn the_longest_slice_always_fits() {
    let name = Name::new();
    let segment = name.create(&config());
    let mut tx = segment.value_producer::<Tick>().unwrap();
    let mut rx = segment.value_consumer::<Tick>().unwrap();
    let longest = |count: &u64| {
        let all: Vec<_> = (0..*count).map(tick).collect();
        !matches!(tx.try_send_slice(&all), Err(TrySendError::TooLong { .. }))
    };
    let count = (1..200).rev().find(longest).unwrap();
    assert!(count > 50, "{count}");
    let all: Vec<_> = (0..count).map(tick).collect();
    let mut some = all.clone();
    assert_eq!(rx.try_recv_slice(&mut some), Ok(all.len()));
    for singles in 0..40 {
        for number in 0..singles {
            tx.try_send(&tick(number)).unwrap();
            assert_eq!(rx.try_recv(), Ok(tick(number)));
        }
        assert_eq!(tx.try_send_slice(&all), Ok(()), "after {singles} more");
        let mut received = 0;
        while received < all.len() {
            received += rx.try_recv_slice(&mut some[received..]).unwrap();
        }
        assert_eq!(some, all);
    }
}

/// Catches a value that was written in place and is not sent: its record does not fit before the
/// end of the ring, and goes to the start.
#[test]
fn values_written_in_place_are_sent_across_the_end_of_the_ring() {
    type Words = [u64; 4];
    let name = Name::new();
    let segment = name.create(&Config::broadcast().capacity_bytes(4096).values::<Words>());
    let mut tx = segment.value_producer::<Words>().unwrap();
    let mut rx = segment.value_consumer::<Words>().unwrap();
    for number in 0..1000 {
        let mut space = tx.try_reserve(3).unwrap();
        space.push([number; 4]);
        space.commit();
        assert_eq!(rx.try_recv(), Ok([number; 4]));
    }
}

/// Catches a slice of a lossy subscriber of which some values are torn, or that hides a loss.
#[test]
fn slices_of_values_are_whole_under_load() {
    let _watchdog = watchdog("slices_of_values_are_whole_under_load");
    const COUNT: u64 = 60_000;
    for mode in MODES {
        let name = Name::new();
        let segment = name.create(&config());
        let mut tx = segment.value_producer::<Tick>().unwrap();
        tx.set_wait_mode(mode);
        std::thread::scope(|scope| {
            let follow = |mut rx: values::Consumer<Tick>, most: usize| {
                rx.set_wait_mode(mode);
                let (mut next, mut some) = (0, vec![tick(0); most]);
                loop {
                    match rx.recv_slice(&mut some) {
                        Ok(count) => {
                            let numbers = some[..count].iter().copied().map(number_of);
                            assert!(numbers.eq(next..next + count as u64));
                            next += count as u64;
                        }
                        Err(RecvError::Lagged { missed }) => next += missed,
                        Err(end) => {
                            assert_eq!(end, RecvError::Eof);
                            return (next, rx.missed());
                        }
                    }
                }
            };
            let subscribe = |how| segment.subscribe_values::<Tick>(how).unwrap();
            let gating = subscribe(Subscribe::gating());
            let lossy = [1, 7, 40].map(|most| (subscribe(Subscribe::lossy()), most));
            let gating = scope.spawn(move || follow(gating, 5));
            let lossy = lossy.map(|(rx, most)| scope.spawn(move || follow(rx, most)));
            for number in (0..COUNT).step_by(2) {
                tx.send_slice(&[tick(number), tick(number + 1)]).unwrap();
            }
            drop(tx);
            assert_eq!(gating.join().unwrap(), (COUNT, 0));
            lossy.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().0, COUNT));
        });
    }
}

/// Catches a handle for another type, and one for bytes that writes into a ring of values.
#[test]
fn another_type_is_refused() {
    let name = Name::new();
    name.create(&config());
    let segment = Segment::attach(&name).unwrap();
    let wrong = |error: Option<JoinError>| matches!(error, Some(JoinError::WrongType(_)));
    assert!(wrong(segment.value_producer::<u64>().err()));
    assert!(wrong(segment.subscribe_values::<u64>(Subscribe::lossy()).err()));
    assert!(wrong(segment.producer().err()));
    assert_eq!(segment.status().unwrap().handles, 0);
    let name = Name::new();
    let segment = name.create(&Config::broadcast().capacity_bytes(4096));
    assert!(wrong(segment.subscribe_values::<u64>(Subscribe::gating()).err()));
    let packed = Name::new();
    let segment = packed.create(&Config::packed::<u64>().slots(4));
    let refused = segment.subscribe_values::<u64>(Subscribe::gating()).err();
    assert!(matches!(refused, Some(JoinError::WrongKind { .. })), "{refused:?}");
}

/// Catches bytes of a peer that are no value and are taken for one.
#[test]
fn bytes_that_are_no_value_are_an_error() {
    /// Poses as a `Tick`.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Raw([u64; 3]);

    // SAFETY: three words.
    unsafe impl Element for Raw {
        const NAME: shmring::TypeName = Tick::NAME;
        const TYPE_ID: u64 = Tick::TYPE_ID;
        const ALWAYS_VALID: bool = true;

        fn is_valid(bytes: &[u8]) -> bool {
            bytes.len() == size_of::<Self>()
        }
    }

    let name = Name::new();
    let segment = name.create(&config());
    let hows = [Subscribe::gating(), Subscribe::lossy(), Subscribe::latest()];
    let mut all = hows.map(|how| segment.subscribe_values::<Tick>(how).unwrap());
    let peer = Segment::attach(&name).unwrap();
    peer.value_producer::<Raw>().unwrap().send(&Raw([7, 7, 7 << 32])).unwrap();
    for rx in &mut all {
        for _ in 0..2 {
            let failed = rx.try_recv();
            assert!(matches!(failed, Err(TryRecvError::Failed(_))), "{failed:?}");
        }
    }
}
