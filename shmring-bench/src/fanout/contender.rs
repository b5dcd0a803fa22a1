//! What a mechanism must offer to be measured with several subscribers.

use std::any::Any;
use std::os::fd::OwnedFd;

use serde_json::Value;

use super::loops::{self, Order};
use crate::contender::{
    BoxError, Ends, Group, Place, Prepared, Receiver, Sender, Setting, Sizes, Wait,
};
use crate::worker::Control;

/// A mechanism that moves each message from one process to several, the *subscribers*.
///
/// The parent calls [`prepare`](Self::prepare), with the number of subscribers as the setting's
/// consumers; each worker opens an end.
pub(crate) trait FanOut {
    /// The name in reports.
    const NAME: &'static str;
    /// One line: what it is, and how it is used here.
    const ABOUT: &'static str;
    /// What it is, and what it can do.
    const NATURE: Nature;
    /// The end that sends.
    type Sender: Sender;
    /// An end that receives.
    type Subscriber: Subscriber;

    /// Makes in the parent whatever the ends share.
    fn prepare(setting: &Setting) -> Result<Shared, BoxError>;
    /// Opens the sending end, in the producer's process.
    fn open_sender(place: Place) -> Result<Self::Sender, BoxError>;
    /// Opens a receiving end, in the process of the subscriber of that number.
    fn open_subscriber(place: Place, index: u32) -> Result<Self::Subscriber, BoxError>;
}

/// The same between the threads of one process.
pub(crate) trait FanOutInProcess {
    /// The name in reports.
    const NAME: &'static str;
    /// One line: what it is, and how it is used here.
    const ABOUT: &'static str;
    /// What it is, and what it can do.
    const NATURE: Nature;
    /// The end that sends.
    type Sender: Sender + Send;
    /// An end that receives.
    type Subscriber: Subscriber + Send;

    /// Makes one sender, and the setting's number of subscribers.
    fn ends(setting: &Setting) -> Result<Ends<Self::Sender, Self::Subscriber>, BoxError>;
}

/// An end that receives each message.
pub(crate) trait Subscriber {
    /// Waits for the next message and copies it to the caller's buffer, which is large enough.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, BoxError>;
}

/// What a subscriber gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A message of so many bytes.
    Message(usize),
    /// Nothing: so many messages were overwritten before this subscriber received them.
    Missed(u64),
    /// The end of the stream.
    End,
}

impl<R: Receiver> Subscriber for R {
    #[inline(always)]
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, BoxError> {
        Ok(self.recv_into(buffer)?.map_or(Received::End, Received::Message))
    }
}

/// What a mechanism is, and what it can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    /// Where reports list it.
    pub(crate) group: Group,
    /// The ways of waiting that it has.
    pub(crate) waits: &'static [Wait],
    /// The messages that it takes.
    pub(crate) sizes: Sizes,
    /// The numbers of subscribers that it serves, at least and at most.
    pub(crate) subscribers: [u32; 2],
    /// The subscribers that may miss messages: the producer does not wait for these.
    pub(crate) lossy: Lossy,
    /// Whether these get [`Received::Missed`] for each message that they missed.
    pub(crate) says_missed: bool,
    /// Whether it differs from another one only where a subscriber is killed.
    pub(crate) only_kills: bool,
}

impl Nature {
    /// Any message, any way of waiting, any number of subscribers, none of which misses any.
    pub(crate) const fn lossless(group: Group) -> Nature {
        let waits = crate::contender::ALL_WAITS;
        let subscribers = [1, u32::MAX];
        let (sizes, lossy) = (Sizes::Any, Lossy::None);
        let (says_missed, only_kills) = (false, false);
        Nature { group, waits, sizes, subscribers, lossy, says_missed, only_kills }
    }
}

/// The subscribers that may miss messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lossy {
    /// None of them.
    None,
    /// All of them.
    All,
    /// The last one.
    Last,
}

impl Lossy {
    /// Whether the subscriber of that number, of so many, is among them.
    pub(crate) fn includes(self, index: u32, subscribers: u32) -> bool {
        match self {
            Lossy::None => false,
            Lossy::All => true,
            Lossy::Last => index + 1 == subscribers,
        }
    }
}

/// What the parent made for one run.
pub(crate) struct Shared {
    /// What the ends need to find each other.
    pub(crate) address: String,
    /// Descriptors that only the producer inherits.
    pub(crate) sender_fds: Vec<OwnedFd>,
    /// Descriptors that only the subscriber of that number inherits.
    pub(crate) subscriber_fds: Vec<Vec<OwnedFd>>,
    /// Removes names when dropped, which happens as soon as all ends are open.
    pub(crate) names: Box<dyn Any>,
    /// Whatever must live until the run is over.
    pub(crate) kept: Box<dyn Any>,
}

impl Shared {
    /// A mechanism without descriptors.
    pub(crate) fn named(prepared: Prepared) -> Shared {
        let Prepared { address, names, kept, .. } = prepared;
        Shared { address, sender_fds: Vec::new(), subscriber_fds: Vec::new(), names, kept }
    }
}

type Part = fn(&Order, Place, &mut Control) -> Result<Value, BoxError>;

/// A [`FanOut`] or a [`FanOutInProcess`] as an entry of a list.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) nature: Nature,
    pub(crate) prepare: fn(&Setting) -> Result<Shared, BoxError>,
    pub(crate) part: Part,
    /// Whether one worker has all ends, each on a thread.
    pub(crate) threads: bool,
}

impl Entry {
    /// The entry for a mechanism between processes.
    pub(crate) const fn of<C: FanOut>() -> Entry {
        Entry {
            name: C::NAME,
            about: C::ABOUT,
            nature: C::NATURE,
            prepare: C::prepare,
            part: loops::part::<C>,
            threads: false,
        }
    }

    /// The entry for a mechanism between threads.
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "all of them are peers"))]
    pub(crate) const fn in_process<C: FanOutInProcess>() -> Entry {
        Entry {
            name: C::NAME,
            about: C::ABOUT,
            nature: C::NATURE,
            prepare: |_| Ok(Shared::named(Prepared::of_fds(Vec::new(), Vec::new(), 0))),
            part: loops::all_parts::<C>,
            threads: true,
        }
    }
}
