//! iceoryx2: publish and subscribe over shared memory, by samples that are loaned, filled and sent.
//! Safe overflow is off, so that a publisher waits for its subscriber. A sleeper waits for an
//! event, which the publisher raises after each sample, as the library's examples do.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::{
    Alignment, BackpressureStrategy, Config, FileName, LogLevel, Node, NodeBuilder, Path,
    PortFactory, SemanticString, ServiceName, ipc, set_log_level,
};
use iceoryx2::service::port_factory::publish_subscribe;

use super::values;
use super::waiting::Patience;
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Wait,
};
use crate::name::unused;

/// How long a subscriber waits for its publishers.
const PATIENCE: Duration = Duration::from_secs(10);
/// A payload starts at a line of its own.
const ALIGNMENT: usize = 64;

/// See the module.
pub(super) struct Iceoryx2;

type Factory = publish_subscribe::PortFactory<ipc::Service, [u8], ()>;

/// A world of its own for one run: files in a directory, and shared memory whose names begin alike.
/// Its ends remove what they made as they close; this removes what killed ones left.
struct World(String);

impl World {
    /// Where its files are, sockets among them, whose paths must be short.
    fn root(name: &str) -> PathBuf {
        std::env::temp_dir().join(name)
    }

    /// How all its names begin: by the part of the run's name that no other has.
    fn prefix(name: &str) -> String {
        format!("shmring-{}_", name.rsplit('-').next().unwrap_or(name))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What is not there need not be removed.
        let _ = fs::remove_dir_all(World::root(&self.0));
        let prefix = World::prefix(&self.0);
        for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Contender for Iceoryx2 {
    const NAME: &'static str = "iceoryx2";
    const ABOUT: &'static str = "iceoryx2: publish-subscribe without overflow, loaned samples";
    const NATURE: Nature =
        Nature { many_producers: true, in_place: true, ..Nature::stream(Group::Peer) };
    type Sender = SampleSender;
    type Receiver = SampleReceiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let name = unused(&setting.name_prefix);
        let capacity_bytes = setting.room_messages() * setting.message_bytes as u64;
        Ok(Prepared {
            address: name.clone(),
            // Ends that close look for their files: they must be there until then.
            kept: Box::new(World(name)),
            ..Prepared::of_fds(Vec::new(), Vec::new(), capacity_bytes)
        })
    }

    fn open_sender(place: Place) -> Result<SampleSender, BoxError> {
        let (node, service) = enter(&place)?;
        let publisher = service
            .publisher_builder()
            .initial_max_slice_len(place.setting.message_bytes)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        let notifier = match place.setting.wait {
            Wait::Spin => None,
            Wait::Adaptive | Wait::Block => {
                let event = node.service_builder(&service_name()?).event().open_or_create()?;
                Some(event.notifier_builder().create()?)
            }
        };
        Ok(SampleSender { publisher, notifier, _node: node })
    }

    fn open_receiver(place: Place) -> Result<SampleReceiver, BoxError> {
        let (node, service) = enter(&place)?;
        let subscriber = service.subscriber_builder().create()?;
        let listener = match place.setting.wait {
            Wait::Spin => None,
            Wait::Adaptive | Wait::Block => {
                let event = node.service_builder(&service_name()?).event().open_or_create()?;
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
}

fn service_name() -> Result<ServiceName, BoxError> {
    Ok(ServiceName::new("run")?)
}

/// Comes into the run's world and finds or makes its service.
fn enter(place: &Place) -> Result<(Node<ipc::Service>, Factory), BoxError> {
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    config.global.prefix = FileName::new(World::prefix(&place.address).as_bytes())?;
    let root = World::root(&place.address);
    config.global.set_root_path(&Path::new(root.as_os_str().as_encoded_bytes())?);
    let node = NodeBuilder::new().config(&config).create::<ipc::Service>()?;
    let Setting { producers, .. } = place.setting;
    let producers = producers as usize;
    let service = node
        .service_builder(&service_name()?)
        .publish_subscribe::<[u8]>()
        .payload_alignment(Alignment::new(ALIGNMENT).ok_or("no alignment")?)
        .enable_safe_overflow(false)
        .history_size(0)
        .subscriber_max_buffer_size(usize::try_from(place.setting.room_messages())?)
        .subscriber_max_borrowed_samples(1)
        .max_publishers(producers)
        .max_subscribers(1)
        .max_nodes(producers + 1)
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

fn delivered(subscribers: usize) -> Result<(), BoxError> {
    if subscribers == 1 { Ok(()) } else { Err("the subscriber did not get it".into()) }
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
