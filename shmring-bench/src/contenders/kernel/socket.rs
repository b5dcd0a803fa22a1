//! Sockets that carry a stream of bytes.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net;

use nix::sys::socket::{getsockopt, setsockopt, sockopt};

use super::frames::{FrameReceiver, FrameSender, PREFIX_BYTES};
use crate::contender::{BoxError, Contender, Group, Nature, Place, Prepared, Setting};
use crate::name::unused;

/// A socket with a name, connected to.
#[derive(Debug)]
pub struct UnixStream;
/// Two sockets that were made together.
#[derive(Debug)]
pub struct SocketPair;
/// TCP through the loopback device, without delay.
#[derive(Debug)]
pub struct Tcp;

/// Asks for the setting's room; what the socket has then.
pub(super) fn resize(socket: &impl AsFd, setting: &Setting) -> Result<u64, BoxError> {
    let wanted = setting.room_bytes(PREFIX_BYTES + setting.message_bytes);
    let wanted = usize::try_from(wanted)?;
    // The kernel doubles it for its own use, and takes no more than net.core.wmem_max allows. A
    // socket's first size is left to it if that is larger.
    if getsockopt(socket, sockopt::SndBuf)? < wanted {
        setsockopt(socket, sockopt::SndBuf, &wanted)?;
        setsockopt(socket, sockopt::RcvBuf, &wanted)?;
    }
    Ok(getsockopt(socket, sockopt::SndBuf)? as u64)
}

macro_rules! stream {
    ($type:ident, $name:literal, $about:literal, $connect:ident) => {
        impl Contender for $type {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const NATURE: Nature = Nature::stream(Group::Kernel);
            type Sender = FrameSender;
            type Receiver = FrameReceiver;

            fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
                let (sender, receiver) = $connect(setting)?;
                let capacity_bytes = resize(&sender, setting)?;
                resize(&receiver, setting)?;
                Ok(Prepared::of_fds(vec![sender], vec![receiver], capacity_bytes))
            }

            fn open_sender(place: Place) -> Result<FrameSender, BoxError> {
                let setting = place.setting.clone();
                FrameSender::over(place.only_fd()?, &setting)
            }

            fn open_receiver(place: Place) -> Result<FrameReceiver, BoxError> {
                let setting = place.setting.clone();
                FrameReceiver::over(place.only_fd()?, &setting)
            }
        }
    };
}

stream!(UnixStream, "unix stream", "Unix stream socket, length-prefixed", connect_unix);
stream!(SocketPair, "socketpair", "pair of Unix stream sockets, length-prefixed", pair);
stream!(Tcp, "tcp loopback", "TCP to 127.0.0.1 with TCP_NODELAY, length-prefixed", connect_tcp);

fn connect_unix(setting: &Setting) -> Result<(OwnedFd, OwnedFd), BoxError> {
    let path = std::env::temp_dir().join(unused(&setting.name_prefix));
    let listener = net::UnixListener::bind(&path);
    let listener = listener.map_err(|error| format!("bind {}: {error}", path.display()))?;
    let connected = net::UnixStream::connect(&path);
    fs::remove_file(&path)?;
    let (accepted, _) = listener.accept()?;
    Ok((connected?.into(), accepted.into()))
}

fn pair(_setting: &Setting) -> Result<(OwnedFd, OwnedFd), BoxError> {
    let (one, other) = net::UnixStream::pair()?;
    Ok((one.into(), other.into()))
}

fn connect_tcp(_setting: &Setting) -> Result<(OwnedFd, OwnedFd), BoxError> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let connected = TcpStream::connect(listener.local_addr()?)?;
    let (accepted, _) = listener.accept()?;
    for socket in [&connected, &accepted] {
        socket.set_nodelay(true)?;
    }
    Ok((connected.into(), accepted.into()))
}
