//! Workers that receive, with every verb there is.

use std::thread::yield_now;

use shmring::{
    Consumer, Kind, Message, RecvIntoError, RecvTimeoutError, Segment, TryRecvError, values,
};

use super::ledger::{MAX_ENTRIES, Told, Wish};
use super::party::{Next, Party};
use super::setup::{Element, Mode};
use shmring_bench::contender::BoxError;

/// A buffer that takes every message.
const BUFFER_BYTES: usize = 64 << 10;
/// One that takes none.
const SMALL_BYTES: usize = 8;
/// The most that a consumer asks for at once.
const MOST: usize = 12;

/// How a receive ended, if nothing is wrong.
enum Got {
    Some,
    /// The next message does not fit into the buffer.
    TooSmall,
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
    let is_broadcast = segment.info().ring().kind == Kind::Broadcast;
    let how = party.part.mode.subscribe(party.part.seed);
    let join = || if is_broadcast { segment.subscribe(how) } else { segment.consumer() };
    let Some(mut rx) = party.join(join)? else { return Ok(()) };
    rx.set_wait_mode(party.part.waits.mode());
    let mut missed = 0;
    let is_latest = is_broadcast && party.part.mode == Mode::Latest;
    let mut buffer = vec![0; BUFFER_BYTES];
    while party.ledger.wish() != Wish::Leave {
        let last = party.ledger.wish() == Wish::Drain;
        // What is skipped before a message is known after a verb for one.
        let verbs = if is_latest {
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
        note_missed(party, &rx, &mut missed);
        party.ledger.close();
        if settle(party, &got, last)? == Next::Leave {
            break;
        }
    }
    Ok(())
}

/// Whether to go on. A consumer leaves by itself when its ledger is full.
fn settle(party: &mut Party<'_>, got: &Got, last: bool) -> Result<Next, BoxError> {
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
        Got::TooSmall | Got::None(RecvTimeoutError::TimedOut | RecvTimeoutError::Lagged { .. }) => {
            Ok(Next::GoOn)
        }
        Got::None(error) => Err((*error).into()),
    }
}

/// Enters what a subscriber has missed since it was entered last.
fn note_missed(party: &Party<'_>, rx: &Consumer, noted: &mut u64) {
    if rx.missed() > *noted {
        party.miss(rx.missed() - *noted);
        *noted = rx.missed();
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
            note_missed(party, rx, missed);
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

/// Several messages. A sole consumer enters them before it consumes them, others after that.
fn batch(party: &mut Party<'_>, rx: &mut Consumer) -> Result<Got, BoxError> {
    let (most, patience) = (1 + party.random.below(MOST), party.patience());
    party.ledger.open(most, rx.is_exclusive());
    let (mut bytes, mut result) = (Vec::new(), Ok(()));
    let entering = &*party;
    let enter = |message: &Message<'_>| {
        bytes.clear();
        message.append_to(&mut bytes);
        if result.is_ok() {
            result = entering.enter(&bytes, told(message.is_redelivered()));
        }
    };
    let got = rx.recv_batch_timeout(most, patience, enter);
    result?;
    Ok(Got::from(got))
}

/// One message, entered before it is released. Perhaps it is let go of once, and looked at again.
fn peek(party: &mut Party<'_>, rx: &mut Consumer, twice: bool) -> Result<Got, BoxError> {
    let patience = party.patience();
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
        Err(error) if !twice => return Ok(Got::None(error)),
        Err(error) => return Err(format!("a message that was let go of is gone: {error}").into()),
    };
    let (bytes, again) = (peek.to_vec(), peek.is_redelivered());
    let first = match before {
        Some((same, first)) if same == bytes && again => first,
        Some(_) => return Err("a message that was let go of is another, or not told so".into()),
        None => again,
    };
    party.linger();
    party.enter(&bytes, told(first))?;
    party.linger();
    peek.release();
    Ok(Got::Some)
}

/// As many messages as there are, entered before they are released.
fn look_ahead(party: &mut Party<'_>, rx: &mut Consumer) -> Result<Got, BoxError> {
    let most = 1 + party.random.below(MOST);
    party.ledger.open(most, true);
    let mut batch = rx.lookahead().map_err(RecvTimeoutError::from)?;
    for _ in 0..most {
        let Some(message) = batch.next() else { break };
        party.enter(&message.to_vec(), told(message.is_redelivered()))?;
    }
    party.linger();
    batch.release();
    Ok(Got::Some)
}

/// As [`messages`], out of a packed ring.
pub(super) fn elements(party: &mut Party<'_>, segment: &Segment) -> Result<(), BoxError> {
    let Some(mut rx) = party.join(|| segment.value_consumer::<Element>())? else {
        return Ok(());
    };
    rx.set_wait_mode(party.part.waits.mode());
    while party.ledger.wish() != Wish::Leave {
        let last = party.ledger.wish() == Wish::Drain;
        let verb = if last { 0 } else { party.random.below(5) };
        let got = match verb {
            3 | 4 => peek_elements(party, &mut rx)?,
            _ => receive_elements(party, &mut rx, verb)?,
        };
        party.ledger.close();
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
) -> Result<Got, BoxError> {
    let (most, patience) = (1 + party.random.below(MOST), party.patience());
    let most = if verb == 1 { 1 } else { most };
    let mut elements = [Element::default(); MOST];
    party.ledger.open(most, false);
    let received = match verb {
        0 => rx.try_recv_slice(&mut elements[..most]).map_err(|error| match error {
            TryRecvError::Empty => RecvTimeoutError::Eof,
            error => error.into(),
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
    rx: &mut values::Consumer<Element>,
) -> Result<Got, BoxError> {
    let (most, patience) = (1 + party.random.below(MOST), party.patience());
    party.ledger.open(most, true);
    let elements = match rx.peek_timeout(most, patience) {
        Ok(elements) => elements,
        Err(error) => return Ok(Got::None(error)),
    };
    let again = elements.redelivered();
    // As many as were asked for at most: what is shown has been bounded.
    for (index, element) in elements.to_vec()?.iter().enumerate() {
        party.enter(bytemuck::bytes_of(element), told(index < again))?;
    }
    party.linger();
    elements.release();
    Ok(Got::Some)
}
