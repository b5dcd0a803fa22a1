//! Interrupters: what they end, once and in time, and what they leave alone.

#![allow(unsafe_code)]

mod common;

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, MODES, Name, SHORT, broadcast, watchdog};
use shmring::{
    Config, Consumer, DrainError, Interrupter, Producer, RecvError, RecvTimeoutError, Segment,
    SendError, SendTimeoutError, TryRecvError, TrySendError, WaitError, WaitMode, WaitSet,
};

/// Every kind of ring of messages, small enough to be filled.
fn configs() -> [Config; 5] {
    [
        Config::spsc().capacity_bytes(4096),
        Config::mpmc().slots(2),
        Config::mpsc().slots(2),
        Config::spmc().slots(2),
        broadcast(),
    ]
}

fn ring(config: &Config) -> (Segment, Producer, Consumer) {
    let segment = Segment::create_sealed("interrupts", config).unwrap();
    let (mut tx, rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    tx.set_require_consumer(true);
    (segment, tx, rx)
}

fn fill(tx: &mut Producer) {
    while tx.try_send(&[7; 200]).is_ok() {}
}

/// Catches an interrupt that comes before the wait and is forgotten, one that is reported twice,
/// one that `try_` verbs use up, and one that stands before a message that is there.
#[test]
fn a_pending_interrupt_ends_the_next_wait_once() {
    let _watchdog = watchdog("a_pending_interrupt_ends_the_next_wait_once");
    for config in configs() {
        for mode in MODES {
            let (_segment, mut tx, mut rx) = ring(&config);
            tx.set_wait_mode(mode);
            rx.set_wait_mode(mode);
            let (of_tx, of_rx) = (tx.interrupter(), rx.interrupter());
            of_rx.interrupt();
            of_rx.clone().interrupt();
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            tx.send(b"there").unwrap();
            assert_eq!(rx.recv().unwrap(), b"there", "no wait");
            assert_eq!(rx.recv(), Err(RecvError::Interrupted));
            assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut), "told twice");
            fill(&mut tx);
            of_tx.interrupt();
            assert_eq!(tx.try_send(&[7; 200]), Err(TrySendError::Full));
            assert_eq!(tx.send(&[7; 200]), Err(SendError::Interrupted));
            assert_eq!(
                tx.send_timeout(&[7; 200], SHORT),
                Err(SendTimeoutError::TimedOut),
                "told twice"
            );
            assert_eq!(rx.recv().unwrap(), [7; 200], "an interrupt took or sent something");
        }
    }
}

/// Catches an interrupt that no wait returns for, wherever it falls. That one between a wait's
/// last look and its sleep does not last until the next slice is for the models to show.
#[test]
fn no_interrupt_is_lost() {
    let _watchdog = watchdog("no_interrupt_is_lost");
    for config in configs() {
        for mode in MODES {
            let (_segment, _tx, mut rx) = ring(&config);
            rx.set_wait_mode(mode);
            let interrupter = rx.interrupter();
            let (rounds, turn) =
                (if mode == WaitMode::Spin { 50 } else { 300 }, AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    for round in 0..rounds {
                        while !turn.swap(false, Ordering::AcqRel) {
                            thread::yield_now();
                        }
                        (0..round % 64 * 40).for_each(|_| std::hint::spin_loop());
                        interrupter.interrupt();
                    }
                });
                for _ in 0..rounds {
                    turn.store(true, Ordering::Release);
                    assert_eq!(
                        rx.recv_timeout(LONG),
                        Err(RecvTimeoutError::Interrupted),
                        "{mode:?}"
                    );
                }
            });
        }
    }
}

/// Catches a verb that only waits, and waits on.
#[test]
fn waits_without_a_message_are_interrupted() {
    let _watchdog = watchdog("waits_without_a_message_are_interrupted");
    for config in configs() {
        for mode in MODES {
            let (_segment, mut tx, mut rx) = ring(&config);
            tx.set_wait_mode(mode);
            rx.set_wait_mode(mode);
            let (of_tx, of_rx) = (tx.interrupter(), rx.interrupter());
            of_rx.interrupt();
            assert_eq!(rx.wait_readable(LONG), Err(RecvTimeoutError::Interrupted));
            fill(&mut tx);
            let unreceived = tx.len() as u64;
            of_tx.interrupt();
            assert_eq!(tx.wait_writable(200, LONG), Err(SendTimeoutError::Interrupted));
            of_tx.interrupt();
            assert_eq!(tx.close_and_drain(LONG), Err(DrainError::Interrupted { unreceived }));
            while rx.try_recv().is_ok() {}
            assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
        }
    }
    let (_segment, tx, mut rx) = ring(&Config::mpmc().slots(2));
    drop(tx);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
    rx.interrupter().interrupt();
    assert_eq!(rx.wait_for_producer(LONG), Err(RecvTimeoutError::Interrupted));
}

