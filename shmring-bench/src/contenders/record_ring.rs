//! shmring's record ring in a named segment: sent by copy, received in place.

use shmring::{Config, Consumer, Producer, RecvError, Segment, WaitMode};

use crate::contender::{BoxError, Contender, Place, Prepared, Receiver, Sender, Setting};
use crate::name::Named;

/// See the module.
#[derive(Debug)]
pub struct RecordRing;

impl Contender for RecordRing {
    const NAME: &'static str = "record ring";
    const ABOUT: &'static str = "shmring spsc segment, copied in, read in place, adaptive waiting";
    type Sender = RingSender;
    type Receiver = RingReceiver;

    fn prepare(setting: &Setting<'_>) -> Result<Prepared, BoxError> {
        let config = Config::spsc().capacity_bytes(setting.capacity_bytes).prefault(true);
        let named = Named::create(setting.name_prefix, &config)?;
        let capacity_bytes = named.segment.description().capacity_bytes;
        Ok(Prepared {
            address: named.name.clone(),
            sender_fds: Vec::new(),
            receiver_fds: Vec::new(),
            capacity_bytes,
            names: Box::new(named),
        })
    }

    fn open_sender(place: Place) -> Result<RingSender, BoxError> {
        let mut producer = Segment::attach(&place.address)?.producer()?;
        producer.set_wait_mode(WaitMode::Adaptive);
        Ok(RingSender { producer })
    }

    fn open_receiver(place: Place) -> Result<RingReceiver, BoxError> {
        let mut consumer = Segment::attach(&place.address)?.consumer()?;
        consumer.set_wait_mode(WaitMode::Adaptive);
        Ok(RingReceiver { consumer })
    }
}

/// The producer's handle.
#[derive(Debug)]
pub struct RingSender {
    producer: Producer,
}

impl Sender for RingSender {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        Ok(self.producer.send(message)?)
    }

    fn finish(self) -> Result<(), BoxError> {
        drop(self);
        Ok(())
    }
}

/// The consumer's handle.
#[derive(Debug)]
pub struct RingReceiver {
    consumer: Consumer,
}

impl Receiver for RingReceiver {
    #[allow(unsafe_code)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let peek = match self.consumer.peek() {
            Ok(peek) => peek,
            Err(RecvError::Eof) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // SAFETY: the only other process with this segment is the producer of this very run, which
        // writes nowhere but through its `Producer`, hence never into a committed message.
        let seen = look(unsafe { peek.message().as_slice() });
        peek.release();
        Ok(Some(seen))
    }
}
