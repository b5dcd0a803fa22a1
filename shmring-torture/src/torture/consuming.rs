//! Workers that receive, with every verb there is.

use std::process;
use std::thread::yield_now;

use shmring::{
    Consumer, Message, RecvIntoError, RecvTimeoutError, Role, Segment, TryRecvError, values,
};

use super::ledger::{MAX_ENTRIES, Told, Wish};
use super::party::{Next, Party};
use super::setup::Element;
use shmring_bench::contender::BoxError;

/// A buffer that takes every message.
const BUFFER_BYTES: usize = 64 << 10;
/// One that takes none.
const SMALL_BYTES: usize = 8;
/// The most that a consumer asks for at once.
pub(super) const MOST: usize = 12;

/// How a receive ended, if nothing is wrong.
enum Got {
    Some,
    /// The next message does not fit into the buffer.
    TooSmall,
    /// Nothing was taken of what was read in place: the subscriber was evicted meanwhile.
    Untaken,
    /// Nothing was there to be read in place.
    Nothing,
    None(RecvTimeoutError),
}

impl<T> From<Result<T, RecvTimeoutError>> for Got {
    fn from(result: Result<T, RecvTimeoutError>) -> Self {
        result.map_or_else(Got::None, |_| Got::Some)
    }
}

fn told(redelivered: bool) -> Told {
    if redelivered { Told::Redelivered } else { Told::New }
}

/// Receives messages until told to stop and there are none.
pub(super) fn messages(party: &mut Party<'_>, segment: &Segment) -> Result<(), BoxError> {
    let how = party.part.mode.subscribe(party.part.seed);
    let join = || if party.is_broadcast { segment.subscribe(how) } else { segment.consumer() };
    let Some(mut rx) = party.join(join)? else { return Ok(()) };
    rx.set_wait_mode(party.part.waits.mode());
    let mut missed = 0;
    let mut buffer = vec![0; BUFFER_BYTES];
    while party.ledger.wish() != Wish::Leave {
        let last = party.ledger.wish() == Wish::Drain;
        // What is skipped before a message is known after a verb for one.
        let verbs = if party.is_latest() {
            3
        } else if rx.is_exclusive() {
            8
        } else {
            5
        };
        let verb = if last { 0 } else { party.random.below(verbs) };
        let got = match verb {
            0..=2 => receive(party, &mut rx, verb, &mut buffer, &mut missed)?,
            3 | 4 => batch(party, &mut rx)?,
            5 | 6 => peek(party, &mut rx, verb == 6)?,
            _ => look_ahead(party, &mut rx)?,
        };
        note_missed(party, rx.missed(), &mut missed);
        if settle(party, &got, last)? == Next::Leave {
            break;
        }
    }
    Ok(())
}

/// Closes the bracket. Whether to go on: a consumer leaves by itself when its ledger is full.
fn settle(party: &mut Party<'_>, got: &Got, last: bool) -> Result<Next, BoxError> {
    let is_evicted = matches!(got, Got::None(RecvTimeoutError::Evicted));
    if is_evicted {
        party.enter_eviction();
    }
    party.ledger.close();
    if party.untaken && !is_evicted && !matches!(got, Got::Nothing) {
        return Err("what was read in place was not taken, and nothing says why".into());
    }
    party.untaken = matches!(got, Got::Untaken) || (party.untaken && !is_evicted);
    match got {
        Got::Some if party.ledger.received() as usize + MOST >= MAX_ENTRIES => Ok(Next::Leave),
        Got::Some => {
            if !last {
                party.dawdle();
            }
            Ok(Next::GoOn)
        }
        Got::None(RecvTimeoutError::Eof) if last => Ok(Next::Leave),
        Got::None(RecvTimeoutError::Eof) => {
            party.lonely();
            Ok(Next::GoOn)
        }
        Got::None(
            RecvTimeoutError::TimedOut
            | RecvTimeoutError::Lagged { .. }
            | RecvTimeoutError::Evicted,
        ) => Ok(Next::GoOn),
        Got::TooSmall | Got::Untaken | Got::Nothing => Ok(Next::GoOn),
        Got::None(error) => Err((*error).into()),
    }
}

/// Enters what a subscriber has missed since it was entered last.
fn note_missed(party: &Party<'_>, missed: u64, noted: &mut u64) {
    if missed > *noted {
        party.miss(missed - *noted);
        *noted = missed;
    }
}

