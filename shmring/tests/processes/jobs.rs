//! Workers of job rings that are killed with jobs in hand, and at any moment of their work, while
//! others go on.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use shmring::{Config, Job, Producer, RecvTimeoutError, Segment, WaitMode, Worker};

use crate::common::child::{self, say};
use crate::common::{HANG, LONG, Name, eventually, watchdog};

const ROUNDS: u64 = 60;
const SENDERS: u64 = 2;
/// Jobs that a victim has at once.
const MOST: usize = 3;

/// A job, by its sender and its number.
type Key = (u64, u64);

/// What a worker did, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
enum Deed {
    Took,
    /// About to acknowledge: done or not, if nothing follows.
    Finishes,
    Finished,
}

const DEEDS: [Deed; 3] = [Deed::Took, Deed::Finishes, Deed::Finished];

/// A job holds its sender and number, and a check of both. Some take two slots.
fn payload((sender, number): Key) -> Vec<u8> {
    let words = [sender, number, !sender, number.wrapping_mul(0xD134_2543_DE82_EF95)];
    let repeats = if number % 5 == 0 { 2 } else { 1 };
    words.repeat(repeats).iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn key_of(job: &Job<'_>) -> Key {
    let bytes = job.to_vec();
    let words: [u64; 2] = bytemuck::pod_read_unaligned(&bytes[..16]);
    assert_eq!(bytes, payload((words[0], words[1])), "half a job");
    (words[0], words[1])
}

/// Keeps what a worker did where it outlives the worker.
struct Log {
    file: File,
    offset: u64,
}

impl Log {
    fn note(&mut self, deed: Deed, (sender, number): Key, attempts: u64) {
        let entry = [deed as u64, sender, number, attempts];
        self.file.write_all_at(bytemuck::bytes_of(&entry), self.offset).unwrap();
        self.offset += size_of_val(&entry) as u64;
    }
}

fn read_log(name: &Name) -> Vec<(Deed, Key, u64)> {
    let bytes = fs::read(name.path()).unwrap();
    let entries = bytes.chunks_exact(32).map(|entry| {
        let [deed, sender, number, attempts]: [u64; 4] = bytemuck::pod_read_unaligned(entry);
        (DEEDS[deed as usize], (sender, number), attempts)
    });
    entries.collect()
}

/// In the child: takes jobs and pauses with them in hand.
pub(crate) fn hold(args: &[String]) {
    let worker = Segment::attach(&args[0]).unwrap().worker().unwrap();
    let jobs: Vec<_> = (0..args[1].parse().unwrap()).map(|_| worker.take().unwrap()).collect();
    say("holds");
    child::pause();
    drop(jobs);
}

/// In the child: takes jobs, gives some back and acknowledges the others, until it is killed.
pub(crate) fn work(args: &[String]) {
    let file = OpenOptions::new().create(true).write(true).truncate(true).open(&args[1]).unwrap();
    let mut log = Log { file, offset: 0 };
    let worker = Segment::attach(&args[0]).unwrap().worker().unwrap();
    say("works");
    for round in 0_usize.. {
        let mut jobs = Vec::new();
        for _ in 0..=round % MOST {
            let job = worker.take().unwrap();
            let key = key_of(&job);
            log.note(Deed::Took, key, job.attempts());
            jobs.push((job, key));
        }
        for (index, (job, key)) in jobs.into_iter().enumerate() {
            if (round + index) % 4 == 0 {
                job.give_back();
                continue;
            }
            let attempts = job.attempts();
            log.note(Deed::Finishes, key, attempts);
            assert!(job.acknowledge());
            log.note(Deed::Finished, key, attempts);
        }
    }
}

fn send_on(mut tx: Producer, sender: u64, stop: &AtomicBool) -> u64 {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        match tx.send_timeout(&payload((sender, number)), LONG) {
            Ok(()) => number += 1,
            Err(error) => panic!("sender {sender} after {number}: {error}"),
        }
    }
    number
}

/// Takes and acknowledges to the end.
fn work_on(worker: &Worker, done: &AtomicU64) -> Vec<(Deed, Key, u64)> {
    let mut log = Vec::new();
    loop {
        match worker.take_timeout(LONG) {
            Ok(job) => {
                let (key, attempts) = (key_of(&job), job.attempts());
                log.push((Deed::Took, key, attempts));
                assert!(job.acknowledge());
                log.push((Deed::Finished, key, attempts));
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Eof) => return log,
            Err(error) => panic!("{error} after {}", log.len()),
        }
    }
}

/// What is known of one job.
#[derive(Default)]
struct Account {
    /// The attempts of those who took it and lived to say so.
    taken: Vec<u64>,
    finished: u64,
    in_doubt: u64,
}

