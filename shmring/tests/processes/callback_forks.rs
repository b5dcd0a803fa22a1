//! Forks within what a verb calls back, or between the steps of one: the child has no ring,
//! is told so, and touches nothing.

use std::cell::Cell;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use shmring::{
    Config, Fault, Kind, Lookahead, RecvError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};

use crate::common::child::{self, say};
use crate::common::{Name, SLOT_KINDS, broadcast, slots, watchdog};

/// What a verb that unwound comes to.
type Outcome<R> = std::thread::Result<R>;

/// Runs `verb`, which is given something to call that forks once. The child ends after it,
/// well if `told` finds what it got right; what the parent got.
fn fork_within<R: Debug>(verb: impl FnOnce(&dyn Fn()) -> R, told: impl FnOnce(R) -> bool) -> R {
    let pid = Cell::new(-1);
    let fork = || {
        if pid.get() == -1 {
            // SAFETY: no other thread of this process is at work.
            pid.set(unsafe { libc::fork() });
        }
    };
    let result = catch_unwind(AssertUnwindSafe(|| verb(&fork)));
    match pid.get() {
        0 => {
            let told = catch_unwind(AssertUnwindSafe(|| told(result.unwrap())));
            // SAFETY: ends the child without running what belongs to the parent.
            unsafe { libc::_exit(if told.unwrap_or(false) { 0 } else { 1 }) }
        }
        pid => {
            assert!(pid > 0, "never called back");
            let mut status = -1;
            // SAFETY: waits for the child just made, into a valid place.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert_eq!(status, 0, "the child");
            result.unwrap()
        }
    }
}

/// A message that forks when it is asked for its bytes the `calls`-th time, and may panic in
/// the child.
struct Forking<'a> {
    calls: &'a Cell<u32>,
    fork: &'a dyn Fn(),
    parent: u32,
    panics: bool,
}

impl AsRef<[u8]> for Forking<'_> {
    fn as_ref(&self) -> &[u8] {
        self.calls.set(self.calls.get().wrapping_sub(1));
        if self.calls.get() == 0 {
            (self.fork)();
            assert!(!self.panics || std::process::id() == self.parent, "as planned");
        }
        b"message"
    }
}

const BATCH: u32 = 4;

fn batch<'a>(calls: &'a Cell<u32>, fork: &'a dyn Fn(), panics: bool) -> Vec<Forking<'a>> {
    let parent = std::process::id();
    (0..BATCH).map(|_| Forking { calls, fork, parent, panics }).collect()
}

fn kinds() -> Vec<Config> {
    let slots = SLOT_KINDS.map(|kind| slots(kind, 8, 64));
    slots.into_iter().chain([Config::spsc().capacity_bytes(4096), broadcast()]).collect()
}

/// In the child, which has one test thread: forks where messages are asked for their bytes.
pub(crate) fn sending(args: &[String]) {
    for (config, name) in kinds().into_iter().zip(args) {
        let name = Name::of(name.clone());
        let (_segment, mut tx, mut rx) = name.pair_of(&config);
        let forked = || SendError::Failed(Fault::Forked);
        // Each message is asked twice.
        for at in 1..=2 * BATCH {
            for panics in [false, true] {
                let sent: Outcome<_> = fork_within(
                    |fork| {
                        let calls = Cell::new(at);
                        let batch = batch(&calls, fork, panics);
                        let sent = catch_unwind(AssertUnwindSafe(|| match at % 3 {
                            0 => tx.try_send_batch(&batch).map_err(|error| match error {
                                TrySendError::Failed(fault) => SendError::Failed(fault),
                                error => panic!("{error}"),
                            }),
                            1 => tx.send_batch(&batch),
                            _ => tx.send_batch_timeout(&batch, crate::common::LONG).map_err(
                                |error| match error {
                                    SendTimeoutError::Failed(fault) => SendError::Failed(fault),
                                    error => panic!("{error}"),
                                },
                            ),
                        }));
                        // The handle is the same afterwards, and no use to a child.
                        if sent.is_err() { Ok(tx.send(b"more")) } else { sent }
                    },
                    |sent| sent.unwrap() == Err(forked()),
                );
                assert_eq!(sent.unwrap(), Ok(()));
                let mut count = 0;
                while let Ok(some) = rx.try_recv_batch(9, |message| {
                    assert_eq!(message.to_vec(), b"message");
                }) {
                    count += some;
                }
                assert_eq!(count, BATCH as usize);
            }
        }
        // A reservation that is forgotten is its parent's.
        std::mem::forget(tx.reserve(7).unwrap());
        fork_within(
            |fork| {
                fork();
                tx.send(b"after")
            },
            |sent| sent == Err(forked()),
        )
        .unwrap();
        assert_eq!(rx.recv().unwrap(), b"after");
    }
    say("done");
}

