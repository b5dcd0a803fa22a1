//! What keeps wake-ups from being lost: on every kind of ring, and between processes of which
//! some, or none, may call `membarrier`.

#![allow(unsafe_code)]

mod common;

use std::fs;
use std::time::Duration;

use common::child::{self, say};
use common::{LONG, Name, SLOT_KINDS, broadcast, eventually, watchdog};
use shmring::{Config, Consumer, Kind, Producer, Segment, WaitMode};

const KINDS: [Kind; 5] = [Kind::Spsc, Kind::Mpmc, Kind::Mpsc, Kind::Spmc, Kind::Broadcast];
/// Publishes in a row without a sleeper, after which fences end.
const RELAX_AFTER: u32 = 1024;
/// The mode bit of the words of sleepers, and where the first word of each side lies in the control
/// block.
const HEAVY: u64 = 1;
const RECEIVERS: usize = 256;
const SENDERS: usize = 384;

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    let Some((part, args)) = child::part() else {
        return;
    };
    match part.as_str() {
        "echo" => echo(&args),
        "echo-without-membarrier" => {
            refuse_membarrier();
            echo(&args);
        }
        "echo-that-loses-membarrier" => lose_membarrier(&args),
        "create-without-membarrier" => create_without_membarrier(&args),
        _ => panic!("no part {part}"),
    }
}

/// Sends everything back that comes, asleep meanwhile.
fn echo(args: &[String]) {
    let (there, back) = (Segment::attach(&args[0]).unwrap(), Segment::attach(&args[1]).unwrap());
    let (rx, tx) = (there.consumer().unwrap(), back.producer().unwrap());
    send_back(rx, tx);
}

/// As [`echo`], in a process that barriers reach and that cannot make any.
fn lose_membarrier(args: &[String]) {
    let (there, back) = (Segment::attach(&args[0]).unwrap(), Segment::attach(&args[1]).unwrap());
    let (rx, tx) = (there.consumer().unwrap(), back.producer().unwrap());
    refuse_membarrier();
    send_back(rx, tx);
}

fn send_back(mut rx: Consumer, mut tx: Producer) {
    rx.set_wait_mode(WaitMode::Block);
    say("ready");
    while let Ok(message) = rx.recv() {
        tx.send(&message).unwrap();
    }
}

/// Sends numbers to a child, which sleeps until one comes, and sleeps until it comes back.
fn to_and_fro(part: &str, kind: Kind) {
    let (there, back) = (Name::new(), Name::new());
    let segments = [there.create(&Config::new(kind)), back.create(&Config::new(kind))];
    let mut child = child::start(part, &[&there, &back]);
    assert_eq!(child.hear(), "ready");
    let mut tx = segments[0].producer().unwrap();
    let mut rx = segments[1].consumer().unwrap();
    rx.set_wait_mode(WaitMode::Block);
    // A sleep without barriers takes a millisecond to make the word HEAVY.
    std::thread::sleep(Duration::from_millis(20));
    for number in 0..500_u32 {
        tx.send(&number.to_ne_bytes()).unwrap();
        let received = rx.recv_timeout(LONG).unwrap();
        assert_eq!(received, number.to_ne_bytes(), "{kind} {part}");
    }
    assert_eq!(word(&there, RECEIVERS) & HEAVY, HEAVY, "{kind} {part}: the child's sleeps");
    drop(tx);
    child.finish();
}

/// The first word of the sleepers of a side.
fn word(name: &Name, side: usize) -> u64 {
    let bytes = fs::read(name.path()).unwrap();
    let word_at = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    // The control block's offset is in the ring's entry of the directory.
    let control = word_at(4096 + 9 * 8) as usize;
    word_at(control + side)
}

/// Catches a wake that is lost on the way from one process to another.
#[test]
fn sleepers_are_woken_by_other_processes() {
    let _watchdog = watchdog("sleepers_are_woken_by_other_processes");
    KINDS.into_iter().for_each(|kind| to_and_fro("echo", kind));
}

