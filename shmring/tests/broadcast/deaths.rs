//! Producers and subscribers that are killed at any moment.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use shmring::{Consumer, RecvTimeoutError, Segment, Start, Subscribe, TryRecvError};

use crate::common::child::{self, say};
use crate::common::{LONG, MODES, Name, SHORT, eventually, watchdog};
use crate::messages::{Account, message, number_of, ring};

/// Messages in the batch that starts with that number.
fn batch_of(number: u64) -> u64 {
    1 + number % 6
}

/// In the child: sends batches from a number on until it is killed. The file tells how far it came
/// for certain.
pub(crate) fn send_on(args: &[String]) {
    let file = OpenOptions::new().write(true).open(&args[1]).unwrap();
    let mut next: u64 = args[2].parse().unwrap();
    let mut tx = Segment::attach(&args[0]).unwrap().producer().unwrap();
    tx.set_wait_mode(MODES[args[3].parse::<usize>().unwrap()]);
    say("sends");
    loop {
        let end = next + batch_of(next);
        let batch: Vec<_> =
            (next..end).map(|number| message(number, 8 + (number * 13 % 250) as usize)).collect();
        match &batch[..] {
            [one] => tx.send(one).unwrap(),
            some => tx.send_batch(some).unwrap(),
        }
        next = end;
        file.write_all_at(&next.to_ne_bytes(), 0).unwrap();
    }
}

/// In the child: receives as a gating subscriber, in place and by copy, until it is killed.
pub(crate) fn receive_on(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    say("receives");
    loop {
        let mut rx = segment.subscribe(Subscribe::gating().from(Start::Oldest)).unwrap();
        let mut account: Option<Account> = None;
        for round in 0..50 {
            let bytes = if round % 2 == 0 {
                rx.recv().unwrap()
            } else {
                let peek = rx.peek().unwrap();
                let bytes = peek.to_vec();
                peek.release();
                bytes
            };
            let number = number_of(&bytes);
            account.get_or_insert(Account::from(number)).enter(number);
        }
    }
}

/// Receives to the end of the stream.
fn receive(rx: &mut Consumer, account: &mut Account) {
    loop {
        match rx.recv_timeout(LONG) {
            Ok(message) => account.enter(number_of(&message)),
            Err(RecvTimeoutError::Lagged { missed }) => account.miss(missed),
            Err(end) => {
                assert_eq!(end, RecvTimeoutError::Eof);
                break;
            }
        }
    }
}

/// Catches a producer killed at any moment whose successor writes over what it sent, or leaves
/// something out; part of a batch; and subscribers that do not go on, or whose counts are wrong.
#[test]
fn producers_killed_at_any_moment_leave_whole_batches() {
    let _watchdog = watchdog("producers_killed_at_any_moment_leave_whole_batches");
    let (name, told) = (Name::new(), Name::new());
    let segment = ring(&name);
    fs::write(told.path(), 0_u64.to_ne_bytes()).unwrap();
    let mut gating = [segment.consumer().unwrap(), segment.consumer().unwrap()];
    let mut lossy = segment.subscribe(Subscribe::lossy()).unwrap();
    let mut latest = segment.subscribe(Subscribe::latest()).unwrap();
    let mut accounts = [Account::from(0); 2];
    let mut lossy_account = Account::from(0);
    let mut newest = 0;
    for round in 0..40_u64 {
        let next = accounts[0].received;
        let file = told.path();
        let args = [&*name, file.to_str().unwrap(), &next.to_string(), &(round % 3).to_string()];
        let mut child = child::start("send-on", &args);
        assert_eq!(child.hear(), "sends");
        thread::scope(|scope| {
            // One of them takes its time, and the producer waits for it.
            for (index, (rx, account)) in gating.iter_mut().zip(&mut accounts).enumerate() {
                scope.spawn(move || {
                    for _ in 0..round % 4 * 50 {
                        account.enter(number_of(&rx.recv_timeout(LONG).unwrap()));
                        if index == 1 && account.received % 20 == 0 {
                            thread::sleep(Duration::from_micros(100));
                        }
                    }
                });
            }
        });
        thread::sleep(Duration::from_micros(round * 37 % 1000));
        child.kill();
        thread::scope(|scope| {
            for (rx, account) in gating.iter_mut().zip(&mut accounts) {
                scope.spawn(|| receive(rx, account));
            }
            scope.spawn(|| receive(&mut lossy, &mut lossy_account));
        });
        let bytes = fs::read(&file).unwrap();
        // The batch that it was about to send was sent, or not.
        let certain = u64::from_ne_bytes(bytes.try_into().unwrap()).max(next);
        let sent = accounts[0].received;
        assert!(sent == certain || sent == certain + batch_of(certain), "{sent} of {certain}");
        assert_eq!((accounts[1], accounts[0].missed), (accounts[0], 0));
        assert_eq!(lossy_account.received + lossy_account.missed, sent);
        while let Ok(message) = latest.recv_timeout(SHORT) {
            newest += 1;
            assert_eq!(number_of(&message), newest + latest.missed() - 1);
        }
        assert_eq!(newest + latest.missed(), sent);
    }
    assert!(accounts[0].received > 1000, "{accounts:?}");
}

/// Catches a subscriber killed at any moment, joining, receiving or leaving, that keeps the producer
/// from going on, or takes the gate of another one with it.
#[test]
fn subscribers_killed_at_any_moment_hold_nobody_up() {
    let _watchdog = watchdog("subscribers_killed_at_any_moment_hold_nobody_up");
    let name = Name::new();
    // Hardly more entries than there are living ones: what a dead one keeps is missed.
    let config = crate::messages::config().max_handles(5).max_attachments(4);
    let segment = name.create(&config);
    let mut tx = segment.producer().unwrap();
    let mut rx = segment.consumer().unwrap();
    let mut account = Account::from(0);
    let mut next = 0;
    let start = || {
        eventually("there is an entry for it", || {
            let mut child = child::start("receive-on", &[&name]);
            (child.hear() == "receives").then_some(child)
        })
    };
    let mut children = [start(), start()];
    for round in 0..60_u64 {
        let until = next + 100 + round * 7 % 50;
        while next < until {
            let bytes = message(next, 8 + (next * 13 % 250) as usize);
            // As fast as the slowest living one, after the dead are reaped.
            match tx.send_timeout(&bytes, LONG) {
                Ok(()) => next += 1,
                Err(error) => panic!("{error}"),
            }
            account.enter(number_of(&rx.try_recv().unwrap()));
        }
        thread::sleep(Duration::from_micros(round * 53 % 700));
        let child = &mut children[(round % 2) as usize];
        child.kill();
        *child = start();
    }
    children.iter_mut().for_each(child::Part::kill);
    for _ in 0..300 {
        tx.send_timeout(&message(next, 50), LONG).unwrap();
        account.enter(number_of(&rx.try_recv().unwrap()));
        next += 1;
    }
    assert_eq!((rx.try_recv(), rx.missed()), (Err(TryRecvError::Empty), 0));
    let status = segment.status().unwrap();
    assert_eq!(status.ring().holders.len(), 2);
    assert!(status.repairs >= 62, "{}", status.repairs);
}
