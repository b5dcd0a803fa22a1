//! ringfire: slots of a sequence number and a message, in a file under /dev/shm that its producer
//! makes. Used in its lossless mode, where the producer waits for the slowest reader.

use std::fs;
use std::time::{Duration, Instant};

use ringfire::{
    CleanupMode, FlowControl, FutexWait, RingConsumer, RingHeader, RingProducer,
    RingProducerBuilder, WaitStrategy,
};

use super::values::{self, END, is_end};
use super::waiting::{self, Patience};
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Sizes, Wait,
};
use crate::name::unused;

/// How long a consumer waits for its producer to make the file.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest sleep in a wait for a message. Shorter than the default, which it is woken from
/// anyway.
const LONGEST_SLEEP: Duration = FutexWait::SAFETY_TIMEOUT;

/// A ring of messages of one length.
pub(super) struct Ringfire<const LEN: usize>;

/// A file that is removed when this is dropped.
struct Name(String);

impl Drop for Name {
    fn drop(&mut self) {
        // It was perhaps never made.
        let _ = fs::remove_file(&self.0);
    }
}

impl<const LEN: usize> Contender for Ringfire<LEN> {
    const NAME: &'static str = "ringfire";
    const ABOUT: &'static str = "ringfire: lossless, one reader; blocks by futex, room by sleeping";
    const NATURE: Nature = Nature { sizes: Sizes::Only(LEN), ..Nature::stream(Group::Peer) };
    type Sender = RingSender<LEN>;
    type Receiver = RingReceiver<LEN>;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let path = format!("/dev/shm/{}", unused(&setting.name_prefix));
        Ok(Prepared {
            address: path.clone(),
            names: Box::new(Name(path)),
            ..Prepared::of_fds(Vec::new(), Vec::new(), slots(setting) * LEN as u64)
        })
    }

    fn open_sender(place: Place) -> Result<Self::Sender, BoxError> {
        RingSender::create(&place, FlowControl::LosslessBackpressure)
    }

    fn open_receiver(place: Place) -> Result<Self::Receiver, BoxError> {
        let start = Instant::now();
        let consumer = loop {
            match RingConsumer::attach(&place.address) {
                Ok(consumer) => break consumer,
                Err(error) if start.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let wait = match place.setting.wait {
            Wait::Spin => Strategy::Spin(YieldingSpin(Patience::new(Wait::Spin))),
            Wait::Adaptive => Strategy::Sleep(FutexWait::new(waiting::PAUSES, Some(LONGEST_SLEEP))),
            Wait::Block => Strategy::Sleep(FutexWait::new(0, Some(LONGEST_SLEEP))),
        };
        Ok(RingReceiver { consumer, wait, ended: false })
    }
}

fn slots(setting: &Setting) -> u64 {
    setting.room_messages().next_power_of_two()
}

/// The producer.
pub(super) struct RingSender<const LEN: usize> {
    producer: RingProducer<[u8; LEN]>,
    wait: Wait,
}

impl<const LEN: usize> RingSender<LEN> {
    pub(super) fn create(place: &Place, control: FlowControl) -> Result<Self, BoxError> {
        let Setting { wait, consumers, .. } = place.setting;
        let producer = RingProducerBuilder::new(slots(&place.setting))
            .flow_control(control)
            .max_readers(consumers as usize)
            .cleanup_mode(CleanupMode::Persistent)
            .build(&place.address)?;
        Ok(RingSender { producer, wait })
    }
}

impl<const LEN: usize> Sender for RingSender<LEN> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let message = message.try_into()?;
        match self.wait {
            Wait::Spin => {
                let mut patience = Patience::new(Wait::Spin);
                while self.producer.try_push(message).is_err() {
                    patience.more();
                }
            }
            // Its own way of waiting for room, which is to yield and then to sleep for 10 us.
            Wait::Adaptive | Wait::Block => self.producer.push(message),
        }
        Ok(())
    }

    #[inline(always)]
    fn send_batch<const N: usize>(&mut self, messages: &[[u8; N]]) -> Result<(), BoxError> {
        let (messages, []) = messages.as_flattened().as_chunks() else {
            return Err(values::wrong_length(N));
        };
        self.producer.push_batch(messages);
        Ok(())
    }

    fn finish(mut self) -> Result<(), BoxError> {
        self.send(&[END; LEN])
    }
}

/// Its `BusySpin`, with a yield now and then.
struct YieldingSpin(Patience);

impl WaitStrategy for YieldingSpin {
    #[inline]
    fn wait(&mut self, _: &RingHeader, _: u64) {
        self.0.more();
    }

    #[inline]
    fn reset(&mut self) {
        self.0 = Patience::new(Wait::Spin);
    }
}

enum Strategy {
    Spin(YieldingSpin),
    Sleep(FutexWait),
}

/// The consumer.
pub(super) struct RingReceiver<const LEN: usize> {
    consumer: RingConsumer<[u8; LEN]>,
    wait: Strategy,
    /// Whether the end came behind the last messages of a batch.
    ended: bool,
}

impl<const LEN: usize> RingReceiver<LEN> {
    #[inline(always)]
    fn next(&mut self) -> [u8; LEN] {
        match &mut self.wait {
            Strategy::Spin(wait) => self.consumer.recv_blocking(wait),
            Strategy::Sleep(wait) => self.consumer.recv_blocking(wait),
        }
    }
}

impl<const LEN: usize> Receiver for RingReceiver<LEN> {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let message = self.next();
        Ok((!is_end(&message)).then(|| look(&message)))
    }

    #[inline(always)]
    fn recv_batch<const N: usize>(&mut self, messages: &mut [[u8; N]]) -> Result<usize, BoxError> {
        let (buffers, []) = messages.as_flattened_mut().as_chunks_mut() else {
            return Err(values::wrong_length(N));
        };
        if self.ended || buffers.is_empty() {
            return Ok(0);
        }
        let count = match self.consumer.recv_batch(buffers) {
            0 => {
                buffers[0] = self.next();
                1
            }
            count => count,
        };
        self.ended = is_end(&buffers[count - 1]);
        Ok(count - usize::from(self.ended))
    }
}
