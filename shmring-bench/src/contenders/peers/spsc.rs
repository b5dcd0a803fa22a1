//! Rings for one producer and one consumer on two threads: rtrb and ringbuf. Values are pushed and
//! popped, several at once as slices. Longer messages are slices of a ring of bytes whose size is
//! a multiple of theirs: none is cut in two, and each can be written and read in place.

use std::hint::spin_loop;
use std::marker::PhantomData;

use bytemuck::Pod;

use super::values::{self, Value, wrong_length};
use super::warmed;
use crate::contender::{BoxError, Ends, Group, InProcess, Nature, Receiver, Sender, Setting, Wait};

/// What both crates offer. Nothing here waits.
pub(super) trait Ring: 'static {
    const NAME: &'static str;
    const ABOUT: &'static str;
    type Producer<T: Pod + Send>: Send;
    type Consumer<T: Pod + Send>: Send;

    /// A ring of so many slots.
    fn split<T: Pod + Send>(slots: usize) -> (Self::Producer<T>, Self::Consumer<T>);
    /// Gives the value back if the ring is full.
    fn push<T: Pod + Send>(producer: &mut Self::Producer<T>, value: T) -> Result<(), T>;
    /// Pushes as many as there is room for; how many.
    fn push_slice<T: Pod + Send>(producer: &mut Self::Producer<T>, values: &[T]) -> usize;
    /// Appends a slice that `write` writes in place; gives it back if there is no room.
    fn write<F: FnOnce(&mut [u8])>(
        producer: &mut Self::Producer<u8>,
        len: usize,
        write: F,
    ) -> Result<(), F>;
    /// The next value, if there is one.
    fn pop<T: Pod + Send>(consumer: &mut Self::Consumer<T>) -> Option<T>;
    /// Pops as many as there are and fit; how many.
    fn pop_slice<T: Pod + Send>(consumer: &mut Self::Consumer<T>, values: &mut [T]) -> usize;
    /// Shows a slice in place and removes it; gives `read` back if it is not there yet.
    fn read<R, F: FnOnce(&[u8]) -> R>(
        consumer: &mut Self::Consumer<u8>,
        len: usize,
        read: F,
    ) -> Result<R, F>;
    /// Whether the producer is gone. What it pushed before may still be there.
    fn is_abandoned<T: Pod + Send>(consumer: &Self::Consumer<T>) -> bool;
}

/// The crate rtrb.
pub(super) struct Rtrb;

impl Ring for Rtrb {
    const NAME: &'static str = "rtrb";
    const ABOUT: &'static str = "rtrb: a ring of values, or chunks of a ring of bytes";
    type Producer<T: Pod + Send> = rtrb::Producer<T>;
    type Consumer<T: Pod + Send> = rtrb::Consumer<T>;

    fn split<T: Pod + Send>(slots: usize) -> (rtrb::Producer<T>, rtrb::Consumer<T>) {
        rtrb::RingBuffer::new(slots)
    }

    #[inline(always)]
    fn push<T: Pod + Send>(producer: &mut rtrb::Producer<T>, value: T) -> Result<(), T> {
        producer.push(value).map_err(|rtrb::PushError::Full(value)| value)
    }

    #[inline(always)]
    fn push_slice<T: Pod + Send>(producer: &mut rtrb::Producer<T>, values: &[T]) -> usize {
        producer.push_partial_slice(values).0.len()
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn write<F: FnOnce(&mut [u8])>(
        producer: &mut rtrb::Producer<u8>,
        len: usize,
        write: F,
    ) -> Result<(), F> {
        let Ok(mut chunk) = producer.write_chunk_uninit(len) else { return Err(write) };
        let (space, _) = chunk.as_mut_slices();
        // SAFETY: `Bytes::ends` has written every byte of the ring.
        write(unsafe { values::initialised(space) });
        // SAFETY: as above.
        unsafe { chunk.commit_all() };
        Ok(())
    }

    #[inline(always)]
    fn pop<T: Pod + Send>(consumer: &mut rtrb::Consumer<T>) -> Option<T> {
        consumer.pop().ok()
    }

    #[inline(always)]
    fn pop_slice<T: Pod + Send>(consumer: &mut rtrb::Consumer<T>, values: &mut [T]) -> usize {
        consumer.pop_partial_slice(values).0.len()
    }

    #[inline(always)]
    fn read<R, F: FnOnce(&[u8]) -> R>(
        consumer: &mut rtrb::Consumer<u8>,
        len: usize,
        read: F,
    ) -> Result<R, F> {
        let Ok(chunk) = consumer.read_chunk(len) else { return Err(read) };
        let seen = read(chunk.as_slices().0);
        chunk.commit_all();
        Ok(seen)
    }

    fn is_abandoned<T: Pod + Send>(consumer: &rtrb::Consumer<T>) -> bool {
        consumer.is_abandoned()
    }
}

/// The crate ringbuf.
pub(super) struct Ringbuf;

impl Ring for Ringbuf {
    const NAME: &'static str = "ringbuf";
    const ABOUT: &'static str = "ringbuf: a HeapRb of values, or slices of one of bytes";
    type Producer<T: Pod + Send> = ringbuf::HeapProd<T>;
    type Consumer<T: Pod + Send> = ringbuf::HeapCons<T>;

