//! Errors of names and configurations.

use std::fmt;

use crate::info::Kind;

/// A name that no segment can have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty, apart from the optional leading slash.
    Empty,
    /// It is `.` or `..`.
    Dot,
    /// It holds a slash after the first character.
    InnerSlash,
    /// It holds a NUL byte.
    Nul,
    /// The prefix is reserved for segments that are not complete yet.
    Reserved {
        /// The reserved prefix.
        prefix: &'static str,
    },
    /// It is longer than the system allows.
    TooLong {
        /// Bytes in the name, without the leading slash.
        len: usize,
        /// The largest possible number.
        max: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the segment name is empty"),
            Self::Dot => f.write_str("a segment cannot be named `.` or `..`"),
            Self::InnerSlash => {
                f.write_str("a segment name may start with a slash but not hold another one")
            }
            Self::Nul => f.write_str("a segment name cannot hold a NUL byte"),
            Self::Reserved { prefix } => write!(
                f,
                "a segment name cannot start with {prefix:?}, as those of unfinished segments do"
            ),
            Self::TooLong { len, max } => {
                write!(f, "the segment name has {len} bytes, at most {max} are possible")
            }
        }
    }
}

impl std::error::Error for NameError {}

/// A configuration that no segment can have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The capacity is zero, or too large.
    Capacity {
        /// The configured capacity in bytes.
        capacity_bytes: u64,
        /// The largest possible size in bytes.
        max_bytes: u64,
    },
    /// The number of slots is zero, or too large.
    Slots {
        /// The configured number of slots.
        slots: u64,
        /// The largest possible number.
        max: u64,
    },
    /// A slot is too small for a stamp and a message, or too large.
    SlotBytes {
        /// The configured size in bytes.
        slot_bytes: u64,
        /// The smallest possible size in bytes: an 8-byte stamp, in a job ring 16 bytes of header, and
        /// 8 bytes of payload.
        min: u64,
        /// The largest possible size in bytes.
        max: u64,
    },
    /// The element type has size zero, or does not fit into a slot.
    Element {
        /// Its size in bytes.
        size_bytes: u64,
        /// The largest possible size in bytes.
        max_bytes: u64,
    },
    /// The element type needs a larger alignment than a page, and a segment may be mapped at any
    /// page.
    ElementAlign {
        /// The alignment of the element type in bytes.
        align_bytes: u64,
        /// The largest possible alignment in bytes.
        max_bytes: u64,
    },
    /// The payload alignment is not a power of two, or out of range.
    PayloadAlign {
        /// The configured alignment in bytes.
        align_bytes: u64,
        /// The largest possible alignment in bytes.
        max_bytes: u64,
    },
    /// The metadata is too long.
    Metadata {
        /// Its length in bytes.
        bytes: usize,
        /// The largest possible length in bytes.
        max_bytes: usize,
    },
    /// A packed ring has no element type.
    NoElement,
    /// A size is set that rings of this kind do not have.
    NotForKind {
        /// The size.
        what: &'static str,
        /// The kind.
        kind: Kind,
    },
    /// A table has no entries, or too many.
    Entries {
        /// The table.
        what: &'static str,
        /// The configured number of entries.
        entries: u64,
        /// The largest possible number.
        max: u64,
    },
    /// The mode has bits beyond read, write and execute for owner, group and others.
    Mode {
        /// The configured mode.
        mode: u32,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity { capacity_bytes, max_bytes } => write!(
                f,
                "a ring cannot have a capacity of {capacity_bytes} bytes; choose 1 to {max_bytes}"
            ),
            Self::Slots { slots, max } => {
                write!(f, "a ring cannot have {slots} slots; choose 1 to {max}")
            }
            Self::SlotBytes { slot_bytes, min, max } => write!(
                f,
                "a slot cannot have {slot_bytes} bytes: 8 are its stamp, the others its message; \
                 choose {min} to {max}"
            ),
            Self::Element { size_bytes, max_bytes } => write!(
                f,
                "elements of {size_bytes} bytes do not fit into a slot; choose a type of 1 to \
                 {max_bytes} bytes"
            ),
            Self::ElementAlign { align_bytes, max_bytes } => write!(
                f,
                "elements aligned to {align_bytes} bytes have no place in a ring whose payloads are \
                 aligned to {max_bytes}; choose another type"
            ),
            Self::PayloadAlign { align_bytes, max_bytes } => write!(
                f,
                "payloads cannot be aligned to {align_bytes} bytes; choose a power of two from 8 \
                 to {max_bytes}"
            ),
            Self::Metadata { bytes, max_bytes } => {
                write!(f, "the metadata has {bytes} bytes; at most {max_bytes} are possible")
            }
            Self::NoElement => {
                f.write_str("a packed ring holds elements of one type, and none was given")
            }
            Self::NotForKind { what, kind } => {
                let has = match kind {
                    Kind::Spsc | Kind::Broadcast => "a capacity in bytes",
                    Kind::Mpmc | Kind::Mpsc | Kind::Spmc | Kind::Jobs => {
                        "slots, and a size of them"
                    }
                    Kind::Packed => "slots, and a type of elements",
                };
                write!(f, "a ring of kind {kind} has no {what}; it has {has}")
            }
            Self::Entries { what, entries, max } => {
                write!(f, "a segment cannot have {entries} {what}; choose 1 to {max}")
            }
            Self::Mode { mode } => write!(f, "{mode:#o} is no file mode; choose 0 to 0o777"),
        }
    }
}

impl std::error::Error for ConfigError {}
