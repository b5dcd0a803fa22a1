//! What subscribers miss is counted to the message, and what they get is whole.

use std::thread;
use std::time::Duration;

use shmring::info::SubscriptionMode;
use shmring::{
    Config, Consumer, RecvError, RecvIntoError, RecvTimeoutError, Segment, Subscribe, TryRecvError,
};

use crate::common::{LONG, MODES, Name, watchdog};
use crate::messages::{Account, CAPACITY, len_of, message, number_of, ring};

/// Catches a loss that is not reported, that is reported twice or late, or of another number of
/// messages: after every number of messages that a lossy subscriber stayed behind.
#[test]
fn a_lossy_subscriber_learns_how_many_messages_it_missed() {
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    let mut rx = segment.subscribe(Subscribe::lossy()).unwrap();
    let mut account = Account::from(0);
    let mut next = 0;
    for behind in 0..300 {
        for _ in 0..behind {
            tx.try_send(&message(next, 8 + (next % 70) as usize)).unwrap();
            next += 1;
        }
        let lost = account.missed;
        let first = rx.try_recv();
        match first {
            Ok(message) => account.enter(number_of(&message)),
            Err(TryRecvError::Lagged { missed }) => account.miss(missed),
            Err(error) => assert_eq!((error, behind), (TryRecvError::Empty, 0)),
        }
        assert_eq!(account.drain(&mut rx), TryRecvError::Empty);
        assert_eq!(account.received + account.missed, next, "behind by {behind}");
        assert_eq!(rx.missed(), account.missed);
        // What fits into the ring is not lost.
        let lost = account.missed - lost;
        assert!(lost == 0 || behind * (8 + 8 + 70) > CAPACITY * 3 / 4, "{lost} of {behind}");
        assert!(lost > 0 || behind * 16 < CAPACITY);
    }
    assert!(account.missed > 10_000, "{account:?}");
}

/// Catches an overrun that some verb does not report, or that takes a message with it.
#[test]
fn every_verb_reports_a_loss() {
    type Verb = fn(&mut Consumer) -> Result<u64, RecvError>;
    let verbs: [Verb; 9] = [
        |rx| rx.recv().map(|message| number_of(&message)),
        |rx| rx.try_recv().map(|message| number_of(&message)).map_err(of_try),
        |rx| rx.recv_timeout(LONG).map(|message| number_of(&message)).map_err(of_timeout),
        |rx| {
            let mut buffer = [0; 400];
            match rx.recv_into(&mut buffer) {
                Ok(len) => Ok(number_of(&buffer[..len])),
                Err(RecvIntoError::Recv(error)) => Err(error),
                Err(error) => panic!("{error}"),
            }
        },
        |rx| {
            let mut bytes = Vec::new();
            rx.recv_into_vec(&mut bytes).map(|_| number_of(&bytes))
        },
        |rx| {
            let mut number = 0;
            rx.recv_batch(1, |message| number = number_of(&message.to_vec())).map(|_| number)
        },
        |rx| {
            let mut number = 0;
            let visit = |message: &shmring::Message<'_>| number = number_of(&message.to_vec());
            rx.try_recv_batch(1, visit).map_err(of_try).map(|_| number)
        },
        |rx| rx.iter().next().unwrap().map(|message| number_of(&message)),
        |rx| {
            rx.wait_readable(LONG).map_err(of_timeout)?;
            rx.recv().map(|message| number_of(&message))
        },
    ];
    for (index, verb) in verbs.into_iter().enumerate() {
        let name = Name::new();
        let segment = ring(&name);
        let mut tx = segment.producer().unwrap();
        let mut rx = segment.subscribe(Subscribe::lossy()).unwrap();
        let mut account = Account::from(0);
        let mut next = 0;
        for round in 0..20 {
            let count = if round % 2 == 0 { 100 } else { 1 };
            for _ in 0..count {
                tx.try_send(&message(next, 100)).unwrap();
                next += 1;
            }
            if round % 2 == 0 {
                match verb(&mut rx) {
                    Err(RecvError::Lagged { missed }) => account.miss(missed),
                    other => panic!("verb {index}: {other:?}"),
                }
            }
            while !rx.is_empty() {
                account.enter(verb(&mut rx).unwrap());
            }
        }
        assert_eq!((account.received + account.missed, rx.missed()), (next, account.missed));
    }
}

fn of_timeout(error: RecvTimeoutError) -> RecvError {
    match error {
        RecvTimeoutError::Lagged { missed } => RecvError::Lagged { missed },
        RecvTimeoutError::Eof => RecvError::Eof,
        error => panic!("{error}"),
    }
}

fn of_try(error: TryRecvError) -> RecvError {
    of_timeout(error.into())
}

