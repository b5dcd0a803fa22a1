//! Packed rings between processes: many elements, and those that are killed.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use shmring::{
    Config, JoinError, RecvError, RecvTimeoutError, Role, Segment, SendTimeoutError, TrySendError,
};

use crate::common::child::{self, pause, say};
use crate::common::{LONG, MODES, Name, eventually, watchdog};

/// Of an odd number of words' halves, so that elements share words.
type Element = [u32; 3];

fn element(number: u64) -> Element {
    let low = number as u32;
    [low, !low, low.wrapping_mul(0x9E37_79B1)]
}

fn ring(count: u64) -> Config {
    Config::packed::<Element>().slots(count)
}

fn elements(numbers: std::ops::Range<u64>) -> Vec<Element> {
    numbers.map(element).collect()
}

/// In the child: sends so many elements, in ways that change.
pub(crate) fn send(args: &[String]) {
    let number = |index: usize| args[index].parse::<u64>().unwrap();
    let (mode, count) = (number(1), number(2));
    let segment = Segment::attach(&args[0]).unwrap();
    let mut tx = segment.value_producer::<Element>().unwrap();
    tx.set_wait_mode(MODES[mode as usize]);
    let slots = segment.info().ring().slots.unwrap();
    let mut next = 0;
    while next < count {
        let most = (1 + next % 37).min(slots).min(count - next);
        next += match next % 4 {
            0 => {
                tx.send(&element(next)).unwrap();
                1
            }
            1 => {
                let mut space = tx.reserve(most as usize).unwrap();
                let some = elements(next..next + space.capacity() as u64);
                space.write_slice(0, &some);
                space.commit();
                some.len() as u64
            }
            _ => {
                tx.send_slice(&elements(next..next + most)).unwrap();
                most
            }
        };
    }
}

/// Catches an element that is lost, doubled, torn or reordered on the way between two
/// processes, at the full speed of each pair of modes.
#[test]
fn a_million_elements_arrive() {
    let _watchdog = watchdog("a_million_elements_arrive");
    for slots in [1_u64, 16, 4096] {
        for sending in 0..MODES.len() {
            for receiving in MODES {
                let count: u64 = if slots == 1 { 2000 } else { 70_000 };
                let name = Name::new();
                let segment = name.create(&ring(slots));
                let mut rx = segment.value_consumer::<Element>().unwrap();
                rx.set_wait_mode(receiving);
                let args = [&*name, &sending.to_string(), &count.to_string()];
                let sender = child::start("packed-send", &args);
                let (mut next, mut some) = (0, [[0; 3]; 23]);
                let end = loop {
                    let received = match next % 5 {
                        0 => rx.recv().map(|element| {
                            some[0] = element;
                            1
                        }),
                        1 => rx.peek(9).map(|ahead| {
                            let count = ahead.read_at(0, &mut some).unwrap();
                            ahead.release();
                            count
                        }),
                        _ => rx.recv_slice(&mut some),
                    };
                    match received {
                        Ok(count) => {
                            let end = next + count as u64;
                            assert!(some[..count] == *elements(next..end), "from {next} on");
                            next = end;
                        }
                        Err(end) => break end,
                    }
                };
                assert_eq!((end, next), (RecvError::Eof, count), "{sending} {receiving:?}");
                sender.finish();
            }
        }
    }
}

/// In the child: sends slices from a number on until it is killed. The file tells how far
/// it came for certain.
pub(crate) fn send_on(args: &[String]) {
    let file = OpenOptions::new().write(true).open(&args[1]).unwrap();
    let mut next: u64 = args[2].parse().unwrap();
    let mut tx = Segment::attach(&args[0]).unwrap().value_producer::<Element>().unwrap();
    say("sends");
    loop {
        // The length of a slice follows from where it starts.
        let slice = elements(next..next + 1 + next % 8);
        tx.send_slice(&slice).unwrap();
        next += slice.len() as u64;
        file.write_all_at(&next.to_ne_bytes(), 0).unwrap();
    }
}

