//! Errors of creating handles.

use std::fmt;

use super::{Fault, Role};
use crate::info::{ElementType, Kind, Participant, ProcessState};

/// Why no producer or consumer was created.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// A living process holds the role.
    RoleTaken {
        /// The role.
        role: Role,
        /// The process that holds it, as far as the segment shows it.
        holder: Option<Participant>,
    },
    /// The ring was closed for good and accepts no more producers.
    Closed,
    /// Rings of this kind have no such handle.
    WrongKind {
        /// The ring's kind.
        kind: Kind,
        /// The kinds that have such a handle.
        wanted: &'static str,
    },
    /// The ring holds values of another type.
    WrongType(Box<WrongType>),
    /// The position at which a subscriber was to start is not the end of a message, or what comes
    /// after it was overwritten.
    Gone,
    /// A subscriber tried to join thousands of times, and each time the producer overwrote what
    /// leads to the start. The same subscriber may join at the next try.
    Outrun,
    /// The handle table has no free entry.
    TableFull {
        /// Entries of the handle table.
        handles: usize,
    },
    /// The attachment cannot continue.
    Failed(Fault),
}

/// The element type of a ring and that of a handle, which differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrongType {
    /// The ring's element type; `None` for bytes.
    pub found: Option<ElementType>,
    /// The handle's element type; `None` for bytes.
    pub wanted: Option<ElementType>,
}

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, wanted } = self;
        let describe = |element: &Option<ElementType>| {
            element.map_or("bytes".to_owned(), |element| element.to_string())
        };
        write!(f, "the ring holds {}, not {}", describe(found), describe(wanted))?;
        match (found, wanted) {
            (None, _) => f.write_str("; use a handle for bytes, or create the ring for the type"),
            (_, None) => f.write_str("; use a handle for that type"),
            (Some(found), Some(wanted)) if found.name == wanted.name => {
                f.write_str("; the two programs declare the type differently: compare its fields")
            }
            _ => f.write_str("; use a handle for that type, or create the ring for the other"),
        }
    }
}

impl JoinError {
    /// Returns the error for a handle for bytes on a ring of elements.
    pub(crate) fn packed(kind: Kind) -> Self {
        Self::WrongKind { kind, wanted: "a record ring or a slot ring" }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleTaken { role, holder } => {
                write!(f, "the ring has a {role} already")?;
                if let Some(holder) = holder {
                    write!(f, ": {holder}")?;
                }
                let process = holder.as_ref().and_then(Participant::process);
                if process.is_some_and(|process| process.state == ProcessState::DumpingCore) {
                    return f.write_str(
                        ", which crashed and counts as alive until the kernel has written its \
                         core file; wait for that",
                    );
                }
                write!(f, "; let it leave first, or create the ring of a kind with several")
            }
            Self::Closed => f.write_str("the ring was closed to producers; create it anew"),
            Self::WrongKind { kind, wanted } => {
                write!(f, "the ring is of kind {kind}, and this takes {wanted}")
            }
            Self::WrongType(types) => types.fmt(f),
            Self::Gone => f.write_str(
                "no message that is kept follows that position; start at the oldest or the next one",
            ),
            Self::Outrun => f.write_str(
                "the producer overwrote what the subscriber was to start at, at each of thousands \
                 of tries; try again, or create the ring with a larger capacity",
            ),
            Self::TableFull { handles } => {
                write!(
                    f,
                    "all {handles} handles of the segment are in use; create it with more \
                     (`max_handles`, `create --max-handles`)"
                )
            }
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for JoinError {}
