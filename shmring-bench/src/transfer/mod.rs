//! One run of one contender: a producer's process, a consumer's, and every message verified.

mod flow;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use flow::{consume, produce};

use crate::contender::{Room, Setting, Wait};
use crate::contestant::Contestant;
use crate::cpu::{self, Span};
use crate::message::Size;
use crate::task::Task;
use crate::worker::{Crew, Tick};
use crate::{Error, Options, Progress, Watch};

/// A run that is slower than this is taken to hang, ...
const SLOWEST_BYTES_PER_S: u64 = 5_000_000;
/// ... after this time in any case.
const RUN_LIMIT: Duration = Duration::from_secs(60);

/// What one run gave. There is none for a run in which a message was not right.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// The contender's name.
    pub contender: String,
    /// The capacity it obtained.
    pub capacity_bytes: u64,
    /// Messages moved.
    pub messages: u64,
    /// Their bytes, generated headers included, a mechanism's own framing not.
    pub bytes: u64,
    /// From the first worker's start to the last one's stop.
    pub seconds: f64,
    /// Millions of bytes a second.
    pub mb_per_s: f64,
    /// Messages a second.
    pub messages_per_s: f64,
    /// What sending used, the making of messages included.
    pub producer: Usage,
    /// What receiving used, the verification included.
    pub consumer: Usage,
    /// That every message came, once, in order and unchanged.
    pub verified: bool,
}

impl Transfer {
    /// User and system time of both sides.
    pub fn cpu_ns_per_message(&self) -> f64 {
        self.producer.cpu_ns_per_message + self.consumer.cpu_ns_per_message
    }
}

/// What one worker used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// The CPU it was pinned to; none if there were no two.
    pub cpu: Option<usize>,
    /// User and system time.
    pub cpu_ns_per_message: f64,
    /// How often it went to sleep.
    pub voluntary_switches: u64,
    /// How often it was made to give way.
    pub involuntary_switches: u64,
    /// How long it could have run while others ran in its place; none if the kernel does not count.
    pub waited_ns: Option<u64>,
}

/// Runs one contender once.
pub fn transfer(
    contender: &Contestant,
    options: &Options,
    watch: &mut Watch<'_>,
) -> Result<Transfer, Error> {
    let size = options.plan()?.size();
    let mut progress = Progress {
        contender: contender.name,
        round: 1,
        rounds: 1,
        bytes_received: 0,
        bytes_total: size.bytes,
    };
    run(contender, options, cpu::pair(), &mut |bytes_received| {
        progress.bytes_received = bytes_received;
        watch(&progress)
    })
}

pub(crate) fn run(
    contender: &Contestant,
    options: &Options,
    cpus: Option<[usize; 2]>,
    tick: &mut Tick<'_>,
) -> Result<Transfer, Error> {
    let plan = options.plan()?;
    let size = plan.size();
    let setting = Setting {
        name_prefix: options.segment_prefix.clone(),
        room: Room::Bytes(options.capacity_bytes),
        message_bytes: plan.max_message_bytes,
        wait: Wait::Adaptive,
        batch: 1,
        producers: 1,
        consumers: 1,
    };
    let prepared = (contender.prepare)(&setting)
        .map_err(|source| Error::Prepare { contender: contender.name, source })?;

    let mut crew = Crew::new();
    let (name, address) = (contender.name.to_owned(), prepared.address);
    let [producer_cpu, consumer_cpu] = cpus.map_or([None; 2], |cpus| cpus.map(Some));
    let task = Task::Consume {
        contender: name.clone(),
        address: address.clone(),
        setting: setting.clone(),
        plan: plan.clone(),
    };
    crew.start("consumer", &options.executable, consumer_cpu, &task, prepared.receiver_fds)?;
    let task = Task::Produce { contender: name, address, setting, plan };
    crew.start("producer", &options.executable, producer_cpu, &task, prepared.sender_fds)?;
    crew.wait_ready(tick)?;
    drop(prepared.names);
    let _kept = prepared.kept;

    let limit = RUN_LIMIT + Duration::from_secs(size.bytes / SLOWEST_BYTES_PER_S);
    let mut spans = Vec::new();
    for (role, result) in crew.run(limit, tick)? {
        let span = serde_json::from_value::<Span>(result);
        spans.push(span.map_err(|source| Error::Result { role, source })?);
    }
    let [consumer, producer] = &spans[..] else { unreachable!("two workers, two results") };
    Ok(summarise(contender, prepared.capacity_bytes, size, [producer, consumer], cpus))
}

fn summarise(
    contender: &Contestant,
    capacity_bytes: u64,
    size: Size,
    [producer, consumer]: [&Span; 2],
    cpus: Option<[usize; 2]>,
) -> Transfer {
    let start_ns = producer.start_ns.min(consumer.start_ns);
    let stop_ns = producer.stop_ns.max(consumer.stop_ns);
    let seconds = stop_ns.saturating_sub(start_ns).max(1) as f64 / 1e9;
    let messages = size.messages as f64;
    let usage = |span: &Span, cpu| Usage {
        cpu,
        cpu_ns_per_message: span.cpu_ns as f64 / messages,
        voluntary_switches: span.voluntary_switches,
        involuntary_switches: span.involuntary_switches,
        waited_ns: span.waited_ns,
    };
    Transfer {
        contender: contender.name.to_owned(),
        capacity_bytes,
        messages: size.messages,
        bytes: size.bytes,
        seconds,
        mb_per_s: size.bytes as f64 / 1e6 / seconds,
        messages_per_s: messages / seconds,
        producer: usage(producer, cpus.map(|cpus| cpus[0])),
        consumer: usage(consumer, cpus.map(|cpus| cpus[1])),
        verified: true,
    }
}
