//! Waits that the watcher ends.

use std::os::unix::net::UnixStream;
use std::time::Instant;

use shmring::{Config, Consumer, RecvTimeoutError, Segment};

use super::*;
use crate::transfer::meter::{Meter, Way};

/// Far longer than any interrupt takes.
const HANG: Duration = Duration::from_secs(60);

fn ring() -> (Arc<Segment>, Consumer) {
    let segment = Segment::create_sealed("watched", &Config::spsc()).expect("a segment");
    let consumer = segment.consumer().expect("a consumer");
    (Arc::new(segment), consumer)
}

fn watch<'a>(
    signals: &'a Signals,
    segment: &Arc<Segment>,
    consumer: &Consumer,
    output: Option<BorrowedFd<'_>>,
) -> Watcher<'a> {
    let meter = Meter::new(Way::Out, io::stdin(), 0);
    let peers = PeerCheck::new([segment], true, meter.reporter());
    Watcher::start(signals, consumer.interrupter(), output, peers).expect("a thread")
}

fn await_end(watcher: &Watcher<'_>) {
    let started = Instant::now();
    while watcher.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
        assert!(started.elapsed() < HANG, "no event ended the thread");
        thread::sleep(Duration::from_millis(1));
    }
}

fn receive(watcher: &Watcher<'_>, consumer: &mut Consumer) -> Result<Vec<u8>, RecvTimeoutError> {
    watcher.waiting(|| consumer.recv_timeout(HANG)).map(|message| message.to_vec())
}

// Catches a signal just before a wait that is lost, and one that keeps the transfer from
// messages which are there.
#[test]
fn a_signal_before_the_wait() {
    let (segment, mut consumer) = ring();
    let mut producer = segment.producer().expect("a producer");
    let (signals, raise) = Signals::simulated();
    let watcher = watch(&signals, &segment, &consumer, None);
    assert!(watcher.check().is_ok());
    producer.send(b"one").expect("room");
    raise();
    await_end(&watcher);
    assert_eq!(receive(&watcher, &mut consumer), Ok(b"one".to_vec()));
    assert_eq!(receive(&watcher, &mut consumer), Err(RecvTimeoutError::Interrupted));
    assert!(matches!(watcher.check(), Err(Stop::Signal(_))));
}

// Catches a wait that signals do not end.
#[test]
fn a_signal_during_the_wait() {
    let (segment, mut consumer) = ring();
    let _producer = segment.producer().expect("a producer");
    let (signals, raise) = Signals::simulated();
    let watcher = watch(&signals, &segment, &consumer, None);
    let shared = Arc::clone(&watcher.shared);
    let raiser = thread::spawn(move || {
        while shared.waits.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(20));
        raise();
    });
    assert_eq!(receive(&watcher, &mut consumer), Err(RecvTimeoutError::Interrupted));
    assert!(matches!(watcher.check(), Err(Stop::Signal(_))));
    raiser.join().expect("a signal");
}

// Catches a reader of a pipe or a socket whose end goes unnoticed, before a wait and in it.
#[test]
fn a_reader_that_leaves() {
    for leaves_early in [true, false] {
        let (pipe_reader, pipe) = io::pipe().expect("a pipe");
        let (socket_reader, socket) = UnixStream::pair().expect("a pair of sockets");
        let ends: [(OwnedFd, OwnedFd); 2] =
            [(pipe_reader.into(), pipe.into()), (socket_reader.into(), socket.into())];
        for (reader, output) in ends {
            let (segment, mut consumer) = ring();
            let _producer = segment.producer().expect("a producer");
            let (signals, _raise) = Signals::simulated();
            let watcher = watch(&signals, &segment, &consumer, Some(output.as_fd()));
            let delay = Duration::from_millis(if leaves_early { 0 } else { 20 });
            let leaver = thread::spawn(move || {
                thread::sleep(delay);
                drop(reader);
            });
            if leaves_early {
                await_end(&watcher);
            }
            assert_eq!(receive(&watcher, &mut consumer), Err(RecvTimeoutError::Interrupted));
            assert!(matches!(watcher.check(), Err(Stop::OutputClosed)));
            leaver.join().expect("a reader");
        }
    }
}

// Catches a thread that outlives its watcher and keeps the segment attached, whether
// something has ended it or not.
#[test]
fn nothing_outlives_the_watcher() {
    for is_raised in [false, true] {
        let (segment, consumer) = ring();
        let other = Segment::from_fd(segment.share().expect("a descriptor")).expect("attach");
        let (signals, raise) = Signals::simulated();
        let watcher = watch(&signals, &segment, &consumer, None);
        if is_raised {
            raise();
        }
        drop(watcher);
        drop(consumer);
        drop(Arc::into_inner(segment).expect("the last reference"));
        assert_eq!(other.status().expect("a status").attached.len(), 1);
    }
}
