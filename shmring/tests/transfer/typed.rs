//! Slot rings whose messages are of one type.

use bytemuck::Pod;
use shmring::{
    Config, Element, JoinError, Kind, RecvError, RecvTimeoutError, Role, Segment, SendTimeoutError,
    TryRecvError, TrySendError,
};

use crate::common::{MODES, Name, SHORT, SLOT_KINDS, slots, watchdog};
use crate::elements::{LongTick, LooseTick, Quote, Rgb, Tick, element, elements, same};

fn typed<T: Element>(kind: Kind, count: u64) -> Config {
    Config::new(kind).slots(count).values::<T>()
}

/// Sends and receives elements of a type in each way, over several laps.
fn round_trips<T: Element + Pod>() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let segment = name.create(&typed::<T>(kind, 4));
        let unit = align_of::<T>().max(8);
        let expected = (size_of::<T>() + 8).next_multiple_of(unit) as u64;
        assert_eq!(segment.info().ring().slot_bytes, Some(expected));
        assert_eq!(segment.info().ring().element, Some(T::TYPE));
        let mut tx = segment.value_producer::<T>().unwrap();
        let mut rx = Segment::attach(&name).unwrap().value_consumer::<T>().unwrap();
        for number in 0..60 {
            let sent = element::<T>(number);
            match number % 6 {
                0 => tx.send(&sent).unwrap(),
                1 => tx.try_send(&sent).unwrap(),
                2 => tx.send_timeout(&sent, SHORT).unwrap(),
                3 => tx.send_slice(&[sent]).unwrap(),
                4 => tx.try_send_slice(&[sent]).unwrap(),
                _ => tx.send_slice_timeout(&[sent], SHORT).unwrap(),
            }
            let mut slice = [T::zeroed(); 3];
            let count = match number % 7 {
                0..=2 => {
                    slice[0] = match number % 7 {
                        0 => rx.recv().unwrap(),
                        1 => rx.try_recv().unwrap(),
                        _ => rx.recv_timeout(SHORT).unwrap(),
                    };
                    1
                }
                3 => rx.recv_slice(&mut slice).unwrap(),
                4 => rx.try_recv_slice(&mut slice).unwrap(),
                _ => rx.recv_slice_timeout(&mut slice, SHORT).unwrap(),
            };
            assert_eq!(count, 1);
            assert!(same(&slice[..1], &[sent]), "{kind}, {}", T::TYPE);
            assert!(same(&slice[1..], &[T::zeroed(); 2]), "written beyond");
            assert_eq!(rx.try_recv().map(|_| ()), Err(TryRecvError::Empty));
        }
    }
}

/// Catches a value that is changed on the way: of numbers, arrays and structs, of sizes
/// that are whole words and that are not.
#[test]
fn values_arrive_as_they_were_sent() {
    round_trips::<u8>();
    round_trips::<i16>();
    round_trips::<f32>();
    round_trips::<u64>();
    round_trips::<f64>();
    round_trips::<u128>();
    round_trips::<Rgb>();
    round_trips::<Tick>();
    round_trips::<[u8; 13]>();
    round_trips::<[[u16; 3]; 5]>();
    round_trips::<[Tick; 40]>();
}

/// Catches a struct whose fields change places.
#[test]
fn structs_keep_their_fields() {
    let name = Name::new();
    let segment = name.create(&typed::<Tick>(Kind::Mpmc, 8));
    let mut tx = segment.value_producer().unwrap();
    let tick = Tick { time_ns: 1, price: 2.5, volume: 3, flags: [4, 5] };
    tx.send(&tick).unwrap();
    assert_eq!(segment.value_consumer::<Tick>().unwrap().recv(), Ok(tick));
}

