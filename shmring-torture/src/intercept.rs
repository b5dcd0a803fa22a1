//! The tasks of this crate's workers.

use serde::{Deserialize, Serialize};
use shmring_bench::worker;

use crate::{deaths, torture};

/// The task of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    Party(deaths::Part),
    Torture(torture::Part),
}

/// Runs a worker and exits, if this process was started as one. Returns at once if not. Call it
/// first in the `main` of a binary that calls [`deaths::deaths`] or [`torture::torture`].
pub fn intercept() {
    worker::serve(|task, fds, _| match task {
        Task::Party(part) => deaths::party(&part, fds),
        Task::Torture(part) => torture::party(&part, fds),
    });
}
