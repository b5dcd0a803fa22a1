//! Segments for one run: named as no other is, and gone with it.

use shmring::{Config, CreateError, Segment};

/// A segment whose name is in the file system until this is dropped.
#[derive(Debug)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The segment.
    pub segment: Segment,
}

impl Named {
    /// Creates a segment under an unused name that begins with `prefix`. Process ids come again,
    /// the random part of the name hardly ever does.
    ///
    /// # Errors
    /// Those of [`Segment::create`].
    pub fn create(prefix: &str, config: &Config) -> Result<Named, CreateError> {
        let name = unused(prefix);
        let segment = Segment::create(&name, config)?;
        Ok(Named { name, segment })
    }
}

/// A name that begins so and was not used before.
pub(crate) fn unused(prefix: &str) -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(0) as u32;
    format!("{prefix}-{}-{random:08x}", std::process::id())
}

/// A name for several segments, one after the other: in the file system until this is dropped.
#[derive(Debug)]
pub struct Name(pub String);

impl Name {
    /// Returns an unused name that begins with `prefix`. Creates no segment.
    pub fn new(prefix: &str) -> Name {
        Name(unused(prefix))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // It can only be gone already, which is what is wanted.
        let _ = Segment::unlink(&self.0);
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // It can only be gone already, which is what is wanted.
        let _ = Segment::unlink(&self.name);
    }
}
