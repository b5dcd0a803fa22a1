//! Accounts for every message of a broadcast ring: each subscriber for itself.
//!
//! From its first message on, a subscriber must have received each message, in order, or have counted
//! it as missed, which a gating one never does until it is told that it was evicted. It is told so
//! once, before it takes anything more. What a killed producer was sending is in the ring or
//! not, as a whole: it is if a subscriber received some of it; else both counts are right.

use std::collections::{BTreeSet, HashMap};

use super::consuming::MOST;
use super::ledger::{Entry, MessageId, Told};
use super::setup::Mode;
use super::verify::{Account, Books, Defect, Receiver, Sender};

/// A producer's messages, in the order in which producers joined.
struct Part {
    incarnation: u32,
    /// Messages that are in the ring for certain.
    certain: u64,
    /// Messages after those that are in the ring all or none.
    in_doubt: u64,
}

/// Messages of the ring: for certain, and some that each are there as a whole or not at all.
#[derive(Default)]
struct Count {
    certain: u64,
    in_doubt: Vec<u64>,
}

impl Count {
    /// Returns `true` if there can be so many.
    fn can_be(&self, count: u64) -> bool {
        let mut sums = BTreeSet::from([self.certain]);
        for some in &self.in_doubt {
            let more: Vec<_> = sums.iter().map(|sum| sum + some).collect();
            sums.extend(more);
        }
        sums.contains(&count)
    }
}

/// Accounts for every message.
pub(super) fn verify(books: &Books) -> Result<Account, Defect> {
    let mut account = Account::default();
    let parts = parts(books, &mut account)?;
    for receiver in &books.receivers {
        check(&parts, receiver, &mut account)?;
    }
    Ok(account)
}

fn parts(books: &Books, account: &mut Account) -> Result<Vec<Part>, Defect> {
    let mut senders: Vec<&Sender> = books.senders.iter().collect();
    senders.sort_by_key(|sender| sender.joined_ns);
    let mut furthest = HashMap::new();
    for entry in books.receivers.iter().flat_map(|receiver| &receiver.entries) {
        let end = furthest.entry(entry.message.incarnation).or_insert(0);
        *end = (entry.message.sequence + 1).max(*end);
    }
    let part = |sender: &Sender| {
        let Sender { incarnation, started, sent, killed, .. } = *sender;
        if !killed && started != sent {
            return Err(Defect::Unfinished { by: incarnation });
        }
        let came = furthest.get(&incarnation).is_some_and(|end| *end > sent);
        let certain = if came { started } else { sent };
        account.broadcast += certain;
        account.in_doubt_received += certain - sent;
        account.in_doubt_unsent += started - certain;
        Ok(Part { incarnation, certain, in_doubt: started - certain })
    };
    senders.into_iter().map(part).collect()
}

/// The messages after one, up to another, or to the end.
fn between(parts: &[Part], after: (usize, u64), before: Option<(usize, u64)>) -> Count {
    let mut count = Count::default();
    let last = before.map_or(parts.len(), |(rank, _)| rank);
    for (rank, part) in parts.iter().enumerate().skip(after.0) {
        let first = if rank == after.0 { after.1 + 1 } else { 0 };
        if rank == last {
            count.certain += before.map_or(0, |(_, sequence)| sequence - first);
            break;
        }
        count.certain += part.certain - first;
        if part.in_doubt > 0 {
            count.in_doubt.push(part.in_doubt);
        }
    }
    count
}