/// One message, consumed before it is entered.
fn receive(
    party: &mut Party<'_>,
    rx: &mut Consumer,
    verb: usize,
    buffer: &mut [u8],
    missed: &mut u64,
) -> Result<Got, BoxError> {
    let patience = party.patience();
    party.ledger.open(1, false);
    let small = verb == 2 && party.random.below(8) == 0;
    let buffer = if small { &mut buffer[..SMALL_BYTES] } else { buffer };
    let received = match verb {
        0 => try_receive(rx, buffer),
        1 => rx.recv_timeout(patience).map_err(RecvIntoError::Recv).map(|message| {
            buffer[..message.len()].copy_from_slice(&message);
            message.len()
        }),
        _ => rx.recv_into_timeout(buffer, patience),
    };
    match received {
        Ok(len) => {
            party.linger();
            note_missed(party, rx.missed(), missed);
            party.enter(&buffer[..len], Told::Nothing)?;
        }
        Err(RecvIntoError::Recv(error)) => return Ok(Got::None(error)),
        Err(RecvIntoError::TooSmall { .. }) => return Ok(Got::TooSmall),
        Err(error) => return Err(error.into()),
    }
    Ok(Got::Some)
}

/// One message if one is there. Nothing there is told as the end: it is what a consumer that was
/// told to stop goes on until.
fn try_receive(
    rx: &mut Consumer,
    buffer: &mut [u8],
) -> Result<usize, RecvIntoError<RecvTimeoutError>> {
    match rx.try_recv_into(buffer) {
        Ok(len) => Ok(len),
        Err(RecvIntoError::TooSmall { len }) => Err(RecvIntoError::TooSmall { len }),
        Err(RecvIntoError::Recv(TryRecvError::Empty)) => Err(RecvTimeoutError::Eof.into()),
        Err(RecvIntoError::Recv(error)) => {
            if error == TryRecvError::WouldBlock {
                yield_now();
            }
            Err(RecvTimeoutError::from(error).into())
        }
        Err(error) => unreachable!("{error}"),
    }
}

/// Messages that were read in place. A sole consumer enters them before it releases them, so that
/// they are known if it is killed. A subscriber enters them when its release has taken them: one
/// that is evicted meanwhile takes nothing, and what it read may be torn.
struct Read {
    later: Option<Vec<(Vec<u8>, Told)>>,
}

impl Read {
    fn new(party: &Party<'_>) -> Self {
        Self { later: party.is_broadcast.then(Vec::new) }
    }

    fn add(&mut self, party: &Party<'_>, bytes: Vec<u8>, told: Told) -> Result<(), BoxError> {
        match &mut self.later {
            Some(later) => {
                later.push((bytes, told));
                Ok(())
            }
            None => party.enter(&bytes, told),
        }
    }

    /// After the release; `taken` says what it did.
    fn released(self, party: &Party<'_>, taken: bool) -> Result<Got, BoxError> {
        let Some(later) = self.later else { return Ok(Got::Some) };
        if later.is_empty() {
            return Ok(Got::Nothing);
        }
        if !taken {
            return Ok(Got::Untaken);
        }
        later.iter().try_for_each(|(bytes, told)| party.enter(bytes, *told))?;
        Ok(Got::Some)
    }
}

/// Several messages. A sole consumer enters them before it consumes them, others after that.
fn batch(party: &mut Party<'_>, rx: &mut Consumer) -> Result<Got, BoxError> {
    let (most, patience) = (1 + party.random.below(MOST), party.patience());
    party.ledger.open(most, rx.is_exclusive());
    let (mut read, mut result) = (Read::new(party), Ok(()));
    let entering = &*party;
    let enter = |message: &Message<'_>| {
        if result.is_ok() {
            result = read.add(entering, message.to_vec(), told(message.is_redelivered()));
        }
    };
    let got = rx.recv_batch_timeout(most, patience, enter);
    result?;
    match got {
        Ok(_) => read.released(party, true),
        Err(error) => Ok(Got::None(error)),
    }
}

/// One message, entered before it is released. Perhaps it is let go of once, and looked at again.
fn peek(party: &mut Party<'_>, rx: &mut Consumer, twice: bool) -> Result<Got, BoxError> {
    let (patience, at, mut read) = (party.patience(), rx.position(), Read::new(party));
    party.ledger.open(1, true);
    let mut before = None;
    if twice {
        match rx.peek_timeout(patience) {
            Ok(peek) => {
                before = Some((peek.to_vec(), peek.is_redelivered()));
            }
            Err(error) => return Ok(Got::None(error)),
        }
    }
    let peek = match rx.peek_timeout(patience) {
        Ok(peek) => peek,
        Err(error) if !twice || error == RecvTimeoutError::Evicted => return Ok(Got::None(error)),
        Err(error) => return Err(format!("a message that was let go of is gone: {error}").into()),
    };
    let (bytes, again) = (peek.to_vec(), peek.is_redelivered());
    let (first, is_same) = match before {
        Some((before, first)) => (first, before == bytes && again),
        None => (again, true),
    };
    party.linger();
    read.add(party, bytes, told(first))?;
    party.linger();
    peek.release();
    let got = read.released(party, rx.position() != at)?;
    // What was not taken may have changed.
    if is_same || matches!(got, Got::Untaken) {
        return Ok(got);
    }
    Err("a message that was let go of is another, or not told so".into())
}

