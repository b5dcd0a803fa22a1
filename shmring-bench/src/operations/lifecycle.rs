//! Making and joining segments of 1 MiB.

use shmring::{Config, Segment};

use super::{Operation, Repeat};
use crate::contender::BoxError;
use crate::name::{Name, Named};

/// Each takes some tens of microseconds, most of it in the kernel.
const MOST: u64 = 64;
const NAME_PREFIX: &str = "shmring-bench-operation";

pub(super) const ALL: [Operation; 3] = [
    Operation { verb: "create and unlink", ring: RING, most: MOST, make: || Ok(Box::new(Create)) },
    Operation { verb: "attach", ring: RING, most: MOST, make: || Ok(Box::new(Attach::new()?)) },
    Operation {
        verb: "join as producer",
        ring: RING,
        most: MOST,
        make: || Ok(Box::new(Join(segment()?))),
    },
];

const RING: &str = "record ring of 1 MiB";

fn config() -> Config {
    Config::spsc().capacity_bytes(1 << 20)
}

fn segment() -> Result<Segment, BoxError> {
    // Its name is gone at once, and it lives on.
    let name = Name::new(NAME_PREFIX);
    Ok(Segment::create(&name.0, &config())?)
}

struct Create;

impl Repeat for Create {
    fn ready(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn run(&mut self, count: u64) -> Result<(), BoxError> {
        let name = Name::new(NAME_PREFIX);
        for _ in 0..count {
            drop(Segment::create(&name.0, &config())?);
            Segment::unlink(&name.0)?;
        }
        Ok(())
    }
}

/// The segment is attached elsewhere, so that nothing has to be cleaned up behind it.
struct Attach(Named);

impl Attach {
    fn new() -> Result<Attach, BoxError> {
        Ok(Attach(Named::create(NAME_PREFIX, &config())?))
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
