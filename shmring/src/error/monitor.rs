//! Errors of starting a monitor.

use std::fmt;

use super::{Fault, OsError};

/// Why no monitor was started.
///
/// Handles work without a monitor: waiters then notice deaths within 100 ms.
#[derive(Debug)]
#[non_exhaustive]
pub enum MonitorError {
    /// The attachment cannot continue.
    Failed(Fault),
    /// This process may not open the segment any more, for instance because it changed its user
    /// after attaching.
    Denied {
        /// The segment's name.
        name: String,
    },
    /// The system refuses: it has no inotify or no `close_range` (Linux 5.9), or a limit
    /// such as `fs.inotify.max_user_instances` is reached.
    Os(OsError),
}

impl fmt::Display for MonitorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(fault) => fault.fmt(f),
            Self::Denied { name } => write!(
                f,
                "permission to open {name:?} again denied; if this process changes its user, \
                 start the monitor before; the dead are noticed more slowly"
            ),
            Self::Os(error) => write!(f, "{error}; the dead are noticed more slowly"),
        }
    }
}

impl std::error::Error for MonitorError {}
