//! The contenders, one file each.

mod byte_ring;
pub mod kernel;
mod packed_ring;
#[cfg(feature = "peers")]
pub(crate) mod peers;
pub(crate) mod rings;
pub mod variants;
pub mod watched;

use crate::contestant::Contestant;
use crate::limits;

pub use byte_ring::ByteRing;
pub use packed_ring::PackedRing;
pub use watched::Under;

/// shmring's record ring.
pub const RECORD_RING: Contestant = Contestant::of::<ByteRing<variants::Record>>();
/// The kernel's pipe.
pub const PIPE: Contestant = Contestant::of::<kernel::Pipe>();
/// Those that a demonstration compares, with messages of mixed sizes.
pub const MIXED: [Contestant; 2] = [RECORD_RING, PIPE];
/// All of them, the limits first.
pub const ALL: &[Contestant] = &all();

#[cfg(feature = "peers")]
use peers::ALL as PEERS;
#[cfg(not(feature = "peers"))]
const PEERS: &[Contestant] = &[];

const fn all() -> [Contestant; OWN.len() + PEERS.len()] {
    let mut all = [OWN[0]; OWN.len() + PEERS.len()];
    let (own, peers) = all.split_at_mut(OWN.len());
    own.copy_from_slice(OWN);
    peers.copy_from_slice(PEERS);
    all
}

/// All that need no other project's code.
const OWN: &[Contestant] = &[
    Contestant::of::<limits::CacheLine>(),
    Contestant::of::<limits::BareFutex>(),
    Contestant::of::<limits::PackedWords>(),
    Contestant::of::<limits::LineRing>(),
    Contestant::of::<limits::TouchOnly>(),
    Contestant::of::<limits::PlainSpsc>(),
    Contestant::of::<limits::PlainMpmc>(),
    RECORD_RING,
    Contestant::of::<PackedRing<1>>(),
    Contestant::of::<PackedRing<8>>(),
    Contestant::of::<ByteRing<variants::Mpmc>>(),
    Contestant::of::<ByteRing<variants::Mpsc>>(),
    Contestant::of::<ByteRing<variants::Spmc>>(),
    Contestant::of::<Under<watched::RecordUnwatched>>(),
    Contestant::of::<Under<watched::RecordSeldom>>(),
    Contestant::of::<Under<watched::RecordOften>>(),
    Contestant::of::<Under<watched::PackedUnwatched>>(),
    Contestant::of::<Under<watched::PackedSeldom>>(),
    Contestant::of::<Under<watched::PackedOften>>(),
    Contestant::of::<Under<watched::MpmcUnwatched>>(),
    Contestant::of::<Under<watched::MpmcSeldom>>(),
    Contestant::of::<Under<watched::MpmcOften>>(),
    PIPE,
    Contestant::of::<kernel::Fifo>(),
    Contestant::of::<kernel::SocketPair>(),
    Contestant::of::<kernel::UnixStream>(),
    Contestant::of::<kernel::Datagram>(),
    Contestant::of::<kernel::Seqpacket>(),
    Contestant::of::<kernel::Tcp>(),
    Contestant::of::<kernel::PosixMq>(),
    Contestant::of::<kernel::SysvMq>(),
    Contestant::of::<kernel::EventFd>(),
    Contestant::of::<kernel::Signals>(),
    Contestant::of::<kernel::Condvar>(),
    Contestant::of::<kernel::ReadOther>(),
];

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a kind of ring that no contender measures.
    #[test]
    fn every_ring_is_among_them() {
        let is_there = |name: &str| ALL.iter().any(|contender| contender.name == name);
        for ring in ["record", "packed", "mpmc", "mpsc", "spmc"] {
            assert!(is_there(&format!("{ring} ring")), "{ring}");
        }
    }
}
