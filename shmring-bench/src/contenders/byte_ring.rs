//! shmring's rings of bytes, in a named segment.

use std::marker::PhantomData;

use shmring::{Consumer, Producer};

use super::rings;
use super::variants::Variant;
use crate::contender::{BoxError, Contender, Nature, Place, Prepared, Receiver, Sender, Setting};

/// See the module.
#[derive(Debug)]
pub struct ByteRing<V>(PhantomData<V>);

impl<V: Variant> Contender for ByteRing<V> {
    const NAME: &'static str = V::NAME;
    const ABOUT: &'static str = V::ABOUT;
    const NATURE: Nature = V::NATURE;
    type Sender = RingSender;
    type Receiver = RingReceiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        rings::prepare(setting, V::config(setting))
    }

    fn open_sender(place: Place) -> Result<RingSender, BoxError> {
        let mut producer = rings::attach(&place)?.producer()?;
        producer.set_wait_mode(rings::mode(&place.setting));
        Ok(RingSender { producer })
    }

    fn open_receiver(place: Place) -> Result<RingReceiver, BoxError> {
        let mut consumer = rings::attach(&place)?.consumer()?;
        consumer.set_wait_mode(rings::mode(&place.setting));
        Ok(RingReceiver { consumer })
    }
}

/// The producer's handle.
#[derive(Debug)]
pub struct RingSender {
    producer: Producer,
}

impl Sender for RingSender {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        Ok(self.producer.send(message)?)
    }

    #[inline(always)]
    fn send_batch<const LEN: usize>(&mut self, messages: &[[u8; LEN]]) -> Result<(), BoxError> {
        Ok(self.producer.send_batch(messages)?)
    }

    #[allow(unsafe_code)]
    fn send_in_place(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), BoxError> {
        let mut reservation = self.producer.reserve(len)?;
        let start = reservation.as_mut_ptr().ok_or("space in several slots")?;
        // SAFETY: the reservation's bytes are this handle's until it commits, and the only other
        // process with this segment is the consumer of this very run, which reads nothing but
        // what was committed.
        fill(unsafe { std::slice::from_raw_parts_mut(start, len) });
        // SAFETY: `fill` had all of them to write.
        unsafe { reservation.assume_written(len) };
        reservation.commit();
        Ok(())
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
        let Some(peek) = rings::unless_ended(self.consumer.peek())? else { return Ok(None) };
        // SAFETY: the only other processes with this segment are those of this very run, which
        // write nowhere but through their handles, hence never into a committed message.
        let seen = look(unsafe { peek.as_slice() }.ok_or("a message in several slots")?);
        peek.release();
        Ok(Some(seen))
    }

    #[inline(always)]
    fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BoxError> {
        rings::unless_ended_into(self.consumer.recv_into(buffer))
    }

    #[inline(always)]
    fn recv_batch<const LEN: usize>(
        &mut self,
        messages: &mut [[u8; LEN]],
    ) -> Result<usize, BoxError> {
        let max = messages.len();
        let mut space = messages.iter_mut();
        let mut sound = true;
        let count = self.consumer.recv_batch(max, |message| {
            let Some(buffer) = space.next() else { return };
            sound &= message.copy_to(buffer) == LEN;
        });
        match rings::unless_ended(count)? {
            Some(_) if !sound => Err("a message of another length came".into()),
            count => Ok(count.unwrap_or(0)),
        }
    }
}
