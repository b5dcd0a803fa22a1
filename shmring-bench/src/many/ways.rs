//! The ways to receive from many channels.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use shmring::readiness::Arm;
use shmring::{Config, Consumer, RecvIntoError, RecvTimeoutError, TryRecvError, WaitMode, WaitSet};

use super::MESSAGE_BYTES;
use super::sender::{Transport, now_ns};
use crate::contender::BoxError;
use crate::name::{Named, unused};

/// Bytes of a ring: of messages as small as here, the smallest is deep enough.
const CAPACITY_BYTES: u64 = 4096;
/// How long a way that looks from ring to ring waits at each.
const TURN: Duration = Duration::from_millis(1);

/// A way to receive.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) transport: Transport,
    /// The way of which it is a multiple.
    pub(super) against: &'static str,
    pub(super) open: fn(usize) -> Result<Channels, BoxError>,
}

pub(super) const WAYS: &[Way] = &[
    fifos_way(FIFOS, |count| fifos(count, EpollTimeout::NONE)),
    rings_way("wait set", FIFOS, |count| rings(count, with_set)),
    fifos_way(FIFOS_SPINNING, |count| fifos(count, EpollTimeout::ZERO)),
    rings_way("wait set, spinning", FIFOS_SPINNING, |count| rings(count, with_spinning_set)),
    rings_way(THREADS, FIFOS, |count| rings(count, with_threads)),
    rings_way("1 ms at each ring", FIFOS, |count| rings(count, in_turn)),
    rings_way("descriptors, epoll", THREADS, |count| rings(count, with_descriptors)),
    #[cfg(feature = "peers")]
    Way {
        name: "iceoryx2, wait set",
        transport: Transport::Services,
        against: FIFOS,
        open: super::services::services,
    },
    #[cfg(feature = "tokio")]
    Way {
        name: SOCKETS,
        transport: Transport::Sockets,
        against: FIFOS,
        open: super::tasks::sockets,
    },
    #[cfg(feature = "tokio")]
    rings_way("tokio", SOCKETS, |count| rings(count, super::tasks::with_tasks)),
    #[cfg(feature = "tokio")]
    rings_way("tokio, I/O driver", SOCKETS, |count| rings(count, super::tasks::with_driven_tasks)),
    #[cfg(feature = "tokio")]
    rings_way("tokio, spinning", SOCKETS, |count| rings(count, super::tasks::with_spinning_tasks)),
];

const FIFOS: &str = "fifos, epoll";
const FIFOS_SPINNING: &str = "fifos, epoll, spinning";
const THREADS: &str = "thread per ring";
#[cfg(feature = "tokio")]
const SOCKETS: &str = "sockets, tokio";

const fn fifos_way(name: &'static str, open: fn(usize) -> Result<Channels, BoxError>) -> Way {
    Way { name, transport: Transport::Fifos, against: name, open }
}

const fn rings_way(
    name: &'static str,
    against: &'static str,
    open: fn(usize) -> Result<Channels, BoxError>,
) -> Way {
    Way { name, transport: Transport::Rings, against, open }
}

