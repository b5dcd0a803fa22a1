//! What the two workers of a transfer do.

use serde_json::Value;

use crate::contender::{BoxError, Contender, Place, Receiver, Sender};
use crate::cpu::{Meter, Span, now_ns};
use crate::message::{Generator, Plan, Verifier};
use crate::worker::Control;

/// The clock is looked at once in so many messages, ...
const PROGRESS_MESSAGES: u64 = 64;
/// ... to report progress this often.
const PROGRESS_NS: u64 = 100_000_000;

pub(crate) fn produce<C: Contender>(
    place: Place,
    plan: &Plan,
    control: &mut Control,
) -> Result<Value, BoxError> {
    let size = plan.size();
    let mut generator = Generator::new(plan);
    let mut sender = C::open_sender(place)?;
    control.wait_for_start()?;
    let meter = Meter::start()?;
    for sequence in 0..size.messages {
        let sent = sender.send(generator.next_message());
        sent.map_err(|error| format!("sending message {sequence} of {}: {error}", size.messages))?;
    }
    sender.finish()?;
    Ok(serde_json::to_value(meter.stop()?)?)
}

pub(crate) fn consume<C: Contender>(
    place: Place,
    plan: &Plan,
    control: &mut Control,
) -> Result<Value, BoxError> {
    let size = plan.size();
    let mut receiver = C::open_receiver(place)?;
    control.wait_for_start()?;
    let span = receive_all(&mut receiver, size.messages, control)?;
    Ok(serde_json::to_value(span)?)
}

/// Receives and verifies until the end of the stream.
fn receive_all(
    receiver: &mut impl Receiver,
    sent: u64,
    control: &mut Control,
) -> Result<Span, BoxError> {
    let meter = Meter::start()?;
    let mut verifier = Verifier::default();
    let mut reported_ns = now_ns()?;
    for received in 1.. {
        let verdict = receiver.recv(|message| verifier.check(message));
        match verdict
            .map_err(|error| format!("receiving after {} messages: {error}", received - 1))?
        {
            Some(verdict) => verdict?,
            None => break,
        }
        if received % PROGRESS_MESSAGES == 0 {
            let now_ns = now_ns()?;
            if now_ns - reported_ns >= PROGRESS_NS {
                control.progress(verifier.bytes())?;
                reported_ns = now_ns;
            }
        }
    }
    let span = meter.stop()?;
    verifier.finish(sent)?;
    Ok(span)
}