/// Catches a slice that is sent in part, mixed with another's, or received in another
/// order, and limits that are passed.
#[test]
fn slices_go_through_whole() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let segment = name.create(&typed::<Rgb>(kind, 8));
        let mut tx = segment.value_producer::<Rgb>().unwrap();
        let mut rx = segment.value_consumer::<Rgb>().unwrap();
        for round in 0..200 {
            let sent = elements::<Rgb>(round * 10, (round % 9) as usize);
            tx.send_slice(&sent).unwrap();
            let (mut all, mut buffer) = (Vec::new(), [Rgb([0; 3]); 3]);
            while let Ok(count) = rx.try_recv_slice(&mut buffer) {
                assert!((1..=3).contains(&count));
                all.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(all, sent, "{kind}");
        }
        tx.send_slice(&elements(0, 6)).unwrap();
        assert_eq!(tx.try_send_slice(&elements(0, 3)), Err(TrySendError::Full));
        let timed = tx.send_slice_timeout(&elements(0, 3), SHORT);
        assert_eq!(timed, Err(SendTimeoutError::TimedOut));
        let many = TrySendError::TooMany { count: 9, max: 8 };
        assert_eq!(tx.try_send_slice(&elements(0, 9)), Err(many));
        tx.send_slice(&[]).unwrap();
        // Asked for nothing, it waits for nothing and takes nothing.
        assert_eq!(rx.recv_slice(&mut []), Ok(0));
        let mut buffer = [Rgb([0; 3]); 20];
        assert_eq!(rx.recv_slice(&mut buffer), Ok(6));
        assert_eq!(buffer[..6], elements(0, 6));
        assert_eq!(rx.recv_slice_timeout(&mut buffer, SHORT), Err(RecvTimeoutError::TimedOut));
        assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
        drop(tx);
        assert_eq!(rx.recv_slice(&mut buffer), Err(RecvError::Eof));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
    }
}

fn assert_wrong_type<H>(joined: Result<H, JoinError>, found: &str, wanted: &str) {
    let error = joined.err().expect("another type must be refused");
    assert!(matches!(error, JoinError::WrongType { .. }), "{error:?}");
    let text = error.to_string();
    let start = format!("the ring holds {found}, not {wanted}; ");
    assert!(text.starts_with(&start), "{text}");
}

/// Catches a handle for another type: another name, size or alignment, or none; and an
/// error that does not say what the ring holds.
#[test]
fn another_type_is_refused_in_readable_words() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        name.create(&typed::<Tick>(kind, 8));
        // The type that the segment records counts, for a process that attaches.
        let segment = Segment::attach(&name).unwrap();
        let tick = &Tick::TYPE.to_string();
        let id = format!("type id {:#x}", Tick::TYPE_ID);
        assert_eq!(*tick, format!("`Tick` (24 bytes aligned to 8, {id})"));
        let quote = &Quote::TYPE.to_string();
        assert_eq!(
            *quote,
            format!("`Quote` (24 bytes aligned to 8, type id {:#x})", Quote::TYPE_ID)
        );
        assert_wrong_type(segment.value_producer::<Quote>(), tick, quote);
        assert_wrong_type(segment.value_consumer::<Quote>(), tick, quote);
        let long = &format!("`Tick` (32 bytes aligned to 8, {id})");
        assert_wrong_type(segment.value_producer::<LongTick>(), tick, long);
        let loose = &format!("`Tick` (24 bytes aligned to 4, {id})");
        assert_wrong_type(segment.value_consumer::<LooseTick>(), tick, loose);
        assert_wrong_type(segment.producer(), tick, "bytes");
        // The refused took no role and no handle.
        assert!(segment.value_producer::<Tick>().is_ok());
        assert!(segment.value_consumer::<Tick>().is_ok());
    }
    let name = Name::new();
    let segment = name.create(&slots(Kind::Mpmc, 8, 64));
    let number = "`u64` (8 bytes aligned to 8, type id 0x108)";
    assert_wrong_type(segment.value_producer::<u64>(), "bytes", number);
    assert_wrong_type(segment.value_consumer::<u64>(), "bytes", number);
    let name = Name::new();
    let record = name.create(&Config::spsc().capacity_bytes(4096));
    assert_wrong_type(record.value_producer::<u64>(), "bytes", number);
    assert_wrong_type(record.value_consumer::<u64>(), "bytes", number);
}

