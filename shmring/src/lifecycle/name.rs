//! Names of segments.

use std::fmt;

use crate::error::NameError;
use crate::sys::shm::RESERVED_PREFIX;

/// Bytes in the longest file name (NAME_MAX).
const MAX_NAME_BYTES: usize = 255;

const UNNAMED: &str = "memfd";

/// A valid name of a shared memory object, without the leading slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Checks a name, which may start with a slash.
    ///
    /// # Errors
    /// Why the name is not valid.
    pub(crate) fn new(name: &str) -> Result<Self, NameError> {
        let name = name.strip_prefix('/').unwrap_or(name);
        match name {
            "" => Err(NameError::Empty),
            "." | ".." => Err(NameError::Dot),
            _ if name.contains('/') => Err(NameError::InnerSlash),
            _ if name.contains('\0') => Err(NameError::Nul),
            _ if name.starts_with(RESERVED_PREFIX) => {
                Err(NameError::Reserved { prefix: RESERVED_PREFIX })
            }
            _ if name.len() > MAX_NAME_BYTES => {
                Err(NameError::TooLong { len: name.len(), max: MAX_NAME_BYTES })
            }
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// Returns the temporary name of a segment that is being created, which [`new`](Self::new)
    /// refuses.
    pub(crate) fn of_unfinished(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Returns the label of a segment without a name.
    pub(crate) fn of_unnamed() -> Self {
        Self(UNNAMED.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_owned(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
