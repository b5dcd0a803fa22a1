//! Workers that send, with every verb there is.

use std::thread::yield_now;

use shmring::{Producer, Segment, SendTimeoutError, TrySendError, values};

use super::ledger::Wish;
use super::party::{Next, Party};
use super::setup::Element;
use shmring_bench::contender::BoxError;
use shmring_bench::message::{self, HEADER_BYTES};

/// Longer messages would only be fewer.
const MAX_BYTES: usize = 16 << 10;
/// The step between messages that are random all over and cheap to make.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// How a send ended.
enum Sent {
    /// So many messages were sent.
    All(u64),
    /// None was.
    None(SendTimeoutError),
}

impl From<Result<(), SendTimeoutError>> for Sent {
    fn from(result: Result<(), SendTimeoutError>) -> Self {
        result.map_or_else(Sent::None, |()| Sent::All(1))
    }
}

impl From<Result<(), TrySendError>> for Sent {
    fn from(result: Result<(), TrySendError>) -> Self {
        Sent::from(result.map_err(SendTimeoutError::from))
    }
}

impl Sent {
    fn times(self, count: usize) -> Sent {
        match self {
            Sent::All(_) => Sent::All(count as u64),
            none => none,
        }
    }
}

/// Sends messages until told to stop, or the ring is closed.
pub(super) fn messages(party: &mut Party<'_>, segment: &Segment) -> Result<(), BoxError> {
    let Some(mut tx) = party.join(|| segment.producer())? else { return Ok(()) };
    tx.set_wait_mode(party.part.waits.mode());
    tx.set_require_consumer(party.part.require_consumer);
    let most_bytes = tx.max_message_bytes().min(MAX_BYTES);
    let mut batch: Vec<Vec<u8>> = vec![Vec::new(); party.part.most_in_batch];
    while party.ledger.wish() == Wish::Stay {
        party.dawdle();
        let verb = party.random.below(10);
        let count = if verb < 3 { 1 + party.random.below(batch.len()) } else { 1 };
        // A batch must fit where one message does, with its headers.
        let most = (most_bytes / count).saturating_sub(2 * HEADER_BYTES * (count - 1) / count);
        let most = if count == 1 { most_bytes } else { most & !7 }.max(HEADER_BYTES);
        let sent = party.ledger.sent();
        for (message, sequence) in batch[..count].iter_mut().zip(sent..) {
            make(party, message, most, sequence);
        }
        party.ledger.set_started(sent + count as u64);
        let done = send(party, &mut tx, verb, &batch[..count]);
        if settle(party, done)? == Next::Leave {
            break;
        }
    }
    Ok(())
}

/// Fills a message with random bytes of a random number, mostly few.
fn make(party: &mut Party<'_>, message: &mut Vec<u8>, most: usize, sequence: u64) {
    let spare = most - HEADER_BYTES + 1;
    let bits = 1 + party.random.below(spare.next_power_of_two().trailing_zeros() as usize + 1);
    let len = HEADER_BYTES + party.random.below(spare.min(1 << bits));
    message.resize(len, 0);
    let mut word = party.random.next();
    for chunk in message.chunks_mut(8) {
        word = word.wrapping_add(STEP).rotate_left(7);
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    message::seal(party.id(sequence), message);
}

fn send(party: &mut Party<'_>, tx: &mut Producer, verb: usize, messages: &[Vec<u8>]) -> Sent {
    let (patience, count) = (party.patience(), messages.len());
    match verb {
        0 | 1 => Sent::from(tx.send_batch_timeout(messages, patience)).times(count),
        2 => Sent::from(tx.try_send_batch(messages)).times(count),
        3 => Sent::from(tx.try_send(&messages[0])),
        4 => match tx.try_reserve(messages[0].len()) {
            // Given up again.
            Ok(reservation) => {
                drop(reservation);
                Sent::All(0)
            }
            Err(error) => Sent::None(error.into()),
        },
        5 | 6 => {
            let len = messages[0].len();
            let more = (len + party.random.below(64)).min(tx.max_message_bytes());
            match tx.reserve_timeout(more, patience) {
                Ok(mut reservation) => {
                    let (front, back) = messages[0].split_at(len / 2);
                    reservation.write_at(0, front);
                    party.linger();
                    reservation.write_at(front.len(), back);
                    reservation.commit();
                    Sent::All(1)
                }
                Err(error) => Sent::None(error),
            }
        }
        _ => Sent::from(tx.send_timeout(&messages[0], patience)),
    }
}

/// Enters what became of a send.
fn settle(party: &Party<'_>, done: Sent) -> Result<Next, BoxError> {
    let ledger = party.ledger;
    match done {
        Sent::All(count) => {
            // What was begun and not sent was given up before it could be seen.
            ledger.set_sent(ledger.sent() + count);
            ledger.set_started(ledger.sent());
            return Ok(Next::GoOn);
        }
        Sent::None(SendTimeoutError::TimedOut) => yield_now(),
        Sent::None(SendTimeoutError::BrokenPipe) => party.lonely(),
        Sent::None(SendTimeoutError::Closed) => {
            ledger.set_started(ledger.sent());
            return Ok(Next::Leave);
        }
        Sent::None(error) => return Err(error.into()),
    }
    ledger.set_started(ledger.sent());
    Ok(Next::GoOn)
}

/// As [`messages`], into a ring of values.
pub(super) fn elements(party: &mut Party<'_>, segment: &Segment) -> Result<(), BoxError> {
    let Some(mut tx) = party.join(|| segment.value_producer::<Element>())? else {
        return Ok(());
    };
    tx.set_wait_mode(party.part.waits.mode());
    tx.set_require_consumer(party.part.require_consumer);
    while party.ledger.wish() == Wish::Stay {
        party.dawdle();
        let sent = party.ledger.sent();
        let count = 1 + party.random.below(party.part.most_in_batch) as u64;
        let batch: Vec<Element> =
            (sent..sent + count).map(|sequence| element(party, sequence)).collect();
        party.ledger.set_started(sent + count);
        let done = send_elements(party, &mut tx, &batch);
        if settle(party, done)? == Next::Leave {
            break;
        }
    }
    Ok(())
}

fn element(party: &mut Party<'_>, sequence: u64) -> Element {
    let mut element: Element = std::array::from_fn(|_| party.random.next());
    message::seal(party.id(sequence), bytemuck::bytes_of_mut(&mut element));
    element
}

fn send_elements(
    party: &mut Party<'_>,
    tx: &mut values::Producer<Element>,
    batch: &[Element],
) -> Sent {
    let patience = party.patience();
    match party.random.below(6) {
        0 => Sent::from(tx.try_send_slice(batch)).times(batch.len()),
        1 | 2 => match tx.reserve_timeout(batch.len(), patience) {
            Ok(mut space) => {
                let count = 1 + party.random.below(space.capacity());
                space.write_slice(0, &batch[..count]);
                // Only these can be seen.
                party.ledger.set_started(party.ledger.sent() + count as u64);
                party.linger();
                space.commit();
                Sent::All(count as u64)
            }
            Err(error) => Sent::None(error),
        },
        3 => {
            party.ledger.set_started(party.ledger.sent() + 1);
            Sent::from(tx.send_timeout(&batch[0], patience))
        }
        _ => Sent::from(tx.send_slice_timeout(batch, patience)).times(batch.len()),
    }
}
