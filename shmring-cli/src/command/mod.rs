//! One file per subcommand.

pub(crate) mod attach;
#[cfg(feature = "bench")]
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod configuration;
pub(crate) mod create;
#[cfg(feature = "bench")]
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod evict;
pub(crate) mod gc;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod peek;
pub(crate) mod recv;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod stat;
pub(crate) mod tap;
pub(crate) mod top;
pub(crate) mod unlink;
pub(crate) mod work;
