//! Other projects' rings and channels: built with the cargo feature `peers` only.
//!
//! Each is used as its own documentation advises for speed. What a crate does not have, such as an
//! end of the stream, is made so that it is not in the way of messages: by one that nobody sends
//! otherwise, or by a flag that is looked at when there is none.

mod channels;
mod disruptor;
mod fan_out;
pub(crate) mod iceoryx2;
mod ipc_channel;
mod ringfire;
mod shmem_ipc;
mod spsc;
mod thingbuf;
mod values;
mod waiting;

use crate::contender::{BoxError, Ends, Receiver, Sender, Setting};
use crate::contestant::Contestant;
use channels::{ArrayQueue, Crossbeam, Kanal, Queued, Std};
use disruptor::{Disruptor, Many, One};
pub(crate) use fan_out::ALL as FAN_OUT;
use ringfire::Ringfire;
use shmem_ipc::ShmemIpc;
use spsc::{Bytes, Ringbuf, Rtrb, Values};
use thingbuf::Thingbuf;
use values::{Boxed, Line, Slot, Word, Words, Words32, Words128};

/// All of them. Those that move values of one type are there once for each.
pub(super) const ALL: &[Contestant] = &[
    Contestant::of::<iceoryx2::Iceoryx2>(),
    Contestant::of::<Ringfire<8>>(),
    Contestant::of::<Ringfire<56>>(),
    Contestant::of::<Ringfire<64>>(),
    Contestant::of::<Ringfire<256>>(),
    Contestant::of::<Ringfire<1024>>(),
    Contestant::of::<Ringfire<4096>>(),
    Contestant::of::<Ringfire<16384>>(),
    Contestant::of::<Ringfire<65536>>(),
    Contestant::of::<ShmemIpc<8>>(),
    Contestant::of::<ShmemIpc<56>>(),
    Contestant::of::<ShmemIpc<64>>(),
    Contestant::of::<ShmemIpc<256>>(),
    Contestant::of::<ShmemIpc<1024>>(),
    Contestant::of::<ShmemIpc<4096>>(),
    Contestant::of::<ShmemIpc<16384>>(),
    Contestant::of::<ShmemIpc<65536>>(),
    Contestant::of::<ShmemIpc<1048576>>(),
    Contestant::of::<ipc_channel::IpcChannel>(),
    Contestant::in_process::<Values<Rtrb, Word>>(),
    Contestant::in_process::<Values<Rtrb, Words>>(),
    Contestant::in_process::<Values<Rtrb, Line>>(),
    Contestant::in_process::<Bytes<Rtrb>>(),
    Contestant::in_process::<Values<Ringbuf, Word>>(),
    Contestant::in_process::<Values<Ringbuf, Words>>(),
    Contestant::in_process::<Values<Ringbuf, Line>>(),
    Contestant::in_process::<Bytes<Ringbuf>>(),
    Contestant::in_process::<Disruptor<One, Word>>(),
    Contestant::in_process::<Disruptor<One, Words>>(),
    Contestant::in_process::<Disruptor<One, Line>>(),
    Contestant::in_process::<Disruptor<One, Slot>>(),
    Contestant::in_process::<Disruptor<Many, Word>>(),
    Contestant::in_process::<Disruptor<Many, Words>>(),
    Contestant::in_process::<Disruptor<Many, Line>>(),
    Contestant::in_process::<Thingbuf<Word>>(),
    Contestant::in_process::<Thingbuf<Words>>(),
    Contestant::in_process::<Thingbuf<Line>>(),
    Contestant::in_process::<Thingbuf<Slot>>(),
    Contestant::in_process::<Queued<ArrayQueue, Word>>(),
    Contestant::in_process::<Queued<ArrayQueue, Words>>(),
    Contestant::in_process::<Queued<ArrayQueue, Line>>(),
    Contestant::in_process::<Queued<ArrayQueue, Words32>>(),
    Contestant::in_process::<Queued<ArrayQueue, Words128>>(),
    Contestant::in_process::<Queued<ArrayQueue, Boxed>>(),
    Contestant::in_process::<Queued<Crossbeam, Word>>(),
    Contestant::in_process::<Queued<Crossbeam, Words>>(),
    Contestant::in_process::<Queued<Crossbeam, Line>>(),
    Contestant::in_process::<Queued<Crossbeam, Words32>>(),
    Contestant::in_process::<Queued<Crossbeam, Words128>>(),
    Contestant::in_process::<Queued<Crossbeam, Boxed>>(),
    Contestant::in_process::<Queued<Kanal, Word>>(),
    Contestant::in_process::<Queued<Kanal, Words>>(),
    Contestant::in_process::<Queued<Kanal, Line>>(),
    Contestant::in_process::<Queued<Kanal, Words32>>(),
    Contestant::in_process::<Queued<Kanal, Words128>>(),
    Contestant::in_process::<Queued<Kanal, Boxed>>(),
    Contestant::in_process::<Queued<Std, Word>>(),
    Contestant::in_process::<Queued<Std, Words>>(),
    Contestant::in_process::<Queued<Std, Line>>(),
    Contestant::in_process::<Queued<Std, Words32>>(),
    Contestant::in_process::<Queued<Std, Words128>>(),
    Contestant::in_process::<Queued<Std, Boxed>>(),
];

/// Ends whose memory was written and read once, so that every page is there before the clock
/// starts.
fn warmed<S: Sender, R: Receiver>(
    setting: &Setting,
    ends: Ends<S, R>,
) -> Result<Ends<S, R>, BoxError> {
    warmed_by(1, setting, ends)
}

/// The same where so many receivers get each message.
fn warmed_by<S: Sender, R: Receiver>(
    readers: usize,
    setting: &Setting,
    (mut senders, mut receivers): Ends<S, R>,
) -> Result<Ends<S, R>, BoxError> {
    let message = vec![0; setting.message_bytes];
    let sender = senders.first_mut().ok_or("there is no sender")?;
    for _ in 0..setting.room_messages() {
        sender.send(&message)?;
    }
    for receiver in receivers.iter_mut().take(readers) {
        for _ in 0..setting.room_messages() {
            receiver.recv(|_| ())?;
        }
    }
    Ok((senders, receivers))
}
