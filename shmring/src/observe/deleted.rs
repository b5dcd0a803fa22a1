//! Segments that lost their names while processes use them: their memory is taken, and no
//! listing of `/dev/shm` shows it.

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

/// How the kernel marks a file without a name.
const MARK: &str = " (deleted)";

/// A segment whose name was removed while processes use it. Its memory is free when the last
/// of them is gone.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Deleted {
    /// The name that it had, or `#` and a number if it has only its creator left, who made it
    /// before it had a name.
    pub name: String,
    /// Its inode number, which tells two that had the same name apart.
    pub inode: u64,
    /// Bytes of memory that it has.
    pub allocated_bytes: u64,
    /// Processes that map it or have it open, as numbered in this pid namespace.
    pub pids: Vec<u32>,
    #[cfg_attr(feature = "serde", serde(skip))]
    file: File,
}

impl Deleted {
    /// Opens it for looking at it, as [`AttachOptions::observe`] does by name.
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

/// Finds the segments that lost their names and are in use by processes that this one may look
/// into: those of its own user, of root all. It reads the descriptors and mappings of each of
/// them in /proc, which takes tens of microseconds a process.
///
/// # Errors
/// If there is no directory of shared memory.
pub fn list_deleted() -> Result<Vec<Deleted>, OsError> {
    let directory = fs::metadata(shm::DIRECTORY)
        .map_err(|error| OsError::new("stat", shm::DIRECTORY, error))?;
    let mut finder = Finder { device: directory.dev(), found: BTreeMap::new() };
    // This process first: what the search opens is not its use.
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
    /// Of shared memory as this process sees it.
    device: u64,
    /// By inode number; `None` is a file that is no segment, or has a name.
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

    /// A process may have closed its descriptors. Only root may open its mappings.
    fn mappings(&mut self, pid: u32) {
        let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
        let maps = String::from_utf8_lossy(&maps);
        for line in maps.lines().filter(|line| line.ends_with(MARK)) {
            if let Some((name, link)) = mapping(line, pid) {
                self.see(pid, name, &link);
            }
        }
    }

    /// `link` is followed to a file that had the name when the process opened it.
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
        // Its creator's is the one that it had before it was given a name.
        if deleted.name.starts_with('#') {
            deleted.name = name;
        }
    }
}

/// The name in the path of a file that lost it.
fn deleted(path: &str) -> Option<&str> {
    let name = path.strip_prefix(shm::DIRECTORY)?.strip_prefix('/')?.strip_suffix(MARK)?;
    (!name.contains('/')).then_some(name)
}

/// The name in a line of maps, and the link that leads to the file.
fn mapping(line: &str, pid: u32) -> Option<(String, PathBuf)> {
    // Six fields; the kernel fills up with blanks before the path.
    let path = &line[line.find('/')?..];
    let name = deleted(path)?.replace("\\012", "\n");
    let (from, to) = line.split(' ').next()?.split_once('-')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    // There they have no leading zeros.
    let range = format!("{:x}-{:x}", number(from)?, number(to)?);
    Some((name, PathBuf::from(format!("/proc/{pid}/map_files/{range}"))))
}

/// Opens a file that starts as segments do.
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

    /// Catches a name that is cut off, and a file of another directory or with a name.
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
