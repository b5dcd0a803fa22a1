//! The mechanisms, one file each. Other projects' are beside their other uses.

mod broadcast;
mod each;
mod tee;

use super::Entry;
use crate::contenders::{ByteRing, kernel, variants};
use broadcast::{AllLossy, Broadcast, Gating, LastLossy, Monitored};
use each::Each;

#[cfg(feature = "peers")]
use crate::contenders::peers::FAN_OUT as PEERS;
#[cfg(not(feature = "peers"))]
const PEERS: &[Entry] = &[];

const OWN: &[Entry] = &[
    Entry::of::<Broadcast<Gating>>(),
    Entry::of::<Broadcast<Monitored>>(),
    Entry::of::<Broadcast<AllLossy>>(),
    Entry::of::<Broadcast<LastLossy>>(),
    Entry::of::<Each<ByteRing<variants::Record>>>(),
    Entry::of::<Each<kernel::Pipe>>(),
    Entry::of::<tee::Tee>(),
    Entry::of::<Each<kernel::Datagram>>(),
];

/// All of them, shmring's first.
pub(super) fn all() -> impl Iterator<Item = Entry> {
    OWN.iter().chain(PEERS).copied()
}
