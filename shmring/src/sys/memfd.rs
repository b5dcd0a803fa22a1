//! Sealed memfds: files in memory without a name and with a fixed size.

use std::fs::{self, File};
use std::os::fd::AsRawFd;

use rustix::fs::memfd_create;
use rustix::fs::{MemfdFlags, OFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fcntl_getfl};
use rustix::io::Errno;

use crate::sys::OsError;

/// Bytes in the longest label that the kernel accepts.
pub(crate) const MAX_LABEL_BYTES: usize = 249;
/// The kernel's text before and behind a label in `/proc`.
const LABEL_FRAME: (&str, &str) = ("/memfd:", " (deleted)");
/// The seals of a segment: its size is fixed, and no process can add seals that would keep others
/// from attaching.
const SEALS: [(SealFlags, &str); 3] = [
    (SealFlags::SHRINK, "F_SEAL_SHRINK"),
    (SealFlags::GROW, "F_SEAL_GROW"),
    (SealFlags::SEAL, "F_SEAL_SEAL"),
];

/// Returns the file's name in errors.
pub(crate) fn object(label: &str) -> String {
    format!("memfd:{label}")
}

/// Creates an empty file that can be sealed.
pub(crate) fn create(label: &str) -> Result<File, OsError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    memfd_create(label, flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|errno| match errno {
            // Kernels before Linux 6.3 do not have the flag.
            Errno::INVAL => memfd_create(label, flags),
            errno => Err(errno),
        })
        .map(File::from)
        .map_err(|errno| OsError::new("memfd_create", object(label), errno))
}

/// Adds the seals, which fix the size.
pub(crate) fn seal(file: &File, label: &str) -> Result<(), OsError> {
    let seals = SEALS.iter().fold(SealFlags::empty(), |all, (seal, _)| all | *seal);
    fcntl_add_seals(file, seals)
        .map_err(|errno| OsError::new("fcntl(F_ADD_SEALS)", object(label), errno))
}

/// Returns the first missing seal; `None` if the file has them all.
pub(crate) fn missing_seal(file: &File) -> Result<Option<&'static str>, OsError> {
    let found = match fcntl_get_seals(file) {
        Ok(found) => found,
        // Not a memfd.
        Err(Errno::INVAL) => SealFlags::empty(),
        Err(errno) => return Err(OsError::new("fcntl(F_GET_SEALS)", "the segment", errno)),
    };
    Ok(SEALS.iter().find(|(seal, _)| !found.contains(*seal)).map(|(_, name)| *name))
}

/// Returns `true` if the file was opened for reading and writing.
pub(crate) fn is_writable(file: &File) -> Result<bool, OsError> {
    let flags =
        fcntl_getfl(file).map_err(|errno| OsError::new("fcntl(F_GETFL)", "the segment", errno))?;
    Ok(flags & OFlags::RWMODE == OFlags::RDWR)
}

/// Returns the label of the file, if `/proc` shows it.
pub(crate) fn label(file: &File) -> Option<String> {
    let link = fs::read_link(format!("/proc/thread-self/fd/{}", file.as_raw_fd())).ok()?;
    let (before, after) = LABEL_FRAME;
    let label = link.to_str()?.strip_prefix(before)?;
    Some(label.strip_suffix(after).unwrap_or(label).to_owned())
}

/// Returns the free swap in bytes.
pub(crate) fn free_swap_bytes() -> u64 {
    field_of(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "SwapFree:").unwrap_or(0)
}

/// Returns the bytes that the machine can provide without killing a process; `u64::MAX` if `/proc`
/// does not report it. The file system of memfds has no limit of its own.
pub(crate) fn free_bytes() -> u64 {
    free_of(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

fn free_of(meminfo: &str) -> u64 {
    let Some(memory) = field_of(meminfo, "MemAvailable:") else {
        return u64::MAX;
    };
    memory.saturating_add(field_of(meminfo, "SwapFree:").unwrap_or(0))
}

/// Returns a field of `/proc/meminfo` in bytes.
fn field_of(meminfo: &str, field: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(field))?;
    let kib = line.split_whitespace().next()?.parse::<u64>().ok()?;
    Some(kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a wrong unit, and a segment that is refused because `/proc` reports nothing.
    #[test]
    fn what_is_free_counts_in_bytes() {
        let text = "MemTotal: 9 kB\nMemFree:  1 kB\nMemAvailable:   5 kB\nSwapFree:  2 kB\n";
        assert_eq!(free_of(text), 7 * 1024);
        assert_eq!(free_of("MemAvailable:  5 kB\n"), 5 * 1024);
        assert_eq!(free_of(""), u64::MAX);
        let here = free_bytes();
        assert!(here == u64::MAX || here.is_multiple_of(1024) && here > 1 << 20, "{here}");
    }
}
