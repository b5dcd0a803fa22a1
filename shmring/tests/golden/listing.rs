//! Lists the contents of a segment through the library, in the format of `reader.py`.

use std::fmt::{self, Write};
use std::time::UNIX_EPOCH;

use shmring::info::{Holder, Jobs, Subscription};
use shmring::observe::PeekEnd;
use shmring::{ElementType, Kind, Observer, Participant, Peeked, RingInfo, RingStatus, Role};

pub(crate) fn listing(name: &str) -> String {
    let mut text = String::new();
    write_to(&mut text, &Observer::open(name).unwrap()).unwrap();
    text
}

fn participant(participant: &Participant) -> String {
    let Participant { pid, uid, alive, .. } = participant;
    format!("pid {pid} uid {uid} {}", if *alive { "alive" } else { "dead" })
}

fn write_holder(text: &mut String, holder: &Holder) -> fmt::Result {
    let Holder { handle, role, .. } = holder;
    write!(text, "{role} handle {handle} {}", participant(&holder.participant))?;
    if let Some(need) = holder.sleeps_until {
        write!(text, " sleeps until {need}")?;
    }
    if let Some(subscription) = holder.subscription {
        let Subscription { mode, position, lag_messages, lag_bytes, missed, .. } = subscription;
        write!(text, " {mode} at {position} lags {lag_messages} messages {lag_bytes} bytes")?;
        write!(text, " missed {missed}")?;
    }
    if let Some(tickets) = &holder.announced {
        write!(text, " announced {} to {}", tickets.start, tickets.end)?;
    }
    for job in &holder.in_hand {
        write!(text, " has {} attempts {}", job.position, job.attempts)?;
    }
    writeln!(text)
}

fn write_to(text: &mut String, observer: &Observer) -> fmt::Result {
    let is = observer.info();
    let created = is.created.duration_since(UNIX_EPOCH).unwrap().as_nanos();
    writeln!(text, "created {created} by {}", is.creator_pid)?;
    if !is.metadata.is_empty() {
        let hex: String = is.metadata.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "metadata {hex}")?;
    }
    // Before the status: what is sent in between is not behind its tail.
    let peek = |ring| observer.peek_ring(ring, usize::MAX, usize::MAX).unwrap();
    let peeked: Vec<_> = (0..is.rings.len()).map(peek).collect();
    let status = observer.status().unwrap();
    writeln!(text, "repairs {}", status.repairs)?;
    for attached in &status.attached {
        writeln!(text, "attached {}", participant(attached))?;
    }
    let rings = is.rings.iter().zip(&status.rings).zip(&peeked).enumerate();
    rings
        .map(|(index, ((is, status), peeked))| (index, is, status, peeked))
        .try_for_each(|(index, is, status, peeked)| write_ring(text, index, is, status, peeked))
}

fn write_ring(
    text: &mut String,
    index: usize,
    is: &RingInfo,
    status: &RingStatus,
    peeked: &Peeked,
) -> fmt::Result {
    writeln!(text, "ring {index} kind {}\ncapacity {}", is.kind, is.capacity_bytes)?;
    if let (Some(slots), Some(slot_bytes)) = (is.slots, is.slot_bytes) {
        writeln!(text, "slots {slots} of {slot_bytes}")?;
    }
    if let Some(element) = is.element {
        let ElementType { size_bytes, type_id, name, .. } = element;
        writeln!(text, "element {size_bytes} type {type_id:#x} {name}")?;
    }
    writeln!(text, "payloads at multiples of {}", is.payload_align_bytes)?;
    writeln!(text, "max message {}", is.max_message_bytes)?;
    writeln!(text, "head {} tail {}", status.head, status.tail)?;
    writeln!(text, "received {} tombstones {}", status.messages_received, status.tombstones)?;
    writeln!(text, "resolved {}", status.resolved)?;
    let (producers, consumers) = (status.producers_so_far, status.consumers_so_far);
    writeln!(text, "producers so far {producers} consumers so far {consumers}")?;
    if is.kind == Kind::Broadcast {
        writeln!(text, "evictions {}", status.evictions)?;
    }
    if let Some(jobs) = status.jobs {
        let Jobs { waiting, returned, in_hand, .. } = jobs;
        writeln!(text, "jobs waiting {waiting} returned {returned} in hand {in_hand}")?;
    }
    writeln!(text, "closed {}", u8::from(status.closed))?;
    for role in [Role::Producer, Role::Consumer] {
        status.holders_of(role).try_for_each(|holder| write_holder(text, holder))?;
    }
    for message in &peeked.messages {
        write!(text, "message {} to {}: ", message.start, message.end)?;
        message.bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
        writeln!(text)?;
    }
    let (end, position) = match peeked.end {
        PeekEnd::Empty => ("empty", status.tail),
        PeekEnd::InFlight { position } => ("in flight", position),
        PeekEnd::Corrupt(corrupt) => ("corrupt", corrupt.position),
        _ => ("outrun", 0),
    };
    writeln!(text, "then {end} at {position}")
}
