//! Real-time signals, which queue and carry a word. A full queue refuses, and the sender tries
//! again; so none is lost.
#![allow(unsafe_code)]

use std::fs::File;
use std::hint::spin_loop;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::ptr;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Sizes, Wait,
};

/// There will be no more.
const END: u64 = u64::MAX - 1;

/// See the module.
#[derive(Debug)]
pub struct Signals;

impl Contender for Signals {
    const NAME: &'static str = "signals";
    const ABOUT: &'static str = "queued real-time signals, a word in each; sigwaitinfo receives";
    const NATURE: Nature = Nature {
        sizes: Sizes::Only(8),
        waits: &[Wait::Spin, Wait::Block],
        ..Nature::stream(Group::Kernel)
    };
    type Sender = SignalSender;
    type Receiver = SignalReceiver;

    fn obstacle(_setting: &Setting) -> Option<String> {
        // A queue without room refuses every signal.
        let (pending, _) = getrlimit(Resource::RLIMIT_SIGPENDING).ok()?;
        (pending == 0).then(|| "no signal may be pending; raise `ulimit -i`".to_owned())
    }

    fn prepare(_setting: &Setting) -> Result<Prepared, BoxError> {
        // The receiver tells its process id through it.
        let (reader, writer) = std::io::pipe()?;
        Ok(Prepared::of_fds(vec![OwnedFd::from(reader)], vec![OwnedFd::from(writer)], 0))
    }

    fn open_sender(place: Place) -> Result<SignalSender, BoxError> {
        let mut pid = [0; 4];
        File::from(place.only_fd()?).read_exact(&mut pid)?;
        Ok(SignalSender { pid: libc::pid_t::from_ne_bytes(pid) })
    }

    fn open_receiver(place: Place) -> Result<SignalReceiver, BoxError> {
        let wait = place.setting.wait;
        let set = set();
        // SAFETY: the set is initialised, and nothing is asked back. This process has one thread.
        Errno::result(unsafe {
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut())
        })?;
        File::from(place.only_fd()?).write_all(&std::process::id().to_ne_bytes())?;
        Ok(SignalReceiver { set, wait })
    }
}

/// The one signal that is used.
fn set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the first call initialises the set, the second adds a number that exists.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGRTMIN());
        set.assume_init()
    }
}

/// Queues signals.
#[derive(Debug)]
pub struct SignalSender {
    pid: libc::pid_t,
}

impl SignalSender {
    fn pass(&self, word: u64) -> Result<(), BoxError> {
        let value = libc::sigval { sival_ptr: ptr::without_provenance_mut(usize::try_from(word)?) };
        loop {
            // SAFETY: the call takes numbers only; the "pointer" is never followed.
            match Errno::result(unsafe { libc::sigqueue(self.pid, libc::SIGRTMIN(), value) }) {
                Ok(_) => return Ok(()),
                // The queue is full.
                Err(Errno::EAGAIN) => spin_loop(),
                Err(error) => return Err(format!("sigqueue: {error}").into()),
            }
        }
    }
}

impl Sender for SignalSender {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        self.pass(u64::from_le_bytes(message.try_into()?))
    }

    fn finish(self) -> Result<(), BoxError> {
        self.pass(END)
    }
}

/// Takes signals from the queue.
#[derive(Debug)]
pub struct SignalReceiver {
    set: libc::sigset_t,
    wait: Wait,
}

impl Receiver for SignalReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let limit = if self.wait == Wait::Block { ptr::null() } else { &raw const at_once };
        loop {
            // SAFETY: set, info and limit live as long as the call.
            let number =
                unsafe { libc::sigtimedwait(&raw const self.set, info.as_mut_ptr(), limit) };
            match Errno::result(number) {
                Ok(_) => break,
                Err(Errno::EAGAIN) => spin_loop(),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(format!("sigtimedwait: {error}").into()),
            }
        }
        // SAFETY: the call succeeded, so that it wrote the info, which holds a value, as all
        // signals of this number were queued with one.
        let word = unsafe { info.assume_init().si_value().sival_ptr.addr() as u64 };
        Ok((word != END).then(|| look(&word.to_le_bytes())))
    }
}
