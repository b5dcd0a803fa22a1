//! A party to a death: a process that carries out orders, as victim or as survivor.

use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use shmring::{
    Consumer, JoinError, Producer, RecvTimeoutError, Segment, SendTimeoutError, TrySendError,
};

use super::orders::{Answer, Order, Part};
use super::{LIMIT, ROLE_POLL};
use shmring_bench::contender::BoxError;
use shmring_bench::now_ns;
use shmring_bench::worker::Dialog;

/// Bytes of a message: its number, and the same twice more, changed.
pub(super) const MESSAGE_BYTES: usize = 24;

fn message(number: u64) -> [u8; MESSAGE_BYTES] {
    let words = [number, !number, number.wrapping_mul(0xD134_2543_DE82_EF95)];
    let mut bytes = [0; MESSAGE_BYTES];
    for (part, word) in bytes.chunks_exact_mut(8).zip(words) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Checks that a message has the given number.
///
/// # Errors
/// What came instead, as text.
fn check(bytes: &[u8], wanted: u64) -> Result<(), BoxError> {
    if bytes == message(wanted) {
        return Ok(());
    }
    let found = bytes.first_chunk().map(|first| u64::from_le_bytes(*first));
    Err(match found {
        Some(found) if bytes == message(found) && found < wanted => {
            format!("message {found} came again, where message {wanted} was to come")
        }
        Some(found) if bytes == message(found) => {
            format!("message {found} came, where message {wanted} was to come")
        }
        _ => format!("{} bytes that nobody sent came, instead of message {wanted}", bytes.len()),
    }
    .into())
}

/// Carries out orders until there are no more.
pub(crate) fn run(part: &Part, fds: Vec<OwnedFd>) -> Result<Value, BoxError> {
    let mut dialog = Dialog::inherited(fds)?;
    let segment = Segment::attach(&part.segment)?;
    let _monitor = part.monitor.then(|| segment.monitor()).transpose()?;
    let mut party = Party { part, segment: &segment, producer: None, consumer: None };
    while let Some(order) = dialog.hear()? {
        let next =
            party.obey(&order, &mut dialog).map_err(|error| format!("{order:?}: {error}"))?;
        dialog.say(&Answer::Done { at_ns: now_ns()?, next })?;
    }
    Ok(Value::Null)
}

struct Party<'a> {
    part: &'a Part,
    segment: &'a Segment,
    producer: Option<Producer>,
    consumer: Option<Consumer>,
}

