//! A child process that is traced: it runs to a system call, or a single instruction.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::machine;

/// The end of a child whose part failed.
const FAILED: i32 = 101;

/// Where the operation begins and ends, as the tracer sees it.
#[derive(Debug)]
pub(crate) struct Mark {
    pid: libc::pid_t,
    thread: libc::pid_t,
}

impl Mark {
    pub(crate) fn new() -> Self {
        // SAFETY: the calls read the caller's numbers and nothing else.
        unsafe { Self { pid: libc::getpid(), thread: libc::gettid() } }
    }

    /// Runs the operation between two marks.
    #[inline(always)]
    pub(crate) fn around<R>(&self, operation: impl FnOnce() -> R) -> R {
        self.set();
        let result = operation();
        self.set();
        result
    }

    /// Stops the caller.
    #[inline(always)]
    pub(crate) fn set(&self) {
        // SAFETY: a signal to the caller itself.
        unsafe { libc::syscall(libc::SYS_tgkill, self.pid, self.thread, libc::SIGSTOP) };
    }
}

/// Forks a child that plays `part` and then ends. It may not return into its caller, and
/// dies with this process.
pub(crate) fn fork_part(part: impl FnOnce()) -> Pid {
    // SAFETY: the conductor has no other thread at this time that could hold a lock.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            // SAFETY: asks for a signal when the parent is gone; nothing else changes.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            let played = catch_unwind(AssertUnwindSafe(part));
            // SAFETY: ends the process at once, without what its parent would do at exit.
            unsafe { libc::_exit(if played.is_ok() { 0 } else { FAILED }) }
        }
    }
}

/// Kills a child, and returns when nothing is left of it.
pub(crate) fn kill_and_reap(pid: Pid) {
    // The child was not waited for, so the pid is its own.
    kill(pid, Signal::SIGKILL).expect("kill");
    loop {
        match waitpid(pid, None).expect("waitpid") {
            WaitStatus::Signaled(_, Signal::SIGKILL, _) => return,
            // A stop that was on its way.
            WaitStatus::Stopped(..) | WaitStatus::PtraceSyscall(_) => {}
            status => panic!("the child ended before it was killed: {status:?}"),
        }
    }
}

/// The calls in which a handle sleeps, or another thread for it.
const SLEEPS: [libc::c_long; 3] = [libc::SYS_futex, libc::SYS_futex_waitv, libc::SYS_ppoll];

/// What a traced child came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A system call, on the way in or out.
    Call,
    /// The end of a step, or a breakpoint.
    Trap,
}

/// A traced child, stopped; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Victim {
    pid: Pid,
}

impl Victim {
    /// Starts a child, which plays `part` up to its first mark.
    ///
    /// # Errors
    /// Says why it cannot be traced.
    pub(crate) fn start(part: impl FnOnce()) -> Result<Self, String> {
        let pid = fork_part(|| {
            ptrace::traceme().unwrap_or_else(|_| std::process::abort());
            part();
        });
        match waitpid(pid, None) {
            Ok(WaitStatus::Stopped(_, Signal::SIGSTOP)) => {}
            status => return Err(format!("a child does not stop: {status:?}")),
        }
        let victim = Self { pid };
        ptrace::setoptions(pid, Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACESYSGOOD)
            .map_err(|errno| format!("PTRACE_SETOPTIONS: {errno}"))?;
        Ok(victim)
    }

    fn wait(&self) -> Stop {
        Self::stop_of(waitpid(self.pid, None).expect("waitpid"))
    }

    fn stop_of(status: WaitStatus) -> Stop {
        match status {
            WaitStatus::PtraceSyscall(_) => Stop::Call,
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Stop::Trap,
            status => panic!("the victim does something else: {status:?}"),
        }
    }

    /// Lets it run to the next system call, or out of the one that it is in, or to a
    /// breakpoint.
    pub(crate) fn run(&self) -> Stop {
        ptrace::syscall(self.pid, None).expect("PTRACE_SYSCALL");
        self.wait()
    }

