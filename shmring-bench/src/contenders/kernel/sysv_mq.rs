//! A System V message queue. An empty message ends the stream.
//!
//! It belongs to no process and has no descriptor: if the parent is killed in the middle of a run,
//! the queue stays until a process removes it (`ipcrm -q`).
#![allow(unsafe_code)]

use std::hint::spin_loop;
use std::mem::MaybeUninit;

use nix::errno::Errno;

use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Unavailable,
    Wait,
};

/// Tries before an adaptive wait sleeps in the kernel: some 25 us of calls.
const TRIES: u32 = 60;
/// Before a message: its type, which is not zero.
const TYPE_BYTES: usize = size_of::<libc::c_long>();
const TYPE: libc::c_long = 1;

const NO_QUEUES: &str = "the kernel has no System V queues (CONFIG_SYSVIPC)";

/// See the module.
#[derive(Debug)]
pub struct SysvMq;

/// A queue that is removed when this is dropped.
struct Queue(libc::c_int);

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: removing takes no memory of ours.
        unsafe { libc::msgctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

impl Queue {
    /// Gives the queue that much room, if it has less and this user may have it; what it has then.
    fn resize(&self, wanted: u64) -> Result<u64, BoxError> {
        let mut facts = MaybeUninit::<libc::msqid_ds>::uninit();
        // SAFETY: the call fills the facts if it succeeds.
        Errno::result(unsafe { libc::msgctl(self.0, libc::IPC_STAT, facts.as_mut_ptr()) })
            .map_err(|error| format!("msgctl: {error}"))?;
        // SAFETY: it did.
        let mut facts = unsafe { facts.assume_init() };
        let born_with = facts.msg_qbytes;
        facts.msg_qbytes = libc::msglen_t::try_from(wanted)?;
        // Beyond kernel.msgmnb, most users are refused: then it keeps what it was born with.
        // SAFETY: the facts live as long as the call.
        let refused = facts.msg_qbytes <= born_with
            || unsafe { libc::msgctl(self.0, libc::IPC_SET, &raw mut facts) } != 0;
        Ok(if refused { born_with } else { wanted })
    }
}

impl Contender for SysvMq {
    const NAME: &'static str = "sysv mq";
    const ABOUT: &'static str = "System V message queue, as large as the limits allow";
    const NATURE: Nature = Nature::stream(Group::Kernel);
    type Sender = End;
    type Receiver = End;

    fn obstacle(setting: &Setting) -> Option<String> {
        let limit = std::fs::read_to_string("/proc/sys/kernel/msgmax").ok();
        let Some(most) = limit.and_then(|text| text.trim().parse::<usize>().ok()) else {
            return Some(NO_QUEUES.into());
        };
        let too_long = setting.message_bytes > most;
        too_long.then(|| format!("a message may have {most} bytes; raise kernel.msgmax"))
    }

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        // SAFETY: the call takes numbers only.
        let made = Errno::result(unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) });
        let queue = Queue(made.map_err(|error| match error {
            Errno::ENOSPC => {
                BoxError::from(Unavailable("there are too many queues; raise kernel.msgmni".into()))
            }
            Errno::ENOSYS => Unavailable(NO_QUEUES.into()).into(),
            error => format!("msgget: {error}").into(),
        })?);
        let capacity_bytes = queue.resize(setting.room_bytes(setting.message_bytes))?;
        Ok(Prepared {
            address: queue.0.to_string(),
            kept: Box::new(queue),
            ..Prepared::of_fds(Vec::new(), Vec::new(), capacity_bytes)
        })
    }

    fn open_sender(place: Place) -> Result<End, BoxError> {
        End::open(&place)
    }

    fn open_receiver(place: Place) -> Result<End, BoxError> {
        End::open(&place)
    }
}

/// Either end.
#[derive(Debug)]
pub struct End {
    queue: libc::c_int,
    wait: Wait,
    /// The type, then the message.
    buffer: Vec<u8>,
}

impl End {
    fn open(place: &Place) -> Result<End, BoxError> {
        let mut buffer = vec![0; TYPE_BYTES + place.setting.message_bytes];
        buffer[..TYPE_BYTES].copy_from_slice(&TYPE.to_ne_bytes());
        Ok(End { queue: place.address.parse()?, wait: place.setting.wait, buffer })
    }

    /// Makes a call, with the flags that it is given, in the setting's way of waiting.
    fn retry(
        wait: Wait,
        mut call: impl FnMut(libc::c_int) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let mut tries = 0;
        loop {
            let sleeps = wait == Wait::Block || (wait == Wait::Adaptive && tries >= TRIES);
            match call(if sleeps { 0 } else { libc::IPC_NOWAIT }) {
                Err(Errno::EAGAIN | Errno::ENOMSG) => spin_loop(),
                Err(Errno::EINTR) => {}
                result => return result,
            }
            tries += 1;
        }
    }

    fn pass(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let space = self.buffer.get_mut(TYPE_BYTES..TYPE_BYTES + message.len());
        space.ok_or("a message that is too long")?.copy_from_slice(message);
        let Self { queue, wait, buffer } = self;
        Self::retry(*wait, |flags| {
            // SAFETY: the buffer has the type and `message.len()` bytes after it.
            let sent =
                unsafe { libc::msgsnd(*queue, buffer.as_ptr().cast(), message.len(), flags) };
            Errno::result(sent).map(|_| 0)
        })
        .map_err(|error| format!("msgsnd: {error}"))?;
        Ok(())
    }
}

impl Sender for End {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        self.pass(message)
    }

    fn finish(mut self) -> Result<(), BoxError> {
        self.pass(&[])
    }
}

impl Receiver for End {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let Self { queue, wait, buffer } = self;
        let room = buffer.len() - TYPE_BYTES;
        let len = Self::retry(*wait, |flags| {
            // SAFETY: the buffer has room for the type and `room` bytes after it.
            let len =
                unsafe { libc::msgrcv(*queue, buffer.as_mut_ptr().cast(), room, TYPE, flags) };
            Errno::result(len).map(|len| len.unsigned_abs())
        })
        .map_err(|error| format!("msgrcv: {error}"))?;
        Ok((len > 0).then(|| look(&buffer[TYPE_BYTES..TYPE_BYTES + len])))
    }
}
