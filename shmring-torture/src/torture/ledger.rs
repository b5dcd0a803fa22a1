//! What one worker did, in memory that outlives it: a file without a name, mapped by the worker and
//! by the parent. What was stored before a SIGKILL is there after it.
//!
//! A producer stores how many messages it is about to have sent, sends, and stores how many it has
//! sent: what lies between is in doubt when it is killed. A consumer opens a *bracket* before it
//! receives, enters each message, and closes it.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Messages that a consumer can enter. The file is sparse: what is not entered takes no memory.
pub(super) const MAX_ENTRIES: usize = 1 << 22;
/// Words in front of the entries.
const HEAD_WORDS: usize = 128;
const FAULT_WORDS: usize = 100;
const WORDS: usize = HEAD_WORDS + MAX_ENTRIES;
const SEQUENCE_BITS: u32 = 40;
const INCARNATION_BITS: u32 = 20;

/// How far a worker has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// Not attached yet.
    Starting,
    /// Attached, and asking for a role.
    Attached,
    /// Has the role.
    Joined,
    /// Has given up everything, by itself.
    Left,
}

/// What the parent wants of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Stay,
    Leave,
    /// Of a consumer: to leave when the ring is empty.
    Drain,
}

/// One message of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MessageId {
    /// Which producer: the number of the worker among all of its segment, from 1.
    pub(super) incarnation: u32,
    /// Which of its messages, from 0.
    pub(super) sequence: u64,
}

impl MessageId {
    pub(super) fn encode(self) -> u64 {
        u64::from(self.incarnation) << SEQUENCE_BITS | self.sequence
    }

    pub(super) fn decode(word: u64) -> Self {
        let incarnation = word >> SEQUENCE_BITS & ((1 << INCARNATION_BITS) - 1);
        Self { incarnation: incarnation as u32, sequence: word & ((1 << SEQUENCE_BITS) - 1) }
    }
}

/// What the verb told of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// That it was not shown before.
    New,
    /// That it was.
    Redelivered,
    /// Nothing: this verb does not.
    Nothing,
    /// That so many messages were missed before the next one: the message's number counts them.
    Missed,
    /// That this subscriber was evicted; the message's number means nothing.
    Evicted,
    /// That a worker took this job.
    Took,
    /// How often that job was taken so far: the message's number counts it.
    Attempts,
    /// That a worker is about to acknowledge this job.
    Finishes,
    /// Its contents are not what any producer sent; the message's number means nothing.
    Corrupt,
}

/// A message that a consumer received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) message: MessageId,
    pub(super) told: Told,
}

impl Entry {
    fn encode(self) -> u64 {
        (self.told as u64) << (SEQUENCE_BITS + INCARNATION_BITS) | self.message.encode()
    }

    fn decode(word: u64) -> Self {
        let told = match word >> (SEQUENCE_BITS + INCARNATION_BITS) {
            0 => Told::New,
            1 => Told::Redelivered,
            2 => Told::Nothing,
            3 => Told::Missed,
            4 => Told::Evicted,
            5 => Told::Took,
            6 => Told::Attempts,
            7 => Told::Finishes,
            _ => Told::Corrupt,
        };
        Self { message: MessageId::decode(word), told }
    }
}

/// A receive that had begun and was not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bracket {
    /// Messages entered before it.
    pub(super) start: usize,
    /// The most messages that it can be about.
    pub(super) most: u64,
    /// Whether messages are consumed only after they were entered, so that they come again to the
    /// next consumer if they were not; else they are consumed first.
    pub(super) in_place: bool,
}

const IN_PLACE: u64 = 1 << 32;
const STATES: [State; 4] = [State::Starting, State::Attached, State::Joined, State::Left];

/// Words of the head, each with one writer: the worker, but for `Wish`.
#[derive(Clone, Copy)]
enum Word {
    State,
    Wish,
    Started,
    Sent,
    BracketMost,
    BracketStart,
    JoinedNs,
    Pid,
    Received,
    FaultBytes,
    Fault,
}

const _: () = assert!(Word::Fault as usize + FAULT_WORDS <= HEAD_WORDS);

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    map: MmapRaw,
}

impl Ledger {
    /// An empty one, and the descriptor that the worker is to inherit.
    pub(super) fn new() -> io::Result<(Ledger, OwnedFd)> {
        let fd = memfd_create("shmring-bench-ledger", MFdFlags::MFD_CLOEXEC)?;
        let file = File::from(fd);
        file.set_len(8 * WORDS as u64)?;
        let map = MmapRaw::map_raw(&file)?;
        Ok((Ledger { map }, OwnedFd::from(file)))
    }

    /// The worker's side of it.
    pub(super) fn inherited(fds: Vec<OwnedFd>) -> io::Result<Ledger> {
        let file = fds.into_iter().next().map(File::from);
        let file = file.ok_or_else(|| io::Error::other("the ledger was not inherited"))?;
        let map = MmapRaw::map_raw(&file)?;
        if map.len() < 8 * WORDS {
            return Err(io::Error::other("the ledger is too short"));
        }
        Ok(Ledger { map })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: a mapping starts on a page, has this length (see where it is made), lives as long
        // as the reference, starts as zeros, and is touched by both processes through atomics alone.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), WORDS) }
    }

    // ORDERING: Acquire and Release, so that what the parent reads of a living worker is no newer
    // than what that had stored before. Of a dead one it reads all.
    fn get(&self, word: Word) -> u64 {
        self.words()[word as usize].load(Ordering::Acquire)
    }

    fn set(&self, word: Word, value: u64) {
        self.words()[word as usize].store(value, Ordering::Release);
    }