/// Catches an interrupt that only the slice of a sleep ends: 100 ms, where a wake takes well
/// under one.
#[test]
fn a_sleeper_is_interrupted_at_once() {
    let _watchdog = watchdog("a_sleeper_is_interrupted_at_once");
    let (_segment, _tx, mut rx) = ring(&Config::mpmc().slots(2));
    rx.set_wait_mode(WaitMode::Block);
    let interrupter = rx.interrupter();
    let fastest = (0..10).map(|_| {
        thread::scope(|scope| {
            let stopper = scope.spawn(|| {
                // Behind several checks for dead peers, so that the slice has grown.
                thread::sleep(Duration::from_millis(230));
                let start = Instant::now();
                interrupter.interrupt();
                start
            });
            assert_eq!(rx.recv(), Err(RecvError::Interrupted));
            let end = Instant::now();
            end.saturating_duration_since(stopper.join().unwrap())
        })
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < Duration::from_millis(10), "{fastest:?}");
}

/// Catches a set that spins, and notices an interrupt only when it looks for the dead, up to 100 ms
/// later.
#[test]
fn a_set_that_spins_is_interrupted_at_once() {
    let _watchdog = watchdog("a_set_that_spins_is_interrupted_at_once");
    let (_segment, _tx, rx) = ring(&Config::mpmc().slots(2));
    let mut set = WaitSet::new();
    set.set_wait_mode(WaitMode::Spin);
    set.add(&rx);
    let interrupter = set.interrupter();
    let fastest = (0..10).map(|_| {
        thread::scope(|scope| {
            let stopper = scope.spawn(|| {
                thread::sleep(Duration::from_millis(140));
                let start = Instant::now();
                interrupter.interrupt();
                start
            });
            assert_eq!(set.wait(None).map(|_| ()), Err(WaitError::Interrupted));
            let end = Instant::now();
            end.saturating_duration_since(stopper.join().unwrap())
        })
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < Duration::from_millis(10), "{fastest:?}");
}

/// The interrupters that the handlers of two signals use.
static OF_HANDLERS: [OnceLock<Interrupter>; 2] = [OnceLock::new(), OnceLock::new()];
const SIGNALS: [libc::c_int; 2] = [libc::SIGUSR1, libc::SIGUSR2];

extern "C" fn interrupt(signal: libc::c_int) {
    let of_handler = &OF_HANDLERS[usize::from(signal == SIGNALS[1])];
    if let Some(interrupter) = of_handler.get() {
        interrupter.interrupt();
    }
}

/// Installs a handler of one of the two signals.
fn handle(index: usize, interrupter: Interrupter) -> libc::c_int {
    assert!(OF_HANDLERS[index].set(interrupter).is_ok());
    // SAFETY: the handler does what is safe in one, as is shown here.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = interrupt as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(SIGNALS[index], &raw const action, std::ptr::null_mut()), 0);
    }
    SIGNALS[index]
}

/// Lets another thread send the signal to this one after a pause, while it waits.
fn while_signaled<R>(signal: libc::c_int, pause: u32, wait: impl FnOnce() -> R) -> R {
    // SAFETY: no conditions.
    let waiting = unsafe { libc::pthread_self() };
    thread::scope(|scope| {
        scope.spawn(move || {
            (0..pause * 50).for_each(|_| std::hint::spin_loop());
            // SAFETY: the thread lives as long as the scope.
            assert_eq!(unsafe { libc::pthread_kill(waiting, signal) }, 0);
        });
        wait()
    })
}

/// Catches an interrupt by a signal handler, on the very thread that waits, that is lost or
/// changes `errno`.
#[test]
fn a_signal_handler_interrupts_its_own_thread() {
    let _watchdog = watchdog("a_signal_handler_interrupts_its_own_thread");
    let (_segment, _tx, mut rx) = ring(&Config::mpmc().slots(2));
    let signal = handle(0, rx.interrupter());
    for mode in MODES {
        rx.set_wait_mode(mode);
        for pause in 0..100_u32 {
            let result = while_signaled(signal, pause, || rx.recv_timeout(LONG));
            assert_eq!(result, Err(RecvTimeoutError::Interrupted), "{mode:?} {pause}");
        }
    }
    // SAFETY: errno is the thread's own, and raise runs the handler before it returns.
    unsafe {
        *libc::__errno_location() = 77;
        libc::raise(signal);
        assert_eq!(*libc::__errno_location(), 77);
    }
}

/// Catches the same of a thread that waits for several rings.
#[test]
fn a_signal_handler_interrupts_the_wait_of_a_set() {
    let _watchdog = watchdog("a_signal_handler_interrupts_the_wait_of_a_set");
    let rings = configs().map(|config| ring(&config));
    let mut set = WaitSet::new();
    for (_, _, rx) in &rings {
        set.add(rx);
    }
    let signal = handle(1, set.interrupter());
    for mode in MODES {
        set.set_wait_mode(mode);
        for pause in 0..100_u32 {
            let result = while_signaled(signal, pause, || set.wait(Some(LONG)).map(|_| ()));
            assert_eq!(result, Err(WaitError::Interrupted), "{mode:?} {pause}");
        }
    }
    assert_eq!(set.wait(Some(SHORT)).unwrap().count(), 0, "told twice");
    // SAFETY: errno is the thread's own, and raise runs the handler before it returns.
    unsafe {
        *libc::__errno_location() = 77;
        libc::raise(signal);
        assert_eq!(*libc::__errno_location(), 77);
    }
    assert_eq!(set.wait(None).map(|_| ()), Err(WaitError::Interrupted));
}

/// Catches an interrupter that touches what is gone, or the successor of its handle.
#[test]
fn an_interrupter_outlives_its_handle() {
    let _watchdog = watchdog("an_interrupter_outlives_its_handle");
    let name = Name::new();
    let (segment, tx, rx) = name.pair_of(&Config::mpmc().slots(2));
    let (of_tx, of_rx) = (tx.interrupter(), rx.interrupter());
    drop(rx);
    let mut successor = segment.consumer().unwrap();
    of_rx.interrupt();
    assert_eq!(successor.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
    drop((segment, tx, successor));
    of_rx.interrupt();
    of_tx.interrupt();
}

/// Catches a fork child that interrupts its parent, or touches memory that it lacks.
#[test]
fn a_fork_child_cannot_interrupt() {
    let _watchdog = watchdog("a_fork_child_cannot_interrupt");
    let (_segment, _tx, mut rx) = ring(&Config::spsc().capacity_bytes(4096));
    let interrupter = rx.interrupter();
    // SAFETY: the child calls nothing that a fork of several threads forbids.
    unsafe {
        match libc::fork() {
            0 => {
                interrupter.interrupt();
                libc::_exit(0);
            }
            child => {
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                assert_eq!(status, 0);
            }
        }
    }
    assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
    interrupter.interrupt();
    assert_eq!(rx.recv(), Err(RecvError::Interrupted));
}

/// Catches a handle of values that has no interrupter, and an error that `io` does not know.
#[test]
fn typed_and_packed_handles_are_interrupted() {
    let _watchdog = watchdog("typed_and_packed_handles_are_interrupted");
    let packed = Segment::create_sealed("interrupts", &Config::packed::<u64>().slots(2)).unwrap();
    let mut tx = packed.value_producer::<u64>().unwrap();
    let mut rx = packed.value_consumer::<u64>().unwrap();
    for mode in MODES {
        tx.set_wait_mode(mode);
        rx.set_wait_mode(mode);
        rx.interrupter().interrupt();
        assert_eq!(rx.recv(), Err(RecvError::Interrupted));
        while tx.try_send(&1).is_ok() {}
        tx.interrupter().interrupt();
        assert_eq!(tx.send(&1), Err(SendError::Interrupted));
        while rx.try_recv().is_ok() {}
    }
    let config = Config::mpmc().slots(2).slot_bytes(16).values::<u64>();
    let typed = Segment::create_sealed("interrupts", &config).unwrap();
    let mut tx = typed.value_producer::<u64>().unwrap();
    let mut rx = typed.value_consumer::<u64>().unwrap();
    rx.interrupter().interrupt();
    assert_eq!(rx.recv(), Err(RecvError::Interrupted));
    while tx.try_send(&1).is_ok() {}
    tx.interrupter().interrupt();
    assert_eq!(tx.send(&1), Err(SendError::Interrupted));
    let kinds = [io::Error::from(RecvError::Interrupted), SendError::Interrupted.into()];
    assert!(kinds.iter().all(|error| error.kind() == io::ErrorKind::Interrupted));
}
