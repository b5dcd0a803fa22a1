//! A POSIX message queue. An empty message ends the stream.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::mqueue::{
    MQ_OFlag, MqAttr, MqdT, mq_attr_member_t, mq_getattr, mq_open, mq_receive, mq_send, mq_unlink,
};
use nix::poll::PollFlags;
use nix::sys::stat::Mode;

use super::waiting;
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Wait,
};
use crate::name::unused;

/// See the module.
#[derive(Debug)]
pub struct PosixMq;

/// A name that is removed when this is dropped.
struct Name(CString);

impl Drop for Name {
    fn drop(&mut self) {
        // It can only be gone already, which is what is wanted.
        let _ = mq_unlink(self.0.as_c_str());
    }
}

/// A limit of the kernel's; `None` if it has no queues.
fn limit(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/sys/fs/mqueue/{name}")).ok()?;
    text.trim().parse().ok()
}

impl Contender for PosixMq {
    const NAME: &'static str = "posix mq";
    const ABOUT: &'static str = "POSIX message queue, as deep as fs.mqueue.msg_max allows";
    const NATURE: Nature = Nature::stream(Group::Kernel);
    type Sender = End;
    type Receiver = End;

    fn obstacle(setting: &Setting) -> Option<String> {
        let Some(most) = limit("msgsize_max") else {
            return Some("the kernel has no POSIX message queues (CONFIG_POSIX_MQUEUE)".into());
        };
        let too_long = setting.message_bytes as u64 > most;
        too_long.then(|| format!("a message may have {most} bytes; raise fs.mqueue.msgsize_max"))
    }

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let name = CString::new(format!("/{}", unused(&setting.name_prefix)))?;
        let depth = setting.room_messages().min(limit("msg_max").unwrap_or(10));
        let len = setting.message_bytes;
        let member = |number: u64| mq_attr_member_t::try_from(number);
        let attributes = MqAttr::new(0, member(depth)?, member(len as u64)?, 0);
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        mq_open(name.as_c_str(), flags, mode, Some(&attributes)).map_err(|error| {
            format!("mq_open for {depth} messages of {len} bytes: {error}; raise `ulimit -q`")
        })?;
        let address = name.to_str()?.to_owned();
        let capacity_bytes = depth * len as u64;
        Ok(Prepared {
            address,
            names: Box::new(Name(name)),
            ..Prepared::of_fds(Vec::new(), Vec::new(), capacity_bytes)
        })
    }

    fn open_sender(place: Place) -> Result<End, BoxError> {
        End::open(place, MQ_OFlag::O_WRONLY)
    }

    fn open_receiver(place: Place) -> Result<End, BoxError> {
        End::open(place, MQ_OFlag::O_RDONLY)
    }
}

/// Either end.
#[derive(Debug)]
pub struct End {
    queue: MqdT,
    wait: Wait,
    buffer: Vec<u8>,
}

impl End {
    fn open(place: Place, direction: MQ_OFlag) -> Result<End, BoxError> {
        let Setting { wait, message_bytes, .. } = place.setting;
        let name = CString::new(place.address)?;
        let blocking = match wait {
            Wait::Block => MQ_OFlag::empty(),
            _ => MQ_OFlag::O_NONBLOCK,
        };
        let queue = mq_open(name.as_c_str(), direction | blocking, Mode::empty(), None)?;
        // A receiver's buffer must have the queue's length at least.
        let len = usize::try_from(mq_getattr(&queue)?.msgsize())?.max(message_bytes);
        Ok(End { queue, wait, buffer: vec![0; len] })
    }

    fn pass(&self, message: &[u8]) -> Result<(), BoxError> {
        let call = || mq_send(&self.queue, message, 0).map_err(io::Error::from);
        Ok(waiting::retry(&Polled(&self.queue), self.wait, PollFlags::POLLOUT, call)?)
    }
}

/// A queue as what it is on Linux, a descriptor.
struct Polled<'a>(&'a MqdT);

impl AsFd for Polled<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Sender for End {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        self.pass(message)
    }

    fn finish(self) -> Result<(), BoxError> {
        self.pass(&[])
    }
}

impl Receiver for End {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let (queue, buffer) = (&self.queue, &mut self.buffer);
        let mut priority = 0;
        let call = || mq_receive(queue, buffer, &mut priority).map_err(io::Error::from);
        let len = waiting::retry(&Polled(queue), self.wait, PollFlags::POLLIN, call)?;
        Ok((len > 0).then(|| look(&self.buffer[..len])))
    }
}
