//! A POSIX message queue. An empty message ends the stream.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::mqueue::{
    MQ_OFlag, MqAttr, MqdT, mq_attr_member_t, mq_getattr, mq_open, mq_receive, mq_send, mq_unlink,
};
use nix::poll::PollFlags;
use nix::sys::resource::Resource;
use nix::sys::stat::Mode;

use super::raised::Raised;
use super::waiting;
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Unavailable,
    Wait,
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

/// The kernel's limit for a queue, for privileged processes as well (HARD_MSGMAX).
const MOST_MESSAGES: u64 = 65_536;

/// A limit of the kernel's; `None` if it does not tell.
fn limit(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/sys/fs/mqueue/{name}")).ok()?;
    text.trim().parse().ok()
}

impl Contender for PosixMq {
    const NAME: &'static str = "posix mq";
    const ABOUT: &'static str = "POSIX message queue, as deep as the limits allow";
    const NATURE: Nature = Nature::stream(Group::Kernel);
    type Sender = End;
    type Receiver = End;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let name = CString::new(format!("/{}", unused(&setting.name_prefix)))?;
        let len = setting.message_bytes as u64;
        let depth = create(&name, setting.room_messages(), len)?;
        let address = name.to_str()?.to_owned();
        Ok(Prepared {
            address,
            names: Box::new(Name(name)),
            ..Prepared::of_fds(Vec::new(), Vec::new(), depth * len)
        })
    }

    fn open_sender(place: Place) -> Result<End, BoxError> {
        End::open(place, MQ_OFlag::O_WRONLY)
    }

    fn open_receiver(place: Place) -> Result<End, BoxError> {
        End::open(place, MQ_OFlag::O_RDONLY)
    }
}

/// Makes a queue for messages of `len` bytes: for so many of them, or as many as this user may
/// have; how many.
fn create(name: &CStr, depth: u64, len: u64) -> Result<u64, BoxError> {
    let _raised = Raised::new(Resource::RLIMIT_MSGQUEUE);
    let member = |number: u64| mq_attr_member_t::try_from(number);
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let mut depth = depth.min(MOST_MESSAGES);
    loop {
        let attributes = MqAttr::new(0, member(depth)?, member(len)?, 0);
        let why = match mq_open(name, flags, mode, Some(&attributes)) {
            Ok(_) => return Ok(depth),
            Err(Errno::EINVAL) => match (limit("msg_max"), limit("msgsize_max")) {
                (Some(most), _) if most < depth => {
                    depth = most;
                    continue;
                }
                (_, Some(most)) if most < len => {
                    format!("a message may have {most} bytes; raise fs.mqueue.msgsize_max")
                }
                _ => return Err(format!("mq_open: {}", Errno::EINVAL).into()),
            },
            // More bytes than the user's queues may have together.
            Err(Errno::EMFILE) if depth > 1 => {
                depth /= 2;
                continue;
            }
            Err(Errno::EMFILE) => {
                "the user's queues may have no more bytes; raise `ulimit -q`".into()
            }
            Err(Errno::ENOSPC) => "there are too many queues; raise fs.mqueue.queues_max".into(),
            Err(Errno::ENOSYS) => "the kernel has no POSIX queues (CONFIG_POSIX_MQUEUE)".into(),
            Err(error) => return Err(format!("mq_open: {error}").into()),
        };
        return Err(Unavailable(why).into());
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

#[cfg(test)]
mod tests {
    use nix::sys::resource::{getrlimit, setrlimit};

    use super::*;

    // Catches a limit that stays raised, and one that is not raised although it could be.
    #[test]
    fn the_limit_is_raised_and_put_back() {
        let resource = Resource::RLIMIT_MSGQUEUE;
        let (soft, hard) = getrlimit(resource).expect("a limit");
        setrlimit(resource, 0, hard).expect("a soft limit can be lowered");
        let name = CString::new(format!("/bench-test-raised-{}", std::process::id())).unwrap();
        let made = create(&name, 4, 8);
        let after = getrlimit(resource);
        setrlimit(resource, soft, hard).expect("what it was before");
        drop(Name(name));
        assert_eq!(after, Ok((0, hard)));
        assert!(hard == 0 || made.as_ref().is_ok_and(|depth| *depth == 4), "{made:?}");
    }
}
