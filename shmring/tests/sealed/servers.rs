//! Servers that mean harm, or are none.

use std::fs::{self, File};
use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::thread;

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, listen, sendmsg, socket_with,
};
use shmring::{AttachError, AttachOptions, Observer, ReceiveError, Segment};

use crate::common::{Name, SHORT, watchdog};
use crate::support::{Socket, file_of, sealed, smallest};

const READ_WRITE: u32 = 1;
const READ_ONLY: u32 = 2;

fn greeting(version: u32, verdict: u32) -> Vec<u8> {
    let mut bytes = b"shmring\n".to_vec();
    for field in [version, verdict, 0, 0] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(b"harm");
    bytes
}

/// Answers one client with these bytes and files; what the client makes of it.
fn answer<T: Send>(bytes: &[u8], files: &[OwnedFd], client: impl FnOnce(&Socket) -> T + Send) -> T {
    let path = Socket::new();
    let listener =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .unwrap();
    bind(&listener, &SocketAddrUnix::new(path.as_ref()).unwrap()).unwrap();
    listen(&listener, 1).unwrap();
    thread::scope(|scope| {
        let result = scope.spawn(|| client(&path));
        let connection = accept_with(&listener, SocketFlags::CLOEXEC).unwrap();
        if !bytes.is_empty() {
            let files: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(files.is_empty() || control.push(SendAncillaryMessage::ScmRights(&files)));
            sendmsg(&connection, &[IoSlice::new(bytes)], &mut control, SendFlags::empty()).unwrap();
        }
        drop(connection);
        result.join().unwrap()
    })
}

fn refused(bytes: &[u8], files: &[OwnedFd]) -> ReceiveError {
    answer(bytes, files, |path| Segment::receive(path)).unwrap_err()
}

fn files(segment: &Segment, count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| segment.share().unwrap()).collect()
}

/// Catches a greeting that is taken for one that it is not.
#[test]
fn a_message_that_is_no_handshake_is_refused() {
    let _watchdog = watchdog("a_message_that_is_no_handshake_is_refused");
    let segment = sealed();
    let sound = greeting(1, READ_WRITE);
    answer(&sound, &files(&segment, 3), |path| Segment::receive(path)).unwrap();
    let error = refused(b"", &[]);
    assert!(matches!(error, ReceiveError::NoServer { .. }), "{error:?}");
    let mut foreign = sound.clone();
    foreign[0] = b'S';
    for (bytes, what) in [
        (&b"x"[..], "short"),
        (&sound[..23], "short"),
        (&foreign, "not one of shmring"),
        (&greeting(2, READ_WRITE), "version"),
        (&greeting(1, 0), "verdict"),
        (&greeting(1, 99), "verdict"),
        (&[sound.clone(), vec![0xff]].concat(), "not text"),
        (&[sound.clone(), vec![b'x'; 4096]].concat(), "too long"),
    ] {
        let error = refused(bytes, &files(&segment, 3));
        assert!(
            matches!(&error, ReceiveError::Protocol { what: w, .. } if w.contains(what)),
            "{what}: {error:?}"
        );
    }
    // A label that is no name is only a label.
    let odd = [sound.clone(), b"/../x\n".to_vec()].concat();
    let received = answer(&odd, &files(&segment, 3), |path| Segment::receive(path)).unwrap();
    assert_eq!(received.info().name, "memfd");
}

/// Catches files that are mapped without a look at each, that are kept although no option requires
/// it for them, or that are used for more than they are for.
#[test]
fn files_match_the_handshake_or_are_refused() {
    let _watchdog = watchdog("files_match_the_handshake_or_are_refused");
    let (segment, other, name) = (sealed(), sealed(), Name::new());
    let _named = name.create(&smallest());
    let unsealed =
        || OwnedFd::from(File::options().read(true).write(true).open(name.path()).unwrap());
    let sound = greeting(1, READ_WRITE);
    for count in [0, 1, 2, 4, 9] {
        let error = refused(&sound, &files(&segment, count));
        assert!(matches!(error, ReceiveError::Protocol { .. }), "{count}: {error:?}");
    }
    for at in 0..3 {
        let mut mixed = files(&segment, 3);
        mixed[at] = other.share().unwrap();
        let error = refused(&sound, &mixed);
        assert!(matches!(error, ReceiveError::Protocol { .. }), "{at}: {error:?}");
        mixed[at] = segment.share_read_only().unwrap();
        let error = refused(&sound, &mixed);
        assert!(matches!(error, ReceiveError::Protocol { .. }), "{at}: {error:?}");
        mixed[at] = unsealed();
        let error = refused(&sound, &mixed);
        assert!(
            matches!(error, ReceiveError::Attach(AttachError::NotSealed { .. })),
            "{at}: {error:?}"
        );
    }
    let unsealed = [unsealed()];
    let observe = |path: &Socket| Observer::receive(path);
    let error = answer(&greeting(1, READ_ONLY), &unsealed, observe).unwrap_err();
    assert!(matches!(error, ReceiveError::Attach(AttachError::NotSealed { .. })), "{error:?}");
    let reading = [segment.share_read_only().unwrap()];
    answer(&greeting(1, READ_ONLY), &reading, observe).unwrap();
    let error = refused(&greeting(1, READ_ONLY), &reading);
    assert!(matches!(error, ReceiveError::ReadOnly { .. }), "{error:?}");
}

/// Catches descriptors that stay open though what came with them was refused.
#[test]
fn a_refused_descriptor_is_closed() {
    let label = format!("closed-{}", std::process::id());
    let segment = Segment::create_sealed(&label, &smallest()).unwrap();
    let open = || {
        let link = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
        let links = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| link(entry.unwrap()));
        links.filter(|link| link.to_string_lossy().contains(&label)).count()
    };
    let before = open();
    for (bytes, count) in [(greeting(1, READ_WRITE), 9), (greeting(1, READ_ONLY), 3)] {
        refused(&bytes, &files(&segment, count));
    }
    refused(b"x", &files(&segment, 3));
    let mut cut = file_of(&segment);
    // Not a header any more.
    cut.write_all(&[0; 4096]).unwrap();
    drop(cut);
    let error = refused(&greeting(1, READ_WRITE), &files(&segment, 3));
    assert!(matches!(error, ReceiveError::Attach(AttachError::NotASegment { .. })), "{error:?}");
    assert_eq!(open(), before);
}

/// Catches a wait for what is no server.
#[test]
fn other_sockets_and_files_are_no_servers() {
    let _watchdog = watchdog("other_sockets_and_files_are_no_servers");
    let stream = Socket::new();
    let _listener = UnixListener::bind(&stream).unwrap();
    let error = Segment::receive(&stream).unwrap_err();
    assert!(matches!(error, ReceiveError::Protocol { .. }), "{error:?}");
    let file = Socket::new();
    fs::write(&file, "no socket").unwrap();
    let error = Segment::receive(&file).unwrap_err();
    assert!(matches!(error, ReceiveError::NoServer { .. }), "{error:?}");
    let error = AttachOptions::new().timeout(SHORT).receive(&file).unwrap_err();
    assert!(matches!(error, ReceiveError::TimedOut { .. }), "{error:?}");
}
