//! A work queue whose workers are killed at work, and no job is lost.
//!
//! Each job goes to one worker. What a worker had taken when it died does not come again: the
//! ring cannot know how far it had come. So workers acknowledge what is done, and after a death
//! all jobs that are neither acknowledged nor in the ring are given out once more. A living
//! worker may be at one of them, which is then done twice, and known by its id.

use std::process::{Command, id};
use std::{collections::BTreeSet, env, error::Error, time::Duration};

use nix::sys::signal::{Signal, raise};
use shmring::{Config, Observer, RecvTimeoutError, Segment, observe::Pending};

const JOBS: u64 = 200;
type Job = u64;
type Done = [Job; 2]; // A job and its result.

fn main() -> Result<(), Box<dyn Error>> {
    if let [_, jobs, results] = &env::args().collect::<Vec<_>>()[..] {
        return work(jobs, results);
    }
    let (jobs, results) = (format!("jobs-{}", id()), format!("results-{}", id()));
    let result = supervise(&jobs, &results);
    Segment::unlink(&jobs)?;
    Segment::unlink(&results)?;
    result
}

fn work(jobs: &str, results: &str) -> Result<(), Box<dyn Error>> {
    let mut results = Segment::attach(results)?.value_producer::<Done>()?;
    for job in Segment::attach(jobs)?.value_consumer::<Job>()?.iter() {
        let job = job?;
        if (job + u64::from(id())) % 20 == 0 {
            raise(Signal::SIGKILL)?;
        }
        results.send(&[job, job * job])?;
    }
    Ok(())
}

fn supervise(jobs: &str, results: &str) -> Result<(), Box<dyn Error>> {
    let mut queue = Segment::create(jobs, &Config::mpmc().values::<Job>())?.value_producer()?;
    queue.set_require_consumer(false); // All workers may be dead for a moment.
    let acknowledged = Segment::create(results, &Config::mpsc().values::<Done>())?;
    let mut acknowledged = acknowledged.value_consumer::<Done>()?;
    let start = || Command::new(env::current_exe()?).args([jobs, results]).spawn();
    let mut workers = [start()?, start()?, start()?];
    let mut open: BTreeSet<Job> = (0..JOBS).collect();
    open.iter().try_for_each(|job| queue.send(job))?;
    let (mut deaths, mut again) = (0, 0);
    while !open.is_empty() {
        let before = deaths;
        for worker in &mut workers {
            if worker.try_wait()?.is_some() {
                (*worker, deaths) = (start()?, deaths + 1);
            }
        }
        loop {
            match acknowledged.recv_timeout(Duration::from_millis(5)) {
                Ok([job, result]) if result == job * job => drop(open.remove(&job)),
                Err(RecvTimeoutError::TimedOut | RecvTimeoutError::Eof) => break,
                wrong => return Err(format!("{wrong:?}").into()),
            }
        }
        if deaths > before {
            // An observer sees what nobody has taken yet, and takes nothing.
            let waiting = Observer::open(jobs)?.peek(usize::MAX, size_of::<Job>())?.messages;
            let job = |job: &Pending| Ok(Job::from_ne_bytes(job.bytes[..].try_into()?));
            let waiting = waiting.iter().map(job).collect::<Result<_, Box<dyn Error>>>()?;
            let lost: Vec<_> = open.difference(&waiting).collect();
            lost.iter().try_for_each(|job| queue.send(job))?;
            again += lost.len();
        }
    }
    queue.close(); // For good: also for a worker that has yet to come.
    workers.iter_mut().try_for_each(|worker| worker.wait().map(drop))?;
    println!("{JOBS} jobs done, none lost: {deaths} workers killed, {again} jobs given out again");
    Ok(())
}
