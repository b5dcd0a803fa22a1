//! Every subscriber receives every message, in order and once.

use std::time::Duration;

use shmring::{
    Consumer, Message, Producer, RecvError, RecvIntoError, Segment, Subscribe, WaitMode,
};

use crate::common::child::{self, pause, say};
use crate::common::{LONG, MODES, Name, payload, watchdog};
use crate::messages::{Account, len_of, message, number_of, ring};

/// Ways of sending and of receiving, by number.
const IN: u64 = 6;
const OUT: u64 = 7;

/// Sends the messages from `next` on in one of the ways; returns how many.
fn send(way: u64, tx: &mut Producer, next: u64, end: u64) -> u64 {
    let max = tx.max_message_bytes();
    let bytes = message(next, len_of(next, max));
    let batch = || -> Vec<_> { (next..end.min(next + 5)).map(|n| message(n, 60)).collect() };
    match way {
        0 => tx.send(&bytes).unwrap(),
        1 => tx.send_timeout(&bytes, LONG).unwrap(),
        2 => {
            let mut space = tx.reserve(max).unwrap();
            space.write_at(0, &bytes);
            space.commit();
        }
        3 => {
            // Given up, which is seen by nobody.
            drop(tx.reserve(max / 2).unwrap());
            let (front, back) = bytes.split_at(bytes.len() / 2);
            tx.send_vectored(&[front, back].map(std::io::IoSlice::new)).unwrap();
        }
        4 => {
            let batch = batch();
            tx.send_batch(&batch).unwrap();
            return batch.len() as u64;
        }
        _ => {
            tx.wait_writable(60, LONG).unwrap();
            let batch = batch();
            return tx.try_send_some(&batch).map_or(0, |sent| sent as u64);
        }
    }
    1
}