/// Catches a latest subscriber that gets an old message, the same one twice, or whose count of
/// those that it passed over is wrong.
#[test]
fn a_latest_subscriber_jumps_to_the_newest_message() {
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    let mut rx = segment.subscribe(Subscribe::latest()).unwrap();
    let (mut next, mut received) = (0, 0);
    for behind in 0..250 {
        for _ in 0..behind {
            tx.try_send(&message(next, 8 + (next * 7 % 120) as usize)).unwrap();
            next += 1;
        }
        match rx.try_recv() {
            Ok(message) => {
                assert_eq!(number_of(&message), next - 1);
                received += 1;
            }
            Err(error) => assert_eq!((error, behind), (TryRecvError::Empty, 0)),
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(received + rx.missed(), next, "behind by {behind}");
    }
}

/// What a subscriber does between two messages, to be slow.
type Pause = fn(u64);

/// Catches a count that is wrong, and a message that is torn or another one's, when a producer
/// overwrites what subscribers are reading: each message's bytes follow from its number.
#[test]
fn counts_are_exact_under_load() {
    let _watchdog = watchdog("counts_are_exact_under_load");
    let count = budget(60_000);
    let pauses: [Pause; 3] = [
        |_| {},
        |number| {
            if number % 64 == 0 {
                thread::yield_now();
            }
        },
        |number| {
            if number % 200 == 0 {
                thread::sleep(Duration::from_micros(300));
            }
        },
    ];
    for mode in MODES {
        for config in [crate::messages::config(), Config::broadcast().capacity_bytes(1 << 16)] {
            let name = Name::new();
            let segment = name.create(&config);
            let mut tx = segment.producer().unwrap();
            tx.set_wait_mode(mode);
            thread::scope(|scope| {
                let mut all = Vec::new();
                for (index, pause) in pauses.into_iter().enumerate() {
                    let there = Segment::attach(&name).unwrap();
                    let mut lossy = there.subscribe(Subscribe::lossy()).unwrap();
                    let mut latest = there.subscribe(Subscribe::latest()).unwrap();
                    lossy.set_wait_mode(mode);
                    latest.set_wait_mode(mode);
                    let batches = index == 1;
                    all.push(scope.spawn(move || follow(lossy, batches, pause)));
                    all.push(scope.spawn(move || follow_newest(latest, pause)));
                }
                let max = tx.max_message_bytes();
                for number in 0..count {
                    tx.send(&message(number, len_of(number, max.min(2000)))).unwrap();
                }
                drop(tx);
                for thread in all {
                    let account = thread.join().unwrap();
                    assert_eq!(account.received + account.missed, count, "{mode:?}");
                }
            });
        }
    }
}

/// As above, for some minutes.
#[test]
#[ignore = "takes some minutes"]
fn counts_are_exact_under_load_for_long() {
    counts_are_exact_under_load();
}

/// Messages of a run. `SHMRING_BROADCAST_MESSAGES` asks for more.
fn budget(few: u64) -> u64 {
    let asked = std::env::var("SHMRING_BROADCAST_MESSAGES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(few)
}

/// Receives to the end as a lossy subscriber.
fn follow(mut rx: Consumer, batches: bool, pause: Pause) -> Account {
    let mut account = Account::from(0);
    loop {
        let received = if batches {
            rx.recv_batch(5, |message| account.enter(number_of(&message.to_vec()))).map(|_| ())
        } else {
            rx.recv().map(|message| account.enter(number_of(&message)))
        };
        match received {
            Ok(()) => pause(account.received),
            Err(RecvError::Lagged { missed }) => account.miss(missed),
            Err(RecvError::Eof) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(rx.missed(), account.missed);
    account
}

/// Receives to the end as a latest subscriber.
fn follow_newest(mut rx: Consumer, pause: Pause) -> Account {
    let mut received = 0;
    loop {
        match rx.recv() {
            Ok(message) => {
                received += 1;
                assert_eq!(number_of(&message), received + rx.missed() - 1);
                pause(received);
            }
            Err(RecvError::Eof) => break,
            Err(error) => panic!("{error}"),
        }
    }
    Account { next: received + rx.missed(), received, missed: rx.missed() }
}

/// Catches a status that counts otherwise than the subscribers themselves.
#[test]
fn observers_see_how_far_each_subscriber_has_come() {
    let name = Name::new();
    let segment = ring(&name);
    let mut tx = segment.producer().unwrap();
    let mut gating = segment.subscribe(Subscribe::gating()).unwrap();
    let mut lossy = segment.subscribe(Subscribe::lossy()).unwrap();
    let mut latest = segment.subscribe(Subscribe::latest()).unwrap();
    let mut next = 0;
    for round in 0..50 {
        for _ in 0..10 {
            tx.try_send(&message(next, 60)).unwrap();
            next += 1;
        }
        while gating.len() > 3 {
            gating.try_recv().unwrap();
        }
        if round % 20 == 19 {
            while !matches!(lossy.try_recv(), Err(TryRecvError::Empty)) {}
        }
        latest.try_recv().unwrap();
        let status = segment.status().unwrap();
        let ring = status.ring();
        assert_eq!((ring.head, ring.messages_received), (gating.position(), next - 3));
        assert_eq!(ring.used_bytes, ring.tail - ring.head);
        let mine = |mode| {
            let all = ring.holders.iter().filter_map(|holder| holder.subscription);
            all.into_iter().find(|subscription| subscription.mode == mode).unwrap()
        };
        let facts = |mode| (mine(mode).position, mine(mode).lag_messages, mine(mode).missed);
        assert_eq!(facts(SubscriptionMode::Gating), (gating.position(), 3, 0));
        assert_eq!(facts(SubscriptionMode::Latest), (latest.position(), 0, latest.missed()));
        let (position, lag, missed) = facts(SubscriptionMode::Lossy);
        assert_eq!((position, missed), (lossy.position(), lossy.missed()));
        assert_eq!(lag, lossy.len() as u64);
        assert_eq!(mine(SubscriptionMode::Gating).lag_bytes, ring.tail - ring.head);
    }
}
