//! Segments whose names were removed while processes use them: they occupy memory, but no listing
//! of `/dev/shm` shows them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;

use crate::attach_options::AttachOptions;
use crate::error::{AttachError, OsError};
use crate::format::MAGIC;
use crate::lifecycle::find::examine;
use crate::lifecycle::name::Name;
use crate::observe::Observer;
use crate::sys::{inspect, shm};

/// The kernel's mark behind the path of a file without a name.
const MARK: &str = " (deleted)";

/// A segment whose name was removed while processes use it. The kernel frees its memory when the
/// last of them has detached.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Deleted {
    /// The former name; `#` and a number if only the creator uses it, since the creator opened the
    /// file before it had a name.
    pub name: String,
    /// The inode number, which distinguishes segments that had the same name.
    pub inode: u64,
    /// Memory of the segment in bytes.
    pub allocated_bytes: u64,
    /// The processes that map it or have it open, in this pid namespace.
    pub pids: Vec<u32>,
    #[cfg_attr(feature = "serde", serde(skip))]
    file: File,
}

impl Deleted {
    /// Opens an observer, as [`AttachOptions::observe`] does by name.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn observe(self, options: &AttachOptions) -> Result<Observer, AttachError> {
        let name = Name::new(&self.name).map_err(AttachError::Name)?;
        let found = examine(self.file, &name, &shm::path(name.as_str()))?;
        options.check(&found.info)?;
        Observer::of(found, options)
    }
}

/// Returns the segments whose names were removed while processes use them.
///
/// Finds those used by processes that this one may inspect: its own user's, or all if it runs as
/// root. Reads the descriptors and mappings of every process in `/proc`, which takes tens of
/// microseconds per process.
///
/// # Errors
/// If the directory of shared memory does not exist.
pub fn list_deleted() -> Result<Vec<Deleted>, OsError> {
    let directory = fs::metadata(shm::DIRECTORY)
        .map_err(|error| OsError::new("stat", shm::DIRECTORY, error))?;
    let mut finder = Finder { device: directory.dev(), found: BTreeMap::new() };
    // This process first, so that files opened by the search do not count as its own.
    let own = std::process::id();
    for pid in std::iter::once(own).chain(inspect::pids().filter(|pid| *pid != own)) {
        finder.descriptors(pid);
        finder.mappings(pid);
    }
    let mut found: Vec<_> = finder.found.into_values().flatten().collect();
    found.sort_by(|one, other| (&one.name, one.inode).cmp(&(&other.name, other.inode)));
    Ok(found)
}

struct Finder {
    /// The device of shared memory, as this process sees it.
    device: u64,
    /// By inode number; `None` for a file that is not a segment, or has a name.
    found: BTreeMap<u64, Option<Deleted>>,
}

impl Finder {
    fn descriptors(&mut self, pid: u32) {
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        for link in entries.map(|entry| entry.path()) {
            let target = fs::read_link(&link).ok();
            if let Some(name) = target.as_deref().and_then(Path::to_str).and_then(deleted) {
                self.see(pid, name.to_owned(), &link);
            }
        }
    }

    /// Covers processes that closed their descriptors. Only root may open the mappings.
    fn mappings(&mut self, pid: u32) {
        let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
        let maps = String::from_utf8_lossy(&maps);
        for line in maps.lines().filter(|line| line.ends_with(MARK)) {
            if let Some((name, link)) = mapping(line, pid) {
                self.see(pid, name, &link);
            }
        }
    }

    /// Records the file behind `link`, which had `name` when the process opened it.
    fn see(&mut self, pid: u32, name: String, link: &Path) {
        let Ok(stat) = fs::metadata(link) else { return };
        if !stat.is_file() || stat.dev() != self.device {
            return;
        }
        let entry = self.found.entry(stat.ino()).or_insert_with(|| {
            let file = (stat.nlink() == 0).then(|| open(link)).flatten()?;
            let (inode, allocated_bytes) = (stat.ino(), stat.blocks().saturating_mul(512));
            Some(Deleted { name: name.clone(), inode, allocated_bytes, pids: Vec::new(), file })
        });
        let Some(deleted) = entry else { return };
        if deleted.pids.last() != Some(&pid) {
            deleted.pids.push(pid);
        }
        // The creator's descriptor shows a temporary name; prefer one of another process.
        if deleted.name.starts_with('#') {
            deleted.name = name;
        }
    }
}

/// Returns the name in the path of a file whose name was removed.
fn deleted(path: &str) -> Option<&str> {
    let name = path.strip_prefix(shm::DIRECTORY)?.strip_prefix('/')?.strip_suffix(MARK)?;
    (!name.contains('/')).then_some(name)
}

/// Returns the name in a line of `maps`, and the link to the file.
fn mapping(line: &str, pid: u32) -> Option<(String, PathBuf)> {
    // The path is the sixth field, after padding blanks.
    let path = &line[line.find('/')?..];
    let name = deleted(path)?.replace("\\012", "\n");
    let (from, to) = line.split(' ').next()?.split_once('-')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    // In `map_files` they have no leading zeros.
    let range = format!("{:x}-{:x}", number(from)?, number(to)?);
    Some((name, PathBuf::from(format!("/proc/{pid}/map_files/{range}"))))
}

/// Opens a file if it starts with the magic of a segment.
fn open(link: &Path) -> Option<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(link).ok()?;
    let mut magic = [0; 8];
    file.read_exact_at(&mut magic, 0).ok()?;
    (u64::from_ne_bytes(magic) == MAGIC).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a name that is truncated, and a file of another directory or with a name.
    #[test]
    fn names_of_deleted_files() {
        assert_eq!(deleted("/dev/shm/prices (deleted)"), Some("prices"));
        assert_eq!(deleted("/dev/shm/a b (deleted) (deleted)"), Some("a b (deleted)"));
        for path in ["/dev/shm/prices", "/tmp/prices (deleted)", "/dev/shm/a/b (deleted)"] {
            assert_eq!(deleted(path), None, "{path}");
        }
        let line = "0040f000-7f01c000 rw-s 00000000 00:17 12     /dev/shm/a\\012b (deleted)";
        let link = PathBuf::from("/proc/7/map_files/40f000-7f01c000");
        assert_eq!(mapping(line, 7), Some(("a\nb".to_owned(), link)));
        assert_eq!(mapping("00-01 rw-p 00000000 00:00 0 [heap]", 7), None);
    }
}
