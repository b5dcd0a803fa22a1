//! The job ring: producers and workers that live.

use loom::thread;

use crate::fixture::jobs::World;
use crate::frame::models;
use crate::ring::jobs::Take;

const PRODUCER: usize = 0;
const OTHER: usize = 1;
const FIRST: usize = 2;
const SECOND: usize = 3;

/// Two producers send while a worker takes.
///
/// Accepted: each job arrives whole and is acknowledged. Would catch a job that is read before it
/// was written, and a ticket in flight that is taken for the end.
fn producers() {
    let world = World::new(2, 0);
    let mut worker = world.worker(FIRST);
    let senders = [(PRODUCER, 10), (OTHER, 20)].map(|(attach, id)| {
        let mut sender = world.sender(attach);
        thread::spawn(move || assert!(sender.try_send_all(&[id])))
    });
    let mut ids: Vec<_> = worker.do_one().into_iter().collect();
    for sender in senders {
        sender.join().expect("the producer ends");
    }
    ids.extend(worker.drain());
    ids.sort_unstable();
    assert_eq!(ids, [10, 20]);
    world.assert_all_acknowledged();
}

/// Two workers want the same job.
///
/// Accepted: one has it, the other finds that all are held. Would catch a job in two hands.
fn compete_for_one() {
    let (world, _sender) = World::with_jobs(1, PRODUCER, &[10]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let other = thread::spawn(move || second.try_take());
    let mine = first.try_take();
    let theirs = other.join().expect("the worker ends");
    match (mine, theirs) {
        (Ok(job), Err(Take::Held | Take::Empty)) | (Err(Take::Held | Take::Empty), Ok(job)) => {
            assert_eq!((job.id, job.taken.attempts), (10, 1));
        }
        other => panic!("{other:?}"),
    }
}

/// Two workers want two jobs, and acknowledge them.
///
/// Accepted: each has one or one has both, and head is past both for whoever looks. Would catch a
/// worker that passes a job which nobody has, and a head that stays behind.
fn compete_for_two() {
    let (world, mut sender) = World::with_jobs(2, PRODUCER, &[10, 11]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let other = thread::spawn(move || second.drain());
    let mut ids = first.drain();
    ids.extend(other.join().expect("the worker ends"));
    ids.sort_unstable();
    assert_eq!(ids, [10, 11]);
    world.assert_all_acknowledged();
    assert!(sender.try_send_all(&[12, 13]), "there is room");
}

/// A worker gives a job back while another one takes the next job. The first job of the ring is in
/// a hand for good, so that looking at head finds nothing.
///
/// Accepted: the job comes to whoever takes next. Would catch a worker that passed the job before
/// it came back and moves next over it.
fn give_back_beside_take() {
    let (world, _sender) = World::with_jobs(4, PRODUCER, &[10, 11, 12]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let held = first.try_take().expect("there are three");
    let back = first.try_take().expect("there are two");
    let other = thread::spawn(move || (second.try_take(), second));
    first.give_back(back);
    let (took, mut second) = other.join().expect("the worker ends");
    let mut ids = vec![held.id, took.expect("there is one").id];
    ids.push(second.try_take().expect("one is left").id);
    ids.sort_unstable();
    assert_eq!(ids, [10, 11, 12]);
    assert!(second.try_take() == Err(Take::Held));
}

/// As above, but the other worker may look between the claim of the job and the move of next.
///
/// Accepted: the job comes to whoever takes next. Would catch next without a version: it is back
/// where the other worker found it, who then moves it over the job, as if it had never moved.
fn take_and_give_back_beside_take() {
    let (world, _sender) = World::with_jobs(4, PRODUCER, &[10, 11, 12]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let held = first.try_take().expect("there are three");
    let other = thread::spawn(move || (second.try_take(), second));
    let back = first.try_take().expect("there are two");
    first.give_back(back);
    let (took, mut second) = other.join().expect("the worker ends");
    let mut ids = vec![held.id, took.expect("there is one").id];
    ids.push(second.try_take().expect("one is left").id);
    ids.sort_unstable();
    assert_eq!(ids, [10, 11, 12]);
}

/// As above, while a worker finds nothing and moves next to the end.
///
/// Accepted: the job comes to whoever takes next. Would catch one that moves next over a job which
/// came back meanwhile.
fn give_back_beside_nothing() {
    let (world, _sender) = World::with_jobs(4, PRODUCER, &[10, 11, 12]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let _held = first.try_take().expect("there are three");
    let back = first.try_take().expect("there are two");
    let last = first.try_take().expect("there is one");
    // Next is at the second job, and the third one is taken.
    first.give_back(back);
    let back = first.try_take().expect("it came back");
    let other = thread::spawn(move || (second.try_take(), second));
    first.give_back(back);
    let (took, mut second) = other.join().expect("the worker ends");
    let job = took.or_else(|_| second.try_take()).expect("it came back again");
    assert_eq!((job.id, job.taken.attempts), (11, 3));
    second.acknowledge(job);
    first.acknowledge(last);
    assert!(second.try_take() == Err(Take::Held));
}

/// A worker that sleeps gets the job that another one gives back.
///
/// Accepted: it wakes and has it. Would catch a return that nobody is woken for.
fn give_back_wakes() {
    let (world, _sender) = World::with_jobs(1, PRODUCER, &[10]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let job = first.try_take().expect("there is one");
    let other = thread::spawn(move || second.take_or_sleep());
    first.give_back(job);
    let job = other.join().expect("the worker ends").expect("the stream goes on");
    assert_eq!((job.id, job.taken.attempts), (10, 2));
}

/// Two workers acknowledge at the same time, and a producer waits for the room of both jobs.
///
/// Accepted: it wakes and has room. Would catch workers that each miss the other's job and leave
/// head behind, or the producer asleep.
fn acknowledge_at_once() {
    let (world, mut sender) = World::with_jobs(2, PRODUCER, &[10, 11]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let mine = first.try_take().expect("there are two");
    let theirs = second.try_take().expect("there is one");
    let workers = [
        thread::spawn(move || first.acknowledge(mine)),
        thread::spawn(move || second.acknowledge(theirs)),
    ];
    sender.send_all_or_sleep(&[12, 13]);
    for worker in workers {
        worker.join().expect("the worker ends");
    }
}

/// As above, but a worker wakes the producer only if it moved head itself. Must fail.
fn acknowledge_without_waking() {
    let (world, mut sender) = World::with_jobs(2, PRODUCER, &[10, 11]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let mine = first.try_take().expect("there are two");
    let theirs = second.try_take().expect("there is one");
    let workers = [
        thread::spawn(move || {
            first.acknowledge_silently(mine);
            first.notify_senders(1);
        }),
        thread::spawn(move || second.acknowledge_silently(theirs)),
    ];
    sender.send_all_or_sleep(&[12, 13]);
    for worker in workers {
        worker.join().expect("the worker ends");
    }
}

/// Two workers acknowledge the last jobs of a stream that ends, and a third one sleeps.
///
/// Accepted: the third one learns of the end. Would catch workers that each take the other's job
/// for one that may come back.
fn last_acknowledged_at_once() {
    let (world, sender) = World::with_jobs(2, PRODUCER, &[10, 11]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let mine = first.try_take().expect("there are two");
    let theirs = second.try_take().expect("there is one");
    sender.leave();
    let mut third = world.worker(OTHER);
    let workers = [
        thread::spawn(move || first.acknowledge(mine)),
        thread::spawn(move || second.acknowledge(theirs)),
    ];
    assert_eq!(third.take_or_sleep(), None);
    for worker in workers {
        worker.join().expect("the worker ends");
    }
    world.assert_all_acknowledged();
}

/// A worker takes and acknowledges the only slot's job, a producer writes the slot again, and
/// another worker takes.
///
/// Accepted: each job is taken once. Would catch a payload that is overwritten while it is read, a
/// claim of the earlier job that is taken for one of the later, and a slow worker that claims what
/// is done.
fn reuse() {
    let (world, mut sender) = World::with_jobs(1, PRODUCER, &[10]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let producer = thread::spawn(move || (sender.try_send_all(&[11]), sender));
    let other = thread::spawn(move || second.do_one());
    let mut ids: Vec<_> = first.do_one().into_iter().collect();
    ids.extend(other.join().expect("the worker ends"));
    let (sent, mut sender) = producer.join().expect("the producer ends");
    ids.extend(first.drain());
    ids.sort_unstable();
    assert_eq!(ids, if sent { vec![10, 11] } else { vec![10] });
    world.assert_all_acknowledged();
    assert!(sender.try_send_all(&[12]), "there is room");
    assert_eq!(first.drain(), [12]);
}

/// A worker is slow to claim the only slot's job, while another one takes, acknowledges and takes
/// again what a producer sent into the same slot.
///
/// Accepted: the slow one has the first job, or finds that the other has the second. Would catch a
/// claim of a later job that is taken for none because head is seen too late.
fn slow() {
    let (world, mut sender) = World::with_jobs(1, PRODUCER, &[10]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let other = thread::spawn(move || {
        // A wake would order what comes after it.
        let done = first.try_take().ok();
        done.into_iter().for_each(|job| first.acknowledge_silently(job));
        let sent = sender.try_send_all(&[11]);
        (done, sent, first.try_take())
    });
    let mine = second.try_take();
    let (done, sent, theirs) = other.join().expect("the worker ends");
    let hands = [mine.is_ok(), theirs.is_ok()];
    assert_eq!(done.is_some(), sent);
    assert_eq!(hands.iter().filter(|hand| **hand).count(), 1, "{mine:?} {theirs:?}");
}

/// Two workers take beside a producer that sends two jobs through one slot.
///
/// Accepted: each job is done once. Would catch a worker that sees next or head move past a tail
/// that it does not see, and finds the ring corrupt.
fn beside_a_producer() {
    let world = World::new(1, 0);
    let mut sender = world.sender(PRODUCER);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let producer = thread::spawn(move || {
        assert!(sender.try_send_all(&[10]));
        (sender.try_send_all(&[11]), sender)
    });
    let other = thread::spawn(move || second.do_one());
    let mut ids: Vec<_> = first.do_one().into_iter().collect();
    let (sent, _sender) = producer.join().expect("the producer ends");
    ids.extend(other.join().expect("the worker ends"));
    ids.extend(first.drain());
    ids.sort_unstable();
    assert_eq!(ids, if sent { vec![10, 11] } else { vec![10] });
}

/// Two workers look for a job that comes back at head, to which no hint leads: the worker that gave
/// it back was killed, and so was whoever reaped that one.
///
/// Accepted: one of them has it. Would catch a job that is lost with its hint.
fn lost_hint() {
    let (world, _sender) = World::with_jobs(2, PRODUCER, &[10]);
    let (mut first, mut second) = (world.worker(FIRST), world.worker(SECOND));
    let job = first.try_take().expect("there is one");
    world.return_without_hint(job);
    let other = thread::spawn(move || second.try_take());
    let mine = first.try_take();
    let theirs = other.join().expect("the worker ends");
    let found = [mine, theirs].into_iter().filter_map(Result::ok).collect::<Vec<_>>();
    let attempts: Vec<_> = found.iter().map(|job| (job.id, job.taken.attempts)).collect();
    assert_eq!(attempts, [(10, 2)]);
}

models! {
    PRODUCERS: producers_bound_2, bound 2, at least 2400, runs producers;
    ONE: compete_for_one_bound_3, bound 3, at least 520, runs compete_for_one;
    TWO: compete_for_two_bound_1, bound 1, at least 7300, runs compete_for_two;
    GIVE_BACK: give_back_beside_take_unbounded, bound none, at least 84, runs give_back_beside_take;
    TAKE_AND_GIVE_BACK: take_and_give_back_beside_take_bound_2, bound 2, at least 760,
        runs take_and_give_back_beside_take;
    GIVE_BACK_AT_END: give_back_beside_nothing_bound_3, bound 3, at least 58,
        runs give_back_beside_nothing;
    GIVE_BACK_WAKES: give_back_wakes_bound_3, bound 3, at least 8800, runs give_back_wakes;
    AT_ONCE: acknowledge_at_once_bound_1, bound 1, at least 1600, runs acknowledge_at_once;
    LAST: last_acknowledged_at_once_bound_1, bound 1, at least 1100,
        runs last_acknowledged_at_once;
    REUSE: reuse_bound_1, bound 1, at least 19000, runs reuse;
    SLOW: slow_bound_3, bound 3, at least 86000, runs slow;
    BESIDE: beside_a_producer_bound_2, bound 2, at least 86000, runs beside_a_producer;
    LOST_HINT: lost_hint_bound_2, bound 2, at least 2300, runs lost_hint;
}

/// Must fail.
pub(crate) const FAULTS: [crate::frame::Model; 1] = [crate::frame::Model {
    name: "loom_tests::models::jobs::acknowledge_without_waking_bound_1",
    bound: Some(1),
    at_least: 1,
    body: crate::frame::Body::Plain(acknowledge_without_waking),
}];
