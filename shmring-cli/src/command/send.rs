//! `shmring send`: stdin to messages.

use std::sync::Arc;
use std::time::Duration;

use shmring::{Producer, Segment, SegmentInfo, SendTimeoutError, TrySendError};

use crate::cli::SendArgs;
use crate::facts::{HeldUpFacts, Subject};
use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop};
use crate::report::{count, quoted};
use crate::transfer::attaching::{Patience, attach};
use crate::transfer::framing::{Incoming, Splitter, Unfit};
use crate::transfer::input::Input;
use crate::transfer::meter::{Meter, Moved, Way};
use crate::transfer::peers::{PeerCheck, lacks_peer};
use crate::transfer::watcher::Watcher;

/// A batch has at most this many messages, and at most this part of the ring's bytes or slots:
/// it fits with any padding, and receivers work while this sender fills the next one.
const BATCH_MESSAGES: usize = 512;
const BATCH_PARTS: u64 = 16;
/// The most bytes that a message takes besides its payload.
const OVERHEAD_BYTES: usize = 16;
/// The length of an over-long line is counted up to here: a stream without newlines may never
/// end.
const COUNT_LIMIT_BYTES: usize = 1 << 30;

pub(crate) fn run(args: &SendArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    let segment = Arc::new(attach(&args.attaching, &signals)?);
    let plan = Plan {
        framing: args.framing(),
        timeout: args.timeout,
        stats: args.stats,
        is_named: args.attaching.target.socket.is_none(),
    };
    pump(&segment, &plan, &signals)
}

/// How to send.
pub(crate) struct Plan {
    pub(crate) framing: Incoming,
    /// The maximum wait for room. `None`: no limit.
    pub(crate) timeout: Option<Duration>,
    /// Whether to print totals at the end.
    pub(crate) stats: bool,
    /// Whether the segment was attached by its name.
    pub(crate) is_named: bool,
}

/// Moves stdin to the ring, until its end.
pub(crate) fn pump(segment: &Arc<Segment>, plan: &Plan, signals: &Signals) -> Result<(), Stop> {
    let ring = segment.info();
    // Without a monitor, this sender notices the death of the last receiver a little later.
    let _monitor = segment.monitor();
    let producer = segment.producer().map_err(|error| Stop::join(&ring.name, &error))?;
    let mut input = Input::stdin()?;
    let meter = Meter::new(Way::In, &input, plan.framing.overhead_bytes());
    let peers = PeerCheck::new([segment], plan.is_named, meter.reporter());
    let watcher = Watcher::start(signals, producer.interrupter(), None, peers)?;
    let mut sender = Sender {
        segment,
        producer,
        batch: Batch::of(ring),
        timeout: plan.timeout,
        sent: Moved::default(),
        meter,
        watcher,
    };
    let larger =
        if ring.ring().slots.is_some() { "more or larger slots" } else { "a larger capacity" };
    let result = send_all_of(&mut input, plan.framing, larger, &mut sender);
    let Sender { producer, meter, sent, watcher, .. } = sender;
    // Before the wait for the terminal: a receiver may be waiting for the end of the stream.
    drop(producer);
    drop(watcher);
    meter.finish(plan.stats);
    match input.read_bytes().saturating_sub(sent.framed_bytes(plan.framing.overhead_bytes())) {
        0 => result,
        unsent => {
            let were = if unsent == 1 { "was" } else { "were" };
            let loss = format!("{} of stdin {were} read and not sent", count(unsent, "byte"));
            result.map_err(|stop| stop.with_loss(&ring.name, loss))
        }
    }
}

fn send_all_of(
    input: &mut Input,
    framing: Incoming,
    larger: &str,
    sender: &mut Sender<'_>,
) -> Result<(), Stop> {
    let max_len = sender.producer.max_message_bytes();
    let mut splitter = Splitter::new(framing, max_len);
    loop {
        // Send all complete messages before the next read, which may wait.
        let (taken, unfit) = sender.send_complete(&mut splitter, input)?;
        input.consume(taken);
        if let Some(unfit) = unfit {
            let limit = format!("this ring takes at most {max_len}; create it with {larger}");
            return Err(refuse(unfit, framing, &limit, input, sender.watcher.signals()));
        }
        if input.at_end() {
            return Ok(());
        }
        input.fill(splitter.longest_record(), sender.watcher.signals())?;
        sender.meter.waited();
    }
}

/// The limits of a batch.
struct Batch {
    messages: usize,
    bytes: usize,
}

impl Batch {
    fn of(ring: &SegmentInfo) -> Self {
        let part = |whole: u64| usize::try_from(whole / BATCH_PARTS).unwrap_or(usize::MAX).max(1);
        match ring.ring().slots {
            Some(slots) => Self { messages: part(slots).min(BATCH_MESSAGES), bytes: usize::MAX },
            None => Self { messages: BATCH_MESSAGES, bytes: part(ring.ring().capacity_bytes) },
        }
    }
}

struct Sender<'a> {
    segment: &'a Segment,
    producer: Producer,
    batch: Batch,
    timeout: Option<Duration>,
    sent: Moved,
    meter: Meter,
    watcher: Watcher<'a>,
}

