//! One thread that waits for many handles.

use std::thread;
use std::time::{Duration, Instant};

use shmring::wait_set::{Key, Readable, Writable};
use shmring::{
    Config, Consumer, Eof, Kind, Producer, Segment, TryRecvError, TrySendError, WaitError,
    WaitMode, WaitSet,
};

use crate::common::{HANG, Name, SHORT, broadcast};

/// One ring of each kind of messages, small.
fn configs() -> Vec<Config> {
    let slots = [Config::mpmc(), Config::mpsc(), Config::spmc()];
    let slots = slots.map(|config| config.slots(4).slot_bytes(64));
    slots.into_iter().chain([Config::spsc().capacity_bytes(4096), broadcast()]).collect()
}

struct Ring {
    _name: Name,
    segment: Segment,
    tx: Producer,
    rx: Consumer,
}

fn rings() -> Vec<Ring> {
    let ring = |config| {
        let name = Name::new();
        let (segment, tx, rx) = name.pair_of(&config);
        Ring { _name: name, segment, tx, rx }
    };
    configs().into_iter().map(ring).collect()
}

fn ready(set: &mut WaitSet, timeout: Duration) -> Vec<Key> {
    set.wait(Some(timeout)).unwrap().collect()
}

/// Catches a set that misses a ring, or the wrong ones, or forgets what was not taken.
#[test]
fn a_set_returns_what_is_ready_until_it_is_taken() {
    for mode in [WaitMode::Block, WaitMode::Adaptive, WaitMode::Spin] {
        let mut rings = rings();
        let mut set = WaitSet::new();
        set.set_wait_mode(mode);
        assert_eq!(set.wait_mode(), mode);
        let keys: Vec<_> = rings.iter().map(|ring| set.add(&ring.rx)).collect();
        assert_eq!((set.len(), set.is_empty()), (5, false));
        assert_eq!(ready(&mut set, SHORT), []);
        for (index, &key) in keys.iter().enumerate() {
            let ring = &mut rings[index];
            ring.tx.send(b"one").unwrap();
            ring.tx.send(b"two").unwrap();
            for _ in 0..3 {
                assert_eq!(ready(&mut set, HANG), [key]);
            }
            assert_eq!(ring.rx.try_recv().unwrap(), b"one");
            assert_eq!(ready(&mut set, HANG), [key], "one is left");
            assert_eq!(ring.rx.try_recv().unwrap(), b"two");
            assert_eq!(ready(&mut set, Duration::ZERO), []);
        }
        for ring in &mut rings {
            ring.tx.send(b"all").unwrap();
        }
        assert_eq!(ready(&mut set, HANG), keys);
        assert!(set.remove(keys[1]));
        assert!(!set.remove(keys[1]));
        assert_eq!(ready(&mut set, HANG), [keys[0], keys[2], keys[3], keys[4]]);
        drop(rings.remove(0).rx);
        assert_eq!(ready(&mut set, HANG), [keys[2], keys[3], keys[4]]);
        assert_eq!(set.len(), 3);
    }
}

/// Catches a wake that does not reach a thread which sleeps for many.
#[test]
fn a_message_to_any_ring_wakes_the_set() {
    for mode in [WaitMode::Block, WaitMode::Adaptive, WaitMode::Spin] {
        let mut rings = rings();
        let mut set = WaitSet::new();
        set.set_wait_mode(mode);
        let keys: Vec<_> = rings.iter().map(|ring| set.add(&ring.rx)).collect();
        for round in 0..40 {
            let index = round % rings.len();
            let Ring { tx, rx, .. } = &mut rings[index];
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(1));
                    tx.send(b"wake").unwrap();
                });
                let start = Instant::now();
                assert_eq!(ready(&mut set, HANG), [keys[index]]);
                assert!(start.elapsed() < HANG / 2);
            });
            assert_eq!(rx.try_recv().unwrap(), b"wake");
        }
    }
}

/// Catches room that wakes nobody, and a producer that is ready while there is none.
#[test]
fn a_producer_is_ready_when_there_is_room() {
    for mut ring in rings() {
        let mut set = WaitSet::new();
        let key = set.add_writable(&ring.tx);
        assert_eq!(ready(&mut set, SHORT), [key], "never tried");
        for round in 0..20 {
            while ring.tx.try_send(&[0; 40]).is_ok() {}
            assert_eq!(ready(&mut set, Duration::ZERO), []);
            thread::scope(|scope| {
                scope.spawn(|| {
                    if round % 2 == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                    while ring.rx.try_recv().is_ok() {}
                });
                assert_eq!(ready(&mut set, HANG), [key]);
            });
            ring.tx.try_send(&[0; 40]).unwrap();
        }
        while ring.tx.try_send(&[0; 40]).is_ok() {}
        assert_eq!(ready(&mut set, SHORT), []);
        drop(ring.rx);
        assert_eq!(ready(&mut set, HANG), [key], "nobody receives");
        assert_eq!(ring.tx.try_send(&[0; 40]), Err(TrySendError::BrokenPipe));
        ring.tx.set_require_consumer(false);
        // Where there is no subscriber, there is room.
        let has_room = ring.segment.info().ring().kind == Kind::Broadcast;
        let expected = if has_room { vec![key] } else { Vec::new() };
        assert_eq!(ready(&mut set, SHORT), expected, "full, whoever is there");
        ring.segment.close();
        assert_eq!(ready(&mut set, HANG), [key], "closed");
    }
}

