//! System calls that a filter refuses.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use shmring::{
    AttachError, Config, CreateError, Fault, Kind, MonitorError, RecvError, RecvTimeoutError,
    Segment, SendError, TryRecvError, TrySendError, WaitMode,
};

use crate::common::child::{self, pause, say};
use crate::common::{LONG, Name, broadcast, eventually, slots, watchdog};

/// What a program of the filter does: load, compare, return (`linux/bpf_common.h`).
const LOAD_NUMBER: libc::sock_filter = libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 };
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// From now on the calling thread gets an error for a system call.
pub(crate) fn refuse(number: libc::c_long, errno: i32) {
    let statement = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut program = [
        LOAD_NUMBER,
        statement(JUMP_EQUAL, 1, number as u32),
        statement(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        statement(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    set_filter(&mut program);
}

/// From now on the calling thread gets an error for a system call with such an argument: one
/// that equals `value`, or has any of its bits.
fn refuse_some(number: libc::c_long, argument: u32, how: u16, value: u32, errno: i32) {
    let statement = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    // The number, the architecture and the instruction come first (`linux/seccomp.h`).
    let low_half = 16 + 8 * argument + if cfg!(target_endian = "big") { 4 } else { 0 };
    set_filter(&mut [
        LOAD_NUMBER,
        statement(JUMP_EQUAL, 3, number as u32),
        statement(LOAD_NUMBER.code, 0, low_half),
        statement(how, 1, value),
        statement(RETURN, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        statement(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

fn set_filter(program: &mut [libc::sock_filter]) {
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter is valid for the length of the call, and concerns this thread only.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let set = libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter);
        assert_eq!(set, 0, "a filter could not be set");
    }
}

/// Whether the kernel has filters; most have.
pub(crate) fn has_filters() -> bool {
    let has = fs::exists("/proc/sys/kernel/seccomp/actions_avail").unwrap_or(false);
    if !has {
        println!("skipped: this kernel has no filters of system calls");
    }
    has
}

/// Ends the process with this scope: where `futex` is refused, the thread of a test cannot
/// tell the thread that waits for it.
struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        std::process::exit(if std::thread::panicking() { 101 } else { 0 });
    }
}

/// In a child: waits where the call that sleeping takes is refused.
pub(crate) fn no_sleep(args: &[String]) {
    let _last = Last;
    let segment = Segment::attach(&args[0]).unwrap();
    let refused = Fault::SleepRefused { call: "futex", errno: libc::EPERM };
    if segment.info().ring().kind == Kind::Packed {
        let mut tx = segment.value_producer::<u64>().unwrap();
        let mut rx = segment.value_consumer::<u64>().unwrap();
        refuse(libc::SYS_futex, libc::EPERM);
        assert_eq!(rx.recv(), Err(RecvError::Failed(refused)));
        while tx.try_send(&1).is_ok() {}
        assert_eq!(tx.send(&1), Err(SendError::Failed(refused)));
        return say("told");
    }
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    refuse(libc::SYS_futex, libc::EPERM);
    for mode in [WaitMode::Adaptive, WaitMode::Block] {
        tx.set_wait_mode(mode);
        rx.set_wait_mode(mode);
        // Without an end, so that only the refusal ends it.
        assert_eq!(rx.recv(), Err(RecvError::Failed(refused)));
        assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Failed(refused)));
        // What does not wait goes on, and so does a wait that is over already.
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        tx.send(b"works").unwrap();
        assert_eq!(rx.recv().unwrap(), b"works");
        while tx.try_send(b"fill").is_ok() {}
        assert_eq!(tx.send(b"more"), Err(SendError::Failed(refused)));
        assert_eq!(tx.try_send(b"more"), Err(TrySendError::Full));
        while rx.try_recv().is_ok() {}
    }
    rx.set_wait_mode(WaitMode::Spin);
    let timed_out = rx.recv_timeout(Duration::from_millis(5));
    assert_eq!(timed_out, Err(RecvTimeoutError::TimedOut));
    say("told");
}

/// Catches a wait that becomes a busy loop for ever, or a panic, where the process may not
/// sleep, and an error that ends what still works.
#[test]
fn a_waiter_that_may_not_sleep_gets_an_error() {
    let _watchdog = watchdog("a_waiter_that_may_not_sleep_gets_an_error");
    if !has_filters() {
        return;
    }
    let configs = [
        Config::spsc().capacity_bytes(4096),
        slots(Kind::Mpmc, 8, 64),
        Config::packed::<u64>().slots(8),
        broadcast(),
    ];
    for config in configs {
        let name = Name::new();
        drop(name.create(&config));
        assert_eq!(child::start("no-sleep", &[&name]).finish(), ["told"]);
    }
}

/// In a child: creates, attaches and watches where a call is refused; says what fails.
pub(crate) fn no_call(args: &[String]) {
    let [there, new, call] = args else {
        panic!("two names and a call");
    };
    let segment = Segment::attach(there).unwrap();
    let number = match call.as_str() {
        "membarrier" => libc::SYS_membarrier,
        "fallocate" | "memory" => libc::SYS_fallocate,
        "madvise" => libc::SYS_madvise,
        "linkat" => libc::SYS_linkat,
        "fchmod" => libc::SYS_fchmod,
        "inotify" => libc::SYS_inotify_init1,
        "close_range" => libc::SYS_close_range,
        "unshare" => libc::SYS_unshare,
        _ => panic!("no call {call}"),
    };
    refuse(number, if call == "memory" { libc::ENOSPC } else { libc::EPERM });
    let of_attach = |error: &AttachError| match error {
        AttachError::Os(error) => error.call.to_owned(),
        _ => format!("{error:?}"),
    };
    say(match Segment::create(new, &Config::spsc().capacity_bytes(4096)) {
        Ok(made) => {
            let (mut tx, mut rx) = (made.producer().unwrap(), made.consumer().unwrap());
            tx.send(b"works").unwrap();
            assert_eq!(rx.recv().unwrap(), b"works");
            "made".to_owned()
        }
        Err(CreateError::Os(error)) => error.call.to_owned(),
        Err(CreateError::NoSpace { .. }) => "no space".to_owned(),
        Err(CreateError::Attach(error)) => of_attach(&error),
        Err(error) => format!("{error:?}"),
    });
    say(match Segment::attach(there) {
        Ok(_) => "attached".to_owned(),
        Err(error) => of_attach(&error),
    });
    say(match segment.monitor() {
        Ok(_) => "watched".to_owned(),
        Err(MonitorError::Os(error)) => error.call.to_owned(),
        Err(error) => format!("{error:?}"),
    });
}

/// Catches a refused call that is not noticed, not named, or that leaves half a segment.
#[test]
fn a_refused_call_is_named_and_leaves_nothing() {
    let _watchdog = watchdog("a_refused_call_is_named_and_leaves_nothing");
    if !has_filters() {
        return;
    }
    for (call, expected) in [
        // Others may take the memory between the question for it and the call.
        ("memory", ["no space", "attached", "watched"]),
        ("fallocate", ["fallocate", "attached", "watched"]),
        ("madvise", ["madvise(MADV_DONTFORK)", "madvise(MADV_DONTFORK)", "watched"]),
        ("linkat", ["linkat", "attached", "watched"]),
        ("fchmod", ["fchmod", "attached", "watched"]),
        ("inotify", ["made", "attached", "inotify_init1"]),
        ("close_range", ["made", "attached", "close_range"]),
        ("unshare", ["made", "attached", "unshare(CLONE_FILES)"]),
    ] {
        let (there, new) = (Name::new(), Name::new());
        drop(there.create(&Config::spsc().capacity_bytes(4096)));
        let said = child::start("no-call", &[&there, &new, call]).finish();
        assert_eq!(said, expected, "{call}");
        assert_eq!(new.path().exists(), expected[0] == "made", "{call}: left behind");
        let late = Segment::attach(&there).unwrap();
        assert_eq!(late.status().unwrap().attached.len(), 1, "{call}: an entry was left");
    }
}

/// Catches a machine without barriers on which nothing can be made or attached.
#[test]
fn without_barriers_segments_do_with_fences() {
    let _watchdog = watchdog("without_barriers_segments_do_with_fences");
    if !has_filters() {
        return;
    }
    let (there, new) = (Name::new(), Name::new());
    drop(there.create(&Config::spsc().capacity_bytes(4096)));
    let said = child::start("no-call", &[&there, &new, "membarrier"]).finish();
    assert_eq!(said, ["made", "attached", "watched"]);
}

/// In a child: sends and receives where every system call kills.
pub(crate) fn no_calls(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let mut moved = true;
    if segment.info().ring().kind == Kind::Packed {
        let mut tx = segment.value_producer::<u64>().unwrap();
        let mut rx = segment.value_consumer::<u64>().unwrap();
        kill_for_calls_but(libc::SYS_exit_group);
        for number in 0..1000 {
            moved &= tx.send(&number).is_ok() && rx.recv() == Ok(number);
        }
    } else if let Ok(worker) = segment.worker() {
        let mut tx = segment.producer().unwrap();
        let mut buffer = [0; 8];
        kill_for_calls_but(libc::SYS_exit_group);
        for number in 0_u64..1000 {
            moved &= tx.send(&number.to_ne_bytes()).is_ok();
            worker.take().iter().for_each(|job| moved &= job.copy_to(&mut buffer) == 8);
            moved &= worker.take().is_ok_and(|job| job.attempts() == 2 && job.acknowledge());
            moved &= buffer == number.to_ne_bytes();
        }
    } else {
        let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        let mut buffer = [0; 64];
        kill_for_calls_but(libc::SYS_exit_group);
        for number in 0_u64..1000 {
            let message = number.to_ne_bytes();
            moved &= tx.send(&message).is_ok() && rx.recv_into(&mut buffer) == Ok(8);
            moved &= buffer[..8] == message;
        }
    }
    // SAFETY: ends the process, by the one call that it may make, or by another.
    unsafe {
        if args[1] == "and one" {
            libc::getppid();
        }
        libc::_exit(i32::from(!moved));
    }
}

/// From now on every system call of this thread ends the process, but the one to end it, and
/// another one.
fn kill_for_calls_but(number: libc::c_long) {
    let statement = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    set_filter(&mut [
        LOAD_NUMBER,
        statement(JUMP_EQUAL, 1, 0, number as u32),
        statement(JUMP_EQUAL, 0, 1, libc::SYS_exit_group as u32),
        statement(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        statement(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ]);
}

/// Catches a wake without a waiter, and any other call that a message makes although no peer waits.
#[test]
fn verbs_that_need_not_wait_make_no_system_call() {
    let _watchdog = watchdog("verbs_that_need_not_wait_make_no_system_call");
    if !has_filters() {
        return;
    }
    let configs = [
        Config::spsc().capacity_bytes(4096),
        slots(Kind::Mpmc, 8, 64),
        slots(Kind::Mpsc, 8, 64),
        slots(Kind::Spmc, 8, 64),
        Config::packed::<u64>().slots(8),
        broadcast(),
        slots(Kind::Jobs, 8, 64),
    ];
    for config in configs {
        let name = Name::new();
        drop(name.create(&config));
        let status = child::start("no-calls", &[&name, "and none"]).wait();
        assert!(status.success(), "{:?}: {status}", config.rounded_slots());
        let status = child::start("no-calls", &[&name, "and one"]).wait();
        assert_eq!(status.signal(), Some(libc::SIGSYS), "the filter does nothing");
    }
}

/// In a child: sends a message where every system call but one kills.
pub(crate) fn one_call(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let mut tx = segment.producer().unwrap();
    say("sends");
    pause();
    kill_for_calls_but(args[1].parse().unwrap());
    let is_sent = tx.send(b"wake").is_ok();
    // SAFETY: ends the process, by a call that it may make.
    unsafe { libc::_exit(i32::from(!is_sent)) };
}

/// A child sends to a sleeper, and may make one call. Returns what ended the child, and how long
/// the sleeper slept after that.
fn wake_with(allowed: libc::c_long) -> (Option<i32>, Duration) {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    // It looks for the dead, so that the sleeper does not wake for that just when the child sends.
    let _monitor = segment.monitor().unwrap();
    let mut child = child::start("one-call", &[&name, &allowed.to_string()]);
    assert_eq!(child.hear(), "sends");
    let mut rx = segment.consumer().unwrap();
    rx.set_wait_mode(WaitMode::Block);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| (rx.recv_timeout(LONG), Instant::now()));
        eventually("it sleeps", || (segment.status().unwrap().ring().sleepers == 1).then_some(()));
        child.go();
        let status = child.wait();
        let ended = Instant::now();
        let (received, woken) = waiting.join().unwrap();
        assert_eq!(received.as_deref(), Ok(&b"wake"[..]));
        (status.signal(), woken.saturating_duration_since(ended))
    })
}

/// Catches a wake that takes more calls than a futex, and a sleeper beside a monitor that nobody
/// wakes because its waker was killed just before that call, when it had taken the sleeper's bit.
#[test]
fn a_send_to_a_sleeper_makes_a_futex_call_only() {
    let _watchdog = watchdog("a_send_to_a_sleeper_makes_a_futex_call_only");
    if !has_filters() {
        return;
    }
    assert_eq!(wake_with(libc::SYS_futex).0, None);
    let late = (0..3).map(|_| {
        let (signal, late) = wake_with(libc::SYS_exit_group);
        assert_eq!(signal, Some(libc::SIGSYS), "it wakes without a call");
        late
    });
    let soonest = late.min().unwrap();
    assert!(soonest < Duration::from_secs(1), "{soonest:?} at the soonest, of a sleep of 5 s");
}

/// In a child: makes a segment where files without a name are refused.
pub(crate) fn second_way(args: &[String]) {
    let unnamed = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;
    refuse_some(libc::SYS_openat, 2, JUMP_ANY_BIT, unnamed, args[1].parse().unwrap());
    say(match Segment::create(&args[0], &Config::spsc().capacity_bytes(4096)) {
        Ok(_) => "made".to_owned(),
        Err(error) => error.to_string(),
    });
}

/// Catches a security module that keeps segments from being made though there is another way,
/// and an error that names what the user does not know.
#[test]
fn where_unnamed_files_are_refused_there_is_a_second_way() {
    let _watchdog = watchdog("where_unnamed_files_are_refused_there_is_a_second_way");
    if !has_filters() {
        return;
    }
    let errnos = [libc::EACCES, libc::EPERM, libc::EOPNOTSUPP, libc::EISDIR, libc::ENOENT];
    for errno in errnos {
        let name = Name::new();
        let said = child::start("second-way", &[&name, &errno.to_string()]).finish();
        assert_eq!(said, ["made"], "{errno}");
        assert_eq!(Segment::attach(&name).unwrap().status().unwrap().attached.len(), 1);
    }
    let name = Name::new();
    let said = child::start("second-way", &[&name, &libc::ENOMEM.to_string()]).finish();
    let start = format!("open(O_TMPFILE) of /dev/shm/{}: ", &*name);
    assert!(said[0].starts_with(&start), "{said:?}");
}

/// In a child: forks where the kernel does not empty pages of the child.
pub(crate) fn no_wipe(args: &[String]) {
    let wipe = libc::MADV_WIPEONFORK as u32;
    refuse_some(libc::SYS_madvise, 2, JUMP_EQUAL, wipe, libc::EINVAL);
    for round in 0..3 {
        let segment = Segment::attach(&args[0]).unwrap();
        let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        tx.send(b"before").unwrap();
        // SAFETY: the child makes no call that needs other threads.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let refused = tx.try_send(b"x") == Err(TrySendError::Failed(Fault::Forked))
                && rx.try_recv() == Err(TryRecvError::Failed(Fault::Forked))
                && segment.status().is_err();
            drop((tx, rx, segment));
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!refused)) };
        }
        let mut status = 0;
        // SAFETY: waits for the child.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert_eq!(status, 0, "the child, round {round}");
        assert_eq!(rx.recv().unwrap(), b"before");
    }
    say("forked");
}

/// Catches segments that cannot be used at all where pages are not emptied, as under gVisor,
/// and fork children that take their parent's handles for their own.
#[test]
fn without_emptied_pages_forks_are_noticed() {
    let _watchdog = watchdog("without_emptied_pages_forks_are_noticed");
    if !has_filters() {
        return;
    }
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(4096)));
    assert_eq!(child::start("no-wipe", &[&name]).finish(), ["forked"]);
}
