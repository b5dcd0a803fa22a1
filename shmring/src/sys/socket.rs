//! Unix sockets that preserve message boundaries, with descriptors in messages and the credentials
//! of the peer. No call blocks, except [`wait`].

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::time::TimeSpec;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use rustix::net::{accept_with, recvmsg, sendmsg, socket_with};

use super::clock::Deadline;
use crate::sys::OsError;

/// The most descriptors in a message. The kernel closes any more.
pub(crate) const MAX_FILES: usize = 3;

/// The credentials that the peer had at its `connect` or `listen`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// 0 if the peer is in a pid namespace that this process does not see.
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A message, truncated to the buffer, and its files.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) len: usize,
    pub(crate) files: Vec<File>,
    /// Whether the message or its files were truncated.
    pub(crate) is_cut: bool,
}

fn socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}

/// Returns the address of a path.
///
/// # Errors
/// If no socket can have that path, for instance because it is too long.
pub(crate) fn check_path(path: &Path) -> Result<(), Errno> {
    SocketAddrUnix::new(path).map(drop)
}

/// Creates a socket at a path, which must not exist.
pub(crate) fn bind(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = socket()?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Starts to listen, with the longest queue that the system allows.
pub(crate) fn listen(socket: &OwnedFd) -> Result<(), Errno> {
    rustix::net::listen(socket, libc::SOMAXCONN)
}

/// Connects to the process that listens at the path; fails with `AGAIN` if its queue is full.
pub(crate) fn connect(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = socket()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Accepts the next connection, if there is one.
pub(crate) fn accept(listener: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(connection) => Ok(Some(connection)),
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Returns the credentials of the peer.
pub(crate) fn peer(connection: &OwnedFd) -> Result<Peer, OsError> {
    // Not through rustix, which has no pid 0.
    let credentials = getsockopt(connection, PeerCredentials)
        .map_err(|errno| OsError::new("getsockopt(SO_PEERCRED)", "a connection", errno))?;
    let pid = u32::try_from(credentials.pid()).unwrap_or(0);
    Ok(Peer { pid, uid: credentials.uid(), gid: credentials.gid() })
}

/// Sends a message with up to [`MAX_FILES`] descriptors.
pub(crate) fn send(connection: &OwnedFd, bytes: &[u8], files: &[File]) -> Result<(), Errno> {
    let descriptors: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        let fits = control.push(SendAncillaryMessage::ScmRights(&descriptors));
        debug_assert!(fits);
    }
    sendmsg(connection, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// Receives a message. Its length is 0 if the peer closed the connection.
pub(crate) fn receive(connection: &OwnedFd, buffer: &mut [u8]) -> Result<Received, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut buffers = [IoSliceMut::new(buffer)];
    let message = recvmsg(connection, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let files = control
        .drain()
        .filter_map(|part| match part {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .map(File::from)
        .collect();
    let is_cut = message.flags.intersects(ReturnFlags::CTRUNC | ReturnFlags::TRUNC);
    Ok(Received { len: message.bytes, files, is_cut })
}

/// Waits until a message or connection is pending. Returns `false` at the deadline.
pub(crate) fn wait(socket: BorrowedFd<'_>, deadline: Deadline) -> Result<bool, OsError> {
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::POLLIN)];
        match ppoll(&mut fds, deadline.remaining().map(TimeSpec::from), None) {
            Ok(ready) => return Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(OsError::new("poll", "a socket", errno)),
        }
    }
}

/// Returns `true` if the peer closed the connection.
pub(crate) fn has_hung_up(connection: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(connection.as_fd(), PollFlags::empty())];
    let polled = ppoll(&mut fds, Some(TimeSpec::new(0, 0)), None);
    polled.is_ok() && fds[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLHUP))
}
