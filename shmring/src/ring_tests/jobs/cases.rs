//! What random histories hardly reach.

use super::{Memory, RELAXED, SLOT_LEN, STARTS, done, returned, taken};
use crate::ring::jobs::{Take, Worker};
use crate::ring::tables::HandleOwn;

fn own(memory: &Memory, handle: usize) -> &HandleOwn {
    &memory.handles[handle].own
}

fn take(memory: &Memory, worker: &mut Worker, handle: usize) -> Take {
    worker.take(memory.ring(), own(memory, handle)).unwrap()
}

fn position(take: Take) -> u64 {
    let Take::Job(extent) = take else { panic!("{take:?}") };
    extent.start()
}

/// Catches claims that are laid out otherwise than documented.
#[test]
fn claims_are_laid_out_as_documented() {
    for start in STARTS {
        let memory = Memory::new(2, start);
        let (mut producer, mut worker) = (memory.producer(), memory.worker(5));
        memory.send(&mut producer, 1);
        assert_eq!(position(take(&memory, &mut worker, 5)), start);
        assert_eq!(memory.claim(start).load(RELAXED), taken(start, 1, 5));
        assert_eq!(own(&memory, 5).jobs[0].load(RELAXED), start);
        let job = worker.taken();
        worker.give_back(memory.ring(), job);
        assert_eq!(memory.claim(start).load(RELAXED), returned(start, 1));
        assert_eq!(position(take(&memory, &mut worker, 5)), start);
        let job = worker.taken();
        worker.acknowledge(memory.ring(), job);
        assert_eq!(memory.claim(start).load(RELAXED), done(start));
    }
}

/// Catches a job that nobody can take, as its slot held only later parts of jobs for so long that
/// the claim in it seems to be a later one.
#[test]
fn a_claim_older_than_sequences_reach_is_no_claim() {
    for laps_back in [(1 << 37) - 4, 1 << 37, (1 << 37) + 4, (1 << 38) - 4] {
        let memory = Memory::new(4, 1 << 50);
        let start = memory.head();
        memory.claim(start).store(done(start.wrapping_sub(laps_back)), RELAXED);
        let (mut producer, mut worker) = (memory.producer(), memory.worker(0));
        memory.send(&mut producer, 1);
        assert!(memory.ring().front().0);
        assert_eq!(position(take(&memory, &mut worker, 0)), start, "{laps_back:#x} back");
        let job = worker.taken();
        worker.acknowledge(memory.ring(), job);
        assert!(memory.ring().is_finished());
    }
}

/// Catches attempts that run over, into the sequence or the number that the worker sees.
#[test]
fn attempts_stop_at_the_most_that_fits() {
    let memory = Memory::new(1, 0);
    let (mut producer, mut worker) = (memory.producer(), memory.worker(0));
    memory.send(&mut producer, 1);
    memory.claim(0).store(returned(0, 65_533), RELAXED);
    for expected in [65_534, 65_535, 65_535, 65_535] {
        position(take(&memory, &mut worker, 0));
        let job = worker.taken();
        assert_eq!(job.attempts, expected);
        worker.give_back(memory.ring(), job);
    }
}

/// Catches waiters that find something where nobody can take anything, and so never sleep: there
/// are more jobs behind the first than a hint looks at.
#[test]
fn nothing_is_there_behind_many_jobs_that_are_done() {
    let memory = Memory::new(256, 0);
    let (mut producer, mut holder) = (memory.producer(), memory.worker(0));
    let mut worker = memory.worker(1);
    for _ in 0..200 {
        memory.send(&mut producer, 1);
    }
    assert_eq!(position(take(&memory, &mut holder, 0)), 0);
    let first = holder.taken();
    while let Take::Job(_) = take(&memory, &mut worker, 1) {
        let job = worker.taken();
        worker.acknowledge(memory.ring(), job);
    }
    holder.give_back(memory.ring(), first);
    assert_eq!(position(take(&memory, &mut holder, 0)), 0);
    assert_eq!(take(&memory, &mut worker, 1), Take::Held);
    assert_eq!(memory.ring().front(), (false, None));
    assert_eq!(memory.ring().pending(), 1);
    let first = holder.taken();
    holder.acknowledge(memory.ring(), first);
    assert_eq!(memory.head(), 200);
}

/// Catches a job that is lost with the hint that leads to it.
#[test]
fn a_lost_hint_is_made_good_at_head() {
    let memory = Memory::new(4, 0);
    let (mut producer, mut worker) = (memory.producer(), memory.worker(0));
    memory.send(&mut producer, 2 * SLOT_LEN);
    memory.send(&mut producer, 1);
    memory.control.consumer.next.store(3, RELAXED);
    assert!(memory.ring().front().0);
    assert_eq!(position(take(&memory, &mut worker, 0)), 0);
    assert_eq!(position(take(&memory, &mut worker, 0)), 2);
}

/// Catches a worker that was idle for so long that it takes next for another lap's for good.
#[test]
fn an_idle_worker_finds_its_way_back() {
    let memory = Memory::new(4, 0).aged();
    let mut idle = memory.worker(0);
    let later = (1 << 40) + 8;
    memory.control.producer.tail.store(later, RELAXED);
    memory.control.consumer.head.store(later, RELAXED);
    memory.control.consumer.next.store(later % (1 << 40), RELAXED);
    let memory = memory.aged();
    let mut producer = memory.producer();
    assert_eq!(take(&memory, &mut idle, 0), Take::Empty);
    memory.send(&mut producer, 1);
    assert_eq!(position(take(&memory, &mut idle, 0)), later);
}

/// Catches a producer that nobody wakes although a worker moved head over a tombstone.
#[test]
fn a_worker_reports_that_it_moved_head() {
    let memory = Memory::new(1, 0);
    let (mut producer, mut worker) = (memory.producer(), memory.worker(0));
    producer.claim(memory.slot_ring(), &own(&memory, 7).intent, 1).unwrap();
    assert_eq!(take(&memory, &mut worker, 0), Take::InFlight { position: 0 });
    assert!(!worker.take_advanced());
    assert!(producer.abandon(memory.slot_ring()));
    assert_eq!(take(&memory, &mut worker, 0), Take::Empty);
    assert!(worker.take_advanced() && !worker.take_advanced());
    assert_eq!(memory.head(), 1);
}
