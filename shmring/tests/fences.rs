//! What keeps wake-ups from being lost: every kind of fences on every kind of ring, and
//! machines that do not have them all.

#![allow(unsafe_code)]

mod common;

use common::child::{self, say};
use common::{LONG, Name, watchdog};
use shmring::{AttachError, Config, CreateError, Kind, Segment, WaitMode, WakeFences};

const FENCES: [WakeFences; 2] = [WakeFences::Symmetric, WakeFences::Asymmetric];

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    let Some((part, args)) = child::part() else {
        return;
    };
    match part.as_str() {
        "echo" => echo(&args),
        "without-membarrier" => without_membarrier(&args),
        _ => panic!("no part {part}"),
    }
}

/// Sends everything back that comes, asleep meanwhile.
fn echo(args: &[String]) {
    let (there, back) = (Segment::attach(&args[0]).unwrap(), Segment::attach(&args[1]).unwrap());
    let (mut rx, mut tx) = (there.consumer().unwrap(), back.producer().unwrap());
    rx.set_wait_mode(WaitMode::Block);
    say("ready");
    while let Ok(message) = rx.recv() {
        tx.send(&message).unwrap();
    }
}

/// Catches a wake that is lost on the way from one process to another.
#[test]
fn sleepers_are_woken_with_all_fences() {
    let _watchdog = watchdog("sleepers_are_woken_with_all_fences");
    for kind in [Kind::Spsc, Kind::Mpmc, Kind::Mpsc, Kind::Spmc] {
        for fences in FENCES {
            let (there, back) = (Name::new(), Name::new());
            let config = Config::new(kind).wake_fences(fences);
            let segments = [there.create(&config), back.create(&config)];
            assert_eq!(segments[0].info().wake_fences, fences);
            let mut child = child::start("echo", &[&there, &back]);
            assert_eq!(child.hear(), "ready");
            let mut tx = segments[0].producer().unwrap();
            let mut rx = segments[1].consumer().unwrap();
            rx.set_wait_mode(WaitMode::Block);
            for number in 0..500_u32 {
                tx.send(&number.to_ne_bytes()).unwrap();
                assert_eq!(
                    rx.recv_timeout(LONG).unwrap(),
                    number.to_ne_bytes(),
                    "{kind} {fences:?}"
                );
            }
            drop(tx);
            child.finish();
        }
    }
}

/// Catches a full ring whose sleeping sender is never woken.
#[test]
fn senders_are_woken_with_all_fences() {
    let _watchdog = watchdog("senders_are_woken_with_all_fences");
    for kind in [Kind::Mpmc, Kind::Mpsc, Kind::Spmc] {
        for fences in FENCES {
            let name = Name::new();
            let config = Config::new(kind).slots(2).wake_fences(fences);
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
}

/// In the child: a sandbox refuses `membarrier`.
fn without_membarrier(args: &[String]) {
    refuse_membarrier();
    let refused = |error: &AttachError| {
        matches!(error, AttachError::NoBarrier { name, .. } if *name == args[0])
            && error.to_string().contains("membarrier")
    };
    assert!(refused(&Segment::attach(&args[0]).unwrap_err()));
    let name = Name::new();
    let wanted = Config::mpmc().wake_fences(WakeFences::Asymmetric);
    let error = Segment::create(&name, &wanted).unwrap_err();
    assert!(matches!(error, CreateError::Attach(AttachError::NoBarrier { .. })), "{error}");
    assert!(!name.path().exists(), "left behind");
    let (segment, mut tx, mut rx) = name.pair_of(&Config::mpmc());
    assert_eq!(segment.info().wake_fences, WakeFences::Symmetric);
    tx.send(b"works").unwrap();
    assert_eq!(rx.recv().unwrap(), b"works");
}

/// Catches an attach that goes on without what the others rely on, and a segment that
/// cannot be made where the best is not to be had.
#[test]
fn a_process_without_barriers_is_refused() {
    let _watchdog = watchdog("a_process_without_barriers_is_refused");
    let name = Name::new();
    let segment = name.create(&Config::spsc());
    assert_eq!(segment.info().wake_fences, WakeFences::Asymmetric, "this machine's best");
    child::start("without-membarrier", &[&name]).finish();
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
