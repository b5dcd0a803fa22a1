//! Several senders and receivers on one ring, and a ledger of what they moved.

use std::io::Read;
use std::thread::{self, JoinHandle};

use crate::support::{Ended, Name, Running, end_all, start};

/// The most that `recv` takes at once where receivers compete.
pub(crate) const BATCH: usize = 256;

/// Processes that have all joined a ring; the senders wait for input.
pub(crate) struct Party {
    pub(crate) senders: Vec<Running>,
    pub(crate) receivers: Vec<Receiver>,
}

impl Party {
    /// Everyone joins before anyone sends: a receiver that comes after the end of the
    /// stream would wait for another one.
    pub(crate) fn join(name: &Name, senders: usize, receivers: usize) -> Self {
        let receivers: Vec<_> = (0..receivers).map(|_| Receiver::start(name)).collect();
        name.await_holders("consumers", receivers.len());
        let senders: Vec<_> = (0..senders).map(|_| start(&["send", &name.0])).collect();
        name.await_holders("producers", senders.len());
        Self { senders, receivers }
    }

    /// Lets each sender send so many lines of its own.
    pub(crate) fn feed(&mut self, lines: u32) {
        for (sender, running) in self.senders.iter_mut().enumerate() {
            running.feed(lines_of(sender, lines));
        }
    }

    /// Waits until all end well. Returns what the receivers wrote.
    #[track_caller]
    pub(crate) fn expect_done(self) -> Vec<Vec<u8>> {
        for ended in end_all(self.senders) {
            ended.expect_code(0);
        }
        self.receivers.into_iter().map(|one| one.end().expect_code(0).stdout).collect()
    }
}

/// A receiver whose reader keeps up, whatever the test does meanwhile.
pub(crate) struct Receiver {
    pub(crate) running: Running,
    output: JoinHandle<Vec<u8>>,
}

impl Receiver {
    fn start(name: &Name) -> Self {
        let mut running = start(&["recv", &name.0]);
        let mut stdout = running.child.stdout.take().expect("stdout");
        let output = thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).expect("output");
            bytes
        });
        Self { running, output }
    }

    #[track_caller]
    pub(crate) fn end(self) -> Ended {
        let ended = self.running.end();
        Ended { stdout: self.output.join().expect("a reader"), ..ended }
    }
}

/// The lines from 1 on of a sender. Each begins and ends with its sender, so that a part
/// of one, or of two, is none.
pub(crate) fn lines_of(sender: usize, count: u32) -> Vec<u8> {
    (1..=count).map(|number| format!("{sender}-{number}-{sender}\n")).collect::<String>().into()
}

/// The numbers of the lines in `outputs`, sorted, for each sender.
///
/// # Panics
/// If a line is not one that a sender sent, or was received twice, or if an output has
/// a sender's lines in another order than they were sent in.
#[track_caller]
pub(crate) fn ledger(senders: usize, outputs: &[Vec<u8>]) -> Vec<Vec<u32>> {
    let mut all = vec![Vec::new(); senders];
    for output in outputs {
        let output = std::str::from_utf8(output).expect("text");
        let mut last = vec![0; senders];
        for line in output.lines() {
            let (sender, number) = parse(line).unwrap_or_else(|| panic!("{line:?} is no line"));
            assert!(number > last[sender], "{line:?} after number {}", last[sender]);
            last[sender] = number;
            all[sender].push(number);
        }
    }
    for numbers in &mut all {
        numbers.sort_unstable();
        assert!(numbers.is_sorted_by(|a, b| a < b), "a line was received twice");
    }
    all
}

fn parse(line: &str) -> Option<(usize, u32)> {
    let (first, rest) = line.split_once('-')?;
    let (number, last) = rest.split_once('-')?;
    (first == last).then_some((first.parse().ok()?, number.parse().ok()?))
}

/// `output` without a last line that was cut off.
pub(crate) fn whole_lines(mut output: Vec<u8>) -> Vec<u8> {
    let end = output.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    output.truncate(end);
    output
}

/// The numbers of the first `count` lines.
pub(crate) fn first(count: usize) -> Vec<u32> {
    (1..).take(count).collect()
}
