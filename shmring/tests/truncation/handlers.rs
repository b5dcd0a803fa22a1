//! The guard's handler beside the program's own.

use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use shmring::{AttachError, AttachOptions, Config, Fault, Observer, Segment, SendError};

use crate::common::child::{self, pause, say};
use crate::common::{Name, watchdog};
use crate::{address_of, guarded};

const PAGE: usize = 4096;

static HANDLED: AtomicU32 = AtomicU32::new(0);
static ADDRESS: AtomicU64 = AtomicU64::new(0);

/// Puts a page where the fault is, so that the program goes on.
fn mend(address: usize) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
    let page = ptr::with_exposed_provenance_mut::<c_void>(address & !(PAGE - 1));
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: replaces a page of a mapping of the test's own.
    unsafe { libc::mmap(page, PAGE, access, flags, -1, 0) };
}

extern "C" fn with_facts(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel's facts of a fault, which has an address.
    let address = unsafe { (*info).si_addr() }.expose_provenance();
    ADDRESS.store(address as u64, Ordering::Relaxed);
    mend(address);
}

extern "C" fn without_facts(_: c_int) {
    mend(ADDRESS.load(Ordering::Relaxed) as usize);
}

fn handle_with(action: usize, flags: c_int) {
    // SAFETY: a handler of this process's own; the struct of zeros is a valid one.
    unsafe {
        let mut own: libc::sigaction = std::mem::zeroed();
        own.sa_sigaction = action;
        own.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGBUS, &raw const own, ptr::null_mut()), 0);
    }
}

/// A page of a file that is not long enough for it, `at` an address or anywhere.
fn missing_page(at: usize) -> *mut u64 {
    // SAFETY: the name is valid; the file is this process's own.
    let fd = unsafe { libc::memfd_create(c"missing".as_ptr(), 0) };
    let fixed = if at == 0 { 0 } else { libc::MAP_FIXED };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let at = ptr::with_exposed_provenance_mut(at);
    // SAFETY: maps memory that nothing else uses.
    let page = unsafe { libc::mmap(at, PAGE, access, libc::MAP_SHARED | fixed, fd, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    page.cast()
}

/// Touches a missing page; how often the program's handler ran for it.
fn fault(page: *mut u64) -> u32 {
    let before = HANDLED.load(Ordering::Relaxed);
    ADDRESS.store(page.expose_provenance() as u64, Ordering::Relaxed);
    // SAFETY: what is missing is mended by the handler under test.
    unsafe { page.write_volatile(1) };
    HANDLED.load(Ordering::Relaxed) - before
}

/// In a child: has a handler of its own, before there is a guard.
pub(crate) fn handlers(args: &[String]) {
    match &*args[1] {
        "facts" => handle_with(with_facts as extern "C" fn(_, _, _) as usize, libc::SA_SIGINFO),
        _ => handle_with(without_facts as extern "C" fn(_) as usize, 0),
    }
    let segment = guarded(&args[0]);
    let mut tx = segment.producer().unwrap();
    assert_eq!(fault(missing_page(0)), 1, "a fault of the program's own");
    let file = OpenOptions::new().write(true).open(format!("/dev/shm/{}", args[0])).unwrap();
    file.set_len(0).unwrap();
    // The verb that meets the cut may end well; the next one cannot.
    let _ = tx.send(b"x");
    assert_eq!(tx.send(b"x"), Err(SendError::Failed(Fault::Truncated)));
    assert_eq!(HANDLED.load(Ordering::Relaxed), 1, "a fault of the segment's");
    assert_eq!(fault(missing_page(0)), 1, "one of the program's after one of the segment's");
    // Once one is unmapped, its addresses are the program's.
    drop(Segment::create(&args[2], &Config::spsc().capacity_bytes(4096)));
    let other = guarded(&args[2]);
    let at = address_of(&args[2]);
    drop(other);
    assert_eq!(fault(missing_page(at)), 1, "where a guarded segment was");
    say("done");
}

/// Catches a handler that takes over faults that are not its own, before, between and after
/// its own, or one that calls the program's handler in the wrong way.
#[test]
fn the_programs_own_faults_reach_its_own_handler() {
    let _watchdog = watchdog("the_programs_own_faults_reach_its_own_handler");
    for how in ["facts", "plain"] {
        let (name, other) = (Name::new(), Name::new());
        drop(name.create(&Config::spsc().capacity_bytes(4096)));
        let said = child::start("handlers", &[&name, how, &other]).finish();
        assert_eq!(said, ["done"]);
    }
}

/// In a child: forks one that has something else where the segment was.
pub(crate) fn in_a_fork_child(args: &[String]) {
    handle_with(with_facts as extern "C" fn(_, _, _) as usize, libc::SA_SIGINFO);
    let segment = guarded(&args[0]);
    let at = address_of(&args[0]);
    // SAFETY: the child does only what may be done there, and no other thread is at work.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let handled = fault(missing_page(at));
        // SAFETY: ends this process.
        unsafe { libc::_exit(handled as i32) };
    }
    let mut status = 0;
    // SAFETY: waits for the child.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "{status:x}");
    say(libc::WEXITSTATUS(status));
    assert!(segment.status().is_ok());
}

/// Catches a guard that goes on in a fork child, where the addresses are the child's.
#[test]
fn a_guard_ends_in_a_fork_child() {
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(4096)));
    assert_eq!(child::start("fork", &[&name]).finish(), ["1"]);
}

