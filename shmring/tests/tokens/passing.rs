//! Descriptors that are passed to another process.

use std::io::Read;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use shmring::Segment;

use crate::common::child::{self, say};
use crate::common::watchdog;
use crate::scene::{Scene, descriptors, hold, serve};

/// Descriptors in one message, at most.
const MOST: usize = 8;
const NUMBER_BYTES: u32 = size_of::<i32>() as u32;

fn address(args: &[String]) -> SocketAddr {
    SocketAddr::from_abstract_name(&args[0]).unwrap()
}

/// Calls `act` with a message of one byte of data and room for [`MOST`] descriptors.
fn with_message<R>(act: impl FnOnce(&mut libc::msghdr) -> R) -> R {
    let mut byte = [0_u8; 1];
    let mut data = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // Words, so that it is aligned.
    let mut room = [0_u64; 16];
    // SAFETY: a message of zeros is an empty one.
    let mut message: libc::msghdr = unsafe { zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut data, 1);
    message.msg_control = room.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&room);
    act(&mut message)
}

fn send(stream: &UnixStream, numbers: &[i32]) {
    assert!(numbers.len() <= MOST);
    with_message(|message| {
        let bytes = numbers.len() as u32 * NUMBER_BYTES;
        // SAFETY: there is room for so many descriptors behind the header, and the message
        // points to what lives until it was sent.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(bytes) as usize;
            let header = libc::CMSG_FIRSTHDR(message);
            ((*header).cmsg_level, (*header).cmsg_type) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
            (*header).cmsg_len = libc::CMSG_LEN(bytes) as usize;
            let place = libc::CMSG_DATA(header).cast::<i32>();
            place.copy_from_nonoverlapping(numbers.as_ptr(), numbers.len());
            assert_eq!(libc::sendmsg(stream.as_raw_fd(), message, 0), 1);
        }
    });
}

fn receive(stream: &UnixStream) -> Vec<OwnedFd> {
    with_message(|message| {
        // SAFETY: the kernel fills the message, and says how many descriptors it has.
        unsafe {
            assert_eq!(libc::recvmsg(stream.as_raw_fd(), message, 0), 1);
            let header = libc::CMSG_FIRSTHDR(message);
            let len = ((*header).cmsg_len - libc::CMSG_LEN(0) as usize) / NUMBER_BYTES as usize;
            let numbers = libc::CMSG_DATA(header).cast::<i32>();
            (0..len).map(|index| OwnedFd::from_raw_fd(numbers.add(index).read())).collect()
        }
    })
}

/// In a child: attaches, passes all descriptors to the listening process, and serves.
pub(crate) fn pass(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let tx = segment.producer().unwrap();
    let numbers = descriptors();
    assert!(!numbers.is_empty());
    let stream = UnixStream::connect_addr(&address(args)).unwrap();
    send(&stream, &numbers);
    // The other says when it has them.
    assert_eq!((&stream).read(&mut [0; 1]).unwrap(), 0);
    say("passed");
    serve(tx);
}

/// In a child: gets descriptors of another process and keeps them, and attaches itself
/// when it is told to.
pub(crate) fn get(args: &[String]) {
    let listener = UnixListener::bind_addr(&address(args)).unwrap();
    say("listens");
    let (stream, _) = listener.accept().unwrap();
    let kept = receive(&stream);
    assert!(!kept.is_empty());
    drop(stream);
    child::pause();
    hold(args);
}

/// Catches a token that goes with a descriptor: a process would stay alive in another one
/// that it passed its descriptors to, or live and die with it.
#[test]
fn passed_descriptors_keep_no_attachment_alive() {
    let _watchdog = watchdog("passed_descriptors_keep_no_attachment_alive");
    let mut scene = Scene::new();
    let mut getter = child::start("get", &[&scene.name]);
    assert_eq!(getter.hear(), "listens");
    let mut passer = child::start("pass", &[&scene.name]);
    let pid = passer.pid();
    assert_eq!(passer.hear(), "passed");
    scene.assert_alive(pid, &mut passer);
    passer.kill();
    scene.assert_found_dead(pid);

    // The receiving process attaches like any other.
    let pid = getter.pid();
    getter.go();
    assert_eq!(getter.hear(), pid.to_string());
    scene.assert_alive(pid, &mut getter);
    getter.kill();
    scene.assert_found_dead(pid);
}
