//! Good mechanisms, each with one fault: the pipe; where consumers compete, a ring of shmring; and
//! a channel between threads.

use std::marker::PhantomData;
use std::sync::mpsc;

use nix::sys::signal::{Signal, raise};
use shmring_bench::Contestant;
use shmring_bench::contender::{
    BoxError, Contender, Ends, Group, InProcess, Nature, Place, Prepared, Receiver, Sender, Setting,
};
use shmring_bench::contenders::ByteRing;
use shmring_bench::contenders::kernel::Pipe;
use shmring_bench::contenders::variants::Mpmc;

type Sent = Result<(), BoxError>;
type Ring = ByteRing<Mpmc>;

/// What becomes of the message after the struck one.
enum Next {
    /// It is sent.
    Sent,
    /// It is sent, and then this.
    SentBefore(Vec<u8>),
    /// It is lost.
    Lost,
}

/// What a fault does with the struck message, instead of sending it.
trait Fault {
    /// What it is called in a pipe, a ring and a channel.
    const NAMES: [&'static str; 3];
    /// The message that it strikes.
    const STRUCK: u64 = 5;
    fn strike<S: Sender>(message: &[u8], good: &mut S) -> Result<Next, BoxError>;
}

/// A mechanism that is good but for its faults.
trait Good: Contender {
    /// Which of a fault's names is its.
    const NAME_OF: usize;
}

impl Good for Pipe {
    const NAME_OF: usize = 0;
}

impl Good for Ring {
    const NAME_OF: usize = 1;
}

/// A good mechanism, but for one message.
struct Faulty<C, F>(PhantomData<(C, F)>);

pub(crate) struct FaultySender<S, F> {
    good: S,
    sent: u64,
    next: Next,
    fault: PhantomData<F>,
}

impl<S, F> FaultySender<S, F> {
    fn over(good: S) -> Self {
        FaultySender { good, sent: 0, next: Next::Sent, fault: PhantomData }
    }
}

impl<C: Good, F: Fault> Contender for Faulty<C, F> {
    const NAME: &'static str = F::NAMES[C::NAME_OF];
    const ABOUT: &'static str = "a good mechanism with a fault";
    // What is to be written in place is written beside it and sent: no receiver can tell.
    const NATURE: Nature = Nature { in_place: true, ..C::NATURE };
    type Sender = FaultySender<C::Sender, F>;
    type Receiver = C::Receiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        C::prepare(setting)
    }

    fn open_sender(place: Place) -> Result<Self::Sender, BoxError> {
        Ok(FaultySender::over(C::open_sender(place)?))
    }

    fn open_receiver(place: Place) -> Result<Self::Receiver, BoxError> {
        C::open_receiver(place)
    }
}

impl<S: Sender, F: Fault> Sender for FaultySender<S, F> {
    fn send(&mut self, message: &[u8]) -> Sent {
        self.sent += 1;
        if self.sent - 1 == F::STRUCK {
            self.next = F::strike(message, &mut self.good)?;
            return Ok(());
        }
        match std::mem::replace(&mut self.next, Next::Sent) {
            Next::Sent => self.good.send(message),
            Next::SentBefore(held) => {
                self.good.send(message)?;
                self.good.send(&held)
            }
            Next::Lost => Ok(()),
        }
    }

    fn send_in_place(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Sent {
        let mut message = vec![0; len];
        fill(&mut message);
        self.send(&message)
    }

    fn finish(self) -> Sent {
        self.good.finish()
    }
}

/// A channel between threads, but for one message.
struct Channel<F>(PhantomData<F>);

pub(crate) struct ChannelSender(mpsc::Sender<Vec<u8>>);
pub(crate) struct ChannelReceiver(mpsc::Receiver<Vec<u8>>);

impl<F: Fault + Send> InProcess for Channel<F> {
    const NAME: &'static str = F::NAMES[2];
    const ABOUT: &'static str = "a channel with a fault";
    const NATURE: Nature = Nature { in_place: true, ..Nature::stream(Group::Threads) };
    type Sender = FaultySender<ChannelSender, F>;
    type Receiver = ChannelReceiver;

    fn ends(_: &Setting) -> Result<Ends<Self::Sender, ChannelReceiver>, BoxError> {
        let (sender, receiver) = mpsc::channel();
        let sender = FaultySender::over(ChannelSender(sender));
        Ok((vec![sender], vec![ChannelReceiver(receiver)]))
    }
}

impl Sender for ChannelSender {
    fn send(&mut self, message: &[u8]) -> Sent {
        Ok(self.0.send(message.to_vec())?)
    }

    fn finish(self) -> Sent {
        Ok(())
    }
}

impl Receiver for ChannelReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        Ok(self.0.recv().ok().map(|message| look(&message)))
    }
}

/// A pipe whose receiver takes an empty poll for a message: it says that one came, and leaves what
/// was in the buffer.
struct PollsEmpty;

pub(crate) struct PollingReceiver {
    pipe: <Pipe as Contender>::Receiver,
    received: u64,
}

