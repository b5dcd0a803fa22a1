//! The verifier, tried on correct and on wrong ledgers.

use super::*;

const SENDER: u32 = 1;
const KILLED_SENDER: u32 = 2;

fn message(incarnation: u32, sequence: u64) -> MessageId {
    MessageId { incarnation, sequence }
}

fn entry(incarnation: u32, sequence: u64) -> Entry {
    Entry { message: message(incarnation, sequence), told: Told::New }
}

fn sender(incarnation: u32, sent: u64) -> Sender {
    let joined_ns = u64::from(incarnation);
    Sender { incarnation, joined_ns, started: sent, sent, killed: false }
}

fn receiver(incarnation: u32, entries: Vec<Entry>) -> Receiver {
    let joined_ns = u64::from(incarnation);
    let begun = HashMap::from([(SENDER, 10), (KILLED_SENDER, 10)]);
    Receiver {
        incarnation,
        joined_ns,
        entries,
        bracket: None,
        killed: false,
        begun,
        mode: Mode::Gating,
        evicted: None,
        is_drained: false,
    }
}

fn killed(mut receiver: Receiver, most: u64, in_place: bool, start: usize) -> Receiver {
    receiver.killed = true;
    receiver.bracket = Some(Bracket { start, most, in_place });
    receiver
}

/// Ten messages of one producer, received by two competing consumers.
fn shared() -> Books {
    let part = |parity: u64| (0..10).filter(move |n| n % 2 == parity).map(|n| entry(SENDER, n));
    Books {
        senders: vec![sender(SENDER, 10)],
        receivers: vec![receiver(3, part(0).collect()), receiver(4, part(1).collect())],
        many_senders: true,
        many_receivers: true,
        whole_batches: false,
        is_broadcast: false,
        is_jobs: false,
    }
}

/// Ten messages of one producer, received by one sole consumer and then by another.
fn sole() -> Books {
    let part = |range: std::ops::Range<u64>| range.map(|n| entry(SENDER, n)).collect();
    Books {
        senders: vec![sender(SENDER, 10)],
        receivers: vec![receiver(3, part(0..5)), receiver(4, part(5..10))],
        whole_batches: true,
        ..Books::default()
    }
}

// Catches a verifier that rejects correct ledgers.
#[test]
fn good_books_are_good() {
    let account = Account { sent: 10, received: 10, ..Account::default() };
    assert_eq!(verify(&shared()), Ok(account));
    assert_eq!(verify(&sole()), Ok(account));
}

// Catches a verifier that misses a lost message, also where a consumer was killed that cannot have
// held it: before it was sent, after a later one, or outside a receive.
#[test]
fn a_lost_message_is_found() {
    let lost = Err(Defect::Lost { messages: 1, first: message(SENDER, 6) });
    let mut books = shared();
    books.receivers[0].entries.remove(3);
    assert_eq!(verify(&books), lost);

    let mut nobody = receiver(5, Vec::new());
    nobody.killed = true;
    let mut early = killed(receiver(6, Vec::new()), 1, false, 0);
    early.begun.insert(SENDER, 6);
    books.receivers.extend([nobody, early]);
    assert_eq!(verify(&books), lost);
    let last = books.receivers[1].entries.len();
    books.receivers[1] = killed(books.receivers[1].clone(), 1, false, last);
    assert_eq!(verify(&books), lost, "consumer 4 had message 9 before");

    let mut books = sole();
    books.receivers[1].entries.remove(1);
    books.receivers[0] = killed(books.receivers[0].clone(), 1, true, 5);
    assert_eq!(verify(&books), lost, "what is looked at in place is not consumed");
}

// Catches a verifier in which a kill explains no message.
#[test]
fn a_message_in_the_hands_of_the_dead_is_explained() {
    let mut books = shared();
    books.receivers[0].entries.remove(4);
    books.receivers.push(killed(receiver(5, Vec::new()), 1, false, 0));
    let account = Account { sent: 10, received: 9, in_hand: 1, ..Account::default() };
    assert_eq!(verify(&books), Ok(account));
}

// Catches a verifier in which a kill explains more messages than the receive asked for.
#[test]
fn a_gap_beyond_a_batch_of_the_dead_is_found() {
    let mut books = shared();
    books.receivers[0].entries.truncate(2);
    books.receivers.push(killed(receiver(5, vec![entry(SENDER, 4)]), 2, false, 0));
    let lost = Err(Defect::Lost { messages: 1, first: message(SENDER, 8) });
    assert_eq!(verify(&books), lost, "one of its two was entered");
    books.receivers[2] = killed(receiver(5, vec![entry(SENDER, 4)]), 2, false, 1);
    assert!(verify(&books).is_ok());
}

// Catches a verifier that assigns a message to the wrong receive, and then has none for another.
#[test]
fn messages_are_shared_out_among_the_dead() {
    let mut books = shared();
    books.receivers[0].entries = vec![entry(SENDER, 0), entry(SENDER, 2), entry(SENDER, 4)];
    let any = killed(receiver(5, Vec::new()), 1, false, 0);
    let mut early = killed(receiver(6, Vec::new()), 1, false, 0);
    early.begun.insert(SENDER, 7);
    for hands in [[any.clone(), early.clone()], [early, any]] {
        books.receivers.truncate(2);
        books.receivers.extend(hands);
        assert_eq!(verify(&books).map(|account| account.in_hand), Ok(2));
    }
}

