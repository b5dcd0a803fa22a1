//! The job ring: a worker, or who reaps it, dies at any operation, and the others go on.

use loom::thread;

use crate::fixture::jobs::World;
use crate::frame::models;
use crate::ring::jobs::Take;
use crate::sync::crash::killed_at;

const PRODUCER: usize = 0;
const VICTIM: usize = 1;
const WORKER: usize = 2;

/// The victim takes jobs, gives the first back and acknowledges the other. Another worker takes
/// beside it. Then the victim is reaped.
///
/// Accepted: each job is acknowledged once, and counts its attempts. Would catch a job that stays
/// with the dead, that comes back although it is done, and a claim whose position was not noted.
fn worker(kill_at: u64) {
    let (world, mut sender) = World::with_jobs(2, PRODUCER, &[10, 11]);
    let (mut victim, mut worker) = (world.worker(VICTIM), world.worker(WORKER));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            let end = killed_at(kill_at, || {
                let jobs = [victim.try_take(), victim.try_take()];
                if let Ok(job) = jobs[0] {
                    victim.give_back(job);
                }
                if let Ok(job) = jobs[1] {
                    victim.acknowledge(job);
                }
            });
            world.mark_killed(VICTIM, end.is_none());
        }
    });
    worker.do_one();
    dying.join().expect("the victim ends");
    assert!(world.is_dead(VICTIM));
    world.reap(VICTIM);
    worker.drain();
    world.assert_all_acknowledged();
    assert!(sender.try_send_all(&[12, 13]), "there is room");
    assert_eq!(worker.drain(), [12, 13]);
}

/// The victim takes and acknowledges, and is reaped as soon as it is dead, while another worker
/// takes.
///
/// Accepted: as above. Would catch a reaper that gives back what the victim acknowledged, or does
/// not see what it took.
fn worker_reaped_beside(kill_at: u64) {
    let (world, _sender) = World::with_jobs(1, PRODUCER, &[10]);
    let (mut victim, mut worker) = (world.worker(VICTIM), world.worker(WORKER));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            let end = killed_at(kill_at, || {
                if let Ok(job) = victim.try_take() {
                    victim.acknowledge(job);
                }
            });
            world.mark_killed(VICTIM, end.is_none());
        }
    });
    let reaper = thread::spawn({
        let world = world.clone();
        move || {
            let dead = world.is_dead(VICTIM);
            if dead {
                world.reap(VICTIM);
            }
            dead
        }
    });
    worker.do_one();
    dying.join().expect("the victim ends");
    if !reaper.join().expect("the reaper ends") {
        assert!(world.is_dead(VICTIM));
        world.reap(VICTIM);
    }
    worker.drain();
    world.assert_all_acknowledged();
}

/// Two reap a dead worker that has the second of two jobs, one of them is killed, and a worker that
/// has the first one takes.
///
/// Accepted: the job comes back once. Would catch a reaper that returns what was taken again since
/// it looked, and a job that a killed reaper returned and to which no hint leads.
fn reapers(kill_at: u64) {
    let (world, _sender) = World::with_jobs(2, PRODUCER, &[10, 11]);
    let (mut victim, mut worker) = (world.worker(VICTIM), world.worker(WORKER));
    let first = worker.try_take().expect("there are two");
    victim.try_take().expect("there is one");
    world.mark_dead(VICTIM);
    let killed = thread::spawn({
        let world = world.clone();
        move || {
            assert!(world.is_dead(VICTIM));
            killed_at(kill_at, || world.reap_beside_others(VICTIM));
        }
    });
    let survivor = thread::spawn({
        let world = world.clone();
        move || {
            assert!(world.is_dead(VICTIM));
            world.reap_beside_others(VICTIM);
        }
    });
    let early = worker.try_take();
    killed.join().expect("the reaper that is killed ends");
    survivor.join().expect("the other reaper ends");
    world.reap(VICTIM);
    let job = early.or_else(|_| worker.try_take()).expect("it came back");
    assert_eq!((job.id, job.taken.attempts), (11, 2));
    assert_eq!(worker.try_take(), Err(Take::Held));
    worker.acknowledge(first);
    worker.acknowledge(job);
    world.assert_all_acknowledged();
}

/// A worker that sleeps while another one has the only job, which dies and is reaped.
///
/// Accepted: the sleeper wakes and has the job. Would catch a reaper that returns jobs and wakes
/// nobody.
fn reaped_beside_a_sleeper() {
    let (world, _sender) = World::with_jobs(1, PRODUCER, &[10]);
    let (mut victim, mut worker) = (world.worker(VICTIM), world.worker(WORKER));
    victim.try_take().expect("there is one");
    world.mark_dead(VICTIM);
    let reaper = thread::spawn({
        let world = world.clone();
        move || {
            assert!(world.is_dead(VICTIM));
            world.reap(VICTIM);
        }
    });
    let job = worker.take_or_sleep().expect("the stream goes on");
    assert_eq!((job.id, job.taken.attempts), (10, 2));
    reaper.join().expect("the reaper ends");
}

/// A handle of the dead is used again by a worker that has the same slot, while another worker
/// takes what came back.
///
/// Accepted: each job is in one hand. Would catch a newcomer to whom the positions of the dead are
/// counted.
fn handle_of_the_dead_again() {
    let (world, _sender) = World::with_jobs(2, PRODUCER, &[10, 11]);
    let mut worker = world.worker(WORKER);
    world.worker(VICTIM).try_take().expect("there are two");
    world.mark_dead(VICTIM);
    let again = thread::spawn({
        let world = world.clone();
        move || {
            assert!(world.is_dead(VICTIM));
            world.reap(VICTIM);
            let mut newcomer = world.worker(PRODUCER);
            let job = newcomer.try_take();
            newcomer.leave();
            job.is_ok()
        }
    });
    worker.do_one();
    again.join().expect("the newcomer ends");
    worker.drain();
    world.assert_all_acknowledged();
}

models! {
    WORKER_DIES: worker_bound_1, bound 1, at least 24000, kills worker;
    REAPED_BESIDE: worker_reaped_beside_bound_1, bound 1, at least 38000, kills worker_reaped_beside;
    REAPERS: reapers_bound_1, bound 1, at least 18000, kills reapers;
    REAPED_SLEEPER: reaped_beside_a_sleeper_bound_1, bound 1, at least 350,
        runs reaped_beside_a_sleeper;
    AGAIN: handle_of_the_dead_again_bound_1, bound 1, at least 320, runs handle_of_the_dead_again;
}