/// In a child: has no handler, or ignores the signal, and faults or is sent the signal.
pub(crate) fn default(args: &[String]) {
    let action = if args[1] == "ignored" { libc::SIG_IGN } else { libc::SIG_DFL };
    handle_with(action, 0);
    let _segment = guarded(&args[0]);
    match &*args[2] {
        "sent" => {
            // SAFETY: sends this process a signal.
            unsafe { libc::raise(libc::SIGBUS) };
            say("alive");
            pause();
        }
        _ => {
            fault(missing_page(0));
        }
    }
}

/// Catches a fault that is swallowed, so that the program repeats it for ever, and a signal
/// that does not do what it would do without a guard.
#[test]
fn an_unhandled_fault_kills_as_without_a_guard() {
    let _watchdog = watchdog("an_unhandled_fault_kills_as_without_a_guard");
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(4096)));
    for (action, how, killed) in [
        ("default", "fault", true),
        ("default", "sent", true),
        ("ignored", "fault", true),
        ("ignored", "sent", false),
    ] {
        let mut part = child::start("default", &[&name, action, how]);
        if !killed {
            assert_eq!(part.hear(), "alive");
            part.go();
        }
        let status = part.wait();
        let expected = killed.then_some(libc::SIGBUS);
        assert_eq!(status.signal(), expected, "{action}, {how}: {status}");
    }
}

/// In a child: has as many guards as a process can have, and one more.
pub(crate) fn many(args: &[String]) {
    let limit = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
    // SAFETY: lowers or raises a limit of this process.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return say("skipped: the limit of open files cannot be set");
    }
    let options = AttachOptions::new().guard(true);
    for _ in 0..2 {
        let all: Vec<Observer> = (0..1024).map(|_| options.observe(&args[0]).unwrap()).collect();
        let refused = options.observe(&args[0]).unwrap_err();
        assert!(matches!(&refused, AttachError::Os(error) if error.call == "guard"), "{refused}");
        Observer::open(&args[0]).unwrap();
        drop(all);
    }
    say("refused");
}

/// Catches a guard that is given without being one, and places that are not given back.
#[test]
fn a_process_has_a_bounded_number_of_guards() {
    let _watchdog = watchdog("a_process_has_a_bounded_number_of_guards");
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(4096)));
    let said = child::start("many", &[&name]).finish();
    if said[0].starts_with("skipped") {
        println!("{}", said[0]);
        return;
    }
    assert_eq!(said, ["refused"]);
}

/// In a child: guards a segment through a library that it closes, and faults.
pub(crate) fn plugin(args: &[String]) {
    handle_with(with_facts as extern "C" fn(_, _, _) as usize, libc::SA_SIGINFO);
    let [path, name] = [&args[0], &args[1]].map(|arg| CString::new(arg.as_str()).unwrap());
    // What the library has for a thread goes with the thread.
    let used = std::thread::spawn(move || {
        // SAFETY: the library has such a function, and is not used after it is closed.
        unsafe {
            let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            assert!(!library.is_null(), "build it first: cargo build -p shmring --examples");
            let function = libc::dlsym(library, c"use_guarded".as_ptr());
            assert!(!function.is_null());
            let function: extern "C" fn(*const c_char) -> bool = std::mem::transmute(function);
            let used = function(name.as_ptr());
            assert_eq!(libc::dlclose(library), 0);
            used
        }
    });
    assert!(used.join().unwrap());
    assert_eq!(fault(missing_page(0)), 1, "the program's own fault");
    say("done");
}

/// Catches a handler whose code is gone when the next fault comes.
#[test]
fn the_handler_outlives_the_library_that_it_came_with() {
    let _watchdog = watchdog("the_handler_outlives_the_library_that_it_came_with");
    // Cargo builds it with the examples, before it runs tests.
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples/libguarding_plugin.so");
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(4096)));
    let said = child::start("plugin", &[path.to_str().unwrap(), &name]).finish();
    assert_eq!(said, ["done"]);
}
