//! Workers of job rings, and the account of their jobs.
//!
//! A worker enters each job that it took, with its attempts, and each that it acknowledges before
//! and after it does so. Each job must be acknowledged once, by one that says so, or by one that was
//! killed in that moment; and it counts how often it was taken, also by those that were killed
//! before they could say so.

use std::collections::HashMap;

use shmring::{Job, RecvTimeoutError, Segment, TryRecvError};

use super::ledger::{Entry, MAX_ENTRIES, MessageId, Told, Wish};
use super::party::Party;
use super::verify::{Account, Books, Defect, Receiver, Sender};
use shmring_bench::contender::BoxError;
use shmring_bench::message;

/// The most jobs that a worker takes before it acknowledges them.
const MOST: usize = 4;
/// Entries of each job.
const ENTRIES: usize = 4;

/// Takes jobs and acknowledges them, or gives them back, until told to stop and all are done.
pub(super) fn work(party: &mut Party<'_>, segment: &Segment) -> Result<(), BoxError> {
    let Some(mut worker) = party.join(|| segment.worker())? else { return Ok(()) };
    worker.set_wait_mode(party.part.waits.mode());
    while party.ledger.wish() != Wish::Leave {
        if party.ledger.received() as usize + ENTRIES * MOST >= MAX_ENTRIES {
            break;
        }
        let last = party.ledger.wish() == Wish::Drain;
        let count = if last { 1 } else { 1 + party.random.below(MOST) };
        let mut jobs = Vec::new();
        let mut end = None;
        while jobs.len() < count && end.is_none() {
            // With jobs in hand, a wait could be one for itself.
            let patience = party.patience();
            let job = if jobs.is_empty() {
                worker.take_timeout(patience)
            } else {
                worker.try_take().map_err(RecvTimeoutError::from)
            };
            match job {
                Ok(job) => {
                    let message = took(party, &job)?;
                    jobs.push((job, message));
                }
                Err(error) => end = Some(error),
            }
        }
        let found = !jobs.is_empty();
        for (job, message) in jobs {
            party.linger();
            if !last && party.random.below(6) == 0 {
                job.give_back();
            } else {
                finish(party, job, message)?;
            }
        }
        match end {
            _ if found => party.dawdle(),
            Some(RecvTimeoutError::Eof) if last => break,
            Some(RecvTimeoutError::Eof) => party.lonely(),
            Some(RecvTimeoutError::TimedOut) if last => {
                if worker.try_take().err() == Some(TryRecvError::Empty) {
                    break;
                }
            }
            None | Some(RecvTimeoutError::TimedOut) => {}
            Some(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn took(party: &Party<'_>, job: &Job<'_>) -> Result<MessageId, BoxError> {
    let bytes = job.to_vec();
    let Some(word) = message::open(&bytes) else {
        return party.enter(&bytes, Told::Corrupt).map(|()| MessageId::decode(0));
    };
    let message = MessageId::decode(word);
    party.ledger.enter(Entry { message, told: Told::Took });
    let attempts = MessageId { incarnation: 0, sequence: job.attempts() };
    party.ledger.enter(Entry { message: attempts, told: Told::Attempts });
    Ok(message)
}

fn finish(party: &Party<'_>, job: Job<'_>, message: MessageId) -> Result<(), BoxError> {
    party.ledger.enter(Entry { message, told: Told::Finishes });
    if !job.acknowledge() {
        return Err("a job in hand was not acknowledged".into());
    }
    party.ledger.enter(Entry { message, told: Told::Nothing });
    Ok(())
}

/// What is known of one job.
#[derive(Debug, Default)]
struct Done {
    /// The attempts that those counted who took it.
    taken: Vec<u64>,
    /// Who acknowledged it.
    finished: Option<u32>,
    /// How many had begun to do so, and were killed.
    in_doubt: u64,
}

/// Accounts for every job.
pub(super) fn verify(books: &Books) -> Result<Account, Defect> {
    let mut jobs: HashMap<MessageId, Done> = HashMap::new();
    for receiver in &books.receivers {
        enter(&mut jobs, receiver)?;
    }
    let mut account = Account::default();
    // Each that was killed may have taken jobs that it did not enter, one at a time.
    let mut unknown = books.receivers.iter().filter(|receiver| receiver.killed).count() as u64;
    for sender in &books.senders {
        settle(&mut jobs, sender, &mut account, &mut unknown)?;
    }
    let by = 0;
    jobs.keys().next().map_or(Ok(account), |&message| Err(Defect::NeverSent { message, by }))
}

fn enter(jobs: &mut HashMap<MessageId, Done>, receiver: &Receiver) -> Result<(), Defect> {
    let by = receiver.incarnation;
    let mut taken = None;
    for (index, &Entry { message, told }) in receiver.entries.iter().enumerate() {
        match told {
            Told::Took => taken = Some(message),
            Told::Attempts => {
                let of = taken.take().ok_or(Defect::Corrupt { by, entry: index })?;
                jobs.entry(of).or_default().taken.push(message.sequence);
            }
            Told::Finishes => jobs.entry(message).or_default().in_doubt += 1,
            Told::Nothing => {
                let done = jobs.entry(message).or_default();
                done.in_doubt -= 1;
                if done.finished.replace(by).is_some() {
                    return Err(Defect::Twice { message, by });
                }
            }
            _ => return Err(Defect::Corrupt { by, entry: index }),
        }
    }
    Ok(())
}

/// Settles the jobs of one producer.
fn settle(
    jobs: &mut HashMap<MessageId, Done>,
    sender: &Sender,
    account: &mut Account,
    unknown: &mut u64,
) -> Result<(), Defect> {
    let &Sender { incarnation, started, sent, killed, .. } = sender;
    if !killed && started != sent {
        return Err(Defect::Unfinished { by: incarnation });
    }
    for sequence in 0..started {
        let message = MessageId { incarnation, sequence };
        let is_in_doubt = sequence >= sent;
        let Some(mut done) = jobs.remove(&message) else {
            if is_in_doubt {
                account.in_doubt_unsent += 1;
                continue;
            }
            return Err(Defect::Lost { messages: 1, first: message });
        };
        account.sent += 1;
        account.in_doubt_received += u64::from(is_in_doubt);
        match (done.finished, done.in_doubt) {
            (Some(_), _) => account.received += 1,
            (None, 0) => return Err(Defect::Lost { messages: 1, first: message }),
            (None, _) => account.in_hand += 1,
        }
        done.taken.sort_unstable();
        let known = done.taken.len() as u64;
        done.taken.dedup();
        let most = done.taken.last().copied().unwrap_or_default();
        let untold = most.checked_sub(known);
        let left = untold.and_then(|untold| unknown.checked_sub(untold));
        let is_exact = done.taken.len() as u64 == known;
        let wrong = Defect::Attempts { message, attempts: most, known };
        *unknown = left.filter(|_| is_exact).ok_or(wrong)?;
        account.redelivered += most.saturating_sub(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::setup::Mode;

    const JOB: MessageId = MessageId { incarnation: 1, sequence: 0 };

    fn took(attempts: u64) -> [Entry; 2] {
        let count = MessageId { incarnation: 0, sequence: attempts };
        [Entry { message: JOB, told: Told::Took }, Entry { message: count, told: Told::Attempts }]
    }

    fn acknowledged() -> [Entry; 2] {
        [Told::Finishes, Told::Nothing].map(|told| Entry { message: JOB, told })
    }

    fn books(workers: &[(bool, Vec<Entry>)]) -> Books {
        let sender = Sender { incarnation: 1, joined_ns: 1, started: 1, sent: 1, killed: false };
        let receivers = (2..).zip(workers).map(|(incarnation, (killed, entries))| Receiver {
            incarnation,
            joined_ns: 1,
            entries: entries.clone(),
            bracket: None,
            killed: *killed,
            begun: HashMap::new(),
            mode: Mode::Gating,
            evicted: None,
            is_drained: false,
        });
        Books { senders: vec![sender], receivers: receivers.collect(), ..Books::default() }
    }

    // Catches a job that was lost, acknowledged twice or counted wrong, and that passes.
    #[test]
    fn defects_are_found() {
        let done = [took(1), acknowledged()].concat();
        let again = [took(2), acknowledged()].concat();
        assert!(verify(&books(&[(false, done.clone())])).is_ok());
        assert!(verify(&books(&[(true, took(1).to_vec()), (false, again.clone())])).is_ok());
        assert!(verify(&books(&[(true, vec![]), (false, again.clone())])).is_ok());
        let half = [took(1).to_vec(), acknowledged()[..1].to_vec()].concat();
        assert!(verify(&books(&[(true, half)])).is_ok());
        let lost = Err(Defect::Lost { messages: 1, first: JOB });
        assert_eq!(verify(&books(&[(true, vec![])])), lost);
        assert_eq!(verify(&books(&[(true, took(1).to_vec())])), lost);
        let twice = verify(&books(&[(true, done.clone()), (false, again.clone())]));
        assert_eq!(twice, Err(Defect::Twice { message: JOB, by: 3 }));
        let wrong = |attempts, known| Err(Defect::Attempts { message: JOB, attempts, known });
        assert_eq!(verify(&books(&[(false, again)])), wrong(2, 1));
        assert_eq!(verify(&books(&[(true, took(1).to_vec()), (false, done)])), wrong(1, 2));
    }
}
