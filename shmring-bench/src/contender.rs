//! What a mechanism must offer to be measured.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

/// Any error of a contender.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A mechanism that moves messages, in order and without loss, from one process to another.
///
/// The parent calls [`prepare`](Self::prepare); each worker opens an end. The loops around
/// [`Sender`] and [`Receiver`] are compiled for each contender, so that no call through a pointer
/// stands between a mechanism and its measurement.
pub trait Contender {
    /// The name in reports. A mechanism that is compiled for a length of messages may be several
    /// contenders of one name, if no length suits two of them.
    const NAME: &'static str;
    /// One line: what it is, and how it is used here.
    const ABOUT: &'static str;
    /// What it is, and what it can do.
    const NATURE: Nature;
    /// The sending end.
    type Sender: Sender;
    /// The receiving end.
    type Receiver: Receiver;

    /// Why this machine cannot run it in this setting, and what would help; reports list it as
    /// skipped. What [`NATURE`](Self::NATURE) excludes does not come here.
    fn obstacle(_setting: &Setting) -> Option<String> {
        None
    }
    /// Makes in the parent whatever the ends share. What the machine refuses is [`Unavailable`].
    fn prepare(setting: &Setting) -> Result<Prepared, BoxError>;
    /// Opens a sending end, in a producer's process.
    fn open_sender(place: Place) -> Result<Self::Sender, BoxError>;
    /// Opens a receiving end, in a consumer's process.
    fn open_receiver(place: Place) -> Result<Self::Receiver, BoxError>;
}

/// A mechanism that moves messages between the threads of one process. It is measured by the same
/// loops as a [`Contender`], in a process of its own with a pinned thread for each end.
pub trait InProcess {
    /// The name in reports.
    const NAME: &'static str;
    /// One line: what it is, and how it is used here.
    const ABOUT: &'static str;
    /// What it is, and what it can do.
    const NATURE: Nature;
    /// The sending end.
    type Sender: Sender + Send;
    /// The receiving end.
    type Receiver: Receiver + Send;

    /// Makes the setting's number of each end.
    fn ends(setting: &Setting) -> Result<Ends<Self::Sender, Self::Receiver>, BoxError>;
}

/// All sending and all receiving ends of an [`InProcess`] mechanism.
pub type Ends<S, R> = (Vec<S>, Vec<R>);

/// The end of a mechanism that sends. It waits in the setting's way.
pub trait Sender {
    /// Sends one message, waiting for room if there is none.
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError>;

    /// Sends several of one length. A mechanism that can publish them at once does.
    #[inline(always)]
    fn send_batch<const LEN: usize>(&mut self, messages: &[[u8; LEN]]) -> Result<(), BoxError> {
        messages.iter().try_for_each(|message| self.send(message))
    }

    /// Sends a message of `len` bytes that `fill` writes where the receiver will read it. Only of
    /// those whose [`Nature::in_place`] says so.
    fn send_in_place(
        &mut self,
        _len: usize,
        _fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), BoxError> {
        Err("it cannot be written in place".into())
    }

    /// Ends the stream: the receivers get what was sent and then its end.
    fn finish(self) -> Result<(), BoxError>;
}

/// The end of a mechanism that receives. It waits in the setting's way.
pub trait Receiver {
    /// Waits for the next message and shows it to `look`, wherever it lies; `None` at the end of
    /// the stream. A mechanism that can show a message in place need not copy it.
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError>;

    /// Waits for the next message and copies it to the caller's buffer, which is large enough; its
    /// length, or `None` at the end of the stream.
    #[inline(always)]
    fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BoxError> {
        self.recv(|message| {
            buffer[..message.len()].copy_from_slice(message);
            message.len()
        })
    }

    /// Waits for messages of one length and copies as many as are there and fit; how many, none at
    /// the end of the stream.
    #[inline(always)]
    fn recv_batch<const LEN: usize>(
        &mut self,
        messages: &mut [[u8; LEN]],
    ) -> Result<usize, BoxError> {
        let Some(first) = messages.first_mut() else { return Ok(0) };
        match self.recv_into(first)? {
            Some(len) if len == LEN => Ok(1),
            Some(len) => Err(format!("a message of {len} bytes came, not of {LEN}").into()),
            None => Ok(0),
        }
    }
}

/// What a mechanism is, and what it can do.
#[derive(Clone, Copy, Debug)]
pub struct Nature {
    /// Where reports list it.
    pub group: Group,
    /// Whether several producers may share it.
    pub many_producers: bool,
    /// Whether several consumers may compete for its messages.
    pub many_consumers: bool,
    /// The ways of waiting that it has.
    pub waits: &'static [Wait],
    /// The messages that it takes.
    pub sizes: Sizes,
    /// Whether it queues messages. One that does not can only be sent to and fro.
    pub queues: bool,
    /// Whether messages can be written and read where they lie.
    pub in_place: bool,
    /// Whether it needs messages whose first words count from zero, as a limit may.
    pub numbered: bool,
    /// Whether it is another one with a setting changed: for users who want to compare that as
    /// well.
    pub variant: bool,
    /// Whether it is another one while somebody looks on, or the twin of such a one that nobody
    /// looks at: for tables of their own.
    pub watched: bool,
}

/// All ways of waiting.
pub const ALL_WAITS: &[Wait] = &[Wait::Spin, Wait::Adaptive, Wait::Block];