impl Sender<'_> {
    /// Sends every message that is complete. Returns the bytes that they took up, and the fault
    /// of the next one, if it has one.
    fn send_complete(
        &mut self,
        splitter: &mut Splitter,
        input: &Input,
    ) -> Result<(usize, Option<Unfit>), Stop> {
        let mut rest = input.bytes();
        let mut batch: Vec<&[u8]> = Vec::with_capacity(self.batch.messages);
        let mut bytes = 0;
        let unfit = loop {
            let record = match splitter.next(rest, input.at_end()) {
                Ok(Some(record)) => record,
                Ok(None) => break None,
                Err(unfit) => break Some(unfit),
            };
            let message = &rest[record.payload];
            rest = &rest[record.taken..];
            let message_bytes = message.len() + OVERHEAD_BYTES;
            if batch.len() == self.batch.messages || bytes + message_bytes > self.batch.bytes {
                self.send_all(&batch)?;
                batch.clear();
                bytes = 0;
            }
            batch.push(message);
            bytes += message_bytes;
        };
        self.send_all(&batch)?;
        Ok((input.bytes().len() - rest.len(), unfit))
    }

    /// Sends all of `batch`, in as few commits as the ring has room for.
    fn send_all(&mut self, batch: &[&[u8]]) -> Result<(), Stop> {
        self.watcher.check()?;
        let mut rest = batch;
        while let [first, ..] = rest {
            let count = match self.send_some(rest)? {
                0 => self.send_one(first)?,
                count => count,
            };
            let (sent, unsent) = rest.split_at(count);
            self.sent.messages += count as u64;
            self.sent.bytes += sent.iter().map(|message| message.len() as u64).sum::<u64>();
            self.meter.update(self.sent);
            rest = unsent;
        }
        Ok(())
    }

    /// Sends some of the first messages without waiting: tries half as many after each refusal,
    /// so that there are few tries. Returns how many it sent.
    fn send_some(&mut self, batch: &[&[u8]]) -> Result<usize, Stop> {
        let mut count = batch.len();
        while count > 0 {
            match self.producer.try_send_batch(&batch[..count]) {
                Ok(()) => break,
                Err(TrySendError::Full | TrySendError::WouldBlock) => count /= 2,
                Err(error) => return Err(self.failed(error.into())),
            }
        }
        Ok(count)
    }

    /// Waits until there is room for one message, and sends it.
    fn send_one(&mut self, message: &[u8]) -> Result<usize, Stop> {
        let patience = Patience::new(self.timeout);
        loop {
            let Self { producer, watcher, .. } = self;
            match watcher.waiting(|| producer.send_timeout(message, patience.remaining())) {
                Ok(()) => return Ok(1),
                Err(SendTimeoutError::Interrupted) => watcher.check()?,
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Returns who keeps this sender from sending, if the ring has subscribers.
    fn held_up(&self) -> Option<String> {
        let status = self.segment.status().ok()?;
        let subject = Subject { target: &quoted(&self.segment.info().name), is_named: true };
        Some(HeldUpFacts::of(&status.ring().held_up_by()?, subject).sentence())
    }

    fn failed(&self, error: SendTimeoutError) -> Stop {
        let name = &self.segment.info().name;
        let exit = match error {
            SendTimeoutError::TimedOut => Exit::TimedOut,
            SendTimeoutError::BrokenPipe | SendTimeoutError::Closed => Exit::PeerGone,
            SendTimeoutError::Failed(ref fault) => return Stop::fault(name, fault),
            _ => Exit::Failed,
        };
        let has_timed_out = matches!(error, SendTimeoutError::TimedOut);
        let held_up = has_timed_out.then(|| self.held_up()).flatten();
        let why = match held_up {
            Some(held_up) => format!("; {held_up}"),
            None if has_timed_out && lacks_peer(self.segment, Way::In) => {
                "; it has no receiver".to_owned()
            }
            None => String::new(),
        };
        let sent = self.sent.messages;
        Stop::new(exit, format!("{name:?}: {error}{why}; {sent} messages were sent"))
    }
}

/// Returns the error for a message that the ring does not take.
fn refuse(
    unfit: Unfit,
    framing: Incoming,
    limit: &str,
    input: &mut Input,
    signals: &Signals,
) -> Stop {
    let unit = if framing == Incoming::Lines { "line" } else { "message" };
    let message = match unfit {
        Unfit::EndlessLine { number } => match line_length(input, signals) {
            Ok((len, whole)) => {
                let at_least = if whole { "" } else { "at least " };
                format!("{unit} {number} of stdin has {at_least}{len} bytes, {limit}")
            }
            Err(stop) => return stop,
        },
        Unfit::TooLong { number, len } => {
            format!("{unit} {number} of stdin has {len} bytes, {limit}")
        }
        Unfit::CutOff { number, have, want } => {
            format!("stdin ends inside {unit} {number}: after {have} of {want} bytes")
        }
    };
    Stop::new(Exit::Failed, format!("{message}; all before it was sent"))
}

/// Returns the length of the line that begins here, and `true` if the line was read whole.
fn line_length(input: &mut Input, signals: &Signals) -> Result<(usize, bool), Stop> {
    let mut len = 0;
    loop {
        if let Some(found) = memchr::memchr(b'\n', input.bytes()) {
            return Ok((len + found, true));
        }
        let passed = input.bytes().len();
        len += passed;
        input.consume(passed);
        if input.at_end() || len >= COUNT_LIMIT_BYTES {
            return Ok((len, input.at_end()));
        }
        input.fill(0, signals)?;
    }
}