impl Contender for PollsEmpty {
    const NAME: &'static str = "polls empty";
    const ABOUT: &'static str = "a pipe whose empty polls count";
    const NATURE: Nature = Pipe::NATURE;
    type Sender = <Pipe as Contender>::Sender;
    type Receiver = PollingReceiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        Pipe::prepare(setting)
    }

    fn open_sender(place: Place) -> Result<Self::Sender, BoxError> {
        Pipe::open_sender(place)
    }

    fn open_receiver(place: Place) -> Result<PollingReceiver, BoxError> {
        Ok(PollingReceiver { pipe: Pipe::open_receiver(place)?, received: 0 })
    }
}

impl PollingReceiver {
    fn polls_empty(&mut self) -> bool {
        self.received += 1;
        self.received == 5
    }
}

impl Receiver for PollingReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        self.pipe.recv(look)
    }

    fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BoxError> {
        if self.polls_empty() { Ok(Some(buffer.len())) } else { self.pipe.recv_into(buffer) }
    }

    fn recv_batch<const LEN: usize>(
        &mut self,
        messages: &mut [[u8; LEN]],
    ) -> Result<usize, BoxError> {
        if self.polls_empty() { Ok(messages.len()) } else { self.pipe.recv_batch(messages) }
    }
}

/// Defines a fault: what happens to the struck message, and to the next.
macro_rules! fault {
    ($type:ident, $name:literal, |$message:ident, $good:ident| $strike:expr) => {
        struct $type;
        impl Fault for $type {
            const NAMES: [&'static str; 3] =
                [$name, concat!($name, ", ring"), concat!($name, ", channel")];
            fn strike<S: Sender>($message: &[u8], $good: &mut S) -> Result<Next, BoxError> {
                $strike
            }
        }
    };
}

fault!(Innocent, "innocent", |message, good| good.send(message).map(|()| Next::Sent));
fault!(Loses, "loses", |_message, _good| Ok(Next::Sent));
fault!(Repeats, "repeats", |message, good| {
    good.send(message)?;
    good.send(message).map(|()| Next::Sent)
});
fault!(Reorders, "reorders", |message, _good| Ok(Next::SentBefore(message.to_vec())));
fault!(Replaces, "replaces", |message, good| {
    // The number of messages is right.
    good.send(message)?;
    good.send(message).map(|()| Next::Lost)
});
fault!(Truncates, "truncates", |message, good| {
    good.send(&message[..message.len() - 1]).map(|()| Next::Sent)
});
fault!(Corrupts, "corrupts", |message, good| {
    let mut message = message.to_vec();
    // Struck there and back, it must not come to be what it was.
    let last = message.last_mut().ok_or("empty")?;
    *last = last.wrapping_add(1);
    good.send(&message).map(|()| Next::Sent)
});
fault!(Invents, "invents", |message, good| {
    // As if there had been a message in memory that nobody wrote.
    good.send(message)?;
    good.send(&vec![0; message.len()]).map(|()| Next::Sent)
});
fault!(Refuses, "refuses", |_message, _good| Err("out of paper".into()));
fault!(Panics, "panics", |_message, _good| panic!("cannot go on"));
fault!(Exits, "exits", |_message, _good| std::process::exit(7));
fault!(Dies, "dies", |_message, _good| {
    raise(Signal::SIGKILL)?;
    Ok(Next::Sent)
});

/// Loses a message long after any check is over.
struct LosesLate;
impl Fault for LosesLate {
    const NAMES: [&'static str; 3] = ["loses late"; 3];
    const STRUCK: u64 = 20_000;
    fn strike<S: Sender>(_: &[u8], _: &mut S) -> Result<Next, BoxError> {
        Ok(Next::Sent)
    }
}

/// What can happen to a message, and what must be found out in every flow.
pub(crate) const WRONGS: [&str; 7] =
    ["loses", "repeats", "reorders", "replaces", "truncates", "corrupts", "invents"];

macro_rules! in_mechanism {
    ($make:ident, $($kind:tt)*) => {
        [
            Contestant::$make::<$($kind)* Innocent>>(),
            Contestant::$make::<$($kind)* Loses>>(),
            Contestant::$make::<$($kind)* Repeats>>(),
            Contestant::$make::<$($kind)* Reorders>>(),
            Contestant::$make::<$($kind)* Replaces>>(),
            Contestant::$make::<$($kind)* Truncates>>(),
            Contestant::$make::<$($kind)* Corrupts>>(),
            Contestant::$make::<$($kind)* Invents>>(),
        ]
    };
}

/// All of them.
pub(crate) fn all() -> Vec<Contestant> {
    let pipes = in_mechanism!(of, Faulty < Pipe,);
    let rings = in_mechanism!(of, Faulty < Ring,);
    let channels = in_mechanism!(in_process, Channel<);
    let others = [
        Contestant::of::<Faulty<Pipe, Refuses>>(),
        Contestant::of::<Faulty<Pipe, Panics>>(),
        Contestant::of::<Faulty<Pipe, Exits>>(),
        Contestant::of::<Faulty<Pipe, Dies>>(),
        Contestant::of::<Faulty<Pipe, LosesLate>>(),
        Contestant::of::<PollsEmpty>(),
    ];
    [&pipes[..], &rings, &channels, &others].concat()
}
