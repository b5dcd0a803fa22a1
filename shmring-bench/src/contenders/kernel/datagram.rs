//! Sockets that keep the bounds of messages. An empty one ends the stream.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};

use super::{socket, waiting};
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Wait,
};

/// Unix datagrams, which are not lost: a sender waits.
#[derive(Debug)]
pub struct Datagram;
/// Unix packets in sequence.
#[derive(Debug)]
pub struct Seqpacket;

macro_rules! packets {
    ($type:ident, $name:literal, $about:literal, $kind:expr) => {
        impl Contender for $type {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const NATURE: Nature = Nature::stream(Group::Kernel);
            type Sender = PacketSender;
            type Receiver = PacketReceiver;

            fn obstacle(setting: &Setting) -> Option<String> {
                obstacle(setting)
            }

            fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
                let cloexec = SockFlag::SOCK_CLOEXEC;
                let (sender, receiver) = socketpair(AddressFamily::Unix, $kind, None, cloexec)?;
                let capacity_bytes = socket::resize(&sender, setting)?;
                Ok(Prepared::of_fds(vec![sender], vec![receiver], capacity_bytes))
            }

            fn open_sender(place: Place) -> Result<PacketSender, BoxError> {
                let wait = place.setting.wait;
                let socket = place.only_fd()?;
                waiting::prepare(&socket, wait)?;
                Ok(PacketSender { socket, wait })
            }

            fn open_receiver(place: Place) -> Result<PacketReceiver, BoxError> {
                let (wait, len) = (place.setting.wait, place.setting.message_bytes);
                let socket = place.only_fd()?;
                waiting::prepare(&socket, wait)?;
                Ok(PacketReceiver { socket, wait, buffer: vec![0; len] })
            }
        }
    };
}

packets!(Datagram, "unix dgram", "pair of Unix datagram sockets", SockType::Datagram);
packets!(Seqpacket, "unix seqpacket", "pair of Unix packet sockets", SockType::SeqPacket);

/// A message must fit into the send buffer with what the kernel adds.
fn obstacle(setting: &Setting) -> Option<String> {
    const KERNEL_BYTES: usize = 4096;
    let most = std::fs::read_to_string("/proc/sys/net/core/wmem_max").ok()?;
    let most = 2 * most.trim().parse::<usize>().ok()?;
    let too_long = setting.message_bytes + KERNEL_BYTES > most;
    too_long.then(|| {
        format!("a message does not fit into {most} bytes of send buffer; raise net.core.wmem_max")
    })
}

/// The sending end.
#[derive(Debug)]
pub struct PacketSender {
    socket: OwnedFd,
    wait: Wait,
}

impl PacketSender {
    fn pass(&self, message: &[u8]) -> Result<(), BoxError> {
        let fd = self.socket.as_raw_fd();
        let call = || send(fd, message, MsgFlags::MSG_NOSIGNAL).map_err(io::Error::from);
        waiting::retry(&self.socket, self.wait, PollFlags::POLLOUT, call)?;
        Ok(())
    }
}

impl Sender for PacketSender {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        self.pass(message)
    }

    fn finish(self) -> Result<(), BoxError> {
        self.pass(&[])
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct PacketReceiver {
    socket: OwnedFd,
    wait: Wait,
    buffer: Vec<u8>,
}

impl Receiver for PacketReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let len = self.recv_into(&mut buffer);
        self.buffer = buffer;
        Ok(len?.map(|len| look(&self.buffer[..len])))
    }

    fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BoxError> {
        let fd = self.socket.as_raw_fd();
        let call = || recv(fd, buffer, MsgFlags::empty()).map_err(io::Error::from);
        let len = waiting::retry(&self.socket, self.wait, PollFlags::POLLIN, call)?;
        if len > 0 {
            return Ok(Some(len));
        }
        // The end of a packet socket may come before messages that are there: the kernel looks
        // for a message first, and then whether there is still a sender, which may have sent some
        // and gone in between. What was sent before an end that is true has been received.
        match recv(fd, buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(0) | Err(Errno::EAGAIN) => Ok(None),
            Ok(len) => Ok(Some(len)),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::contender::ALL_WAITS;

    fn ends(wait: Wait) -> (PacketSender, PacketReceiver) {
        let (family, cloexec) = (AddressFamily::Unix, SockFlag::SOCK_CLOEXEC);
        let (sender, receiver) =
            socketpair(family, SockType::SeqPacket, None, cloexec).expect("sockets");
        for end in [&sender, &receiver] {
            waiting::prepare(end, wait).expect("fcntl");
        }
        let sender = PacketSender { socket: sender, wait };
        (sender, PacketReceiver { socket: receiver, wait, buffer: vec![0; 8] })
    }

    fn next(receiver: &mut PacketReceiver) -> Option<Vec<u8>> {
        receiver.recv(<[u8]>::to_vec).expect("a message or the end")
    }

    // Catches messages that are lost to an end which comes before them. An empty message looks
    // the same, and comes when it is wanted.
    #[test]
    fn an_end_before_messages() {
        for wait in ALL_WAITS {
            let (mut sender, mut receiver) = ends(*wait);
            for message in [&b""[..], b"first", b"", b"last", b""] {
                sender.send(message).expect("send");
            }
            assert_eq!(next(&mut receiver).as_deref(), Some(&b"first"[..]));
            assert_eq!(next(&mut receiver).as_deref(), Some(&b"last"[..]));
            // The sender is still there: to ask twice must not mean to wait for its going.
            assert_eq!(next(&mut receiver), None);
        }
    }

    // Catches the same where the kernel does it, which is a matter of chance: about one of ten
    // thousand streams.
    #[test]
    fn a_sender_that_goes_at_once() {
        const STREAMS: u32 = 20_000;
        for _ in 0..STREAMS {
            let (mut sender, mut receiver) = ends(Wait::Spin);
            let sending = thread::spawn(move || {
                sender.send(b"first").and_then(|()| sender.send(b"last")).expect("send");
                sender.finish().expect("finish");
            });
            assert_eq!(next(&mut receiver).as_deref(), Some(&b"first"[..]));
            assert_eq!(next(&mut receiver).as_deref(), Some(&b"last"[..]));
            assert_eq!(next(&mut receiver), None);
            sending.join().expect("a sender");
        }
    }
}