/// Receives some messages in one of the ways, and enters them.
fn receive(way: u64, rx: &mut Consumer, account: &mut Account) -> Result<(), RecvError> {
    let mut buffer = vec![0; 4096];
    match way {
        0 => account.enter(number_of(&rx.recv()?)),
        1 => match rx.recv_into(&mut buffer) {
            Ok(len) => account.enter(number_of(&buffer[..len])),
            Err(RecvIntoError::Recv(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        },
        2 => {
            rx.recv_into_vec(&mut buffer)?;
            account.enter(number_of(&buffer));
        }
        3 => {
            let seen = account.received;
            let count = rx.recv_batch(9, |message| account.enter(number_of(&message.to_vec())))?;
            assert_eq!(account.received, seen + count as u64);
        }
        4 => {
            // In place, and looked at twice.
            let again = rx.peek()?.to_vec();
            let peek = rx.peek()?;
            assert!(peek.is_redelivered() && peek.to_vec() == again);
            account.enter(number_of(&again));
            peek.release();
        }
        5 => {
            rx.wait_readable(LONG).map_err(|error| match error {
                shmring::RecvTimeoutError::Eof => RecvError::Eof,
                error => panic!("{error}"),
            })?;
            let mut ahead = rx.lookahead().unwrap();
            let mut seen = 0;
            while let Some(message) = ahead.next().filter(|_| seen < 7) {
                account.enter(number_of(&message.to_vec()));
                seen += 1;
            }
            ahead.release_first(seen);
        }
        _ => match rx.iter().next() {
            Some(message) => account.enter(number_of(&message?)),
            None => return Err(RecvError::Eof),
        },
    }
    Ok(())
}

/// Receives until the end of the stream, in a way that changes with each message if `way` is none.
fn receive_to_the_end(mut rx: Consumer, way: Option<u64>, from: u64) -> Account {
    let mut account = Account::from(from);
    let end = loop {
        let way = way.unwrap_or(account.received % OUT);
        if let Err(end) = receive(way, &mut rx, &mut account) {
            break end;
        }
    };
    assert_eq!((end, rx.missed()), (RecvError::Eof, 0));
    account
}

/// Catches a message that one of several subscribers misses, gets twice, torn or out of order:
/// each way of waiting, and all ways of sending and receiving on a ring of some messages.
#[test]
fn every_subscriber_receives_every_message() {
    let _watchdog = watchdog("every_subscriber_receives_every_message");
    for (subscribers, count) in [(1, 2000), (2, 1500), (8, 500)] {
        for sending in MODES {
            for receiving in MODES {
                let name = Name::new();
                let segment = ring(&name);
                let mut tx = segment.producer().unwrap();
                tx.set_wait_mode(sending);
                std::thread::scope(|scope| {
                    let subscriber = |index| {
                        let there = Segment::attach(&name).unwrap();
                        let mut rx = there.subscribe(Subscribe::gating()).unwrap();
                        rx.set_wait_mode(receiving);
                        let way = (index % 3 > 0).then_some(index % OUT);
                        scope.spawn(move || receive_to_the_end(rx, way, 0))
                    };
                    let subscribers: Vec<_> = (0..subscribers).map(subscriber).collect();
                    let mut next = 0;
                    while next < count {
                        next += send(next % IN, &mut tx, next, count);
                    }
                    drop(tx);
                    for subscriber in subscribers {
                        let received = subscriber.join().unwrap().received;
                        assert_eq!(received, count, "{sending:?}, {receiving:?}");
                    }
                });
                let status = segment.status().unwrap();
                let ring = status.ring();
                assert_eq!((ring.used_bytes, ring.messages_received), (0, count));
            }
        }
    }
}

/// In the child: subscribes, and receives to the end.
pub(crate) fn receive_all(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
    rx.set_wait_mode(MODES[args[1].parse::<usize>().unwrap()]);
    say("ready");
    pause();
    let account = receive_to_the_end(rx, None, args[2].parse().unwrap());
    say(account.received);
}

/// As above, between processes, from the middle of the stream on.
#[test]
fn processes_receive_every_message() {
    let _watchdog = watchdog("processes_receive_every_message");
    const BEFORE: u64 = 300;
    const COUNT: u64 = 20_000;
    for mode in 0..MODES.len() {
        let name = Name::new();
        let segment = ring(&name);
        let mut tx = segment.producer().unwrap();
        for number in 0..BEFORE {
            tx.send(&message(number, 100)).unwrap();
        }
        let args = [&*name, &mode.to_string(), &BEFORE.to_string()];
        let mut parts: Vec<_> = (0..4).map(|_| child::start("receive-all", &args)).collect();
        for part in &mut parts {
            assert_eq!(part.hear(), "ready");
            part.go();
        }
        let mut next = BEFORE;
        while next < COUNT {
            next += send(next / 7 % IN, &mut tx, next, COUNT);
        }
        drop(tx);
        for part in parts {
            assert_eq!(part.finish(), [(COUNT - BEFORE).to_string()]);
        }
    }
}

/// Catches a length that is stored wrongly, and payload that goes over the end of the ring: every
/// length up to the longest, for two subscribers, at every place of the ring in the end.
#[test]
fn messages_of_every_length_arrive() {
    for align in [8, 64] {
        let name = Name::new();
        let config = crate::messages::config().payload_align(align);
        let segment = name.create(&config);
        let mut tx = segment.producer().unwrap();
        let mut copying = segment.subscribe(Subscribe::gating()).unwrap();
        let mut peeking = segment.subscribe(Subscribe::gating()).unwrap();
        for len in 0..=tx.max_message_bytes() {
            let bytes = payload(len as u64, len);
            tx.try_send(&bytes).unwrap();
            assert_eq!(copying.try_recv().unwrap(), bytes);
            let peek = peeking.try_peek().unwrap();
            assert_eq!(peek.as_ptr().unwrap() as u64 % align, 0);
            assert_eq!((peek.to_vec(), peek.is_redelivered()), (bytes, false));
            peek.release();
        }
        let long = vec![0; tx.max_message_bytes() + 1];
        let (len, max) = (long.len(), tx.max_message_bytes());
        assert_eq!(tx.try_send(&long), Err(shmring::TrySendError::TooLong { len, max }));
    }
}

/// Catches a wake that reaches one of several sleepers only: each waits for its own copy. The rest
/// wait for a look after the dead, which is 100 ms off at least when they have slept for long.
#[test]
fn a_message_wakes_every_subscriber() {
    let _watchdog = watchdog("a_message_wakes_every_subscriber");
    const SUBSCRIBERS: usize = 8;
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    let mut soonest = LONG;
    for round in 0..5 {
        let kinds = [Subscribe::gating(), Subscribe::lossy(), Subscribe::latest()];
        let mut all: Vec<_> = (0..SUBSCRIBERS)
            .map(|index| segment.subscribe(kinds[index % kinds.len()]).unwrap())
            .collect();
        let last = std::thread::scope(|scope| {
            let waiting: Vec<_> = all
                .iter_mut()
                .map(|rx| {
                    rx.set_wait_mode(WaitMode::Block);
                    scope.spawn(move || {
                        assert_eq!(rx.recv_timeout(LONG).unwrap(), payload(round, 20));
                        std::time::Instant::now()
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(136));
            let start = std::time::Instant::now();
            tx.send(&payload(round, 20)).unwrap();
            let back = waiting.into_iter().map(|thread| thread.join().unwrap());
            back.max().unwrap() - start
        });
        soonest = soonest.min(last);
    }
    assert!(soonest < Duration::from_millis(25), "{soonest:?} at the soonest");
}

/// Catches a visitor that gets more than was asked for, and a batch that takes what it did not show.
#[test]
fn a_batch_is_no_larger_than_asked_for() {
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    for how in [Subscribe::gating(), Subscribe::lossy()] {
        let mut rx = segment.subscribe(how).unwrap();
        tx.send_batch(&[[1]; 10]).unwrap();
        let none = |_: &Message<'_>| panic!("visited");
        assert_eq!(rx.recv_batch(0, none), Ok(0));
        assert_eq!((rx.recv_batch(3, |_| ()), rx.try_recv_batch(3, |_| ())), (Ok(3), Ok(3)));
        assert_eq!(rx.len(), 4);
        assert_eq!(rx.recv_batch(usize::MAX, |_| ()), Ok(4));
        assert_eq!(rx.missed(), 0);
    }
}