fn check(parts: &[Part], receiver: &Receiver, account: &mut Account) -> Result<(), Defect> {
    let by = receiver.incarnation;
    let mut last: Option<(usize, u64)> = None;
    let mut missed = 0;
    let told_at = check_eviction(receiver)?;
    account.evictions_told += u64::from(told_at.is_some());
    let settle = |last, to, missed, before| {
        let count = between(parts, last, to);
        if count.can_be(missed) {
            return Ok(());
        }
        let most = count.certain + count.in_doubt.iter().sum::<u64>();
        Err(Defect::Miscounted { by, missed, least: count.certain, most, before })
    };
    for (entry, &Entry { message, told }) in receiver.entries.iter().enumerate() {
        match told {
            Told::Took | Told::Attempts | Told::Finishes | Told::Corrupt => {
                return Err(Defect::Corrupt { by, entry });
            }
            Told::Redelivered => return Err(Defect::ToldInVain { message, by }),
            Told::Missed => {
                missed += message.sequence;
                if receiver.mode == Mode::Gating && told_at.is_none_or(|told_at| entry < told_at) {
                    let before = None;
                    return Err(Defect::Miscounted { by, missed, least: 0, most: 0, before });
                }
                continue;
            }
            Told::Evicted => continue,
            Told::New | Told::Nothing => {}
        }
        let rank = parts.iter().position(|part| part.incarnation == message.incarnation);
        let rank = rank.filter(|&rank| message.sequence < parts[rank].certain);
        let at = (rank.ok_or(Defect::NeverSent { message, by })?, message.sequence);
        if let Some(last) = last {
            if last == at {
                return Err(Defect::Twice { message, by });
            }
            if last > at {
                let after = MessageId { incarnation: parts[last.0].incarnation, sequence: last.1 };
                return Err(Defect::Disordered { message, after, by });
            }
            settle(last, Some(at), missed, Some(message))?;
            account.missed += missed;
        }
        account.delivered += 1;
        (last, missed) = (Some(at), 0);
    }
    match last {
        Some(last) if receiver.is_drained => settle(last, None, missed, None),
        _ => Ok(()),
    }
}

