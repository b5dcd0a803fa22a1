//! One contender in one scenario: the worker processes of a run, and what they found.
//!
//! A *part* is what one end does: a producer or a consumer of a stream, or either side of a
//! ping-pong. The loops (`stream`, `ping_pong`, `one_way`) know nothing of processes; this
//! module opens their ends, in a process for each part or in one process with a thread for each.

pub(crate) mod content;
mod finding;
pub(crate) mod length;
pub(crate) mod memory;
mod one_way;
mod ping_pong;
mod run;
pub(crate) mod stream;

use std::sync::Barrier;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use finding::{Latencies, Outcome, PERCENTILES};
pub(crate) use run::{Stage, run};

use crate::contender::{BoxError, Contender, InProcess, Place, Receiver, Sender};
use crate::cpu;
use crate::scenario::{Flow, Scenario};
use crate::worker::Control;
pub(crate) use finding::Finding;
use length::{Fixed, Runtime};

/// A worker's part in a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) scenario: Scenario,
    pub(crate) part: Part,
    /// Whether every byte of every message is written and checked: for a run that is not timed.
    pub(crate) check: bool,
    /// CPUs for the threads of one process; others are pinned before.
    pub(crate) cpus: Vec<usize>,
    /// How many descriptors belong to each instance of the mechanism.
    pub(crate) fd_counts: Vec<usize>,
}

/// Which end of the run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Sends, as one of several.
    Producer(u32),
    /// Receives, as one of several.
    Consumer,
    /// Sends through the first instance and receives from the second.
    Ping,
    /// Sends back through the second instance what it receives from the first.
    Pong,
    /// All of them, on threads.
    All,
}

/// Calls `$body` with `$len` as a length that the compiler knows, where it is a usual one.
macro_rules! with_length {
    ($bytes:expr, |$len:ident| $body:expr) => {
        match $bytes {
            8 => {
                let $len = Fixed::<8>;
                $body
            }
            56 => {
                let $len = Fixed::<56>;
                $body
            }
            64 => {
                let $len = Fixed::<64>;
                $body
            }
            bytes => {
                let $len = Runtime(bytes);
                $body
            }
        }
    };
}
pub(crate) use with_length;

/// Does a part of a run between processes.
pub(crate) fn part<C: Contender>(
    order: &Order,
    mut places: Vec<Place>,
    control: &mut Control,
) -> Result<Value, BoxError> {
    let mut place = || {
        let none = places.is_empty();
        if none { Err("there is no place for this end") } else { Ok(places.remove(0)) }
    };
    let finding = match order.part {
        Part::Producer(index) => {
            let sender = C::open_sender(place()?)?;
            control.wait_for_start()?;
            send(order, index, sender)?
        }
        Part::Consumer => {
            let mut receiver = C::open_receiver(place()?)?;
            control.wait_for_start()?;
            receive(order, &mut receiver)?
        }
        Part::Ping => {
            let there = C::open_sender(place()?)?;
            let mut back = C::open_receiver(place()?)?;
            control.wait_for_start()?;
            play(order, there, &mut back)?
        }
        Part::Pong => {
            let mut there = C::open_receiver(place()?)?;
            let back = C::open_sender(place()?)?;
            control.wait_for_start()?;
            answer(order, &mut there, back)?
        }
        Part::All => return Err("it works between processes".into()),
    };
    Ok(serde_json::to_value(vec![finding])?)
}

/// Does all parts of a run between threads.
pub(crate) fn all_parts<C: InProcess>(
    order: &Order,
    places: Vec<Place>,
    control: &mut Control,
) -> Result<Value, BoxError> {
    let setting = &places.first().ok_or("there is no setting")?.setting;
    let (senders, receivers) = C::ends(setting)?;
    let (back_senders, back_receivers) = match order.scenario.flow {
        Flow::PingPong => C::ends(setting)?,
        _ => (Vec::new(), Vec::new()),
    };
    control.wait_for_start()?;
    let barrier = Barrier::new(senders.len() + receivers.len());
    let start = |end: usize| {
        if let Some(cpu) = order.cpus.get(end) {
            cpu::pin(*cpu)?;
        }
        barrier.wait();
        Ok::<(), BoxError>(())
    };
    let findings: Result<Vec<Finding>, BoxError> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut back_receivers = back_receivers.into_iter();
        let mut back_senders = back_senders.into_iter();
        let start = &start;
        for (index, sender) in senders.into_iter().enumerate() {
            let back = back_receivers.next();
            threads.push(scope.spawn(move || {
                start(0)?;
                match back {
                    Some(mut back) => play(order, sender, &mut back),
                    None => send(order, index as u32, sender),
                }
            }));
        }
        for mut receiver in receivers {
            let back = back_senders.next();
            threads.push(scope.spawn(move || {
                start(1)?;
                match back {
                    Some(back) => answer(order, &mut receiver, back),
                    None => receive(order, &mut receiver),
                }
            }));
        }
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|end| end.unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    Ok(serde_json::to_value(findings?)?)
}

fn send(order: &Order, index: u32, sender: impl Sender) -> Result<Finding, BoxError> {
    let Order { scenario, check, .. } = order;
    match scenario.flow {
        Flow::OneWay { per_second } => with_length!(scenario.message_bytes, |len| {
            one_way::send(scenario, len, per_second, *check, sender, one_way::Pace::Spinning)
        }),
        Flow::Paced { per_second } => with_length!(scenario.message_bytes, |len| {
            one_way::send(scenario, len, per_second, *check, sender, one_way::Pace::sleeping()?)
        }),
        _ if scenario.batch > 1 => match scenario.message_bytes {
            8 => stream::send_batches::<8>(scenario, index, *check, sender),
            64 => stream::send_batches::<64>(scenario, index, *check, sender),
            other => Err(format!("messages of {other} bytes are not sent in batches").into()),
        },
        Flow::InPlace => stream::send_in_place(scenario, index, *check, sender),
        _ => with_length!(scenario.message_bytes, |len| {
            stream::send(scenario, len, index, *check, sender)
        }),
    }
}

fn receive(order: &Order, receiver: &mut impl Receiver) -> Result<Finding, BoxError> {
    let Order { scenario, check, .. } = order;
    match scenario.flow {
        Flow::OneWay { per_second } | Flow::Paced { per_second } => {
            with_length!(scenario.message_bytes, |len| {
                one_way::receive(scenario, len, per_second, *check, receiver)
            })
        }
        _ if scenario.batch > 1 => match scenario.message_bytes {
            8 => stream::receive_batches::<8>(scenario, *check, receiver),
            64 => stream::receive_batches::<64>(scenario, *check, receiver),
            other => Err(format!("messages of {other} bytes are not received in batches").into()),
        },
        Flow::InPlace => stream::receive_in_place(scenario, *check, receiver),
        _ => with_length!(scenario.message_bytes, |len| {
            stream::receive(scenario, len, *check, receiver)
        }),
    }
}

fn play(order: &Order, there: impl Sender, back: &mut impl Receiver) -> Result<Finding, BoxError> {
    with_length!(order.scenario.message_bytes, |len| {
        ping_pong::ping(&order.scenario, len, order.check, there, back)
    })
}

fn answer(
    order: &Order,
    there: &mut impl Receiver,
    back: impl Sender,
) -> Result<Finding, BoxError> {
    with_length!(order.scenario.message_bytes, |len| ping_pong::pong(len, there, back))
}
