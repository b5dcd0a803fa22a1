//! Message boundaries in a byte stream. No code here reads or writes streams.

use std::ops::Range;

use crate::report;

/// The size of a length prefix: u32, little-endian.
pub(crate) const PREFIX_BYTES: usize = 4;

/// The framing of messages in stdin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// One message per line, without its newline. A last line may lack the newline.
    Lines,
    /// Messages of this many bytes; the last one may be shorter.
    Chunks(usize),
    /// A length and as many bytes.
    LengthPrefixed,
}

impl Incoming {
    /// Returns the bytes of stdin that each message takes besides its own; a last line may lack
    /// its newline.
    pub(crate) fn overhead_bytes(self) -> u64 {
        match self {
            Self::Lines => 1,
            Self::Chunks(_) => 0,
            Self::LengthPrefixed => PREFIX_BYTES as u64,
        }
    }
}

/// The framing of messages in stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// Each message and a newline.
    Lines,
    /// The bytes of the messages and nothing else.
    Raw,
    /// A length and as many bytes.
    LengthPrefixed,
}

impl Outgoing {
    /// Returns the bytes of stdout that each message takes besides its own.
    pub(crate) fn overhead_bytes(self) -> u64 {
        let (before, after) = self.frame(0);
        (before.map_or(0, |before| before.len()) + after.iter().len()) as u64
    }

    /// Returns what names the ring `name` before each of its messages. `Raw` has no such place: a
    /// name could not be distinguished from a message.
    pub(crate) fn prefix(self, name: &str) -> Vec<u8> {
        match self {
            Self::Lines => format!("{}: ", report::printable(name)).into_bytes(),
            Self::Raw => Vec::new(),
            // No name reaches 4 GiB.
            Self::LengthPrefixed => [&(name.len() as u32).to_le_bytes(), name.as_bytes()].concat(),
        }
    }

    /// Returns the bytes before and after a message of `len` bytes.
    pub(crate) fn frame(self, len: usize) -> (Option<[u8; PREFIX_BYTES]>, Option<u8>) {
        match self {
            Self::Lines => (None, Some(b'\n')),
            Self::Raw => (None, None),
            // No message reaches 4 GiB: its header holds the length in 32 bits.
            Self::LengthPrefixed => (Some((len as u32).to_le_bytes()), None),
        }
    }
}

/// The message at the front of a piece of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The position of the message without its framing.
    pub(crate) payload: Range<usize>,
    /// The bytes that the message and its framing take up.
    pub(crate) taken: usize,
}

/// Why the next message cannot be sent. Messages count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// A line that is too long, and whose end has not been read.
    EndlessLine { number: u64 },
    /// A message that is too long.
    TooLong { number: u64, len: usize },
    /// The bytes end inside a message.
    CutOff { number: u64, have: usize, want: usize },
}

/// Splits messages off the front of a stream.
#[derive(Debug)]
pub(crate) struct Splitter {
    framing: Incoming,
    /// The longest message that the ring takes.
    max_len: usize,
    /// The number of the message that comes next.
    number: u64,
    /// The number of bytes at the front that were searched and have no newline.
    scanned: usize,
}

impl Splitter {
    pub(crate) fn new(framing: Incoming, max_len: usize) -> Self {
        Self { framing, max_len, number: 1, scanned: 0 }
    }

    /// Returns the most bytes that a message and its framing can take.
    pub(crate) fn longest_record(&self) -> usize {
        self.max_len + PREFIX_BYTES
    }

    /// Splits off the message at the front of `bytes`. Returns `None` if `bytes` does not have
    /// its end. `at_end`: no bytes follow `bytes`.
    pub(crate) fn next(&mut self, bytes: &[u8], at_end: bool) -> Result<Option<Record>, Unfit> {
        let record = match self.framing {
            Incoming::Lines => self.line(bytes, at_end)?,
            Incoming::Chunks(len) => self.chunk(bytes, len, at_end)?,
            Incoming::LengthPrefixed => self.prefixed(bytes, at_end)?,
        };
        if record.is_some() {
            self.number += 1;
            self.scanned = 0;
        }
        Ok(record)
    }

    fn line(&mut self, bytes: &[u8], at_end: bool) -> Result<Option<Record>, Unfit> {
        let fresh = self.scanned.min(bytes.len());
        let (len, taken) = match memchr::memchr(b'\n', &bytes[fresh..]) {
            Some(found) => (fresh + found, fresh + found + 1),
            None if at_end && !bytes.is_empty() => (bytes.len(), bytes.len()),
            None if bytes.len() > self.max_len => {
                return Err(Unfit::EndlessLine { number: self.number });
            }
            None => {
                self.scanned = bytes.len();
                return Ok(None);
            }
        };
        self.fitting(len)?;
        Ok(Some(Record { payload: 0..len, taken }))
    }