/// Returns which entry tells of an eviction.
fn check_eviction(receiver: &Receiver) -> Result<Option<usize>, Defect> {
    let by = receiver.incarnation;
    let entries = receiver.entries.iter().enumerate();
    let mut told = entries.filter(|(_, entry)| entry.told == Told::Evicted).map(|(at, _)| at);
    let (first, second) = (told.next(), told.next());
    let Some(evicted) = receiver.evicted else {
        return first.map_or(Ok(None), |entry| Err(Defect::EvictedInVain { by, entry }));
    };
    if let Some(entry) = second {
        return Err(Defect::EvictedInVain { by, entry });
    }
    // The verb that was under way may have taken as many as it asked for.
    let taken = first.unwrap_or(receiver.entries.len()) as u64;
    if taken > evicted + MOST as u64 || (first.is_none() && receiver.is_drained) {
        return Err(Defect::EvictionUntold { by });
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(incarnation: u32, sequence: u64, told: Told) -> Entry {
        Entry { message: MessageId { incarnation, sequence }, told }
    }

    /// Four messages of one producer, two and two in doubt of a second one, three of a third.
    fn books(mode: Mode, entries: Vec<Entry>) -> Books {
        let sender = |incarnation, sent, in_doubt| Sender {
            incarnation,
            joined_ns: u64::from(incarnation),
            started: sent + in_doubt,
            sent,
            killed: in_doubt > 0,
        };
        let receiver = Receiver {
            incarnation: 9,
            joined_ns: 9,
            entries,
            bracket: None,
            killed: false,
            begun: HashMap::new(),
            mode,
            evicted: None,
            is_drained: true,
        };
        Books {
            senders: vec![sender(3, 3, 0), sender(2, 2, 2), sender(1, 4, 0)],
            receivers: vec![receiver],
            is_broadcast: true,
            is_jobs: false,
            ..Books::default()
        }
    }

    fn new(incarnation: u32, sequences: std::ops::Range<u64>) -> Vec<Entry> {
        sequences.map(|sequence| entry(incarnation, sequence, Told::New)).collect()
    }

    fn miss(count: u64) -> Vec<Entry> {
        vec![entry(0, count, Told::Missed)]
    }

    // Catches a verifier that rejects correct ledgers: in doubt or not, late, and with losses.
    #[test]
    fn good_books_are_good() {
        let good = [
            (Mode::Gating, [new(1, 0..4), new(2, 0..2), new(3, 0..3)].concat()),
            (Mode::Gating, [new(1, 2..4), new(2, 0..4), new(3, 0..3)].concat()),
            (Mode::Lossy, [new(1, 0..1), miss(5), new(3, 0..3)].concat()),
            (Mode::Lossy, [miss(1), new(1, 0..1), miss(7), new(3, 0..3)].concat()),
            (Mode::Latest, [new(1, 3..4), miss(2), new(3, 0..1), miss(1), new(3, 2..3)].concat()),
        ];
        for (mode, entries) in good {
            let account = verify(&books(mode, entries.clone()));
            assert!(account.is_ok(), "{entries:?}: {account:?}");
        }
    }

    fn evicted() -> Vec<Entry> {
        vec![entry(0, 0, Told::Evicted)]
    }

    // Catches a verifier that takes an eviction for a defect, or the losses after it.
    #[test]
    fn evictions_are_told() {
        let good = [
            [new(1, 0..4), evicted(), new(2, 0..2), new(3, 0..3)].concat(),
            [new(1, 0..1), evicted(), miss(5), new(3, 0..3)].concat(),
            [evicted(), new(1, 0..1), miss(5), new(3, 0..3)].concat(),
        ];
        for entries in good {
            let mut books = books(Mode::Gating, entries.clone());
            books.receivers[0].evicted = Some(1);
            let told = verify(&books).map(|account| account.evictions_told);
            assert_eq!(told, Ok(1), "{entries:?}");
        }
    }

    // Catches a verifier that overlooks an eviction that is told in vain, twice, too late, or not
    // at all, or a loss before it.
    #[test]
    fn evictions_are_told_once_and_at_once() {
        let all = [new(1, 0..4), new(2, 0..2), new(3, 0..3)].concat();
        let told_at = |at: usize| [&all[..at], &evicted(), &all[at..]].concat();
        let twice = [told_at(2), evicted()].concat();
        let vain = |entry| Err(Defect::EvictedInVain { by: 9, entry });
        let untold = Err(Defect::EvictionUntold { by: 9 });
        let wrong = [
            (None, told_at(2), vain(2)),
            (Some(2), twice, vain(10)),
            (Some(9), all.clone(), untold.clone()),
        ];
        for (at, entries, defect) in wrong {
            let mut books = books(Mode::Gating, entries);
            books.receivers[0].evicted = at;
            assert_eq!(verify(&books), defect);
        }

        let many = |before: u64| [new(1, 0..before), evicted()].concat();
        for (before, told) in [(3 + MOST as u64, Ok(1)), (4 + MOST as u64, untold.map(|_| 0))] {
            let mut books = books(Mode::Gating, many(before));
            (books.senders[2].started, books.senders[2].sent) = (100, 100);
            (books.receivers[0].evicted, books.receivers[0].is_drained) = (Some(3), false);
            assert_eq!(verify(&books).map(|account| account.evictions_told), told);
        }

        let early = [new(1, 0..1), miss(5), evicted(), new(3, 0..3)].concat();
        let mut books = books(Mode::Gating, early);
        books.receivers[0].evicted = Some(1);
        assert!(matches!(verify(&books), Err(Defect::Miscounted { missed: 5, .. })));
    }

    // Catches a verifier that overlooks a defect of one of these kinds.
    #[test]
    fn wrong_books_are_wrong() {
        let all = [new(1, 0..4), new(2, 0..2), new(3, 0..3)].concat();
        let without = |at: usize| [&all[..at], &all[at + 1..]].concat();
        let wrong = [
            (Mode::Gating, without(2)),
            (Mode::Gating, without(8)),
            (Mode::Gating, [new(1, 0..1), miss(5), new(3, 0..3)].concat()),
            (Mode::Lossy, without(2)),
            (Mode::Lossy, [new(1, 0..1), miss(6), new(3, 0..3)].concat()),
            (Mode::Lossy, [new(1, 0..4), new(2, 0..3), new(3, 0..3)].concat()),
            (Mode::Latest, [new(1, 0..1), miss(8), new(3, 2..3)].concat()),
            (Mode::Lossy, [new(1, 0..4), new(1, 3..4)].concat()),
            (Mode::Lossy, [new(2, 0..1), new(1, 3..4)].concat()),
            (Mode::Lossy, new(3, 0..4)),
            (Mode::Lossy, vec![entry(3, 2, Told::Corrupt)]),
            (Mode::Gating, vec![entry(3, 2, Told::Redelivered)]),
        ];
        for (mode, entries) in wrong {
            assert!(verify(&books(mode, entries.clone())).is_err(), "{mode:?}: {entries:?}");
        }
    }
}
