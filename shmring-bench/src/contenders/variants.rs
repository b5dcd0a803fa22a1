//! The variants of shmring's byte rings, by kind.

use shmring::Config;

use crate::contender::{Group, Nature, Setting, Sizes};

/// A kind of ring.
pub trait Variant: 'static {
    /// See [`Contender::NAME`](crate::contender::Contender::NAME).
    const NAME: &'static str;
    /// See [`Contender::ABOUT`](crate::contender::Contender::ABOUT).
    const ABOUT: &'static str;
    /// See [`Contender::NATURE`](crate::contender::Contender::NATURE).
    const NATURE: Nature;
    /// The segment that the setting asks for.
    fn config(setting: &Setting) -> Config;
}

/// Bytes before each message of a record ring.
const RECORD_HEADER_BYTES: usize = 8;
/// Bytes before each message of a slot ring.
const STAMP_BYTES: usize = 8;

/// The most that a slot can have.
const MAX_SLOT_BYTES: usize = 1 << 20;

const RECORD: Nature = Nature { in_place: true, ..Nature::stream(Group::Ring) };

const fn slot(many_producers: bool, many_consumers: bool) -> Nature {
    Nature {
        many_producers,
        many_consumers,
        // Where consumers compete, nothing is read in place.
        in_place: !many_consumers,
        sizes: Sizes::AtMost(MAX_SLOT_BYTES - STAMP_BYTES),
        ..Nature::stream(Group::Ring)
    }
}

fn record(setting: &Setting) -> Config {
    let cost = RECORD_HEADER_BYTES + setting.message_bytes.next_multiple_of(8);
    Config::spsc().capacity_bytes(setting.room_bytes(cost))
}

fn slots(config: Config, setting: &Setting) -> Config {
    let slot_bytes = STAMP_BYTES + setting.message_bytes;
    config.slots(setting.room_messages()).slot_bytes(slot_bytes as u64)
}

macro_rules! variants {
    ($($type:ident: $name:literal, $about:literal, $nature:expr, |$setting:ident| $config:expr;)*) => {
        $(
            #[doc = $about]
            #[derive(Debug)]
            pub struct $type;

            impl Variant for $type {
                const NAME: &'static str = $name;
                const ABOUT: &'static str = $about;
                const NATURE: Nature = $nature;
                fn config($setting: &Setting) -> Config {
                    $config
                }
            }
        )*
    };
}

variants! {
    Record: "record ring", "shmring spsc: messages of any length, read in place where not copied",
        RECORD, |setting| record(setting);
    Mpmc: "mpmc ring", "shmring mpmc: slots, any number of each", slot(true, true),
        |setting| slots(Config::mpmc(), setting);
    Mpsc: "mpsc ring", "shmring mpsc: slots, one consumer", slot(true, false),
        |setting| slots(Config::mpsc(), setting);
    Spmc: "spmc ring", "shmring spmc: slots, one producer", slot(false, true),
        |setting| slots(Config::spmc(), setting);
}
