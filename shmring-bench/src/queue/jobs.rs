//! Jobs that are taken and acknowledged, and what a killed worker leaves.

use shmring::{Config, Producer, RecvError, Segment};

use super::ends::{Book, Found, LONGEST_JOB, Order, Part, produce};
use crate::contender::{BoxError, Place, Prepared, Setting};
use crate::contenders::rings;
use crate::cpu::{Meter, now_ns};
use crate::name::Named;
use crate::worker::Control;

/// A slot for each job and what a job ring keeps before it, ...
const JOB_SLOT_BYTES: u64 = LONGEST_JOB as u64 + 16;
/// ... and for a message of a ring that keeps less.
const MESSAGE_SLOT_BYTES: u64 = LONGEST_JOB as u64 + 8;
const SLOTS: u64 = 1024;
/// The job that changes hands.
const JOB: &[u8] = b"a job that must not be lost";

pub(super) fn prepare_jobs(setting: &Setting) -> Result<Prepared, BoxError> {
    rings::prepare(setting, Config::jobs())
}

pub(super) fn prepare_fitted_jobs(setting: &Setting) -> Result<Prepared, BoxError> {
    rings::prepare(setting, Config::jobs().slot_bytes(JOB_SLOT_BYTES).slots(SLOTS))
}

pub(super) fn prepare_mpmc(setting: &Setting) -> Result<Prepared, BoxError> {
    rings::prepare(setting, Config::mpmc())
}

pub(super) fn prepare_fitted_mpmc(setting: &Setting) -> Result<Prepared, BoxError> {
    rings::prepare(setting, Config::mpmc().slot_bytes(MESSAGE_SLOT_BYTES).slots(SLOTS))
}

fn send(
    order: &Order,
    segment: &Segment,
    setting: &Setting,
    control: &mut Control,
) -> Result<Found, BoxError> {
    let mut producer = segment.producer()?;
    producer.set_wait_mode(rings::mode(setting));
    control.wait_for_start()?;
    produce(order, LONGEST_JOB, |job| Ok(producer.send(job)?))
}

pub(super) fn jobs(order: &Order, place: Place, control: &mut Control) -> Result<Found, BoxError> {
    let segment = rings::attach(&place)?;
    if let Part::Producer(_) = order.part {
        return send(order, &segment, &place.setting, control);
    }
    let mut worker = segment.worker()?;
    worker.set_wait_mode(rings::mode(&place.setting));
    let mut buffer = [0; LONGEST_JOB];
    control.wait_for_start()?;
    let mut book = Book::start(order, LONGEST_JOB)?;
    while let Some(job) = rings::unless_ended(worker.take())? {
        let len = job.copy_to(&mut buffer);
        book.take(&buffer[..len])?;
        if job.attempts() != 1 || !job.acknowledge() {
            return Err("a job came twice, or was not acknowledged".into());
        }
    }
    book.close()
}

/// The same without acknowledgement.
pub(super) fn mpmc(order: &Order, place: Place, control: &mut Control) -> Result<Found, BoxError> {
    let segment = rings::attach(&place)?;
    if let Part::Producer(_) = order.part {
        return send(order, &segment, &place.setting, control);
    }
    let mut consumer = segment.consumer()?;
    consumer.set_wait_mode(rings::mode(&place.setting));
    let mut buffer = [0; LONGEST_JOB];
    control.wait_for_start()?;
    let mut book = Book::start(order, LONGEST_JOB)?;
    while let Some(len) = rings::unless_ended_into(consumer.recv_into(&mut buffer))? {
        book.take(&buffer[..len])?;
    }
    book.close()
}

/// A ring with one job in it, and its producer, which lives as long as the run.
pub(super) fn prepare_killed(setting: &Setting) -> Result<Prepared, BoxError> {
    let mut prepared = rings::prepare(setting, Config::jobs())?;
    let named = prepared.names.downcast_ref::<Named>().ok_or("the ring has no name")?;
    let mut producer: Producer = named.segment.producer()?;
    producer.send(JOB)?;
    prepared.kept = Box::new(producer);
    Ok(prepared)
}

/// The worker that is killed, and the one that waits for its job.
pub(super) fn killed<const VICTIMS_MONITOR: bool, const SURVIVORS_MONITOR: bool>(
    order: &Order,
    place: Place,
    control: &mut Control,
) -> Result<Found, BoxError> {
    let segment = rings::attach(&place)?;
    let is_victim = order.part == Part::Victim;
    let monitored = if is_victim { VICTIMS_MONITOR } else { SURVIVORS_MONITOR };
    let _monitor = if monitored { Some(segment.monitor()?) } else { None };
    let mut worker = segment.worker()?;
    worker.set_wait_mode(rings::mode(&place.setting));
    if is_victim {
        let _job = worker.take()?;
        control.wait_for_start()?;
        return Err("it was let go, and not killed".into());
    }
    control.wait_for_start()?;
    let meter = Meter::start()?;
    let job = match worker.take() {
        Ok(job) => job,
        Err(RecvError::Eof) => return Err("the job was lost".into()),
        Err(error) => return Err(error.into()),
    };
    let taken_ns = Some(now_ns()?);
    if job.attempts() != 2 || job.to_vec() != JOB {
        return Err(format!("not the job that was lost: {job:?}").into());
    }
    job.acknowledge();
    let (messages, bytes) = (1, JOB.len() as u64);
    Ok(Found { part: order.part, span: meter.stop()?, messages, bytes, sum: 0, taken_ns })
}
