//! Ends a conductor that hangs, and says where it was.

use std::io::Write;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use crate::case::Case;
use crate::walk::Point;

/// Longer than any point takes on the slowest machine.
const HANG_SECONDS: u32 = 60;

/// The case, as text that lives for ever, and the point.
static CASE: AtomicPtr<String> = AtomicPtr::new(std::ptr::null_mut());
static CALLS: AtomicUsize = AtomicUsize::new(0);
static STEPS: AtomicUsize = AtomicUsize::new(0);
/// Address of the instruction that the victim was killed before; 0 if it was not yet.
static IP: AtomicU64 = AtomicU64::new(0);

/// Makes a later hang or failure report this place.
pub(crate) fn enter(case: Case) {
    CASE.store(Box::into_raw(Box::new(case.to_string())), Ordering::Relaxed);
    let on_alarm: extern "C" fn(libc::c_int) = on_alarm;
    // SAFETY: the handler only does what a signal handler may.
    unsafe { libc::signal(libc::SIGALRM, on_alarm as libc::sighandler_t) };
    at(Point { calls: 0, steps: 0 });
}

pub(crate) fn at(point: Point) {
    CALLS.store(point.calls, Ordering::Relaxed);
    STEPS.store(point.steps, Ordering::Relaxed);
    IP.store(0, Ordering::Relaxed);
    // SAFETY: sets the process's timer, which nothing else uses.
    unsafe { libc::alarm(HANG_SECONDS) };
}

/// The victim is killed before this instruction.
pub(crate) fn killed(ip: u64) {
    IP.store(ip, Ordering::Relaxed);
}

/// Writes the place without allocating anything.
fn tell(out: &mut impl Write, what: &str) -> std::io::Result<()> {
    // SAFETY: the text was leaked when it was stored.
    let case = unsafe { CASE.load(Ordering::Relaxed).as_ref() };
    let case = case.map_or("", String::as_str);
    let (calls, steps) = (CALLS.load(Ordering::Relaxed), STEPS.load(Ordering::Relaxed));
    let ip = IP.load(Ordering::Relaxed);
    // Relative to a function of this program, the address means the same in each run.
    let here = enter as *const () as u64;
    let sign = if ip < here { '-' } else { '+' };
    let distance = ip.abs_diff(here);
    writeln!(out, "{what}: {case} @ {calls},{steps} (at {ip:#x}, {sign}{distance:#x})")
}

extern "C" fn on_alarm(_: libc::c_int) {
    let mut text = [0_u8; 256];
    let mut rest = &mut text[..];
    let _ = tell(&mut rest, "survivors hang");
    let len = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    // SAFETY: the text is as long; both calls are allowed in a handler.
    unsafe {
        libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), len);
        libc::_exit(101);
    }
}

/// Says where it was when the test fails.
#[derive(Debug)]
pub(crate) struct Place;

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = tell(&mut std::io::stderr(), "failed");
        }
    }
}