/// Catches wakes that are lost, or sleeps that all end late, where one of the processes may not
/// call `membarrier`, from the start or later.
#[test]
fn a_process_without_barriers_takes_part() {
    let _watchdog = watchdog("a_process_without_barriers_takes_part");
    for kind in KINDS {
        to_and_fro("echo-without-membarrier", kind);
        to_and_fro("echo-that-loses-membarrier", kind);
    }
}

/// Catches a full ring whose sleeping sender is never woken.
#[test]
fn senders_are_woken() {
    let _watchdog = watchdog("senders_are_woken");
    let slots = SLOT_KINDS.map(|kind| Config::new(kind).slots(2));
    for config in slots.into_iter().chain([broadcast()]) {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&config);
        tx.set_wait_mode(WaitMode::Block);
        rx.set_wait_mode(WaitMode::Block);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..5_000_u32 {
                    tx.send_timeout(&number.to_ne_bytes(), LONG).unwrap();
                }
            });
            for number in 0..5_000_u32 {
                assert_eq!(rx.recv_timeout(LONG).unwrap(), number.to_ne_bytes());
            }
        });
    }
}

/// Catches fences that go on for ever after one sleep, and a mode that does not come back with the
/// sleeps.
#[test]
fn fences_follow_the_traffic() {
    let _watchdog = watchdog("fences_follow_the_traffic");
    [Config::spsc(), Config::broadcast()].iter().for_each(fences_follow_the_traffic_in);
}

fn fences_follow_the_traffic_in(config: &Config) {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair_of(config);
    rx.set_wait_mode(WaitMode::Block);
    assert_eq!((word(&name, RECEIVERS), word(&name, SENDERS)), (0, 0), "nobody has slept");
    for _ in 0..2 {
        for _ in 0..3 {
            // A millisecond is the longest that a sleep without barriers lasts.
            assert!(rx.recv_timeout(Duration::from_millis(5)).is_err());
        }
        assert_eq!(word(&name, RECEIVERS), HEAVY);
        for _ in 0..RELAX_AFTER + 1 {
            tx.send(b"x").unwrap();
            rx.recv().unwrap();
        }
        assert_eq!(word(&name, RECEIVERS), 0);
    }
}

/// In the child: a sandbox refuses `membarrier`.
fn create_without_membarrier(args: &[String]) {
    refuse_membarrier();
    let name: &str = &args[0];
    let segment = Segment::create(name, &Config::mpmc()).unwrap();
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    for _ in 0..2 * RELAX_AFTER {
        tx.send(b"works").unwrap();
        assert_eq!(rx.recv().unwrap(), b"works");
    }
    say("made");
    rx.set_wait_mode(WaitMode::Block);
    assert_eq!(rx.recv().unwrap(), b"from outside");
}

/// Catches a segment without barriers whose fences end though no sleeper can do without them.
#[test]
fn where_barriers_are_missing_words_stay_heavy() {
    let _watchdog = watchdog("where_barriers_are_missing_words_stay_heavy");
    let name = Name::new();
    let mut child = child::start("create-without-membarrier", &[&name]);
    assert_eq!(child.hear(), "made");
    assert_eq!((word(&name, RECEIVERS) & HEAVY, word(&name, SENDERS)), (HEAVY, HEAVY));
    let segment = Segment::attach(&name).unwrap();
    let _guard = segment.unlink_on_drop();
    eventually("the child sleeps", || {
        (segment.status().unwrap().ring().sleepers == 1).then_some(())
    });
    segment.producer().unwrap().send(b"from outside").unwrap();
    child.finish();
}

/// Lets `membarrier` fail with ENOSYS in this thread and those that it starts.
fn refuse_membarrier() {
    let load_number = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let if_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let result = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        step(load_number, 0, 0, 0),
        step(if_equal, 0, 1, libc::SYS_membarrier as u32),
        step(result, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step(result, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program is valid for the length of the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program), 0);
    }
}
