//! Segments that lost their names while processes use them.

use std::collections::BTreeSet;

use shmring::{AttachError, Deleted, Observer, list_deleted};

use crate::transfer::attaching::looking;

/// Opens each as an observer, with a label that no other segment and none of `names` has: its
/// name or, if that is taken, its name and its inode number.
pub(crate) fn open_deleted(names: &[String]) -> Vec<(String, Result<Observer, AttachError>)> {
    let mut taken: BTreeSet<String> = names.iter().cloned().collect();
    // Without /dev/shm there are none.
    let open = |deleted: Deleted| {
        let Deleted { name, inode, .. } = &deleted;
        let is_free = taken.insert(name.clone());
        let label = if is_free { name.clone() } else { format!("{name} #{inode}") };
        (label, deleted.observe(&looking()))
    };
    list_deleted().unwrap_or_default().into_iter().map(open).collect()
}
