//! Words through a ring whose two ends are in one hand.

use std::marker::PhantomData;

use shmring::{Config, Consumer, Producer, Segment, values};

use super::{Operation, Repeat};
use crate::contender::BoxError;
use crate::name::Name;

/// Repetitions that a ring has room for.
const MOST: u64 = 1024;
const SLOTS: u64 = 2 * MOST;
/// A word in a slot, after its stamp.
const SLOT_BYTES: u64 = 16;
const BATCH: usize = 32;
const WORD_BYTES: usize = 8;

/// Both ends of a ring of words.
trait Ends: Sized {
    fn make(config: &Config) -> Result<Self, BoxError>;
    fn push(&mut self, word: u64) -> Result<(), BoxError>;
    fn pop(&mut self) -> Result<u64, BoxError>;
    fn push_batch(&mut self, words: &[u64; BATCH]) -> Result<(), BoxError>;
    fn pop_batch(&mut self, words: &mut [u64; BATCH]) -> Result<usize, BoxError>;
    fn reserve(&mut self, word: u64) -> Result<(), BoxError>;
    fn peek(&mut self) -> Result<u64, BoxError>;
}

/// A segment that only its handles keep.
fn segment(config: &Config) -> Result<Segment, BoxError> {
    let name = Name::new("shmring-bench-operation");
    Ok(Segment::create(&name.0, &config.clone().prefault(true))?)
}

struct Bytes {
    producer: Producer,
    consumer: Consumer,
}

impl Ends for Bytes {
    fn make(config: &Config) -> Result<Self, BoxError> {
        let segment = segment(config)?;
        Ok(Bytes { producer: segment.producer()?, consumer: segment.consumer()? })
    }

    #[inline(always)]
    fn push(&mut self, word: u64) -> Result<(), BoxError> {
        Ok(self.producer.try_send(&word.to_le_bytes())?)
    }

    #[inline(always)]
    fn pop(&mut self) -> Result<u64, BoxError> {
        let mut word = [0; WORD_BYTES];
        self.consumer.try_recv_into(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    #[inline(always)]
    fn push_batch(&mut self, words: &[u64; BATCH]) -> Result<(), BoxError> {
        Ok(self.producer.try_send_batch(&words.map(u64::to_le_bytes))?)
    }

    #[inline(always)]
    fn pop_batch(&mut self, words: &mut [u64; BATCH]) -> Result<usize, BoxError> {
        let mut space = words.iter_mut();
        let count = self.consumer.try_recv_batch(BATCH, |message| {
            let mut bytes = [0; WORD_BYTES];
            message.copy_to(&mut bytes);
            if let Some(word) = space.next() {
                *word = u64::from_le_bytes(bytes);
            }
        })?;
        Ok(count)
    }

    #[inline(always)]
    fn reserve(&mut self, word: u64) -> Result<(), BoxError> {
        let mut reservation = self.producer.try_reserve(WORD_BYTES)?;
        reservation.write_at(0, &word.to_le_bytes());
        reservation.commit();
        Ok(())
    }

    #[inline(always)]
    fn peek(&mut self) -> Result<u64, BoxError> {
        let peek = self.consumer.try_peek()?;
        let mut word = [0; WORD_BYTES];
        peek.copy_to(&mut word);
        peek.release();
        Ok(u64::from_le_bytes(word))
    }
}

struct Words {
    producer: values::Producer<u64>,
    consumer: values::Consumer<u64>,
}

impl Ends for Words {
    fn make(config: &Config) -> Result<Self, BoxError> {
        let segment = segment(config)?;
        Ok(Words { producer: segment.value_producer()?, consumer: segment.value_consumer()? })
    }

    #[inline(always)]
    fn push(&mut self, word: u64) -> Result<(), BoxError> {
        Ok(self.producer.try_send(&word)?)
    }

    #[inline(always)]
    fn pop(&mut self) -> Result<u64, BoxError> {
        Ok(self.consumer.try_recv()?)
    }

    #[inline(always)]
    fn push_batch(&mut self, words: &[u64; BATCH]) -> Result<(), BoxError> {
        Ok(self.producer.try_send_slice(words)?)
    }

    #[inline(always)]
    fn pop_batch(&mut self, words: &mut [u64; BATCH]) -> Result<usize, BoxError> {
        Ok(self.consumer.try_recv_slice(words)?)
    }

    #[inline(always)]
    fn reserve(&mut self, word: u64) -> Result<(), BoxError> {
        let mut space = self.producer.try_reserve(1)?;
        space.write(0, word);
        space.commit();
        Ok(())
    }

    #[inline(always)]
    fn peek(&mut self) -> Result<u64, BoxError> {
        let elements = self.consumer.try_peek(1)?;
        let word = elements.get(0)?.ok_or("a peek at nothing")?;
        elements.release();
        Ok(word)
    }
}

/// A kind of ring.
trait Ring: 'static {
    const NAME: &'static str;
    type Ends: Ends + 'static;
    fn config() -> Config;
}

macro_rules! rings {
    ($($type:ident: $name:literal, $ends:ty, $config:expr;)*) => {
        $(
            struct $type;
            impl Ring for $type {
                const NAME: &'static str = $name;
                type Ends = $ends;
                fn config() -> Config {
                    $config
                }
            }
        )*
    };
}

fn record() -> Config {
    // A word has a header before it.
    Config::spsc().capacity_bytes(SLOTS * 2 * WORD_BYTES as u64)
}

fn broadcast() -> Config {
    // As a record ring, of which a sixteenth stays kept.
    Config::broadcast().capacity_bytes(SLOTS * 4 * WORD_BYTES as u64)
}

fn slots(config: Config) -> Config {
    config.slots(SLOTS).slot_bytes(SLOT_BYTES)
}

fn words() -> Config {
    Config::packed::<u64>().slots(SLOTS)
}

rings! {
    Record: "record ring", Bytes, record();
    Packed: "packed ring", Words, words();
    Mpmc: "mpmc ring", Bytes, slots(Config::mpmc());
    Mpsc: "mpsc ring", Bytes, slots(Config::mpsc());
    Spmc: "spmc ring", Bytes, slots(Config::spmc());
    Broadcast: "broadcast ring", Bytes, broadcast();
}

/// Something to do with words, the next of which is `next`.
trait Verb: 'static {
    const NAME: &'static str;
    /// Whether it sends; else it receives.
    const SENDS: bool;
    fn run<E: Ends>(ends: &mut E, next: &mut u64, count: u64) -> Result<(), BoxError>;
}

