//! Other projects' mechanisms with several subscribers.

use ::iceoryx2::prelude::BackpressureStrategy;
use ::ringfire::FlowControl;

use super::disruptor::{Disruptor, EventReceiver, EventSender, ToAll};
use super::iceoryx2::{self, SampleReceiver, SampleSender};
use super::ringfire::{RingReceiver, RingSender, Ringfire};
use super::values::Line;
use crate::contender::{BoxError, Contender, Ends, Group, InProcess, Place, Setting, Sizes, Wait};
use crate::fanout::{Entry, FanOut, FanOutInProcess, Lossy, Nature, Shared};

pub(crate) const ALL: &[Entry] = &[
    Entry::of::<Samples<false>>(),
    Entry::of::<Samples<true>>(),
    Entry::of::<Slots<64, false>>(),
    Entry::of::<Slots<64, true>>(),
    Entry::of::<Slots<1024, false>>(),
    Entry::of::<Slots<1024, true>>(),
    Entry::in_process::<Events>(),
];

const fn lossy(lossy: bool) -> Lossy {
    if lossy { Lossy::All } else { Lossy::None }
}

/// iceoryx2, with and without safe overflow.
struct Samples<const LOSSY: bool>;

impl<const LOSSY: bool> FanOut for Samples<LOSSY> {
    const NAME: &'static str = if LOSSY { "iceoryx2, overflow" } else { "iceoryx2" };
    const ABOUT: &'static str = "iceoryx2: publish-subscribe, loaned samples; an event to sleepers";
    const NATURE: Nature = Nature { lossy: lossy(LOSSY), ..Nature::lossless(Group::Peer) };
    type Sender = SampleSender;
    type Subscriber = SampleReceiver;

    fn prepare(setting: &Setting) -> Result<Shared, BoxError> {
        Ok(Shared::named(iceoryx2::Iceoryx2::prepare(setting)?))
    }

    fn open_sender(place: Place) -> Result<SampleSender, BoxError> {
        let strategy = match LOSSY {
            true => BackpressureStrategy::DiscardData,
            false => BackpressureStrategy::RetryUntilDelivered,
        };
        iceoryx2::publisher(&place, LOSSY, strategy)
    }

    fn open_subscriber(place: Place, _: u32) -> Result<SampleReceiver, BoxError> {
        iceoryx2::subscriber(&place, LOSSY)
    }
}

/// ringfire, whose producer waits for the slowest reader or for none.
struct Slots<const LEN: usize, const LOSSY: bool>;

impl<const LEN: usize, const LOSSY: bool> FanOut for Slots<LEN, LOSSY> {
    const NAME: &'static str = if LOSSY { "ringfire, lossy" } else { "ringfire, lossless" };
    const ABOUT: &'static str = "ringfire: blocks by futex, room by sleeping";
    const NATURE: Nature =
        Nature { sizes: Sizes::Only(LEN), lossy: lossy(LOSSY), ..Nature::lossless(Group::Peer) };
    type Sender = RingSender<LEN>;
    type Subscriber = RingReceiver<LEN>;

    fn prepare(setting: &Setting) -> Result<Shared, BoxError> {
        Ok(Shared::named(Ringfire::<LEN>::prepare(setting)?))
    }

    fn open_sender(place: Place) -> Result<RingSender<LEN>, BoxError> {
        let control = match LOSSY {
            true => FlowControl::LossyLatestWins,
            false => FlowControl::LosslessBackpressure,
        };
        RingSender::create(&place, control)
    }

    fn open_subscriber(place: Place, _: u32) -> Result<RingReceiver<LEN>, BoxError> {
        Ringfire::<LEN>::open_receiver(place)
    }
}

/// The disruptor, each of whose consumers gets each event.
struct Events;

impl FanOutInProcess for Events {
    const NAME: &'static str = "disruptor";
    const ABOUT: &'static str = "disruptor: read in place, polled for all that is there";
    const NATURE: Nature = Nature {
        waits: &[Wait::Spin],
        sizes: Sizes::Only(size_of::<Line>()),
        ..Nature::lossless(Group::Threads)
    };
    type Sender = EventSender<ToAll, Line>;
    type Subscriber = EventReceiver<ToAll, Line>;

    fn ends(setting: &Setting) -> Result<Ends<Self::Sender, Self::Subscriber>, BoxError> {
        Disruptor::<ToAll, Line>::ends(setting)
    }
}