impl Nature {
    /// One producer, one consumer, any message, any way of waiting, always copied.
    pub const fn stream(group: Group) -> Nature {
        Nature {
            group,
            many_producers: false,
            many_consumers: false,
            waits: ALL_WAITS,
            sizes: Sizes::Any,
            queues: true,
            in_place: false,
            numbered: false,
            variant: false,
            watched: false,
        }
    }
}

/// What kind of mechanism it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The least that memory and a cache line allow: no check, no wake-up, no death survived.
    Limit,
    /// A simple ring of the usual shape, which no death may hit.
    Plain,
    /// A ring of shmring.
    Ring,
    /// A mechanism of the kernel.
    Kernel,
    /// Another project's, across processes.
    Peer,
    /// Another project's, between threads.
    Threads,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Group::Limit => "limit",
            Group::Plain => "plain",
            Group::Ring => "shmring",
            Group::Kernel => "kernel",
            Group::Peer => "peer",
            Group::Threads => "threads",
        })
    }
}

/// Lengths of messages that a mechanism takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub enum Sizes {
    /// All.
    Any,
    /// Only this one.
    Only(usize),
    /// Multiples of this.
    MultiplesOf(usize),
    /// No longer than this.
    AtMost(usize),
    /// All but these.
    NoneOf(&'static [usize]),
}

impl Sizes {
    /// Whether messages of `len` bytes are among them.
    pub fn contain(self, len: usize) -> bool {
        match self {
            Sizes::Any => true,
            Sizes::Only(only) => len == only,
            Sizes::MultiplesOf(unit) => len > 0 && len.is_multiple_of(unit),
            Sizes::AtMost(most) => len <= most,
            Sizes::NoneOf(others) => !others.contains(&len),
        }
    }
}

/// How an end waits for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Looks again and again, and never sleeps. A kernel mechanism is asked without blocking.
    Spin,
    /// Looks for some tens of microseconds, then sleeps.
    Adaptive,
    /// Sleeps at once.
    Block,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wait::Spin => "spinning",
            Wait::Adaptive => "adaptive",
            Wait::Block => "blocking",
        })
    }
}

/// Room between the ends, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// For so many of the setting's longest messages.
    Messages(u32),
    /// So many bytes.
    Bytes(u64),
}

/// What a run asks of a mechanism.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setting {
    /// Beginning of names, for mechanisms that need one in a shared name space.
    pub name_prefix: String,
    /// Wanted room between the ends.
    pub room: Room,
    /// Bytes of the longest message; of every message, unless the run mixes them.
    pub message_bytes: usize,
    /// How the ends wait.
    pub wait: Wait,
    /// The most messages that are sent or received at once.
    pub batch: usize,
    /// How many processes send.
    pub producers: u32,
    /// How many processes receive.
    pub consumers: u32,
}

impl Setting {
    /// The room in bytes, of a mechanism that uses `message_cost` bytes for a message of the
    /// setting's length.
    pub fn room_bytes(&self, message_cost: usize) -> u64 {
        match self.room {
            Room::Messages(count) => u64::from(count) * message_cost as u64,
            Room::Bytes(bytes) => bytes,
        }
    }

    /// The room in messages, at least two.
    pub fn room_messages(&self) -> u64 {
        match self.room {
            Room::Messages(count) => u64::from(count).max(2),
            Room::Bytes(bytes) => (bytes / self.message_bytes.max(1) as u64).max(2),
        }
    }
}

/// What the parent made for one run.
#[derive(Debug)]
pub struct Prepared {
    /// What the ends need to find each other, in the contender's own words.
    pub address: String,
    /// Descriptors that only producers inherit, each a copy.
    pub sender_fds: Vec<OwnedFd>,
    /// Descriptors that only consumers inherit, each a copy.
    pub receiver_fds: Vec<OwnedFd>,
    /// The room that was obtained.
    pub capacity_bytes: u64,
    /// Removes names when dropped, which happens as soon as all ends are open: then nothing is
    /// left behind, however the parent ends.
    pub names: Box<dyn Any>,
    /// Whatever must live until the run is over.
    pub kept: Box<dyn Any>,
}

impl Prepared {
    /// A mechanism that is nothing but descriptors: one list for producers, one for consumers.
    pub fn of_fds(
        sender_fds: Vec<OwnedFd>,
        receiver_fds: Vec<OwnedFd>,
        capacity_bytes: u64,
    ) -> Prepared {
        Prepared {
            address: String::new(),
            sender_fds,
            receiver_fds,
            capacity_bytes,
            names: Box::new(()),
            kept: Box::new(()),
        }
    }
}

/// Where a worker finds its end.
#[derive(Debug)]
pub struct Place {
    /// [`Prepared::address`].
    pub address: String,
    /// The inherited descriptors, in the order of [`Prepared`].
    pub fds: Vec<OwnedFd>,
    /// What the run asks for.
    pub setting: Setting,
}

impl Place {
    /// The descriptor of a mechanism that has one.
    pub fn only_fd(self) -> Result<OwnedFd, BoxError> {
        let fd = self.fds.into_iter().next();
        fd.ok_or_else(|| "its descriptor was not inherited".into())
    }
}

/// What a machine does not provide, and what would help: the contender is skipped, not at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unavailable {}
