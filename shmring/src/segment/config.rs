//! What a new segment is to be like.

use crate::error::ConfigError;
use crate::layout::{
    Geometry, MAX_CAPACITY_BYTES, MEMORY_HUGE_PAGES, MEMORY_LOCK, MEMORY_PREFAULT, PAGE_BYTES,
};

const DEFAULT_CAPACITY_BYTES: u64 = 1 << 20;
const DEFAULT_MODE: u32 = 0o600;
const DEFAULT_ENTRIES: u64 = 64;
const MODE_BITS: u32 = 0o777;

/// What a new segment is to be like.
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    pub(super) capacity_bytes: u64,
    pub(super) mode: u32,
    pub(super) memory: u64,
    max_attaches: u64,
    max_handles: u64,
}

impl Config {
    /// A record ring: one producer, one consumer, messages of any length. 1 MiB,
    /// for the owner only.
    pub fn spsc() -> Self {
        Self {
            capacity_bytes: DEFAULT_CAPACITY_BYTES,
            mode: DEFAULT_MODE,
            memory: 0,
            max_attaches: DEFAULT_ENTRIES,
            max_handles: DEFAULT_ENTRIES,
        }
    }

    /// The size of the ring in bytes, rounded up to a power of two of at least
    /// 4096. A message can have almost half of it; each takes its length plus 8
    /// bytes, rounded up to a multiple of 8.
    pub fn capacity_bytes(mut self, capacity_bytes: u64) -> Self {
        self.capacity_bytes = capacity_bytes;
        self
    }

    /// Who may use the segment, as permission bits of a file; the umask does not
    /// narrow them. Using it takes both read and write permission.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// How many times the segment can be attached at once, 1 to 256.
    pub fn max_attaches(mut self, max_attaches: u64) -> Self {
        self.max_attaches = max_attaches;
        self
    }

    /// How many producers and consumers there can be at once, 1 to 256.
    pub fn max_handles(mut self, max_handles: u64) -> Self {
        self.max_handles = max_handles;
        self
    }

    /// Lets each attach fault all pages in at once instead of at first use.
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.set(MEMORY_PREFAULT, prefault);
        self
    }

    /// Lets each attach lock the pages into memory, as far as its limits allow.
    pub fn lock(mut self, lock: bool) -> Self {
        self.set(MEMORY_LOCK, lock);
        self
    }

    /// Lets each attach ask for huge pages, as far as the system has them.
    pub fn huge_pages(mut self, huge_pages: bool) -> Self {
        self.set(MEMORY_HUGE_PAGES, huge_pages);
        self
    }

    fn set(&mut self, bit: u64, on: bool) {
        self.memory = if on { self.memory | bit } else { self.memory & !bit };
    }

    /// The size that a ring of this configuration has, in bytes, after rounding.
    ///
    /// # Errors
    /// What makes the configuration impossible.
    pub fn rounded_capacity_bytes(&self) -> Result<u64, ConfigError> {
        Ok(self.geometry()?.capacity_bytes)
    }

    /// The sizes that this configuration comes to.
    pub(super) fn geometry(&self) -> Result<Geometry, ConfigError> {
        if self.mode & !MODE_BITS != 0 {
            return Err(ConfigError::Mode { mode: self.mode });
        }
        let capacity = (1..=MAX_CAPACITY_BYTES).contains(&self.capacity_bytes);
        let capacity_bytes = if capacity {
            self.capacity_bytes.next_power_of_two().max(PAGE_BYTES)
        } else {
            self.capacity_bytes
        };
        let geometry =
            Geometry { attaches: self.max_attaches, handles: self.max_handles, capacity_bytes };
        geometry.check()?;
        Ok(geometry)
    }
}