/// Catches a producer killed at any moment that leaves part of a slice, an element twice,
/// or its role taken; its successors go on where it stopped.
#[test]
fn producers_killed_at_any_moment_leave_whole_slices() {
    let _watchdog = watchdog("producers_killed_at_any_moment_leave_whole_slices");
    let (name, told) = (Name::new(), Name::new());
    let segment = name.create(&ring(64));
    let mut rx = segment.value_consumer::<Element>().unwrap();
    fs::write(told.path(), 0_u64.to_ne_bytes()).unwrap();
    let (mut next, mut some) = (0_u64, [[0; 3]; 40]);
    for round in 0..50_u64 {
        let file = told.path();
        let args = [&*name, file.to_str().unwrap(), &next.to_string()];
        let mut child = child::start("packed-send-on", &args);
        assert_eq!(child.hear(), "sends");
        let first = next;
        let mut receive = |wait: Duration| {
            let count = rx.recv_slice_timeout(&mut some, wait)?;
            assert!(some[..count] == *elements(next..next + count as u64), "from {next} on");
            next += count as u64;
            Ok(next)
        };
        while receive(LONG).unwrap() < first + round % 4 * 100 {}
        std::thread::sleep(Duration::from_micros(round * 37 % 1000));
        child.kill();
        let end: Result<u64, RecvTimeoutError> = loop {
            let received = receive(LONG);
            if received.is_err() {
                break received;
            }
        };
        assert_eq!(end, Err(RecvTimeoutError::Eof));
        let bytes = fs::read(&file).unwrap();
        let certain = u64::from_ne_bytes(bytes.try_into().unwrap());
        // The slice that it was about to send was sent, or not.
        let certain = certain.max(first);
        assert!(next == certain || next == certain + 1 + certain % 8, "{next} of {certain}");
    }
}

/// In the child: receives what is there, looks at more, and waits to be killed.
pub(crate) fn hold(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let mut rx = segment.value_consumer::<Element>().unwrap();
    let mut some = [[0; 3]; 3];
    assert_eq!(rx.recv_slice(&mut some), Ok(3));
    let ahead = rx.peek(4).unwrap();
    assert_eq!(ahead.len(), 4);
    say("holds");
    pause();
    ahead.release();
}

/// Catches peeked elements that are lost with the dead consumer, a role that stays taken,
/// and a pipe that does not break.
#[test]
fn a_killed_consumer_leaves_the_elements_that_it_did_not_release() {
    let _watchdog = watchdog("a_killed_consumer_leaves_the_elements_that_it_did_not_release");
    for mode in MODES {
        let name = Name::new();
        let segment = name.create(&ring(8));
        let mut tx = segment.value_producer::<Element>().unwrap();
        tx.set_wait_mode(mode);
        tx.send_slice(&elements(0..8)).unwrap();
        let mut child = child::start("packed-hold", &[&name]);
        assert_eq!(child.hear(), "holds");
        tx.try_send_slice(&elements(8..11)).unwrap();
        assert_eq!(tx.try_send(&element(11)), Err(TrySendError::Full));
        let taken = segment.value_consumer::<Element>().unwrap_err();
        assert!(
            matches!(&taken, JoinError::RoleTaken { role: Role::Consumer, holder: Some(holder) }
                if holder.pid as i32 == child.pid() && holder.alive),
            "{taken:?}"
        );
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| tx.send_timeout(&element(11), LONG));
            child.kill();
            assert_eq!(waiting.join().unwrap(), Err(SendTimeoutError::BrokenPipe), "{mode:?}");
        });
        let mut rx = eventually("the role is free", || segment.value_consumer::<Element>().ok());
        let again = rx.peek(9).unwrap();
        assert_eq!((again.len(), again.redelivered()), (8, 4));
        assert_eq!(again.to_vec().unwrap(), elements(3..11));
        again.release();
        tx.send(&element(11)).unwrap();
        assert_eq!(rx.recv(), Ok(element(11)));
    }
}
