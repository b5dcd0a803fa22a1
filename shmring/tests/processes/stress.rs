//! Many messages between many processes, through slot rings of each kind.

use std::fs;

use shmring::{Kind, Message, RecvError, RecvIntoError, Segment};

use crate::common::child::{self, Part, pause, say};
use crate::common::{MODES, Name, slots, watchdog};

/// The longest message is as long as the slots are wide.
const SLOT_BYTES: u64 = 72;
const WORDS: usize = 8;

/// The parameters of a run.
struct Run {
    kind: Kind,
    slots: u64,
    senders: usize,
    receivers: usize,
    /// Messages in all; each sender has the same part of them.
    messages: u64,
    /// Messages in a batch; 1 is none.
    batch: usize,
    /// The indices of the modes in which the two sides wait.
    modes: [usize; 2],
}

/// A message: its sender, its number, and words that follow from them, truncated where
/// its length says.
fn fill(sender: u64, number: u64, words: &mut [u64; WORDS]) -> &[u8] {
    *words = [number.wrapping_mul(0xD134_2543_DE82_EF95) ^ sender; WORDS];
    (words[0], words[1]) = (sender, number);
    &bytemuck::cast_slice(words)[..16 + (number % 49) as usize]
}

/// A message that is kept with its words.
#[derive(Clone, Copy, Default)]
struct Filled {
    words: [u64; WORDS],
    len: usize,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }
}

/// In the child: sends its part.
pub(crate) fn send(args: &[String]) {
    let number = |index: usize| args[index].parse::<u64>().unwrap();
    let (mode, sender, count, batch) = (number(1), number(2), number(3), number(4));
    let mut tx = Segment::attach(&args[0]).unwrap().producer().unwrap();
    tx.set_wait_mode(MODES[mode as usize]);
    say("ready");
    pause();
    let mut words = [0; WORDS];
    if batch == 1 {
        (0..count).for_each(|number| tx.send(fill(sender, number, &mut words)).unwrap());
        return;
    }
    let mut filled = vec![Filled::default(); batch as usize];
    let mut next = 0;
    while next < count {
        let size = batch.min(count - next);
        for (number, filled) in (next..next + size).zip(&mut filled) {
            filled.len = fill(sender, number, &mut filled.words).len();
        }
        tx.send_batch(&filled[..size as usize]).unwrap();
        next += size;
    }
}

/// What a receiver got: which messages, as bits, and of each sender the last one.
struct Ledger {
    bits: Vec<u64>,
    last: Vec<Option<u64>>,
    /// Messages of each sender.
    each: u64,
}

impl Ledger {
    /// Enters a message after it was checked.
    fn enter(&mut self, message: &[u8]) {
        let words: [u64; 2] = bytemuck::pod_read_unaligned(&message[..16]);
        let [sender, number] = words;
        assert!(message == fill(sender, number, &mut [0; WORDS]), "torn: {sender} {number}");
        let last = &mut self.last[sender as usize];
        assert!(last.is_none_or(|last| last < number), "{number} of {sender} after {last:?}");
        *last = Some(number);
        let index = sender * self.each + number;
        self.bits[(index / 64) as usize] |= 1 << (index % 64);
    }
}

/// In the child: receives to the end, and leaves its ledger in a file.
pub(crate) fn receive(args: &[String]) {
    let number = |index: usize| args[index].parse::<usize>().unwrap();
    let (mode, senders, each, batch) = (number(1), number(2), number(3), number(4));
    let mut rx = Segment::attach(&args[0]).unwrap().consumer().unwrap();
    rx.set_wait_mode(MODES[mode]);
    let bits = vec![0; (senders * each).div_ceil(64)];
    let mut ledger = Ledger { bits, last: vec![None; senders], each: each as u64 };
    say("ready");
    let (mut buffer, mut copy) = ([0; 100], [0; 100]);
    let end = loop {
        let received = if batch == 1 {
            rx.recv_into(&mut buffer).inspect(|&len| ledger.enter(&buffer[..len]))
        } else {
            rx.recv_batch(batch, |message: &Message<'_>| {
                let len = message.copy_to(&mut copy);
                ledger.enter(&copy[..len]);
            })
            .map_err(RecvIntoError::Recv)
        };
        if let Err(end) = received {
            break end;
        }
    };
    assert_eq!(end, RecvIntoError::Recv(RecvError::Eof));
    fs::write(&args[5], bytemuck::cast_slice::<u64, u8>(&ledger.bits)).unwrap();
}