    fn chunk(&self, bytes: &[u8], len: usize, at_end: bool) -> Result<Option<Record>, Unfit> {
        self.fitting(len)?;
        let len = if at_end { len.min(bytes.len()) } else { len };
        let whole = len > 0 && len <= bytes.len();
        Ok(whole.then_some(Record { payload: 0..len, taken: len }))
    }

    fn prefixed(&self, bytes: &[u8], at_end: bool) -> Result<Option<Record>, Unfit> {
        let number = self.number;
        let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
            return if at_end && !bytes.is_empty() {
                Err(Unfit::CutOff { number, have: bytes.len(), want: PREFIX_BYTES })
            } else {
                Ok(None)
            };
        };
        let len = u32::from_le_bytes(*prefix) as usize;
        self.fitting(len)?;
        if len <= rest.len() {
            let taken = PREFIX_BYTES + len;
            return Ok(Some(Record { payload: PREFIX_BYTES..taken, taken }));
        }
        if at_end { Err(Unfit::CutOff { number, have: rest.len(), want: len }) } else { Ok(None) }
    }

    fn fitting(&self, len: usize) -> Result<(), Unfit> {
        if len > self.max_len {
            return Err(Unfit::TooLong { number: self.number, len });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits `stream`, shown in pieces of `step` bytes, as a reader of stdin does.
    fn split(
        framing: Incoming,
        max_len: usize,
        stream: &[u8],
        step: usize,
    ) -> (Vec<Vec<u8>>, Option<Unfit>) {
        let mut splitter = Splitter::new(framing, max_len);
        let (mut start, mut end, mut messages) = (0, 0, Vec::new());
        loop {
            let at_end = end == stream.len();
            match splitter.next(&stream[start..end], at_end) {
                Ok(Some(record)) => {
                    messages.push(stream[start..end][record.payload].to_vec());
                    start += record.taken;
                }
                Ok(None) if at_end => {
                    assert_eq!(start, end, "bytes left over");
                    return (messages, None);
                }
                Ok(None) => end = stream.len().min(end + step),
                Err(unfit) => return (messages, Some(unfit)),
            }
        }
    }

    // Catches results that depend on the sizes of the pieces, a lost last line, and an empty
    // line that is taken for the end.
    #[test]
    fn lines_in_any_pieces() {
        for step in 1..12 {
            let (messages, unfit) = split(Incoming::Lines, 8, b"one\n\nthree\nlast", step);
            assert_eq!(messages, [&b"one"[..], b"", b"three", b"last"]);
            assert_eq!(unfit, None);
            assert_eq!(split(Incoming::Lines, 8, b"", step).0.len(), 0);
            assert_eq!(split(Incoming::Lines, 8, b"\n", step).0, [b""]);
        }
    }

    // Catches an off-by-one at the limit and the wrong line number.
    #[test]
    fn lines_that_are_too_long() {
        for step in 1..20 {
            let (messages, unfit) = split(Incoming::Lines, 4, b"a\n1234\n12345\nb\n", step);
            assert_eq!(messages, [&b"a"[..], b"1234"]);
            match unfit {
                Some(Unfit::TooLong { number: 3, len: 5 } | Unfit::EndlessLine { number: 3 }) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    // Catches a short last chunk that is lost, and an empty one that is invented.
    #[test]
    fn chunks() {
        for step in 1..8 {
            assert_eq!(
                split(Incoming::Chunks(3), 4, b"abcdefg", step).0,
                [&b"abc"[..], b"def", b"g"]
            );
            assert_eq!(split(Incoming::Chunks(3), 4, b"abcdef", step).0, [b"abc", b"def"]);
        }
        let unfit = split(Incoming::Chunks(5), 4, b"a", 1).1;
        assert_eq!(unfit, Some(Unfit::TooLong { number: 1, len: 5 }));
    }

    // Catches a record cut off by the end of the stream passing as a whole one.
    #[test]
    fn length_prefixed() {
        let whole = b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0\n";
        for step in 1..8 {
            let (messages, unfit) = split(Incoming::LengthPrefixed, 4, whole, step);
            assert_eq!((messages, unfit), (vec![b"ab".to_vec(), vec![], b"\n".to_vec()], None));
            let (messages, unfit) = split(Incoming::LengthPrefixed, 4, &whole[..5], step);
            assert_eq!(messages.len(), 0);
            assert_eq!(unfit, Some(Unfit::CutOff { number: 1, have: 1, want: 2 }));
            let unfit = split(Incoming::LengthPrefixed, 4, &whole[..8], step).1;
            assert_eq!(unfit, Some(Unfit::CutOff { number: 2, have: 2, want: 4 }));
        }
        let unfit = split(Incoming::LengthPrefixed, 4, b"\x05\0\0\0", 4).1;
        assert_eq!(unfit, Some(Unfit::TooLong { number: 1, len: 5 }));
    }
}