    fn split<T: Pod + Send>(slots: usize) -> (ringbuf::HeapProd<T>, ringbuf::HeapCons<T>) {
        use ringbuf::traits::Split;
        ringbuf::HeapRb::new(slots).split()
    }

    #[inline(always)]
    fn push<T: Pod + Send>(producer: &mut ringbuf::HeapProd<T>, value: T) -> Result<(), T> {
        use ringbuf::traits::Producer;
        producer.try_push(value)
    }

    #[inline(always)]
    fn push_slice<T: Pod + Send>(producer: &mut ringbuf::HeapProd<T>, values: &[T]) -> usize {
        use ringbuf::traits::Producer;
        producer.push_slice(values)
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn write<F: FnOnce(&mut [u8])>(
        producer: &mut ringbuf::HeapProd<u8>,
        len: usize,
        write: F,
    ) -> Result<(), F> {
        use ringbuf::traits::{Producer, Raw};
        let (space, _) = producer.vacant_slices_mut();
        let Some(space) = space.get_mut(..len) else { return Err(write) };
        // SAFETY: `Bytes::ends` has written every byte of the ring.
        write(unsafe { values::initialised(space) });
        // SAFETY: these are the first bytes of the vacant ones, and initialised.
        unsafe { producer.advance_write_index(len) };
        Ok(())
    }

    #[inline(always)]
    fn pop<T: Pod + Send>(consumer: &mut ringbuf::HeapCons<T>) -> Option<T> {
        use ringbuf::traits::Consumer;
        consumer.try_pop()
    }

    #[inline(always)]
    fn pop_slice<T: Pod + Send>(consumer: &mut ringbuf::HeapCons<T>, values: &mut [T]) -> usize {
        use ringbuf::traits::Consumer;
        consumer.pop_slice(values)
    }

    #[inline(always)]
    fn read<R, F: FnOnce(&[u8]) -> R>(
        consumer: &mut ringbuf::HeapCons<u8>,
        len: usize,
        read: F,
    ) -> Result<R, F> {
        use ringbuf::traits::Consumer;
        let (message, _) = consumer.as_slices();
        let Some(message) = message.get(..len) else { return Err(read) };
        let seen = read(message);
        consumer.skip(len);
        Ok(seen)
    }

    fn is_abandoned<T: Pod + Send>(consumer: &ringbuf::HeapCons<T>) -> bool {
        use ringbuf::traits::Observer;
        !consumer.write_is_held()
    }
}

const NATURE: Nature = Nature { waits: &[Wait::Spin], ..Nature::stream(Group::Threads) };

/// A ring of values.
pub(super) struct Values<K, V>(PhantomData<(K, V)>);

impl<K: Ring, V: Value + Pod> InProcess for Values<K, V> {
    const NAME: &'static str = K::NAME;
    const ABOUT: &'static str = K::ABOUT;
    const NATURE: Nature = Nature { sizes: V::SIZES, ..NATURE };
    type Sender = ValueSender<K, V>;
    type Receiver = ValueReceiver<K, V>;

