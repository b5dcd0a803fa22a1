//! Why a run gave no result.

use std::fmt;

/// Why a run gave no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The harness failed, refused the options, or was asked to stop.
    Harness(shmring_bench::Error),
    /// A measurement of deaths failed.
    Death {
        /// The case.
        case: String,
        /// Which kill of the case, from 1; after the last one, the check of all messages.
        kill: u32,
        /// What failed.
        source: shmring_bench::Error,
    },
    /// Torture found a defect of the rings.
    Defect {
        /// The configuration.
        setup: String,
        /// The seed of all rounds.
        seed: u64,
        /// The round, from 1.
        round: u32,
        /// The defect.
        what: String,
    },
}

impl From<shmring_bench::Error> for Error {
    fn from(error: shmring_bench::Error) -> Error {
        Error::Harness(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Harness(error) => write!(f, "{error}"),
            Error::Death { case, kill, source } => write!(f, "{case}, kill {kill}: {source}"),
            Error::Defect { setup, seed, round, what } => write!(
                f,
                "{setup}: {what}; to repeat it, if it does not depend on chance: torture --seed \
                 {seed} --round {round} --seconds 0"
            ),
        }
    }
}

impl std::error::Error for Error {
    // `Display` already holds the text of the source.
}