fn expect(word: u64, next: &mut u64) -> Result<(), BoxError> {
    if word != *next {
        return Err(format!("word {word} came instead of word {next}").into());
    }
    *next += 1;
    Ok(())
}

macro_rules! one_at_a_time {
    ($type:ident, $name:literal, sends $verb:ident) => {
        struct $type;
        impl Verb for $type {
            const NAME: &'static str = $name;
            const SENDS: bool = true;
            fn run<E: Ends>(ends: &mut E, next: &mut u64, count: u64) -> Result<(), BoxError> {
                for _ in 0..count {
                    ends.$verb(*next)?;
                    *next += 1;
                }
                Ok(())
            }
        }
    };
    ($type:ident, $name:literal, receives $verb:ident) => {
        struct $type;
        impl Verb for $type {
            const NAME: &'static str = $name;
            const SENDS: bool = false;
            fn run<E: Ends>(ends: &mut E, next: &mut u64, count: u64) -> Result<(), BoxError> {
                (0..count).try_for_each(|_| expect(ends.$verb()?, next))
            }
        }
    };
}

one_at_a_time!(Push, "push", sends push);
one_at_a_time!(Pop, "pop", receives pop);
one_at_a_time!(Reserve, "reserve+commit", sends reserve);
one_at_a_time!(Peek, "peek+release", receives peek);

struct PushBatch;

impl Verb for PushBatch {
    const NAME: &'static str = "push x32";
    const SENDS: bool = true;
    fn run<E: Ends>(ends: &mut E, next: &mut u64, count: u64) -> Result<(), BoxError> {
        for _ in 0..count.div_ceil(BATCH as u64) {
            ends.push_batch(&std::array::from_fn(|index| *next + index as u64))?;
            *next += BATCH as u64;
        }
        Ok(())
    }
}

struct PopBatch;

impl Verb for PopBatch {
    const NAME: &'static str = "pop x32";
    const SENDS: bool = false;
    fn run<E: Ends>(ends: &mut E, next: &mut u64, count: u64) -> Result<(), BoxError> {
        let mut words = [0; BATCH];
        for _ in 0..count.div_ceil(BATCH as u64) {
            let got = ends.pop_batch(&mut words)?;
            if got != BATCH {
                return Err(format!("{got} words came at once, not {BATCH}").into());
            }
            words.iter().try_for_each(|word| expect(*word, next))?;
        }
        Ok(())
    }
}

/// A ring, and how far its two ends are.
struct Turn<E, V> {
    ends: E,
    pushed: u64,
    popped: u64,
    verb: PhantomData<V>,
}

impl<E: Ends, V: Verb> Repeat for Turn<E, V> {
    fn ready(&mut self) -> Result<(), BoxError> {
        // Whatever was sent is looked at, and then there is either nothing or enough.
        while self.popped < self.pushed {
            expect(self.ends.pop()?, &mut self.popped)?;
        }
        if !V::SENDS {
            Push::run(&mut self.ends, &mut self.pushed, MOST)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn run(&mut self, count: u64) -> Result<(), BoxError> {
        let next = if V::SENDS { &mut self.pushed } else { &mut self.popped };
        V::run(&mut self.ends, next, count)
    }
}

fn operation<R: Ring, V: Verb>() -> Operation {
    let make = || -> Result<Box<dyn Repeat>, BoxError> {
        let ends = R::Ends::make(&R::config())?;
        Ok(Box::new(Turn { ends, pushed: 0, popped: 0, verb: PhantomData::<V> }))
    };
    Operation { verb: V::NAME, ring: R::NAME, most: MOST, make }
}

/// The verbs that all rings have.
fn common<R: Ring>() -> Vec<Operation> {
    vec![
        operation::<R, Push>(),
        operation::<R, Pop>(),
        operation::<R, PushBatch>(),
        operation::<R, PopBatch>(),
        operation::<R, Reserve>(),
    ]
}

pub(super) fn all() -> Vec<Operation> {
    let mut all = [common::<Record>(), common::<Packed>(), common::<Mpmc>()].concat();
    all.extend([common::<Mpsc>(), common::<Spmc>(), common::<Broadcast>()].concat());
    // Where consumers compete, nothing can be read in place.
    all.extend([operation::<Record, Peek>(), operation::<Packed, Peek>()]);
    all.extend([operation::<Mpsc, Peek>(), operation::<Broadcast, Peek>()]);
    all
}
