//! What a mechanism must offer to be measured.

use std::any::Any;
use std::error::Error;
use std::os::fd::OwnedFd;

/// Any error of a contender.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A mechanism that moves messages, in order and without loss, from one process to another.
///
/// The parent calls [`prepare`](Self::prepare); one worker opens the sending end and another the
/// receiving one. The loops around [`Sender::send`] and [`Receiver::recv`] are compiled for each
/// contender, so that no call through a pointer stands between a mechanism and its measurement.
pub trait Contender {
    /// The name in reports.
    const NAME: &'static str;
    /// One line: what it is, and how it is used here.
    const ABOUT: &'static str;
    /// The sending end.
    type Sender: Sender;
    /// The receiving end.
    type Receiver: Receiver;

    /// Makes in the parent whatever both ends share.
    fn prepare(setting: &Setting<'_>) -> Result<Prepared, BoxError>;
    /// Opens the sending end, in the producer's process.
    fn open_sender(place: Place) -> Result<Self::Sender, BoxError>;
    /// Opens the receiving end, in the consumer's process.
    fn open_receiver(place: Place) -> Result<Self::Receiver, BoxError>;
}

/// The end of a mechanism that sends.
pub trait Sender {
    /// Sends one message, waiting for room if there is none.
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError>;
    /// Ends the stream: the receiver gets what was sent and then its end.
    fn finish(self) -> Result<(), BoxError>;
}

/// The end of a mechanism that receives.
pub trait Receiver {
    /// Waits for the next message and shows it to `look`, wherever it lies; `None` at the end of
    /// the stream. A mechanism that can show a message in place need not copy it.
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError>;
}

/// What a run asks of a mechanism.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Wanted size of the buffer between the ends.
    pub capacity_bytes: u64,
    /// Beginning of names, for mechanisms that need one in a shared name space.
    pub name_prefix: &'a str,
}

/// What the parent made for one run.
#[derive(Debug)]
pub struct Prepared {
    /// What the ends need to find each other, in the contender's own words.
    pub address: String,
    /// Descriptors that only the producer inherits.
    pub sender_fds: Vec<OwnedFd>,
    /// Descriptors that only the consumer inherits.
    pub receiver_fds: Vec<OwnedFd>,
    /// The capacity that was obtained.
    pub capacity_bytes: u64,
    /// Removes names when dropped, which happens as soon as both ends are open: then nothing is
    /// left behind, however the parent ends.
    pub names: Box<dyn Any>,
}

/// Where a worker finds its end.
#[derive(Debug)]
pub struct Place {
    /// [`Prepared::address`].
    pub address: String,
    /// The inherited descriptors, in the order of [`Prepared`].
    pub fds: Vec<OwnedFd>,
}