/// What is done with each message: the time when it was sent.
pub(super) type OnMessage<'a> = dyn FnMut(u64) + 'a;
type Receive = fn(Vec<Consumer>, &mut OnMessage<'_>) -> Result<u64, BoxError>;

/// The receiving ends of many channels.
pub(super) struct Channels {
    pub(super) addresses: Vec<String>,
    pub(super) ends: Ends,
}

pub(super) enum Ends {
    /// With how long to wait in each look.
    Fifos(Vec<Fifo>, EpollTimeout),
    #[cfg(feature = "peers")]
    Services(super::services::Services),
    #[cfg(feature = "tokio")]
    Sockets(Vec<super::tasks::Socket>),
    Rings(Vec<Named>, Vec<Consumer>, Receive),
}

impl Channels {
    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Receives until all channels have ended; returns how many messages came.
    pub(super) fn receive(self, on_message: &mut OnMessage<'_>) -> Result<u64, BoxError> {
        match self.ends {
            Ends::Fifos(fifos, timeout) => with_epoll(fifos, timeout, on_message),
            #[cfg(feature = "peers")]
            Ends::Services(services) => super::services::with_wait_set(services, on_message),
            #[cfg(feature = "tokio")]
            Ends::Sockets(sockets) => super::tasks::with_sockets(sockets, on_message),
            Ends::Rings(_names, consumers, receive) => receive(consumers, on_message),
        }
    }
}

fn rings(count: usize, receive: Receive) -> Result<Channels, BoxError> {
    let config = Config::spsc().capacity_bytes(CAPACITY_BYTES);
    let named = (0..count).map(|_| Named::create("shmring-bench-many", &config));
    let named = named.collect::<Result<Vec<_>, _>>()?;
    let consumers = named.iter().map(|named| named.segment.consumer());
    let consumers = consumers.collect::<Result<Vec<_>, _>>()?;
    let addresses = named.iter().map(|named| named.name.clone()).collect();
    Ok(Channels { addresses, ends: Ends::Rings(named, consumers, receive) })
}

fn with_set(consumers: Vec<Consumer>, on_message: &mut OnMessage<'_>) -> Result<u64, BoxError> {
    serve(WaitSet::new(), consumers, on_message)
}

fn with_spinning_set(
    consumers: Vec<Consumer>,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    let mut set = WaitSet::new();
    set.set_wait_mode(WaitMode::Spin);
    serve(set, consumers, on_message)
}

fn serve(
    mut set: WaitSet,
    mut consumers: Vec<Consumer>,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    let keys: Vec<_> = consumers.iter().map(|consumer| set.add(consumer)).collect();
    let (mut received, mut open) = (0, keys.len());
    while open > 0 {
        let ready: Vec<_> = set.wait(None)?.collect();
        for key in ready {
            let index = keys.iter().position(|&known| known == key).ok_or("an unknown key")?;
            match drain(&mut consumers[index], &mut received, on_message)? {
                End::Open => {}
                End::Over => {
                    set.remove(key);
                    open -= 1;
                }
            }
        }
    }
    Ok(received)
}

fn with_threads(consumers: Vec<Consumer>, on_message: &mut OnMessage<'_>) -> Result<u64, BoxError> {
    // Only noted in between: another thread that is woken for each message would count too.
    let serve = |mut consumer: Consumer| {
        consumer.set_wait_mode(WaitMode::Block);
        let (mut message, mut late_ns) = ([0; MESSAGE_BYTES], Vec::new());
        while consumer.recv_into(&mut message).is_ok() {
            late_ns.push(now_ns().saturating_sub(u64::from_ne_bytes(message)));
        }
        late_ns
    };
    let late_ns = thread::scope(|scope| {
        let serve = consumers.into_iter().map(|consumer| scope.spawn(move || serve(consumer)));
        let threads: Vec<_> = serve.collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Result<Vec<_>, _>>()
    });
    let late_ns = late_ns.map_err(|_| "a thread panicked")?.concat();
    late_ns.iter().for_each(|late_ns| on_message(now_ns().saturating_sub(*late_ns)));
    Ok(late_ns.len() as u64)
}

fn in_turn(mut consumers: Vec<Consumer>, on_message: &mut OnMessage<'_>) -> Result<u64, BoxError> {
    let mut received = 0;
    for consumer in &mut consumers {
        consumer.set_wait_mode(WaitMode::Block);
    }
    while !consumers.is_empty() {
        let mut index = 0;
        while index < consumers.len() {
            let consumer = &mut consumers[index];
            match consumer.wait_readable(TURN) {
                Ok(()) | Err(RecvTimeoutError::TimedOut | RecvTimeoutError::Eof) => {}
                Err(error) => return Err(error.into()),
            }
            match drain(consumer, &mut received, on_message)? {
                End::Open => index += 1,
                End::Over => drop(consumers.remove(index)),
            }
        }
    }
    Ok(received)
}

fn with_descriptors(
    mut consumers: Vec<Consumer>,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    let all = consumers.iter().map(|consumer| consumer.readiness());
    let all = all.collect::<Result<Vec<_>, _>>()?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (index, readiness) in all.iter().enumerate() {
        epoll.add(readiness, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
    }
    let (mut received, mut open) = (0, consumers.len());
    let mut events = vec![EpollEvent::empty(); open.max(1)];
    let mut due: Vec<_> = (0..open).collect();
    loop {
        for index in due {
            let end = loop {
                match drain(&mut consumers[index], &mut received, on_message)? {
                    End::Open if all[index].arm()? == Arm::Ready => {}
                    end => break end,
                }
            };
            if matches!(end, End::Over) {
                open -= 1;
                epoll.delete(&all[index])?;
            }
        }
        if open == 0 {
            return Ok(received);
        }
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => 0,
            ready => ready?,
        };
        due = events[..ready].iter().map(|event| event.data() as usize).collect();
    }
}

/// What a channel is after it was drained.
enum End {
    Open,
    Over,
}

fn drain(
    consumer: &mut Consumer,
    received: &mut u64,
    on_message: &mut OnMessage<'_>,
) -> Result<End, BoxError> {
    let mut message = [0; MESSAGE_BYTES];
    loop {
        match consumer.try_recv_into(&mut message) {
            Ok(_) => {
                *received += 1;
                on_message(u64::from_ne_bytes(message));
            }
            Err(RecvIntoError::Recv(TryRecvError::Empty | TryRecvError::WouldBlock)) => {
                return Ok(End::Open);
            }
            Err(RecvIntoError::Recv(TryRecvError::Eof)) => return Ok(End::Over),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A named pipe that is removed when this is dropped.
pub(super) struct Fifo {
    path: PathBuf,
    file: File,
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // It can only be gone already, which is what is wanted.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn fifos(count: usize, timeout: EpollTimeout) -> Result<Channels, BoxError> {
    let fifo = |_| {
        let path = std::env::temp_dir().join(unused("shmring-bench-many"));
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path)?;
        Ok::<_, BoxError>(Fifo { path, file })
    };
    let fifos = (0..count).map(fifo).collect::<Result<Vec<_>, _>>()?;
    let address = |fifo: &Fifo| fifo.path.to_str().map(str::to_owned);
    let addresses = fifos.iter().map(address).collect::<Option<_>>();
    let addresses = addresses.ok_or("the temporary directory has no plain name")?;
    Ok(Channels { addresses, ends: Ends::Fifos(fifos, timeout) })
}

fn with_epoll(
    mut fifos: Vec<Fifo>,
    timeout: EpollTimeout,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (index, fifo) in fifos.iter().enumerate() {
        epoll.add(&fifo.file, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
    }
    let (mut received, mut open) = (0, fifos.len());
    let mut events = vec![EpollEvent::empty(); open.max(1)];
    while open > 0 {
        let ready = match epoll.wait(&mut events, timeout) {
            Err(nix::errno::Errno::EINTR) => continue,
            ready => ready?,
        };
        for event in &events[..ready] {
            let fifo = &mut fifos[event.data() as usize];
            let mut message = [0; MESSAGE_BYTES];
            loop {
                match fifo.file.read(&mut message) {
                    Ok(0) => {
                        epoll.delete(&fifo.file)?;
                        open -= 1;
                        break;
                    }
                    Ok(_) => {
                        received += 1;
                        on_message(u64::from_ne_bytes(message));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(received)
}
