//! ipc-channel: sockets behind the face of a channel. Bytes are sent as they are, without
//! serialisation; its sender has no call that does not block.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;

use ipc_channel::TryRecvError;
use ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender};

use super::waiting::Patience;
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Wait,
};

/// See the module.
pub(super) struct IpcChannel;

impl Contender for IpcChannel {
    const NAME: &'static str = "ipc-channel";
    const ABOUT: &'static str = "ipc-channel: bytes, over sockets; a sender always blocks for room";
    const NATURE: Nature = Nature { many_producers: true, ..Nature::stream(Group::Peer) };
    type Sender = BytesSender;
    type Receiver = BytesReceiver;

    /// A pipe, through which producers tell at which name they are to be met.
    fn prepare(_: &Setting) -> Result<Prepared, BoxError> {
        let (names, tell) = std::io::pipe()?;
        Ok(Prepared::of_fds(vec![OwnedFd::from(tell)], vec![OwnedFd::from(names)], 0))
    }

    fn open_sender(place: Place) -> Result<BytesSender, BoxError> {
        let mut tell = File::from(place.only_fd()?);
        let (server, name) = IpcOneShotServer::<IpcBytesSender>::new()?;
        tell.write_all(format!("{name}\n").as_bytes())?;
        let (_, sender) = server.accept()?;
        Ok(BytesSender { sender })
    }

    fn open_receiver(place: Place) -> Result<BytesReceiver, BoxError> {
        let Setting { wait, producers, .. } = place.setting;
        let names = BufReader::new(File::from(place.only_fd()?));
        let (sender, receiver) = ipc::bytes_channel()?;
        let mut met = 0;
        for name in names.lines().take(producers as usize) {
            IpcSender::connect(name?)?.send(sender.clone())?;
            met += 1;
        }
        if met < producers {
            return Err("a producer did not tell where it is".into());
        }
        Ok(BytesReceiver { receiver, wait })
    }
}

/// A producer's end. The stream ends with the last of them.
pub(super) struct BytesSender {
    sender: IpcBytesSender,
}

impl Sender for BytesSender {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        Ok(self.sender.send(message)?)
    }

    fn finish(self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// The consumer's end.
pub(super) struct BytesReceiver {
    receiver: IpcBytesReceiver,
    wait: Wait,
}

impl Receiver for BytesReceiver {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        use ipc_channel::IpcError::Disconnected;
        let mut patience = Patience::new(self.wait);
        let received = loop {
            if self.wait == Wait::Block {
                break self.receiver.recv();
            }
            match self.receiver.try_recv() {
                Ok(message) => break Ok(message),
                Err(TryRecvError::Empty) if patience.more() => {}
                Err(TryRecvError::Empty) => break self.receiver.recv(),
                // An end that a try finds may come before messages that are there: of such a
                // socket, the kernel looks for a message first, and then whether there is still
                // a sender, which may have sent some and gone in between.
                Err(TryRecvError::IpcError(Disconnected)) => break self.receiver.recv(),
                Err(TryRecvError::IpcError(error)) => break Err(error),
            }
        };
        match received {
            Ok(message) => Ok(Some(look(&message))),
            Err(Disconnected) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
