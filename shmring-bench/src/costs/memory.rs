//! Copies between two buffers that a cache holds, or none.

use std::fs;
use std::hint::black_box;

use super::timing::ns_each;
use crate::contender::BoxError;

/// Each of the two buffers takes at most this much, however large the last cache is.
const MOST_BYTES: usize = 128 << 20;

pub(super) fn first() -> Result<f64, BoxError> {
    copy(cache_bytes(1)? / 4)
}

pub(super) fn second() -> Result<f64, BoxError> {
    copy(cache_bytes(2)? / 4)
}

pub(super) fn third() -> Result<f64, BoxError> {
    // Others use it too: less of it, but more than the second level holds.
    copy((cache_bytes(3)? / 8).max(cache_bytes(2)?))
}

pub(super) fn beyond() -> Result<f64, BoxError> {
    let last = [3, 2].into_iter().find_map(|level| cache_bytes(level).ok());
    copy((2 * last.ok_or(UNKNOWN)?).min(MOST_BYTES))
}

const UNKNOWN: &str = "the kernel does not tell how large the caches are";

/// What the kernel says of this CPU's cache for data of that level.
fn cache_bytes(level: u32) -> Result<usize, BoxError> {
    let caches = fs::read_dir("/sys/devices/system/cpu/cpu0/cache").map_err(|_| UNKNOWN)?;
    let size = caches.filter_map(Result::ok).find_map(|cache| {
        let fact = |name| fs::read_to_string(cache.path().join(name)).ok();
        let of_level = fact("level")?.trim().parse() == Ok(level);
        let of_data = fact("type")?.trim() != "Instruction";
        if of_level && of_data { bytes(&fact("size")?) } else { None }
    });
    size.ok_or_else(|| format!("the kernel tells of no cache of level {level}").into())
}

/// Reads the kernel's `512K`.
fn bytes(size: &str) -> Option<usize> {
    let size = size.trim();
    let number = size.trim_end_matches(['K', 'M', 'G']);
    let shift = match &size[number.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_shl(shift)
}

/// GB copied in a second, between two buffers of that size.
fn copy(bytes: usize) -> Result<f64, BoxError> {
    let from: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
    let mut to = vec![0; bytes];
    to.copy_from_slice(&from);
    if black_box(&to) != &from {
        return Err("the copy is another one than the original".into());
    }
    let ns = ns_each(|count| {
        for _ in 0..count {
            black_box(&mut to[..]).copy_from_slice(black_box(&from));
        }
        Ok(())
    })?;
    Ok(bytes as f64 / ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a unit that is taken for another, which would copy out of another cache.
    #[test]
    fn sizes_are_read_as_the_kernel_writes_them() {
        assert_eq!(bytes("32K\n"), Some(32 << 10));
        assert_eq!(bytes("1024K"), Some(1 << 20));
        assert_eq!(bytes("8M"), Some(8 << 20));
        assert_eq!(bytes("512"), Some(512));
        assert_eq!(bytes("lots"), None);
    }
}