    /// As [`run`](Self::run), for one that is in a system call; calls `asleep` if it goes
    /// to sleep there. Whether it did.
    pub(crate) fn run_out(&self, mut asleep: impl FnMut()) -> bool {
        if !SLEEPS.contains(&self.call()) {
            self.run();
            return false;
        }
        let sleeps = self.fall_asleep();
        if sleeps {
            asleep();
            self.wait();
        }
        sleeps
    }

    /// Lets it go to sleep in the system call that it is in. Whether it does: it is not
    /// stopped then.
    pub(crate) fn fall_asleep(&self) -> bool {
        ptrace::syscall(self.pid, None).expect("PTRACE_SYSCALL");
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)).expect("waitpid") {
                WaitStatus::StillAlive if sleeps(&format!("/proc/{}", self.pid)) => return true,
                WaitStatus::StillAlive => std::thread::yield_now(),
                status => {
                    Self::stop_of(status);
                    return false;
                }
            }
        }
    }

    /// Lets it execute one instruction.
    pub(crate) fn step(&self) {
        ptrace::step(self.pid, None).expect("PTRACE_SINGLESTEP");
        assert_eq!(self.wait(), Stop::Trap);
    }

    /// Address of the next instruction.
    pub(crate) fn ip(&self) -> u64 {
        machine::ip(&ptrace::getregs(self.pid).expect("PTRACE_GETREGS"))
    }

    /// As [`ip`](Self::ip); 0 if it is not stopped.
    pub(crate) fn try_ip(&self) -> u64 {
        ptrace::getregs(self.pid).map_or(0, |regs| machine::ip(&regs))
    }

    /// Whether it has mapped that file.
    pub(crate) fn has_mapped(&self, path: &Path) -> bool {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid)).expect("maps");
        maps.contains(path.to_str().expect("a plain name"))
    }

    /// Number of the system call that it is in.
    fn call(&self) -> libc::c_long {
        machine::call(&ptrace::getregs(self.pid).expect("PTRACE_GETREGS"))
    }

    /// Whether the system call that it is in is the end of the operation.
    pub(crate) fn is_at_end(&self) -> bool {
        self.call() == libc::SYS_tgkill
    }

    fn word(&self, at: u64) -> libc::c_long {
        ptrace::read(self.pid, at as ptrace::AddressType).expect("PTRACE_PEEKTEXT")
    }

    /// Whether the instruction at `ip` is a system call.
    pub(crate) fn is_call(&self, ip: u64) -> bool {
        machine::is_call(self.word(ip))
    }

    /// Runs to the instruction at `ip`; whether it came there before any system call.
    pub(crate) fn run_to(&self, ip: u64) -> bool {
        let word = self.word(ip);
        let write = |word| {
            ptrace::write(self.pid, ip as ptrace::AddressType, word).expect("PTRACE_POKETEXT");
        };
        write(machine::with_break(word));
        if self.run() == Stop::Call {
            return false;
        }
        write(word);
        let mut regs = ptrace::getregs(self.pid).expect("PTRACE_GETREGS");
        machine::leave_break(&mut regs);
        ptrace::setregs(self.pid, regs).expect("PTRACE_SETREGS");
        assert_eq!(self.ip(), ip);
        true
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        kill_and_reap(self.pid);
    }
}

/// Whether the process or thread of that /proc directory sleeps as a handle does.
pub(crate) fn sleeps(proc: &str) -> bool {
    let Ok(call) = fs::read_to_string(format!("{proc}/syscall")) else {
        return false;
    };
    let mut words = call.split_whitespace();
    let number = words.next().and_then(|number| number.parse().ok());
    match number.filter(|number| SLEEPS.contains(number)) {
        // It wakes others by the same call.
        Some(libc::SYS_futex) => words.nth(1) == Some(&format!("{:#x}", libc::FUTEX_WAIT_BITSET)),
        found => found.is_some(),
    }
}
