//! iceoryx2: publish and subscribe over shared memory, by samples that are loaned, filled and sent.
//! Safe overflow is off, so that a publisher waits for its subscriber. A sleeper waits for an
//! event, which the publisher raises after each sample, as the library's examples do.

mod world;

use std::time::{Duration, Instant};

use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::{Alignment, BackpressureStrategy, Node, PortFactory, ipc};
use iceoryx2::service::port_factory::publish_subscribe;

use super::values;
use super::waiting::Patience;
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Wait,
};
pub(crate) use world::{World, enter, service_name};

/// How long a subscriber waits for its publishers.
const PATIENCE: Duration = Duration::from_secs(10);
/// A payload starts at a line of its own.
const ALIGNMENT: usize = 64;

/// See the module.
pub(super) struct Iceoryx2;

type Factory = publish_subscribe::PortFactory<ipc::Service, [u8], ()>;

impl Contender for Iceoryx2 {
    const NAME: &'static str = "iceoryx2";
    const ABOUT: &'static str = "iceoryx2: publish-subscribe without overflow, loaned samples";
    const NATURE: Nature =
        Nature { many_producers: true, in_place: true, ..Nature::stream(Group::Peer) };
    type Sender = SampleSender;
    type Receiver = SampleReceiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let world = World::new(&setting.name_prefix);
        let capacity_bytes = setting.room_messages() * setting.message_bytes as u64;
        Ok(Prepared {
            address: world.name().to_owned(),
            // Ends that close look for their files: they must be there until then.
            kept: Box::new(world),
            ..Prepared::of_fds(Vec::new(), Vec::new(), capacity_bytes)
        })
    }

    fn open_sender(place: Place) -> Result<SampleSender, BoxError> {
        publisher(&place, false, BackpressureStrategy::RetryUntilDelivered)
    }

    fn open_receiver(place: Place) -> Result<SampleReceiver, BoxError> {
        subscriber(&place, false)
    }
}

/// Opens a publisher, of a service with or without overflow.
pub(super) fn publisher(
    place: &Place,
    overflow: bool,
    strategy: BackpressureStrategy,
) -> Result<SampleSender, BoxError> {
    let (node, service) = open(place, overflow)?;
    let publisher = service
        .publisher_builder()
        .initial_max_slice_len(place.setting.message_bytes)
        .backpressure_strategy(strategy)
        .create()?;
    let notifier = match place.setting.wait {
        Wait::Spin => None,
        Wait::Adaptive | Wait::Block => {
            let event = node.service_builder(&service_name(0)?).event().open_or_create()?;
            Some(event.notifier_builder().create()?)
        }
    };
    Ok(SampleSender { publisher, notifier, _node: node })
}

/// Opens a subscriber.
pub(super) fn subscriber(place: &Place, overflow: bool) -> Result<SampleReceiver, BoxError> {
    let (node, service) = open(place, overflow)?;
    let subscriber = service.subscriber_builder().create()?;
    let listener = match place.setting.wait {
        Wait::Spin => None,
        Wait::Adaptive | Wait::Block => {
            let event = node.service_builder(&service_name(0)?).event().open_or_create()?;
            Some(event.listener_builder().create()?)
        }
    };
    // What is sent before both sides know of each other may be lost.
    let publishers = place.setting.producers as usize;
    let start = Instant::now();
    while service.dynamic_config().number_of_publishers() < publishers {
        if start.elapsed() > PATIENCE {
            return Err("a publisher did not come".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    subscriber.update_connections()?;
    let wait = place.setting.wait;
    Ok(SampleReceiver { subscriber, listener, wait, publishers, _node: node })
}

/// Enters the run's world and finds or makes its service.
fn open(place: &Place, overflow: bool) -> Result<(Node<ipc::Service>, Factory), BoxError> {
    let node = enter(&place.address)?;
    let Setting { producers, consumers, .. } = place.setting;
    let (producers, consumers) = (producers as usize, consumers as usize);
    let service = node
        .service_builder(&service_name(0)?)
        .publish_subscribe::<[u8]>()
        .payload_alignment(Alignment::new(ALIGNMENT).ok_or("no alignment")?)
        .enable_safe_overflow(overflow)
        .history_size(0)
        .subscriber_max_buffer_size(usize::try_from(place.setting.room_messages())?)
        .subscriber_max_borrowed_samples(1)
        .max_publishers(producers)
        .max_subscribers(consumers)
        .max_nodes(producers + consumers)
        .open_or_create()?;
    Ok((node, service))
}

/// A publisher.
pub(super) struct SampleSender {
    publisher: Publisher<ipc::Service, [u8], ()>,
    notifier: Option<Notifier<ipc::Service>>,
    _node: Node<ipc::Service>,
}

impl SampleSender {
    fn tell(&self) -> Result<(), BoxError> {
        if let Some(notifier) = &self.notifier {
            notifier.notify()?;
        }
        Ok(())
    }
}

/// Which of several did not get it is found by what they count.
fn delivered(subscribers: usize) -> Result<(), BoxError> {
    if subscribers > 0 { Ok(()) } else { Err("no subscriber got it".into()) }
}

impl Sender for SampleSender {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let sample = self.publisher.loan_slice_uninit(message.len())?;
        delivered(sample.write_from_slice(message).send()?)?;
        self.tell()
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn send_in_place(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), BoxError> {
        let mut sample = self.publisher.loan_slice_uninit(len)?;
        // SAFETY: the payload is shared memory, of which every byte was zero before it was used.
        fill(unsafe { values::initialised(sample.payload_mut()) });
        // SAFETY: as above.
        delivered(unsafe { sample.assume_init() }.send()?)?;
        self.tell()
    }

    /// An empty sample ends the stream.
    fn finish(mut self) -> Result<(), BoxError> {
        self.send(&[])
    }
}

/// The subscriber.
pub(super) struct SampleReceiver {
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    listener: Option<Listener<ipc::Service>>,
    wait: Wait,
    /// Those that have not ended their stream.
    publishers: usize,
    _node: Node<ipc::Service>,
}

impl Receiver for SampleReceiver {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut patience = Patience::new(self.wait);
        while self.publishers > 0 {
            match (self.subscriber.receive()?, &self.listener) {
                (Some(sample), _) if sample.payload().is_empty() => self.publishers -= 1,
                (Some(sample), _) => return Ok(Some(look(sample.payload()))),
                (None, listener) => {
                    if !patience.more()
                        && let Some(listener) = listener
                    {
                        listener.blocking_wait(|_| {})?;
                    }
                }
            }
        }
        Ok(None)
    }
}