    pub(super) fn state(&self) -> State {
        STATES.get(self.get(Word::State) as usize).copied().unwrap_or(State::Starting)
    }

    pub(super) fn enter_state(&self, state: State) {
        self.set(Word::State, state as u64);
    }

    /// When the role was taken, on the clock that all processes share; 0 if it was not.
    pub(super) fn joined_ns(&self) -> u64 {
        self.get(Word::JoinedNs)
    }

    pub(super) fn set_joined_ns(&self, now_ns: u64) {
        self.set(Word::JoinedNs, now_ns);
    }

    /// The worker's process; 0 if it has not told it.
    pub(super) fn pid(&self) -> u32 {
        self.get(Word::Pid) as u32
    }

    pub(super) fn set_pid(&self, pid: u32) {
        self.set(Word::Pid, pid.into());
    }

    /// What the worker is asked to do.
    pub(super) fn wish(&self) -> Wish {
        match self.get(Word::Wish) {
            0 => Wish::Stay,
            1 => Wish::Leave,
            _ => Wish::Drain,
        }
    }

    pub(super) fn ask(&self, wish: Wish) {
        self.set(Word::Wish, wish as u64);
    }

    /// Messages that the producer had begun to send.
    pub(super) fn started(&self) -> u64 {
        self.get(Word::Started)
    }

    pub(super) fn set_started(&self, count: u64) {
        self.set(Word::Started, count);
    }

    /// Messages that it had sent for certain.
    pub(super) fn sent(&self) -> u64 {
        self.get(Word::Sent)
    }

    pub(super) fn set_sent(&self, count: u64) {
        self.set(Word::Sent, count);
    }

    pub(super) fn open(&self, most: usize, in_place: bool) {
        self.set(Word::BracketStart, self.get(Word::Received));
        self.set(Word::BracketMost, most as u64 | if in_place { IN_PLACE } else { 0 });
    }

    pub(super) fn close(&self) {
        self.set(Word::BracketMost, 0);
    }

    /// The bracket that is open.
    pub(super) fn bracket(&self) -> Option<Bracket> {
        let most = self.get(Word::BracketMost);
        let start = self.get(Word::BracketStart) as usize;
        let (in_place, most) = (most & IN_PLACE != 0, most & !IN_PLACE);
        (most > 0).then_some(Bracket { start, most, in_place })
    }

    pub(super) fn enter(&self, entry: Entry) {
        let at = self.get(Word::Received) as usize;
        self.words()[HEAD_WORDS + at].store(entry.encode(), Ordering::Release);
        self.set(Word::Received, at as u64 + 1);
    }

    /// Messages entered.
    pub(super) fn received(&self) -> u64 {
        self.get(Word::Received).min(MAX_ENTRIES as u64)
    }

    /// All entries of a worker that has ended, in order. One that was stored and not counted is
    /// among them, as a message has no number that is 0.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let words = self.words()[HEAD_WORDS..].iter().map(|word| word.load(Ordering::Acquire));
        words.take_while(|word| *word != 0).map(Entry::decode).collect()
    }

    /// Tells what went wrong, as far as there is room.
    pub(super) fn fail(&self, what: &str) {
        let bytes = &what.as_bytes()[..what.len().min(8 * FAULT_WORDS)];
        for (at, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.words()[Word::Fault as usize + at]
                .store(u64::from_le_bytes(word), Ordering::Relaxed);
        }
        self.set(Word::FaultBytes, bytes.len() as u64);
    }

    /// What went wrong, in the worker's words.
    pub(super) fn fault(&self) -> Option<String> {
        let len = (self.get(Word::FaultBytes) as usize).min(8 * FAULT_WORDS);
        let words = &self.words()[Word::Fault as usize..][..len.div_ceil(8)];
        let words = words.iter().map(|word| word.load(Ordering::Relaxed));
        let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        bytes.truncate(len);
        (len > 0).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a ledger in which the worker and the parent read different things.
    #[test]
    fn both_sides_read_the_same() {
        let (parents, fd) = Ledger::new().unwrap();
        let workers = Ledger::inherited(vec![fd]).unwrap();
        let message = |sequence| MessageId { incarnation: 7, sequence };
        let entries = [
            Entry { message: message(0), told: Told::New },
            Entry { message: message((1 << SEQUENCE_BITS) - 1), told: Told::Redelivered },
            Entry { message: message(2), told: Told::Nothing },
            Entry { message: MessageId { incarnation: 0, sequence: 9 }, told: Told::Missed },
            Entry { message: MessageId { incarnation: 0, sequence: 0 }, told: Told::Evicted },
            Entry { message: message(3), told: Told::Took },
            Entry { message: MessageId { incarnation: 0, sequence: 2 }, told: Told::Attempts },
            Entry { message: message(3), told: Told::Finishes },
            Entry { message: MessageId { incarnation: 0, sequence: 0 }, told: Told::Corrupt },
        ];
        workers.enter_state(State::Joined);
        workers.enter(entries[0]);
        workers.open(3, true);
        entries[1..].iter().for_each(|entry| workers.enter(*entry));
        workers.fail("nine words of it, and an umlaut: \u{fc}");
        parents.ask(Wish::Drain);
        assert_eq!(parents.state(), State::Joined);
        assert_eq!(parents.entries(), entries);
        assert_eq!(parents.received(), entries.len() as u64);
        workers.set_pid(77);
        assert_eq!(parents.pid(), 77);
        assert_eq!(parents.bracket(), Some(Bracket { start: 1, most: 3, in_place: true }));
        assert_eq!(parents.fault().unwrap(), "nine words of it, and an umlaut: \u{fc}");
        assert_eq!(workers.wish(), Wish::Drain);
        workers.close();
        assert_eq!(parents.bracket(), None);
    }
}