/// As many messages as there are, entered before they are released.
fn look_ahead(party: &mut Party<'_>, rx: &mut Consumer) -> Result<Got, BoxError> {
    let (most, at, mut read) = (1 + party.random.below(MOST), rx.position(), Read::new(party));
    party.ledger.open(most, true);
    let mut batch = match rx.lookahead() {
        Ok(batch) => batch,
        Err(error) => return Ok(Got::None(error.into())),
    };
    for _ in 0..most {
        let Some(message) = batch.next() else { break };
        read.add(party, message.to_vec(), told(message.is_redelivered()))?;
    }
    party.linger();
    batch.release();
    read.released(party, rx.position() != at)
}

/// As [`messages`], out of a ring of values.
pub(super) fn elements(party: &mut Party<'_>, segment: &Segment) -> Result<(), BoxError> {
    let how = party.part.mode.subscribe(party.part.seed);
    let join = || {
        if party.is_broadcast {
            segment.subscribe_values::<Element>(how)
        } else {
            segment.value_consumer()
        }
    };
    let Some(mut rx) = party.join(join)? else { return Ok(()) };
    rx.set_wait_mode(party.part.waits.mode());
    let mut missed = 0;
    while party.ledger.wish() != Wish::Leave {
        let last = party.ledger.wish() == Wish::Drain;
        let verbs = if rx.is_exclusive() { 5 } else { 3 };
        let verb = if last { 0 } else { party.random.below(verbs) };
        let got = match verb {
            3 | 4 => peek_elements(party, segment, &mut rx)?,
            _ => receive_elements(party, &mut rx, verb, &mut missed)?,
        };
        note_missed(party, rx.missed(), &mut missed);
        if settle(party, &got, last)? == Next::Leave {
            break;
        }
    }
    Ok(())
}

fn receive_elements(
    party: &mut Party<'_>,
    rx: &mut values::Consumer<Element>,
    verb: usize,
    missed: &mut u64,
) -> Result<Got, BoxError> {
    let (most, patience) = (1 + party.random.below(MOST), party.patience());
    // What is skipped before a message is known after a verb for one.
    let most = if verb == 1 || party.is_latest() { 1 } else { most };
    let mut elements = [Element::default(); MOST];
    party.ledger.open(most, false);
    let received = match verb {
        0 => rx.try_recv_slice(&mut elements[..most]).map_err(|error| match error {
            TryRecvError::Empty => RecvTimeoutError::Eof,
            error => {
                if error == TryRecvError::WouldBlock {
                    yield_now();
                }
                error.into()
            }
        }),
        1 => rx.recv_timeout(patience).map(|element| {
            elements[0] = element;
            1
        }),
        _ => rx.recv_slice_timeout(&mut elements[..most], patience),
    };
    match received {
        Ok(count) => {
            party.linger();
            note_missed(party, rx.missed(), missed);
            for element in &elements[..count] {
                party.enter(bytemuck::bytes_of(element), Told::Nothing)?;
            }
            Ok(Got::Some)
        }
        Err(error) => Ok(Got::None(error)),
    }
}

fn peek_elements(
    party: &mut Party<'_>,
    segment: &Segment,
    rx: &mut values::Consumer<Element>,
) -> Result<Got, BoxError> {
    let (most, patience) = (1 + party.random.below(MOST), party.patience());
    let reached = |party: &Party<'_>| if party.is_broadcast { reached(segment) } else { Ok(0) };
    let (at, mut read) = (reached(party)?, Read::new(party));
    party.ledger.open(most, true);
    let elements = match rx.peek_timeout(most, patience) {
        Ok(elements) => elements,
        Err(error) => return Ok(Got::None(error)),
    };
    let again = elements.redelivered();
    // As many as were asked for at most: what is shown has been bounded.
    for (index, element) in elements.to_vec()?.iter().enumerate() {
        read.add(party, bytemuck::bytes_of(element).to_vec(), told(index < again))?;
    }
    party.linger();
    elements.release();
    read.released(party, reached(party)? != at)
}

/// The position of this process's subscriber, as an observer sees it.
fn reached(segment: &Segment) -> Result<u64, BoxError> {
    let status = segment.status()?;
    let mut holders = status.ring().holders_of(Role::Consumer);
    let mine = holders.find(|holder| holder.participant.pid == process::id());
    let subscription = mine.and_then(|holder| holder.subscription);
    Ok(subscription.ok_or("no observer sees this subscriber")?.position)
}
