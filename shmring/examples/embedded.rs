//! A control loop with a deadline for each sample, and its graceful end: on SIGTERM it closes
//! the ring and receives what was sent before. The sensor is told by its next send.

use std::error::Error;
use std::process::{Command, id};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, thread, time::Duration};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shmring::{Config, RecvTimeoutError, Segment, SendTimeoutError};

const CYCLE: Duration = Duration::from_millis(5);

fn main() -> Result<(), Box<dyn Error>> {
    if let [_, name] = &env::args().collect::<Vec<_>>()[..] {
        return control(name);
    }
    let name = format!("samples-{}", id());
    let result = sense(&name);
    Segment::unlink(&name)?;
    result
}

/// The control loop.
fn control(name: &str) -> Result<(), Box<dyn Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(Signal::SIGTERM as i32, Arc::clone(&stop))?;
    let segment = Segment::attach(name)?;
    let mut consumer = segment.consumer()?;
    let (mut samples, mut late) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        match consumer.recv_timeout(CYCLE) {
            Ok(_) => samples += 1,
            Err(RecvTimeoutError::TimedOut) => late += 1,
            Err(RecvTimeoutError::Eof) => break, // The sensor has left, or died.
            Err(error) => return Err(error.into()),
        }
    }
    // From now on sends fail, but for one that is under way: all is received when the sensor
    // has left, and the ring is empty after that.
    segment.close();
    let mut left = false;
    while !left {
        left = segment.status()?.ring().producers.is_empty();
        samples += consumer.iter().filter(Result::is_ok).count();
        thread::sleep(CYCLE);
    }
    println!("{samples} samples received, {late} deadlines missed");
    Ok(())
}

/// The sensor. It pauses once for ten cycles, and only its sends tell it when to stop.
fn sense(name: &str) -> Result<(), Box<dyn Error>> {
    let segment = Segment::create(name, &Config::spsc().capacity_bytes(1 << 16))?;
    let mut controller = Command::new(env::current_exe()?).arg(name).spawn()?;
    let mut producer = segment.producer()?;
    // Before, SIGTERM would just kill it.
    while segment.status()?.ring().consumers.is_empty() && controller.try_wait()?.is_none() {
        thread::sleep(CYCLE);
    }
    let mut sent = 0_u64;
    let end = loop {
        thread::sleep(if sent == 100 { 10 * CYCLE } else { CYCLE / 10 });
        if sent == 200 {
            kill(Pid::from_raw(controller.id() as i32), Signal::SIGTERM)?;
        }
        match producer.send_timeout(&sent.to_ne_bytes(), 100 * CYCLE) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    drop(producer);
    assert!(controller.wait()?.success());
    assert_eq!((end, segment.status()?.ring().messages_received), (SendTimeoutError::Closed, sent));
    println!("{sent} samples sent, all received; then: {end}");
    Ok(())
}
