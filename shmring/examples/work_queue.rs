//! A work queue whose workers are killed at work, and no job is lost.
//!
//! A worker acknowledges a job once it is done. The jobs of a worker that dies come back, and other
//! workers get them before new ones.

use std::process::{Command, id};
use std::{env, error::Error, thread};

use nix::sys::signal::{Signal, raise};
use shmring::{Config, RecvError, Segment};

const JOBS: u64 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(name) = env::args().nth(1) {
        return work(&name);
    }
    let name = format!("jobs-{}", id());
    let segment = Segment::create(&name, &Config::jobs())?;
    let _unlink = segment.unlink_on_drop();
    let mut producer = segment.producer()?;
    producer.set_require_consumer(false);
    (0..JOBS).try_for_each(|job| producer.send(&job.to_ne_bytes()))?;
    producer.close(); // The end of the stream is final, also for workers that have yet to come.

    // Three workers, and another one for each that dies.
    let start = || Command::new(env::current_exe()?).arg(&name).status();
    let until_the_end = || (0..).find(|_| start().is_ok_and(|status| status.success()));
    let deaths: u64 = thread::scope(|scope| {
        let workers = [(); 3].map(|()| scope.spawn(until_the_end));
        workers.into_iter().filter_map(|worker| worker.join().ok().flatten()).sum()
    });
    assert_eq!(segment.status()?.ring().messages_received, JOBS);
    println!("{JOBS} jobs done, none lost: {deaths} workers killed");
    Ok(())
}

fn work(name: &str) -> Result<(), Box<dyn Error>> {
    let worker = Segment::attach(name)?.worker()?;
    loop {
        let job = match worker.take() {
            Ok(job) => job,
            Err(RecvError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if job.attempts() == 1 && job.position() % 20 == 0 {
            raise(Signal::SIGKILL)?;
        }
        job.acknowledge();
    }
}
