//! Making (and unlinking) and joining segments of 1 MiB with a record ring, and going through one
//! for the first time.

use shmring::{Config, Consumer, Producer, Segment};

use super::{Operation, Repeat};
use crate::contender::BoxError;
use crate::name::{Name, Named};

/// Each takes tens of microseconds at least, most of it in the kernel.
const MOST: u64 = 64;
/// Each needs a segment of its own: 32 MiB in all.
const MOST_LAPS: u64 = 4;
const NAME_PREFIX: &str = "shmring-bench-operation";
const CAPACITY_BYTES: u64 = 1 << 20;
/// No huge page fits into less than some MiB.
const LARGE_BYTES: u64 = 8 << 20;
/// A page each, less the header.
const LAP_MESSAGE_BYTES: usize = 4096 - 8;

/// How a segment's memory is to be had.
type Memory = fn() -> Config;

const RING: &str = "record ring of 1 MiB";
const PREFAULTED: &str = "1 MiB, prefaulted";
const LARGE: &str = "8 MiB";
const LARGE_PREFAULTED: &str = "8 MiB, prefaulted";
const HUGE_PAGES: &str = "8 MiB, huge pages";

pub(super) const ALL: [Operation; 10] = [
    create(RING, || Ok(Box::new(Create(plain)))),
    create(PREFAULTED, || Ok(Box::new(Create(prefaulted)))),
    attach(RING, || Ok(Box::new(Attach::new(plain)?))),
    attach(PREFAULTED, || Ok(Box::new(Attach::new(prefaulted)?))),
    first_lap(RING, || Ok(Box::new(FirstLap::new(plain, CAPACITY_BYTES)))),
    first_lap(PREFAULTED, || Ok(Box::new(FirstLap::new(prefaulted, CAPACITY_BYTES)))),
    first_lap(LARGE, || Ok(Box::new(FirstLap::new(large, LARGE_BYTES)))),
    first_lap(LARGE_PREFAULTED, || Ok(Box::new(FirstLap::new(large_prefaulted, LARGE_BYTES)))),
    first_lap(HUGE_PAGES, || Ok(Box::new(FirstLap::new(huge, LARGE_BYTES)))),
    Operation {
        verb: "join as producer",
        ring: RING,
        most: MOST,
        make: || Ok(Box::new(Join(segment(plain)?))),
    },
];

type Make = fn() -> Result<Box<dyn Repeat>, BoxError>;

const fn create(ring: &'static str, make: Make) -> Operation {
    Operation { verb: "create", ring, most: MOST, make }
}

const fn attach(ring: &'static str, make: Make) -> Operation {
    Operation { verb: "attach", ring, most: MOST, make }
}

const fn first_lap(ring: &'static str, make: Make) -> Operation {
    Operation { verb: "first lap", ring, most: MOST_LAPS, make }
}

fn plain() -> Config {
    Config::spsc().capacity_bytes(CAPACITY_BYTES)
}

fn prefaulted() -> Config {
    plain().prefault(true)
}

fn large() -> Config {
    plain().capacity_bytes(LARGE_BYTES)
}

fn large_prefaulted() -> Config {
    large().prefault(true)
}

fn huge() -> Config {
    large().huge_pages(true)
}

fn segment(memory: Memory) -> Result<Segment, BoxError> {
    // Its name is gone at once, and it lives on.
    let name = Name::new(NAME_PREFIX);
    Ok(Segment::create(&name.0, &memory())?)
}

struct Create(Memory);

impl Repeat for Create {
    fn ready(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn run(&mut self, count: u64) -> Result<(), BoxError> {
        let name = Name::new(NAME_PREFIX);
        for _ in 0..count {
            drop(Segment::create(&name.0, &(self.0)())?);
            Segment::unlink(&name.0)?;
        }
        Ok(())
    }
}

/// The segment is attached elsewhere, so that nothing has to be reaped.
struct Attach(Named);

impl Attach {
    fn new(memory: Memory) -> Result<Attach, BoxError> {
        Ok(Attach(Named::create(NAME_PREFIX, &memory())?))
    }
}

impl Repeat for Attach {
    fn ready(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn run(&mut self, count: u64) -> Result<(), BoxError> {
        for _ in 0..count {
            drop(Segment::attach(&self.0.name)?);
        }
        Ok(())
    }
}

/// Messages through untouched rings.
struct FirstLap {
    memory: Memory,
    pages: u64,
    untouched: Vec<(Producer, Consumer)>,
    /// Those that were gone through. Dropped outside the measurement.
    touched: Vec<(Producer, Consumer)>,
    message: Vec<u8>,
    received: Vec<u8>,
}

impl FirstLap {
    fn new(memory: Memory, capacity_bytes: u64) -> FirstLap {
        let pages = capacity_bytes / 4096;
        let (message, received) = (vec![7; LAP_MESSAGE_BYTES], vec![0; LAP_MESSAGE_BYTES]);
        FirstLap { memory, pages, untouched: Vec::new(), touched: Vec::new(), message, received }
    }
}

impl Repeat for FirstLap {
    fn ready(&mut self) -> Result<(), BoxError> {
        if !self.touched.is_empty() && self.received != self.message {
            return Err("another message was received".into());
        }
        self.touched.clear();
        self.received.fill(0);
        while self.untouched.len() < MOST_LAPS as usize {
            let segment = segment(self.memory)?;
            self.untouched.push((segment.producer()?, segment.consumer()?));
        }
        Ok(())
    }

    fn run(&mut self, count: u64) -> Result<(), BoxError> {
        for _ in 0..count {
            let (mut producer, mut consumer) = self.untouched.pop().ok_or("no ring is left")?;
            for _ in 0..self.pages {
                producer.send(&self.message)?;
                consumer.recv_into(&mut self.received)?;
            }
            self.touched.push((producer, consumer));
        }
        Ok(())
    }
}

struct Join(Segment);

impl Repeat for Join {
    fn ready(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn run(&mut self, count: u64) -> Result<(), BoxError> {
        for _ in 0..count {
            drop(self.0.producer()?);
        }
        Ok(())
    }
}
