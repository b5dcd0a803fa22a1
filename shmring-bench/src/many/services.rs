//! A service of iceoryx2 for each channel, each with an event for its wait set, as the library's
//! examples do.

use std::collections::BTreeMap;

use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{
    BackpressureStrategy, CallbackProgression, Node, SignalHandlingMode, WaitSetAttachmentId,
    WaitSetBuilder, ipc,
};
use iceoryx2::service::port_factory::{event, publish_subscribe};

use super::ways::{Channels, Ends, OnMessage};
use crate::contender::BoxError;
use crate::contenders::peers::iceoryx2::{World, enter, service_name};

/// Messages that a service holds.
const ROOM_MESSAGES: usize = 256;
/// Ends a channel. No clock shows it.
const END: u64 = u64::MAX;

type Messages = publish_subscribe::PortFactory<ipc::Service, u64, ()>;
type Events = event::PortFactory<ipc::Service>;

/// The receiving ends. Ports are closed before their node, and that before its world.
pub(super) struct Services {
    ends: Vec<(Subscriber<ipc::Service, u64, ()>, Listener<ipc::Service>)>,
    _node: Node<ipc::Service>,
    _world: World,
}

fn service(node: &Node<ipc::Service>, number: usize) -> Result<(Messages, Events), BoxError> {
    let name = service_name(number)?;
    let messages = node
        .service_builder(&name)
        .publish_subscribe::<u64>()
        .enable_safe_overflow(false)
        .history_size(0)
        .subscriber_max_buffer_size(ROOM_MESSAGES)
        .max_publishers(1)
        .max_subscribers(1)
        .max_nodes(2)
        .open_or_create()?;
    let events = node.service_builder(&name).event().max_nodes(2).open_or_create()?;
    Ok((messages, events))
}

pub(super) fn services(count: usize) -> Result<Channels, BoxError> {
    let world = World::new("shmring-bench-many");
    let node = enter(world.name())?;
    let end = |number| {
        let (messages, events) = service(&node, number)?;
        let subscriber = messages.subscriber_builder().create()?;
        Ok::<_, BoxError>((subscriber, events.listener_builder().create()?))
    };
    let ends = (0..count).map(end).collect::<Result<Vec<_>, _>>()?;
    let addresses = (0..count).map(|number| format!("{}/{number}", world.name())).collect();
    let services = Services { ends, _node: node, _world: world };
    Ok(Channels { addresses, ends: Ends::Services(services) })
}

pub(super) fn with_wait_set(
    services: Services,
    on_message: &mut OnMessage<'_>,
) -> Result<u64, BoxError> {
    // Signals are the program's own business, as with the other ways.
    let builder = WaitSetBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled);
    let set = builder.create::<ipc::Service>()?;
    let guards = services.ends.iter().map(|(_, listener)| set.attach_notification(listener));
    let guards = guards.collect::<Result<Vec<_>, _>>()?;
    let keys = guards.iter().map(WaitSetAttachmentId::from_guard);
    let by_key: BTreeMap<_, _> = keys.zip(&services.ends).collect();
    let (mut received, mut open, mut failure) = (0, services.ends.len(), None);
    while open > 0 {
        set.wait_and_process_once(|key| {
            let drained = by_key.get(&key).map_or(Ok(End::Open), |(subscriber, listener)| {
                listener.try_wait(|_| {})?;
                drain(subscriber, &mut received, on_message)
            });
            match drained {
                Ok(End::Open) => {}
                Ok(End::Over) => open -= 1,
                Err(error) => failure = Some(error),
            }
            if failure.is_some() {
                CallbackProgression::Stop
            } else {
                CallbackProgression::Continue
            }
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
    }
    Ok(received)
}

/// What a channel is after it was drained.
enum End {
    Open,
    Over,
}

fn drain(
    subscriber: &Subscriber<ipc::Service, u64, ()>,
    received: &mut u64,
    on_message: &mut OnMessage<'_>,
) -> Result<End, BoxError> {
    while let Some(sample) = subscriber.receive()? {
        if *sample == END {
            return Ok(End::Over);
        }
        *received += 1;
        on_message(*sample);
    }
    Ok(End::Open)
}

/// A sending end.
pub(super) struct Service {
    publisher: Publisher<ipc::Service, u64, ()>,
    notifier: Notifier<ipc::Service>,
}

impl Service {
    pub(super) fn send(&mut self, message: u64) -> Result<(), BoxError> {
        self.publisher.send_copy(message)?;
        self.notifier.notify()?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), BoxError> {
        self.send(END)
    }
}

/// The sending ends of all channels, and the node that must outlive them.
pub(super) fn publishers(
    addresses: &[String],
) -> Result<(Vec<Service>, Node<ipc::Service>), BoxError> {
    let world = addresses.first().and_then(|address| address.split_once('/'));
    let node = enter(world.ok_or("no address of a service")?.0)?;
    let publisher = |number| {
        let (messages, events) = service(&node, number)?;
        let publisher = messages
            .publisher_builder()
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        Ok::<_, BoxError>(Service { publisher, notifier: events.notifier_builder().create()? })
    };
    let publishers = (0..addresses.len()).map(publisher).collect::<Result<_, _>>()?;
    Ok((publishers, node))
}