// Catches a verifier that accepts a message twice.
#[test]
fn a_message_that_came_twice_is_found() {
    let mut books = shared();
    books.receivers[1].entries.push(entry(SENDER, 8));
    assert_eq!(verify(&books), Err(Defect::Twice { message: message(SENDER, 8), by: 4 }));

    // Also after a kill, if the dead had released it, and if it had consumed it first.
    for (in_place, start) in [(true, 5), (false, 4)] {
        let mut books = sole();
        books.receivers[0] = killed(books.receivers[0].clone(), 2, in_place, start);
        books.receivers[1].entries.insert(0, entry(SENDER, 4));
        assert_eq!(verify(&books), Err(Defect::Twice { message: message(SENDER, 4), by: 4 }));
    }
}

// Catches a verifier that takes a redelivery for a second delivery, or ignores the mark.
#[test]
fn a_redelivery_is_marked() {
    let mut books = sole();
    books.receivers[0] = killed(books.receivers[0].clone(), 3, true, 3);
    for sequence in [3, 4] {
        let again = Entry { told: Told::Redelivered, ..entry(SENDER, sequence) };
        books.receivers[1].entries.insert(sequence as usize - 3, again);
    }
    // The dead consumer asked for three, and may have peeked at the third one.
    books.receivers[1].entries[2].told = Told::Redelivered;
    let account = Account { sent: 10, received: 10, redelivered: 2, ..Account::default() };
    assert_eq!(verify(&books), Ok(account));

    books.receivers[1].entries[3].told = Told::Redelivered;
    let vain = Defect::ToldInVain { message: message(SENDER, 6), by: 4 };
    assert_eq!(verify(&books), Err(vain));
    books.receivers[1].entries[1].told = Told::New;
    let untold = Defect::Untold { message: message(SENDER, 4), by: 4 };
    assert_eq!(verify(&books), Err(untold));
    books.receivers[1].entries[1].told = Told::Nothing;
    books.receivers[1].entries[3].told = Told::New;
    assert_eq!(verify(&books), Ok(account));
}

// Catches a verifier that does not check the order: at one consumer, across sole consumers, and
// across sole producers.
#[test]
fn a_message_out_of_turn_is_found() {
    let mut books = shared();
    books.receivers[1].entries.swap(1, 2);
    let disorder =
        |message, after, by| Err(Defect::Disordered { message, after, by }) as Result<Account, _>;
    assert_eq!(verify(&books), disorder(message(SENDER, 3), message(SENDER, 5), 4));

    let mut books = sole();
    let (first, second) = books.receivers.split_at_mut(1);
    std::mem::swap(&mut first[0].entries, &mut second[0].entries);
    assert_eq!(verify(&books), disorder(message(SENDER, 0), message(SENDER, 9), 4));

    let mut books = sole();
    books.senders.push(sender(KILLED_SENDER, 1));
    books.receivers[1].entries.insert(3, entry(KILLED_SENDER, 0));
    let (later, earlier) = (message(KILLED_SENDER, 0), message(SENDER, 8));
    assert_eq!(verify(&books), disorder(earlier, later, 4));
    books.many_senders = true;
    assert!(verify(&books).is_ok());
}

// Catches a verifier that accepts damaged contents, or messages that were never sent.
#[test]
fn unsent_messages_are_found() {
    let mut books = shared();
    books.receivers[0].entries[2].told = Told::Corrupt;
    assert_eq!(verify(&books), Err(Defect::Corrupt { by: 3, entry: 2 }));

    for stranger in [entry(SENDER, 10), entry(9, 0)] {
        let mut books = shared();
        books.receivers[0].entries.push(stranger);
        let never = Defect::NeverSent { message: stranger.message, by: 3 };
        assert_eq!(verify(&books), Err(never));
    }
}

// Catches a verifier for which more or less than a dead producer's last send is in doubt.
#[test]
fn the_last_send_of_the_dead_is_in_doubt() {
    let dead = Sender { started: 4, killed: true, ..sender(KILLED_SENDER, 1) };
    let with = |came: &[u64], whole_batches| {
        let mut books = Books { whole_batches, ..shared() };
        books.senders.push(dead.clone());
        books.receivers[0].entries.extend(came.iter().map(|n| entry(KILLED_SENDER, *n)));
        verify(&books)
    };
    let account = |came: u64, unsent| {
        let (sent, received) = (11 + came, 11 + came);
        let in_doubt = (came, unsent);
        let (in_doubt_received, in_doubt_unsent) = in_doubt;
        Ok(Account { sent, received, in_doubt_received, in_doubt_unsent, ..Account::default() })
    };
    let lost = |messages, sequence| {
        Err(Defect::Lost { messages, first: message(KILLED_SENDER, sequence) })
    };
    assert_eq!(with(&[0], false), account(0, 3));
    assert_eq!(with(&[0, 1, 2], false), account(2, 1));
    assert_eq!(with(&[0, 1, 2, 3], true), account(3, 0));
    assert_eq!(with(&[], false), lost(1, 0));
    assert_eq!(with(&[0, 2], false), lost(1, 1));
    assert_eq!(with(&[0, 1], true), lost(2, 2));

    let mut books = shared();
    books.senders.push(Sender { killed: false, ..dead.clone() });
    assert_eq!(verify(&books), Err(Defect::Unfinished { by: KILLED_SENDER }));
}
