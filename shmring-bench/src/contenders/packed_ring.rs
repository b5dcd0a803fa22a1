//! shmring's packed ring of fixed-size elements, which here are arrays of words.

use bytemuck::Pod;
use shmring::{Config, Element, values};

use super::rings;
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Sizes,
};

/// A ring whose elements are messages of so many words.
#[derive(Debug)]
pub struct PackedRing<const WORDS: usize>;

/// What both have in common, which a trait cannot say of a number.
trait Named {
    const NAME: &'static str;
    const BYTES: usize;
}

impl Named for PackedRing<1> {
    const NAME: &'static str = "packed ring";
    const BYTES: usize = 8;
}

impl Named for PackedRing<8> {
    const NAME: &'static str = "packed ring of lines";
    const BYTES: usize = 64;
}

impl<const WORDS: usize> Contender for PackedRing<WORDS>
where
    Self: Named,
    [u64; WORDS]: Pod + Element,
{
    const NAME: &'static str = <Self as Named>::NAME;
    const ABOUT: &'static str = "shmring packed: elements of one type with nothing between them";
    const NATURE: Nature =
        Nature { sizes: Sizes::Only(<Self as Named>::BYTES), ..Nature::stream(Group::Ring) };
    type Sender = PackedSender<WORDS>;
    type Receiver = PackedReceiver<WORDS>;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let config = Config::packed::<[u64; WORDS]>().slots(setting.room_messages());
        rings::prepare(setting, config)
    }

    fn open_sender(place: Place) -> Result<Self::Sender, BoxError> {
        let mut producer = rings::attach(&place)?.value_producer()?;
        producer.set_wait_mode(rings::mode(&place.setting));
        Ok(PackedSender { producer })
    }

    fn open_receiver(place: Place) -> Result<Self::Receiver, BoxError> {
        let mut consumer = rings::attach(&place)?.value_consumer()?;
        consumer.set_wait_mode(rings::mode(&place.setting));
        Ok(PackedReceiver { consumer })
    }
}

/// The producer's handle.
#[derive(Debug)]
pub struct PackedSender<const WORDS: usize> {
    producer: values::Producer<[u64; WORDS]>,
}

impl<const WORDS: usize> Sender for PackedSender<WORDS>
where
    [u64; WORDS]: Pod + Element,
{
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        // A large element is sent from where it lies, a word from a register.
        match bytemuck::try_from_bytes(message) {
            Ok(element) if WORDS > 1 => Ok(self.producer.send(element)?),
            _ => {
                let element = bytemuck::try_pod_read_unaligned(message);
                Ok(self.producer.send(&element.map_err(|_| "a wrong length")?)?)
            }
        }
    }

    #[inline(always)]
    fn send_batch<const LEN: usize>(&mut self, messages: &[[u8; LEN]]) -> Result<(), BoxError> {
        let bytes = messages.as_flattened();
        let elements = bytemuck::try_cast_slice(bytes).map_err(|_| "messages that lie wrongly")?;
        Ok(self.producer.send_slice(elements)?)
    }

    fn finish(self) -> Result<(), BoxError> {
        drop(self);
        Ok(())
    }
}

/// The consumer's handle.
#[derive(Debug)]
pub struct PackedReceiver<const WORDS: usize> {
    consumer: values::Consumer<[u64; WORDS]>,
}

impl<const WORDS: usize> Receiver for PackedReceiver<WORDS>
where
    [u64; WORDS]: Pod + Element,
{
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let element = rings::unless_ended(self.consumer.recv())?;
        Ok(element.map(|element| look(bytemuck::bytes_of(&element))))
    }

    #[inline(always)]
    fn recv_batch<const LEN: usize>(
        &mut self,
        messages: &mut [[u8; LEN]],
    ) -> Result<usize, BoxError> {
        let bytes = messages.as_flattened_mut();
        let elements =
            bytemuck::try_cast_slice_mut(bytes).map_err(|_| "a buffer that lies wrongly")?;
        Ok(rings::unless_ended(self.consumer.recv_slice(elements))?.unwrap_or(0))
    }
}