/// Catches types that are taken for each other because their names are made up alike.
#[test]
fn names_of_types_differ() {
    let names = [
        u8::TYPE_ID,
        u16::TYPE_ID,
        u32::TYPE_ID,
        u64::TYPE_ID,
        u128::TYPE_ID,
        i8::TYPE_ID,
        i16::TYPE_ID,
        i32::TYPE_ID,
        i64::TYPE_ID,
        i128::TYPE_ID,
        f32::TYPE_ID,
        f64::TYPE_ID,
        <[u8; 1]>::TYPE_ID,
        <[u8; 2]>::TYPE_ID,
        <[u8; 8]>::TYPE_ID,
        <[i8; 8]>::TYPE_ID,
        <[u64; 1]>::TYPE_ID,
        <[f64; 1]>::TYPE_ID,
        <[f64; 2]>::TYPE_ID,
        <[u64; 2]>::TYPE_ID,
        <[[u64; 2]; 3]>::TYPE_ID,
        <[[u64; 3]; 2]>::TYPE_ID,
        <[u64; 6]>::TYPE_ID,
    ];
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "the one of index {index} comes twice");
    }
}

/// Catches a reader of bytes that is kept from a ring of elements: looking at them as
/// bytes is always possible, writing them is not.
#[test]
fn bytes_of_elements_can_be_received() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let segment = name.create(&typed::<Tick>(kind, 4));
        let mut tx = segment.value_producer::<Tick>().unwrap();
        let mut rx = segment.consumer().unwrap();
        let tick = element::<Tick>(5);
        tx.send(&tick).unwrap();
        assert_eq!(rx.recv().unwrap(), bytemuck::bytes_of(&tick), "{kind}");
    }
}

/// Catches clones that differ from their original, and options that do not reach the ring.
#[test]
fn typed_handles_do_what_others_do() {
    let _watchdog = watchdog("typed_handles_do_what_others_do");
    for kind in SLOT_KINDS {
        for mode in MODES {
            let name = Name::new();
            let segment = name.create(&typed::<u32>(kind, 4));
            let mut tx = segment.value_producer::<u32>().unwrap();
            let mut rx = segment.value_consumer::<u32>().unwrap();
            let (mut other_tx, mut other_rx) = (tx.try_clone().ok(), rx.try_clone().ok());
            assert_eq!(other_tx.is_some(), kind.shares(Role::Producer));
            assert_eq!(other_rx.is_some(), kind.shares(Role::Consumer));
            tx.set_wait_mode(mode);
            rx.set_wait_mode(mode);
            let count = 2000;
            let mut received = std::thread::scope(|scope| {
                scope.spawn(move || (0..count).for_each(|number| tx.send(&number).unwrap()));
                if let Some(mut tx) = other_tx.take() {
                    scope.spawn(move || (0..count).for_each(|number| tx.send(&number).unwrap()));
                }
                let theirs = other_rx.as_mut().map(|rx| {
                    scope.spawn(|| {
                        let (mut all, mut some) = (Vec::new(), [0; 3]);
                        while let Ok(count) = rx.recv_slice(&mut some) {
                            all.extend_from_slice(&some[..count]);
                        }
                        all
                    })
                });
                let mut all = Vec::new();
                while let Ok(number) = rx.recv() {
                    all.push(number);
                }
                all.extend(theirs.into_iter().flat_map(|thread| thread.join().unwrap()));
                all
            });
            received.sort_unstable();
            let each = if kind.shares(Role::Producer) { 2 } else { 1 };
            let expected = (0..count).flat_map(|number| std::iter::repeat_n(number, each));
            assert!(received.into_iter().eq(expected), "{kind} {mode:?}");
            drop((rx, other_rx));
            let mut tx = segment.value_producer::<u32>().unwrap();
            assert_eq!(tx.send(&1), Ok(()), "its pipe was never whole");
            let rx = segment.value_consumer::<u32>().unwrap();
            tx.send(&2).unwrap();
            drop(rx);
            assert_eq!(tx.try_send(&3), Err(TrySendError::BrokenPipe));
            tx.set_require_consumer(false);
            tx.send(&3).unwrap();
            tx.close();
            let mut rx = segment.value_consumer::<u32>().unwrap();
            let mut left = [0; 9];
            assert_eq!(rx.recv_slice(&mut left), Ok(3));
            assert_eq!((&left[..3], rx.recv()), (&[1, 2, 3][..], Err(RecvError::Eof)));
            rx.close();
        }
    }
}