/// In the child: forks where messages are shown, or between two.
pub(crate) fn receiving(args: &[String]) {
    let forked = || RecvError::Failed(Fault::Forked);
    for (config, name) in kinds().into_iter().zip(args) {
        let name = Name::of(name.clone());
        let (_segment, mut tx, mut rx) = name.pair_of(&config);
        let exclusive = rx.is_exclusive();
        for at in 0..3 {
            for waits in [true, false] {
                tx.send_batch(&["one", "two", "three"]).unwrap();
                let received = fork_within(
                    |fork| {
                        let mut seen = 0;
                        let visit = |_: &shmring::Message<'_>| {
                            if seen == at {
                                fork();
                            }
                            seen += 1;
                        };
                        if waits {
                            rx.recv_batch(3, visit)
                        } else {
                            rx.try_recv_batch(3, visit).map_err(|error| match error {
                                TryRecvError::Failed(fault) => RecvError::Failed(fault),
                                error => panic!("{error}"),
                            })
                        }
                    },
                    // Copies were taken before they were shown.
                    |received| received == if exclusive { Err(forked()) } else { Ok(3) },
                );
                assert_eq!(received, Ok(3));
            }
        }
        tx.send_batch(&["one", "two", "three"]).unwrap();
        drop(tx);
        let all = fork_within(
            |fork| {
                let mut all = Vec::new();
                for message in rx.iter() {
                    all.push(message);
                    fork();
                }
                all
            },
            |all| all == [Ok(b"one".to_vec()), Err(forked())],
        );
        assert_eq!(all.len(), 3);
        if exclusive {
            looking_ahead(&config);
        }
    }
    say("done");
}

/// Forks between the steps of a look ahead.
fn looking_ahead(config: &Config) {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair_of(config);
    tx.send_batch(&["one", "two", "three"]).unwrap();
    let mut ahead: Option<Lookahead<'_>> = Some(rx.lookahead().unwrap());
    let (next, released) = fork_within(
        |fork| {
            let mut ahead = ahead.take().unwrap();
            assert!(ahead.next().is_some());
            fork();
            let next = ahead.next().is_some();
            (next, ahead.release())
        },
        |seen| seen == (false, 0),
    );
    assert_eq!((next, released), (true, 2));
    let released = fork_within(
        |fork| {
            let mut ahead = rx.lookahead().unwrap();
            assert!(ahead.next().is_some());
            fork();
            ahead.release_first(0);
            rx.try_recv().map(|message| message.len())
        },
        |received| received == Err(TryRecvError::Failed(Fault::Forked)),
    );
    assert_eq!(released, Ok(5));
}

/// In the child: forks between the steps of streams, of typed and of packed rings.
pub(crate) fn others(args: &[String]) {
    let forked = || RecvError::Failed(Fault::Forked);
    let (_segment, tx, rx) = Name::of(args[0].clone()).pair(4096);
    let (mut writer, mut reader) = (tx.into_writer(), rx.into_reader());
    let (written, read) = fork_within(
        |fork| {
            writer.write_all(b"some bytes").unwrap();
            reader.read_exact(&mut [0; 4]).unwrap();
            fork();
            (writer.write(b"more").is_ok(), reader.read(&mut [0; 4]).is_ok())
        },
        |seen| seen == (false, false),
    );
    assert!(written && read);

    let config = Config::new(Kind::Mpsc).slots(8).values::<u64>();
    let segment = Name::of(args[1].clone()).create(&config);
    let mut tx = segment.value_producer::<u64>().unwrap();
    let mut rx = segment.value_consumer::<u64>().unwrap();
    tx.send_slice(&[1, 2, 3]).unwrap();
    let all = fork_within(
        |fork| {
            let first = rx.iter().next();
            fork();
            let next = rx.iter().next();
            (first, next, rx.recv_slice(&mut [0; 2]), tx.send_slice(&[4]))
        },
        |(_, next, slice, sent)| {
            let failed = SendError::Failed(Fault::Forked);
            (next, slice, sent) == (Some(Err(forked())), Err(forked()), Err(failed))
        },
    );
    assert_eq!(all, (Some(Ok(1)), Some(Ok(2)), Ok(1), Ok(())));

    let segment = Name::of(args[2].clone()).create(&Config::packed::<u64>().slots(8));
    let mut tx = segment.value_producer::<u64>().unwrap();
    let mut rx = segment.value_consumer::<u64>().unwrap();
    tx.send_slice(&[1, 2, 3]).unwrap();
    let all = fork_within(
        |fork| {
            let mut space = tx.reserve(2).unwrap();
            let first = rx.iter().next();
            let ahead = rx.peek(2).unwrap();
            fork();
            space.write_slice(0, &[4, 5]);
            space.commit();
            let shown = ahead.to_vec().unwrap();
            ahead.release();
            let next = rx.iter().next();
            (first, shown, next, rx.recv_slice(&mut [0; 2]), tx.send_slice(&[6]))
        },
        |(_, shown, next, slice, sent)| {
            let failed = SendError::Failed(Fault::Forked);
            shown.is_empty()
                && (next, slice, sent) == (Some(Err(forked())), Err(forked()), Err(failed))
        },
    );
    assert_eq!(all, (Some(Ok(1)), vec![2, 3], Some(Ok(4)), Ok(1), Ok(())));
    say("done");
}

fn play(part: &str, names: usize) {
    let names: Vec<_> = (0..names).map(|_| Name::new()).collect();
    let args: Vec<&str> = names.iter().map(|name| &**name).collect();
    assert_eq!(child::start(part, &args).finish(), ["done"]);
}

/// Catches a child that writes into its own memory, or dies, as a batch in whose midst it was
/// forked goes on.
#[test]
fn a_child_forked_while_messages_are_asked_sends_nothing() {
    let _watchdog = watchdog("a_child_forked_while_messages_are_asked_sends_nothing");
    play("fork-sending", kinds().len());
}

/// The same where messages are shown.
#[test]
fn a_child_forked_during_a_peek_takes_nothing() {
    let _watchdog = watchdog("a_child_forked_during_a_peek_takes_nothing");
    play("fork-receiving", kinds().len());
}

/// The same for streams, typed and packed rings.
#[test]
fn a_child_forked_between_steps_gets_an_error() {
    let _watchdog = watchdog("a_child_forked_between_steps_gets_an_error");
    play("fork-others", 3);
}
