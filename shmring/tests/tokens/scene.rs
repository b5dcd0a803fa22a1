//! What these tests share: a process that has the producer of a ring, a test that has the
//! consumer and sees what becomes of it, and orphans.

use std::fs;
use std::process::Command;

use shmring::{
    AttachOptions, Config, Consumer, JoinError, Participant, Producer, RecvTimeoutError, Segment,
    TryRecvError,
};

use crate::common::child::{Part, pause, say};
use crate::common::{LONG, Name, eventually};

/// Descriptors from here on are not the standard streams.
const FIRST: i32 = 3;

/// A record ring whose consumer the test has.
pub(crate) struct Scene {
    pub(crate) name: Name,
    pub(crate) segment: Segment,
    pub(crate) rx: Consumer,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::of(Name::new())
    }

    pub(crate) fn of(name: Name) -> Self {
        let segment = name.create(&Config::spsc().capacity_bytes(4096));
        let rx = segment.consumer().unwrap();
        Self { name, segment, rx }
    }

    /// The attaches that are listed with that pid.
    pub(crate) fn listed(&self, pid: i32) -> Vec<Participant> {
        let attached = self.segment.status().unwrap().attached;
        attached.into_iter().filter(|participant| participant.pid as i32 == pid).collect()
    }

    /// The process of that pid has the producer, as everybody sees.
    pub(crate) fn assert_held(&mut self, pid: i32) {
        let listed = self.listed(pid);
        assert!(listed.len() == 1 && listed[0].alive, "{listed:?}");
        let holder = self.segment.status().unwrap().ring().producers.clone();
        assert!(holder.len() == 1 && holder[0] == listed[0], "{holder:?}");
        let refused = self.segment.producer().unwrap_err();
        assert!(
            matches!(&refused, JoinError::RoleTaken { holder: Some(holder), .. }
                if *holder == listed[0]),
            "{refused:?}"
        );
        assert_eq!(self.rx.try_recv(), Err(TryRecvError::Empty));
    }

    /// As [`assert_held`](Self::assert_held), and the producer still sends.
    pub(crate) fn assert_alive(&mut self, pid: i32, child: &mut Part) {
        self.assert_held(pid);
        child.go();
        assert_eq!(child.hear(), "sent");
        assert_eq!(self.rx.recv_timeout(LONG).unwrap(), b"works");
    }

    /// The process is found dead, by looking, by receiving and by claiming its role.
    pub(crate) fn assert_found_dead(&mut self, pid: i32) {
        eventually("it is listed as dead", || {
            self.listed(pid).iter().all(|participant| !participant.alive).then_some(())
        });
        assert_eq!(self.rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
        let mut tx = self.segment.producer().unwrap();
        tx.send(b"from the successor").unwrap();
        assert_eq!(self.rx.recv_timeout(LONG).unwrap(), b"from the successor");
        assert!(self.listed(pid).is_empty());
    }
}

/// In a child: sends on request, and ends without detaching.
pub(crate) fn serve(mut tx: Producer) -> ! {
    loop {
        pause();
        tx.send(b"works").unwrap();
        say("sent");
    }
}

/// In a child: attaches, takes the producer, and serves.
pub(crate) fn hold(args: &[String]) {
    let segment = AttachOptions::new().accept_world_writable(true).attach(&args[0]).unwrap();
    let tx = segment.producer().unwrap();
    say(std::process::id());
    serve(tx);
}

/// The numbers of all open descriptors but the standard streams.
pub(crate) fn descriptors() -> Vec<i32> {
    let numbers = fs::read_dir("/proc/self/fd").unwrap();
    let numbers = numbers.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let numbers: Vec<i32> = numbers.map(|number| number.parse().unwrap()).collect();
    // Without the directory that was read, which is closed by now.
    numbers.into_iter().filter(|&number| number >= FIRST && is_open(number)).collect()
}

pub(crate) fn is_open(number: i32) -> bool {
    // SAFETY: asks for flags; a number that is not open is an error.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Closes all descriptors but the standard streams.
pub(crate) fn close_all() {
    for number in descriptors() {
        // SAFETY: this process is a test's child, and owns no descriptor that it needs.
        unsafe { libc::close(number) };
    }
}

/// How long a sleeper lives unless it is killed: as long as the watchdog waits, since a test that
/// shares its CPUs may take longer than half a minute.
const SLEEP_S: u32 = 300;

/// Forks a child that sleeps until it is killed, or for [`SLEEP_S`].
pub(crate) fn fork_sleeper() -> i32 {
    // SAFETY: the child calls nothing but these two, which may be called there.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::sleep(SLEEP_S);
            libc::_exit(0);
        }
        pid
    }
}

/// Starts a program that sleeps until it is killed, or for [`SLEEP_S`].
#[allow(clippy::zombie_processes, reason = "it outlives this process")]
pub(crate) fn start_sleeper() -> i32 {
    Command::new("sleep").arg(SLEEP_S.to_string()).spawn().unwrap().id() as i32
}

/// Whether the process runs, sleeps or is stopped.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Processes that outlive their parent; killed when this is dropped.
pub(crate) struct Orphans(Vec<i32>);

impl Orphans {
    /// Those whose pids a child says.
    pub(crate) fn heard_of(child: &mut Part) -> Self {
        Self::of(&child.hear())
    }

    pub(crate) fn of(said: &str) -> Self {
        Self(said.split(' ').map(|pid| pid.parse().unwrap()).collect())
    }

    pub(crate) fn say(pids: &[i32]) {
        say(pids.iter().map(i32::to_string).collect::<Vec<_>>().join(" "));
    }

    pub(crate) fn assert_alive(&self) {
        assert!(self.0.iter().all(|&pid| lives(pid)), "some ended, so the test says nothing");
    }

    pub(crate) fn first(&self) -> i32 {
        self.0[0]
    }
}

impl Drop for Orphans {
    fn drop(&mut self) {
        for &pid in &self.0 {
            if lives(pid) {
                // SAFETY: it was alive a moment ago, and no other process ends it.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
    }
}
