//! What the tests share: names that clean up, a watchdog, and child processes.

#![allow(dead_code, unsafe_code, unreachable_pub)]

pub mod child;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use shmring::{Config, Consumer, Kind, Producer, Segment, WaitMode};

/// Longer than anything takes on the slowest machine: what lasts as long hangs.
pub const HANG: Duration = Duration::from_secs(300);
/// A wait that is meant to time out.
pub const SHORT: Duration = Duration::from_millis(20);
/// A wait that is not meant to time out, and still ends before the watchdog barks.
pub const LONG: Duration = Duration::from_secs(100);
/// The kinds of slot rings.
pub const SLOT_KINDS: [Kind; 3] = [Kind::Mpmc, Kind::Mpsc, Kind::Spmc];
pub const MODES: [WaitMode; 3] = [WaitMode::Spin, WaitMode::Adaptive, WaitMode::Block];

static NAMES: AtomicU32 = AtomicU32::new(0);

fn prefix() -> String {
    format!("shmring-test-{}-", std::process::id())
}

/// A name that no other test has; whatever has it is removed in the end.
#[derive(Debug)]
pub struct Name(String);

impl Name {
    pub fn new() -> Self {
        Self(format!("{}{}", prefix(), NAMES.fetch_add(1, Ordering::Relaxed)))
    }

    /// A name of another kind, to be removed like the others.
    pub fn of(name: String) -> Self {
        Self(name)
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from("/dev/shm").join(&self.0)
    }

    /// Stores a word into the file, as a hostile peer might.
    pub fn poke(&self, offset: u64, value: u64) {
        let file = OpenOptions::new().write(true).open(self.path()).unwrap();
        file.write_all_at(&value.to_ne_bytes(), offset).unwrap();
    }

    pub fn create(&self, config: &Config) -> Segment {
        Segment::create(self, config).unwrap()
    }

    /// A segment with so much room, and both of its ends.
    pub fn pair(&self, capacity_bytes: u64) -> (Segment, Producer, Consumer) {
        self.pair_of(&Config::spsc().capacity_bytes(capacity_bytes))
    }

    /// A segment of that configuration, with one producer, whose pipe breaks with its last
    /// consumer, and one consumer.
    pub fn pair_of(&self, config: &Config) -> (Segment, Producer, Consumer) {
        let segment = self.create(config);
        let (mut producer, consumer) = (segment.producer().unwrap(), segment.consumer().unwrap());
        producer.set_require_consumer(true);
        (segment, producer, consumer)
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
        let _ = std::fs::remove_dir(self.path());
    }
}

/// A slot ring of that kind, with so many slots of so many bytes.
pub fn slots(kind: Kind, slots: u64, slot_bytes: u64) -> Config {
    Config::new(kind).slots(slots).slot_bytes(slot_bytes)
}

/// The smallest broadcast ring. What holds for a sole consumer holds for its only subscriber, as
/// long as that one gates.
pub fn broadcast() -> Config {
    Config::broadcast().capacity_bytes(4096)
}

/// Ends the test run with a message if it is not dropped in time.
#[must_use]
#[derive(Debug)]
pub struct Watchdog {
    _alive: mpsc::Sender<()>,
}

pub fn watchdog(test: &'static str) -> Watchdog {
    let (sender, receiver) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if receiver.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Past the capture of test output, which would be lost with the process.
            let _ = writeln!(std::io::stderr(), "{test} hangs");
            for entry in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(&prefix()) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
            std::process::exit(101);
        }
    });
    Watchdog { _alive: sender }
}

/// Tries until it comes true. A process that is being started by another thread may
/// hold copies of this process's descriptors, and the locks with them, for a moment.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(start.elapsed() < HANG / 2, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Bytes that tell the message of that number from its neighbours.
pub fn payload(number: u64, len: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_ne_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(word).take(len.div_ceil(8)).flatten().collect();
    bytes.truncate(len);
    bytes
}

pub fn is_root() -> bool {
    // SAFETY: the call reads the process's user and nothing else.
    unsafe { libc::geteuid() == 0 }
}

/// The first word of the directory.
pub const ENTRY: usize = 512;
/// Bytes in the header page and in the directory of a segment with one ring.
pub const PROLOGUE_BYTES: usize = 8192;

/// The header page and the directory of a segment with one ring, to be damaged in its file.
#[derive(Debug)]
pub struct Prologue(pub Vec<u8>);

impl Prologue {
    /// That of the segment whose bytes these are.
    pub fn of(segment: &[u8]) -> Self {
        Self(segment[..PROLOGUE_BYTES].to_vec())
    }

    pub fn set(&mut self, word: usize, value: u64) {
        self.0[word * 8..word * 8 + 8].copy_from_slice(&value.to_ne_bytes());
    }

    /// Makes the checksum right again.
    pub fn sign(&mut self) {
        let words = self.0[..4088].chunks(8).chain(self.0[4096..].chunks(8));
        let hash = words.fold(14_695_981_039_346_656_037_u64, |hash, word| {
            (hash ^ u64::from_ne_bytes(word.try_into().unwrap())).wrapping_mul(1_099_511_628_211)
        });
        self.set(511, hash);
    }
}