/// Checks that each job was finished once, and that it counts how often it was taken. Returns how
/// often jobs were taken without anybody who could say so.
fn settle(logs: &[Vec<(Deed, Key, u64)>], sent: &[u64]) -> u64 {
    let mut accounts: HashMap<Key, Account> = HashMap::new();
    for log in logs {
        for &(deed, key, attempts) in log {
            let account = accounts.entry(key).or_default();
            match deed {
                Deed::Took => account.taken.push(attempts),
                Deed::Finishes => account.in_doubt += 1,
                Deed::Finished => account.finished += 1,
            }
        }
    }
    let mut unknown = 0;
    for (sender, &count) in (0..).zip(sent) {
        for number in 0..count {
            let key = (sender, number);
            let account = accounts.remove(&key).unwrap_or_default();
            let Account { mut taken, finished, in_doubt } = account;
            assert!(finished <= 1, "{key:?} was acknowledged {finished} times");
            assert!(finished == 1 || in_doubt > 0, "{key:?} is lost, taken {taken:?}");
            taken.sort_unstable();
            let known = taken.len() as u64;
            taken.dedup();
            assert_eq!(taken.len() as u64, known, "{key:?} counts one attempt twice");
            let last = taken.last().copied().unwrap_or_default();
            assert!(last >= known, "{key:?}: {last} attempts of {known}");
            unknown += last - known;
        }
    }
    assert!(accounts.is_empty(), "jobs that nobody sent: {:?}", accounts.keys());
    unknown
}

fn segment(name: &Name, slots: u64) -> Segment {
    name.create(&Config::jobs().slots(slots).slot_bytes(48).max_handles(8).max_attachments(8))
}

/// Catches jobs that stay with a worker that was killed, and a sleeper that nobody wakes for them:
/// with a monitor, and where only sleepers look for the dead.
#[test]
fn a_killed_workers_jobs_come_to_one_that_sleeps() {
    let _watchdog = watchdog("a_killed_workers_jobs_come_to_one_that_sleeps");
    for (monitored, mode) in
        [(true, WaitMode::Block), (false, WaitMode::Block), (false, WaitMode::Adaptive)]
    {
        let name = Name::new();
        let segment = segment(&name, 16);
        let mut tx = segment.producer().unwrap();
        for number in 0..4 {
            tx.send(&payload((0, number))).unwrap();
        }
        let mut holder = child::start("job-hold", &[&*name, "3"]);
        assert_eq!(holder.hear(), "holds");
        let _monitor = monitored.then(|| segment.monitor().unwrap());
        let mut worker = segment.worker().unwrap();
        worker.set_wait_mode(mode);
        let keys = std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                let last = worker.take().unwrap();
                assert_eq!(key_of(&last), (0, 3));
                let jobs: Vec<_> = (0..3).map(|_| worker.take_timeout(HANG).unwrap()).collect();
                let keys = jobs.iter().map(|job| (key_of(job), job.attempts()));
                keys.collect::<Vec<_>>()
            });
            std::thread::sleep(Duration::from_millis(30));
            holder.kill();
            worker.join().unwrap()
        });
        assert_eq!(keys, [((0, 0), 2), ((0, 1), 2), ((0, 2), 2)]);
    }
}

/// Kills workers at any moment, one after the other, while others send and work.
fn kill_workers(slots: u64, monitored: bool) {
    let name = Name::new();
    let segment = segment(&name, slots);
    let worker = segment.worker().unwrap();
    let senders: Vec<_> = (0..SENDERS).map(|_| segment.producer().unwrap()).collect();
    let _monitor = monitored.then(|| segment.monitor().unwrap());
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut logs = Vec::new();
    let sent: Vec<u64> = std::thread::scope(|scope| {
        let (stop, done) = (&stop, &done);
        let working = scope.spawn(move || work_on(&worker, done));
        let sending: Vec<_> = (0..)
            .zip(senders)
            .map(|(sender, tx)| scope.spawn(move || send_on(tx, sender, stop)))
            .collect();
        for round in 0..ROUNDS {
            let log = Name::new();
            let mut victim = child::start("job-work", &[&*name, log.path().to_str().unwrap()]);
            assert_eq!(victim.hear(), "works");
            let moment = round.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFF;
            std::thread::sleep(Duration::from_micros(moment));
            victim.kill();
            logs.push(read_log(&log));
            // The others go on: past any place where the dead may have been.
            let goal = done.load(Ordering::Relaxed) + 2 * slots;
            eventually("the survivor works on", || {
                (done.load(Ordering::Relaxed) >= goal || working.is_finished()).then_some(())
            });
        }
        stop.store(true, Ordering::Relaxed);
        let sent = sending.into_iter().map(|sender| sender.join().unwrap()).collect();
        logs.push(working.join().unwrap());
        sent
    });
    let unknown = settle(&logs, &sent);
    assert!(unknown <= ROUNDS, "{unknown} attempts of {ROUNDS} victims that did not say so");
    let status = Segment::attach(&name).unwrap().status().unwrap();
    assert_eq!(status.ring().used_slots, Some(0));
}

/// Catches jobs that are lost or acknowledged twice, wherever a worker is killed, attempts that are
/// counted wrong, and others that are held up for good.
#[test]
fn workers_killed_at_any_moment_lose_no_job() {
    let _watchdog = watchdog("workers_killed_at_any_moment_lose_no_job");
    kill_workers(4, false);
    kill_workers(64, false);
    kill_workers(16, true);
}
