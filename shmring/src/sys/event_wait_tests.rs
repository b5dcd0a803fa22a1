//! Waits whose ends the kernel signals. Without `io_uring` there are none, and nothing to test.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;

const HANG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(10);

fn is_signaled(event: &Event, timeout: Duration) -> bool {
    let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
    // A wait that ends must not interrupt this call either.
    poll(&mut fds, PollTimeout::try_from(timeout).unwrap()).unwrap() == 1
}

fn wake(word: &WaitWord) {
    word.add(1, Ordering::Relaxed);
    word.wake();
}

/// Catches an end without a signal, one with two, and a wait that needs its thread to run.
#[test]
fn a_wake_makes_one_signal() {
    let event = Event::new().unwrap();
    let (word, Some(mut wait)) = (WaitWord::new(), EventWait::new(&event)) else { return };
    for round in 0..100 {
        assert!(wait.begin(&word, round));
        assert!(!is_signaled(&event, Duration::ZERO) && !wait.has_ended());
        thread::scope(|scope| {
            scope.spawn(|| {
                if round % 2 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
                wake(&word);
            });
            assert!(is_signaled(&event, HANG));
        });
        assert!(wait.has_ended());
        wait.mute();
        event.clear();
        assert!(!is_signaled(&event, Duration::ZERO));
    }
}

/// Catches a wait for a word that was moved already.
#[test]
fn a_word_that_has_moved_ends_the_wait_at_once() {
    let event = Event::new().unwrap();
    let (word, Some(mut wait)) = (WaitWord::new(), EventWait::new(&event)) else { return };
    wake(&word);
    for _ in 0..3 {
        assert!(wait.begin(&word, 0));
        assert!(wait.has_ended());
        wait.mute();
    }
    event.clear();
    assert!(wait.begin(&word, 1));
    assert!(!wait.has_ended() && !is_signaled(&event, SHORT));
}

/// Catches a signal of a wait that was muted, and a wait that takes the place of the next.
#[test]
fn a_muted_wait_makes_no_signal() {
    let event = Event::new().unwrap();
    let (word, Some(mut wait)) = (WaitWord::new(), EventWait::new(&event)) else { return };
    let other = WaitWord::new();
    for round in 0..20 {
        assert!(wait.begin(&word, round));
        wait.mute();
        if round % 2 == 0 {
            wake(&word);
            assert!(wait.has_ended());
        } else {
            word.add(1, Ordering::Relaxed);
        }
        assert!(wait.begin(&other, round));
        assert!(!wait.has_ended() && !is_signaled(&event, Duration::ZERO), "of the one before");
        word.wake();
        assert!(!wait.has_ended(), "still waits for the other word");
        wake(&other);
        assert!(is_signaled(&event, HANG));
        wait.mute();
        event.clear();
    }
}

/// Catches a wait that ends silently with the thread that began it, and one that another thread
/// begins.
#[test]
fn a_wait_whose_thread_ends_is_signaled() {
    let event = Event::new().unwrap();
    let word = WaitWord::new();
    let (sent, received) = mpsc::channel();
    thread::scope(|scope| {
        let begin = || {
            let mut wait = EventWait::new(&event)?;
            assert!(wait.is_of_this_thread() && wait.begin(&word, 0));
            Some(wait)
        };
        scope.spawn(move || sent.send(begin()).unwrap());
    });
    let Some(mut wait) = received.recv().unwrap() else { return };
    assert!(is_signaled(&event, HANG));
    assert!(wait.has_ended() && !wait.is_of_this_thread());
    assert!(!wait.begin(&word, 0));
}

/// Catches a use of another file under the number of a descriptor that the program closed.
#[test]
fn a_descriptor_that_the_program_closed_is_not_used() {
    let event = Event::new().unwrap();
    let (word, Some(mut wait)) = (WaitWord::new(), EventWait::new(&event)) else { return };
    assert!(wait.begin(&word, 0));
    let number = wait.ring.as_raw_fd();
    nix::unistd::close(number).unwrap();
    wait.mute();
    assert!(!wait.begin(&word, 0));
    drop(wait);
}