/// Catches an end of a stream that is not shown, or is shown to those who wait through it.
#[test]
fn a_consumer_is_ready_at_the_end_of_its_stream() {
    for mut ring in rings() {
        let mut set = WaitSet::new();
        let key = set.add(&ring.rx);
        drop(ring.tx);
        assert_eq!(ready(&mut set, HANG), [key]);
        assert_eq!(ring.rx.try_recv(), Err(TryRecvError::Eof));
        assert_eq!(ready(&mut set, HANG), [key], "as long as nobody comes");
        ring.rx.set_eof(Eof::NextProducer);
        assert_eq!(ready(&mut set, SHORT), []);
        let mut tx = ring.segment.producer().unwrap();
        assert_eq!(ready(&mut set, SHORT), []);
        tx.send(b"next").unwrap();
        assert_eq!(ready(&mut set, HANG), [key]);
        assert_eq!(ring.rx.try_recv().unwrap(), b"next");
        drop(tx);
        assert_eq!(ring.rx.try_recv(), Err(TryRecvError::Empty));
        ring.rx.set_eof(Eof::Final);
        assert_eq!(ready(&mut set, SHORT), [], "that end was passed");
        ring.segment.close();
        assert_eq!(ready(&mut set, HANG), [key], "closed");
    }
}

/// Catches a kind of handle that sets do not take.
#[test]
fn handles_of_values_are_waited_for() {
    fn both(set: &mut WaitSet, rx: &impl Readable, tx: &impl Writable) -> (Key, Key) {
        (set.add(rx), set.add_writable(tx))
    }
    for config in [Config::packed::<u64>(), Config::mpmc().values::<u64>()] {
        let name = Name::new();
        let segment = name.create(&config.slots(2));
        let mut tx = segment.value_producer::<u64>().unwrap();
        let mut rx = segment.value_consumer::<u64>().unwrap();
        let mut set = WaitSet::new();
        let (readable, writable) = both(&mut set, &rx, &tx);
        assert_eq!(ready(&mut set, HANG), [writable]);
        tx.send_slice(&[1, 2]).unwrap();
        assert_eq!(tx.try_send(&3), Err(TrySendError::Full));
        assert_eq!(ready(&mut set, HANG), [readable]);
        assert_eq!(rx.try_recv(), Ok(1));
        assert_eq!(ready(&mut set, HANG), [readable, writable]);
    }
}

/// Catches an interrupt that is lost, that ends two waits, or none.
#[test]
fn a_set_is_interrupted_once() {
    let ring = rings().remove(0);
    let mut set = WaitSet::new();
    let _key = set.add(&ring.rx);
    let interrupter = set.interrupter();
    for _ in 0..2 {
        interrupter.interrupt();
        interrupter.interrupt();
        assert_eq!(set.wait(None).map(|_| ()), Err(WaitError::Interrupted));
        assert_eq!(ready(&mut set, SHORT), []);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(2));
                interrupter.interrupt();
            });
            assert_eq!(set.wait(None).map(|_| ()), Err(WaitError::Interrupted));
        });
    }
    let mut empty = WaitSet::default();
    assert_eq!(ready(&mut empty, SHORT), []);
}

/// Catches more handles than the kernel waits for at once.
#[test]
fn a_set_has_more_handles_than_one_call_of_the_kernel_takes() {
    let names: Vec<_> = (0..140).map(|_| Name::new()).collect();
    let config = Config::mpmc().slots(2).slot_bytes(64).max_attachments(2).max_handles(2);
    let segments: Vec<_> = names.iter().map(|name| name.create(&config)).collect();
    let mut handles: Vec<_> = segments
        .iter()
        .map(|segment| (segment.producer().unwrap(), segment.consumer().unwrap()))
        .collect();
    let mut set = WaitSet::new();
    let keys: Vec<_> = handles.iter().map(|(_, rx)| set.add(rx)).collect();
    for index in [0, 126, 127, 139] {
        let (tx, rx) = &mut handles[index];
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(5));
                tx.send(b"here").unwrap();
            });
            assert_eq!(ready(&mut set, HANG), [keys[index]]);
        });
        rx.try_recv().unwrap();
    }
}

/// Catches a wake that a set got and its owner does not use: the message lies beside a sleeper.
#[test]
fn a_wake_that_is_not_used_is_handed_off() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum End {
        Waits,
        Drops,
        DropsHandle,
        Removes,
        Tries,
    }
    for end in [End::Waits, End::Drops, End::DropsHandle, End::Removes, End::Tries] {
        for _ in 0..20 {
            let name = Name::new();
            let segment = name.create(&Config::mpmc().slots(8).slot_bytes(64));
            let mut tx = segment.producer().unwrap();
            let (mut rx, mut other) = (segment.consumer().unwrap(), segment.consumer().unwrap());
            other.set_wait_mode(WaitMode::Block);
            let mut set = WaitSet::new();
            let key = set.add(&rx);
            thread::scope(|scope| {
                let sleeper = scope.spawn(move || {
                    thread::sleep(Duration::from_millis(1));
                    let start = Instant::now();
                    let got = other.recv_timeout(HANG);
                    (got.is_ok(), start.elapsed())
                });
                let sender = scope.spawn(move || {
                    thread::sleep(Duration::from_millis(3));
                    // Of two messages at once, one wake may be for both.
                    tx.send_batch(&["one", "two"]).unwrap();
                    tx
                });
                let found = ready(&mut set, HANG);
                assert!(found == [key] || found.is_empty());
                match end {
                    End::Waits => drop(ready(&mut set, Duration::ZERO)),
                    End::Drops => drop(set),
                    End::DropsHandle => drop(rx),
                    End::Removes => assert!(set.remove(key)),
                    End::Tries => {
                        let _ = rx.try_recv();
                    }
                }
                let (got, after) = sleeper.join().unwrap();
                assert!(got && after < HANG / 2, "{end:?}: after {after:?}");
                drop(sender.join().unwrap());
            });
        }
    }
}
