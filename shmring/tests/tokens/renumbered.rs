//! Descriptors of the library that the program closed and whose numbers mean other files.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use shmring::{Config, JoinError, Segment};

use crate::common::child::{self, pause, say};
use crate::common::{Name, eventually, watchdog};
use crate::scene::{Scene, close_all, descriptors, is_open};

fn both(path: impl AsRef<std::path::Path>) -> OwnedFd {
    OpenOptions::new().read(true).write(true).open(path).unwrap().into()
}

/// In a child: lets the number of each of the library's descriptors mean one file after
/// the other. The second argument is a segment that no process is attached to: all its tokens
/// are free.
pub(crate) fn renumber(args: &[String]) {
    let before = descriptors();
    let segment = Segment::attach(&args[0]).unwrap();
    let mut tx = segment.producer().unwrap();
    let own: Vec<i32> = descriptors().into_iter().filter(|fd| !before.contains(fd)).collect();
    assert!(!own.is_empty());
    let (socket, _peer) = UnixStream::pair().unwrap();
    let files = [
        both("/dev/null"),
        both(Name::of(args[1].clone()).path()),
        File::open("/dev/shm").unwrap().into(),
        socket.into(),
        File::open("/proc/self/status").unwrap().into(),
        both(Name::of(args[1].clone()).path()),
    ];
    for file in &files {
        for &number in &own {
            // SAFETY: the number stays open; the library finds out that it is not its own.
            assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
        }
        let status = segment.status().unwrap();
        assert!(status.attached.len() == 2 && status.attached.iter().all(|other| other.alive));
        let taken = segment.consumer();
        assert!(
            matches!(&taken, Err(JoinError::RoleTaken { holder: Some(holder), .. })
                if holder.alive),
            "{taken:?}"
        );
        tx.send(b"works").unwrap();
    }
    drop((tx, segment));
    assert!(own.iter().all(|&number| is_open(number)), "closed what is not its own");
    say(files.len());
}

/// Catches a living process that is taken for dead because another segment's tokens are
/// looked at, and a descriptor of the program's that the library closes.
#[test]
fn a_reused_number_does_not_count_as_death() {
    let _watchdog = watchdog("a_reused_number_does_not_count_as_death");
    let mut scene = Scene::new();
    let empty = Name::new();
    drop(empty.create(&Config::spsc().capacity_bytes(4096)));
    let said = child::start("renumber", &[&scene.name, &empty]).finish();
    let files: usize = said[0].parse().unwrap();
    for _ in 0..files {
        assert_eq!(scene.rx.recv().unwrap(), b"works");
    }
}

/// In a child: attaches once more, after which the number of the first attach's descriptor
/// is the second's.
pub(crate) fn attach_again(args: &[String]) {
    close_all();
    let first = Segment::attach(&args[0]).unwrap();
    let old = descriptors();
    close_all();
    let second = Segment::attach(&args[0]).unwrap();
    assert_eq!(descriptors(), old, "the numbers differ, so the test says nothing");
    drop(first);
    assert_eq!(descriptors(), old, "closed what is another's");
    assert!(matches!(second.producer(), Err(JoinError::RoleTaken { .. })));
    say("attached");
    pause();
    eventually("the holder is found dead", || second.producer().ok());
    say("found dead");
}

/// Catches an attach that closes the descriptor of another one of the same segment, which
/// then sees no death.
#[test]
fn a_number_that_means_another_attach_stays_its_own() {
    let _watchdog = watchdog("a_number_that_means_another_attach_stays_its_own");
    let mut scene = Scene::new();
    let mut holder = child::start("hold", &[&scene.name]);
    let pid: i32 = holder.hear().parse().unwrap();
    let mut child = child::start("attach-again", &[&scene.name]);
    assert_eq!(child.hear(), "attached");
    scene.assert_alive(pid, &mut holder);
    holder.kill();
    child.go();
    assert_eq!(child.hear(), "found dead");
}
