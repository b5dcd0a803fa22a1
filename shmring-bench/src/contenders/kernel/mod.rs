//! The kernel's mechanisms, one file each, with what they have in common.

mod condvar;
mod datagram;
mod eventfd;
mod fifo;
mod frames;
mod pipe;
mod posix_mq;
mod raised;
mod read_other;
mod signals;
mod socket;
mod sysv_mq;
pub(crate) mod waiting;

pub use condvar::Condvar;
pub use datagram::{Datagram, Seqpacket};
pub use eventfd::EventFd;
pub use fifo::Fifo;
pub use frames::FrameReceiver;
pub use pipe::Pipe;
pub use posix_mq::PosixMq;
pub use read_other::ReadOther;
pub use signals::Signals;
pub use socket::{SocketPair, Tcp, UnixStream};
pub use sysv_mq::SysvMq;