impl Run {
    fn run(&self) {
        let name = Name::new();
        let segment = name.create(&slots(self.kind, self.slots, SLOT_BYTES));
        let each = self.messages / self.senders as u64;
        let text = |number: usize| number.to_string();
        let ledgers: Vec<Name> = (0..self.receivers).map(|_| Name::new()).collect();
        let start_receiver = |ledger: &Name| {
            let file = ledger.path();
            let args = [
                &*name,
                &text(self.modes[1]),
                &text(self.senders),
                &each.to_string(),
                &text(self.batch),
                file.to_str().unwrap(),
            ];
            child::start("ring-receive", &args)
        };
        let start_sender = |sender: usize| {
            let args =
                [&*name, &text(self.modes[0]), &text(sender), &each.to_string(), &text(self.batch)];
            child::start("ring-send", &args)
        };
        let mut receivers: Vec<Part> = ledgers.iter().map(start_receiver).collect();
        let mut senders: Vec<Part> = (0..self.senders).map(start_sender).collect();
        for part in receivers.iter_mut().chain(&mut senders) {
            assert_eq!(part.hear(), "ready");
        }
        senders.iter_mut().for_each(Part::go);
        senders.into_iter().chain(receivers).for_each(|part| drop(part.finish()));

        let total = each * self.senders as u64;
        let mut all = vec![0_u64; total.div_ceil(64) as usize];
        for ledger in &ledgers {
            let bytes = fs::read(ledger.path()).unwrap();
            for (all, word) in all.iter_mut().zip(bytes.chunks_exact(8)) {
                let word = u64::from_ne_bytes(word.try_into().unwrap());
                assert_eq!(*all & word, 0, "received by two");
                *all |= word;
            }
        }
        let received: u64 = all.iter().map(|word| u64::from(word.count_ones())).sum();
        assert_eq!(received, total, "lost");
        let status = segment.status().unwrap();
        assert_eq!((status.ring().messages_received, status.ring().used_slots), (total, Some(0)));
        assert_eq!((status.ring().tombstones, status.ring().resolved, status.repairs), (0, 0, 0));
    }
}

/// Catches a message that is lost, received by two, torn, or that overtakes another of
/// its sender, in ten million.
#[test]
fn ten_million_messages_pass_between_eight_processes() {
    let _watchdog = watchdog("ten_million_messages_pass_between_eight_processes");
    let (senders, receivers) = (4, 4);
    let messages = 10_000_000;
    let run = Run {
        kind: Kind::Mpmc,
        slots: 1024,
        senders,
        receivers,
        messages,
        batch: 32,
        modes: [1, 1],
    };
    run.run();
}

/// As above, one by one, where each message is claimed and taken by itself.
#[test]
fn a_million_messages_pass_one_by_one() {
    let _watchdog = watchdog("a_million_messages_pass_one_by_one");
    let (senders, receivers) = (4, 4);
    for modes in [[1, 1], [2, 2]] {
        let (kind, messages) = (Kind::Mpmc, 500_000);
        Run { kind, slots: 1024, senders, receivers, messages, batch: 1, modes }.run();
    }
}

/// As above, where each lap is one or two messages: all the time someone waits for
/// another, and a mistake about laps is a mistake about messages.
#[test]
fn the_smallest_rings_lose_nothing_between_eight_processes() {
    let _watchdog = watchdog("the_smallest_rings_lose_nothing_between_eight_processes");
    let (senders, receivers) = (4, 4);
    for (slots, messages, batch, modes) in [
        (1, 100_000, 1, [1, 1]),
        (1, 100_000, 1, [2, 2]),
        (2, 250_000, 1, [1, 1]),
        (2, 250_000, 2, [2, 2]),
    ] {
        Run { kind: Kind::Mpmc, slots, senders, receivers, messages, batch, modes }.run();
    }
}

/// As above, where one side has a single process and does without announcements, or
/// without a CAS.
#[test]
fn four_to_one_and_one_to_four_lose_nothing() {
    let _watchdog = watchdog("four_to_one_and_one_to_four_lose_nothing");
    for (kind, senders, receivers) in [(Kind::Mpsc, 4, 1), (Kind::Spmc, 1, 4)] {
        for (slots, messages, batch, modes) in [
            (1, 50_000, 1, [2, 2]),
            (2, 30_000, 1, [1, 1]),
            (64, 400_000, 7, [2, 1]),
            (1024, 400_000, 1, [1, 2]),
        ] {
            Run { kind, slots, senders, receivers, messages, batch, modes }.run();
        }
    }
}

/// As above, without sleeping, which takes a CPU for each process.
#[test]
fn one_to_one_loses_nothing_without_sleeping() {
    let _watchdog = watchdog("one_to_one_loses_nothing_without_sleeping");
    let (senders, receivers) = (1, 1);
    for kind in crate::common::SLOT_KINDS {
        for (slots, messages, batch) in [(2, 5000, 1), (256, 100_000, 16)] {
            Run { kind, slots, senders, receivers, messages, batch, modes: [0, 0] }.run();
        }
    }
}
