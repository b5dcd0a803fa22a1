//! Ways to move lines of a log from several processes to one.

use shmring::{Config, RecvError};

use super::ends::{Book, Found, LONGEST_LINE, Order, Part, produce};
use super::scenarios::LOG_ROOM_BYTES;
use crate::contender::{BoxError, Contender, Place, Prepared, Receiver, Sender, Setting};
use crate::contenders::rings;
use crate::worker::Control;

/// Lines or chunks that are received at once.
const BATCH: usize = 64;
/// Slots of the ring of chunks, what a message may have in one, and what starts it: the length of
/// the line, and who sends it.
const CHUNK_SLOT_BYTES: u64 = 256;
const CHUNK_BYTES: usize = CHUNK_SLOT_BYTES as usize - 8;
const CHUNK_HEADER_BYTES: usize = 8;
const BODY_BYTES: usize = CHUNK_BYTES - CHUNK_HEADER_BYTES;

pub(super) fn prepare_slots<const SLOT_BYTES: u64>(
    setting: &Setting,
) -> Result<Prepared, BoxError> {
    // A power of two, as every ring has it.
    let slots = 1 << (LOG_ROOM_BYTES / SLOT_BYTES).ilog2();
    rings::prepare(setting, Config::mpsc().slot_bytes(SLOT_BYTES).slots(slots))
}

pub(super) fn spans(order: &Order, place: Place, control: &mut Control) -> Result<Found, BoxError> {
    let segment = rings::attach(&place)?;
    if let Part::Producer(_) = order.part {
        let mut producer = segment.producer()?;
        producer.set_wait_mode(rings::mode(&place.setting));
        control.wait_for_start()?;
        return produce(order, LONGEST_LINE, |line| Ok(producer.send(line)?));
    }
    let mut consumer = segment.consumer()?;
    consumer.set_wait_mode(rings::mode(&place.setting));
    let mut line = vec![0; LONGEST_LINE];
    control.wait_for_start()?;
    let mut book = Book::start(order, LONGEST_LINE)?;
    while book.open > 0 {
        let mut taken = Ok(());
        consumer.recv_batch(BATCH, |message| {
            let len = message.copy_to(&mut line);
            if taken.is_ok() {
                taken = book.take(&line[..len]);
            }
        })?;
        taken?;
    }
    book.close()
}

/// As before messages could be longer than a slot: the caller's own pieces of lines.
pub(super) fn chunks(
    order: &Order,
    place: Place,
    control: &mut Control,
) -> Result<Found, BoxError> {
    let segment = rings::attach(&place)?;
    if let Part::Producer(index) = order.part {
        let mut producer = segment.producer()?;
        producer.set_wait_mode(rings::mode(&place.setting));
        let mut chunks = vec![0; LONGEST_LINE.div_ceil(BODY_BYTES) * CHUNK_BYTES];
        control.wait_for_start()?;
        return produce(order, LONGEST_LINE, |line| {
            let used = cut(line, index, &mut chunks);
            if used <= CHUNK_BYTES {
                return Ok(producer.send(&chunks[..used])?);
            }
            let chunks: Vec<&[u8]> = chunks[..used].chunks(CHUNK_BYTES).collect();
            Ok(producer.send_batch(&chunks)?)
        });
    }
    let mut consumer = segment.consumer()?;
    consumer.set_wait_mode(rings::mode(&place.setting));
    let mut lines = vec![Vec::with_capacity(LONGEST_LINE); place.setting.producers as usize];
    let mut chunk = [0; CHUNK_BYTES];
    control.wait_for_start()?;
    let mut book = Book::start(order, LONGEST_LINE)?;
    while book.open > 0 {
        let mut taken = Ok(());
        consumer.recv_batch(BATCH, |message| {
            let len = message.copy_to(&mut chunk);
            if taken.is_ok() {
                taken = join(&chunk[..len], &mut lines, &mut book);
            }
        })?;
        taken?;
    }
    book.close()
}

/// Writes the chunks of a line one after the other; how many bytes these are.
fn cut(line: &[u8], producer: u32, chunks: &mut [u8]) -> usize {
    let mut used = 0;
    for (chunk, body) in chunks.chunks_mut(CHUNK_BYTES).zip(line.chunks(BODY_BYTES)) {
        chunk[..4].copy_from_slice(&(line.len() as u32).to_le_bytes());
        chunk[4..CHUNK_HEADER_BYTES].copy_from_slice(&producer.to_le_bytes());
        chunk[CHUNK_HEADER_BYTES..][..body.len()].copy_from_slice(body);
        used += CHUNK_HEADER_BYTES + body.len();
    }
    used
}

/// Takes in a chunk, and the line if it was the last of one.
fn join(chunk: &[u8], lines: &mut [Vec<u8>], book: &mut Book) -> Result<(), BoxError> {
    let word = |at: usize| chunk[at..].first_chunk().map(|word| u32::from_le_bytes(*word));
    let (Some(len), Some(producer)) = (word(0), word(4)) else {
        return Err("a chunk without a header came".into());
    };
    let body = &chunk[CHUNK_HEADER_BYTES..];
    if body.len() == len as usize {
        return book.take(body);
    }
    let line = lines.get_mut(producer as usize).ok_or("a chunk of nobody came")?;
    line.extend_from_slice(body);
    if line.len() == len as usize {
        book.take(line)?;
        line.clear();
    }
    Ok(())
}

/// One of the kernel's mechanisms, as sessions use it; all producers share the sending end.
pub(super) fn kernel<C: Contender>(
    order: &Order,
    place: Place,
    control: &mut Control,
) -> Result<Found, BoxError> {
    let longest = place.setting.message_bytes;
    if let Part::Producer(_) = order.part {
        let mut sender = C::open_sender(place)?;
        control.wait_for_start()?;
        return produce(order, longest, |line| sender.send(line));
    }
    let mut receiver = C::open_receiver(place)?;
    let mut line = vec![0; LONGEST_LINE];
    control.wait_for_start()?;
    let mut book = Book::start(order, longest)?;
    while book.open > 0 {
        let len = receiver.recv_into(&mut line)?.ok_or_else(|| RecvError::Eof.to_string())?;
        book.take(&line[..len])?;
    }
    book.close()
}

pub(super) fn prepare_kernel<C: Contender>(setting: &Setting) -> Result<Prepared, BoxError> {
    C::prepare(setting)
}