impl Party<'_> {
    /// Returns the number of the next message, where the order asks for it.
    fn obey(&mut self, order: &Order, dialog: &mut Dialog) -> Result<u64, BoxError> {
        match *order {
            Order::Produce { require_consumer } => {
                if self.producer.is_none() {
                    let mut producer = take_role(|| self.segment.producer())?;
                    producer.set_wait_mode(self.part.waits.mode());
                    producer.set_require_consumer(require_consumer);
                    self.producer = Some(producer);
                }
            }
            Order::Consume => {
                if self.consumer.is_none() {
                    let mut consumer = take_role(|| self.segment.consumer())?;
                    consumer.set_wait_mode(self.part.waits.mode());
                    self.consumer = Some(consumer);
                }
            }
            Order::Leave => (self.producer, self.consumer) = (None, None),
            Order::Send { first, count } => {
                for number in first..first + count {
                    self.producer()?.send_timeout(&message(number), LIMIT)?;
                }
            }
            Order::Fill { first } => return self.fill(first),
            Order::Receive { first, count } => {
                for number in first..first + count {
                    check(&self.consumer()?.recv_timeout(LIMIT)?, number)?;
                }
            }
            Order::HoldReservation => {
                let mut reservation = self.producer()?.reserve(MESSAGE_BYTES)?;
                reservation.write_at(0, &[0xFF; MESSAGE_BYTES]);
                stand_still(dialog)?;
                reservation.commit();
            }
            Order::HoldPeek { number } => {
                let peek = self.consumer()?.peek_timeout(LIMIT)?;
                check(&peek.to_vec(), number)?;
                stand_still(dialog)?;
                peek.release();
            }
            _ => self.wait(order, dialog)?,
        }
        Ok(0)
    }

    /// The orders that wait in the ring for what the death brings about.
    fn wait(&mut self, order: &Order, dialog: &mut Dialog) -> Result<(), BoxError> {
        match *order {
            Order::AwaitMessage { number } => {
                let consumer = self.consumer()?;
                dialog.say(&Answer::Waits)?;
                loop {
                    match consumer.recv_timeout(LIMIT) {
                        // The sole producer was found dead before its successor joined.
                        Err(RecvTimeoutError::Eof) => sleep(ROLE_POLL),
                        received => return check(&received?, number),
                    }
                }
            }
            Order::AwaitEnd => {
                let consumer = self.consumer()?;
                dialog.say(&Answer::Waits)?;
                match consumer.recv_timeout(LIMIT) {
                    Err(RecvTimeoutError::Eof) => Ok(()),
                    other => Err(format!("instead of the end came {other:?}").into()),
                }
            }
            Order::AwaitRoom { number } => {
                let producer = self.producer()?;
                dialog.say(&Answer::Waits)?;
                Ok(producer.send_timeout(&message(number), LIMIT)?)
            }
            Order::AwaitBrokenPipe { number } => {
                let producer = self.producer()?;
                dialog.say(&Answer::Waits)?;
                match producer.send_timeout(&message(number), LIMIT) {
                    Err(SendTimeoutError::BrokenPipe) => Ok(()),
                    other => Err(format!("instead of a broken pipe came {other:?}").into()),
                }
            }
            _ => Err("not an order to wait".into()),
        }
    }

    fn fill(&mut self, first: u64) -> Result<u64, BoxError> {
        let producer = self.producer()?;
        for number in first.. {
            match producer.try_send(&message(number)) {
                Ok(()) => {}
                Err(TrySendError::Full) => return Ok(number),
                Err(error) => return Err(error.into()),
            }
        }
        Err("a ring without end".into())
    }

    fn producer(&mut self) -> Result<&mut Producer, BoxError> {
        self.producer.as_mut().ok_or_else(|| "not a producer".into())
    }

    fn consumer(&mut self) -> Result<&mut Consumer, BoxError> {
        self.consumer.as_mut().ok_or_else(|| "not a consumer".into())
    }
}

/// Tries until a role is free; each try checks whether its holder is dead.
fn take_role<T>(claim: impl Fn() -> Result<T, JoinError>) -> Result<T, BoxError> {
    let start = now_ns()?;
    loop {
        match claim() {
            Err(JoinError::RoleTaken { .. }) if Duration::from_nanos(now_ns()? - start) < LIMIT => {
                sleep(ROLE_POLL);
            }
            result => return Ok(result?),
        }
    }
}

/// Waits to be killed. Returns if it is not.
fn stand_still(dialog: &mut Dialog) -> Result<(), BoxError> {
    dialog.say(&Answer::Waits)?;
    let _: Option<Order> = dialog.hear()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a ledger that takes one message for another, or part of one for all of it.
    #[test]
    fn a_wrong_message_is_told() {
        let said = |bytes: &[u8], wanted| check(bytes, wanted).map_err(|error| error.to_string());
        assert_eq!(said(&message(7), 7), Ok(()));
        let again = "message 6 came again, where message 7 was to come";
        assert_eq!(said(&message(6), 7).unwrap_err(), again);
        let lost = "message 8 came, where message 7 was to come";
        assert_eq!(said(&message(8), 7).unwrap_err(), lost);
        let half = "16 bytes that nobody sent came, instead of message 7";
        assert_eq!(said(&message(7)[..16], 7).unwrap_err(), half);
        let reserved = "24 bytes that nobody sent came, instead of message 7";
        assert_eq!(said(&[0xFF; MESSAGE_BYTES], 7).unwrap_err(), reserved);
    }
}