    fn ends(setting: &Setting) -> Result<Ends<Self::Sender, Self::Receiver>, BoxError> {
        let (producer, consumer) = K::split(usize::try_from(setting.room_messages())?);
        warmed(setting, (vec![ValueSender { producer }], vec![ValueReceiver { consumer }]))
    }
}

/// Pushes values.
pub(super) struct ValueSender<K: Ring, V: Value + Pod> {
    producer: K::Producer<V>,
}

impl<K: Ring, V: Value + Pod> Sender for ValueSender<K, V> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let mut value = V::of(message)?;
        while let Err(back) = K::push(&mut self.producer, value) {
            spin_loop();
            value = back;
        }
        Ok(())
    }

    #[inline(always)]
    fn send_batch<const LEN: usize>(&mut self, messages: &[[u8; LEN]]) -> Result<(), BoxError> {
        let values = bytemuck::try_cast_slice(messages.as_flattened());
        let mut values = values.map_err(|_| wrong_length(LEN))?;
        while !values.is_empty() {
            match K::push_slice(&mut self.producer, values) {
                0 => spin_loop(),
                pushed => values = &values[pushed..],
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Pops values.
pub(super) struct ValueReceiver<K: Ring, V: Value + Pod> {
    consumer: K::Consumer<V>,
}

impl<K: Ring, V: Value + Pod> Receiver for ValueReceiver<K, V> {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        loop {
            if let Some(value) = K::pop(&mut self.consumer) {
                return Ok(Some(look(value.bytes())));
            }
            if K::is_abandoned(&self.consumer) {
                // What was pushed before the producer went must not be missed.
                return Ok(K::pop(&mut self.consumer).map(|value| look(value.bytes())));
            }
            spin_loop();
        }
    }

    #[inline(always)]
    fn recv_batch<const LEN: usize>(
        &mut self,
        messages: &mut [[u8; LEN]],
    ) -> Result<usize, BoxError> {
        let values = bytemuck::try_cast_slice_mut(messages.as_flattened_mut());
        let values = values.map_err(|_| wrong_length(LEN))?;
        loop {
            let popped = K::pop_slice(&mut self.consumer, values);
            if popped > 0 {
                return Ok(popped);
            }
            if K::is_abandoned(&self.consumer) {
                return Ok(K::pop_slice(&mut self.consumer, values));
            }
            spin_loop();
        }
    }
}

/// A ring of bytes.
pub(super) struct Bytes<K>(PhantomData<K>);

impl<K: Ring> InProcess for Bytes<K> {
    const NAME: &'static str = K::NAME;
    const ABOUT: &'static str = K::ABOUT;
    const NATURE: Nature = Nature { sizes: values::LONG, in_place: true, ..NATURE };
    type Sender = ByteSender<K>;
    type Receiver = ByteReceiver<K>;

    fn ends(setting: &Setting) -> Result<Ends<Self::Sender, Self::Receiver>, BoxError> {
        let len = setting.message_bytes;
        let mut bytes = vec![0; usize::try_from(setting.room_messages())? * len];
        let (mut producer, mut consumer) = K::split(bytes.len());
        // Every byte is written once: its page is there when the clock starts, and it is
        // initialised.
        K::push_slice(&mut producer, &bytes);
        K::pop_slice(&mut consumer, &mut bytes);
        Ok((vec![ByteSender { producer, len }], vec![ByteReceiver { consumer, len }]))
    }
}

/// Writes slices.
pub(super) struct ByteSender<K: Ring> {
    producer: K::Producer<u8>,
    len: usize,
}

impl<K: Ring> Sender for ByteSender<K> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        self.send_in_place(message.len(), |space| space.copy_from_slice(message))
    }

    #[inline(always)]
    fn send_in_place(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), BoxError> {
        if len != self.len {
            return Err(wrong_length(len));
        }
        let mut fill = fill;
        while let Err(again) = K::write(&mut self.producer, len, fill) {
            spin_loop();
            fill = again;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Reads slices.
pub(super) struct ByteReceiver<K: Ring> {
    consumer: K::Consumer<u8>,
    len: usize,
}

impl<K: Ring> Receiver for ByteReceiver<K> {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut look = look;
        loop {
            match K::read(&mut self.consumer, self.len, look) {
                Ok(seen) => return Ok(Some(seen)),
                Err(again) => look = again,
            }
            if K::is_abandoned(&self.consumer) {
                return Ok(K::read(&mut self.consumer, self.len, look).ok());
            }
            spin_loop();
        }
    }
}
