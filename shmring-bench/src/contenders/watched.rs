//! shmring's rings beside an observer, as `shmring top` is one, to measure what it costs the users.
//! Each has a twin without an observer, run in the same way for as long.

use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::mpsc::{self, RecvTimeoutError, Sender as End};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use shmring::Observer;

use super::variants::{Mpmc, Record};
use super::{ByteRing, PackedRing};
use crate::contender::{BoxError, Contender, Nature, Place, Prepared, Setting};

/// A ring of shmring, and how often an observer reads its status.
pub trait Watched: 'static {
    /// The ring.
    type Ring: Contender;
    /// See [`Contender::NAME`].
    const NAME: &'static str;
    /// See [`Contender::ABOUT`].
    const ABOUT: &'static str;
    /// Reads per second; none without an observer.
    const LOOKS_PER_SECOND: u32;
}

macro_rules! watched {
    ($($ring:ty, $name:literal: $twin:ident, $seldom:ident, $often:ident;)*) => {
        $(
            watched! { @ $twin, $ring, concat!($name, ", unwatched"), "the same, with nobody looking", 0 }
            watched! {
                @ $seldom, $ring, concat!($name, ", watched at 10 Hz"),
                "the same, looked at as by `shmring top -d 100ms`", 10
            }
            watched! {
                @ $often, $ring, concat!($name, ", watched at 1 kHz"),
                "the same, looked at far more often than anybody needs", 1000
            }
        )*
    };
    (@ $type:ident, $ring:ty, $name:expr, $about:literal, $looks:literal) => {
        #[doc = $about]
        #[derive(Debug)]
        pub struct $type;

        impl Watched for $type {
            type Ring = $ring;
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const LOOKS_PER_SECOND: u32 = $looks;
        }
    };
}

watched! {
    ByteRing<Record>, "record ring": RecordUnwatched, RecordSeldom, RecordOften;
    PackedRing<1>, "packed ring": PackedUnwatched, PackedSeldom, PackedOften;
    ByteRing<Mpmc>, "mpmc ring": MpmcUnwatched, MpmcSeldom, MpmcOften;
}

/// See the module.
#[derive(Debug)]
pub struct Under<W>(PhantomData<W>);

impl<W: Watched> Contender for Under<W> {
    const NAME: &'static str = W::NAME;
    const ABOUT: &'static str = W::ABOUT;
    const NATURE: Nature =
        Nature { variant: true, watched: true, ..<W::Ring as Contender>::NATURE };
    type Sender = <W::Ring as Contender>::Sender;
    type Receiver = <W::Ring as Contender>::Receiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let prepared = W::Ring::prepare(setting)?;
        let onlooker = match W::LOOKS_PER_SECOND {
            0 => None,
            looks => {
                let interval = Duration::from_secs(1) / looks;
                Some(Onlooker::start(Observer::open(&prepared.address)?, interval)?)
            }
        };
        Ok(Prepared { kept: Box::new((prepared.kept, onlooker)), ..prepared })
    }

    fn open_sender(place: Place) -> Result<Self::Sender, BoxError> {
        W::Ring::open_sender(place)
    }

    fn open_receiver(place: Place) -> Result<Self::Receiver, BoxError> {
        W::Ring::open_receiver(place)
    }
}

/// Looks at a ring, from a process that takes no part, until it is dropped.
#[derive(Debug)]
struct Onlooker {
    end: Option<End<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Onlooker {
    fn start(observer: Observer, interval: Duration) -> Result<Self, BoxError> {
        let (end, ended) = mpsc::channel();
        let look = move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // What it says depends on when that is.
                let _ = black_box(observer.status());
            }
        };
        let thread = thread::Builder::new().name("onlooker".to_owned()).spawn(look)?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        drop(self.end.take());
        // A thread that panicked has ended as well.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
