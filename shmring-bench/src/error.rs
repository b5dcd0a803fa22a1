//! Why a run gave no result.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::contender::BoxError;

/// Why a run gave no result.
#[derive(Debug)]
pub enum Error {
    /// The caller's watch asked to stop. Workers and resources are gone.
    Stopped,
    /// The options cannot be used.
    Options {
        /// Which one, and why.
        what: String,
    },
    /// The parent could not make what the contender needs.
    Prepare {
        /// The contender.
        contender: &'static str,
        /// What failed.
        source: BoxError,
    },
    /// Workers failed; all that reported within a moment of the first.
    Workers(Vec<WorkerFailure>),
    /// Workers neither ended nor failed. They were killed.
    TimedOut {
        /// The workers that had not ended, by role.
        roles: Vec<&'static str>,
        /// How long they were given.
        limit: Duration,
    },
    /// The operating system refused the parent.
    Os {
        /// The call, and what it was for.
        what: &'static str,
        /// Its error.
        source: io::Error,
    },
    /// A worker's result cannot be read: two versions of the program are mixed.
    Result {
        /// The worker's role.
        role: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// A worker process that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerFailure {
    /// Which worker, such as `producer`, `consumer` or `probe ping`.
    pub role: &'static str,
    /// What happened: its own words, or how it ended.
    pub what: String,
}

impl Error {
    /// Returns a function that adds `what` was called, and what for, to an `io::Error`.
    pub fn os(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Os { what, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Stopped => write!(f, "stopped before the end"),
            Error::Options { what } => write!(f, "{what}"),
            Error::Prepare { contender, source } => {
                write!(f, "cannot set up {contender}: {source}")
            }
            Error::Workers(failures) => {
                for (index, failure) in failures.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "; " };
                    write!(f, "{separator}{failure}")?;
                }
                Ok(())
            }
            Error::TimedOut { roles, limit } => {
                write!(f, "no end after {} s from: {}", limit.as_secs(), roles.join(", "))
            }
            Error::Os { what, source } => write!(f, "{what}: {source}"),
            Error::Result { role, source } => {
                write!(f, "the {role}'s result cannot be read: {source}")
            }
        }
    }
}

impl std::error::Error for Error {
    // The texts above already hold those of their sources, which is why none is given here.
}

impl fmt::Display for WorkerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} failed: {}", self.role, self.what)
    }
}
